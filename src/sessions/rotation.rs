//! Rotation with replay detection: what a refresh token of some generation means for its session.
//!
//! An honest browser that lost a response and a thief send the same bytes. But a browser has one jar, and can be
//! asked again: a redirect is followed with the cookies that it holds now, and a thief has no newer ones. So:
//! confirm, settle, ask, then decide.

use crate::clock::{DAY, Seconds};

/// A family may fall back this often within [`RECOVERY_WINDOW`]; a browser that is killed more often is no browser.
const RECOVERIES_MAX: i64 = 8;
const RECOVERY_WINDOW: Seconds = DAY;

/// The state of a session that rotation reads and writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Family {
    /// n: of the newest refresh token.
    pub generation: i64,
    /// p: what the browser held before n.
    pub parent: i64,
    /// When n was first seen from the client.
    pub confirmed_at: Option<Seconds>,
    /// When n was seen again, a grace after that: by then a browser has written its cookies to disk.
    pub settled_at: Option<Seconds>,
    pub recoveries: i64,
    pub recoveries_since: Seconds,
}

/// What the carrier of a refresh token can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    /// A browser that keeps cookies of the response and follows redirects; `answer` if it has been asked.
    Jar { answer: bool },
    /// A browser whose request is of a kind that keeps no cookies (an image, a prefetch, a sub-request).
    Deaf,
    /// A program that sends the token in header or body: it has no jar to ask.
    Program,
    /// The same, but the token was set as a cookie. As a straggler it would be given n in silence: a thief who follows
    /// each rotation that closely could read on for as long as the owner does.
    Copied,
}

/// What to do about a refresh token whose signature is valid and whose session is live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Authenticated; issue generation `from` + 1, with `from` as its parent.
    Rotate { from: i64 },
    /// Authenticated; issue generation n + 1 with parent p: the one who holds p never got n, and n is dead.
    Recover,
    /// Authenticated; deliver n again, the same bytes; nothing is written.
    Redeliver,
    /// Authenticated; no cookies.
    Serve,
    /// Not decided: the browser is to repeat the request with the cookies it holds now.
    Ask,
    /// A replay, not yet shown to be one by an answer: no access, record it, ask.
    AskReplay,
    /// A replay for certain: the session ends.
    Revoke,
    /// No access; nothing changes.
    Refuse,
}

/// What seeing generation n from the client means for the row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    Confirm,
    Settle,
}

/// The decision table. `presented` is the generation of the token, `grace` the time in which a straggler is
/// harmless and after which a browser has saved its cookies, in seconds.
pub fn decide(family: &Family, presented: i64, now: Seconds, grace: Seconds, carrier: Carrier) -> Decision {
    let replay = match carrier {
        Carrier::Jar { answer: false } => Decision::AskReplay,
        Carrier::Jar { answer: true } | Carrier::Program => Decision::Revoke,
        Carrier::Deaf | Carrier::Copied => Decision::Refuse,
    };
    if presented >= family.generation {
        return if carrier == Carrier::Deaf { Decision::Serve } else { Decision::Rotate { from: presented } };
    }
    if presented != family.parent || family.settled_at.is_some() {
        return replay;
    }
    let late = family.confirmed_at.is_some_and(|confirmed_at| now - confirmed_at >= grace);
    match carrier {
        // Not longer than a straggler: a thief could choose to be deaf, and read on for as long as the owner is away.
        Carrier::Deaf if !late => Decision::Serve,
        Carrier::Jar { .. } | Carrier::Copied if family.confirmed_at.is_none() => Decision::Redeliver,
        Carrier::Deaf | Carrier::Copied => Decision::Refuse,
        Carrier::Program if !late => Decision::Redeliver,
        Carrier::Jar { .. } if !late => Decision::Serve,
        Carrier::Jar { answer: false } => Decision::Ask,
        Carrier::Jar { answer: true } if family.recoveries_before(now) < RECOVERIES_MAX => Decision::Recover,
        Carrier::Jar { answer: true } | Carrier::Program => replay,
    }
}

/// Whether an unexpired access token of this generation is good. One that a recovery skipped is not: whoever
/// still holds it must show the jar.
pub fn access_is_good(family: &Family, presented: i64) -> bool {
    !(family.parent < presented && presented < family.generation)
}

/// Whether whoever asks for a refresh by cookie, and still has a good access token of generation `presented`, has what
/// it would give: n, first seen less than a grace ago if at all. Another generation that soon would leave two behind what
/// is on its way or on a browser's disk, and there a browser cannot be told from a thief.
pub fn is_fresh(family: &Family, presented: i64, now: Seconds, grace: Seconds) -> bool {
    presented == family.generation && family.confirmed_at.is_none_or(|confirmed_at| now - confirmed_at < grace)
}

/// What to note when a token of generation `presented` has been seen from the client.
pub fn mark(family: &Family, presented: i64, now: Seconds, grace: Seconds) -> Option<Mark> {
    match (family.confirmed_at, family.settled_at) {
        _ if presented != family.generation => None,
        (None, _) => Some(Mark::Confirm),
        (Some(confirmed_at), None) if now - confirmed_at >= grace => Some(Mark::Settle),
        _ => None,
    }
}

impl Family {
    /// A family whose first token is being delivered by a log-in. Nothing older exists, so there is nothing to
    /// fall back to.
    pub fn new(now: Seconds) -> Self {
        Self { generation: 1, parent: 0, confirmed_at: None, settled_at: None, recoveries: 0, recoveries_since: now }
    }

    /// After [`Decision::Rotate`].
    pub fn rotated(self, from: i64) -> Self {
        Self { generation: from + 1, parent: from, confirmed_at: None, settled_at: None, ..self }
    }

    /// After what [`mark`] said has been noted.
    pub fn marked(self, mark: Mark, now: Seconds) -> Self {
        match mark {
            Mark::Confirm => Self { confirmed_at: Some(now), ..self },
            Mark::Settle => Self { settled_at: Some(now), ..self },
        }
    }

    /// After [`Decision::Recover`].
    pub fn recovered(self, now: Seconds) -> Self {
        let recoveries = self.recoveries_before(now);
        let recoveries_since = if recoveries == 0 { now } else { self.recoveries_since };
        let generation = self.generation + 1;
        Self { generation, confirmed_at: None, settled_at: None, recoveries: recoveries + 1, recoveries_since, ..self }
    }

    /// Whether generations that `before` had are good no more, as after [`Decision::Recover`].
    pub fn skips(&self, before: &Self) -> bool {
        self.parent < before.generation
    }

    /// How often the family has recovered within the window that `now` is in.
    fn recoveries_before(&self, now: Seconds) -> i64 {
        if now - self.recoveries_since < RECOVERY_WINDOW { self.recoveries } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Seconds = 1_000_000;
    const GRACE: Seconds = 60;
    const JAR: Carrier = Carrier::Jar { answer: false };
    const ANSWER: Carrier = Carrier::Jar { answer: true };

    /// n = 7, p = 5: a recovery has skipped 6.
    fn unconfirmed() -> Family {
        Family { generation: 7, parent: 5, confirmed_at: None, settled_at: None, recoveries: 1, recoveries_since: NOW }
    }

    fn confirmed(ago: Seconds) -> Family {
        Family { confirmed_at: Some(NOW - ago), ..unconfirmed() }
    }

    fn settled() -> Family {
        Family { settled_at: Some(NOW - 100), ..confirmed(200) }
    }

    fn spent(family: Family) -> Family {
        Family { recoveries: RECOVERIES_MAX, ..family }
    }

    #[test]
    fn the_table() {
        use Decision::*;
        #[rustfmt::skip]
        let rows: &[(&str, Family, i64, Carrier, Decision)] = &[
            ("current, unconfirmed",                      unconfirmed(), 7, JAR, Rotate { from: 7 }),
            ("current, settled",                          settled(),     7, JAR, Rotate { from: 7 }),
            ("current, as an answer",                     settled(),     7, ANSWER, Rotate { from: 7 }),
            ("current, by a program",                     settled(),     7, Carrier::Program, Rotate { from: 7 }),
            ("current, where nothing can be delivered",   settled(),     7, Carrier::Deaf, Serve),
            ("row behind",                                settled(),     9, JAR, Rotate { from: 9 }),
            ("row behind, as an answer",                  settled(),     9, ANSWER, Rotate { from: 9 }),
            ("row behind, by a program",                  settled(),     9, Carrier::Program, Rotate { from: 9 }),
            ("row behind, where nothing can be delivered", settled(),    9, Carrier::Deaf, Serve),
            ("parent, unconfirmed",                       unconfirmed(), 5, JAR, Redeliver),
            ("parent, unconfirmed, as an answer",         unconfirmed(), 5, ANSWER, Redeliver),
            ("parent, unconfirmed, by a program",         unconfirmed(), 5, Carrier::Program, Redeliver),
            ("parent, unconfirmed, deaf",                 unconfirmed(), 5, Carrier::Deaf, Serve),
            ("parent, just confirmed",                    confirmed(59), 5, JAR, Serve),
            ("parent, just confirmed, as an answer",      confirmed(59), 5, ANSWER, Serve),
            ("parent, just confirmed, by a program",      confirmed(59), 5, Carrier::Program, Redeliver),
            ("parent, just confirmed, deaf",              confirmed(59), 5, Carrier::Deaf, Serve),
            ("parent, confirmed a grace ago",             confirmed(60), 5, JAR, Ask),
            ("parent, confirmed a grace ago, as answer",  confirmed(60), 5, ANSWER, Recover),
            ("parent, confirmed a grace ago, by program", confirmed(60), 5, Carrier::Program, Revoke),
            ("parent, confirmed a grace ago, deaf",       confirmed(60), 5, Carrier::Deaf, Refuse),
            ("parent, recoveries spent",                  spent(confirmed(60)), 5, JAR, Ask),
            ("parent, recoveries spent, as an answer",    spent(confirmed(60)), 5, ANSWER, Revoke),
            ("parent, settled",                           settled(),     5, JAR, AskReplay),
            ("parent, settled, as an answer",             settled(),     5, ANSWER, Revoke),
            ("parent, settled, by a program",             settled(),     5, Carrier::Program, Revoke),
            ("parent, settled, deaf",                     settled(),     5, Carrier::Deaf, Refuse),
            ("skipped by a recovery",                     unconfirmed(), 6, JAR, AskReplay),
            ("skipped by a recovery, as an answer",       unconfirmed(), 6, ANSWER, Revoke),
            ("skipped by a recovery, by a program",       unconfirmed(), 6, Carrier::Program, Revoke),
            ("skipped by a recovery, deaf",               unconfirmed(), 6, Carrier::Deaf, Refuse),
            ("older than the parent",                     unconfirmed(), 4, JAR, AskReplay),
            ("older than the parent, as an answer",       unconfirmed(), 4, ANSWER, Revoke),
            ("older than the parent, by a program",       unconfirmed(), 4, Carrier::Program, Revoke),
            ("older than the parent, deaf",               unconfirmed(), 4, Carrier::Deaf, Refuse),
            ("current, copied from a jar",                settled(),     7, Carrier::Copied, Rotate { from: 7 }),
            ("row behind, copied from a jar",             settled(),     9, Carrier::Copied, Rotate { from: 9 }),
            ("parent, unconfirmed, copied",               unconfirmed(), 5, Carrier::Copied, Redeliver),
            ("parent, just confirmed, copied",            confirmed(0),  5, Carrier::Copied, Refuse),
            ("parent, confirmed a grace ago, copied",     confirmed(60), 5, Carrier::Copied, Refuse),
            ("parent, settled, copied",                   settled(),     5, Carrier::Copied, Refuse),
            ("skipped by a recovery, copied",             unconfirmed(), 6, Carrier::Copied, Refuse),
            ("older than the parent, copied",             unconfirmed(), 4, Carrier::Copied, Refuse),
        ];
        for (what, family, presented, carrier, expected) in rows {
            assert_eq!(decide(family, *presented, NOW, GRACE, *carrier), *expected, "{what}");
        }
    }

    #[test]
    fn an_access_token_is_good_unless_a_recovery_skipped_its_generation() {
        let good: Vec<_> = (3..10).filter(|generation| access_is_good(&unconfirmed(), *generation)).collect();
        assert_eq!(good, [3, 4, 5, 7, 8, 9]);
    }

    #[test]
    fn the_newest_generation_confirms_then_settles_once() {
        assert_eq!(mark(&unconfirmed(), 7, NOW, GRACE), Some(Mark::Confirm));
        assert_eq!(mark(&confirmed(59), 7, NOW, GRACE), None);
        assert_eq!(mark(&confirmed(60), 7, NOW, GRACE), Some(Mark::Settle));
        assert_eq!(mark(&settled(), 7, NOW, GRACE), None);
        assert_eq!(mark(&unconfirmed(), 5, NOW, GRACE), None);
        assert_eq!(mark(&unconfirmed(), 8, NOW, GRACE), None);
    }

    #[test]
    fn what_was_first_seen_less_than_a_grace_ago_needs_no_refresh() {
        let fresh = |family: &Family, presented| is_fresh(family, presented, NOW, GRACE);
        assert!(fresh(&unconfirmed(), 7) && fresh(&confirmed(59), 7));
        assert!(!fresh(&confirmed(60), 7) && !fresh(&settled(), 7));
        assert!(!fresh(&unconfirmed(), 5) && !fresh(&unconfirmed(), 8));
    }

    #[test]
    fn recoveries_are_counted_within_a_day() {
        let mut family = Family { recoveries: 0, recoveries_since: 0, ..confirmed(60) };
        for count in 1..=RECOVERIES_MAX {
            assert_eq!(decide(&family, 5, NOW, GRACE, ANSWER), Decision::Recover);
            family = Family { confirmed_at: Some(NOW - GRACE), ..family.recovered(NOW) };
            assert_eq!((family.parent, family.generation, family.recoveries), (5, 7 + count, count));
        }
        assert_eq!(decide(&family, 5, NOW, GRACE, ANSWER), Decision::Revoke);
        let tomorrow = NOW + RECOVERY_WINDOW;
        assert_eq!(decide(&family, 5, tomorrow, GRACE, ANSWER), Decision::Recover);
        assert_eq!(family.recovered(tomorrow).recoveries, 1);
    }

    #[test]
    fn a_rotation_makes_the_presented_generation_the_parent() {
        let after = settled().rotated(9);
        assert_eq!((after.generation, after.parent), (10, 9));
        assert_eq!((after.confirmed_at, after.settled_at), (None, None));
    }
}
