//! Requests without a connection, to a Rocket that has hallpass's way with HTTP and nothing of its own.

use std::net::SocketAddr;

use hallpass::config::{Config, PublicUrl};
use rocket::figment::Figment;
use rocket::http::{ContentType, Header, Method};
use rocket::local::blocking::Client;
use rocket::route::{Handler, Outcome};
use rocket::{Data, Request, Response, Route};

const METHOD: &str = "Method";

thread_local! {
    static CLIENT: Client = client();
}

/// Runs `check` with a request that has these headers.
pub fn with_headers<'h>(
    remote: SocketAddr,
    headers: impl Iterator<Item = (&'static str, &'h str)>,
    check: impl FnOnce(&Request<'_>),
) {
    CLIENT.with(|client| {
        let mut request = client.get("/").remote(remote);
        headers.for_each(|(name, value)| request.add_header(Header::new(name, value.to_owned())));
        check(request.inner());
    });
}

/// The method under which a form that is sent by POST reaches a handler.
pub fn method_of_form(body: &[u8]) -> String {
    CLIENT.with(|client| {
        let response = client.post("/").header(ContentType::Form).body(body).dispatch();
        response.headers().get_one(METHOD).unwrap_or_default().to_owned()
    })
}

pub fn loopback() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 1))
}

/// The settings of a site that is there.
pub fn settings(public_url: &str) -> Figment {
    Figment::from(rocket::Config { log_level: rocket::config::LogLevel::Off, ..rocket::Config::default() })
        .merge(("hallpass.public_url", public_url))
        .merge(("hallpass.trusted_proxies", "10.0.0.0/8, 2001:db8::/32"))
}

pub fn public_url(text: &str) -> PublicUrl {
    Config::read(&settings(text)).expect("settings").public_url
}

fn client() -> Client {
    let settings = settings("https://example.org");
    let config = Config::read(&settings).expect("settings");
    let methods =
        [Method::Get, Method::Post, Method::Put, Method::Patch, Method::Delete, Method::Options, Method::Head];
    let routes: Vec<_> = methods.map(|method| Route::new(method, "/", Echo)).into();
    let rocket = rocket::custom(settings).manage(config).attach(hallpass::http::stage()).mount("/", routes);
    Client::untracked(rocket).expect("a Rocket")
}

/// Answers the method that it was called by, in a header: to a HEAD no body is answered.
#[derive(Clone)]
struct Echo;

#[rocket::async_trait]
impl Handler for Echo {
    async fn handle<'r>(&self, request: &'r Request<'_>, _: Data<'r>) -> Outcome<'r> {
        Outcome::Success(Response::build().raw_header(METHOD, request.method().as_str()).finalize())
    }
}
