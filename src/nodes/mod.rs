//! The servers of a site, as each says of itself: that they agree about what all of them must, and how their clocks
//! stand. Nothing is decided by it but what to tell the operator.

mod store;

use serde::{Deserialize, Serialize};

use crate::clock::{Clock, HOUR, MINUTE, Seconds};
use crate::config::Config;
use crate::db::{Db, DbError};
use crate::id::NodeId;

/// Who has not been seen for as long has been stopped. They write every half minute.
const GONE_AFTER: Seconds = 2 * MINUTE;

const KEPT: Seconds = HOUR;

/// Of a few seconds, nobody notices anything (DESIGN.md, invariant I1).
const CLOCK_DIFFERENCE_MAX: Seconds = 5;

/// A server that runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    pub id: NodeId,
    /// Where it listens.
    pub address: String,
    /// Of hallpass.
    pub version: String,
    pub agreed: Agreed,
    pub started_at: Seconds,
    /// By its own clock.
    pub seen_at: Seconds,
}

/// The settings that decide what a token means: with others, a server would refuse what its neighbour has issued, or
/// treat it otherwise. One that a newer version has added is passed over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[derive(Default)]
pub struct Agreed {
    public_url: String,
    access_token_ttl_seconds: Seconds,
    refresh_token_ttl_seconds: Seconds,
    session_max_seconds: Seconds,
    refresh_grace_seconds: Seconds,
    signing_algorithm: String,
    registration: String,
}

/// What the operator should know about another server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Difference {
    /// These settings have other values there.
    Settings(Vec<&'static str>),
    /// Its clock is ahead of this one's; behind, if negative.
    Clock(Seconds),
}

impl Difference {
    /// A clock that goes on differing, by another second, is nothing new.
    pub fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Clock(_), Self::Clock(_)) => true,
            _ => self == other,
        }
    }
}

impl Agreed {
    pub fn of(config: &Config) -> Self {
        Self {
            public_url: config.public_url.origin().to_owned(),
            access_token_ttl_seconds: config.access_token_ttl_seconds,
            refresh_token_ttl_seconds: config.refresh_token_ttl_seconds,
            session_max_seconds: config.session_max_seconds,
            refresh_grace_seconds: config.refresh_grace_seconds,
            signing_algorithm: config.signing_algorithm.as_str().to_owned(),
            registration: config.registration.as_str().to_owned(),
        }
    }

    fn differences(&self, other: &Self) -> Vec<&'static str> {
        let checks = [
            ("public_url", self.public_url == other.public_url),
            ("access_token_ttl_seconds", self.access_token_ttl_seconds == other.access_token_ttl_seconds),
            ("refresh_token_ttl_seconds", self.refresh_token_ttl_seconds == other.refresh_token_ttl_seconds),
            ("session_max_seconds", self.session_max_seconds == other.session_max_seconds),
            ("refresh_grace_seconds", self.refresh_grace_seconds == other.refresh_grace_seconds),
            ("signing_algorithm", self.signing_algorithm == other.signing_algorithm),
            ("registration", self.registration == other.registration),
        ];
        checks.into_iter().filter(|(_, same)| !same).map(|(name, _)| name).collect()
    }
}

impl Node {
    /// This server, now that it starts.
    pub fn starting(config: &Config, clock: &Clock, address: String) -> Self {
        let now = clock.now();
        Self {
            id: NodeId::random(),
            address,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            agreed: Agreed::of(config),
            started_at: now,
            seen_at: now,
        }
    }

    /// In what another server, seen just now, differs from this one.
    pub fn differences(&self, other: &Self, now: Seconds) -> Vec<Difference> {
        let settings = self.agreed.differences(&other.agreed);
        let ahead = other.seen_at - now;
        let mut differences = Vec::new();
        if !settings.is_empty() {
            differences.push(Difference::Settings(settings));
        }
        // One that is behind cannot be told from one that has not been heard of for a while.
        if ahead > CLOCK_DIFFERENCE_MAX {
            differences.push(Difference::Clock(ahead));
        }
        differences
    }
}

/// Says that this server runs; returns those that run beside it.
pub async fn meet(db: &Db, clock: &Clock, node: &Node) -> Result<Vec<Node>, DbError> {
    let now = clock.now();
    store::note(db, node, now).await?;
    let mut others = store::seen_since(db, now - GONE_AFTER).await?;
    others.retain(|other| other.id != node.id);
    Ok(others)
}

/// The servers that run.
pub async fn list(db: &Db, clock: &Clock) -> Result<Vec<Node>, DbError> {
    store::seen_since(db, clock.now() - GONE_AFTER).await
}

/// Says that this server stops.
pub async fn leave(db: &Db, node: &NodeId) -> Result<(), DbError> {
    store::delete(db, node).await
}

/// Deletes at most `most` of those that stopped without a word; returns how many.
pub async fn prune(db: &Db, now: Seconds, most: i64) -> Result<u64, DbError> {
    store::prune(db, now - KEPT, most).await
}
