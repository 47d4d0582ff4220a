//! The hot path: an access token that this process has seen costs no database access and no signature check, until
//! something about its session or its owner changes.

use std::sync::Arc;

use quick_cache::sync::Cache;

use super::Session;
use super::rotation;
use crate::changes::{Changes, Version};
use crate::clock::Seconds;

/// Tokens remembered, of which each takes about 1.5 KiB. Beyond that, those that were least of use are forgotten; they
/// cost a reading when they come again.
const REMEMBERED: usize = 16_384;

/// An access token that was genuine and good, with its session as it was read.
#[derive(Debug)]
pub struct Seen {
    pub session: Arc<Session>,
    pub generation: i64,
    pub expires_at: Seconds,
    pub auth_time: Seconds,
    /// Noted before the session was read.
    pub version: Version,
}

/// The tokens that a process has seen. Clones share everything.
#[derive(Clone)]
pub struct Live {
    seen: Arc<Cache<Box<str>, Arc<Seen>>>,
    changes: Changes,
}

impl Live {
    pub fn new(changes: &Changes) -> Self {
        Self { seen: Arc::new(Cache::new(REMEMBERED)), changes: changes.clone() }
    }

    /// What is known of a token, if it is still true and there is nothing to note about it.
    pub fn recall(&self, token: &str, now: Seconds, grace: Seconds) -> Option<Arc<Seen>> {
        let seen = self.seen.get(token)?;
        let session = &seen.session;
        let holds = self.changes.is_current(&session.owner.id, seen.version)
            && now < seen.expires_at
            && session.is_live(now)
            && rotation::mark(&session.family, seen.generation, now, grace).is_none();
        holds.then_some(seen)
    }

    pub fn remember(&self, token: &str, seen: Seen) {
        self.seen.insert(token.into(), Arc::new(seen));
    }
}
