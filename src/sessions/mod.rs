//! That you are logged in: sessions are started, refreshed, listed and ended here.

#[doc(hidden)]
pub mod ending;
mod live;
mod presented;
#[doc(hidden)]
pub mod probe;
#[doc(hidden)]
pub mod rotation;
mod store;
mod turns;

use crate::audit::{self, Client, Kind};
use crate::changes::Changes;
use crate::clock::{Clock, HOUR, Seconds};
use crate::config::Config;
use crate::db::{Db, DbError};
use crate::id::{BrowserId, SessionId, UserId, random_text};
use crate::keyring::{Keyring, KeyringError};
use crate::named::named;
use crate::tokens::InvalidToken;
use crate::tokens::access::{self, AccessTokens};
use crate::tokens::refresh::{self, RefreshTokens};
use live::Live;
pub use presented::{Access, Holder, Refresh};
use probe::Probes;
use rotation::Family;
pub(crate) use store::{hold_owner, owner, revoke_all};
use turns::Turns;

/// Inactivity timeout without "Keep me logged in" (ASVS 7.3.1), unless refresh tokens live even shorter.
const BRIEF_IDLE_SECONDS: Seconds = 12 * HOUR;

named! {
    /// Why a session was revoked; the name is the column `revoked_reason`.
    pub enum Reason {
        /// Its owner logged out of it.
        Logout = "logout",
        /// Ended by its owner from another session, or by an operator.
        Ended = "ended",
        /// The password was changed elsewhere, or set by an operator.
        Password = "password",
        /// The holder of a stale refresh token had nothing newer when asked.
        Replay = "replay",
        /// The account was locked.
        Locked = "locked",
    }
}

/// A session with a snapshot of its owner, as one query read them.
#[derive(Clone, Debug)]
pub struct Session {
    /// The `sid` claim of its tokens.
    pub id: SessionId,
    /// Whose it is.
    pub owner: Owner,
    #[doc(hidden)]
    pub family: Family,
    /// "Keep me logged in" was chosen: cookies outlive the browser.
    pub remembered: bool,
    /// When the owner last proved who they are.
    pub auth_time: Seconds,
    /// When it began, by a log-in.
    pub created_at: Seconds,
    /// When it ends if it is not used until then; each rotation moves it.
    pub idle_expires_at: Seconds,
    /// When it ends in any case.
    pub expires_at: Seconds,
    /// None if it was not ended, though its time may be over.
    pub revoked: Option<Reason>,
    /// The `User-Agent` header of its newest rotation; it may claim anything.
    pub user_agent: String,
    /// Where its newest rotation came from.
    pub address: String,
    /// Its tokens were handed out in cookies.
    in_jar: bool,
    rotated_at: Seconds,
    salt: String,
}

/// The account behind a session, or behind a personal access token.
#[derive(Clone, Debug)]
pub struct Owner {
    /// The `sub` claim.
    pub id: UserId,
    /// As typed at registration.
    pub email: String,
    /// To show.
    pub name: String,
    /// An administrator.
    pub admin: bool,
    /// Locked by an operator.
    pub locked: bool,
}

/// What is delivered to the client.
#[derive(Clone, Debug)]
pub struct Tokens {
    /// Whose tokens they are.
    pub session: SessionId,
    /// A JWT (RFC 9068).
    pub access: String,
    /// A JWT that only this site can verify.
    pub refresh: String,
    /// Lifetime of the access token, in seconds.
    pub access_expires_in: Seconds,
    /// When the refresh token ends for lack of use.
    pub refresh_expires_at: Seconds,
    /// Cookies outlive the browser.
    pub remembered: bool,
}

/// Nothing was changed, and nothing is known about the token: the request can be repeated as it is.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The database did not answer.
    #[error(transparent)]
    Db(#[from] DbError),
    /// The signing keys could not be read.
    #[error(transparent)]
    Keys(#[from] KeyringError),
    /// There is no signing key in force.
    #[error("no key to sign with")]
    Unsigned(#[from] InvalidToken),
    /// What was proved is not true any more: log in again.
    #[error("the account was locked or given another password while its owner logged in")]
    ProofOutdated,
    /// Other requests were faster four times running.
    #[error("too many requests are changing this session at once")]
    Contended,
}

impl From<sqlx::Error> for SessionError {
    fn from(error: sqlx::Error) -> Self {
        Self::Db(error.into())
    }
}

/// The sessions of a site. Clones share everything.
#[derive(Clone)]
pub struct Sessions {
    db: Db,
    clock: Clock,
    keyring: Keyring,
    access: AccessTokens,
    refresh: RefreshTokens,
    probes: Probes,
    changes: Changes,
    live: Live,
    turns: Turns,
    idle_remembered: Seconds,
    lifetime: Seconds,
    grace: Seconds,
}

impl Sessions {
    #[doc(hidden)]
    pub fn new(db: &Db, clock: &Clock, keyring: &Keyring, changes: &Changes, config: &Config) -> Self {
        let issuer = config.public_url.origin();
        Self {
            db: db.clone(),
            clock: clock.clone(),
            keyring: keyring.clone(),
            access: AccessTokens::new(issuer, config.access_token_ttl_seconds),
            refresh: RefreshTokens::new(issuer, keyring.secret()),
            probes: Probes::new(keyring.secret()),
            changes: changes.clone(),
            live: Live::new(changes),
            turns: Turns::default(),
            idle_remembered: config.refresh_token_ttl_seconds,
            lifetime: config.session_max_seconds,
            grace: config.refresh_grace_seconds,
        }
    }

    /// Lifetime of access tokens, in seconds.
    pub fn access_ttl_seconds(&self) -> Seconds {
        self.access.ttl_seconds()
    }

    /// Starts a session for a user who has just proved who they are, with new tokens (ASVS 7.2.4).
    /// `password_changed_at` is of the password that proved it: if there has been another since, or a lock, the
    /// proof is worth nothing and the error is [`SessionError::ProofOutdated`]. `browser` is the one in whose cookies
    /// the tokens will be; none if they go to a program.
    pub async fn start(
        &self,
        user: &UserId,
        password_changed_at: Seconds,
        remembered: bool,
        browser: Option<&BrowserId>,
        client: &Client,
    ) -> Result<Tokens, SessionError> {
        let now = self.clock.now();
        let id = SessionId::random();
        let expires_at = now + self.lifetime;
        let idle_expires_at = self.idle_end(now, remembered, expires_at);
        let new = store::New {
            id: &id,
            user,
            salt: &random_text::<32>(),
            family: Family::new(now),
            remembered_at: remembered.then_some(now),
            now,
            idle_expires_at,
            expires_at,
            browser,
            client,
        };
        let mut transaction = self.db.begin().await?;
        if !hold_owner(&mut transaction, user, password_changed_at).await? {
            return Err(SessionError::ProofOutdated);
        }
        store::insert(&mut transaction, &new).await?;
        audit::record(&mut transaction, now, Kind::LoggedIn, user, Some(&id), Some(client)).await?;
        self.changes.announce(&mut transaction, user).await?;
        transaction.commit().await?;
        let session = store::find(&self.db, &id).await?.ok_or(SessionError::Contended)?;
        self.tokens(&session)
    }

    /// The owner has proved again who they are. Returns an access token that says so, for the generation that the
    /// client stands at.
    pub async fn reauthenticated(&self, session: &SessionId, generation: i64) -> Result<Tokens, SessionError> {
        store::set_auth_time(&self.db, session, self.clock.now()).await?;
        let session = store::find(&self.db, session).await?.ok_or(SessionError::Contended)?;
        let mut tokens = self.tokens(&session)?;
        tokens.access = self.access_token(&session, generation)?;
        Ok(tokens)
    }

    /// Whether a session can still be used. To be asked once more before cookies are written: no late response
    /// must revive a session that has been ended in the meantime.
    pub async fn is_live(&self, id: &SessionId) -> Result<bool, SessionError> {
        Ok(store::find(&self.db, id).await?.is_some_and(|session| session.is_live(self.clock.now())))
    }

    fn idle_end(&self, now: Seconds, remembered: bool, expires_at: Seconds) -> Seconds {
        let idle = if remembered { self.idle_remembered } else { self.idle_remembered.min(BRIEF_IDLE_SECONDS) };
        (now + idle).min(expires_at)
    }

    fn access_token(&self, session: &Session, generation: i64) -> Result<String, SessionError> {
        let grant = access::Grant {
            user: &session.owner.id,
            session: &session.id,
            generation,
            auth_time: session.auth_time,
            scope: if session.owner.admin { "read write admin" } else { "read write" },
        };
        Ok(self.access.issue(&self.keyring.keys(), &grant, self.clock.now())?)
    }

    /// The tokens of the newest generation. The refresh token is the same each time.
    fn tokens(&self, session: &Session) -> Result<Tokens, SessionError> {
        let refresh = self.refresh.issue(&refresh::Grant {
            user: &session.owner.id,
            session: &session.id,
            salt: &session.salt,
            generation: session.family.generation,
            issued_at: session.rotated_at,
            expires_at: session.idle_expires_at,
        })?;
        Ok(Tokens {
            session: session.id.clone(),
            access: self.access_token(session, session.family.generation)?,
            refresh,
            access_expires_in: self.access.ttl_seconds(),
            refresh_expires_at: session.idle_expires_at,
            remembered: session.remembered,
        })
    }
}

impl Session {
    /// When a token of this session was last seen, to the precision that rotation writes it.
    pub fn last_seen_at(&self) -> Seconds {
        let seen = [Some(self.rotated_at), self.family.confirmed_at, self.family.settled_at];
        seen.into_iter().flatten().max().unwrap_or(self.created_at)
    }

    /// Whether its tokens give access.
    fn is_live(&self, now: Seconds) -> bool {
        self.end_reason().is_none() && now < self.idle_expires_at && now < self.expires_at
    }

    /// Why the session has ended, if there is a reason beyond time.
    fn end_reason(&self) -> Option<Reason> {
        self.revoked.or(self.owner.locked.then_some(Reason::Locked))
    }
}
