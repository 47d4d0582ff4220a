use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row};

use super::User;
use super::throttle::Limit;
use crate::clock::Seconds;
use crate::db::{Db, DbError};
use crate::id::{BrowserId, UserId};

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
    let row = sqlx::query(
        "select users.*, known_browsers.browser_id as known_browser
         from users left join known_browsers on known_browsers.user_id = users.id and known_browsers.browser_id = $2
         where users.email_key = $1",
    )
    .bind(email_key)
    .bind(browser.map(BrowserId::as_str))
    .fetch_optional(db.read())
    .await?;
    row.as_ref().map(credentials).transpose()
}

pub async fn credentials_by_id(
    db: &Db,
    id: &UserId,
    browser: Option<&BrowserId>,
) -> Result<Option<Credentials>, DbError> {
    let row = sqlx::query(
        "select users.*, known_browsers.browser_id as known_browser
         from users left join known_browsers on known_browsers.user_id = users.id and known_browsers.browser_id = $2
         where users.id = $1",
    )
    .bind(id.as_str())
    .bind(browser.map(BrowserId::as_str))
    .fetch_optional(db.read())
    .await?;
    row.as_ref().map(credentials).transpose()
}

pub async fn by_id(db: &Db, id: &UserId) -> Result<Option<User>, DbError> {
    let row = sqlx::query("select * from users where id = $1").bind(id.as_str()).fetch_optional(db.read()).await?;
    row.as_ref().map(user).transpose()
}

pub async fn by_key(db: &Db, email_key: &str) -> Result<Option<User>, DbError> {
    let row = sqlx::query("select * from users where email_key = $1").bind(email_key).fetch_optional(db.read()).await?;
    row.as_ref().map(user).transpose()
}

/// Those that follow one, the oldest first.
pub async fn page(db: &Db, after: Option<&User>, most: i64) -> Result<Vec<User>, DbError> {
    let rows = sqlx::query("select * from users where (created_at, id) > ($1, $2) order by created_at, id limit $3")
        .bind(after.map_or(Seconds::MIN, |user| user.created_at))
        .bind(after.map_or("", |user| user.id.as_str()))
        .bind(most)
        .fetch_all(db.read())
        .await?;
    rows.iter().map(user).collect()
}

pub async fn is_empty(db: &Db) -> Result<bool, DbError> {
    Ok(sqlx::query("select id from users limit 1").fetch_optional(db.read()).await?.is_none())
}

pub async fn has_admin(db: &Db) -> Result<bool, DbError> {
    Ok(sqlx::query("select id from users where admin_at is not null limit 1")
        .fetch_optional(db.read())
        .await?
        .is_some())
}

pub async fn has_admin_in(connection: &mut AnyConnection) -> Result<bool, DbError> {
    Ok(sqlx::query("select id from users where admin_at is not null limit 1")
        .fetch_optional(connection)
        .await?
        .is_some())
}

/// False if the address is taken. What the account is, an administrator's or locked, it is since `now`.
pub async fn insert(
    connection: &mut AnyConnection,
    user: &User,
    email_key: &str,
    password_hash: &str,
    now: Seconds,
) -> Result<bool, DbError> {
    let inserted = sqlx::query(
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
    .bind(user.created_at)
    .execute(connection)
    .await?;
    Ok(inserted.rows_affected() == 1)
}

pub async fn set_name(connection: &mut AnyConnection, id: &UserId, name: &str) -> Result<bool, DbError> {
    let changed = sqlx::query("update users set name = $2 where id = $1")
        .bind(id.as_str())
        .bind(name)
        .execute(connection)
        .await?;
    Ok(changed.rows_affected() == 1)
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
    connection: &mut AnyConnection,
    id: &UserId,
    old: &str,
    new: &str,
    now: Seconds,
) -> Result<bool, DbError> {
    let changed = sqlx::query(
        "update users set password_hash = $3, password_changed_at = $4
         where id = $1 and password_hash = $2",
    )
    .bind(id.as_str())
    .bind(old)
    .bind(new)
    .bind(now)
    .execute(connection)
    .await?;
    Ok(changed.rows_affected() == 1)
}

pub async fn set_password(
    connection: &mut AnyConnection,
    id: &UserId,
    hash: &str,
    now: Seconds,
) -> Result<bool, DbError> {
    let changed = sqlx::query("update users set password_hash = $2, password_changed_at = $3 where id = $1")
        .bind(id.as_str())
        .bind(hash)
        .bind(now)
        .execute(connection)
        .await?;
    Ok(changed.rows_affected() == 1)
}

/// False if it was locked already.
pub async fn lock(connection: &mut AnyConnection, id: &UserId, now: Seconds) -> Result<bool, DbError> {
    let changed = sqlx::query("update users set locked_at = $2 where id = $1 and locked_at is null")
        .bind(id.as_str())
        .bind(now)
        .execute(connection)
        .await?;
    Ok(changed.rows_affected() == 1)
}

/// False if it wasn't locked.
pub async fn unlock(connection: &mut AnyConnection, id: &UserId) -> Result<bool, DbError> {
    let changed = sqlx::query("update users set locked_at = null where id = $1 and locked_at is not null")
        .bind(id.as_str())
        .execute(connection)
        .await?;
    Ok(changed.rows_affected() == 1)
}

/// False if they were one already.
pub async fn make_admin(connection: &mut AnyConnection, id: &UserId, now: Seconds) -> Result<bool, DbError> {
    let changed = sqlx::query("update users set admin_at = $2 where id = $1 and admin_at is null")
        .bind(id.as_str())
        .bind(now)
        .execute(connection)
        .await?;
    Ok(changed.rows_affected() == 1)
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

/// Counts one, in a new window if the last is over. False, and nothing counted, if the limit has been reached.
pub async fn count(connection: &mut AnyConnection, key: &str, limit: Limit, now: Seconds) -> Result<bool, DbError> {
    let counted = sqlx::query(
        "insert into throttles (key, count, resets_at) values ($1, 1, $2)
         on conflict (key) do update set
             count = case when throttles.resets_at <= $3 then 1 else throttles.count + 1 end,
             resets_at = case when throttles.resets_at <= $3 then excluded.resets_at else throttles.resets_at end
         where throttles.resets_at <= $3 or throttles.count < $4",
    )
    .bind(key)
    .bind(now + limit.window_seconds)
    .bind(now)
    .bind(limit.most)
    .execute(connection)
    .await?;
    Ok(counted.rows_affected() == 1)
}

/// The count and when it is over.
pub async fn counter(db: &Db, key: &str) -> Result<Option<(i64, Seconds)>, DbError> {
    let row = sqlx::query("select count, resets_at from throttles where key = $1")
        .bind(key)
        .fetch_optional(db.read())
        .await?;
    row.map(|row| Ok((row.try_get("count")?, row.try_get("resets_at")?))).transpose()
}

/// Undoes one count of the time `at`, unless its window is over: later ones end later than that one could.
pub async fn give_back(connection: &mut AnyConnection, key: &str, at: Seconds, limit: Limit) -> Result<(), DbError> {
    sqlx::query("update throttles set count = count - 1 where key = $1 and count > 0 and resets_at <= $2")
        .bind(key)
        .bind(at + limit.window_seconds)
        .execute(connection)
        .await?;
    Ok(())
}

pub async fn reset(connection: &mut AnyConnection, key: &str) -> Result<(), DbError> {
    sqlx::query("delete from throttles where key = $1").bind(key).execute(connection).await?;
    Ok(())
}

pub async fn prune_throttles(db: &Db, now: Seconds, most: i64) -> Result<u64, DbError> {
    let statement = sqlx::query(
        "delete from throttles
         where resets_at <= $1 and key in (select key from throttles where resets_at <= $1 limit $2)",
    )
    .bind(now)
    .bind(most);
    db.execute(statement).await
}

/// Replaces every earlier token of the purpose.
pub async fn replace_token(
    connection: &mut AnyConnection,
    purpose: &str,
    hash: &str,
    now: Seconds,
    expires_at: Seconds,
) -> Result<(), DbError> {
    sqlx::query("delete from one_time_tokens where purpose = $1").bind(purpose).execute(&mut *connection).await?;
    sqlx::query("insert into one_time_tokens (hash, purpose, created_at, expires_at) values ($1, $2, $3, $4)")
        .bind(hash)
        .bind(purpose)
        .bind(now)
        .bind(expires_at)
        .execute(connection)
        .await?;
    Ok(())
}

pub async fn token_is_good(db: &Db, purpose: &str, hash: &str, now: Seconds) -> Result<bool, DbError> {
    let row = sqlx::query(
        "select hash from one_time_tokens
         where hash = $1 and purpose = $2 and expires_at > $3 and consumed_at is null",
    )
    .bind(hash)
    .bind(purpose)
    .bind(now)
    .fetch_optional(db.read())
    .await?;
    Ok(row.is_some())
}

/// False if the token does not exist, is over, or was consumed before.
pub async fn consume_token(
    connection: &mut AnyConnection,
    purpose: &str,
    hash: &str,
    now: Seconds,
) -> Result<bool, DbError> {
    let consumed = sqlx::query(
        "update one_time_tokens set consumed_at = $3
         where hash = $1 and purpose = $2 and expires_at > $3 and consumed_at is null",
    )
    .bind(hash)
    .bind(purpose)
    .bind(now)
    .execute(connection)
    .await?;
    Ok(consumed.rows_affected() == 1)
}
