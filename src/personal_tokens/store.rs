use sqlx::any::AnyRow;
use sqlx::{Any, AnyConnection, Executor, Row};

use super::{PersonalToken, Scopes};
use crate::clock::Seconds;
use crate::db::{Db, DbError};
use crate::id::{PersonalTokenId, UserId};
use crate::sessions::{self, Owner};

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "select t.id, t.user_id, t.name as token_name, t.scopes, t.created_at, t.expires_at, t.last_used_at,
                    u.email, u.name, u.admin_at, u.locked_at
             from personal_tokens as t join users as u on u.id = t.user_id ",
            $rest
        )
    };
}

/// Keeps the owner's row as it is until the transaction ends, and others who make tokens for them waiting: on
/// PostgreSQL, only a write does. False if the account has been locked, or given another password.
pub async fn hold_owner(
    connection: &mut AnyConnection,
    user: &UserId,
    password_changed_at: Seconds,
) -> Result<bool, DbError> {
    let held = sqlx::query(
        "update users set password_changed_at = password_changed_at
         where id = $1 and locked_at is null and password_changed_at = $2",
    )
    .bind(user.as_str())
    .bind(password_changed_at)
    .execute(connection)
    .await?;
    Ok(held.rows_affected() == 1)
}

pub async fn insert(
    connection: &mut AnyConnection,
    user: &UserId,
    token: &PersonalToken,
    hash: &str,
) -> Result<(), DbError> {
    sqlx::query(
        "insert into personal_tokens (id, user_id, hash, name, scopes, created_at, expires_at)
         values ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(token.id.as_str())
    .bind(user.as_str())
    .bind(hash)
    .bind(token.name.as_str())
    .bind(token.scopes.to_string())
    .bind(token.created_at)
    .bind(token.expires_at)
    .execute(connection)
    .await?;
    Ok(())
}

pub async fn count_live(
    executor: impl Executor<'_, Database = Any>,
    user: &UserId,
    now: Seconds,
) -> Result<i64, DbError> {
    let row = sqlx::query(
        "select count(*) as live from personal_tokens
         where user_id = $1 and revoked_at is null and expires_at > $2",
    )
    .bind(user.as_str())
    .bind(now)
    .fetch_one(executor)
    .await?;
    Ok(row.try_get("live")?)
}

pub async fn by_hash(db: &Db, hash: &str, now: Seconds) -> Result<Option<(PersonalToken, Owner)>, DbError> {
    let row = sqlx::query(select!(
        "where t.hash = $1 and t.revoked_at is null and t.expires_at > $2 and u.locked_at is null"
    ))
    .bind(hash)
    .bind(now)
    .fetch_optional(db.read())
    .await?;
    row.as_ref().map_or(Ok(None), owned_token)
}

pub async fn live_of_user(db: &Db, user: &UserId, now: Seconds) -> Result<Vec<PersonalToken>, DbError> {
    let rows = sqlx::query(select!(
        "where t.user_id = $1 and t.revoked_at is null and t.expires_at > $2
         order by t.created_at desc, t.id"
    ))
    .bind(user.as_str())
    .bind(now)
    .fetch_all(db.read())
    .await?;
    rows.iter().filter_map(|row| token(row).transpose()).collect()
}

pub async fn all_live(db: &Db, now: Seconds) -> Result<Vec<(PersonalToken, Owner)>, DbError> {
    let rows = sqlx::query(select!(
        "where t.revoked_at is null and t.expires_at > $1 order by u.email, t.created_at desc, t.id"
    ))
    .bind(now)
    .fetch_all(db.read())
    .await?;
    rows.iter().filter_map(|row| owned_token(row).transpose()).collect()
}

pub async fn owner_of(db: &Db, id: &PersonalTokenId) -> Result<Option<UserId>, DbError> {
    let row = sqlx::query("select user_id from personal_tokens where id = $1")
        .bind(id.as_str())
        .fetch_optional(db.read())
        .await?;
    Ok(row.map(|row| row.try_get::<String, _>("user_id").map(UserId::from_text)).transpose()?)
}

/// Of many requests at once, one writes.
pub async fn note_use(db: &Db, id: &PersonalTokenId, now: Seconds, unless_noted_after: Seconds) -> Result<(), DbError> {
    let statement = sqlx::query(
        "update personal_tokens set last_used_at = $1
         where id = $2 and (last_used_at is null or last_used_at <= $3)",
    )
    .bind(now)
    .bind(id.as_str())
    .bind(unless_noted_after);
    db.execute(statement).await?;
    Ok(())
}

/// False if it was not live any more.
pub async fn revoke(connection: &mut AnyConnection, id: &PersonalTokenId, now: Seconds) -> Result<bool, DbError> {
    let revoked = sqlx::query(
        "update personal_tokens set revoked_at = $1
         where id = $2 and revoked_at is null and expires_at > $1",
    )
    .bind(now)
    .bind(id.as_str())
    .execute(connection)
    .await?;
    Ok(revoked.rows_affected() == 1)
}

/// Revokes every live token of a user, within the caller's transaction. Returns how many.
pub async fn revoke_all(connection: &mut AnyConnection, user: &UserId, now: Seconds) -> Result<u64, DbError> {
    let revoked = sqlx::query(
        "update personal_tokens set revoked_at = $1
         where user_id = $2 and revoked_at is null and expires_at > $1",
    )
    .bind(now)
    .bind(user.as_str())
    .execute(connection)
    .await?;
    Ok(revoked.rows_affected())
}

pub async fn prune(db: &Db, ended_before: Seconds, most: i64) -> Result<u64, DbError> {
    let statement = sqlx::query(
        "delete from personal_tokens where id in (
             select id from personal_tokens where expires_at < $1 or revoked_at < $1 limit $2
         )",
    )
    .bind(ended_before)
    .bind(most);
    db.execute(statement).await
}

/// None if this version knows none of its scopes: it gives no access here.
fn token(row: &AnyRow) -> Result<Option<PersonalToken>, DbError> {
    let Some(scopes) = Scopes::stored(row.try_get("scopes")?) else { return Ok(None) };
    Ok(Some(PersonalToken {
        id: PersonalTokenId::from_text(row.try_get::<String, _>("id")?),
        name: row.try_get("token_name")?,
        scopes,
        created_at: row.try_get("created_at")?,
        expires_at: row.try_get("expires_at")?,
        last_used_at: row.try_get("last_used_at")?,
    }))
}

fn owned_token(row: &AnyRow) -> Result<Option<(PersonalToken, Owner)>, DbError> {
    let owner = sessions::owner(row)?;
    Ok(token(row)?.map(|token| (token, owner)))
}
