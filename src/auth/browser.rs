//! The browser cookie: a long-lived random id that binds form tokens before there is a session, and tells
//! throttling the owner's browser from a stranger's. It identifies no person.

use std::sync::Arc;

use quick_cache::sync::Cache;
use rocket::Request;
use rocket::outcome::Outcome;
use rocket::request::{self, FromRequest};

use super::Site;
use super::bearer::Authorization;
use super::cookies::Name;
use super::exchange::Exchange;
use crate::audit::{Client, USER_AGENT_MAX};
use crate::http::address;
use crate::id::BrowserId;
use crate::tokens::mac::Mac;
use crate::tokens::secret::MasterSecret;

/// Browsers remembered, here and by their form tokens; each takes a few hundred bytes. Of more, those that were least of
/// use are verified again.
pub(super) const REMEMBERED: usize = 16_384;

/// Signs and verifies the cookie's value, `id.code`: an id that nobody can make up cannot be used to borrow
/// somebody's allowance.
#[derive(Clone)]
pub struct BrowserIds {
    mac: Mac,
    /// Values that were found genuine: a browser sends its own with each request.
    genuine: Arc<Cache<Box<str>, BrowserId>>,
}

impl BrowserIds {
    /// Under a key of their own from the master secret.
    pub fn new(secret: &MasterSecret) -> Self {
        Self { mac: Mac::new(secret, "browser"), genuine: Arc::new(Cache::new(REMEMBERED)) }
    }

    /// The cookie's value.
    pub fn write(&self, id: &BrowserId) -> String {
        format!("{id}.{}", self.mac.sign(id.as_str()))
    }

    fn read(&self, value: &str) -> Option<BrowserId> {
        if let Some(id) = self.genuine.get(value) {
            return Some(id);
        }
        let (id, code) = value.split_once('.')?;
        let id = self.mac.verify(id, code).then(|| BrowserId::from_text(id))?;
        self.genuine.insert(value.into(), id.clone());
        Some(id)
    }
}

/// The id that the browser sent, if genuine.
pub fn sent(request: &Request<'_>, site: &Site) -> Option<BrowserId> {
    // With an Authorization header, cookies are not read.
    if Authorization::of(request) != Authorization::Absent {
        return None;
    }
    let mut values = site.cookies.read(request, Name::Browser);
    values.find_map(|value| site.browser_ids.read(value))
}

/// The id that the browser sent, or one that it gets with this response.
pub fn sent_or_new(request: &Request<'_>, site: &Site) -> BrowserId {
    if Authorization::of(request) != Authorization::Absent {
        // Its cookies were not read: one that it has must not be replaced.
        return BrowserId::random();
    }
    sent(request, site).unwrap_or_else(|| {
        let exchange = Exchange::of(request);
        exchange.outgoing().browser.get_or_insert_with(BrowserId::random).clone()
    })
}

/// Who is asking, as far as HTTP tells.
pub fn client(request: &Request<'_>, site: &Site) -> Client {
    let user_agent = request.headers().get_one("User-Agent").unwrap_or_default();
    let user_agent = user_agent.chars().filter(|c| !c.is_control()).take(USER_AGENT_MAX).collect();
    Client { address: address::of(request), user_agent, browser: sent(request, site) }
}

#[rocket::async_trait]
impl<'r> FromRequest<'r> for Client {
    type Error = ();

    async fn from_request(request: &'r Request<'_>) -> request::Outcome<Self, ()> {
        Site::of(request).map(|site| client(request, site))
    }
}

/// The browser's id, made now if it had none.
pub struct Browser(pub BrowserId);

#[rocket::async_trait]
impl<'r> FromRequest<'r> for Browser {
    type Error = ();

    async fn from_request(request: &'r Request<'_>) -> request::Outcome<Self, ()> {
        match Site::of(request) {
            Outcome::Success(site) => Outcome::Success(Self(sent_or_new(request, site))),
            Outcome::Error(error) => Outcome::Error(error),
            Outcome::Forward(status) => Outcome::Forward(status),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Secret;

    fn secret() -> MasterSecret {
        MasterSecret::new(&[Secret::parse(&"s".repeat(32)).expect("a secret")])
    }

    #[test]
    fn what_was_found_genuine_is_found_again_and_nothing_near_it_is() {
        let ids = BrowserIds::new(&secret());
        let id = BrowserId::random();
        let value = ids.write(&id);
        for _ in 0..2 {
            assert_eq!(ids.read(&value).as_ref(), Some(&id));
            for near in
                [format!("{value}x"), value[..value.len() - 1].to_owned(), value.replace('.', "x."), String::new()]
            {
                assert_eq!(ids.read(&near), None, "{near}");
            }
        }
    }
}
