use sqlx::Row;

use crate::clock::Seconds;
use crate::db::{Db, DbError, Transaction};
use crate::id::{UserId, random_text};

/// Returns its id.
pub async fn insert(db: &Db, transaction: &mut Transaction, now: Seconds, user: &UserId) -> Result<String, DbError> {
    let id = random_text::<16>();
    let statement = if db.is_postgres() {
        "insert into changes (id, at, user_id, xact) values ($1, $2, $3, cast(cast(pg_current_xact_id() as text) as bigint))"
    } else {
        "insert into changes (id, at, user_id) values ($1, $2, $3)"
    };
    transaction.execute(sqlx::query(statement).bind(id.as_str()).bind(now).bind(user.as_str())).await?;
    Ok(id)
}

/// What can be read now and could not at an earlier reading: the ids of changes, their times and accounts.
pub struct Reading {
    pub changes: Vec<(String, Seconds, UserId)>,
    /// For the next reading.
    pub reached: i64,
}

/// On PostgreSQL, the changes of transactions that had not been seen to end when `reached` was read, however long they
/// took. Else, and of what says nothing of its transaction, those since `since`.
pub async fn read(db: &Db, since: Seconds, reached: i64) -> Result<Reading, DbError> {
    let statement = if db.is_postgres() {
        "select '' as id, cast(0 as bigint) as at, '' as user_id,
                cast(cast(pg_snapshot_xmin(pg_current_snapshot()) as text) as bigint) as reached
         union all
         select id, at, user_id, cast(0 as bigint) from changes where xact >= $2 or (xact is null and at >= $1)"
    } else {
        "select id, at, user_id, $2 as reached from changes where at >= $1"
    };
    let mut reading = Reading { changes: Vec::new(), reached };
    for row in db.fetch_all(sqlx::query(statement).bind(since).bind(reached)).await? {
        match row.try_get::<String, _>("id")? {
            id if id.is_empty() => reading.reached = row.try_get("reached")?,
            id => {
                reading.changes.push((id, row.try_get("at")?, UserId::from_text(row.try_get::<String, _>("user_id")?)))
            }
        }
    }
    Ok(reading)
}

pub async fn prune(db: &Db, before: Seconds, most: i64) -> Result<u64, DbError> {
    let statement = sqlx::query("delete from changes where id in (select id from changes where at < $1 limit $2)")
        .bind(before)
        .bind(most);
    db.execute(statement).await
}
