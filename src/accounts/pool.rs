//! Where password hashing runs: on few threads, so that pages stay fast while log-ins are attacked.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::Builder;
use std::time::Duration;

use tokio::sync::oneshot;

use super::hasher::PasswordError;
use super::line::{Asker, Line};
use super::memory::Memory;

/// How long a thread keeps its memory when there is nothing to do.
const KEPT: Duration = Duration::from_secs(1);

/// Runs work that takes a processor for long: some at once, some in line, the rest is turned away.
///
/// The threads are its own, not those that the runtime lends: each has the next piece of work the moment it has done
/// one, and memory that stays its own meanwhile. They end with the last clone.
#[derive(Clone)]
pub(super) struct Pool(Arc<Owner>);

struct Owner(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    line: Line<Box<dyn Job>>,
    closed: bool,
}

/// Dropped instead of run, it was turned away.
trait Job: Send {
    fn is_abandoned(&self) -> bool;
    fn run(self: Box<Self>, memory: &mut Memory);
}

struct Errand<W, T> {
    work: W,
    outcome: oneshot::Sender<Result<T, PasswordError>>,
}

impl<W: FnOnce(&mut Memory) -> T + Send, T: Send> Job for Errand<W, T> {
    fn is_abandoned(&self) -> bool {
        self.outcome.is_closed()
    }

    fn run(self: Box<Self>, memory: &mut Memory) {
        let Self { work, outcome } = *self;
        // A panic leaves nothing half-done behind: the next work expects anything in the memory.
        let done = catch_unwind(AssertUnwindSafe(|| work(memory))).map_err(|_| {
            tracing::error!("password hashing ended without an outcome");
            PasswordError::Failed
        });
        // Nobody waits any more if the request was abandoned meanwhile.
        outcome.send(done).ok();
    }
}

impl Pool {
    /// # Errors
    /// The system gives no threads.
    pub fn new(at_once: usize, in_line: usize) -> std::io::Result<Self> {
        let shared =
            Shared { state: Mutex::new(State { line: Line::new(in_line), closed: false }), changed: Condvar::new() };
        let pool = Self(Arc::new(Owner(Arc::new(shared))));
        for _ in 0..at_once {
            let shared = Arc::clone(&pool.0.0);
            Builder::new().name("passwords".to_owned()).spawn(move || shared.serve())?;
        }
        Ok(pool)
    }

    /// Whether [`Pool::run`] would let this one wait. It may be otherwise a moment later.
    pub fn has_place(&self, asker: &Asker) -> bool {
        let mut state = self.0.0.lock();
        state.line.retain(|job| !job.is_abandoned());
        !state.closed && state.line.has_place(asker)
    }

    /// Waits for a turn, then for the outcome.
    ///
    /// A caller that gives up while in line frees its place; one that gives up later doesn't stop the work, and its
    /// thread takes no other before it has ended: abandoned requests can't pile it up.
    pub async fn run<T: Send + 'static>(
        &self,
        asker: &Asker,
        work: impl FnOnce(&mut Memory) -> T + Send + 'static,
    ) -> Result<T, PasswordError> {
        let (outcome, done) = oneshot::channel();
        self.0.0.join(asker, Box::new(Errand { work, outcome }));
        done.await.unwrap_or(Err(PasswordError::Busy))
    }

    #[cfg(test)]
    pub fn close(&self) {
        self.0.0.close();
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Pool")
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn join(&self, asker: &Asker, job: Box<dyn Job>) {
        let mut state = self.lock();
        state.line.retain(|job| !job.is_abandoned());
        let turned_away = if state.closed { Some(job) } else { state.line.join(asker, job) };
        drop(state);
        drop(turned_away);
        self.changed.notify_one();
    }

    fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    /// The life of a thread.
    fn serve(&self) {
        let mut memory = Memory::default();
        while let Some(job) = self.next(&mut memory) {
            job.run(&mut memory);
        }
    }

    /// Waits for the next job; none when the pool is closed.
    fn next(&self, memory: &mut Memory) -> Option<Box<dyn Job>> {
        let mut state = self.lock();
        loop {
            match state.line.next() {
                Some(job) if job.is_abandoned() => continue,
                Some(job) => return Some(job),
                None if state.closed => return None,
                None => {}
            }
            if memory.is_empty() {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            let (again, waited) = self.changed.wait_timeout(state, KEPT).unwrap_or_else(PoisonError::into_inner);
            state = again;
            if waited.timed_out() {
                memory.give_back();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;
    use std::sync::mpsc;
    use std::time::Instant;

    use tokio::task::JoinHandle;

    use super::*;

    fn stranger(number: u8) -> Asker {
        Asker::stranger(IpAddr::from([198, 51, 100, number]))
    }

    fn pool(at_once: usize, in_line: usize) -> Pool {
        Pool::new(at_once, in_line).expect("threads")
    }

    /// Work that has begun, and ends when the sender is used or dropped.
    async fn occupied(pool: &Pool) -> (mpsc::Sender<()>, JoinHandle<Result<(), PasswordError>>) {
        let (release, held) = mpsc::channel::<()>();
        let (started, starts) = oneshot::channel();
        let task = tokio::spawn({
            let pool = pool.clone();
            let work = move |_: &mut Memory| {
                started.send(()).expect("somebody waits");
                held.recv().ok();
            };
            async move { pool.run(&stranger(0), work).await }
        });
        starts.await.expect("the work began");
        (release, task)
    }

    /// In line when it returns.
    async fn waiting<T: Send + 'static>(
        pool: &Pool,
        asker: Asker,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> JoinHandle<Result<T, PasswordError>> {
        let pool = pool.clone();
        let task = tokio::spawn(async move { pool.run(&asker, |_| work()).await });
        // On a runtime of one thread it has run until it waits.
        tokio::task::yield_now().await;
        task
    }

    #[tokio::test]
    async fn beyond_the_line_work_is_turned_away() {
        let pool = pool(1, 2);
        let (release, first) = occupied(&pool).await;
        let one = waiting(&pool, stranger(1), || 1).await;
        assert!(pool.has_place(&stranger(1)));
        let two = waiting(&pool, stranger(1), || 2).await;
        assert!(!pool.has_place(&stranger(1)));
        assert_eq!(pool.run(&stranger(1), |_| ()).await, Err(PasswordError::Busy));
        drop(release);
        assert_eq!(first.await.expect("joined"), Ok(()));
        assert_eq!((one.await.expect("joined"), two.await.expect("joined")), (Ok(1), Ok(2)));
        assert_eq!(pool.run(&stranger(1), |_| 7).await, Ok(7));
    }

    #[tokio::test]
    async fn whoever_is_displaced_is_told_that_it_is_busy_and_the_newcomer_is_next_but_one() {
        let pool = pool(1, 64);
        let (release, _first) = occupied(&pool).await;
        let (done, order) = mpsc::channel();
        let mut flood = Vec::new();
        for _ in 0..1000 {
            let done = done.clone();
            flood.push(waiting(&pool, stranger(1), move || done.send("flood")).await);
        }
        let other = waiting(&pool, stranger(2), move || done.send("other")).await;
        drop(release);
        assert_eq!(other.await.expect("joined"), Ok(Ok(())));
        let mut busy = 0;
        for task in flood {
            busy += usize::from(task.await.expect("joined") == Err(PasswordError::Busy));
        }
        assert_eq!(busy, 1000 - 64 + 1);
        assert_eq!(order.iter().position(|who| who == "other"), Some(1));
    }

    #[tokio::test]
    async fn an_abandoned_request_keeps_its_thread_until_its_work_ends() {
        let pool = pool(1, 2);
        let (release, task) = occupied(&pool).await;
        abandoned(task).await;
        let next = waiting(&pool, stranger(1), || 7).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert!(!next.is_finished());
        drop(release);
        assert_eq!(next.await.expect("joined"), Ok(7));
    }

    async fn abandoned<T: Send + 'static>(task: JoinHandle<T>) {
        task.abort();
        assert!(task.await.is_err_and(|error| error.is_cancelled()));
    }

    #[tokio::test]
    async fn a_request_abandoned_in_line_frees_its_place() {
        let pool = pool(1, 1);
        let (release, _first) = occupied(&pool).await;
        abandoned(waiting(&pool, stranger(1), || 6).await).await;
        let next = waiting(&pool, stranger(1), || 7).await;
        drop(release);
        assert_eq!(next.await.expect("joined"), Ok(7));
    }

    #[tokio::test]
    async fn a_place_is_seen_to_be_free_once_it_was_abandoned() {
        let pool = pool(1, 1);
        let (_release, _first) = occupied(&pool).await;
        let task = waiting(&pool, stranger(1), || ()).await;
        assert!(!pool.has_place(&stranger(1)));
        abandoned(task).await;
        assert!(pool.has_place(&stranger(1)));
    }

    #[tokio::test]
    async fn what_was_abandoned_in_line_is_never_run() {
        let pool = pool(1, 2);
        let (release, first) = occupied(&pool).await;
        let (ran, runs) = mpsc::channel();
        abandoned(waiting(&pool, stranger(1), move || ran.send(())).await).await;
        drop(release);
        first.await.expect("joined").expect("done");
        assert!(runs.recv().is_err(), "it was dropped");
    }

    #[tokio::test]
    async fn a_panic_is_an_error_and_its_thread_goes_on() {
        let pool = pool(1, 1);
        let panics = |_: &mut Memory| -> () { std::panic::resume_unwind(Box::new("as if the work panicked")) };
        assert_eq!(pool.run(&stranger(1), panics).await, Err(PasswordError::Failed));
        assert_eq!(pool.run(&stranger(1), |_| 7).await, Ok(7));
    }

    #[tokio::test]
    async fn so_many_run_at_once_and_no_more() {
        let pool = pool(2, 8);
        let (_one, _) = occupied(&pool).await;
        let (two, _) = occupied(&pool).await;
        let third = waiting(&pool, stranger(1), || ()).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert!(!third.is_finished());
        drop(two);
        assert_eq!(third.await.expect("joined"), Ok(()));
    }

    #[tokio::test]
    async fn memory_is_kept_while_there_is_work_and_given_back_soon_after() {
        let pool = pool(1, 1);
        let mark = |memory: &mut Memory| memory.blocks(8).expect("memory")[0].as_mut()[0] = 7;
        let marked = |memory: &mut Memory| memory.blocks(8).expect("memory")[0].as_ref()[0] == 7;
        pool.run(&stranger(1), mark).await.expect("done");
        assert_eq!(pool.run(&stranger(1), marked).await, Ok(true));
        tokio::time::sleep(KEPT + Duration::from_millis(500)).await;
        assert_eq!(pool.run(&stranger(1), |memory| memory.is_empty()).await, Ok(true));
    }

    #[tokio::test]
    async fn threads_end_with_the_last_clone() {
        let pool = pool(2, 1);
        let shared = Arc::clone(&pool.0.0);
        drop(pool.clone());
        assert_eq!(pool.run(&stranger(1), |_| 7).await, Ok(7));
        drop(pool);
        let began = Instant::now();
        while Arc::strong_count(&shared) > 1 {
            assert!(began.elapsed() < Duration::from_secs(10), "a thread goes on");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}
