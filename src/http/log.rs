//! One line a request. Never a query, a cookie or a body: secrets travel there.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use rocket::fairing::{Fairing, Info, Kind};
use rocket::http::{Header, Method};
use rocket::{Data, Request, Response};

use super::address;
use crate::id::{random_bytes, text};

/// Of the lines of requests.
pub const TARGET: &str = "hallpass::request";

const HEADER: &str = "X-Request-Id";
const ID_MAX: usize = 64;

/// The name of a request in the log, in `X-Request-Id` and on error pages.
#[derive(Clone, Debug)]
pub struct RequestId(String);

impl RequestId {
    pub fn of<'r>(request: &'r Request<'_>) -> &'r Self {
        request.local_cache(|| Self(given(request).unwrap_or_else(next)))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Unlike any that this or another process gives; nobody needs to be kept from guessing it.
fn next() -> String {
    static PROCESS: LazyLock<([u8; 4], u64)> = LazyLock::new(|| (random_bytes(), u64::from_le_bytes(random_bytes())));
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let (process, start) = *PROCESS;
    let number = start.wrapping_add(COUNT.fetch_add(1, Ordering::Relaxed)).to_le_bytes();
    let mut id = [0; 12];
    id[..4].copy_from_slice(&process);
    id[4..].copy_from_slice(&number);
    text(&id)
}

/// A trusted proxy may name the request, so that its log and ours can be read side by side.
fn given(request: &Request<'_>) -> Option<String> {
    let id = request.headers().get_one(HEADER)?;
    let plain =
        (1..=ID_MAX).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
    (plain && address::is_from_trusted_proxy(request)).then(|| id.to_owned())
}

/// The request as it arrived: fairings and the router may change method and path afterwards.
struct Arrival {
    at: Instant,
    method: Method,
    path: String,
}

/// Logs each request when its response is ready.
pub struct RequestLog;

#[rocket::async_trait]
impl Fairing for RequestLog {
    fn info(&self) -> Info {
        Info { name: "hallpass: request log", kind: Kind::Request | Kind::Response }
    }

    async fn on_request(&self, request: &mut Request<'_>, _: &mut Data<'_>) {
        request.local_cache(|| Some(Arrival::of(request)));
    }

    async fn on_response<'r>(&self, request: &'r Request<'_>, response: &mut Response<'r>) {
        finish(request, response);
    }
}

pub fn has_arrived(request: &Request<'_>) -> bool {
    request.local_cache(|| None::<Arrival>).is_some()
}

pub(super) fn finish(request: &Request<'_>, response: &mut Response<'_>) {
    let id = RequestId::of(request);
    response.set_header(Header::new(HEADER, id.as_str().to_owned()));
    let late = Arrival::of(request);
    let arrival = request.local_cache(|| None).as_ref().unwrap_or(&late);
    tracing::info!(
        target: TARGET,
        id = id.as_str(),
        method = arrival.method.as_str(),
        path = arrival.path,
        status = response.status().code,
        microseconds = arrival.at.elapsed().as_micros() as u64,
        address = %address::of(request),
    );
}

impl Arrival {
    fn of(request: &Request<'_>) -> Self {
        Self { at: Instant::now(), method: request.method(), path: request.uri().path().as_str().to_owned() }
    }
}
