//! Every cookie: its name, how it is read, how it is written. No other file knows.

use std::ops::Range;

use rocket::Request;
use rocket::http::Header;

use crate::clock::{DAY, Seconds};
use crate::config::PublicUrl;
use crate::sessions::Tokens;
use crate::sessions::probe::PROBE_SECONDS;

/// The longest that browsers keep a cookie (RFC 6265bis section 5.5).
const BROWSER_SECONDS: Seconds = 400 * DAY;

/// What may stand around a pair (RFC 6265bis section 5.6). No other blank: to a browser `__Host-browser` behind a U+2003
/// is a name like any other, which a neighbouring host may set.
const BLANKS: [char; 2] = [' ', '\t'];

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

impl Name {
    const ALL: [Self; 4] = [Self::Access, Self::Refresh, Self::Browser, Self::Probe];
}

/// Where ours are in the `Cookie` headers of a request: the header's number, and the value's place in it. Looked for
/// once a request, for a header may be long, and asked for at several occasions. Places, since what a request keeps
/// cannot borrow from it.
struct Places(Vec<(Name, usize, Range<usize>)>);

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
    pub fn read<'r>(&self, request: &'r Request<'_>, name: Name) -> impl Iterator<Item = &'r str> {
        let Places(places) = request.local_cache(|| self.places(request));
        let places = places.iter().filter(move |(found, ..)| *found == name).take(SAME_NAME_MAX);
        places.filter_map(|(_, header, place)| request.headers().get("Cookie").nth(*header)?.get(place.clone()))
    }

    fn places(&self, request: &Request<'_>) -> Places {
        let mut places = Vec::new();
        for (header, line) in request.headers().get("Cookie").enumerate() {
            let mut pair_start = 0;
            for pair in line.split(';') {
                let trimmed = pair.trim_end_matches(BLANKS);
                if let Some((given, value)) = trimmed.split_once('=')
                    && let Some(name) =
                        Name::ALL.into_iter().find(|name| self.name(*name) == given.trim_start_matches(BLANKS))
                {
                    let end = pair_start + trimmed.len();
                    places.push((name, header, end - value.len()..end));
                }
                pair_start += pair.len() + 1;
            }
        }
        Places(places)
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
