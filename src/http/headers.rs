//! Response headers that keep browsers from doing harm (ASVS 3.4).

use rocket::fairing::{Fairing, Info, Kind};
use rocket::http::Header;
use rocket::{Request, Response};

use crate::config::Config;

/// No script at all; styles, images and form targets of this site only.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; \
                                       base-uri 'none'; frame-ancestors 'none'";

/// With `no-referrer`, browsers would send `Origin: null` with form posts.
const REFERRER_POLICY: &str = "same-origin";

const PERMISSIONS_POLICY: &str =
    "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=(), browsing-topics=()";

/// Two years, as ASVS 3.4.1 asks for at least one.
const STRICT_TRANSPORT_SECURITY: &str = "max-age=63072000; includeSubDomains";

/// Adds each header that the handler has not set itself.
pub struct SecurityHeaders;

#[rocket::async_trait]
impl Fairing for SecurityHeaders {
    fn info(&self) -> Info {
        Info { name: "hallpass: security headers", kind: Kind::Response }
    }

    async fn on_response<'r>(&self, request: &'r Request<'_>, response: &mut Response<'r>) {
        add_missing(request, response);
    }
}

/// Adds each header that the response does not have yet. Rocket answers requests that are not even HTTP without
/// running fairings: there, the catcher calls this.
pub fn add_missing(request: &Request<'_>, response: &mut Response<'_>) {
    let mut default = |name: &'static str, value: &'static str| {
        if !response.headers().contains(name) {
            response.set_header(Header::new(name, value));
        }
    };
    default("Content-Security-Policy", CONTENT_SECURITY_POLICY);
    default("Referrer-Policy", REFERRER_POLICY);
    default("X-Content-Type-Options", "nosniff");
    default("X-Frame-Options", "DENY");
    default("Cross-Origin-Opener-Policy", "same-origin");
    default("Cross-Origin-Resource-Policy", "same-origin");
    default("Permissions-Policy", PERMISSIONS_POLICY);
    default("Cache-Control", "no-store");
    if request.rocket().state::<Config>().is_some_and(|config| config.public_url.is_https()) {
        default("Strict-Transport-Security", STRICT_TRANSPORT_SECURITY);
    }
}
