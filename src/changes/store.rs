use sqlx::{AnyConnection, Row};

use super::Subject;
use crate::clock::Seconds;
use crate::db::{Db, DbError};
use crate::id::{SessionId, UserId, random_text};

pub async fn insert(connection: &mut AnyConnection, now: Seconds, subject: &Subject) -> Result<(), DbError> {
    let (session, user) = match subject {
        Subject::Session(id) => (Some(id.as_str()), None),
        Subject::User(id) => (None, Some(id.as_str())),
    };
    sqlx::query("insert into changes (id, at, session_id, user_id) values ($1, $2, $3, $4)")
        .bind(random_text::<16>())
        .bind(now)
        .bind(session)
        .bind(user)
        .execute(connection)
        .await?;
    Ok(())
}

/// Changes since `since`, with their ids and times.
pub async fn since(db: &Db, since: Seconds) -> Result<Vec<(String, Seconds, Subject)>, DbError> {
    let rows = sqlx::query("select id, at, session_id, user_id from changes where at >= $1")
        .bind(since)
        .fetch_all(db.read())
        .await?;
    let mut changes = Vec::with_capacity(rows.len());
    for row in &rows {
        let session: Option<String> = row.try_get("session_id")?;
        let user: Option<String> = row.try_get("user_id")?;
        let (id, at) = (row.try_get("id")?, row.try_get("at")?);
        changes
            .extend(session.map(|session| (String::clone(&id), at, Subject::Session(SessionId::from_text(session)))));
        changes.extend(user.map(|user| (id, at, Subject::User(UserId::from_text(user)))));
    }
    Ok(changes)
}

pub async fn prune(db: &Db, before: Seconds, most: i64) -> Result<u64, DbError> {
    let pruned = sqlx::query("delete from changes where id in (select id from changes where at < $1 limit $2)")
        .bind(before)
        .bind(most)
        .execute(db.write())
        .await?;
    Ok(pruned.rows_affected())
}
