//! Every cookie: its name, how it is read, how it is written. No other file knows.

use rocket::Request;
use rocket::http::Header;

use crate::clock::{DAY, Seconds};
use crate::config::PublicUrl;
use crate::sessions::Tokens;
use crate::sessions::probe::PROBE_SECONDS;

/// The longest that browsers keep a cookie (RFC 6265bis section 5.5).
const BROWSER_SECONDS: Seconds = 400 * DAY;

/// More cookies of one name than this are noise.
const SAME_NAME_MAX: usize = 4;

/// A cookie of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Name {
    Access,
    Refresh,
    Browser,
    Probe,
}

/// The cookies of a site. Over https their names begin with `__Host-`, so that no other host can set them, and they
/// are `Secure`; text browsers send no secure cookie over http, not even to loopback.
#[derive(Clone, Debug)]
pub struct Cookies {
    https: bool,
}

impl Cookies {
    pub fn new(public_url: &PublicUrl) -> Self {
        Self { https: public_url.is_https() }
    }

    /// The name that browsers know it by.
    pub fn name(&self, name: Name) -> &'static str {
        match (self.https, name) {
            (true, Name::Access) => "__Host-access_token",
            (true, Name::Refresh) => "__Host-refresh_token",
            (true, Name::Browser) => "__Host-browser",
            (true, Name::Probe) => "__Host-probe",
            (false, Name::Access) => "access_token",
            (false, Name::Refresh) => "refresh_token",
            (false, Name::Browser) => "browser",
            (false, Name::Probe) => "probe",
        }
    }

    /// The values that the browser sent under this name. There is more than one if another path or domain has
    /// set one too; none is preferred here.
    pub fn read<'r>(&self, request: &'r Request<'_>, name: Name) -> Vec<&'r str> {
        let name = self.name(name);
        let pairs = request.headers().get("Cookie").flat_map(|line| line.split(';'));
        let values = pairs.filter_map(|pair| pair.trim().split_once('=')).filter(|(given, _)| *given == name);
        values.map(|(_, value)| value).take(SAME_NAME_MAX).collect()
    }

    /// Access and refresh token. The access cookie lives as long as the refresh cookie, so that an expired access
    /// token is seen as expired.
    pub fn tokens(&self, tokens: &Tokens, now: Seconds) -> [Header<'static>; 2] {
        [self.access(tokens, now), self.write(Name::Refresh, &tokens.refresh, max_age(tokens, now))]
    }

    pub fn access(&self, tokens: &Tokens, now: Seconds) -> Header<'static> {
        self.write(Name::Access, &tokens.access, max_age(tokens, now))
    }

    pub fn browser(&self, value: &str) -> Header<'static> {
        self.write(Name::Browser, value, Some(BROWSER_SECONDS))
    }

    pub fn probe(&self, value: &str) -> Header<'static> {
        self.write(Name::Probe, value, Some(PROBE_SECONDS))
    }

    pub fn clear(&self, name: Name) -> Header<'static> {
        self.write(name, "", Some(0))
    }

    fn write(&self, name: Name, value: &str, max_age: Option<Seconds>) -> Header<'static> {
        let name = self.name(name);
        let max_age = max_age.map(|seconds| format!("; Max-Age={seconds}")).unwrap_or_default();
        let secure = if self.https { "; Secure" } else { "" };
        Header::new("Set-Cookie", format!("{name}={value}; Path=/{max_age}; HttpOnly{secure}; SameSite=Lax"))
    }
}

/// Without "Keep me logged in", cookies end with the browser.
fn max_age(tokens: &Tokens, now: Seconds) -> Option<Seconds> {
    tokens.remembered.then_some(tokens.refresh_expires_at - now)
}
