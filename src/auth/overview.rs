//! What an owner's account page shows: remembered until something about the account changes, and a minute at the most,
//! for sessions and tokens end by time, too.

use std::sync::Arc;

use quick_cache::sync::Cache;

use super::Site;
use crate::audit::{self, Kind};
use crate::changes::Version;
use crate::clock::{DAY, MINUTE, Seconds};
use crate::id::UserId;
use crate::sessions::SessionError;

/// Accounts remembered; of more, those that were least of use are read again.
const REMEMBERED: usize = 16_384;

/// How long the owner is told that a session of theirs was ended as a replay.
const REPLAY_TOLD_FOR: Seconds = 14 * DAY;

/// See the module's text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overview {
    /// When the account was made.
    pub created_at: Seconds,
    /// When the present password was set.
    pub password_changed_at: Seconds,
    /// Live ones.
    pub sessions: i64,
    /// Live personal access tokens.
    pub tokens: i64,
    /// When a session was last ended because an old copy of its token was used; none if that is long ago.
    pub replayed_at: Option<Seconds>,
}

#[derive(Debug)]
struct Read {
    overview: Overview,
    version: Version,
    good_until: Seconds,
}

/// Overviews that a process has read. Clones share everything.
#[derive(Clone)]
pub struct Overviews(Arc<Cache<UserId, Arc<Read>>>);

impl Default for Overviews {
    fn default() -> Self {
        Self(Arc::new(Cache::new(REMEMBERED)))
    }
}

impl Site {
    /// What an account's page shows; none if there is no such account.
    pub async fn overview(&self, user: &UserId) -> Result<Option<Overview>, SessionError> {
        let now = self.clock.now();
        let read = self.overviews.0.get(user);
        if let Some(read) = read.filter(|read| now < read.good_until && self.changes.is_current(user, read.version)) {
            return Ok(Some(read.overview.clone()));
        }
        let version = self.changes.version(user);
        let Some(account) = self.accounts.find(user).await? else { return Ok(None) };
        let overview = Overview {
            created_at: account.created_at,
            password_changed_at: account.password_changed_at,
            sessions: self.sessions.count(user).await?,
            tokens: self.personal_tokens.count(user).await?,
            replayed_at: audit::last(&self.db, user, Kind::Replayed, now - REPLAY_TOLD_FOR).await?,
        };
        let read = Read { overview: overview.clone(), version, good_until: now + MINUTE };
        self.overviews.0.insert(user.clone(), Arc::new(read));
        Ok(Some(overview))
    }
}
