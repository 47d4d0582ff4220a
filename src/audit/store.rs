use std::sync::atomic::{AtomicU64, Ordering};

use sqlx::Row;

use super::{Event, Kind};
use crate::clock::Seconds;
use crate::db::{Db, DbError, Statement, Transaction};
use crate::id::{SessionId, UserId, random_text};

/// Times are whole seconds: within one, events are told apart by the order in which the process recorded them.
static SEQUENCE: AtomicU64 = AtomicU64::new(0);

pub async fn insert(
    transaction: &mut Transaction,
    at: Seconds,
    kind: Kind,
    user: &UserId,
    session: Option<&SessionId>,
    user_agent: &str,
    address: &str,
) -> Result<(), DbError> {
    let statement = sqlx::query(
        "insert into security_events (id, user_id, session_id, kind, at, user_agent, address)
         values ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(format!("{:016x}.{}", SEQUENCE.fetch_add(1, Ordering::Relaxed), random_text::<16>()))
    .bind(user.as_str())
    .bind(session.map(SessionId::as_str))
    .bind(kind.as_str())
    .bind(at)
    .bind(user_agent)
    .bind(address);
    transaction.execute(statement).await?;
    Ok(())
}

/// Finds a row if the session has an event of this kind from `since` or later.
pub fn since(kind: Kind, session: &SessionId, since: Seconds) -> Statement {
    sqlx::query("select id from security_events where session_id = $1 and kind = $2 and at >= $3 limit 1")
        .bind(session.as_str())
        .bind(kind.as_str())
        .bind(since)
}

/// Keeps others waiting who do the same for this user, until the transaction ends: on PostgreSQL, only a write does.
pub async fn take_turns(transaction: &mut Transaction, user: &UserId) -> Result<(), DbError> {
    transaction.execute(sqlx::query("update users set id = id where id = $1").bind(user.as_str())).await?;
    Ok(())
}

pub async fn recent(db: &Db, user: &UserId, most: i64) -> Result<Vec<Event>, DbError> {
    let statement = sqlx::query(
        "select kind, at, user_agent, address
         from security_events where user_id = $1 order by at desc, id desc limit $2",
    )
    .bind(user.as_str())
    .bind(most);
    let rows = db.fetch_all(statement).await?;
    let mut events = Vec::with_capacity(rows.len());
    for row in rows {
        // An event of a kind that a newer version added is left out, not an error.
        if let Ok(kind) = row.try_get::<&str, _>("kind")?.parse() {
            let (user_agent, address) = (row.try_get("user_agent")?, row.try_get("address")?);
            events.push(Event { kind, at: row.try_get("at")?, user_agent, address });
        }
    }
    Ok(events)
}

pub async fn last(db: &Db, user: &UserId, kind: Kind, since: Seconds) -> Result<Option<Seconds>, DbError> {
    let statement = sqlx::query(
        "select at from security_events where user_id = $1 and kind = $2 and at >= $3 order by at desc limit 1",
    )
    .bind(user.as_str())
    .bind(kind.as_str())
    .bind(since);
    let row = db.fetch_optional(statement).await?;
    Ok(row.map(|row| row.try_get("at")).transpose()?)
}

pub async fn prune(db: &Db, before: Seconds, most: i64) -> Result<u64, DbError> {
    let statement = sqlx::query(
        "delete from security_events
         where id in (select id from security_events where at < $1 limit $2)",
    )
    .bind(before)
    .bind(most);
    db.execute(statement).await
}
