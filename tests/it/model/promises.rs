//! The invariants of the protocol, as properties of states.

use stateright::Property;

use super::steps::Site;
use super::world::{Answer, Backup, End, Row, Stage, Token, World};

/// Those that a step breaks; the step says so in the state that it leads to, which is the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Promise {
    Honest,
    Outdated,
    Parted,
    Once,
    Ended,
    Successor,
    Writes,
}

/// A name, and what is seen in some states.
pub type Seen = (&'static str, fn(&Site, &World) -> bool);

pub const ROTATED: Seen = ("a generation is rotated", |_, world| world.row.parent > 0);
pub const SETTLED: Seen = ("a generation settles", |_, world| world.row.settled);
pub const AGAIN: Seen = ("the same bytes are delivered again", |_, world| {
    world.responses.iter().any(|response| matches!(response.answer, Answer::Again(_)))
});
pub const ASKED: Seen =
    ("the jar is asked", |_, world| world.responses.iter().any(|response| matches!(response.answer, Answer::Asked(_))));
pub const RECOVERED: Seen =
    ("a family recovers", |_, world| world.backup == Backup::None && world.row.parent + 1 < world.row.generation);
pub const OVERTAKEN: Seen = ("a node has read what is no longer so", |_, world| {
    world.rows().any(|read| read.generation < world.row.generation)
});
pub const BEHIND: Seen = ("the row is behind the jar", |_, world| {
    world.jar.is_some_and(|cookies| cookies.token.generation > world.row.generation)
});
pub const LATE_REFUSAL: Seen = ("a refusal is late", |_, world| {
    world.row.end.is_none() && world.responses.iter().any(|response| response.answer == Answer::Dead)
});
pub const LEAVING: Seen = ("the session ends while a token of it is about to leave", |_, world| {
    world.row.end.is_some() && world.requests.iter().any(|request| matches!(request.stage, Stage::Done(Answer::New(_))))
});
pub const THIEF_ASKED: Seen = ("the thief is asked", |_, world| world.thief_was_asked.is_some());
pub const AHEAD: Seen = ("the thief has what the owner has not", |_, world| {
    let owner = world.jar.map_or(0, |cookies| cookies.token.generation);
    world.thief.iter().any(|cookies| cookies.token.generation > owner)
});
pub const REPLAY: Seen = ("a replay ends the family", |_, world| world.row.end == Some(End::Replay));

const PROMISES: [Seen; 8] = [
    ("I1, I5: an honest browser is never logged out, and nobody is unasked", |_, world| {
        is_kept(world, Promise::Honest)
    }),
    ("I2: what is older than a settled generation gives nothing, and as an answer ends the family", |_, world| {
        is_kept(world, Promise::Outdated)
    }),
    ("I2: of two who have parted, one is refused", |_, world| is_kept(world, Promise::Parted)),
    ("I3: one generation advances once", |_, world| is_kept(world, Promise::Once)),
    ("I3: all who are handed a generation are handed the same bytes", same_bytes),
    ("I4: what has ended stays ended", |_, world| is_kept(world, Promise::Ended)),
    ("I6: what consumed a generation delivers the next", |_, world| is_kept(world, Promise::Successor)),
    ("I7: at most three writes a generation", |_, world| is_kept(world, Promise::Writes)),
];

pub fn properties(site: &Site) -> Vec<Property<Site>> {
    let always = PROMISES.iter().map(|(name, holds)| Property::always(name, *holds));
    always.chain(site.case.sights.iter().map(|(name, is_seen)| Property::sometimes(name, *is_seen))).collect()
}

fn is_kept(world: &World, promise: Promise) -> bool {
    world.broken != Some(promise)
}

/// After a backup was restored, numbers are given a second time.
fn same_bytes(_: &Site, world: &World) -> bool {
    let is_one_of_two = |token: Token| {
        token.twin > 0 && world.held().any(|other| other.generation == token.generation && other.twin != token.twin)
    };
    world.backup == Backup::Restored || !world.held().any(is_one_of_two)
}

impl Row {
    /// Only a copy of a token of this generation can be in use.
    pub fn is_outdated(&self, generation: u8) -> bool {
        generation < self.settled_last || generation < self.parent || self.is_skipped(generation)
    }

    pub fn is_skipped(&self, generation: u8) -> bool {
        self.parent < generation && generation < self.generation
    }
}
