//! `Rocket.toml`.

use hallpass::config::{Config, ConfigError};
use rocket::figment::providers::{Format, Toml};
use rocket::figment::value::Value;
use rocket::figment::{Figment, Provider};
use url::Url;

/// Stands for a secret.
const MARKER: &str = "hunter2hunter2hunter2hunter2hunter2";
/// Settings whose values are not told.
const SECRET: [&str; 2] = ["secret", "database_url"];

pub fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let figment = Figment::from(rocket::Config::default()).merge(Toml::string(&text).nested());
    match Config::read(&figment) {
        Ok(config) => {
            is_usable(&config);
            shows_no_secret(&config);
        }
        Err(error) => tells_no_secret(&figment, &error),
    }
}

/// What the rest of the program takes for granted.
fn is_usable(config: &Config) {
    let origin = Url::parse(config.public_url.origin()).expect("a URL");
    assert_eq!(origin.origin().ascii_serialization(), config.public_url.origin());
    assert!(config.public_url.origin().len() <= 100);
    assert_eq!(config.public_url.is_https(), origin.scheme() == "https");
    assert!(config.secret.iter().all(|secret| secret.expose().len() >= 32));
    let seconds = [
        config.access_token_ttl_seconds,
        config.refresh_token_ttl_seconds,
        config.session_max_seconds,
        config.refresh_grace_seconds,
    ];
    assert!(seconds.iter().all(|seconds| (1..=u32::MAX.into()).contains(seconds)), "{seconds:?}");
    assert!((8..=64).contains(&config.password_min_length));
    assert!(config.argon2_memory_kib >= 8 * config.argon2_parallelism && config.argon2_parallelism >= 1);
    assert!((1..=60).contains(&config.site_name.chars().count()) && !config.site_name.contains(char::is_control));
    for allowed in &config.cors_origins {
        assert_eq!(Url::parse(allowed).expect("a URL").origin().ascii_serialization(), *allowed);
    }
    let network = config.database_url.split_once("://").map(|(scheme, _)| scheme);
    assert!(config.is_sqlite() || matches!(network, Some("postgres" | "postgresql")), "{}", config.database_url);
}

fn shows_no_secret(config: &Config) {
    let shown = |name: &str| config.shown().iter().find(|shown| shown.name == name).expect("each setting is shown");
    assert!(matches!(shown("secret").value.as_str(), "" | "(set, not shown)"));
    for secret in &config.secret {
        assert!(!format!("{config:?}").contains(&format!("Secret({:?})", secret.expose())));
    }
    // A file's address has no password, however it may look.
    if config.is_sqlite() {
        return;
    }
    // As sqlx finds it: before the host, or in the query, with any of its letters encoded.
    let Ok(url) = Url::parse(&shown("database_url").value) else { return };
    let in_query =
        url.query_pairs().find(|(name, value)| name.to_lowercase().contains("password") && !value.is_empty());
    assert!(url.password().is_none_or(|password| password == "***"), "{url}");
    assert!(in_query.is_none(), "{url}");
}

fn tells_no_secret(figment: &Figment, error: &ConfigError) {
    // Of a file that cannot be read nobody knows what is secret.
    let is_elsewhere = figment.data().is_ok_and(|mut profiles| {
        profiles.values_mut().any(|table| {
            // Others that are called so are none: `[default.limits]` may have a `secret` of Rocket's.
            if let Some(Value::Dict(_, settings)) = table.get_mut("hallpass") {
                settings.retain(|name, _| !SECRET.contains(&name.as_str()));
            }
            has_marker(&Value::from(table.clone()))
        })
    });
    assert!(is_elsewhere || !error.to_string().contains(MARKER), "{error}");
}

fn has_marker(value: &Value) -> bool {
    match value {
        Value::String(_, text) => text.contains(MARKER),
        Value::Array(_, values) => values.iter().any(has_marker),
        Value::Dict(_, table) => table.iter().any(|(name, value)| name.contains(MARKER) || has_marker(value)),
        _ => false,
    }
}
