use sqlx::Row;

use super::Limit;
use crate::clock::Seconds;
use crate::db::{Db, DbError, Transaction};

/// Counts one, in a new window if the last is over. False, and nothing counted, if the limit has been reached.
pub async fn count(transaction: &mut Transaction, key: &str, limit: Limit, now: Seconds) -> Result<bool, DbError> {
    let statement = sqlx::query(
        "insert into throttles (key, count, resets_at) values ($1, 1, $2)
         on conflict (key) do update set
             count = case when throttles.resets_at <= $3 then 1 else throttles.count + 1 end,
             resets_at = case when throttles.resets_at <= $3 then excluded.resets_at else throttles.resets_at end
         where throttles.resets_at <= $3 or throttles.count < $4",
    )
    .bind(key)
    .bind(now + limit.window_seconds)
    .bind(now)
    .bind(limit.most);
    Ok(transaction.execute(statement).await? == 1)
}

/// The count and when it is over.
pub async fn counter(db: &Db, key: &str) -> Result<Option<(i64, Seconds)>, DbError> {
    let statement = sqlx::query("select count, resets_at from throttles where key = $1").bind(key);
    let row = db.fetch_optional(statement).await?;
    row.map(|row| Ok((row.try_get("count")?, row.try_get("resets_at")?))).transpose()
}

/// Undoes one count of the time `at`, unless its window is over: later ones end later than that one could.
pub async fn give_back(transaction: &mut Transaction, key: &str, at: Seconds, limit: Limit) -> Result<(), DbError> {
    let statement =
        sqlx::query("update throttles set count = count - 1 where key = $1 and count > 0 and resets_at <= $2")
            .bind(key)
            .bind(at + limit.window_seconds);
    transaction.execute(statement).await?;
    Ok(())
}

pub async fn reset(transaction: &mut Transaction, key: &str) -> Result<(), DbError> {
    transaction.execute(sqlx::query("delete from throttles where key = $1").bind(key)).await?;
    Ok(())
}

pub async fn prune(db: &Db, now: Seconds, most: i64) -> Result<u64, DbError> {
    let statement = sqlx::query(
        "delete from throttles
         where resets_at <= $1 and key in (select key from throttles where resets_at <= $1 limit $2)",
    )
    .bind(now)
    .bind(most);
    db.execute(statement).await
}
