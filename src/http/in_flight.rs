//! Requests in flight, so that a shutdown waits for them and for nothing else: Rocket sits out its whole grace
//! period, also for a connection on which nothing happens any more.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use rocket::fairing::{Fairing, Info, Kind};
use rocket::tokio::time::sleep;
use rocket::{Build, Data, Request, Rocket};

/// What has been answered still has to leave through the socket. Also how often the count is looked at: to be told of
/// each request would cost each of them.
const ON_ITS_WAY: Duration = Duration::from_millis(200);

/// Counts requests from their arrival until their response has been handed to the connection. Clones share the count.
#[derive(Clone, Debug, Default)]
pub struct InFlight {
    count: Arc<AtomicUsize>,
    stopping: Arc<AtomicBool>,
}

/// Lives in the request's own state, and so as long as the request.
struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::AcqRel);
        Self(Arc::clone(count))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl InFlight {
    /// From now on, whoever asks whether this server is ready is told that it is not.
    pub fn stop_soon(&self) {
        self.stopping.store(true, Ordering::Release);
    }

    /// Whether load balancers should send nobody here any more.
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    /// Until every request has been answered.
    pub async fn all_answered(&self) {
        // Twice, so long apart.
        let mut was_quiet = false;
        loop {
            let is_quiet = self.count.load(Ordering::Acquire) == 0;
            if is_quiet && was_quiet {
                return;
            }
            was_quiet = is_quiet;
            sleep(ON_ITS_WAY).await;
        }
    }
}

#[rocket::async_trait]
impl Fairing for InFlight {
    fn info(&self) -> Info {
        Info { name: "hallpass: requests in flight", kind: Kind::Ignite | Kind::Request }
    }

    async fn on_ignite(&self, rocket: Rocket<Build>) -> rocket::fairing::Result {
        Ok(rocket.manage(self.clone()))
    }

    async fn on_request(&self, request: &mut Request<'_>, _: &mut Data<'_>) {
        request.local_cache(|| Counted::new(&self.count));
    }
}
