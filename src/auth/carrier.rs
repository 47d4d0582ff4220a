//! What kind of request carries the cookies: tokens are rotated only where a browser will keep the answer.

use rocket::Request;
use rocket::http::Method;

/// Paths whose answers are the same for everybody.
const NOBODYS: [&str; 4] = ["/static/", "/.well-known/", "/healthz", "/readyz"];

/// Paths whose answers are not pages.
const DEAF: [&str; 2] = ["/logout", super::ACK];

/// Sub-resources: their responses may be cut off or come from a cache.
const DEAF_DESTINATIONS: [&str; 4] = ["image", "style", "script", "font"];

/// Whether nobody needs to be known for this request.
pub fn is_nobodys(request: &Request<'_>) -> bool {
    let path = request.uri().path();
    NOBODYS.iter().any(|prefix| path.starts_with(prefix))
}

/// Whether the response's cookies will be kept, and a redirect followed.
pub fn keeps_cookies(request: &Request<'_>) -> bool {
    let headers = request.headers();
    let says = |name: &str, value: &str| headers.get_one(name).is_some_and(|given| given.contains(value));
    let path = request.uri().path();
    let prefetch = says("Sec-Purpose", "prefetch") || says("Purpose", "prefetch");
    let sub_resource = headers.get_one("Sec-Fetch-Dest").is_some_and(|dest| DEAF_DESTINATIONS.contains(&dest));
    request.method() != Method::Head
        && !is_nobodys(request)
        && !DEAF.iter().any(|deaf| path == *deaf)
        && !prefetch
        && !sub_resource
        && !headers.contains("Authorization")
}
