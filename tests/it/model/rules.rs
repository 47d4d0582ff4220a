//! The rules that the site follows: those of production, and mistakes that each alter one thing of them.

use hallpass::clock::Seconds;
use hallpass::sessions::rotation::{self, Carrier, Decision, Family, Mark};

use super::world::{GRACE, NOW, Row};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rules {
    OfProduction,
    /// Whatever is not the newest is a replay.
    StrictOneUse,
    /// From the rotation, not from when the newest was first seen; then it is a replay.
    SameSuccessorForAWhile,
    /// And displaces the last.
    AnotherSuccessorEachTime,
    NeverAsk,
    /// A killed browser has not saved its cookies yet.
    SettledOnceConfirmed,
    /// Rocket drops what is in it when a catcher answers.
    CookiesInTheJar,
    /// Late, they destroy a newer log-in.
    RefusalsClear,
    UnconditionalWrites,
    /// However long ago the newest was confirmed.
    ParentServedUntilSettled,
    /// By the write of a recovery, if it came after the row was read.
    SettlingOverlooked,
    /// They leave although the session has ended while the handler worked.
    CookiesOfTheEnded,
    /// By each node that has read the row before.
    MarksRepeated,
}

impl Rules {
    pub fn decide(self, family: &Family, presented: u8, carrier: Carrier) -> Decision {
        let presented = i64::from(presented);
        let decide = |carrier| rotation::decide(family, presented, NOW, GRACE.into(), carrier);
        match self {
            Self::StrictOneUse if presented < family.generation => Decision::Revoke,
            Self::SameSuccessorForAWhile if presented < family.generation => {
                let is_early = family.confirmed_at.is_some_and(|rotated_at| NOW - rotated_at < Seconds::from(GRACE));
                if presented == family.parent && is_early { Decision::Redeliver } else { Decision::Revoke }
            }
            Self::AnotherSuccessorEachTime => match decide(carrier) {
                Decision::Redeliver => Decision::Recover,
                decision => decision,
            },
            Self::ParentServedUntilSettled => match decide(carrier) {
                Decision::Ask => Decision::Serve,
                decision => decision,
            },
            Self::NeverAsk => match carrier {
                Carrier::Jar { .. } => decide(Carrier::Jar { answer: true }),
                _ => decide(carrier),
            },
            _ => decide(carrier),
        }
    }

    /// What a rotation or a recovery writes.
    pub fn written(self, family: Family) -> Family {
        match self {
            Self::SameSuccessorForAWhile => family.marked(Mark::Confirm, NOW),
            _ => family,
        }
    }

    pub fn marked(self, family: Family, mark: Mark) -> Family {
        let family = family.marked(mark, NOW);
        if self == Self::SettledOnceConfirmed { family.marked(Mark::Settle, NOW) } else { family }
    }

    pub fn may_advance(self, row: &Row, read: &Row, to: &Family) -> bool {
        match self {
            Self::UnconditionalWrites => true,
            Self::SettlingOverlooked => row.advances(&Row { settled: true, ..*read }, to),
            _ => row.advances(read, to),
        }
    }

    pub fn may_mark(self, row: &Row, read: &Row, mark: Mark) -> bool {
        self == Self::MarksRepeated && row.generation == read.generation || row.marks(read, mark)
    }

    pub fn deliver_on(self, is_caught: bool) -> bool {
        self != Self::CookiesInTheJar || !is_caught
    }

    pub fn look_again(self) -> bool {
        self != Self::CookiesOfTheEnded
    }

    pub fn clear_when_refused(self) -> bool {
        self == Self::RefusalsClear
    }
}
