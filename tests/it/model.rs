//! Every state of a small model of the session protocol, searched for a broken promise. What decides in it are the
//! functions that decide in production; what is around them is in model/steps.rs.
//!
//! A unit of time is half a minute: half a grace, and what a browser's disk is behind its jar. An access token lives four.
//! Time and generations have no end here, but a search has other bounds: how much is under way at once, how late it
//! is, how often a browser is killed, how many tokens a thief keeps, how far a backup lags behind. Each case has its
//! own, so that what it adds meets what it interacts with; all of it together would be too much. `MODEL_BOUNDS=large`
//! has one more under way:
//!
//!     MODEL_BOUNDS=large cargo test --release --test it model:: -- --nocapture --test-threads 1
//!
//! Not in the model: the memory of tokens that a node has seen, clocks that differ, programs with tokens of their own,
//! the minute by which a token is replaced ahead, the access token of a confirmation, a fourth lost race, and the end of
//! the day in which recoveries are counted.

mod promises;
mod rules;
mod steps;
mod story;
mod world;

use std::time::Instant;

use stateright::{Checker, Expectation, HasDiscoveries, Model};

use promises::{
    AGAIN, AHEAD, ASKED, BEHIND, LATE_REFUSAL, LEAVING, OVERTAKEN, RECOVERED, REPLAY, ROTATED, SETTLED, THIEF_ASKED,
};
use rules::Rules;
use steps::{Case, Site};
use world::{GRACE, Kind};

const README: &str = include_str!("../../README.md");

const CASE: Case = Case {
    name: "",
    parallel: 2,
    kinds: &[Kind::Page],
    late_requests: 0,
    late_responses: 0,
    life: 2 * GRACE,
    loss: true,
    repeats: true,
    crashes: true,
    kills: 0,
    steps_apart: false,
    backup: false,
    ends: false,
    thief: 0,
    recoveries: 0,
    sights: &[ROTATED, SETTLED, AGAIN],
};

fn is_failure(site: &Site, name: &'static str) -> bool {
    site.property(name).expectation == Expectation::Always
}

/// Of all states, however deep.
fn search(cases: &[Case]) {
    let more = usize::from(std::env::var("MODEL_BOUNDS").is_ok_and(|bounds| bounds == "large"));
    for case in cases {
        let site = Site { rules: Rules::OfProduction, case: Case { parallel: case.parallel + more, ..*case } };
        let started = Instant::now();
        let found = site.checker().threads(2).spawn_bfs().join();
        let seconds = started.elapsed().as_secs_f64();
        println!(
            "{:58} {:9} states {:3} deep {seconds:6.1} s",
            case.name,
            found.unique_state_count(),
            found.max_depth()
        );
        let discoveries = found.discoveries();
        if discoveries.keys().any(|name| is_failure(&site, name)) {
            panic!("{}: {:?}", case.name, counterexample(site));
        }
        let unseen: Vec<_> = case.sights.iter().filter(|(name, _)| !discoveries.contains_key(name)).collect();
        assert!(unseen.is_empty(), "{}: never seen: {:?}", case.name, unseen.iter().map(|(name, _)| name));
    }
}

/// A broken promise and the shortest way to it. What a search comes upon first may be a few steps longer: it looks at
/// its finds but once in a while.
fn counterexample(site: Site) -> Option<(&'static str, String)> {
    let mut shortest = None;
    let mut depth = usize::MAX;
    loop {
        let search = site.checker().finish_when(HasDiscoveries::AnyFailures).target_max_depth(depth);
        let found = search.spawn_bfs().join().discoveries().into_iter();
        let broken = found.filter(|(name, _)| is_failure(&site, name)).map(|(name, path)| (name, path.into_vec()));
        let Some((name, way)) = broken.min_by_key(|(name, way)| (way.len(), *name)) else { return shortest };
        depth = way.len();
        shortest = Some((name, story::of(&site, &way)));
    }
}

#[test]
fn a_browser_that_does_nothing_wrong_is_never_logged_out() {
    search(&[
        Case { name: "five at once, lost, repeated, with crashes", parallel: 5, ..CASE },
        Case {
            name: "requests late by all but the life of an access token",
            late_requests: CASE.life - 1,
            sights: &[ROTATED, SETTLED, AGAIN, ASKED],
            ..CASE
        },
        Case {
            name: "requests and responses late by less than a third of it",
            parallel: 3,
            late_requests: 1,
            late_responses: 1,
            ..CASE
        },
        Case {
            name: "the browser is killed twice",
            parallel: 3,
            kills: 2,
            sights: &[ROTATED, SETTLED, AGAIN, ASKED, RECOVERED],
            ..CASE
        },
        Case {
            name: "the browser is killed, all is late by less than a grace",
            kills: 1,
            late_requests: GRACE - 1,
            late_responses: GRACE - 1,
            sights: &[ROTATED, SETTLED, AGAIN, ASKED, RECOVERED],
            ..CASE
        },
        Case {
            name: "likewise, with images",
            kinds: &[Kind::Page, Kind::Image],
            kills: 1,
            late_requests: GRACE - 1,
            sights: &[ROTATED, SETTLED, AGAIN, ASKED, RECOVERED],
            ..CASE
        },
        Case {
            name: "a script refreshes again and again, its browser is killed",
            kinds: &[Kind::Page, Kind::Refresh],
            kills: 1,
            late_requests: GRACE - 1,
            late_responses: GRACE - 1,
            sights: &[ROTATED, SETTLED, AGAIN, ASKED, RECOVERED],
            ..CASE
        },
    ]);
}

#[test]
fn two_nodes_keep_every_promise_however_their_steps_fall() {
    let apart = Case { steps_apart: true, sights: &[ROTATED, SETTLED, AGAIN, OVERTAKEN], ..CASE };
    search(&[
        Case { name: "two nodes, requests late by a grace and more", late_requests: GRACE + 1, ..apart },
        Case { name: "two nodes, the browser is killed, requests are late", late_requests: 1, kills: 1, ..apart },
        Case { name: "three nodes, the browser is killed", parallel: 3, kills: 1, ..apart },
    ]);
}

#[test]
fn a_restored_backup_logs_nobody_out() {
    let restored = Case { backup: true, sights: &[ROTATED, SETTLED, AGAIN, BEHIND], ..CASE };
    search(&[
        Case { name: "a restored backup, requests are late", late_requests: 1, ..restored },
        Case { name: "a restored backup, the browser is killed", kills: 1, ..restored },
    ]);
}

#[test]
fn what_has_ended_stays_ended_and_harms_no_newer_log_in() {
    search(&[Case {
        name: "the session is ended elsewhere, then a new log-in",
        ends: true,
        steps_apart: true,
        late_requests: 1,
        sights: &[ROTATED, SETTLED, LATE_REFUSAL, LEAVING],
        ..CASE
    }]);
}

#[test]
fn a_thief_and_the_owner_do_not_both_go_on() {
    // All recoveries of the day but one are spent: a thief may use it up.
    let thief = Case {
        recoveries: 7,
        kills: 1,
        sights: &[ROTATED, SETTLED, ASKED, RECOVERED, THIEF_ASKED, AHEAD, REPLAY],
        ..CASE
    };
    search(&[
        Case { name: "a thief who keeps two tokens", parallel: 1, thief: 2, kills: 0, ..thief },
        Case { name: "a thief of one token, the owner's requests cross", thief: 1, ..thief },
        Case {
            name: "a thief of one token, two nodes, requests are late",
            parallel: 1,
            thief: 1,
            late_requests: 1,
            kills: 0,
            steps_apart: true,
            ..thief
        },
    ]);
}

#[test]
fn every_seeded_mistake_is_found() {
    let plain = Case { repeats: false, crashes: false, ..CASE };
    let late = Case { late_requests: GRACE, ..plain };
    let killed = Case { kills: 1, ..plain };
    let caught = Case { kinds: &[Kind::Page, Kind::Missing], ..plain };
    let apart = Case { steps_apart: true, ..plain };
    for (rules, case, promise) in [
        (Rules::StrictOneUse, plain, "I1"),
        (Rules::SameSuccessorForAWhile, plain, "I1"),
        (Rules::AnotherSuccessorEachTime, plain, "I1"),
        (Rules::NeverAsk, late, "I1"),
        (Rules::SettledOnceConfirmed, killed, "I1"),
        (Rules::CookiesInTheJar, caught, "I6"),
        (Rules::RefusalsClear, Case { ends: true, ..apart }, "I1"),
        (Rules::UnconditionalWrites, apart, "I3"),
        // That those promises which none of these break can be broken, too.
        (Rules::ParentServedUntilSettled, late, "I2: of two"),
        (Rules::SettlingOverlooked, Case { thief: 1, parallel: 1, ..apart }, "I2: what is older"),
        (Rules::CookiesOfTheEnded, Case { ends: true, ..apart }, "I4"),
        (Rules::MarksRepeated, apart, "I7"),
    ] {
        let (broken, way) = counterexample(Site { rules, case }).unwrap_or_else(|| panic!("{rules:?} is not found"));
        println!("{rules:?} breaks {broken}:\n    {way}");
        assert!(broken.starts_with(promise), "{rules:?} breaks {broken}");
        assert!(
            README.contains(&format!(" | {way} |\n")),
            "the README tells another way to the harm of {rules:?}: {way}"
        );
    }
}

#[test]
fn beyond_its_bounds_the_promise_does_not_hold() {
    let plain = Case { repeats: false, crashes: false, ..CASE };
    for (why, case) in [
        (
            "requests and responses late by a third of an access token's life",
            Case { life: 6, late_requests: 2, late_responses: 2, ..plain },
        ),
        (
            "a request that is a grace late when its browser has been killed",
            Case { kills: 1, late_requests: GRACE, parallel: 3, ..plain },
        ),
    ] {
        let site = Site { rules: Rules::OfProduction, case };
        let (broken, way) = counterexample(site).unwrap_or_else(|| panic!("{why}: the promise could say more"));
        println!("{why} breaks {broken}:\n    {way}");
        assert!(broken.starts_with("I1"), "{broken}");
    }
}
