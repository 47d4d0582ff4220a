//! Addresses that programs know without asking (RFC 8615).

use rocket::http::{ContentType, Header, Status};
use rocket::{Responder, Route, State, get, routes};

use super::answer::Failure;
use super::page::SeeOther;
use crate::auth::Site;
use crate::auth::guards::Anyone;

/// How long consumers may keep the key set, in seconds: a new key is published a day before its first use.
const JWKS_MAX_AGE: u32 = 300;

#[derive(Responder)]
struct KeySetDocument {
    content: (ContentType, String),
    cache: Header<'static>,
}

pub fn routes() -> Vec<Route> {
    routes![jwks, change_password]
}

/// The public halves of the access-token keys (RFC 7517 section 5): previous, current and next.
#[get("/.well-known/jwks.json")]
fn jwks(_anyone: Anyone, site: &State<Site>) -> Result<KeySetDocument, Failure> {
    let keys = site.keyring.keys();
    let keys: Option<Vec<_>> = keys.iter().map(|key| key.jwk()).collect();
    let document = serde_json::json!({ "keys": keys.ok_or(Failure::of(Status::InternalServerError))? });
    let cache = Header::new("Cache-Control", format!("public, max-age={JWKS_MAX_AGE}"));
    Ok(KeySetDocument { content: (ContentType::new("application", "jwk-set+json"), document.to_string()), cache })
}

/// Where password managers send their users (W3C, A Well-Known URL for Changing Passwords).
#[get("/.well-known/change-password")]
fn change_password(_anyone: Anyone) -> SeeOther {
    SeeOther::to("/account#password")
}
