//! SIGTERM: load balancers are to notice before connections are refused.

use std::time::Duration;

use figment::Figment;
use rocket::Shutdown;
#[cfg(unix)]
use rocket::tokio::{
    self,
    signal::unix::{SignalKind, signal},
    time::timeout,
};

#[cfg(unix)]
use super::manager;
use crate::http::in_flight::InFlight;

/// Where there is the signal, Rocket leaves it to [`on_sigterm`].
pub fn without_sigterm(figment: Figment) -> Figment {
    match cfg!(unix) {
        true => figment.merge(("shutdown.signals", Vec::<String>::new())),
        false => figment,
    }
}

/// Goes on for a while after the signal, no longer ready; a second one cuts that short.
#[cfg(unix)]
pub fn on_sigterm(shutdown: Shutdown, in_flight: InFlight, delay: Duration) {
    tokio::spawn(async move {
        match signal(SignalKind::terminate()) {
            Ok(mut signal) => {
                signal.recv().await;
                in_flight.stop_soon();
                manager::is_stopping();
                let _ = timeout(delay, signal.recv()).await;
                shutdown.notify();
            }
            Err(error) => tracing::warn!(%error, "SIGTERM ends this server without letting requests end"),
        }
    });
}

#[cfg(not(unix))]
pub fn on_sigterm(_: Shutdown, _: InFlight, _: Duration) {}
