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
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::clock::{Clock, MINUTE, Seconds};
use crate::db::{Db, DbError, SEEN_WITHIN, Transaction};
use crate::id::UserId;

/// Numbers that accounts share: two of a million seldom change within the same minutes.
const NUMBERS: usize = 1 << 14;

/// How far back each reading looks on SQLite. A change is stamped before its transaction commits: "everything after the
/// last one seen" would lose some. PostgreSQL tells which transactions had not ended, whatever clocks say.
const LOOK_BACK: Seconds = 30;
/// The rest is for clocks that differ.
const _: () = assert!(LOOK_BACK as u64 >= SEEN_WITHIN.as_secs() + PAUSE_MAX.as_secs());

/// What is remembered is true for as long after a reading of the changes began: nothing that has ended elsewhere is
/// accepted any later, whatever keeps this process from reading.
const TRUSTED_FOR: Duration = Duration::from_secs(1);

/// After a longer pause between readings, of this process or of the database, looking back may not reach far enough.
const PAUSE_MAX: Duration = Duration::from_secs(5);

const KEPT: Seconds = 10 * MINUTE;

/// Stands for all accounts: nobody has that identifier.
const EVERYONE: &str = "";

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
    /// The changes that have been heard of, with their times.
    heard: Mutex<HashMap<String, Seconds>>,
    /// What the last reading reached, in the order of PostgreSQL's transactions.
    reached: AtomicI64,
    /// How many connections there had been by then.
    connections: AtomicU64,
    began: Instant,
    /// In milliseconds since `began`, and one more: when changes were last heard of; 0 for never.
    heard_at: AtomicU64,
    /// Likewise, by the clock: it goes on while a whole machine stands still.
    heard_at_time: AtomicI64,
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
            reached: AtomicI64::new(0),
            connections: AtomicU64::new(0),
            began: Instant::now(),
            heard_at: AtomicU64::new(0),
            heard_at_time: AtomicI64::new(0),
        }))
    }

    /// Tells of a change with the transaction that makes it: here when it has committed, before anybody is answered.
    pub async fn announce(&self, transaction: &mut Transaction, user: &UserId) -> Result<(), DbError> {
        let now = self.0.clock.now();
        let id = store::insert(&self.0.db, transaction, now, user).await?;
        self.0.db.notify(transaction).await?;
        let (changes, user) = (self.clone(), user.clone());
        transaction.after_commit(move || {
            // What it reads of itself later is nothing new.
            if changes.heard().insert(id, now).is_none() {
                changes.apply(&user);
            }
        });
        Ok(())
    }

    /// The same for all accounts.
    pub async fn announce_everyones(&self, transaction: &mut Transaction) -> Result<(), DbError> {
        self.announce(transaction, &UserId::from_text(EVERYONE)).await
    }

    /// To be noted before the rows are read.
    pub fn version(&self, user: &UserId) -> Version {
        Version(self.number(user).load(Ordering::Acquire))
    }

    /// Whether what was read is still true: nothing of the account has changed since, and changes would have been
    /// heard of.
    pub fn is_current(&self, user: &UserId, version: Version) -> bool {
        self.version(user) == version && self.heard_within(TRUSTED_FOR)
    }

    /// Hears of what other processes have changed.
    ///
    /// # Errors
    /// The database did not answer; soon nothing will be trusted.
    pub async fn listen(&self) -> Result<(), DbError> {
        // Before the reading: what is changed while it goes on belongs to the next.
        let (began, now) = (self.0.began.elapsed(), self.0.clock.now());
        let since = now - LOOK_BACK;
        let connections = self.0.db.connections();
        let reading = store::read(&self.0.db, since, self.0.reached.load(Ordering::Acquire)).await?;
        // Behind a new connection may be a replica that took over, or a server that crashed: either may lack the last
        // commits, so that nothing that was read before need be true, and give their numbers to what has changed since.
        // One that was made during the reading counts now, and next time: the reading may not have been by it.
        let is_the_same_server = self.0.connections.swap(connections, Ordering::AcqRel) == self.0.db.connections();
        if !self.heard_within(PAUSE_MAX) || !is_the_same_server {
            self.apply(&UserId::from_text(EVERYONE));
        }
        let mut heard = self.heard();
        heard.retain(|_, at| *at >= now - KEPT);
        for (id, at, user) in reading.changes {
            if heard.insert(id, at).is_none() {
                self.apply(&user);
            }
        }
        self.0.reached.store(reading.reached, Ordering::Release);
        self.0.heard_at_time.store(now, Ordering::Release);
        self.0.heard_at.store(began.as_millis() as u64 + 1, Ordering::Release);
        Ok(())
    }

    fn heard(&self) -> MutexGuard<'_, HashMap<String, Seconds>> {
        self.0.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn heard_within(&self, time: Duration) -> bool {
        let heard_at = self.0.heard_at.load(Ordering::Acquire);
        let now = self.0.began.elapsed().as_millis() as u64 + 1;
        let passed = self.0.clock.now() - self.0.heard_at_time.load(Ordering::Acquire);
        heard_at > 0
            && now - heard_at.min(now) < time.as_millis() as u64
            && (0..=time.as_secs() as Seconds).contains(&passed)
    }

    /// Deletes at most `most` changes that everybody has heard of; returns how many.
    pub async fn prune(&self, most: i64) -> Result<u64, DbError> {
        store::prune(&self.0.db, self.0.clock.now() - KEPT, most).await
    }

    fn apply(&self, user: &UserId) {
        let changed = match user.as_str() {
            EVERYONE => &*self.0.numbers,
            _ => std::slice::from_ref(self.number(user)),
        };
        for number in changed {
            number.fetch_add(1, Ordering::AcqRel);
        }
    }

    fn number(&self, user: &UserId) -> &AtomicU64 {
        &self.0.numbers[self.0.hasher.hash_one(user) as usize % NUMBERS]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As two processes have them.
    async fn both() -> (tempfile::TempDir, Clock, Db, Changes, Changes) {
        let folder = tempfile::tempdir().expect("a folder");
        let url = format!("sqlite:{}", folder.path().join("changes.db").display());
        let figment = crate::config::defaults().merge(("hallpass.database_url", url));
        let db = Db::open(&crate::config::Config::read(&figment).expect("settings")).await.expect("a database");
        db.migrate().await.expect("tables");
        let clock = Clock::manual(1_000_000);
        let (here, there) = (Changes::new(&db, &clock), Changes::new(&db, &clock));
        here.listen().await.expect("heard");
        (folder, clock, db, here, there)
    }

    async fn change(db: &Db, there: &Changes, user: &UserId) {
        let mut transaction = db.begin().await.expect("begun");
        there.announce(&mut transaction, user).await.expect("announced");
        transaction.commit().await.expect("committed");
    }

    #[tokio::test]
    async fn a_change_is_heard_once_and_costs_one_reading() {
        let (_folder, _, db, here, there) = both().await;
        let user = UserId::random();
        let before = here.version(&user);
        change(&db, &there, &user).await;
        assert!(here.is_current(&user, before), "not heard of yet");
        here.listen().await.expect("heard");
        assert!(!here.is_current(&user, before));
        let after = here.version(&user);
        here.listen().await.expect("heard");
        assert!(here.is_current(&user, after), "the same change does not count twice");
    }

    #[tokio::test]
    async fn a_change_of_ones_own_counts_at_once_and_not_again_when_it_is_read() {
        let (_folder, _, db, here, _) = both().await;
        let user = UserId::random();
        let before = here.version(&user);
        change(&db, &here, &user).await;
        assert!(!here.is_current(&user, before));
        let after = here.version(&user);
        here.listen().await.expect("heard");
        assert!(here.is_current(&user, after));
    }

    #[tokio::test]
    async fn a_change_of_everyones_accounts_is_one_change() {
        let (_folder, _, db, here, there) = both().await;
        let users: Vec<_> = (0..10).map(|_| UserId::random()).collect();
        let before: Vec<_> = users.iter().map(|user| (here.version(user), there.version(user))).collect();
        there.listen().await.expect("heard");
        let mut transaction = db.begin().await.expect("begun");
        there.announce_everyones(&mut transaction).await.expect("announced");
        transaction.commit().await.expect("committed");
        here.listen().await.expect("heard");
        for (user, (here_before, there_before)) in users.iter().zip(before) {
            assert!(!here.is_current(user, here_before) && !there.is_current(user, there_before));
        }
        assert_eq!(store::read(&db, 0, 0).await.expect("changes").changes.len(), 1);
    }

    #[tokio::test]
    async fn after_a_pause_nothing_that_was_read_before_it_is_trusted() {
        let (_folder, clock, db, here, there) = both().await;
        let user = UserId::random();
        let before = here.version(&user);
        change(&db, &there, &user).await;
        // As if the machine had stood still for longer than a reading looks back.
        clock.advance(LOOK_BACK + 30);
        assert!(!here.is_current(&user, before));
        here.listen().await.expect("heard");
        assert!(!here.is_current(&user, before), "a change that lies further back than the reading looks");
    }
}
