//! Where settings come from: Rocket.toml and the environment.

use ::figment::providers::{Env, Format, Toml};
use ::figment::value::{Dict, Map, Value};
use ::figment::{Figment, Metadata, Profile, Provider};
use rocket::config::{Ident, LogLevel, Shutdown};

use super::{ENV_PREFIX, TABLE};

/// Rocket's own settings (Rocket.toml, `ROCKET_*`), ours on top (`[default.hallpass]`, `HALLPASS_*`).
pub fn figment() -> Figment {
    defaults()
        .merge(Toml::file(Env::var_or("ROCKET_CONFIG", "Rocket.toml")).nested())
        .merge(Env::prefixed("ROCKET_").ignore(&["PROFILE"]).global())
        .select(Profile::from_env_or("ROCKET_PROFILE", rocket::Config::DEFAULT_PROFILE))
        .merge(Environment)
}

/// What holds where nothing is set.
pub(crate) fn defaults() -> Figment {
    Figment::from(rocket::Config {
        // A header that any visitor can send: proxies are a setting of ours.
        ip_header: None,
        ident: Ident::none(),
        // Its lines repeat ours, with the query, where secrets may stand.
        log_level: LogLevel::Off,
        // Requests in flight are finished; log-ins take the longest.
        shutdown: Shutdown { grace: 10, ..Shutdown::default() },
        ..rocket::Config::default()
    })
}

/// `HALLPASS_*` variables as plain text: figment's own provider would read a secret of digits as a number.
struct Environment;

impl Provider for Environment {
    fn metadata(&self) -> Metadata {
        Metadata::named("the environment")
            .interpolater(|_, keys| format!("{ENV_PREFIX}{}", keys.last().unwrap_or(&"").to_uppercase()))
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        let settings: Dict = std::env::vars_os()
            .filter_map(|(name, value)| {
                let name = name.to_str()?.strip_prefix(ENV_PREFIX)?.to_lowercase();
                Some((name, Value::from(value.to_string_lossy().into_owned())))
            })
            .collect();
        if settings.is_empty() {
            return Ok(Map::new());
        }
        let table = Dict::from([(TABLE.to_owned(), Value::from(settings))]);
        Ok(Map::from([(Profile::Global, table)]))
    }
}
