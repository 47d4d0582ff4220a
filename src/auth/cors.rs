//! Pages of other origins call the API: rocket_cors decides, by the setting `cors_origins`.
//!
//! As a fairing it would cover every route, and refuse the forms of this site; so it is shown requests for the API
//! alone. The site's own origin is always allowed: browsers name it in every unsafe request.

use std::collections::HashSet;

use rocket::fairing::{Fairing, Info, Kind};
use rocket::http::uri::Origin;
use rocket::http::{Header, Method};
use rocket::{Data, Request, Response};
use rocket_cors::{AllowedHeaders, AllowedOrigins, Cors, CorsOptions};

use super::refusal::Refusal;
use super::{forgery, is_api};
use crate::config::Config;

/// Of custom headers, what a page may send.
const REQUEST_HEADERS: [&str; 3] = ["Authorization", "Content-Type", forgery::HEADER];

/// What a page may read beside the headers that every page may.
const RESPONSE_HEADERS: [&str; 4] = ["Location", "Retry-After", "WWW-Authenticate", "X-Request-Id"];

const METHODS: [Method; 6] = [Method::Get, Method::Head, Method::Post, Method::Put, Method::Patch, Method::Delete];

/// How long browsers may remember the answer to a preflight, in seconds.
const PREFLIGHT_MAX_AGE: usize = 600;

/// Nobody's address: what a page of a foreign origin is turned away to.
const NOWHERE: &str = "/api/foreign-origin";

/// See the module's text.
pub struct ApiCors {
    origins: Vec<String>,
    cors: Cors,
}

/// What became of a request when it arrived; its address may be another by the time that it is answered.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    NotAsked,
    Allowed,
    TurnedAway,
}

impl ApiCors {
    pub fn new(config: &Config) -> Self {
        let mut origins = config.cors_origins.clone();
        origins.push(config.public_url.origin().to_owned());
        let options = CorsOptions {
            allowed_origins: AllowedOrigins::some_exact(&origins),
            allowed_methods: METHODS.into_iter().map(Into::into).collect(),
            allowed_headers: AllowedHeaders::some(&REQUEST_HEADERS),
            allow_credentials: true,
            expose_headers: HashSet::from(RESPONSE_HEADERS.map(str::to_owned)),
            max_age: Some(PREFLIGHT_MAX_AGE),
            ..CorsOptions::default()
        };
        Self { cors: options.to_cors().expect("origins were checked with the settings"), origins }
    }

    /// To the letter, and one: rocket_cors parses what it compares, reads the first of several, and answers 500 to
    /// what it cannot parse.
    fn is_foreign(&self, request: &Request<'_>) -> bool {
        let mut origins = request.headers().get("Origin");
        let foreign = origins.next().is_some_and(|origin| !self.origins.iter().any(|allowed| allowed == origin));
        foreign || origins.next().is_some()
    }
}

#[rocket::async_trait]
impl Fairing for ApiCors {
    fn info(&self) -> Info {
        Info { name: "hallpass: CORS", kind: Kind::Request | Kind::Response }
    }

    async fn on_request(&self, request: &mut Request<'_>, data: &mut Data<'_>) {
        if !is_api(request) {
            return;
        }
        let mut turned_away = self.is_foreign(request);
        if !turned_away {
            let address = request.uri().to_string();
            self.cors.on_request(request, data).await;
            // To a route of rocket_cors' own, which anybody could ask: it is not mounted.
            turned_away = request.uri().to_string() != address;
        }
        if turned_away {
            Refusal::ForeignOrigin.note(request);
            request.set_method(Method::Get);
            request.set_uri(Origin::const_new(NOWHERE, None));
        }
        request.local_cache(|| if turned_away { Verdict::TurnedAway } else { Verdict::Allowed });
    }

    async fn on_response<'r>(&self, request: &'r Request<'_>, response: &mut Response<'r>) {
        let verdict = *request.local_cache(|| Verdict::NotAsked);
        if verdict == Verdict::Allowed {
            self.cors.on_response(request, response).await;
        }
        if verdict != Verdict::NotAsked {
            // Also for who named no origin: a cache must not give that answer to who does.
            response.set_header(Header::new("Vary", "Origin"));
        }
    }
}
