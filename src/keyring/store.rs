use sqlx::Row;

use crate::db::{Db, DbError};
use crate::tokens::keys::SealedKey;

/// Keys of an algorithm that this version does not know are passed over.
pub async fn all(db: &Db) -> Result<Vec<SealedKey>, DbError> {
    let rows = sqlx::query(
        "select id, algorithm, public_key, sealed_private_key, created_at, signs_from
         from signing_keys order by signs_from, id",
    )
    .fetch_all(db.read())
    .await?;
    let mut keys = Vec::with_capacity(rows.len());
    for row in rows {
        if let Ok(algorithm) = row.try_get::<&str, _>("algorithm")?.parse() {
            keys.push(SealedKey {
                kid: row.try_get("id")?,
                algorithm,
                public_key: row.try_get("public_key")?,
                sealed_private_key: row.try_get("sealed_private_key")?,
                created_at: row.try_get("created_at")?,
                signs_from: row.try_get("signs_from")?,
            });
        }
    }
    Ok(keys)
}

/// Inserts a key unless there is a newer one than `newest`; says whether it did.
pub async fn insert_after(db: &Db, key: &SealedKey, newest: Option<&str>) -> Result<bool, DbError> {
    let inserted = sqlx::query(
        "insert into signing_keys (id, algorithm, public_key, sealed_private_key, created_at, signs_from)
         select $1, $2, $3, $4, $5, $6
         where not exists (
             select 1 from signing_keys as other
             where $7 = '' or other.signs_from > (select signs_from from signing_keys where id = $7)
         )",
    )
    .bind(&key.kid)
    .bind(key.algorithm.as_str())
    .bind(&key.public_key)
    .bind(&key.sealed_private_key)
    .bind(key.created_at)
    .bind(key.signs_from)
    .bind(newest.unwrap_or_default())
    .execute(db.write())
    .await?;
    Ok(inserted.rows_affected() == 1)
}

pub async fn reseal(db: &Db, key: &SealedKey) -> Result<(), DbError> {
    sqlx::query("update signing_keys set sealed_private_key = $2 where id = $1")
        .bind(&key.kid)
        .bind(&key.sealed_private_key)
        .execute(db.write())
        .await?;
    Ok(())
}

pub async fn delete(db: &Db, kid: &str) -> Result<(), DbError> {
    sqlx::query("delete from signing_keys where id = $1").bind(kid).execute(db.write()).await?;
    Ok(())
}
