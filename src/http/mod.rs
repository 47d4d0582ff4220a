//! What all requests and responses have in common, whoever asks: request ids and the log, security headers, client
//! addresses, the limits of bodies.

pub mod address;
pub mod body;
pub mod headers;
pub mod in_flight;
pub mod log;

use rocket::fairing::AdHoc;
use rocket::http::Method;
use rocket::shield::Shield;
use rocket::{Request, Response};

use crate::clock::Seconds;

/// What to try again after, in seconds, when a fault is expected to pass by itself.
pub const RETRY_AFTER_SECONDS: Seconds = 5;

/// Attaches the fairings of this module.
pub fn stage() -> AdHoc {
    AdHoc::on_ignite("hallpass: HTTP", |rocket| async {
        // Rocket's own shield would set weaker values first.
        rocket
            .attach(Shield::new())
            .attach(in_flight::InFlight::default())
            .attach(no_head_by_form())
            .attach(log::RequestLog)
            .attach(headers::SecurityHeaders)
    })
}

/// Rocket lets the first field of a form, `_method`, make a HEAD of a POST. The answer would announce a body to a
/// connection that knows of no HEAD, and break off. OPTIONS is a method with a body that nothing here answers to.
fn no_head_by_form() -> AdHoc {
    AdHoc::on_request("hallpass: no HEAD by form", |request, _| {
        Box::pin(async move {
            if request.method() == Method::Head && request.content_type().is_some_and(|kind| kind.is_form()) {
                request.set_method(Method::Options);
            }
        })
    })
}

/// Does for a response what the fairings do, if they do not run: what Rocket cannot make a request of (an unknown
/// method, an address without a path) is answered by the catcher alone.
pub fn complete(request: &Request<'_>, response: &mut Response<'_>) {
    if !log::has_arrived(request) {
        headers::add_missing(request, response);
        log::finish(request, response);
    }
}
