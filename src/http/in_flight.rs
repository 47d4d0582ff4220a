//! Requests in flight, so that a shutdown waits for them and for nothing else: Rocket sits out its whole grace
//! period, also for a connection on which nothing happens any more.

use std::time::Duration;

use rocket::fairing::{Fairing, Info, Kind};
use rocket::tokio::sync::watch;
use rocket::tokio::time::sleep;
use rocket::{Build, Data, Request, Rocket};

/// What has been answered still has to leave through the socket.
const ON_ITS_WAY: Duration = Duration::from_millis(200);

/// Counts requests from their arrival until their response has been handed to the connection. Clones share the count.
#[derive(Clone, Debug, Default)]
pub struct InFlight(watch::Sender<usize>);

/// Lives in the request's own state, and so as long as the request.
struct Counted(watch::Sender<usize>);

impl Counted {
    fn new(count: &watch::Sender<usize>) -> Self {
        count.send_modify(|count| *count += 1);
        Self(count.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

impl InFlight {
    /// Until every request has been answered.
    pub async fn all_answered(&self) {
        let mut count = self.0.subscribe();
        loop {
            // An error would mean that nobody counts any more; but we hold the sender.
            let _ = count.wait_for(|count| *count == 0).await;
            sleep(ON_ITS_WAY).await;
            if *count.borrow_and_update() == 0 {
                return;
            }
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
        request.local_cache(|| Counted::new(&self.0));
    }
}
