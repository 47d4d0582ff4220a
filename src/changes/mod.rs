//! What has changed in sessions and accounts: whoever remembers something of them learns here that it may not be true
//! any more. At once in the process that made the change, within a second in every other.
//!
//! Nothing is remembered here but numbers: a change raises the number of its subject. Who reads a row notes the number
//! first, and trusts what was read for as long as the number stays. Subjects share numbers, which costs a reading too
//! many now and then, and nothing else.

mod store;

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::clock::{Clock, MINUTE, Seconds};
use crate::db::{Db, DbError, Transaction};
use crate::id::{SessionId, UserId};

/// Numbers that subjects share: two of a million subjects seldom change within the same minutes.
const NUMBERS: usize = 1 << 14;

/// How far back each reading looks. A change is stamped before its transaction commits, perhaps by a node whose clock
/// is behind, and transactions commit out of order: "everything after the last one seen" would lose some.
const LOOK_BACK: Seconds = 30;

/// Nothing is trusted that was read longer ago than this without having heard of changes since.
const TRUSTED_FOR: Duration = Duration::from_secs(5);

const KEPT: Seconds = 10 * MINUTE;

const SESSION: u8 = 0;
const USER: u8 = 1;

/// What a change is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A session.
    Session(SessionId),
    /// An account, and all of its sessions.
    User(UserId),
}

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

/// What the numbers of a session and its owner were when a row was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version(u64, u64);

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
    pub async fn announce(&self, transaction: &mut Transaction, subject: Subject) -> Result<(), DbError> {
        store::insert(transaction, self.0.clock.now(), &subject).await?;
        let changes = self.clone();
        transaction.after_commit(move || changes.apply(&subject));
        Ok(())
    }

    /// To be noted before the rows are read.
    pub fn version(&self, session: &SessionId, user: &UserId) -> Version {
        let number = |place: usize| self.0.numbers[place].load(Ordering::Acquire);
        Version(number(self.place(SESSION, session.as_str())), number(self.place(USER, user.as_str())))
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
        for (id, at, subject) in changes {
            if heard.insert(id, at).is_none() {
                self.apply(&subject);
            }
        }
        self.0.heard_at.store(began.as_millis() as u64 + 1, Ordering::Release);
        Ok(())
    }

    /// Whether what was read is to be trusted as long as its numbers stay: not if changes of others may have been
    /// missed.
    pub fn are_heard(&self) -> bool {
        let heard_at = self.0.heard_at.load(Ordering::Acquire);
        let now = self.0.began.elapsed().as_millis() as u64 + 1;
        heard_at > 0 && now - heard_at.min(now) < TRUSTED_FOR.as_millis() as u64
    }

    /// Deletes at most `most` changes that everybody has heard of; returns how many.
    pub async fn prune(&self, most: i64) -> Result<u64, DbError> {
        store::prune(&self.0.db, self.0.clock.now() - KEPT, most).await
    }

    fn apply(&self, subject: &Subject) {
        let place = match subject {
            Subject::Session(id) => self.place(SESSION, id.as_str()),
            Subject::User(id) => self.place(USER, id.as_str()),
        };
        self.0.numbers[place].fetch_add(1, Ordering::AcqRel);
    }

    fn place(&self, kind: u8, id: &str) -> usize {
        self.0.hasher.hash_one((kind, id)) as usize % NUMBERS
    }
}
