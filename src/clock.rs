//! The one source of the current time.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// Seconds since 1970-01-01T00:00:00Z, leap seconds ignored (NumericDate, RFC 7519 section 2).
pub type Seconds = i64;

/// In seconds.
pub const MINUTE: Seconds = 60;
/// In seconds.
pub const HOUR: Seconds = 60 * MINUTE;
/// In seconds.
pub const DAY: Seconds = 24 * HOUR;

/// The system's clock, or one that stands still until a test advances it.
#[derive(Clone, Debug, Default)]
pub struct Clock(Option<Arc<AtomicI64>>);

impl Clock {
    /// The clock of the machine.
    pub fn system() -> Self {
        Self(None)
    }

    /// A clock that shows `start` and moves only by [`Clock::advance`]; clones share it.
    pub fn manual(start: Seconds) -> Self {
        Self(Some(Arc::new(AtomicI64::new(start))))
    }

    /// The current time.
    pub fn now(&self) -> Seconds {
        match &self.0 {
            Some(shown) => shown.load(Ordering::SeqCst),
            None => match SystemTime::now().duration_since(UNIX_EPOCH) {
                Ok(since) => since.as_secs() as Seconds,
                Err(before) => -(before.duration().as_secs() as Seconds),
            },
        }
    }

    /// Moves a manual clock forward; has no effect on the system's.
    pub fn advance(&self, seconds: Seconds) {
        if let Some(shown) = &self.0 {
            shown.fetch_add(seconds, Ordering::SeqCst);
        }
    }
}
