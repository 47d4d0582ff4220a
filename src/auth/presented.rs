//! The refresh token of a request, for the handler that refreshes by itself.

use rocket::Request;
use rocket::request::{self, FromRequest};

use super::Site;
use super::bearer::Authorization;
use super::cookies::Name;

/// Where a request holds refresh tokens, but for its body.
pub enum Presented<'r> {
    /// In the `Authorization` header; then its cookies are not read.
    InHeader(&'r str),
    /// In cookies: there are several if another path or domain has set one too.
    InCookies {
        /// At least one.
        tokens: Vec<&'r str>,
        /// Access tokens beside them.
        access: Vec<&'r str>,
        /// One may make this request the answer to a question.
        probes: Vec<&'r str>,
    },
    /// Nowhere.
    Nowhere,
}

#[rocket::async_trait]
impl<'r> FromRequest<'r> for Presented<'r> {
    type Error = ();

    async fn from_request(request: &'r Request<'_>) -> request::Outcome<Self, ()> {
        Site::of(request).map(|site| match Authorization::of(request) {
            Authorization::Bearer(token) => Self::InHeader(token),
            Authorization::Unusable => Self::Nowhere,
            Authorization::Absent => match site.cookies.read(request, Name::Refresh).collect::<Vec<_>>() {
                tokens if tokens.is_empty() => Self::Nowhere,
                tokens => Self::InCookies {
                    tokens,
                    access: site.cookies.read(request, Name::Access).collect(),
                    probes: site.cookies.read(request, Name::Probe).collect(),
                },
            },
        })
    }
}
