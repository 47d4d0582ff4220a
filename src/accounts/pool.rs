//! Where password hashing runs: on few threads, so that pages stay fast while log-ins are attacked.

use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use super::hasher::PasswordError;

/// Runs work that takes a processor for long: some at once, some in line, the rest is turned away.
#[derive(Clone, Debug)]
pub(super) struct Pool {
    /// One permit for each that may run.
    running: Arc<Semaphore>,
    /// One permit for each that may run or stand in line.
    places: Arc<Semaphore>,
}

impl Pool {
    pub fn new(at_once: usize, in_line: usize) -> Self {
        Self { running: Arc::new(Semaphore::new(at_once)), places: Arc::new(Semaphore::new(at_once + in_line)) }
    }

    /// Waits for a turn, then for the outcome.
    ///
    /// A caller that gives up while in line frees its place; one that gives up later doesn't stop the work, so
    /// the permits go with the work and come back only when it has ended: abandoned requests can't pile it up.
    pub async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, PasswordError> {
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| PasswordError::Busy)?;
        let turn = Arc::clone(&self.running).acquire_owned().await.map_err(|_| PasswordError::Failed)?;
        let done = spawn_blocking(move || {
            let _until_the_end = (place, turn);
            work()
        });
        done.await.map_err(|error| {
            tracing::error!(%error, "password hashing ended without an outcome");
            PasswordError::Failed
        })
    }

    #[cfg(test)]
    pub fn close(&self) {
        self.places.close();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn beyond_the_line_work_is_turned_away() {
        let pool = Pool::new(1, 2);
        let (release, held) = mpsc::channel::<()>();
        let first = tokio::spawn({
            let pool = pool.clone();
            async move { pool.run(move || held.recv().is_ok()).await }
        });
        while pool.running.available_permits() == 1 {
            tokio::task::yield_now().await;
        }
        let waiting: Vec<_> = (0..2)
            .map(|n| {
                let pool = pool.clone();
                tokio::spawn(async move { pool.run(move || n).await })
            })
            .collect();
        while pool.places.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(pool.run(|| ()).await, Err(PasswordError::Busy));
        release.send(()).expect("the first still runs");
        assert_eq!(first.await.expect("joined"), Ok(true));
        for (n, task) in waiting.into_iter().enumerate() {
            assert_eq!(task.await.expect("joined"), Ok(n));
        }
        assert_eq!(pool.run(|| 7).await, Ok(7));
    }

    #[tokio::test]
    async fn an_abandoned_request_keeps_its_permit_until_its_work_ends() {
        let pool = Pool::new(1, 1);
        let (release, held) = mpsc::channel::<()>();
        let (started, starts) = mpsc::channel::<()>();
        let work = pool.run(move || {
            started.send(()).ok();
            held.recv().ok();
        });
        let abandoned = tokio::time::timeout(Duration::from_millis(50), work).await;
        assert!(abandoned.is_err());
        starts.recv().expect("the work had begun");
        assert_eq!(pool.running.available_permits(), 0);
        release.send(()).expect("the work still runs");
        assert_eq!(pool.run(|| 7).await, Ok(7));
    }

    #[tokio::test]
    async fn a_request_abandoned_in_line_frees_its_place() {
        let pool = Pool::new(1, 1);
        let turn = Arc::clone(&pool.running).acquire_owned().await.expect("open");
        assert!(tokio::time::timeout(Duration::from_millis(10), pool.run(|| ())).await.is_err());
        drop(turn);
        assert_eq!(pool.places.available_permits(), 2);
    }

    #[tokio::test]
    async fn a_panic_is_an_error_and_frees_the_place() {
        let pool = Pool::new(1, 0);
        assert_eq!(
            pool.run(|| -> () { std::panic::resume_unwind(Box::new("as if the work panicked")) }).await,
            Err(PasswordError::Failed)
        );
        assert_eq!(pool.run(|| 7).await, Ok(7));
    }
}
