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
        let token = bearer.map(|(_, token)| token.trim_start_matches(' ')).filter(|token| is_token68(token));
        match (token, headers.next()) {
            (Some(token), None) => Self::Bearer(token),
            _ => Self::Unusable,
        }
    }
}

/// RFC 9110 section 11.2. What is none is not made one by leaving something away: a proxy or a log that reads the same
/// header would see another.
fn is_token68(text: &str) -> bool {
    let letters = text.trim_end_matches('=');
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte);
    !letters.is_empty() && letters.bytes().all(is_letter)
}

#[rocket::async_trait]
impl<'r> FromRequest<'r> for Authorization<'r> {
    type Error = ();

    async fn from_request(request: &'r Request<'_>) -> request::Outcome<Self, ()> {
        Outcome::Success(Self::of(request))
    }
}
