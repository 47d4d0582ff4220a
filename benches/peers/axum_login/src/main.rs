//! Peer (c): sessions in a table, as in axum-login's own SQLite example. `axum_login FOLDER PORT`

use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{Html, Redirect};
use axum::routing::{get, post};
use axum::{Form, Router};
use axum_login::tower_sessions::{Expiry, SessionManagerLayer};
use axum_login::{AuthManagerLayerBuilder, AuthUser, AuthnBackend, UserId, login_required};
use serde::Deserialize;
use sqlx::SqlitePool;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode};
use time::Duration;
use tokio::net::TcpListener;
use tokio::task::{self, spawn_blocking};
use tower_sessions_sqlx_store::SqliteStore;

type AuthSession = axum_login::AuthSession<Backend>;

#[derive(Clone)]
struct Backend {
    db: SqlitePool,
}

#[derive(Clone, Debug, sqlx::FromRow)]
struct User {
    id: i64,
    password_hash: String,
}

#[derive(Clone, Deserialize)]
struct Credentials {
    email: String,
    password: String,
}

#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Sqlx(#[from] sqlx::Error),
    #[error(transparent)]
    TaskJoin(#[from] task::JoinError),
}

impl AuthUser for User {
    type Id = i64;

    fn id(&self) -> i64 {
        self.id
    }

    fn session_auth_hash(&self) -> &[u8] {
        self.password_hash.as_bytes()
    }
}

impl AuthnBackend for Backend {
    type User = User;
    type Credentials = Credentials;
    type Error = Error;

    async fn authenticate(&self, credentials: Credentials) -> Result<Option<User>, Error> {
        let user: Option<User> = sqlx::query_as("select id, password_hash from users where email = $1")
            .bind(credentials.email)
            .fetch_optional(&self.db)
            .await?;
        let verified = spawn_blocking(|| {
            user.filter(|user| password_auth::verify_password(credentials.password, &user.password_hash).is_ok())
        });
        Ok(verified.await?)
    }

    async fn get_user(&self, id: &UserId<Self>) -> Result<Option<User>, Error> {
        let query = sqlx::query_as("select id, password_hash from users where id = $1");
        Ok(query.bind(id).fetch_optional(&self.db).await?)
    }
}

async fn log_in(mut auth: AuthSession, Form(credentials): Form<Credentials>) -> Result<Redirect, StatusCode> {
    let user = auth.authenticate(credentials).await.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    let user = user.ok_or(StatusCode::UNAUTHORIZED)?;
    auth.login(&user).await.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    Ok(Redirect::to("/account"))
}

async fn account(State(page): State<Bytes>) -> Html<Bytes> {
    Html(page)
}

/// With its one user: the password is `PEER_PASSWORD`.
async fn open(folder: &str) -> sqlx::Result<SqlitePool> {
    let options = SqliteConnectOptions::new()
        .filename(format!("{folder}/axum_login.db"))
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
    let [_, folder, port] = arguments.as_slice() else { panic!("axum_login FOLDER PORT") };
    let page: Bytes = std::fs::read(format!("{folder}/account.html")).expect("the page").into();
    let db = open(folder).await.expect("the database");
    let store = SqliteStore::new(db.clone());
    store.migrate().await.expect("the table of sessions");
    let sessions = SessionManagerLayer::new(store)
        // As for hallpass: the load comes over http.
        .with_secure(false)
        .with_expiry(Expiry::OnInactivity(Duration::days(1)));
    let auth = AuthManagerLayerBuilder::new(Backend { db }, sessions).build();
    let routes = Router::new()
        .route("/account", get(account))
        .route_layer(login_required!(Backend, login_url = "/login"))
        .route("/login", post(log_in))
        .layer(auth)
        .with_state(page);
    let listener = TcpListener::bind(format!("127.0.0.1:{port}")).await.expect("the port");
    axum::serve(listener, routes).await.expect("no end");
}
