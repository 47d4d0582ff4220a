use sqlx::Row;
use sqlx::any::AnyRow;

use super::{PersonalToken, Scopes};
use crate::clock::Seconds;
use crate::db::{Db, DbError, Statement, Transaction};
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

pub async fn insert(
    transaction: &mut Transaction,
    user: &UserId,
    token: &PersonalToken,
    hash: &str,
) -> Result<(), DbError> {
    let statement = sqlx::query(
        "insert into personal_tokens (id, user_id, hash, name, scopes, created_at, expires_at)
         values ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(token.id.as_str())
    .bind(user.as_str())
    .bind(hash)
    .bind(token.name.as_str())
    .bind(token.scopes.to_string())
    .bind(token.created_at)
    .bind(token.expires_at);
    transaction.execute(statement).await?;
    Ok(())
}

/// How many live tokens a user has.
pub async fn count_live(db: &Db, user: &UserId, now: Seconds) -> Result<i64, DbError> {
    Ok(db.fetch_one(counting(user, now)).await?.try_get("live")?)
}

/// The same within a transaction.
pub async fn count_live_in(transaction: &mut Transaction, user: &UserId, now: Seconds) -> Result<i64, DbError> {
    Ok(transaction.fetch_one(counting(user, now)).await?.try_get("live")?)
}

fn counting(user: &UserId, now: Seconds) -> Statement {
    sqlx::query(
        "select count(*) as live from personal_tokens
         where user_id = $1 and revoked_at is null and expires_at > $2",
    )
    .bind(user.as_str())
    .bind(now)
}

pub async fn by_hash(db: &Db, hash: &str, now: Seconds) -> Result<Option<(PersonalToken, Owner)>, DbError> {
    let statement = sqlx::query(select!(
        "where t.hash = $1 and t.revoked_at is null and t.expires_at > $2 and u.locked_at is null"
    ))
    .bind(hash)
    .bind(now);
    let row = db.fetch_optional(statement).await?;
    row.as_ref().map_or(Ok(None), owned_token)
}

pub async fn live_of_user(db: &Db, user: &UserId, now: Seconds) -> Result<Vec<PersonalToken>, DbError> {
    let statement = sqlx::query(select!(
        "where t.user_id = $1 and t.revoked_at is null and t.expires_at > $2
         order by t.created_at desc, t.id"
    ))
    .bind(user.as_str())
    .bind(now);
    let rows = db.fetch_all(statement).await?;
    rows.iter().filter_map(|row| token(row).transpose()).collect()
}

pub async fn all_live(db: &Db, now: Seconds) -> Result<Vec<(PersonalToken, Owner)>, DbError> {
    let statement = sqlx::query(select!(
        "where t.revoked_at is null and t.expires_at > $1 order by u.email, t.created_at desc, t.id"
    ))
    .bind(now);
    let rows = db.fetch_all(statement).await?;
    rows.iter().filter_map(|row| owned_token(row).transpose()).collect()
}

pub async fn owner_of(db: &Db, id: &PersonalTokenId) -> Result<Option<UserId>, DbError> {
    let statement = sqlx::query("select user_id from personal_tokens where id = $1").bind(id.as_str());
    let row = db.fetch_optional(statement).await?;
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
pub async fn revoke(transaction: &mut Transaction, id: &PersonalTokenId, now: Seconds) -> Result<bool, DbError> {
    let statement = sqlx::query(
        "update personal_tokens set revoked_at = $1
         where id = $2 and revoked_at is null and expires_at > $1",
    )
    .bind(now)
    .bind(id.as_str());
    Ok(transaction.execute(statement).await? == 1)
}

/// Revokes every live token of a user, within the caller's transaction. Returns how many.
pub async fn revoke_all(transaction: &mut Transaction, user: &UserId, now: Seconds) -> Result<u64, DbError> {
    let statement = sqlx::query(
        "update personal_tokens set revoked_at = $1
         where user_id = $2 and revoked_at is null and expires_at > $1",
    )
    .bind(now)
    .bind(user.as_str());
    transaction.execute(statement).await
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
