//! Response headers that keep browsers from doing harm (ASVS 3.4).

use rocket::fairing::{Fairing, Info, Kind};
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

const NOT_STORED: &str = "no-store";

const DEFAULTS: [(&str, &str); 8] = [
    ("Content-Security-Policy", CONTENT_SECURITY_POLICY),
    ("Referrer-Policy", REFERRER_POLICY),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Permissions-Policy", PERMISSIONS_POLICY),
    ("Cache-Control", NOT_STORED),
];

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
    // One walk over the few that are there: Rocket hashes a name letter by letter each time that it is asked for one.
    let mut is_there = [false; DEFAULTS.len()];
    let (mut is_kept, mut has_transport) = (false, false);
    for header in response.headers().iter() {
        let is = |name: &str| header.name().as_str().eq_ignore_ascii_case(name);
        if let Some(place) = DEFAULTS.iter().position(|(name, _)| is(name)) {
            is_there[place] = true;
        }
        is_kept |= is("Cache-Control") && header.value() != NOT_STORED;
        has_transport |= is("Strict-Transport-Security");
    }
    for ((name, value), _) in DEFAULTS.iter().zip(is_there).filter(|(_, is_there)| !is_there) {
        response.adjoin_raw_header(*name, *value);
    }
    if !has_transport && request.rocket().state::<Config>().is_some_and(|config| config.public_url.is_https()) {
        response.adjoin_raw_header("Strict-Transport-Security", STRICT_TRANSPORT_SECURITY);
    }
    // Lynx knows nothing of no-store, and would show pages that it has, after log-out too.
    if !is_kept {
        response.set_raw_header("Pragma", "no-cache");
    }
}
