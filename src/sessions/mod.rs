//! That you are logged in: sessions are started, refreshed, listed and ended here.

pub mod probe;
pub mod rotation;
mod store;

use std::time::Duration;

use crate::audit::{self, Client, Kind};
use crate::clock::{Clock, Seconds};
use crate::config::Config;
use crate::db::{Db, DbError};
use crate::id::{BrowserId, SessionId, UserId, random_text};
use crate::keyring::{Keyring, KeyringError};
use crate::named::named;
use crate::tokens::access::{self, AccessClaims, AccessError, AccessTokens};
use crate::tokens::refresh::{self, RefreshTokens};
use crate::tokens::{InvalidToken, keys::KeySet};
use probe::Probes;
use rotation::{Carrier, Decision, Family};
pub use store::revoke_all;

/// Inactivity timeout without "Keep me logged in" (ASVS 7.3.1), unless refresh tokens live even shorter.
const BRIEF_IDLE_SECONDS: Seconds = 12 * 60 * 60;

/// A transition that loses its race this often is given up: someone is racing on purpose.
const TRANSITIONS_TRIED: usize = 4;

/// One stale token an hour is reported to the owner; more say nothing new.
const STALE_REPORTED_EVERY: Seconds = 60 * 60;

/// Sessions are kept this long after they have ended.
const KEPT_AFTER_END: Seconds = 30 * 24 * 60 * 60;

named! {
    /// Why a session was revoked; the name is the column `revoked_reason`.
    pub enum Reason {
        Logout = "logout",
        /// Ended by its owner from another session, or by an operator.
        Ended = "ended",
        Password = "password",
        Replay = "replay",
        Locked = "locked",
    }
}

/// A session with a snapshot of its owner, as one query read them.
#[derive(Clone, Debug)]
pub struct Session {
    pub id: SessionId,
    pub owner: Owner,
    pub family: Family,
    /// "Keep me logged in" was chosen: cookies outlive the browser.
    pub remembered: bool,
    /// When the owner last proved who they are.
    pub auth_time: Seconds,
    pub created_at: Seconds,
    pub idle_expires_at: Seconds,
    pub expires_at: Seconds,
    pub revoked: Option<Reason>,
    pub user_agent: String,
    pub address: String,
    rotated_at: Seconds,
    salt: String,
}

/// The account behind a session.
#[derive(Clone, Debug)]
pub struct Owner {
    pub id: UserId,
    pub email: String,
    pub name: String,
    pub admin: bool,
    pub locked: bool,
}

/// What is delivered to the client.
#[derive(Clone, Debug)]
pub struct Tokens {
    pub session: SessionId,
    pub access: String,
    pub refresh: String,
    /// Lifetime of the access token, in seconds.
    pub access_expires_in: Seconds,
    /// When the refresh token ends for lack of use.
    pub refresh_expires_at: Seconds,
    pub remembered: bool,
}

/// What an access token gives.
#[derive(Clone, Debug)]
pub enum Access {
    /// `expires_at` is the token's own end.
    Good { session: Box<Session>, generation: i64, expires_at: Seconds },
    /// Genuine, but its time is over, or a recovery skipped it: the refresh token decides.
    Expired,
    /// Not a token of a live session, and never again one.
    Dead(Option<Reason>),
}

/// Who presents a refresh token.
#[derive(Clone, Copy, Debug)]
pub enum Holder<'a> {
    /// A browser, with the probe cookies that it sent.
    Jar {
        probes: &'a [&'a str],
    },
    Deaf,
    Program,
}

/// What a refresh token gives.
#[derive(Clone, Debug)]
pub enum Refresh {
    /// `tokens` must be delivered with the response, whatever it is.
    Renewed { session: Session, tokens: Tokens },
    /// Authenticated, nothing to deliver. `generation` is the one presented: with the parent in hand, the client may
    /// never have got the newest.
    Served { session: Session, generation: i64 },
    /// The browser is to repeat its request; `probe` marks the answer.
    Ask { probe: String },
    /// Not a token of a live session, and never again one.
    Dead(Option<Reason>),
    /// No access; says nothing about the session.
    Refused,
}

/// Nothing was changed, and nothing is known about the token: the request can be repeated as it is.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    #[error(transparent)]
    Db(#[from] DbError),
    #[error(transparent)]
    Keys(#[from] KeyringError),
    #[error("no key to sign with")]
    Unsigned(#[from] InvalidToken),
    #[error("the account was locked or given another password while its owner logged in")]
    ProofOutdated,
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
    idle_remembered: Seconds,
    lifetime: Seconds,
    grace: Seconds,
}

impl Sessions {
    pub fn new(db: &Db, clock: &Clock, keyring: &Keyring, config: &Config) -> Self {
        let issuer = config.public_url.origin();
        Self {
            db: db.clone(),
            clock: clock.clone(),
            keyring: keyring.clone(),
            access: AccessTokens::new(issuer, config.access_token_ttl_seconds),
            refresh: RefreshTokens::new(issuer, keyring.secret()),
            probes: Probes::new(keyring.secret()),
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
    /// proof is worth nothing and the error is [`SessionError::ProofOutdated`].
    pub async fn start(
        &self,
        user: &UserId,
        password_changed_at: Seconds,
        remembered: bool,
        browser: &BrowserId,
        client: &Client,
    ) -> Result<Tokens, SessionError> {
        let now = self.clock.now();
        let id = SessionId::random();
        let expires_at = now + self.lifetime;
        let idle_expires_at = self.idle_end(now, remembered, expires_at);
        let new = store::New {
            id: &id,
            user,
            password_changed_at,
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
        if !store::insert(&mut transaction, &new).await? {
            return Err(SessionError::ProofOutdated);
        }
        audit::record(&mut transaction, now, Kind::LoggedIn, user, Some(&id), Some(client)).await?;
        transaction.commit().await?;
        let session = store::find(&self.db, &id).await?.ok_or(SessionError::Contended)?;
        self.tokens(&session)
    }

    /// Who an access token stands for, right now: the user must still exist, be active, and not have ended the
    /// session. Confirms the generation that it was issued with.
    pub async fn authenticate(&self, token: &str) -> Result<Access, SessionError> {
        let claims = match self.verified(token).await? {
            Ok(claims) => claims,
            Err(AccessError::Expired) => return Ok(Access::Expired),
            Err(AccessError::Invalid | AccessError::UnknownKey) => return Ok(Access::Dead(None)),
        };
        let session = match self.live(&claims.sid, &claims.sub).await? {
            Ok(session) => session,
            Err(reason) => return Ok(Access::Dead(reason)),
        };
        if !rotation::access_is_good(&session.family, claims.generation) {
            return Ok(Access::Expired);
        }
        self.note_seen(&session, claims.generation).await;
        Ok(Access::Good { session: Box::new(session), generation: claims.generation, expires_at: claims.exp })
    }

    /// Of several refresh tokens, the genuine one that was issued last.
    pub fn newest<'t>(&self, tokens: &[&'t str]) -> Option<&'t str> {
        let now = self.clock.now();
        let genuine = tokens.iter().filter_map(|token| Some((self.refresh.verify(token, now).ok()?, *token)));
        genuine.max_by_key(|(claims, _)| (claims.iat, claims.generation)).map(|(_, token)| token)
    }

    /// The decision table of rotation, carried out. Commits before it returns.
    pub async fn refresh(&self, token: &str, holder: Holder<'_>, client: &Client) -> Result<Refresh, SessionError> {
        let now = self.clock.now();
        let Ok(claims) = self.refresh.verify(token, now) else { return Ok(Refresh::Dead(None)) };
        for _ in 0..TRANSITIONS_TRIED {
            let found = self.find(&claims.sid, &claims.sub).await?.filter(|session| claims.is_of(&session.salt));
            let Some(mut session) = found else { return Ok(Refresh::Dead(None)) };
            if claims.generation > session.family.generation {
                // The row is behind: how long the session may idle, the token knows better.
                session.idle_expires_at = session.idle_expires_at.max(claims.exp);
            }
            if let Some(reason) = session.ended(now) {
                return Ok(Refresh::Dead(reason));
            }
            let carrier = match holder {
                Holder::Jar { probes } => {
                    Carrier::Jar { answer: probes.iter().any(|probe| self.probes.is_answer(probe, &session.id, now)) }
                }
                Holder::Deaf => Carrier::Deaf,
                Holder::Program => Carrier::Program,
            };
            let family = session.family;
            match rotation::decide(&family, claims.generation, now, self.grace, carrier) {
                Decision::Rotate { from } => {
                    if let Some(session) = self.advance(&session, family.rotated(from), now, client).await? {
                        let tokens = self.tokens(&session)?;
                        return Ok(Refresh::Renewed { session, tokens });
                    }
                }
                Decision::Recover => {
                    if let Some(session) = self.advance(&session, family.recovered(now), now, client).await? {
                        let tokens = self.tokens(&session)?;
                        return Ok(Refresh::Renewed { session, tokens });
                    }
                }
                Decision::Redeliver => {
                    let tokens = self.tokens(&session)?;
                    return Ok(Refresh::Renewed { session, tokens });
                }
                Decision::Serve => {
                    self.note_seen(&session, claims.generation).await;
                    return Ok(Refresh::Served { session, generation: claims.generation });
                }
                Decision::Ask => return Ok(Refresh::Ask { probe: self.probes.ask(&session.id, now) }),
                Decision::AskReplay => {
                    let (owner, since) = (&session.owner.id, now - STALE_REPORTED_EVERY);
                    audit::record_once(&self.db, now, since, Kind::StaleToken, owner, &session.id, client).await?;
                    return Ok(Refresh::Ask { probe: self.probes.ask(&session.id, now) });
                }
                Decision::Revoke => {
                    if self.revoke_replayed(&session, now, client).await? {
                        return Ok(Refresh::Dead(Some(Reason::Replay)));
                    }
                }
                Decision::Refuse => return Ok(Refresh::Refused),
            }
        }
        Err(SessionError::Contended)
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
        Ok(store::find(&self.db, id).await?.is_some_and(|session| session.ended(self.clock.now()).is_none()))
    }

    /// The live sessions of a user, last used first.
    pub async fn list(&self, user: &UserId) -> Result<Vec<Session>, SessionError> {
        let now = self.clock.now();
        let mut sessions = store::of_user(&self.db, user).await?;
        sessions.retain(|session| session.ended(now).is_none());
        sessions.sort_by_key(|session| std::cmp::Reverse(session.last_seen_at()));
        Ok(sessions)
    }

    /// Ends one session of a user, who may have ended it before; false if they never had it.
    pub async fn end(
        &self,
        user: &UserId,
        id: &SessionId,
        reason: Reason,
        client: Option<&Client>,
    ) -> Result<bool, SessionError> {
        let now = self.clock.now();
        if store::find(&self.db, id).await?.is_none_or(|session| session.owner.id != *user) {
            return Ok(false);
        }
        let kind = if reason == Reason::Logout { Kind::LoggedOut } else { Kind::SessionEnded };
        let mut transaction = self.db.begin().await?;
        if store::revoke(&mut transaction, id, reason, now).await? {
            audit::record(&mut transaction, now, kind, user, Some(id), client).await?;
        }
        transaction.commit().await?;
        Ok(true)
    }

    /// Ends every session of a user but `except`. Returns how many.
    pub async fn end_others(
        &self,
        user: &UserId,
        except: Option<&SessionId>,
        client: Option<&Client>,
    ) -> Result<u64, SessionError> {
        let now = self.clock.now();
        let mut transaction = self.db.begin().await?;
        let ended = revoke_all(&mut transaction, user, except, Reason::Ended, now).await?;
        if ended > 0 {
            audit::record(&mut transaction, now, Kind::OtherSessionsEnded, user, None, client).await?;
        }
        transaction.commit().await?;
        Ok(ended)
    }

    /// The live sessions of everyone, for the operator.
    pub async fn list_all(&self) -> Result<Vec<Session>, SessionError> {
        Ok(store::all_live(&self.db, self.clock.now()).await?)
    }

    /// Ends one live session of anybody, by the operator; false if there is none.
    pub async fn end_any(&self, id: &SessionId) -> Result<bool, SessionError> {
        let Some(session) = store::find(&self.db, id).await? else { return Ok(false) };
        if session.ended(self.clock.now()).is_some() {
            return Ok(false);
        }
        self.end(&session.owner.id, id, Reason::Ended, None).await
    }

    /// Ends every session of everyone, by the operator. Returns how many.
    pub async fn end_everyones(&self) -> Result<u64, SessionError> {
        Ok(store::revoke_everyones(&self.db, Reason::Ended, self.clock.now()).await?)
    }

    /// Deletes at most `most` sessions that ended long ago; returns how many.
    pub async fn prune(&self, most: i64) -> Result<u64, SessionError> {
        Ok(store::prune(&self.db, self.clock.now() - KEPT_AFTER_END, most).await?)
    }

    async fn verified(&self, token: &str) -> Result<Result<AccessClaims, AccessError>, SessionError> {
        let verify = |keys: KeySet| self.access.verify(&keys, token, self.clock.now());
        match verify(self.keyring.keys()) {
            // Another process may have rotated the keys a moment ago.
            Err(AccessError::UnknownKey) if self.keyring.reload_if_older_than(Duration::from_secs(1)).await? => {
                Ok(verify(self.keyring.keys()))
            }
            verified => Ok(verified),
        }
    }

    async fn live(&self, id: &SessionId, user: &UserId) -> Result<Result<Session, Option<Reason>>, SessionError> {
        Ok(match self.find(id, user).await? {
            None => Err(None),
            Some(session) => match session.ended(self.clock.now()) {
                Some(reason) => Err(reason),
                None => Ok(session),
            },
        })
    }

    async fn find(&self, id: &SessionId, user: &UserId) -> Result<Option<Session>, SessionError> {
        Ok(store::find(&self.db, id).await?.filter(|session| session.owner.id == *user))
    }

    /// One conditional update; none if another request was faster.
    async fn advance(
        &self,
        session: &Session,
        family: Family,
        now: Seconds,
        client: &Client,
    ) -> Result<Option<Session>, SessionError> {
        let idle_expires_at = self.idle_end(now, session.remembered, session.expires_at);
        let advanced = store::advance(&self.db, session, &family, now, idle_expires_at, client).await?;
        Ok(advanced.then(|| Session { family, rotated_at: now, idle_expires_at, ..session.clone() }))
    }

    /// A write that fails here costs nothing but a later proof: the next request will bring it again.
    async fn note_seen(&self, session: &Session, generation: i64) {
        let now = self.clock.now();
        if let Some(mark) = rotation::mark(&session.family, generation, now, self.grace)
            && let Err(error) = store::mark(&self.db, session, mark, now).await
        {
            tracing::warn!(%error, session = session.id.as_str(), "could not note that a token was seen");
        }
    }

    async fn revoke_replayed(&self, session: &Session, now: Seconds, client: &Client) -> Result<bool, SessionError> {
        let mut transaction = self.db.begin().await?;
        let revoked = store::revoke_at(&mut transaction, session, Reason::Replay, now).await?;
        if revoked {
            let (owner, id) = (&session.owner.id, Some(&session.id));
            audit::record(&mut transaction, now, Kind::Replayed, owner, id, Some(client)).await?;
        }
        transaction.commit().await?;
        Ok(revoked)
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

    /// None while the session is live; else why it is not, if there is a reason beyond time.
    fn ended(&self, now: Seconds) -> Option<Option<Reason>> {
        match self.revoked {
            Some(reason) => Some(Some(reason)),
            None if self.owner.locked => Some(Some(Reason::Locked)),
            None if now >= self.idle_expires_at || now >= self.expires_at => Some(None),
            None => None,
        }
    }
}
