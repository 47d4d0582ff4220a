//! What must be true of one session, whoever asks: an account of what was seen of it from outside.

use std::collections::BTreeMap;

use hallpass::id::SessionId;
use hallpass::sessions::rotation::Family;

use super::world::Jar;
use crate::helpers::{claims, generation};

pub type Verdict = Result<(), String>;

/// The invariants of DESIGN.md section 4, as far as they can be seen from outside.
pub struct Ledger {
    pub session: SessionId,
    /// The session's row; none once it has ended.
    pub row: Option<Family>,
    /// The newest generation that has settled.
    pub settled: i64,
    /// The refresh token of each generation.
    delivered: BTreeMap<i64, String>,
    /// What each generation advanced to.
    successors: BTreeMap<i64, i64>,
    /// Of each generation.
    writes: BTreeMap<i64, usize>,
    /// The server that ended it, or let it recover: what the other one remembers may not be true any more.
    changed_at: Option<usize>,
    /// The other one knows.
    heard: bool,
}

/// The tokens in a jar.
pub struct Held {
    session: SessionId,
    pub generation: i64,
    /// Generation and end.
    access: Option<(i64, i64)>,
}

impl Held {
    pub fn of(jar: &Jar) -> Option<Self> {
        let refresh = claims(&jar.get("refresh_token")?.value);
        let access = jar.get("access_token").map(|cookie| claims(&cookie.value));
        Some(Self {
            session: SessionId::from_text(refresh["sid"].as_str()?),
            generation: refresh["gen"].as_i64()?,
            access: access.and_then(|access| access["gen"].as_i64().zip(access["exp"].as_i64())),
        })
    }

    /// An access token gives access until its time is over, whatever has become of the refresh token.
    pub fn has_access_token(&self, now: i64) -> bool {
        self.access.is_some_and(|(_, end)| now < end)
    }

    pub fn is_of(&self, ledger: &Ledger) -> bool {
        self.session == ledger.session
    }
}

impl Ledger {
    pub fn new(session: SessionId, row: Family) -> Self {
        Self {
            session,
            row: Some(row),
            settled: 0,
            delivered: BTreeMap::new(),
            successors: BTreeMap::new(),
            writes: BTreeMap::new(),
            changed_at: None,
            heard: false,
        }
    }

    /// A backup was restored: what was delivered since may be made again, with another time of issue.
    pub fn restored(&mut self, row: Option<Family>) {
        (self.row, self.settled) = (row, 0);
        (self.delivered, self.successors, self.writes) = Default::default();
    }

    /// All servers know what there is to know.
    pub fn heard(&mut self) {
        self.heard = true;
    }

    /// A server forgets what it remembered.
    pub fn restarted(&mut self, node: usize) {
        self.heard |= self.changed_at != Some(node);
    }

    /// The row after something was done by `node`.
    pub fn observe(&mut self, row: Option<Family>, node: usize) -> Verdict {
        let before = std::mem::replace(&mut self.row, row);
        let (Some(before), Some(row)) = (before, row) else {
            if before.is_some() {
                (self.changed_at, self.heard) = (Some(node), false);
            }
            return if before.is_none() && row.is_some() { Err("I4: revived".to_owned()) } else { Ok(()) };
        };
        if before == row {
            return Ok(());
        }
        if row.settled_at.is_some() {
            self.settled = row.generation;
        }
        let writes = self.writes.entry(row.generation).or_default();
        *writes += 1;
        if *writes > 3 {
            return Err(format!("I7: {writes} writes of generation {}", row.generation));
        }
        if row.parent != before.parent {
            let first = *self.successors.entry(row.parent).or_insert(row.generation);
            if first != row.generation {
                return Err(format!("I3: {} advanced to {first} and to {}", row.parent, row.generation));
            }
        } else if row.generation != before.generation {
            (self.changed_at, self.heard) = (Some(node), false);
            if before.confirmed_at.is_none() {
                return Err(format!("I3: {} replaced by {} before it was seen", before.generation, row.generation));
            }
        }
        Ok(())
    }

    /// A refresh token was handed out.
    pub fn deliver(&mut self, token: &str) -> Verdict {
        let generation = generation(token);
        let first = self.delivered.entry(generation).or_insert_with(|| token.to_owned());
        if first != token {
            return Err(format!("I3: another token of generation {generation}"));
        }
        Ok(())
    }

    /// Access was given by `node`, whose clock shows `now`, to who held these; `before` is the ledger as it was then.
    pub fn may_be_given(&self, held: Option<&Held>, node: usize, now: i64) -> Verdict {
        let Some(held) = held.filter(|held| held.is_of(self)) else {
            return Err("I4: access to a session that ended before the last log-in".to_owned());
        };
        let remembers = held.has_access_token(now) && self.changed_at != Some(node) && !self.heard;
        let Some(row) = self.row else {
            return if remembers { Ok(()) } else { Err("I4: access to a session that has ended".to_owned()) };
        };
        let skipped = |generation: i64| row.parent < generation && generation < row.generation;
        let by_skipped = held.access.is_none_or(|(generation, end)| end <= now || skipped(generation));
        if skipped(held.generation) && by_skipped && !remembers {
            return Err(format!("I2: access by generation {}, which a recovery skipped", held.generation));
        }
        if held.generation < self.settled && !held.has_access_token(now) {
            return Err(format!("I2: access by generation {}, though {} has settled", held.generation, self.settled));
        }
        Ok(())
    }
}
