//! A token as its owner asks for it.

use super::scopes::{Scope, Scopes};
use crate::fault::{Fault, Faults};

/// The longest life of a token, in days: a forgotten one ends by itself.
pub const DAYS_MAX: i64 = 365;

/// What was asked for, without faults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    pub(super) name: String,
    pub(super) scopes: Scopes,
    pub(super) expires_in_days: i64,
}

impl Draft {
    /// The name is trimmed, in NFC, and has 1 to 100 code points; scopes are those of [`Scope`], `admin` for an
    /// administrator only; the token ends after 1 to 365 days.
    ///
    /// # Errors
    /// All faults at once; their fields are called as the parameters.
    pub fn check(name: &str, scopes: &[&str], expires_in_days: i64, is_admin: bool) -> Result<Self, Vec<Fault>> {
        let mut faults = Faults::default();
        let name = faults.name(name, "Enter a name that tells you later what the token is for.");
        let scopes = faults.note(known_scopes(scopes, is_admin));
        if !(1..=DAYS_MAX).contains(&expires_in_days) {
            let message = format!("Choose an end between 1 and {DAYS_MAX} days from now.");
            faults.add(Fault::new("expires_in_days", "out_of_range", message));
        }
        match (name, scopes) {
            (Some(name), Some(scopes)) if faults.is_empty() => Ok(Self { name, scopes, expires_in_days }),
            _ => Err(faults.list()),
        }
    }
}

fn known_scopes(given: &[&str], is_admin: bool) -> Result<Scopes, Fault> {
    let fault = |code, message: &str| Fault::new("scopes", code, message);
    let known: Result<Vec<Scope>, ()> = given.iter().map(|name| name.parse()).collect();
    let known = known.map_err(|()| fault("not_allowed", &format!("Choose from {}.", Scope::NAMES.join(", "))))?;
    let scopes = Scopes::of(&known).ok_or_else(|| fault("required", "Choose what the token may be used for."))?;
    if scopes.contains(Scope::Admin) && !is_admin {
        return Err(fault("not_allowed", "Leave out the scope admin: only administrators can give it."));
    }
    Ok(scopes)
}
