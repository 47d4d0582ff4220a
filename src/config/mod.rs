//! The only reader of settings. Everything is checked before anything starts.

mod figment;
mod settings;

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

use ::figment::Figment;
use ipnet::IpNet;
use url::{Host, Url};

use crate::clock::Seconds;
use crate::named::named;
#[cfg(test)]
pub(crate) use figment::defaults;
pub use figment::figment;
use settings::Settings;

/// The table of Rocket.toml (and the prefix of environment variables) that settings stand under.
const TABLE: &str = "hallpass";
const ENV_PREFIX: &str = "HALLPASS_";

/// What `argon2_memory_kib` may be at most.
pub(crate) const ARGON2_MEMORY_KIB_MAX: u32 = 4 << 20;
/// What `argon2_iterations` may be at most.
pub(crate) const ARGON2_ITERATIONS_MAX: u32 = 1000;

/// What `database_timeout_seconds` may be at most: the feed of changes looks back for so much longer.
pub(crate) const DATABASE_TIMEOUT_MAX_SECONDS: u64 = 5;

/// The effective settings. A field has the name of its setting.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where browsers find the site.
    pub public_url: PublicUrl,
    /// `sqlite:PATH` or `postgres://…`; may hold a password.
    pub database_url: String,
    /// At most, to read on SQLite, in all on PostgreSQL; none: as many as suit the engine.
    pub database_connections: Option<u32>,
    /// How long a connection, a lock, and PostgreSQL's answer to a statement are each waited for before the answer is
    /// 503.
    pub database_timeout_seconds: u64,
    /// The master secrets: the first signs, all verify. Empty: read `secret_file` instead.
    pub secret: Vec<Secret>,
    /// One master secret a line, in the order of `secret`.
    pub secret_file: PathBuf,
    /// Shown in the head of each page; 1 to 60 characters.
    pub site_name: String,
    /// Who may make an account on the web; the command line always can.
    pub registration: Registration,
    /// Lifetime of an access token.
    pub access_token_ttl_seconds: Seconds,
    /// Inactivity timeout of a session that is kept logged in.
    pub refresh_token_ttl_seconds: Seconds,
    /// Absolute lifetime of a session, however active.
    pub session_max_seconds: Seconds,
    /// How long a replaced refresh token is a harmless straggler, and after which its successor is settled.
    pub refresh_grace_seconds: Seconds,
    /// Of new access-token keys; keys that exist go on verifying.
    pub signing_algorithm: SigningAlgorithm,
    /// Whose pages may call the JSON API from scripts, beside this site's own.
    pub cors_origins: Vec<String>,
    /// Whose `X-Forwarded-For` and `X-Request-Id` are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Memory of one password hash, in KiB (RFC 9106: m).
    pub argon2_memory_kib: u32,
    /// Passes over that memory (RFC 9106: t).
    pub argon2_iterations: u32,
    /// Lanes (RFC 9106: p).
    pub argon2_parallelism: u32,
    /// Of new passwords, in code points.
    pub password_min_length: usize,
    /// How long a server goes on after SIGTERM while `/readyz` says that it is stopping. Read by the command line alone.
    pub shutdown_delay_seconds: u64,
    /// Read by the command line alone: a program that embeds the crate sets up its own log.
    pub log_format: LogFormat,
    shown: Vec<Shown>,
}

/// One line of `hallpass config`.
#[derive(Clone, Debug)]
pub struct Shown {
    /// As in `Rocket.toml`.
    pub name: &'static str,
    /// The effective value as text; secrets masked.
    pub value: String,
    /// A file, an environment variable, or `default`.
    pub source: String,
}

/// A value that never reaches a log or a page.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// None if the text is too short to be a master secret.
    pub fn parse(text: &str) -> Option<Self> {
        (text.len() >= SECRET_MIN_LENGTH).then(|| Self::new(text))
    }

    /// Of any length; the settings ask for 32 characters or more.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The value itself: for deriving keys, nothing else.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Where browsers find the site: decides cookie names and the `Secure` attribute, once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicUrl {
    origin: String,
    https: bool,
}

impl PublicUrl {
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

named! {
    /// Who may make an account.
    pub enum Registration {
        /// Anybody.
        Open = "open",
        /// Whoever is invited. There are no invitations yet: for now, nobody.
        Invited = "invited",
        /// Nobody.
        Closed = "closed",
    }
}
named! {
    /// The algorithm of new access-token keys, by its name in RFC 7518 and RFC 8037.
    pub enum SigningAlgorithm {
        /// Ed25519: the smallest tokens and the fastest.
        EdDsa = "EdDSA",
        /// ECDSA on P-256, for consumers that lack Ed25519.
        Es256 = "ES256",
        /// RSA with 2048 bits, for consumers that have nothing else; its tokens are the largest.
        Rs256 = "RS256",
    }
}
named! {
    /// How log lines are written.
    pub enum LogFormat {
        /// For people.
        Text = "text",
        /// For programs: one object a line.
        Json = "json",
    }
}

/// All that is wrong with the settings, one line each.
#[derive(Debug, thiserror::Error)]
#[error("The settings are not usable:\n{}", .0.iter().map(|fault| format!("  - {fault}")).collect::<Vec<_>>().join("\n"))]
pub struct ConfigError(pub Vec<String>);

impl Config {
    /// Reads and checks every setting.
    ///
    /// # Errors
    /// Names each setting that is unknown or bad, where it came from, and what is allowed.
    pub fn read(figment: &Figment) -> Result<Self, ConfigError> {
        let port = figment.extract_inner::<u16>("port").unwrap_or(8000);
        let mut settings = Settings::new(figment)?;
        const SECONDS: &str = "a whole number of seconds, at least 1";
        let seconds = |text: &str| number(text, 1, i64::from(u32::MAX));

        let allow_insecure_http =
            settings.read("allow_insecure_http", "false", "true or false", |text| text.parse().ok());
        let config = Self {
            public_url: settings.read(
                "public_url",
                &format!("http://localhost:{port}"),
                "an address such as https://example.org, of at most 100 characters, without a path; \
                 http:// only on this machine (localhost), unless allow_insecure_http = true says that losing every password is acceptable",
                |text| public_url(text, allow_insecure_http),
            ),
            database_url: settings.read(
                "database_url",
                "sqlite:data/hallpass.db",
                "sqlite:PATH or postgres://USER@HOST/NAME, with sslmode, sslrootcert and other parameters of libpq that sqlx knows",
                database_url,
            ),
            database_connections: settings.read("database_connections", "automatic", "automatic, or 1 to 1000", |text| {
                if text == "automatic" { Some(None) } else { number(text, 1, 1000).map(Some) }
            }),
            database_timeout_seconds: settings.read("database_timeout_seconds", "5", "1 to 5 seconds", |text| number(text, 1, DATABASE_TIMEOUT_MAX_SECONDS as i64)),
            secret: settings.read(
                "secret",
                "",
                "text of 32 characters or more (for example from `openssl rand -hex 32`); several, separated by commas, while one replaces another",
                secrets,
            ),
            secret_file: settings.read("secret_file", "data/hallpass.secret", "a path", |text| non_empty(text).map(PathBuf::from)),
            site_name: settings.read("site_name", "Hallpass", "1 to 60 characters", |text| {
                (1..=60).contains(&text.trim().chars().count()).then(|| text.trim().to_owned()).filter(|name| !name.chars().any(char::is_control))
            }),
            registration: settings.read("registration", "open", &one_of(Registration::NAMES), |text| text.parse().ok()),
            access_token_ttl_seconds: settings.read("access_token_ttl_seconds", "900", SECONDS, seconds),
            refresh_token_ttl_seconds: settings.read("refresh_token_ttl_seconds", "2592000", SECONDS, seconds),
            session_max_seconds: settings.read("session_max_seconds", "7776000", SECONDS, seconds),
            refresh_grace_seconds: settings.read("refresh_grace_seconds", "60", SECONDS, seconds),
            signing_algorithm: settings.read("signing_algorithm", "EdDSA", &one_of(SigningAlgorithm::NAMES), |text| text.parse().ok()),
            cors_origins: settings.read("cors_origins", "", "exact origins such as https://app.example.org, separated by commas", |text| {
                each(text, |origin| Url::parse(origin).ok().filter(|url| url.origin().ascii_serialization() == origin).map(|_| origin.to_owned()))
            }),
            trusted_proxies: settings.read("trusted_proxies", "", "addresses or networks such as 10.0.0.0/8, separated by commas", |text| {
                each(text, |net| net.parse().ok().or_else(|| net.parse::<IpAddr>().ok().map(IpNet::from)))
            }),
            argon2_memory_kib: settings.read("argon2_memory_kib", "19456", "KiB, 8 to 4194304", |text| number(text, 8, ARGON2_MEMORY_KIB_MAX.into())),
            argon2_iterations: settings.read("argon2_iterations", "2", "1 to 1000", |text| number(text, 1, ARGON2_ITERATIONS_MAX.into())),
            argon2_parallelism: settings.read("argon2_parallelism", "1", "1 to 64", |text| number(text, 1, 64)),
            password_min_length: settings.read("password_min_length", "15", "8 to 64 (NIST SP 800-63B-4: 15 for a password alone)", |text| number(text, 8, 64)),
            shutdown_delay_seconds: settings.read("shutdown_delay_seconds", "0", "0 to 300 seconds", |text| number(text, 0, 300)),
            log_format: settings.read("log_format", "text", &one_of(LogFormat::NAMES), |text| text.parse().ok()),
            shown: Vec::new(),
        };
        if config.argon2_memory_kib < 8 * config.argon2_parallelism {
            settings
                .faults
                .push("argon2_memory_kib: must be at least 8 KiB for each of argon2_parallelism.".to_owned());
        }
        let mut shown = settings.finish()?;
        for line in &mut shown {
            if line.name == "secret" && !line.value.is_empty() {
                line.value = "(set, not shown)".to_owned();
            }
            if line.name == "database_url" {
                line.value = without_password(&line.value);
            }
        }
        Ok(Self { shown, ..config })
    }

    /// Every setting with its effective value and its source; secrets masked.
    pub fn shown(&self) -> &[Shown] {
        &self.shown
    }

    /// The same settings for another database; none if that is no address of one.
    pub(crate) fn with_database(&self, url: &str) -> Option<Self> {
        Some(Self { database_url: database_url(url)?, ..self.clone() })
    }

    /// Whether the database is a file beside the program.
    pub fn is_sqlite(&self) -> bool {
        self.database_url.starts_with("sqlite:")
    }
}

fn number<T: TryFrom<i64>>(text: &str, least: i64, most: i64) -> Option<T> {
    let number = text.trim().parse().ok().filter(|number| (least..=most).contains(number))?;
    T::try_from(number).ok()
}

fn one_of(names: &[&str]) -> String {
    format!("one of {}", names.join(", "))
}

fn non_empty(text: &str) -> Option<&str> {
    Some(text.trim()).filter(|text| !text.is_empty())
}

fn each<T>(text: &str, parse: impl Fn(&str) -> Option<T>) -> Option<Vec<T>> {
    text.split(',').filter_map(non_empty).map(parse).collect()
}

/// In bytes. 32 characters hold 128 bits even in hex.
const SECRET_MIN_LENGTH: usize = 32;

fn secrets(text: &str) -> Option<Vec<Secret>> {
    each(text, Secret::parse)
}

fn database_url(text: &str) -> Option<String> {
    let known = ["sqlite:", "postgres://", "postgresql://"]
        .iter()
        .any(|scheme| text.strip_prefix(scheme).is_some_and(|rest| !rest.is_empty()));
    let understood = text.starts_with("sqlite:") || Url::parse(text).is_ok_and(|url| are_parameters(&url));
    (known && understood && !text.contains(":memory:")).then(|| text.to_owned())
}

/// sqlx passes over what it does not know, with its value in the log: a misspelt `sslmode` would protect nothing.
fn are_parameters(url: &Url) -> bool {
    const KNOWN: [&str; 19] = [
        "sslmode",
        "ssl-mode",
        "sslrootcert",
        "ssl-root-cert",
        "ssl-ca",
        "sslcert",
        "ssl-cert",
        "sslkey",
        "ssl-key",
        "statement-cache-capacity",
        "host",
        "hostaddr",
        "port",
        "dbname",
        "user",
        "password",
        "application_name",
        "options",
        "options[search_path]",
    ];
    url.query_pairs().all(|(name, _)| KNOWN.contains(&&*name))
}

fn without_password(database_url: &str) -> String {
    if database_url.starts_with("sqlite:") {
        return database_url.to_owned();
    }
    // Of an address that cannot be read nobody knows where its password stands.
    let Ok(mut url) = Url::parse(database_url) else { return "(set, not shown)".to_owned() };
    if url.password().is_some() {
        let _ = url.set_password(Some("***"));
    }
    // Decoded, as who connects reads them.
    if url.query_pairs().any(|(name, _)| name.to_lowercase().contains("password")) {
        url.set_query(Some("***"));
    }
    url.to_string()
}

/// The address stands twice in each token: with a longer one, a cookie that carries an RS256 token would pass 1 KiB.
const PUBLIC_URL_MAX: usize = 100;

fn public_url(text: &str, allow_insecure_http: bool) -> Option<PublicUrl> {
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
    (bare && origin.len() <= PUBLIC_URL_MAX).then_some(PublicUrl { origin, https })
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}
