//! What every response has in common, whoever asks: request ids and the log, security headers, client addresses.

pub mod address;
pub mod headers;
pub mod in_flight;
pub mod log;

use rocket::fairing::AdHoc;
use rocket::shield::Shield;

/// Attaches the fairings of this module.
pub fn stage() -> AdHoc {
    AdHoc::on_ignite("hallpass: HTTP", |rocket| async {
        // Rocket's own shield would set weaker values first.
        rocket
            .attach(Shield::new())
            .attach(in_flight::InFlight::default())
            .attach(log::RequestLog)
            .attach(headers::SecurityHeaders)
    })
}
