//! One refresh at a time for each session within a process: of requests that cross, the first rotates, and the others find
//! what it made, instead of racing it for the row.
//!
//! Nothing depends on it. What other processes do is decided by conditional updates, and so it is here for whoever has
//! waited too long.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, MutexGuard};
use tokio::time::timeout;

use crate::id::SessionId;

/// Turns that sessions share: two that refresh in the same moment seldom have the same.
const TURNS: usize = 1 << 10;

/// The database may be slow: one who waits for several others must not wait for all of their time.
const PATIENCE: Duration = Duration::from_secs(1);

/// Clones share the turns.
#[derive(Clone)]
pub struct Turns(Arc<(Box<[Mutex<()>]>, RandomState)>);

impl Default for Turns {
    fn default() -> Self {
        Self(Arc::new(((0..TURNS).map(|_| Mutex::default()).collect(), RandomState::new())))
    }
}

impl Turns {
    /// This session's turn, until it is dropped; none if it does not come in time.
    pub async fn take(&self, session: &SessionId) -> Option<MutexGuard<'_, ()>> {
        let (turns, hasher) = &*self.0;
        timeout(PATIENCE, turns[hasher.hash_one(session) as usize % TURNS].lock()).await.ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_session_has_one_turn_at_a_time_and_others_have_theirs() {
        let turns = Turns::default();
        let session = SessionId::random();
        let turn = turns.take(&session).await.expect("nobody has it");
        let waiting = tokio::spawn({
            let (turns, session) = (turns.clone(), session.clone());
            async move { turns.take(&session).await.is_some() }
        });
        let mut others = 0;
        for _ in 0..100 {
            others += i32::from(timeout(Duration::ZERO, turns.take(&SessionId::random())).await.is_ok());
        }
        assert!(others > 95, "{others} of 100 other sessions had their turn");
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(turn);
        assert!(waiting.await.expect("joined"));
    }

    #[tokio::test]
    async fn who_has_waited_too_long_goes_on_without() {
        let turns = Turns::default();
        let session = SessionId::random();
        let _turn = turns.take(&session).await.expect("nobody has it");
        assert!(turns.take(&session).await.is_none());
    }
}
