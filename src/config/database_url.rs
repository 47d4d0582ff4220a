//! The setting `database_url`: which addresses are one, and how one is shown.

use url::Url;

/// None unless the engine is known and would understand all of it.
pub fn parse(text: &str) -> Option<String> {
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

pub fn without_password(database_url: &str) -> String {
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
