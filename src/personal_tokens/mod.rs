//! Personal access tokens: what a program that cannot log in carries instead of a session.
//!
//! Their owner makes each for one purpose, and it ends by itself. A script must not break when its owner logs out or
//! chooses another password, so those leave tokens alone; a password that the operator sets takes an account back from
//! somebody, and revokes them all.

mod draft;
mod scopes;
mod store;
#[cfg(test)]
mod tests;

pub use draft::{DAYS_MAX, Draft};
pub use scopes::{Scope, Scopes};
pub(crate) use store::revoke_all;

use crate::audit::{self, Client, Kind};
use crate::changes::Changes;
use crate::clock::{Clock, DAY, MINUTE, Seconds};
use crate::db::{Db, DbError};
use crate::fault::{self, Fault, in_one_text};
use crate::id::{PersonalTokenId, UserId, hashed, random_text};
use crate::sessions::{self, Owner};

/// What every token begins with: scanners for secrets that lie about can tell what they have found.
const PREFIX: &str = "hpt_";

/// Random bytes in a token; as base64url, 43 characters.
const TOKEN_BYTES: usize = 32;
const TOKEN_LENGTH: usize = PREFIX.len() + (TOKEN_BYTES * 4).div_ceil(3);

/// Live ones of one account: one for each purpose, not one for each run of a script.
const LIVE_MAX: i64 = 50;

/// So exactly is the last use noted: a token that is used all the time costs one write a minute.
const USE_NOTED_EVERY: Seconds = MINUTE;

/// Tokens are kept this long after they have ended.
const KEPT_AFTER_END: Seconds = 30 * DAY;

/// A token as its owner sees it; its text is known to nobody but the program that carries it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PersonalToken {
    /// Names it; gives no access.
    pub id: PersonalTokenId,
    /// What it is for, in its owner's words.
    pub name: String,
    /// What it may be used for. Never more than its owner may.
    pub scopes: Scopes,
    /// When it was made.
    pub created_at: Seconds,
    /// From then on it gives no access.
    pub expires_at: Seconds,
    /// To the minute.
    pub last_used_at: Option<Seconds>,
}

/// Why no token was made.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// What was asked for must be changed: all faults at once.
    #[error("{}", in_one_text(.0))]
    Invalid(Vec<Fault>),
    /// What was proved is not true any more: log in again.
    #[error("the account was locked or given another password while its owner asked for a token")]
    ProofOutdated,
    /// The database did not answer.
    #[error(transparent)]
    Db(#[from] DbError),
}

/// The personal access tokens of a site. Clones share everything.
#[derive(Clone, Debug)]
pub struct PersonalTokens {
    db: Db,
    clock: Clock,
    changes: Changes,
}

impl PersonalTokens {
    #[doc(hidden)]
    pub fn new(db: &Db, clock: &Clock, changes: &Changes) -> Self {
        Self { db: db.clone(), clock: clock.clone(), changes: changes.clone() }
    }

    /// Whether a text means to be a personal access token, and not another kind of token.
    pub fn is_one(text: &str) -> bool {
        text.starts_with(PREFIX)
    }

    /// Makes a token for a user who has just proved who they are. Returns its text too, which is not stored: it is
    /// to be shown once. `password_changed_at` is of the password that proved it: if there has been another since,
    /// or a lock, the proof is worth nothing and the error is [`TokenError::ProofOutdated`].
    pub async fn create(
        &self,
        user: &UserId,
        password_changed_at: Seconds,
        draft: Draft,
        client: &Client,
    ) -> Result<(PersonalToken, String), TokenError> {
        let now = self.clock.now();
        let text = format!("{PREFIX}{}", random_text::<TOKEN_BYTES>());
        let token = PersonalToken {
            id: PersonalTokenId::random(),
            name: draft.name,
            scopes: draft.scopes,
            created_at: now,
            expires_at: now + draft.expires_in_days * DAY,
            last_used_at: None,
        };
        let mut tx = self.db.begin().await?;
        if !sessions::hold_owner(&mut tx, user, password_changed_at).await? {
            return Err(TokenError::ProofOutdated);
        }
        if store::count_live_in(&mut tx, user, now).await? >= LIVE_MAX {
            return Err(TokenError::Invalid(vec![too_many()]));
        }
        store::insert(&mut tx, user, &token, &hashed(&text)).await?;
        audit::record(&mut tx, now, Kind::TokenCreated, user, None, Some(client)).await?;
        self.changes.announce(&mut tx, user).await?;
        tx.commit().await?;
        Ok((token, text))
    }

    /// The token of this text and whose it is; none if it is unknown, revoked or expired, or its owner locked. Notes
    /// that it was used.
    pub async fn authenticate(&self, text: &str) -> Result<Option<(PersonalToken, Owner)>, DbError> {
        let found = self.find(text).await?;
        if let Some((token, _)) = &found {
            self.note_use(token).await;
        }
        Ok(found)
    }

    async fn find(&self, text: &str) -> Result<Option<(PersonalToken, Owner)>, DbError> {
        if !Self::is_one(text) || text.len() != TOKEN_LENGTH {
            return Ok(None);
        }
        store::by_hash(&self.db, &hashed(text), self.clock.now()).await
    }

    /// Failure never fails the request: the next one notes it.
    async fn note_use(&self, token: &PersonalToken) {
        let now = self.clock.now();
        let noted_before = now - USE_NOTED_EVERY;
        if token.last_used_at.is_some_and(|at| at > noted_before) {
            return;
        }
        if let Err(error) = store::note_use(&self.db, &token.id, now, noted_before).await {
            tracing::warn!(%error, token = token.id.as_str(), "could not note that a personal access token was used");
        }
    }

    /// The live tokens of a user, newest first.
    pub async fn list(&self, user: &UserId) -> Result<Vec<PersonalToken>, DbError> {
        store::live_of_user(&self.db, user, self.clock.now()).await
    }

    /// How many live tokens a user has.
    pub async fn count(&self, user: &UserId) -> Result<i64, DbError> {
        store::count_live(&self.db, user, self.clock.now()).await
    }

    /// The live tokens of everyone, for the operator; those of locked owners too, which an unlock makes good again.
    pub async fn list_all(&self) -> Result<Vec<(PersonalToken, Owner)>, DbError> {
        store::all_live(&self.db, self.clock.now()).await
    }

    /// Revokes one token of a user, who may have revoked it before; false if they never had it.
    pub async fn revoke(&self, user: &UserId, id: &PersonalTokenId, client: &Client) -> Result<bool, DbError> {
        if store::owner_of(&self.db, id).await?.as_ref() != Some(user) {
            return Ok(false);
        }
        self.end(user, id, Some(client)).await?;
        Ok(true)
    }

    /// Revokes the token of this text, for its holder: as good as logging out. False if it gave no access.
    pub async fn revoke_by_token(&self, text: &str, client: &Client) -> Result<bool, DbError> {
        match self.find(text).await? {
            Some((token, owner)) => self.end(&owner.id, &token.id, Some(client)).await,
            None => Ok(false),
        }
    }

    /// Revokes one live token of anybody, by the operator; false if there is none.
    pub async fn revoke_any(&self, id: &PersonalTokenId) -> Result<bool, DbError> {
        match store::owner_of(&self.db, id).await? {
            Some(user) => self.end(&user, id, None).await,
            None => Ok(false),
        }
    }

    /// Of several at once, one revokes and records.
    async fn end(&self, user: &UserId, id: &PersonalTokenId, client: Option<&Client>) -> Result<bool, DbError> {
        let now = self.clock.now();
        let mut tx = self.db.begin().await?;
        let revoked = store::revoke(&mut tx, id, now).await?;
        if revoked {
            audit::record(&mut tx, now, Kind::TokenRevoked, user, None, client).await?;
            self.changes.announce(&mut tx, user).await?;
        }
        tx.commit().await?;
        Ok(revoked)
    }

    /// Deletes at most `most` tokens that ended 30 days ago; returns how many.
    pub async fn prune(&self, most: i64) -> Result<u64, DbError> {
        store::prune(&self.db, self.clock.now() - KEPT_AFTER_END, most).await
    }
}

fn too_many() -> Fault {
    let message = format!("You have {LIVE_MAX} tokens, and more are not kept. Revoke one that is not in use.");
    Fault::new(fault::WHOLE, "too_many", message)
}
