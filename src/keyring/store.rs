use sqlx::Row;

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

/// Inserts a key unless there is a newer one than `newest`; says whether it did. If it signs `at_once`, those that
/// were to sign later, and so have signed nothing, make way.
pub async fn insert_after(db: &Db, key: &SealedKey, newest: Option<&str>, at_once: bool) -> Result<bool, DbError> {
    let mut transaction = db.begin().await?;
    leases::wait_for_turn(&mut transaction, Work::Keys).await?;
    if at_once {
        let statement = sqlx::query("delete from signing_keys where signs_from >= $1").bind(key.signs_from);
        transaction.execute(statement).await?;
    }
    let statement = sqlx::query(
        "insert into signing_keys (id, algorithm, sealed_private_key, created_at, signs_from)
         select $1, $2, $3, $4, $5
         where not exists (
             select 1 from signing_keys as other
             where $6 = '' or other.signs_from > (select signs_from from signing_keys where id = $6)
         )",
    )
    .bind(&key.kid)
    .bind(key.algorithm.as_str())
    .bind(&key.sealed_private_key)
    .bind(key.created_at)
    .bind(key.signs_from)
    .bind(newest.unwrap_or_default());
    let done = transaction.execute(statement).await? == 1;
    if done {
        transaction.commit().await?
    } else {
        transaction.rollback().await?
    }
    Ok(done)
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
