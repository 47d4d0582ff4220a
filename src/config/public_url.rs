//! The setting `public_url`.

use url::{Host, Url};

/// The address stands twice in each token: with a longer one, a cookie that carries an RS256 token would pass 1 KiB.
const PUBLIC_URL_MAX: usize = 100;

/// Where browsers find the site: decides cookie names and the `Secure` attribute, once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicUrl {
    origin: String,
    https: bool,
}

impl PublicUrl {
    /// None unless it is a bare origin; without TLS, one on this machine.
    pub(super) fn parse(text: &str, allow_insecure_http: bool) -> Option<Self> {
        let url = Url::parse(text).ok()?;
        let https = match url.scheme() {
            "https" => true,
            "http" if allow_insecure_http || is_loopback(&url) => false,
            _ => return None,
        };
        let bare = url.path() == "/"
            && url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none();
        let origin = url.origin().ascii_serialization();
        (bare && origin.len() <= PUBLIC_URL_MAX).then_some(Self { origin, https })
    }

    /// The origin without a trailing slash: `https://example.org`. Also the issuer of tokens.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Whether cookies are `Secure` and named `__Host-…`.
    pub fn is_https(&self) -> bool {
        self.https
    }

    /// An absolute address on this site.
    pub fn join(&self, path: &str) -> String {
        format!("{}{path}", self.origin)
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}
