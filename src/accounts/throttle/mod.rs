//! How often a password may be tried, and an account made.
//!
//! Counted before the work, not after: requests that are sent together cannot all slip through. The counters
//! are in the database, so they outlive a restart and all nodes share them. A stranger can slow strangers, never
//! lock out the owner: a browser that has logged in to an account before has an allowance that nobody else can
//! use up, and isn't counted by address.

mod store;
#[cfg(test)]
mod tests;

use std::net::IpAddr;

use crate::clock::{HOUR, MINUTE, Seconds};
use crate::db::{Db, DbError};
use crate::id::{BrowserId, SessionId, hashed};

/// So many in each window; a window begins with the first.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limit {
    pub most: i64,
    pub window_seconds: Seconds,
}

const QUARTER_OF_AN_HOUR: Seconds = 15 * MINUTE;

/// All strangers together on one account: 80 guesses an hour get nowhere with a password that isn't on the list of
/// common ones (NIST SP 800-63B-4 section 3.2.2 allows 100 in all). Counted while they are being checked, too: an
/// owner whose devices all log in at once must get by.
pub(super) const STRANGERS_PER_ACCOUNT: Limit = Limit { most: 20, window_seconds: QUARTER_OF_AN_HOUR };
/// A browser of the owner's own on that account; success starts it anew.
const KNOWN_BROWSER: Limit = Limit { most: 10, window_seconds: QUARTER_OF_AN_HOUR };
/// All accounts together from one address: an office behind one address gets by, a list of stolen passwords not.
pub(super) const STRANGERS_PER_ADDRESS: Limit = Limit { most: 50, window_seconds: QUARTER_OF_AN_HOUR };
/// Tries at the current password from within a session. Whoever stole the session cannot make themselves another.
const SESSION: Limit = Limit { most: 10, window_seconds: QUARTER_OF_AN_HOUR };
/// Accounts made, or nearly, from one address: a school registers together.
const REGISTRATIONS_PER_ADDRESS: Limit = Limit { most: 300, window_seconds: HOUR };
/// Answers "this address is taken" to one address: enough for mistakes, too few to go through a list.
const TAKEN_PER_ADDRESS: Limit = Limit { most: 10, window_seconds: HOUR };

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OnSuccess {
    Keep,
    /// Only the one that was reserved: otherwise who has an account could log in to it to wipe out their guesses.
    GiveBack,
    Reset,
}

/// One thing that is counted.
#[derive(Clone, Debug)]
pub(super) struct Counter {
    pub key: String,
    pub limit: Limit,
    on_success: OnSuccess,
}

impl Counter {
    fn new(key: String, limit: Limit, on_success: OnSuccess) -> Self {
        Self { key, limit, on_success }
    }
}

/// Whether an attempt may be made.
#[derive(Debug)]
pub(super) enum Attempt {
    Allowed(Reservation),
    TooMany { retry_after_seconds: Seconds },
}

/// An attempt that has been counted. Dropped, it stays counted.
#[derive(Debug)]
#[must_use]
pub(super) struct Reservation {
    counters: Vec<Counter>,
    at: Seconds,
}

/// For a try to log in to an account, which need not exist: the unknown are counted like the known.
pub(super) fn login(email_key: &str, address: IpAddr, known: Option<&BrowserId>) -> Vec<Counter> {
    // The table tells nobody which addresses were typed.
    let account = hashed(email_key);
    match known {
        Some(browser) => {
            vec![Counter::new(format!("login/browser/{account}/{browser}"), KNOWN_BROWSER, OnSuccess::Reset)]
        }
        None => vec![
            Counter::new(format!("login/account/{account}"), STRANGERS_PER_ACCOUNT, OnSuccess::GiveBack),
            Counter::new(format!("login/address/{}", network(address)), STRANGERS_PER_ADDRESS, OnSuccess::GiveBack),
        ],
    }
}

/// For a try at the current password by whoever is logged in.
pub(super) fn session(session: &SessionId) -> Vec<Counter> {
    // The identifier may come from outside and be of any length.
    vec![Counter::new(format!("password/session/{}", hashed(session.as_str())), SESSION, OnSuccess::Reset)]
}

/// For making an account.
pub(super) fn registration(address: IpAddr) -> Vec<Counter> {
    let network = network(address);
    vec![
        Counter::new(format!("register/address/{network}"), REGISTRATIONS_PER_ADDRESS, OnSuccess::Keep),
        Counter::new(format!("taken/address/{network}"), TAKEN_PER_ADDRESS, OnSuccess::GiveBack),
    ]
}

/// Counts an attempt in all counters, or, if one of them is used up, in none.
pub(super) async fn attempt(db: &Db, now: Seconds, mut counters: Vec<Counter>) -> Result<Attempt, DbError> {
    // In one order everywhere: two transactions that lock the same rows crosswise would wait for each other.
    counters.sort_by(|a, b| a.key.cmp(&b.key));
    // A look first: a flood of refused requests must not queue for the database's one writer.
    if let Some(retry_after_seconds) = exhausted_for(db, now, &counters).await? {
        return Ok(Attempt::TooMany { retry_after_seconds });
    }
    let mut tx = db.begin().await?;
    for counter in &counters {
        if !store::count(&mut tx, &counter.key, counter.limit, now).await? {
            tx.rollback().await?;
            let retry_after_seconds = exhausted_for(db, now, &counters).await?.unwrap_or(1);
            return Ok(Attempt::TooMany { retry_after_seconds });
        }
    }
    tx.commit().await?;
    Ok(Attempt::Allowed(Reservation { counters, at: now }))
}

/// How long the longest of the used-up counters stays so.
pub(super) async fn exhausted_for(db: &Db, now: Seconds, counters: &[Counter]) -> Result<Option<Seconds>, DbError> {
    let mut longest = None;
    for counter in counters {
        if let Some((count, resets_at)) = store::counter(db, &counter.key).await?
            && count >= counter.limit.most
            && resets_at > now
        {
            longest = longest.max(Some(resets_at - now));
        }
    }
    Ok(longest)
}

impl Reservation {
    /// The attempt was a success: nothing to hold against anybody.
    pub async fn succeeded(self, db: &Db) {
        self.settle(db, |counter| counter.on_success).await;
    }

    /// The attempt was not made after all, for a reason that isn't the visitor's.
    pub async fn cancelled(self, db: &Db) {
        self.settle(db, |_| OnSuccess::GiveBack).await;
    }

    /// Failure has no consequence but a count that is one too high: it must not undo what was decided.
    async fn settle(self, db: &Db, how: impl Fn(&Counter) -> OnSuccess) {
        let settled = async {
            let mut tx = db.begin().await?;
            for counter in &self.counters {
                match how(counter) {
                    OnSuccess::Keep => {}
                    OnSuccess::GiveBack => store::give_back(&mut tx, &counter.key, self.at, counter.limit).await?,
                    OnSuccess::Reset => store::reset(&mut tx, &counter.key).await?,
                }
            }
            tx.commit().await
        };
        if let Err(error) = settled.await {
            tracing::warn!(%error, "an attempt stays counted");
        }
    }
}

/// Deletes at most `most` counters whose window is over; returns how many.
pub async fn prune(db: &Db, now: Seconds, most: i64) -> Result<u64, DbError> {
    store::prune(db, now, most).await
}

/// What one subscriber has: an IPv4 address, or an IPv6 network of 64 bits, in which addresses are free.
fn network(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
    }
}
