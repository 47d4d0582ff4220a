//! Security events: what an owner should be able to see of their account, and what the operator finds in the log.

mod store;

use std::net::IpAddr;

use crate::clock::Seconds;
use crate::db::{Db, DbError, Transaction};
use crate::id::{BrowserId, SessionId, UserId};
use crate::named::named;

/// Who is asking, as far as HTTP tells.
#[derive(Clone, Debug)]
pub struct Client {
    /// The address that the request came from, trusted proxies left out.
    pub address: IpAddr,
    /// The `User-Agent` header, cut to [`USER_AGENT_MAX`] characters; it may claim anything.
    pub user_agent: String,
    /// The long-lived browser cookie, if the browser sent a genuine one.
    pub browser: Option<BrowserId>,
}

/// A browser's own name is shorter; what is longer was made up.
pub const USER_AGENT_MAX: usize = 400;

named! {
    /// What happened. The name is the column `kind` and the log's `event`.
    pub enum Kind {
    Registered = "registered",
    LoggedIn = "logged_in",
    LoggedOut = "logged_out",
    PasswordChanged = "password_changed",
    /// The password was set by an operator.
    PasswordSet = "password_set",
    SessionEnded = "session_ended",
    OtherSessionsEnded = "other_sessions_ended",
    /// By an operator.
    AllSessionsEnded = "all_sessions_ended",
    /// A refresh token that had long been replaced was presented; it gave no access.
    StaleToken = "stale_token",
    /// The holder of a stale token had nothing newer when asked: the session was ended.
    Replayed = "replayed",
    Locked = "locked",
    Unlocked = "unlocked",
    MadeAdmin = "made_admin",
    /// A personal access token.
    TokenCreated = "token_created",
    TokenRevoked = "token_revoked",
}}

/// An event as it is shown to the owner.
#[derive(Clone, Debug)]
pub struct Event {
    pub kind: Kind,
    pub at: Seconds,
    pub user_agent: String,
    pub address: String,
}

/// Records an event in the transaction that made it happen, and logs it when that has happened.
pub async fn record(
    transaction: &mut Transaction,
    now: Seconds,
    kind: Kind,
    user: &UserId,
    session: Option<&SessionId>,
    client: Option<&Client>,
) -> Result<(), DbError> {
    let address = client.map(|client| client.address.to_string()).unwrap_or_default();
    let user_agent = client.map(|client| client.user_agent.as_str()).unwrap_or_default();
    store::insert(transaction, now, kind, user, session, user_agent, &address).await?;
    let (user, session) = (user.clone(), session.cloned());
    transaction.after_commit(move || {
        let session = session.as_ref().map(SessionId::as_str);
        tracing::info!(target: "hallpass::security", event = kind.as_str(), %user, session, address);
    });
    Ok(())
}

/// Records an event unless the session has one of its kind from `since` or later: a stranger who repeats himself
/// must not fill the database.
pub async fn record_once(
    db: &Db,
    now: Seconds,
    since: Seconds,
    kind: Kind,
    user: &UserId,
    session: &SessionId,
    client: &Client,
) -> Result<(), DbError> {
    if db.fetch_optional(store::since(kind, session, since)).await?.is_some() {
        return Ok(());
    }
    let mut transaction = db.begin().await?;
    // Looked for again where others wait: of many requests at once, one records.
    store::take_turns(&mut transaction, user).await?;
    if transaction.fetch_optional(store::since(kind, session, since)).await?.is_none() {
        record(&mut transaction, now, kind, user, Some(session), Some(client)).await?;
    }
    transaction.commit().await
}

/// How many events an owner is shown.
pub const SHOWN: i64 = 20;

/// The newest events of an account, newest first.
pub async fn recent(db: &Db, user: &UserId, most: i64) -> Result<Vec<Event>, DbError> {
    store::recent(db, user, most).await
}

/// When an event of this kind last happened to an account, since `since`.
pub async fn last(db: &Db, user: &UserId, kind: Kind, since: Seconds) -> Result<Option<Seconds>, DbError> {
    store::last(db, user, kind, since).await
}

/// Deletes at most `most` events from before `before`; returns how many.
pub async fn prune(db: &Db, before: Seconds, most: i64) -> Result<u64, DbError> {
    store::prune(db, before, most).await
}
