use sqlx::Row;

use crate::clock::{MINUTE, Seconds};
use crate::db::{Db, DbError};
use crate::leases::{self, Work};
use crate::tokens::keys::SealedKey;

/// Keys of an algorithm that this version does not know are passed over.
pub async fn all(db: &Db) -> Result<Vec<SealedKey>, DbError> {
    let statement = sqlx::query(
        "select id, algorithm, sealed_private_key, created_at, signs_from
         from signing_keys order by signs_from, id",
    );
    let rows = db.fetch_all(statement).await?;
    let mut keys = Vec::with_capacity(rows.len());
    for row in rows {
        if let Ok(algorithm) = row.try_get::<&str, _>("algorithm")?.parse() {
            keys.push(SealedKey {
                kid: row.try_get("id")?,
                algorithm,
                sealed_private_key: row.try_get("sealed_private_key")?,
                created_at: row.try_get("created_at")?,
                signs_from: row.try_get("signs_from")?,
            });
        }
    }
    Ok(keys)
}

/// Keys that take over within so long may sign at a server already whose clock is ahead.
const TAKES_OVER_SOON: Seconds = MINUTE;

/// Inserts a key that follows `newest`, unless another process has been faster; says whether it did. If it signs
/// `at_once`, `newest` is the current one, and those that were to sign later, and so have signed nothing, make way.
pub async fn insert_after(db: &Db, key: &SealedKey, newest: Option<&str>, at_once: bool) -> Result<bool, DbError> {
    let mut transaction = db.begin().await?;
    leases::wait_for_turn(&mut transaction, Work::Keys).await?;
    let soon = if at_once { key.signs_from + TAKES_OVER_SOON } else { Seconds::MAX };
    let statement =
        sqlx::query("select id from signing_keys where signs_from <= $1 order by signs_from desc, id desc limit 1")
            .bind(soon);
    let last = transaction.fetch_optional(statement).await?;
    let last = last.map(|row| row.try_get::<String, _>("id")).transpose()?;
    if last.as_deref() != newest {
        transaction.rollback().await?;
        return Ok(false);
    }
    if at_once {
        transaction.execute(sqlx::query("delete from signing_keys where signs_from > $1").bind(soon)).await?;
    }
    let statement = sqlx::query(
        "insert into signing_keys (id, algorithm, sealed_private_key, created_at, signs_from)
         values ($1, $2, $3, $4, $5)",
    )
    .bind(&key.kid)
    .bind(key.algorithm.as_str())
    .bind(&key.sealed_private_key)
    .bind(key.created_at)
    .bind(key.signs_from);
    transaction.execute(statement).await?;
    transaction.commit().await?;
    Ok(true)
}

pub async fn reseal(db: &Db, key: &SealedKey) -> Result<(), DbError> {
    let statement = sqlx::query("update signing_keys set sealed_private_key = $2 where id = $1")
        .bind(&key.kid)
        .bind(&key.sealed_private_key);
    db.execute(statement).await?;
    Ok(())
}

pub async fn delete(db: &Db, kid: &str) -> Result<(), DbError> {
    let statement = sqlx::query("delete from signing_keys where id = $1").bind(kid);
    db.execute(statement).await?;
    Ok(())
}
