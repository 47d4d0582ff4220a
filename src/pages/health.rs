//! For load balancers: is the process alive, and can it work?

use rocket::http::Status;
use rocket::{Route, State, get, routes};

use crate::auth::Site;
use crate::auth::guards::Anyone;
use crate::http::in_flight::InFlight;

pub fn routes() -> Vec<Route> {
    routes![alive, ready]
}

#[get("/healthz")]
fn alive(_anyone: Anyone) -> &'static str {
    "alive\n"
}

/// Database and keys can be used, and the server is not about to stop.
#[get("/readyz")]
async fn ready(_anyone: Anyone, site: &State<Site>, in_flight: &State<InFlight>) -> (Status, &'static str) {
    if in_flight.is_stopping() {
        return (Status::ServiceUnavailable, "stopping\n");
    }
    let signs = site.keyring.keys().current(site.clock.now()).is_some();
    match site.db.health().await {
        Ok(()) if signs => (Status::Ok, "ready\n"),
        Ok(()) => (Status::ServiceUnavailable, "no signing key\n"),
        Err(error) => {
            tracing::warn!(%error, "not ready");
            (Status::ServiceUnavailable, "the database does not answer\n")
        }
    }
}
