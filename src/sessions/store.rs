use sqlx::Row;
use sqlx::any::AnyRow;

use super::rotation::{Family, Mark};
use super::{Owner, Reason, Session};
use crate::audit::Client;
use crate::clock::Seconds;
use crate::db::{Db, DbError, Statement, Transaction};
use crate::id::{BrowserId, SessionId, UserId};

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "select s.id, s.user_id, s.salt, s.generation, s.parent, s.rotated_at, s.confirmed_at, s.settled_at,
                    s.recoveries, s.recoveries_since, s.remembered_at, s.auth_time, s.created_at,
                    s.idle_expires_at, s.expires_at, s.revoked_at, s.revoked_reason, s.browser_id, s.user_agent, s.address,
                    u.email, u.name, u.admin_at, u.locked_at
             from sessions as s join users as u on u.id = s.user_id ",
            $rest
        )
    };
}

pub struct New<'a> {
    pub id: &'a SessionId,
    pub user: &'a UserId,
    pub salt: &'a str,
    pub family: Family,
    pub remembered_at: Option<Seconds>,
    pub now: Seconds,
    pub idle_expires_at: Seconds,
    pub expires_at: Seconds,
    pub browser: Option<&'a BrowserId>,
    pub client: &'a Client,
}

/// Keeps the owner's row as it is until the transaction ends, and others who want to change it waiting: on PostgreSQL,
/// only a write does. False if the account has been locked, or given another password, since its owner proved who they
/// are.
pub async fn hold_owner(
    transaction: &mut Transaction,
    user: &UserId,
    password_changed_at: Seconds,
) -> Result<bool, DbError> {
    let statement = sqlx::query(
        "update users set password_changed_at = password_changed_at
         where id = $1 and locked_at is null and password_changed_at = $2",
    )
    .bind(user.as_str())
    .bind(password_changed_at);
    Ok(transaction.execute(statement).await? == 1)
}

pub async fn insert(transaction: &mut Transaction, new: &New<'_>) -> Result<(), DbError> {
    let statement = sqlx::query(
        "insert into sessions (id, user_id, salt, generation, parent, rotated_at, recoveries, recoveries_since,
                               remembered_at, auth_time, created_at, idle_expires_at, expires_at,
                               browser_id, user_agent, address)
         values ($1, $2, $3, $4, $5, $6, $7, $6, $8, $6, $6, $9, $10, $11, $12, $13)",
    )
    .bind(new.id.as_str())
    .bind(new.user.as_str())
    .bind(new.salt)
    .bind(new.family.generation)
    .bind(new.family.parent)
    .bind(new.now)
    .bind(new.family.recoveries)
    .bind(new.remembered_at)
    .bind(new.idle_expires_at)
    .bind(new.expires_at)
    .bind(new.browser.map(BrowserId::as_str).unwrap_or_default())
    .bind(new.client.user_agent.as_str())
    .bind(new.client.address.to_string());
    transaction.execute(statement).await?;
    Ok(())
}

pub async fn find(db: &Db, id: &SessionId) -> Result<Option<Session>, DbError> {
    let row = db.fetch_optional(sqlx::query(select!("where s.id = $1")).bind(id.as_str())).await?;
    Ok(row.map(|row| session(&row)).transpose()?)
}

/// Those rotated last, at most `most`.
pub async fn live_of_user(db: &Db, user: &UserId, now: Seconds, most: i64) -> Result<Vec<Session>, DbError> {
    let statement = sqlx::query(select!(
        "where s.user_id = $1 and s.revoked_at is null and s.idle_expires_at > $2 and s.expires_at > $2
               and u.locked_at is null
         order by s.rotated_at desc limit $3"
    ))
    .bind(user.as_str())
    .bind(now)
    .bind(most);
    let rows = db.fetch_all(statement).await?;
    Ok(rows.iter().map(session).collect::<Result<_, _>>()?)
}

pub async fn count_live_of_user(db: &Db, user: &UserId, now: Seconds) -> Result<i64, DbError> {
    let statement = sqlx::query(
        "select count(*) as live from sessions
         where user_id = $1 and revoked_at is null and idle_expires_at > $2 and expires_at > $2",
    )
    .bind(user.as_str())
    .bind(now);
    let row = db.fetch_one(statement).await?;
    Ok(row.try_get("live")?)
}

/// The users that follow `after`, or the first, who have a session that was not ended.
pub async fn users_with_sessions(db: &Db, after: Option<&UserId>, most: i64) -> Result<Vec<UserId>, DbError> {
    let statement = sqlx::query(
        "select distinct user_id from sessions where revoked_at is null and user_id > $1 order by user_id limit $2",
    )
    .bind(after.map(UserId::as_str).unwrap_or_default())
    .bind(most);
    let rows = db.fetch_all(statement).await?;
    let user = |row: &AnyRow| row.try_get::<String, _>("user_id").map(UserId::from_text);
    Ok(rows.iter().map(user).collect::<Result<_, _>>()?)
}

/// Those of everyone that follow `after`, or the first; those of an account together.
pub async fn live_page(db: &Db, after: Option<&Session>, now: Seconds, most: i64) -> Result<Vec<Session>, DbError> {
    let statement = sqlx::query(select!(
        "where s.revoked_at is null and s.idle_expires_at > $1 and s.expires_at > $1 and u.locked_at is null
               and (s.user_id, s.id) > ($2, $3) and u.id >= $2
         order by s.user_id, s.id limit $4"
    ))
    .bind(now)
    .bind(after.map_or("", |session| session.owner.id.as_str()))
    .bind(after.map_or("", |session| session.id.as_str()))
    .bind(most);
    let rows = db.fetch_all(statement).await?;
    Ok(rows.iter().map(session).collect::<Result<_, _>>()?)
}

/// Moves a live session from the state that was read to the next; changes no row if it is no longer in that state.
pub fn advance(from: &Session, to: &Family, now: Seconds, idle_expires_at: Seconds, client: &Client) -> Statement {
    // Settled in the meantime: what would have been a recovery is a replay now.
    let settled_at_read = if from.family.settled_at.is_some() { 1_i64 } else { 0 };
    sqlx::query(
        "update sessions
         set generation = $1, parent = $2, rotated_at = $3, confirmed_at = null, settled_at = null,
             recoveries = $4, recoveries_since = $5, idle_expires_at = $6, user_agent = $7, address = $8
         where id = $9 and generation = $10 and parent = $11 and revoked_at is null
               and (settled_at is null or $12 = 1 or $2 = $10)",
    )
    .bind(to.generation)
    .bind(to.parent)
    .bind(now)
    .bind(to.recoveries)
    .bind(to.recoveries_since)
    .bind(idle_expires_at)
    .bind(client.user_agent.as_str())
    .bind(client.address.to_string())
    .bind(from.id.as_str())
    .bind(from.family.generation)
    .bind(from.family.parent)
    .bind(settled_at_read)
}

/// Notes that the newest generation was seen, unless that has been noted or there is a newer one.
pub async fn mark(db: &Db, session: &Session, mark: Mark, now: Seconds) -> Result<(), DbError> {
    let statement = match mark {
        Mark::Confirm => {
            "update sessions set confirmed_at = $1
             where id = $2 and generation = $3 and confirmed_at is null and revoked_at is null"
        }
        Mark::Settle => {
            "update sessions set settled_at = $1
             where id = $2 and generation = $3 and confirmed_at is not null and settled_at is null
                   and revoked_at is null"
        }
    };
    let statement = sqlx::query(statement).bind(now).bind(session.id.as_str()).bind(session.family.generation);
    db.execute(statement).await?;
    Ok(())
}

pub async fn set_auth_time(db: &Db, id: &SessionId, now: Seconds) -> Result<(), DbError> {
    let statement = sqlx::query("update sessions set auth_time = $1 where id = $2 and revoked_at is null")
        .bind(now)
        .bind(id.as_str());
    db.execute(statement).await?;
    Ok(())
}

/// Revokes a session in whatever state it is; false if it was revoked before.
pub async fn revoke(
    transaction: &mut Transaction,
    id: &SessionId,
    reason: Reason,
    now: Seconds,
) -> Result<bool, DbError> {
    let statement =
        sqlx::query("update sessions set revoked_at = $1, revoked_reason = $2 where id = $3 and revoked_at is null")
            .bind(now)
            .bind(reason.as_str())
            .bind(id.as_str());
    Ok(transaction.execute(statement).await? == 1)
}

/// Revokes a session if it still is at the generation that was read.
pub async fn revoke_at(
    transaction: &mut Transaction,
    session: &Session,
    reason: Reason,
    now: Seconds,
) -> Result<bool, DbError> {
    let statement = sqlx::query(
        "update sessions set revoked_at = $1, revoked_reason = $2
         where id = $3 and generation = $4 and revoked_at is null",
    )
    .bind(now)
    .bind(reason.as_str())
    .bind(session.id.as_str())
    .bind(session.family.generation);
    Ok(transaction.execute(statement).await? == 1)
}

/// Revokes every session of a user but `except`, within the caller's transaction. Returns how many.
pub async fn revoke_all(
    transaction: &mut Transaction,
    user: &UserId,
    except: Option<&SessionId>,
    reason: Reason,
    now: Seconds,
) -> Result<u64, DbError> {
    let statement = sqlx::query(
        "update sessions set revoked_at = $1, revoked_reason = $2
         where user_id = $3 and id <> $4 and revoked_at is null",
    )
    .bind(now)
    .bind(reason.as_str())
    .bind(user.as_str())
    .bind(except.map(SessionId::as_str).unwrap_or_default());
    transaction.execute(statement).await
}

pub async fn prune(db: &Db, ended_before: Seconds, most: i64) -> Result<u64, DbError> {
    let statement = sqlx::query(
        "delete from sessions where id in (
             select id from sessions where idle_expires_at < $1 or revoked_at < $1 limit $2
         )",
    )
    .bind(ended_before)
    .bind(most);
    db.execute(statement).await
}

fn session(row: &AnyRow) -> Result<Session, sqlx::Error> {
    let is_set = |column| row.try_get::<Option<i64>, _>(column).map(|at| at.is_some());
    // A reason that a newer version added still means that the session has ended.
    let reason: Option<String> = row.try_get("revoked_reason")?;
    let reason = reason.and_then(|reason| reason.parse().ok()).unwrap_or(Reason::Ended);
    Ok(Session {
        id: SessionId::from_text(row.try_get::<String, _>("id")?),
        owner: owner(row)?,
        family: Family {
            generation: row.try_get("generation")?,
            parent: row.try_get("parent")?,
            confirmed_at: row.try_get("confirmed_at")?,
            settled_at: row.try_get("settled_at")?,
            recoveries: row.try_get("recoveries")?,
            recoveries_since: row.try_get("recoveries_since")?,
        },
        remembered: is_set("remembered_at")?,
        auth_time: row.try_get("auth_time")?,
        created_at: row.try_get("created_at")?,
        idle_expires_at: row.try_get("idle_expires_at")?,
        expires_at: row.try_get("expires_at")?,
        revoked: is_set("revoked_at")?.then_some(reason),
        in_jar: !row.try_get::<String, _>("browser_id")?.is_empty(),
        user_agent: row.try_get("user_agent")?,
        address: row.try_get("address")?,
        rotated_at: row.try_get("rotated_at")?,
        salt: row.try_get("salt")?,
    })
}

/// From a row with `user_id` and these columns of `users`: email, name, admin_at, locked_at.
pub fn owner(row: &AnyRow) -> Result<Owner, sqlx::Error> {
    let is_set = |column| row.try_get::<Option<i64>, _>(column).map(|at| at.is_some());
    Ok(Owner {
        id: UserId::from_text(row.try_get::<String, _>("user_id")?),
        email: row.try_get("email")?,
        name: row.try_get("name")?,
        admin: is_set("admin_at")?,
        locked: is_set("locked_at")?,
    })
}
