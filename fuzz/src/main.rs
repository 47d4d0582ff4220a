//! What a stranger sends, by libFuzzer. One program with every target: hallpass is linked once.
//!
//! `fuzz/run` builds it with coverage and starts it; alone, it lists its targets.

#![no_main]

mod address;
mod authorization;
mod canary;
mod config;
mod cookies;
mod email;
mod foreign_hash;
mod form;
mod import;
mod json;
mod jwt;
mod keys;
mod requests;
mod return_to;
mod token;

use std::env;
use std::process;
use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;

type Target = fn(&[u8]);

const TARGETS: [(&str, Target); 13] = [
    ("address", address::run),
    ("authorization", authorization::run),
    ("canary", canary::run),
    ("config", config::run),
    ("cookies", cookies::run),
    ("email", email::run),
    ("foreign_hash", foreign_hash::run),
    ("form", form::run),
    ("import", import::run),
    ("json", json::run),
    ("jwt", jwt::run),
    ("return_to", return_to::run),
    ("token", token::run),
];

static CHOSEN: OnceLock<Target> = OnceLock::new();

fuzz_target!(init: choose(), |data: &[u8]| CHOSEN.get().expect("chosen first")(data));

/// By the environment: libFuzzer's arguments are files and folders, and its own.
fn choose() {
    let wanted = env::var("FUZZ_TARGET").unwrap_or_default();
    match TARGETS.iter().find(|(name, _)| *name == wanted) {
        Some((_, run)) => drop(CHOSEN.set(*run)),
        None => {
            TARGETS.iter().for_each(|(name, _)| println!("{name}"));
            process::exit(if wanted.is_empty() { 0 } else { 2 });
        }
    }
}
