//! Argon2, in the notation of the PHC string format or of Django.

use std::borrow::Cow;

use argon2::Params;
use argon2::password_hash::phc::PasswordHash;

use super::{HashFault, OUTPUT_MIN};
use crate::config::{ARGON2_ITERATIONS_MAX, ARGON2_MEMORY_KIB_MAX};

/// The first recommendation of RFC 9106.
pub const ARGON2_MEMORY_KIB_ACCEPTED: u32 = 2 << 20;
/// In KiB, of all passes together.
pub const ARGON2_WORK_ACCEPTED: u64 = 4 << 20;
pub const ARGON2_PARALLELISM_ACCEPTED: u32 = 64;

/// A PHC string that names its version.
pub struct Argon2<'t> {
    pub phc: Cow<'t, str>,
    params: Params,
}

impl<'t> Argon2<'t> {
    pub fn read(text: &'t str) -> Result<Self, HashFault> {
        // Before version 1.3 the notation did not name the version; the crate takes what names none for the newest.
        let phc = match text.split_once("$m=") {
            Some((before, rest)) if !before.contains("$v=") => Cow::Owned(format!("{before}$v=16$m={rest}")),
            _ => Cow::Borrowed(text),
        };
        let params = params(&phc).ok_or(HashFault::Damaged)?;
        // What this site's own settings may say, and some accounts may still have when they say it no more.
        if params.m_cost() > ARGON2_MEMORY_KIB_MAX || params.t_cost() > ARGON2_ITERATIONS_MAX {
            return Err(HashFault::Argon2Cost);
        }
        Ok(Self { phc, params })
    }

    /// Whether one of another system may cost as much.
    pub fn is_cheap(&self) -> bool {
        let (memory, passes) = (self.params.m_cost(), self.params.t_cost());
        memory <= ARGON2_MEMORY_KIB_ACCEPTED
            && u64::from(memory) * u64::from(passes) <= ARGON2_WORK_ACCEPTED
            && self.params.p_cost() <= ARGON2_PARALLELISM_ACCEPTED
    }
}

/// None unless all that a check needs is there.
fn params(phc: &str) -> Option<Params> {
    let hash = PasswordHash::new(phc).ok()?;
    let has = |wanted: &str| hash.params.iter().any(|(name, _)| name.as_str() == wanted);
    let is_whole = ["argon2id", "argon2i", "argon2d"].contains(&hash.algorithm.as_str())
        && matches!(hash.version, Some(16 | 19))
        && ["m", "t", "p"].into_iter().all(has)
        && hash.salt.is_some()
        && hash.hash.is_some_and(|output| output.len() >= OUTPUT_MIN);
    if is_whole { Params::try_from(&hash).ok() } else { None }
}
