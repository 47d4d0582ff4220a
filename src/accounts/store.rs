use sqlx::Row;
use sqlx::any::AnyRow;

use super::User;
use crate::clock::Seconds;
use crate::db::{Db, DbError, Transaction};
use crate::id::{BrowserId, UserId};

/// Named one by one: a connection that has prepared `select *` fails once a newer version has added a column.
macro_rules! select {
    ($more:literal, $rest:literal) => {
        concat!(
            "select users.id, users.email, users.email_key, users.name, users.password_hash, users.password_changed_at,
                    users.admin_at, users.locked_at, users.created_at",
            $more,
            " from users ",
            $rest
        )
    };
}

/// What it takes to check a password.
pub struct Credentials {
    pub user: User,
    pub email_key: String,
    pub password_hash: String,
    /// Whether the asking browser has logged in to the account before.
    pub known_browser: bool,
}

fn user(row: &AnyRow) -> Result<User, DbError> {
    Ok(User {
        id: UserId::from_text(row.try_get::<String, _>("id")?),
        email: row.try_get("email")?,
        name: row.try_get("name")?,
        admin: row.try_get::<Option<Seconds>, _>("admin_at")?.is_some(),
        locked: row.try_get::<Option<Seconds>, _>("locked_at")?.is_some(),
        created_at: row.try_get("created_at")?,
        password_changed_at: row.try_get("password_changed_at")?,
    })
}

fn credentials(row: &AnyRow) -> Result<Credentials, DbError> {
    Ok(Credentials {
        user: user(row)?,
        email_key: row.try_get("email_key")?,
        password_hash: row.try_get("password_hash")?,
        known_browser: row.try_get::<Option<String>, _>("known_browser")?.is_some(),
    })
}

/// One query whether or not the account exists and knows the browser, so that the time tells neither.
pub async fn credentials_by_key(
    db: &Db,
    email_key: &str,
    browser: Option<&BrowserId>,
) -> Result<Option<Credentials>, DbError> {
    let statement = sqlx::query(select!(
        ", known_browsers.browser_id as known_browser",
        "left join known_browsers on known_browsers.user_id = users.id and known_browsers.browser_id = $2
         where users.email_key = $1"
    ))
    .bind(email_key)
    .bind(browser.map(BrowserId::as_str));
    let row = db.fetch_optional(statement).await?;
    row.as_ref().map(credentials).transpose()
}

pub async fn credentials_by_id(
    db: &Db,
    id: &UserId,
    browser: Option<&BrowserId>,
) -> Result<Option<Credentials>, DbError> {
    let statement = sqlx::query(select!(
        ", known_browsers.browser_id as known_browser",
        "left join known_browsers on known_browsers.user_id = users.id and known_browsers.browser_id = $2
         where users.id = $1"
    ))
    .bind(id.as_str())
    .bind(browser.map(BrowserId::as_str));
    let row = db.fetch_optional(statement).await?;
    row.as_ref().map(credentials).transpose()
}

pub async fn by_id(db: &Db, id: &UserId) -> Result<Option<User>, DbError> {
    let row = db.fetch_optional(sqlx::query(select!("", "where id = $1")).bind(id.as_str())).await?;
    row.as_ref().map(user).transpose()
}

pub async fn by_key(db: &Db, email_key: &str) -> Result<Option<User>, DbError> {
    let row = db.fetch_optional(sqlx::query(select!("", "where email_key = $1")).bind(email_key)).await?;
    row.as_ref().map(user).transpose()
}

/// Those that follow one, the oldest first.
pub async fn page(db: &Db, after: Option<&User>, most: i64) -> Result<Vec<User>, DbError> {
    let statement = sqlx::query(select!("", "where (created_at, id) > ($1, $2) order by created_at, id limit $3"))
        .bind(after.map_or(Seconds::MIN, |user| user.created_at))
        .bind(after.map_or("", |user| user.id.as_str()))
        .bind(most);
    let rows = db.fetch_all(statement).await?;
    rows.iter().map(user).collect()
}

pub async fn is_empty(db: &Db) -> Result<bool, DbError> {
    let statement = sqlx::query("select id from users limit 1");
    Ok(db.fetch_optional(statement).await?.is_none())
}

pub async fn has_admin(db: &Db) -> Result<bool, DbError> {
    let statement = sqlx::query("select id from users where admin_at is not null limit 1");
    Ok(db.fetch_optional(statement).await?.is_some())
}

pub async fn has_admin_in(transaction: &mut Transaction) -> Result<bool, DbError> {
    let statement = sqlx::query("select id from users where admin_at is not null limit 1");
    Ok(transaction.fetch_optional(statement).await?.is_some())
}

/// False if the address is taken. What the account is, an administrator's or locked, it is since `now`.
pub async fn insert(
    transaction: &mut Transaction,
    user: &User,
    email_key: &str,
    password_hash: &str,
    now: Seconds,
) -> Result<bool, DbError> {
    let statement = sqlx::query(
        "insert into users
             (id, email, email_key, name, password_hash, password_changed_at, admin_at, locked_at, created_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         on conflict (email_key) do nothing",
    )
    .bind(user.id.as_str())
    .bind(user.email.as_str())
    .bind(email_key)
    .bind(user.name.as_str())
    .bind(password_hash)
    .bind(user.password_changed_at)
    .bind(user.admin.then_some(now))
    .bind(user.locked.then_some(now))
    .bind(user.created_at);
    Ok(transaction.execute(statement).await? == 1)
}

pub async fn set_name(transaction: &mut Transaction, id: &UserId, name: &str) -> Result<bool, DbError> {
    let statement = sqlx::query("update users set name = $2 where id = $1").bind(id.as_str()).bind(name);
    Ok(transaction.execute(statement).await? == 1)
}

/// The same password under other parameters: `password_changed_at` stays. False if the hash is no longer `old`.
pub async fn rehash(db: &Db, id: &UserId, old: &str, new: &str) -> Result<bool, DbError> {
    let statement = sqlx::query("update users set password_hash = $3 where id = $1 and password_hash = $2")
        .bind(id.as_str())
        .bind(old)
        .bind(new);
    Ok(db.execute(statement).await? == 1)
}

/// False if the hash is no longer `old`: somebody else was quicker.
pub async fn change_password(
    transaction: &mut Transaction,
    id: &UserId,
    old: &str,
    new: &str,
    now: Seconds,
) -> Result<bool, DbError> {
    let statement = sqlx::query(
        "update users set password_hash = $3, password_changed_at = $4
         where id = $1 and password_hash = $2",
    )
    .bind(id.as_str())
    .bind(old)
    .bind(new)
    .bind(now);
    Ok(transaction.execute(statement).await? == 1)
}

pub async fn set_password(
    transaction: &mut Transaction,
    id: &UserId,
    hash: &str,
    now: Seconds,
) -> Result<bool, DbError> {
    let statement = sqlx::query("update users set password_hash = $2, password_changed_at = $3 where id = $1")
        .bind(id.as_str())
        .bind(hash)
        .bind(now);
    Ok(transaction.execute(statement).await? == 1)
}

/// False if it was locked already.
pub async fn lock(transaction: &mut Transaction, id: &UserId, now: Seconds) -> Result<bool, DbError> {
    let statement =
        sqlx::query("update users set locked_at = $2 where id = $1 and locked_at is null").bind(id.as_str()).bind(now);
    Ok(transaction.execute(statement).await? == 1)
}

/// False if it wasn't locked.
pub async fn unlock(transaction: &mut Transaction, id: &UserId) -> Result<bool, DbError> {
    let statement =
        sqlx::query("update users set locked_at = null where id = $1 and locked_at is not null").bind(id.as_str());
    Ok(transaction.execute(statement).await? == 1)
}

/// False if they were one already.
pub async fn make_admin(transaction: &mut Transaction, id: &UserId, now: Seconds) -> Result<bool, DbError> {
    let statement =
        sqlx::query("update users set admin_at = $2 where id = $1 and admin_at is null").bind(id.as_str()).bind(now);
    Ok(transaction.execute(statement).await? == 1)
}

pub async fn remember_browser(db: &Db, user: &UserId, browser: &BrowserId, now: Seconds) -> Result<(), DbError> {
    let statement = sqlx::query(
        "insert into known_browsers (user_id, browser_id, seen_at) values ($1, $2, $3)
         on conflict (user_id, browser_id) do update set seen_at = excluded.seen_at",
    )
    .bind(user.as_str())
    .bind(browser.as_str())
    .bind(now);
    db.execute(statement).await?;
    Ok(())
}

pub async fn prune_known_browsers(db: &Db, before: Seconds, most: i64) -> Result<u64, DbError> {
    let statement = sqlx::query(
        "delete from known_browsers
         where seen_at < $1 and (user_id, browser_id) in
             (select user_id, browser_id from known_browsers where seen_at < $1 limit $2)",
    )
    .bind(before)
    .bind(most);
    db.execute(statement).await
}

/// Replaces every earlier token of the purpose.
pub async fn replace_token(
    transaction: &mut Transaction,
    purpose: &str,
    hash: &str,
    now: Seconds,
    expires_at: Seconds,
) -> Result<(), DbError> {
    transaction.execute(sqlx::query("delete from one_time_tokens where purpose = $1").bind(purpose)).await?;
    let statement =
        sqlx::query("insert into one_time_tokens (hash, purpose, created_at, expires_at) values ($1, $2, $3, $4)")
            .bind(hash)
            .bind(purpose)
            .bind(now)
            .bind(expires_at);
    transaction.execute(statement).await?;
    Ok(())
}

pub async fn token_is_good(db: &Db, purpose: &str, hash: &str, now: Seconds) -> Result<bool, DbError> {
    let statement = sqlx::query(
        "select hash from one_time_tokens
         where hash = $1 and purpose = $2 and expires_at > $3 and consumed_at is null",
    )
    .bind(hash)
    .bind(purpose)
    .bind(now);
    let row = db.fetch_optional(statement).await?;
    Ok(row.is_some())
}

/// False if the token does not exist, is over, or was consumed before.
pub async fn consume_token(
    transaction: &mut Transaction,
    purpose: &str,
    hash: &str,
    now: Seconds,
) -> Result<bool, DbError> {
    let statement = sqlx::query(
        "update one_time_tokens set consumed_at = $3
         where hash = $1 and purpose = $2 and expires_at > $3 and consumed_at is null",
    )
    .bind(hash)
    .bind(purpose)
    .bind(now);
    Ok(transaction.execute(statement).await? == 1)
}
