//! What kind of request carries the cookies: tokens are rotated only where a browser will keep the answer.

use rocket::Request;
use rocket::http::Method;

/// Paths whose answers are the same for everybody, also while the database is away, or which find out themselves.
const NOBODYS: [&str; 3] = ["/healthz", "/readyz", super::REFRESH];

/// Paths whose answers are not pages, or end the session anyway.
const DEAF: [&str; 3] = ["/logout", "/api/auth/logout", super::ACK];

/// Folders whose answers may come from a cache.
const DEAF_FOLDERS: [&str; 2] = ["/static", "/.well-known"];

/// Sub-resources: their responses may be cut off or come from a cache.
const DEAF_DESTINATIONS: [&str; 4] = ["image", "style", "script", "font"];

/// Whether nobody needs to be known for this request.
pub fn is_nobodys(request: &Request<'_>) -> bool {
    NOBODYS.iter().any(|path| super::is_for(request, path))
}

/// Whether the response's cookies will be kept, and a redirect followed.
pub fn keeps_cookies(request: &Request<'_>) -> bool {
    let headers = request.headers();
    let is_page = !DEAF.iter().any(|path| super::is_for(request, path))
        && !DEAF_FOLDERS.iter().any(|folder| super::is_below(request, folder));
    is_page
        && request.method() != Method::Head
        && !(request.method() == Method::Get && is_sub_request(request))
        && !headers.contains("Authorization")
}

/// Whether the browser fetches something ahead, or for a page. It does neither by POST: there, the headers that say
/// so are a thief's who does not want to be asked.
fn is_sub_request(request: &Request<'_>) -> bool {
    let headers = request.headers();
    let says = |name: &str, value: &str| headers.get_one(name).is_some_and(|given| given.contains(value));
    let prefetched = says("Sec-Purpose", "prefetch") || says("Purpose", "prefetch");
    prefetched || headers.get_one("Sec-Fetch-Dest").is_some_and(|dest| DEAF_DESTINATIONS.contains(&dest))
}
