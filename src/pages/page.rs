//! What all pages share: the frame around them, faults and notices in them.

use std::sync::Arc;

use askama::Template;
use rocket::Request;
use rocket::http::{ContentType, Header, Status};
use rocket::request::{self, FromRequest};
use rocket::response::{Responder, Response};

use super::assets;
use crate::accounts::Fault;
use crate::auth::Site;
use crate::auth::browser::sent_or_new;
use crate::auth::exchange::Exchange;
use crate::auth::guards::CurrentUser;
use crate::clock::Seconds;
use crate::config::Registration;

/// The data of `layout.html`.
#[derive(Clone, Debug)]
pub struct Frame {
    pub site_name: String,
    pub user: Option<Arc<CurrentUser>>,
    /// Stands in every form.
    pub csrf_token: Arc<str>,
    pub stylesheet: &'static str,
    pub icon: &'static str,
    /// This response delivers new tokens: the page fetches the image by which the browser confirms them.
    pub confirms: bool,
    pub registration_open: bool,
}

impl Frame {
    /// A page without forms of its own needs no browser cookie, unless the log-out button stands in its head.
    pub fn without_forms(request: &Request<'_>, site: &Site) -> Self {
        let exchange = Exchange::of(request);
        let frame = Self::new(site, exchange);
        if frame.user.is_some() { frame.with_token(request, site) } else { frame }
    }

    fn new(site: &Site, exchange: &Exchange) -> Self {
        Self {
            site_name: site.config.site_name.clone(),
            user: exchange.user().cloned(),
            csrf_token: "".into(),
            stylesheet: assets::STYLESHEET.address(),
            icon: assets::ICON.address(),
            confirms: exchange.delivers(),
            registration_open: site.config.registration == Registration::Open,
        }
    }

    fn with_token(self, request: &Request<'_>, site: &Site) -> Self {
        Self { csrf_token: site.form_tokens.issue(&sent_or_new(request, site)), ..self }
    }
}

#[rocket::async_trait]
impl<'r> FromRequest<'r> for Frame {
    type Error = ();

    async fn from_request(request: &'r Request<'_>) -> request::Outcome<Self, ()> {
        Site::of(request).map(|site| Self::new(site, Exchange::of(request)).with_token(request, site))
    }
}

/// The frame of a page without forms.
pub struct FormlessFrame(pub Frame);

#[rocket::async_trait]
impl<'r> FromRequest<'r> for FormlessFrame {
    type Error = ();

    async fn from_request(request: &'r Request<'_>) -> request::Outcome<Self, ()> {
        Site::of(request).map(|site| Self(Frame::without_forms(request, site)))
    }
}

/// What is wrong with a form, for the summary above it and the text beside each field.
#[derive(Clone, Debug, Default)]
pub struct Faults(Vec<Fault>);

impl Faults {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn iter(&self) -> std::slice::Iter<'_, Fault> {
        self.0.iter()
    }

    pub fn of(&self, field: &str) -> Option<&str> {
        self.0.iter().find(|fault| fault.field == field).map(|fault| fault.message.as_str())
    }
}

impl From<Vec<Fault>> for Faults {
    fn from(faults: Vec<Fault>) -> Self {
        Self(faults)
    }
}

/// A sentence at the top of a page.
#[derive(Clone, Debug)]
pub struct Notice {
    /// `success`, `warning` or `info`.
    pub kind: &'static str,
    pub text: String,
}

impl Notice {
    pub fn success(text: impl Into<String>) -> Self {
        Self { kind: "success", text: text.into() }
    }

    pub fn warning(text: impl Into<String>) -> Self {
        Self { kind: "warning", text: text.into() }
    }

    pub fn info(text: impl Into<String>) -> Self {
        Self { kind: "info", text: text.into() }
    }
}

/// A rendered page.
pub struct Page<T> {
    template: T,
    status: Status,
    retry_after: Option<Seconds>,
}

impl<T: Template> Page<T> {
    pub fn ok(template: T) -> Self {
        Self::with(Status::Ok, template)
    }

    pub fn with(status: Status, template: T) -> Self {
        Self { template, status, retry_after: None }
    }

    pub fn retry_after(self, seconds: Option<Seconds>) -> Self {
        Self { retry_after: seconds, ..self }
    }
}

impl<'r, T: Template> Responder<'r, 'static> for Page<T> {
    fn respond_to(self, _: &'r Request<'_>) -> rocket::response::Result<'static> {
        let html = self.template.render().map_err(|error| {
            tracing::error!(%error, "a page could not be rendered");
            Status::InternalServerError
        })?;
        let mut response = Response::build();
        let length = html.len();
        response.status(self.status).header(ContentType::HTML).sized_body(length, std::io::Cursor::new(html));
        // In one piece: by Rocket's default, 4 KiB, most pages would be two. Its end is found with the byte beyond.
        response.max_chunk_size(length + 1);
        if let Some(seconds) = self.retry_after {
            response.header(Header::new("Retry-After", seconds.to_string()));
        }
        response.ok()
    }
}

/// 303: go there, by GET (RFC 9110 section 15.4.4). The address must be one of ours.
pub struct SeeOther(pub String);

impl SeeOther {
    pub fn to(path: &str) -> Self {
        Self(path.to_owned())
    }

    /// A page of ours, with a path in its query that the visitor goes on to afterwards.
    pub fn to_then(path: &str, next: Option<&str>) -> Self {
        let query = |next| url::form_urlencoded::Serializer::new(String::new()).append_pair("next", next).finish();
        Self(next.map_or_else(|| path.to_owned(), |next| format!("{path}?{}", query(next))))
    }
}

impl<'r> Responder<'r, 'static> for SeeOther {
    fn respond_to(self, _: &'r Request<'_>) -> rocket::response::Result<'static> {
        Response::build().status(Status::SeeOther).header(Header::new("Location", self.0)).ok()
    }
}
