//! The table of settings, read one by one: what is wrong with them is told all at once.

use std::collections::BTreeMap;

use ::figment::error::Kind;
use ::figment::value::{Dict, Value};
use ::figment::{Figment, Profile};

use super::{ConfigError, ENV_PREFIX, Shown, TABLE};

/// The table of settings while it is being read: what is left over at the end is unknown.
pub struct Settings<'f> {
    figment: &'f Figment,
    given: BTreeMap<String, Value>,
    known: Vec<&'static str>,
    pub faults: Vec<String>,
    shown: Vec<Shown>,
}

impl<'f> Settings<'f> {
    pub fn new(figment: &'f Figment) -> Result<Self, ConfigError> {
        let given = match figment.find_value(TABLE) {
            Ok(Value::Dict(_, settings)) => settings,
            Ok(_) => return Err(ConfigError(vec![format!("{TABLE}: must be a table, as in [default.{TABLE}]")])),
            Err(error) if error.missing() => Dict::new(),
            Err(error) => return Err(ConfigError(vec![in_words(error)])),
        };
        Ok(Self { figment, given, known: Vec::new(), faults: rocket_faults(figment), shown: Vec::new() })
    }

    /// A bad value is noted and the default stands in for it, so that one run names every fault.
    pub fn read<T>(
        &mut self,
        name: &'static str,
        default: &str,
        allowed: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> T {
        self.known.push(name);
        let given = self.given.remove(name);
        let (text, source) = match &given {
            Some(value) => (as_text(value), self.source(name, value)),
            None => (Some(default.to_owned()), "default".to_owned()),
        };
        if let Some(text) = text
            && let Some(parsed) = parse(&text)
        {
            self.shown.push(Shown { name, value: text, source });
            return parsed;
        }
        self.faults.push(format!("{name} (from {source}): this value is not allowed. Allowed: {allowed}."));
        parse(default).expect("a default is allowed")
    }

    fn source(&self, name: &str, value: &Value) -> String {
        match self.figment.get_metadata(value.tag()) {
            Some(from) if from.name == "the environment" => format!("{ENV_PREFIX}{}", name.to_uppercase()),
            Some(from) => from.source.as_ref().map_or_else(|| from.name.to_string(), ToString::to_string),
            None => "the program".to_owned(),
        }
    }

    pub fn finish(mut self) -> Result<Vec<Shown>, ConfigError> {
        let known = self.known.join(", ");
        for (name, value) in &self.given {
            let source = self.source(name, value);
            self.faults.push(format!("{name} (from {source}): there is no such setting. Settings are: {known}."));
        }
        if self.faults.is_empty() { Ok(self.shown) } else { Err(ConfigError(self.faults)) }
    }
}

/// What is wrong with the settings that are Rocket's: it would only say that something is.
fn rocket_faults(figment: &Figment) -> Vec<String> {
    let whole = Figment::from(rocket::Config::default()).merge(figment).select(figment.profile().clone());
    let bad = whole.extract::<rocket::Config>().err().into_iter().flatten().map(in_words);
    // Rocket takes a table of the file for a profile, and one that is not selected for nothing.
    let profile = Profile::new(TABLE);
    let misplaced = (figment.profile() != profile && figment.profiles().any(|given| *given == profile))
        .then(|| format!("[{TABLE}]: this table would have no effect. Its name must be [default.{TABLE}]."));
    bad.chain(misplaced).collect()
}

/// Of a file that cannot be read as settings, the message repeats what stands in the wrong place: perhaps the secret.
fn in_words(mut error: ::figment::Error) -> String {
    if let Kind::Message(message) = &mut error.kind
        && message.starts_with("TOML parse error")
    {
        let place = message.lines().next().unwrap_or_default();
        *message = format!("{place} (what stands there is not shown: it may be a secret)");
    }
    error.to_string()
}

/// Text, a number, a truth value or a list of them, as one text; tables are no setting's form.
fn as_text(value: &Value) -> Option<String> {
    match value {
        Value::String(_, text) => Some(text.clone()),
        Value::Bool(_, truth) => Some(truth.to_string()),
        Value::Num(_, number) => number
            .to_i128()
            .map(|number| number.to_string())
            .or_else(|| number.to_u128().map(|number| number.to_string()))
            .or_else(|| number.to_f64().map(|number| number.to_string())),
        Value::Array(_, values) => values.iter().map(as_text).collect::<Option<Vec<_>>>().map(|texts| texts.join(",")),
        _ => None,
    }
}
