use sqlx::Row;

use crate::clock::Seconds;
use crate::db::{Db, DbError, Transaction};
use crate::id::{UserId, random_text};

/// Returns its id.
pub async fn insert(transaction: &mut Transaction, now: Seconds, user: &UserId) -> Result<String, DbError> {
    let id = random_text::<16>();
    let statement = sqlx::query("insert into changes (id, at, user_id) values ($1, $2, $3)")
        .bind(id.as_str())
        .bind(now)
        .bind(user.as_str());
    transaction.execute(statement).await?;
    Ok(id)
}

/// Changes since `since`: their ids, times and accounts.
pub async fn since(db: &Db, since: Seconds) -> Result<Vec<(String, Seconds, UserId)>, DbError> {
    let rows = db.fetch_all(sqlx::query("select id, at, user_id from changes where at >= $1").bind(since)).await?;
    let mut changes = Vec::with_capacity(rows.len());
    for row in &rows {
        let user: String = row.try_get("user_id")?;
        changes.push((row.try_get("id")?, row.try_get("at")?, UserId::from_text(user)));
    }
    Ok(changes)
}

pub async fn prune(db: &Db, before: Seconds, most: i64) -> Result<u64, DbError> {
    let statement = sqlx::query("delete from changes where id in (select id from changes where at < $1 limit $2)")
        .bind(before)
        .bind(most);
    db.execute(statement).await
}
