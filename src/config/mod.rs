//! The only reader of settings. Everything is checked before anything starts.

mod database_url;
mod figment;
mod public_url;
mod secret;
mod settings;

use std::net::IpAddr;
use std::path::PathBuf;

use ::figment::Figment;
use ipnet::IpNet;
use url::Url;

use crate::clock::Seconds;
use crate::named::named;
#[cfg(test)]
pub(crate) use figment::defaults;
pub use figment::figment;
pub use public_url::PublicUrl;
pub use secret::Secret;
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
                |text| PublicUrl::parse(text, allow_insecure_http),
            ),
            database_url: settings.read(
                "database_url",
                "sqlite:data/hallpass.db",
                "sqlite:PATH or postgres://USER@HOST/NAME, with sslmode, sslrootcert and other parameters of libpq that sqlx knows",
                database_url::parse,
            ),
            database_connections: settings.read("database_connections", "automatic", "automatic, or 1 to 1000", |text| {
                if text == "automatic" { Some(None) } else { number(text, 1, 1000).map(Some) }
            }),
            database_timeout_seconds: settings.read("database_timeout_seconds", "5", "1 to 5 seconds", |text| number(text, 1, DATABASE_TIMEOUT_MAX_SECONDS as i64)),
            secret: settings.read(
                "secret",
                "",
                "text of 32 characters or more (for example from `openssl rand -hex 32`); several, separated by commas, while one replaces another",
                |text| each(text, Secret::parse),
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
                line.value = database_url::without_password(&line.value);
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
        Some(Self { database_url: database_url::parse(url)?, ..self.clone() })
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
