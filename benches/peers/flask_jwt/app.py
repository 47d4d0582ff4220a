"""Peer (d): what the tutorials build. gunicorn --workers 2 app:app, in a folder with account.html"""

import os
import sqlite3
from datetime import timedelta

from flask import Flask, Response, abort, g, redirect, request
from flask_jwt_extended import JWTManager, create_access_token, jwt_required, set_access_cookies
from werkzeug.security import check_password_hash, generate_password_hash

DATABASE = os.path.abspath("flask_jwt.db")
with open("account.html", "rb") as file:
    PAGE = file.read()

app = Flask(__name__)
app.config.update(
    JWT_SECRET_KEY=os.environ["JWT_SECRET_KEY"],
    JWT_TOKEN_LOCATION=["cookies"],
    JWT_ACCESS_TOKEN_EXPIRES=timedelta(days=1),
)
jwt = JWTManager(app)


def get_db():
    if "db" not in g:
        g.db = sqlite3.connect(DATABASE)
        g.db.row_factory = sqlite3.Row
    return g.db


@app.teardown_appcontext
def close_db(_error):
    db = g.pop("db", None)
    if db is not None:
        db.close()


@jwt.user_lookup_loader
def look_up_user(_header, claims):
    return get_db().execute("select * from users where id = ?", (claims["sub"],)).fetchone()


@app.post("/login")
def log_in():
    user = get_db().execute("select * from users where email = ?", (request.form["email"],)).fetchone()
    if user is None or not check_password_hash(user["password_hash"], request.form["password"]):
        abort(401)
    answer = redirect("/account")
    set_access_cookies(answer, create_access_token(identity=str(user["id"])))
    return answer


@app.get("/account")
@jwt_required()
def account():
    return Response(PAGE, mimetype="text/html")


def set_up():
    """With its one user: the password is PEER_PASSWORD."""
    with app.app_context(), get_db() as db:
        db.execute("pragma journal_mode = wal")
        db.execute(
            "create table if not exists users"
            " (id integer primary key, email text not null unique, password_hash text not null)"
        )
        db.execute(
            "insert into users (email, password_hash) values ('ada@example.org', ?) on conflict do nothing",
            (generate_password_hash(os.environ["PEER_PASSWORD"]),),
        )


set_up()
