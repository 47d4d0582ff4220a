//! The servers of a site, as each says of itself: that they agree about what all of them must. Nothing is decided by it
//! but what to tell the operator.

mod store;

use std::collections::BTreeMap;

use crate::clock::{Clock, HOUR, Seconds};
use crate::config::Config;
use crate::db::{Db, DbError};
use crate::id::NodeId;

/// How often each says that it is there; each time is a write.
pub const SEEN_EVERY: Seconds = 30;

/// Who has not been seen for as long has stopped without a word.
pub const GONE_AFTER: Seconds = 4 * SEEN_EVERY;

const KEPT: Seconds = HOUR;

/// A server that runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    pub id: NodeId,
    /// The name of its machine, and where it listens there.
    pub address: String,
    /// Of hallpass.
    pub version: String,
    /// Those about which all servers of a site must agree, by name: with others, one would refuse what another has
    /// issued, or answer otherwise.
    pub settings: BTreeMap<String, String>,
    pub started_at: Seconds,
    /// By its own clock.
    pub seen_at: Seconds,
}

impl Node {
    /// This server, now that it starts.
    pub fn starting(config: &Config, clock: &Clock, address: String) -> Self {
        let now = clock.now();
        let settings = [
            ("public_url", config.public_url.origin().to_owned()),
            ("access_token_ttl_seconds", config.access_token_ttl_seconds.to_string()),
            ("refresh_token_ttl_seconds", config.refresh_token_ttl_seconds.to_string()),
            ("session_max_seconds", config.session_max_seconds.to_string()),
            ("refresh_grace_seconds", config.refresh_grace_seconds.to_string()),
            ("signing_algorithm", config.signing_algorithm.as_str().to_owned()),
            ("registration", config.registration.as_str().to_owned()),
        ];
        Self {
            id: NodeId::random(),
            address,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            settings: settings.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
            started_at: now,
            seen_at: now,
        }
    }

    /// The settings that have other values at another server. One that only a newer version has is passed over.
    pub fn differences(&self, other: &Self) -> Vec<&str> {
        let differs =
            |(name, value): &(&String, &String)| other.settings.get(*name).is_some_and(|theirs| theirs != *value);
        self.settings.iter().filter(differs).map(|(name, _)| name.as_str()).collect()
    }
}

/// Says that this server runs; returns those that run beside it.
pub async fn meet(db: &Db, clock: &Clock, node: &Node) -> Result<Vec<Node>, DbError> {
    store::note(db, node, clock.now()).await?;
    let mut others = list(db, clock).await?;
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

#[cfg(test)]
mod tests {
    use super::*;

    fn node(settings: &[(&str, &str)]) -> Node {
        let settings = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let (id, address, version) = (NodeId::random(), "here".to_owned(), "1".to_owned());
        Node { id, address, version, settings, started_at: 0, seen_at: 0 }
    }

    #[test]
    fn servers_differ_in_what_both_of_them_know() {
        let here = node(&[("a", "1"), ("b", "2"), ("new", "3")]);
        assert_eq!(here.differences(&node(&[("a", "1"), ("b", "3"), ("newer", "4")])), ["b"]);
        assert!(here.differences(&here).is_empty());
        assert!(here.differences(&node(&[])).is_empty());
    }
}
