//! The `Authorization` header: with one, a request is judged by it alone, and its cookies are not read.

use rocket::Request;
use rocket::outcome::Outcome;
use rocket::request::{self, FromRequest};

/// What the request's `Authorization` header holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Authorization<'r> {
    /// There is none: the cookies count.
    Absent,
    /// One token (RFC 6750 section 2.1).
    Bearer(&'r str),
    /// Another scheme, more than one header, or nothing legible.
    Unusable,
}

impl<'r> Authorization<'r> {
    /// What a request has.
    pub fn of(request: &'r Request<'_>) -> Self {
        let mut headers = request.headers().get("Authorization");
        let Some(header) = headers.next() else { return Self::Absent };
        let bearer = header.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("Bearer"));
        match (bearer, headers.next()) {
            (Some((_, token)), None) => Self::Bearer(token.trim()),
            _ => Self::Unusable,
        }
    }
}

#[rocket::async_trait]
impl<'r> FromRequest<'r> for Authorization<'r> {
    type Error = ();

    async fn from_request(request: &'r Request<'_>) -> request::Outcome<Self, ()> {
        Outcome::Success(Self::of(request))
    }
}
