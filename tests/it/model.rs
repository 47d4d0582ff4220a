//! Every state of a small model of the protocol, searched; what decides in it are the functions that decide in production.

mod promises;
mod rules;
mod steps;
mod story;
mod world;

use std::time::Instant;

use stateright::{Checker, HasDiscoveries, Model};

use promises::*;
use rules::Rules;
use steps::{Case, Site};
use world::Kind;

const QUIET: Case = Case {
    name: "",
    parallel: 2,
    kinds: &[Kind::Page],
    late_requests: 0,
    late_responses: 0,
    life: 4,
    loss: false,
    repeats: false,
    kills: 0,
    crashes: false,
    steps_apart: false,
    backup: false,
    ends: false,
    thief: 0,
    recoveries: 0,
    sights: &[],
};

fn search(case: Case) {
    let started = Instant::now();
    let found = Site { rules: Rules::OfProduction, case }.checker().threads(2).spawn_bfs().join();
    println!("{:50} {:9} states {:3} deep {:6.1} s", case.name, found.unique_state_count(), found.max_depth(), started.elapsed().as_secs_f64());
    let site = *found.model();
    if found.discoveries().iter().any(|(name, _)| site.property(name).expectation == stateright::Expectation::Always) {
        println!("   {:?}", counterexample(site));
    }
    for property in found.model().properties() {
        if property.expectation == stateright::Expectation::Sometimes && found.discovery(property.name).is_none() {
            println!("  never: {}", property.name);
        }
    }
}

/// The shortest way to a broken promise. What the search happens to find first may be a step or two longer.
fn counterexample(site: Site) -> Option<(&'static str, String)> {
    let mut shortest = None;
    let mut depth = usize::MAX;
    loop {
        let search = site.checker().finish_when(HasDiscoveries::AnyFailures).target_max_depth(depth);
        let found = search.spawn_bfs().join();
        let broken = found.discoveries().into_iter().filter(|(name, _)| site.property(name).expectation == stateright::Expectation::Always);
        let Some((name, path)) = broken.min_by_key(|(_, path)| path.clone().into_actions().len()) else { return shortest };
        depth = path.clone().into_actions().len() + 1;
        shortest = Some((name, story::of(&site, path)));
    }
}

#[test]
fn experiment() {
    const ALL: Case = Case { loss: true, repeats: true, crashes: true, ..QUIET };
    for case in [
        Case { name: "parallel 5", parallel: 5, ..ALL },
        Case { name: "parallel 4, kills", parallel: 4, kills: 1, ..ALL },
        Case { name: "parallel 3, kills 2", parallel: 3, kills: 2, ..ALL },
        Case { name: "late 3", parallel: 3, late_requests: 3, ..ALL },
        Case { name: "late 1, kills", parallel: 3, late_requests: 1, kills: 1, ..ALL },
        Case { name: "late 2, kills", parallel: 3, late_requests: 2, kills: 1, ..ALL },
        Case { name: "late both, no kill", parallel: 3, late_requests: 1, late_responses: 1, ..ALL },
        Case { name: "late both, no kill 2, life 7", parallel: 2, late_requests: 2, late_responses: 2, life: 7, ..ALL },
        Case { name: "late both, no kill 2, life 6", parallel: 2, late_requests: 2, late_responses: 2, life: 6, ..ALL },
        Case { name: "late both, kill", parallel: 3, late_requests: 1, late_responses: 1, kills: 1, ..ALL },
        Case { name: "refresh no kill", parallel: 2, kinds: &[Kind::Page, Kind::Refresh], ..ALL },
        Case { name: "images late kills", parallel: 2, late_requests: 1, kills: 1, kinds: &[Kind::Page, Kind::Image], ..ALL },
        Case { name: "apart 3", parallel: 3, steps_apart: true, kills: 1, ..ALL },
        Case { name: "apart late 2", parallel: 2, late_requests: 1, kills: 1, steps_apart: true, ..ALL },
        Case { name: "apart late 3", parallel: 2, late_requests: 3, steps_apart: true, ..ALL },
        Case { name: "backup", parallel: 2, backup: true, ..ALL },
        Case { name: "backup kills", parallel: 2, backup: true, kills: 1, ..ALL },
        Case { name: "backup late", parallel: 2, backup: true, late_requests: 1, ..ALL },
        Case { name: "ends", parallel: 2, ends: true, steps_apart: true, late_requests: 1, ..ALL },
        Case { name: "thief 2, parallel 1", parallel: 1, thief: 2, recoveries: 6, kills: 1, ..ALL },
        Case { name: "thief 1, parallel 2", parallel: 2, thief: 1, recoveries: 6, kills: 1, ..ALL },
        Case { name: "thief 2, parallel 1, apart", parallel: 1, steps_apart: true, thief: 2, late_requests: 1, recoveries: 7, ..ALL },
    ] {
        search(case);
    }
    for (rules, case) in [
        (Rules::StrictOneUse, Case { name: "parallel 2", parallel: 2, loss: true, ..QUIET }),
        (Rules::SameSuccessorForAWhile, Case { name: "parallel 2", parallel: 2, loss: true, ..QUIET }),
        (Rules::AnotherSuccessorEachTime, Case { name: "parallel 2", parallel: 2, loss: true, ..QUIET }),
        (Rules::NeverAsk, Case { name: "late", parallel: 2, loss: true, late_requests: 1, ..QUIET }),
        (Rules::SettledOnceConfirmed, Case { name: "kill", parallel: 2, loss: true, kills: 1, ..QUIET }),
        (Rules::CookiesInTheJar, Case { kinds: &[Kind::Page, Kind::Missing], ..QUIET }),
        (Rules::RefusalsClear, Case { ends: true, steps_apart: true, ..QUIET }),
        (Rules::UnconditionalWrites, Case { steps_apart: true, ..QUIET }),
    ] {
        let started = Instant::now();
        println!("{rules:?}: {:?} {:.1} s", counterexample(Site { rules, case }), started.elapsed().as_secs_f64());
    }
}
