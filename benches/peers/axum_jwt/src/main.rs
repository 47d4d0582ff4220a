//! Peer (b): a JWT in a cookie says who asks, and the user's row is read for each request. `axum_jwt FOLDER PORT`

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use axum::body::Bytes;
use axum::extract::{FromRef, FromRequestParts, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{Html, Redirect};
use axum::routing::{get, post};
use axum::{Form, Router};
use axum_extra::extract::CookieJar;
use axum_extra::extract::cookie::{Cookie, SameSite};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use serde::{Deserialize, Serialize};
use sqlx::SqlitePool;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode};
use tokio::net::TcpListener;
use tokio::task::spawn_blocking;

const COOKIE: &str = "access_token";
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[derive(Clone, FromRef)]
struct App {
    db: SqlitePool,
    keys: Arc<Keys>,
    page: Bytes,
}

struct Keys {
    encoding: EncodingKey,
    decoding: DecodingKey,
    validation: Validation,
}

#[derive(Serialize, Deserialize)]
struct Claims {
    sub: String,
    exp: u64,
}

#[derive(sqlx::FromRow)]
struct User {
    id: i64,
    #[expect(dead_code, reason = "what a page would show")]
    email: String,
    password_hash: String,
}

#[derive(Deserialize)]
struct Credentials {
    email: String,
    password: String,
}

impl Keys {
    fn generate() -> Self {
        let pair = Ed25519KeyPair::generate().expect("a key pair");
        let private: Pkcs8V1Der = pair.as_der().expect("an encoding");
        Self {
            encoding: EncodingKey::from_ed_der(private.as_ref()),
            decoding: DecodingKey::from_ed_der(pair.public_key().as_ref()),
            validation: Validation::new(Algorithm::EdDSA),
        }
    }
}

impl FromRequestParts<App> for User {
    type Rejection = Redirect;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Redirect> {
        let to_login = || Redirect::to("/login");
        let cookies = CookieJar::from_headers(&parts.headers);
        let token = cookies.get(COOKIE).ok_or_else(to_login)?.value();
        let token = decode::<Claims>(token, &app.keys.decoding, &app.keys.validation).map_err(|_| to_login())?;
        let user = sqlx::query_as("select id, email, password_hash from users where id = $1")
            .bind(token.claims.sub)
            .fetch_optional(&app.db)
            .await;
        user.ok().flatten().ok_or_else(to_login)
    }
}

async fn log_in(
    State(app): State<App>,
    cookies: CookieJar,
    Form(credentials): Form<Credentials>,
) -> Result<(CookieJar, Redirect), StatusCode> {
    let user: Option<User> = sqlx::query_as("select id, email, password_hash from users where email = $1")
        .bind(credentials.email)
        .fetch_optional(&app.db)
        .await
        .map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    let user = user.ok_or(StatusCode::UNAUTHORIZED)?;
    let verified = spawn_blocking(move || password_auth::verify_password(credentials.password, &user.password_hash));
    verified.await.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?.map_err(|_| StatusCode::UNAUTHORIZED)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock past 1970");
    let claims = Claims { sub: user.id.to_string(), exp: (now + DAY).as_secs() };
    let token = encode(&Header::new(Algorithm::EdDSA), &claims, &app.keys.encoding);
    let token = token.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    let cookie = Cookie::build((COOKIE, token)).path("/").http_only(true).same_site(SameSite::Lax);
    Ok((cookies.add(cookie), Redirect::to("/account")))
}

async fn account(_user: User, State(page): State<Bytes>) -> Html<Bytes> {
    Html(page)
}

/// With its one user: the password is `PEER_PASSWORD`.
async fn open(folder: &str) -> sqlx::Result<SqlitePool> {
    let options = SqliteConnectOptions::new()
        .filename(format!("{folder}/axum_jwt.db"))
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal);
    let db = SqlitePool::connect_with(options).await?;
    sqlx::raw_sql(
        "create table if not exists users (id integer primary key, email text not null unique, password_hash text not null)",
    )
    .execute(&db)
    .await?;
    let password = std::env::var("PEER_PASSWORD").expect("PEER_PASSWORD");
    sqlx::query("insert into users (email, password_hash) values ('ada@example.org', $1) on conflict do nothing")
        .bind(password_auth::generate_hash(password))
        .execute(&db)
        .await?;
    Ok(db)
}

#[tokio::main(worker_threads = 2)]
async fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, folder, port] = arguments.as_slice() else { panic!("axum_jwt FOLDER PORT") };
    let page = std::fs::read(format!("{folder}/account.html")).expect("the page").into();
    let app = App { db: open(folder).await.expect("the database"), keys: Arc::new(Keys::generate()), page };
    let routes = Router::new().route("/login", post(log_in)).route("/account", get(account)).with_state(app);
    let listener = TcpListener::bind(format!("127.0.0.1:{port}")).await.expect("the port");
    axum::serve(listener, routes).await.expect("no end");
}
