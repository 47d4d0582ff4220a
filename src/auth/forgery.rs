//! Cross-site request forgery: who may make a browser change something here (ASVS 3.5.1).

use std::sync::Arc;

use quick_cache::sync::Cache;
use rocket::Request;
use rocket::http::Status;
use rocket::outcome::Outcome;
use rocket::request::{self, FromRequest};

use super::bearer::Authorization;
pub use super::refusal::Forgery;
use super::refusal::Refusal;
use super::{Site, browser, is_api};
use crate::http::address;
use crate::http::log::RequestId;
use crate::id::BrowserId;
use crate::tokens::mac::Mac;
use crate::tokens::secret::MasterSecret;

/// Form tokens: a code of the browser's id. They do not expire: a page left open for two days still submits.
#[derive(Clone)]
pub struct FormTokens {
    mac: Mac,
    issued: Arc<Cache<BrowserId, Arc<str>>>,
}

impl FormTokens {
    /// Under a key of their own from the master secret.
    pub fn new(secret: &MasterSecret) -> Self {
        Self { mac: Mac::new(secret, "form"), issued: Arc::new(Cache::new(browser::REMEMBERED)) }
    }

    /// For a hidden field of a form; the same for all forms of a browser.
    pub fn issue(&self, browser: &BrowserId) -> Arc<str> {
        self.issued.get(browser).unwrap_or_else(|| {
            let token: Arc<str> = self.mac.sign(browser.as_str()).into();
            self.issued.insert(browser.clone(), Arc::clone(&token));
            token
        })
    }

    fn verify(&self, browser: &BrowserId, token: &str) -> bool {
        self.mac.verify(browser.as_str(), token)
    }
}

/// Checks what the browser says of the request's origin, then the form token.
pub fn check(request: &Request<'_>, site: &Site, form_token: Option<&str>) -> Result<(), Forgery> {
    if !is_from_this_site(request, site) {
        return Err(Forgery::OtherSite);
    }
    let browser = browser::sent(request, site).ok_or(Forgery::NoCookie)?;
    let genuine = form_token.is_some_and(|token| site.form_tokens.verify(&browser, token));
    if genuine { Ok(()) } else { Err(Forgery::WrongToken) }
}

/// Logs a request that was refused, for the operator.
pub fn log_refused(request: &Request<'_>, forgery: Forgery) {
    let (id, address) = (RequestId::of(request).as_str(), address::of(request));
    tracing::warn!(target: "hallpass::security", event = "forgery_refused", id, %address, ?forgery);
}

/// The header that holds the form token where there is no form.
pub const HEADER: &str = "X-CSRF-Token";

/// A request of the API that no other site can have made. For handlers of unsafe methods; refused with 403.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Genuine {
    /// It holds the form token in [`HEADER`].
    ByFormToken,
    /// It has an `Authorization` header, so that its cookies are not read: whatever a browser sends by itself gives
    /// no access.
    WithoutCookies,
}

#[rocket::async_trait]
impl<'r> FromRequest<'r> for Genuine {
    type Error = Forgery;

    async fn from_request(request: &'r Request<'_>) -> request::Outcome<Self, Forgery> {
        if Authorization::of(request) != Authorization::Absent {
            return Outcome::Success(Self::WithoutCookies);
        }
        let Outcome::Success(site) = Site::of(request) else {
            return Outcome::Forward(Status::InternalServerError);
        };
        match check(request, site, request.headers().get_one(HEADER)) {
            Ok(()) => Outcome::Success(Self::ByFormToken),
            Err(forgery) => {
                Refusal::Forged(forgery).note(request);
                Outcome::Error((Status::Forbidden, forgery))
            }
        }
    }
}

/// Fetch metadata where the browser sends it, else the origin where it sends that. Pages of the origins that the
/// setting `cors_origins` names may call the API.
fn is_from_this_site(request: &Request<'_>, site: &Site) -> bool {
    let all = |name| request.headers().get(name).collect::<Vec<_>>();
    let (fetch_site, origin) = (all("Sec-Fetch-Site"), all("Origin"));
    let allowed = |origin: &&str| site.config.cors_origins.iter().any(|allowed| allowed == origin);
    if is_api(request) && !origin.is_empty() && origin.iter().all(allowed) {
        return true;
    }
    if !fetch_site.is_empty() {
        return fetch_site.iter().all(|value| matches!(*value, "same-origin" | "none"));
    }
    origin.iter().all(|value| *value == site.config.public_url.origin())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Secret;

    fn secret() -> MasterSecret {
        MasterSecret::new(&[Secret::parse(&"s".repeat(32)).expect("a secret")])
    }

    #[test]
    fn a_browser_has_one_form_token_and_no_others() {
        let tokens = FormTokens::new(&secret());
        let (one, other) = (BrowserId::random(), BrowserId::random());
        let issued = tokens.issue(&one);
        assert_eq!(tokens.issue(&one), issued);
        assert!(tokens.verify(&one, &issued));
        assert!(!tokens.verify(&other, &issued) && !tokens.verify(&one, &tokens.issue(&other)));
    }
}
