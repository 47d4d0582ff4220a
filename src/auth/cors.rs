//! Pages of other origins call the API: rocket_cors decides, by the setting `cors_origins`.
//!
//! As a fairing it would cover every route, and refuse the forms of this site; so it is shown requests for the API
//! alone. The site's own origin is always allowed: browsers name it in every unsafe request.

use std::collections::HashSet;

use rocket::fairing::{self, Fairing, Info, Kind};
use rocket::http::{Header, Method};
use rocket::{Build, Data, Request, Response, Rocket};
use rocket_cors::{AllowedHeaders, AllowedOrigins, Cors, CorsOptions};

use super::refusal::Refusal;
use super::{API, is_api};
use crate::config::Config;
use crate::id::random_text;

/// Of custom headers, what a page may send.
const REQUEST_HEADERS: [&str; 3] = ["Authorization", "Content-Type", "X-CSRF-Token"];

/// What a page may read beside the headers that every page may.
const RESPONSE_HEADERS: [&str; 4] = ["Location", "Retry-After", "WWW-Authenticate", "X-Request-Id"];

const METHODS: [Method; 6] = [Method::Get, Method::Head, Method::Post, Method::Put, Method::Patch, Method::Delete];

/// How long browsers may remember the answer to a preflight, in seconds.
const PREFLIGHT_MAX_AGE: usize = 600;

/// See the module's text.
pub struct ApiCors(Cors);

/// Shown to rocket_cors when it arrived; its address may be another by the time that it is answered.
struct Shown(bool);

impl ApiCors {
    pub fn new(config: &Config) -> Self {
        let mut origins: Vec<&str> = config.cors_origins.iter().map(String::as_str).collect();
        origins.push(config.public_url.origin());
        let options = CorsOptions {
            allowed_origins: AllowedOrigins::some_exact(&origins),
            allowed_methods: METHODS.into_iter().map(Into::into).collect(),
            allowed_headers: AllowedHeaders::some(&REQUEST_HEADERS),
            allow_credentials: true,
            expose_headers: HashSet::from(RESPONSE_HEADERS.map(str::to_owned)),
            max_age: Some(PREFLIGHT_MAX_AGE),
            // Under the API, so that its catchers answer; where nobody else can go to be told of a fault there is not.
            fairing_route_base: format!("{API}/cors-{}", random_text::<16>()),
            ..CorsOptions::default()
        };
        Self(options.to_cors().expect("origins were checked with the settings"))
    }
}

#[rocket::async_trait]
impl Fairing for ApiCors {
    fn info(&self) -> Info {
        Info { name: "hallpass: CORS", kind: Kind::Ignite | Kind::Request | Kind::Response }
    }

    async fn on_ignite(&self, rocket: Rocket<Build>) -> fairing::Result {
        self.0.on_ignite(rocket).await
    }

    async fn on_request(&self, request: &mut Request<'_>, data: &mut Data<'_>) {
        let shown = is_api(request);
        request.local_cache(|| Shown(shown));
        if !shown {
            return;
        }
        let address = request.uri().to_string();
        self.0.on_request(request, data).await;
        if request.uri().to_string() != address {
            Refusal::ForeignOrigin.note(request);
        }
    }

    async fn on_response<'r>(&self, request: &'r Request<'_>, response: &mut Response<'r>) {
        if request.local_cache(|| Shown(false)).0 {
            self.0.on_response(request, response).await;
            // Also for who named no origin: a cache must not give that answer to who does.
            response.set_header(Header::new("Vary", "Origin"));
        }
    }
}
