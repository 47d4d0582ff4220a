//! Of which accounts something has changed, their sessions and tokens included: whoever remembers something of them
//! learns here that it may not be true any more. At once in the process that made the change, within a second in every
//! other.
//!
//! Nothing is remembered here but numbers: a change raises the number of its account. Who reads a row notes the number
//! first, and trusts what was read for as long as the number stays. Accounts share numbers, which costs a reading too
//! many now and then, and nothing else.

mod store;

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::clock::{Clock, MINUTE, Seconds};
use crate::db::{Db, DbError, Transaction};
use crate::id::UserId;

/// Numbers that accounts share: two of a million seldom change within the same minutes.
const NUMBERS: usize = 1 << 14;

/// How far back each reading looks. A change is stamped before its transaction commits, perhaps by a node whose clock
/// is behind, and transactions commit out of order: "everything after the last one seen" would lose some.
const LOOK_BACK: Seconds = 30;

/// Nothing is trusted that was read longer ago than this without having heard of changes since.
const TRUSTED_FOR: Duration = Duration::from_secs(5);

const KEPT: Seconds = 10 * MINUTE;

/// The changes of a site. Clones share everything.
#[derive(Clone)]
pub struct Changes(Arc<Inner>);

impl std::fmt::Debug for Changes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Changes(…)")
    }
}

struct Inner {
    db: Db,
    clock: Clock,
    numbers: Box<[AtomicU64]>,
    hasher: RandomState,
    /// The changes of the last [`LOOK_BACK`] that have been heard of, with their times.
    heard: Mutex<HashMap<String, Seconds>>,
    began: Instant,
    /// In milliseconds since `began`, and one more: when changes were last heard of; 0 for never.
    heard_at: AtomicU64,
}

/// What the number of an account was when its rows were read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version(u64);

impl Changes {
    /// Nothing has been heard yet: until [`Changes::listen`] has been called, nothing is trusted.
    pub fn new(db: &Db, clock: &Clock) -> Self {
        Self(Arc::new(Inner {
            db: db.clone(),
            clock: clock.clone(),
            numbers: (0..NUMBERS).map(|_| AtomicU64::new(0)).collect(),
            hasher: RandomState::new(),
            heard: Mutex::default(),
            began: Instant::now(),
            heard_at: AtomicU64::new(0),
        }))
    }

    /// Tells of a change with the transaction that makes it: here when it has committed, before anybody is answered.
    pub async fn announce(&self, transaction: &mut Transaction, user: &UserId) -> Result<(), DbError> {
        store::insert(transaction, self.0.clock.now(), user).await?;
        let (changes, user) = (self.clone(), user.clone());
        transaction.after_commit(move || changes.apply(&user));
        Ok(())
    }

    /// To be noted before the rows are read.
    pub fn version(&self, user: &UserId) -> Version {
        Version(self.number(user).load(Ordering::Acquire))
    }

    /// Whether what was read is still true: nothing of the account has changed since, and changes would have been
    /// heard of.
    pub fn is_current(&self, user: &UserId, version: Version) -> bool {
        self.version(user) == version && self.are_heard()
    }

    /// Hears of what other processes have changed.
    ///
    /// # Errors
    /// The database did not answer; soon nothing will be trusted.
    pub async fn listen(&self) -> Result<(), DbError> {
        // Before the reading: what is changed while it goes on belongs to the next.
        let began = self.0.began.elapsed();
        let since = self.0.clock.now() - LOOK_BACK;
        let changes = store::since(&self.0.db, since).await?;
        let mut heard = self.0.heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard.retain(|_, at| *at >= since);
        for (id, at, user) in changes {
            if heard.insert(id, at).is_none() {
                self.apply(&user);
            }
        }
        self.0.heard_at.store(began.as_millis() as u64 + 1, Ordering::Release);
        Ok(())
    }

    fn are_heard(&self) -> bool {
        let heard_at = self.0.heard_at.load(Ordering::Acquire);
        let now = self.0.began.elapsed().as_millis() as u64 + 1;
        heard_at > 0 && now - heard_at.min(now) < TRUSTED_FOR.as_millis() as u64
    }

    /// Deletes at most `most` changes that everybody has heard of; returns how many.
    pub async fn prune(&self, most: i64) -> Result<u64, DbError> {
        store::prune(&self.0.db, self.0.clock.now() - KEPT, most).await
    }

    fn apply(&self, user: &UserId) {
        self.number(user).fetch_add(1, Ordering::AcqRel);
    }

    fn number(&self, user: &UserId) -> &AtomicU64 {
        &self.0.numbers[self.0.hasher.hash_one(user) as usize % NUMBERS]
    }
}
