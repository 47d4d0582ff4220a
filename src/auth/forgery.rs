//! Cross-site request forgery: who may make a browser change something here (ASVS 3.5.1).

use rocket::Request;

use super::Site;
use super::browser;
use crate::id::BrowserId;
use crate::tokens::mac::Mac;
use crate::tokens::secret::MasterSecret;

/// Form tokens: a code of the browser's id. They do not expire: a page left open for two days still submits.
#[derive(Clone)]
pub struct FormTokens(Mac);

impl FormTokens {
    /// Under a key of their own from the master secret.
    pub fn new(secret: &MasterSecret) -> Self {
        Self(Mac::new(secret, "form"))
    }

    /// For a hidden field of a form; the same for all forms of a browser.
    pub fn issue(&self, browser: &BrowserId) -> String {
        self.0.sign(browser.as_str())
    }

    fn verify(&self, browser: &BrowserId, token: &str) -> bool {
        self.0.verify(browser.as_str(), token)
    }
}

/// Why a submission is not believed to come from a page of this site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forgery {
    /// The browser says that another site made it.
    OtherSite,
    /// The browser sent no (genuine) browser cookie.
    NoCookie,
    /// The form token is missing, or of another browser.
    WrongToken,
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

/// Fetch metadata where the browser sends it, else the origin where it sends that.
fn is_from_this_site(request: &Request<'_>, site: &Site) -> bool {
    let all = |name| request.headers().get(name).collect::<Vec<_>>();
    let (fetch_site, origin) = (all("Sec-Fetch-Site"), all("Origin"));
    if !fetch_site.is_empty() {
        return fetch_site.iter().all(|value| matches!(*value, "same-origin" | "none"));
    }
    origin.iter().all(|value| *value == site.config.public_url.origin())
}
