//! A token is presented: who is it, and what becomes of the session?

use std::sync::Arc;
use std::time::Duration;

use super::live::Seen;
use super::rotation::{self, Carrier, Decision, Family};
use super::{Reason, Session, SessionError, Sessions, Tokens, store};
use crate::audit::{self, Client, Kind};
use crate::clock::{HOUR, Seconds};
use crate::id::{SessionId, UserId};
use crate::tokens::access::{AccessClaims, AccessError};
use crate::tokens::keys::KeySet;

/// A transition that loses its race this often is given up: someone is racing on purpose.
const TRANSITIONS_TRIED: usize = 4;

/// One stale token an hour is reported to the owner; more say nothing new.
const STALE_REPORTED_EVERY: Seconds = HOUR;

/// What an access token gives.
#[derive(Clone, Debug)]
pub enum Access {
    /// Authenticated.
    Good {
        /// Live, as last read from the database: nothing about it has changed since.
        session: Arc<Session>,
        /// Of the refresh token that it was issued with.
        generation: i64,
        /// The token's own end.
        expires_at: Seconds,
        /// The token's own: whoever copied it before its owner proved themselves again has proved nothing.
        auth_time: Seconds,
    },
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
        /// The values of the probe cookies: one may make this an answer.
        probes: &'a [&'a str],
    },
    /// A browser whose request keeps no cookies: an image, a prefetch.
    Deaf,
    /// Whoever sends it in a header or a body: a program, which has no jar to ask, or a thief of cookies.
    Program,
}

/// What a refresh token gives.
#[derive(Clone, Debug)]
pub enum Refresh {
    /// `tokens` must be delivered with the response, whatever it is.
    Renewed {
        /// After the rotation.
        session: Session,
        /// New, or the same once more.
        tokens: Tokens,
    },
    /// Authenticated, nothing to deliver.
    Served {
        /// As it is.
        session: Session,
        /// The one presented: with the parent in hand, the client may never have got the newest.
        generation: i64,
    },
    /// The browser is to repeat its request; `probe` marks the answer.
    Ask {
        /// The value of the probe cookie.
        probe: String,
    },
    /// Not a token of a live session, and never again one.
    Dead(Option<Reason>),
    /// No access for this holder. The session lives on, and so may the token, as a cookie.
    Refused,
}

impl Sessions {
    /// Who an access token stands for, right now: the user must still exist, be active, and not have ended the
    /// session. Confirms the generation that it was issued with.
    pub async fn authenticate(&self, token: &str) -> Result<Access, SessionError> {
        let now = self.clock.now();
        if let Some(seen) = self.live.recall(token, now, self.grace) {
            return Ok(Access::Good {
                session: Arc::clone(&seen.session),
                generation: seen.generation,
                expires_at: seen.expires_at,
                auth_time: seen.auth_time,
            });
        }
        let claims = match self.verified(token).await? {
            Ok(claims) => claims,
            Err(AccessError::Expired) => return Ok(Access::Expired),
            Err(AccessError::Invalid | AccessError::UnknownKey) => return Ok(Access::Dead(None)),
        };
        let version = self.changes.version(&claims.sub);
        let mut session = match self.live(&claims.sid, &claims.sub).await? {
            Ok(session) => session,
            Err(reason) => return Ok(Access::Dead(reason)),
        };
        if !rotation::access_is_good(&session.family, claims.generation) {
            return Ok(Access::Expired);
        }
        session.family = self.note_seen(&session, claims.generation).await;
        let (generation, expires_at, auth_time) = (claims.generation, claims.exp, claims.auth_time);
        let session = Arc::new(session);
        let seen = Seen { session: Arc::clone(&session), generation, expires_at, auth_time, version };
        self.live.remember(token, seen);
        Ok(Access::Good { session, generation, expires_at, auth_time })
    }

    /// For who asks to refresh by cookie what needs no refreshing: the seconds that the access token still has, if it was
    /// issued with this refresh token, and that is [`rotation::is_fresh`].
    pub async fn fresh_for(&self, access: &str, refresh: &str) -> Result<Option<Seconds>, SessionError> {
        let Access::Good { session, generation, expires_at, .. } = self.authenticate(access).await? else {
            return Ok(None);
        };
        let now = self.clock.now();
        let together = self.refresh.verify(refresh, now).is_ok_and(|claims| {
            claims.sid == session.id && claims.generation == generation && claims.is_of(&session.salt)
        });
        let fresh = together && rotation::is_fresh(&session.family, generation, now, self.grace);
        Ok(fresh.then_some(expires_at - now))
    }

    /// Of several refresh tokens, the genuine one that was issued last.
    pub fn newest<'t>(&self, tokens: &[&'t str]) -> Option<&'t str> {
        let now = self.clock.now();
        let genuine = tokens.iter().filter_map(|token| Some((self.refresh.verify(token, now).ok()?, *token)));
        genuine.max_by_key(|(claims, _)| (claims.iat, claims.generation)).map(|(_, token)| token)
    }

    /// Logs out whoever presents a refresh token of whichever generation. With a replayed one, it is the owner or the
    /// thief who leaves: the session ends all the same, and the owner is told.
    pub async fn log_out(&self, token: &str, client: &Client) -> Result<(), SessionError> {
        let now = self.clock.now();
        let Ok(claims) = self.refresh.verify(token, now) else { return Ok(()) };
        let Ok(session) = self.live(&claims.sid, &claims.sub).await? else { return Ok(()) };
        if !claims.is_of(&session.salt) {
            return Ok(());
        }
        if is_replay(&session.family, claims.generation, now, self.grace) {
            self.revoke_replayed(&session, now, client).await?;
        }
        self.end(&session.owner.id, &session.id, Reason::Logout, Some(client)).await.map(drop)
    }

    /// The decision table of rotation, carried out. Commits before it returns.
    pub async fn refresh(&self, token: &str, holder: Holder<'_>, client: &Client) -> Result<Refresh, SessionError> {
        let now = self.clock.now();
        let Ok(claims) = self.refresh.verify(token, now) else { return Ok(Refresh::Dead(None)) };
        let _turn = self.turns.take(&claims.sid).await;
        for _ in 0..TRANSITIONS_TRIED {
            let found = self.find(&claims.sid, &claims.sub).await?.filter(|session| claims.is_of(&session.salt));
            let Some(mut session) = found else { return Ok(Refresh::Dead(None)) };
            if claims.generation > session.family.generation {
                // The row is behind: how long the session may idle, the token knows better.
                session.idle_expires_at = session.idle_expires_at.max(claims.exp);
            }
            if !session.is_live(now) {
                return Ok(Refresh::Dead(session.end_reason()));
            }
            let family = session.family;
            let carrier = match holder {
                Holder::Jar { probes } => {
                    Carrier::Jar { answer: probes.iter().any(|probe| self.probes.is_answer(probe, &session.id, now)) }
                }
                Holder::Deaf => Carrier::Deaf,
                Holder::Program if session.in_jar => Carrier::Copied,
                Holder::Program => Carrier::Program,
            };
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
                    self.report_stale(&session, now, client).await?;
                    return Ok(Refresh::Ask { probe: self.probes.ask(&session.id, now) });
                }
                Decision::Revoke => {
                    if self.revoke_replayed(&session, now, client).await? {
                        return Ok(Refresh::Dead(Some(Reason::Replay)));
                    }
                }
                Decision::Refuse => {
                    if is_replay(&family, claims.generation, now, self.grace) {
                        self.report_stale(&session, now, client).await?;
                    }
                    return Ok(Refresh::Refused);
                }
            }
        }
        Err(SessionError::Contended)
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

    pub(super) async fn live(
        &self,
        id: &SessionId,
        user: &UserId,
    ) -> Result<Result<Session, Option<Reason>>, SessionError> {
        Ok(match self.find(id, user).await? {
            None => Err(None),
            Some(session) if session.is_live(self.clock.now()) => Ok(session),
            Some(session) => Err(session.end_reason()),
        })
    }

    pub(super) async fn find(&self, id: &SessionId, user: &UserId) -> Result<Option<Session>, SessionError> {
        Ok(store::find(&self.db, id).await?.filter(|session| session.owner.id == *user))
    }

    async fn report_stale(&self, session: &Session, now: Seconds, client: &Client) -> Result<(), SessionError> {
        let (owner, since) = (&session.owner.id, now - STALE_REPORTED_EVERY);
        Ok(audit::record_once(&self.db, now, since, Kind::StaleToken, owner, &session.id, client).await?)
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
        let statement = store::advance(session, &family, now, idle_expires_at, client);
        let advanced = if family.skips(&session.family) {
            // Access tokens of what is skipped count as expired: whoever remembers them must learn of it.
            let mut transaction = self.db.begin().await?;
            let advanced = transaction.execute(statement).await?;
            self.changes.announce(&mut transaction, &session.owner.id).await?;
            transaction.commit().await?;
            advanced
        } else {
            self.db.execute(statement).await?
        };
        Ok((advanced == 1).then(|| Session { family, rotated_at: now, idle_expires_at, ..session.clone() }))
    }

    /// The family with what was noted. A write that fails here costs nothing but a later proof: the next request will
    /// bring it again.
    async fn note_seen(&self, session: &Session, generation: i64) -> Family {
        let now = self.clock.now();
        let Some(mark) = rotation::mark(&session.family, generation, now, self.grace) else { return session.family };
        match store::mark(&self.db, session, mark, now).await {
            Ok(()) => session.family.marked(mark, now),
            Err(error) => {
                tracing::warn!(%error, session = session.id.as_str(), "could not note that a token was seen");
                session.family
            }
        }
    }

    async fn revoke_replayed(&self, session: &Session, now: Seconds, client: &Client) -> Result<bool, SessionError> {
        let mut transaction = self.db.begin().await?;
        let revoked = store::revoke_at(&mut transaction, session, Reason::Replay, now).await?;
        if revoked {
            let (owner, id) = (&session.owner.id, Some(&session.id));
            audit::record(&mut transaction, now, Kind::Replayed, owner, id, Some(client)).await?;
            self.changes.announce(&mut transaction, &session.owner.id).await?;
        }
        transaction.commit().await?;
        Ok(revoked)
    }
}

/// Whether only a copy of the token can be in use.
fn is_replay(family: &Family, presented: i64, now: Seconds, grace: Seconds) -> bool {
    rotation::decide(family, presented, now, grace, Carrier::Jar { answer: false }) == Decision::AskReplay
}
