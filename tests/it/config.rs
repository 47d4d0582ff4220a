//! Settings: each is checked before anything starts, and what is wrong is said all at once.

use std::fs;

use crate::helpers::{Server, WireBrowser, only_on_sqlite};

/// Settings with values that are not allowed, and a word of what is.
#[rustfmt::skip]
const BAD: [(&str, &[&str], &str); 21] = [
    ("public_url", &["example.org", "ftp://example.org", "https://example.org/path", "https://u:p@example.org", "https://example.org/?q", ""], "https://example.org"),
    ("database_url", &["mysql://h/db", "sqlite:", "sqlite::memory:", "", "data.db", "postgres://u@h/db?sslmod=verify-full", "postgres://u@h/db?sslpassword=x"], "sqlite:PATH"),
    ("database_connections", &["0", "1001", "many", ""], "automatic, or 1 to 1000"),
    ("shutdown_delay_seconds", &["-1", "301", "x"], "0 to 300"),
    ("database_timeout_seconds", &["0", "6", "x"], "1 to 5"),
    ("secret", &["too short", "0123456789abcdef0123456789abcdef,short"], "32 characters"),
    ("secret_file", &["", "  "], "a path"),
    ("site_name", &["", "  ", "0123456789012345678901234567890123456789012345678901234567890", "a\u{7}b"], "1 to 60"),
    ("registration", &["maybe", "Open", ""], "open, invited, closed"),
    ("access_token_ttl_seconds", &["0", "-1", "1.5", "15m", "", "99999999999999999999"], "at least 1"),
    ("refresh_token_ttl_seconds", &["0", "x"], "at least 1"),
    ("session_max_seconds", &["0", "x"], "at least 1"),
    ("refresh_grace_seconds", &["0", "x"], "at least 1"),
    ("signing_algorithm", &["HS256", "none", "eddsa"], "EdDSA, ES256, RS256"),
    ("cors_origins", &["https://app.example.org/", "*", "app.example.org"], "https://app.example.org"),
    ("trusted_proxies", &["10.0.0.0/40", "proxy.example.org"], "10.0.0.0/8"),
    ("argon2_memory_kib", &["7", "4194305", "lots"], "8 to 4194304"),
    ("argon2_iterations", &["0", "1001"], "1 to 1000"),
    ("argon2_parallelism", &["0", "65"], "1 to 64"),
    ("password_min_length", &["7", "65"], "8 to 64"),
    ("log_format", &["xml"], "text, json"),
];

fn variable(name: &str) -> String {
    format!("HALLPASS_{}", name.to_uppercase())
}

fn write(server: &Server, toml: &str) {
    fs::write(server.folder().join("Rocket.toml"), toml).expect("a file");
}

/// The refusal's line on a setting.
fn line<'s>(said: &'s str, name: &str) -> &'s str {
    let is_on =
        |line: &&str| line.strip_prefix(&format!("  - {name}")).is_some_and(|rest| rest.starts_with([' ', ':']));
    said.lines().find(is_on).unwrap_or_else(|| panic!("nothing on {name}: {said}"))
}

#[test]
fn a_bad_value_is_refused_before_anything_starts_with_its_name_its_source_and_what_is_allowed() {
    let mut server = Server::prepare(&[]);
    for (name, values, allowed) in BAD {
        for value in values {
            server.set(&variable(name), Some(value));
            let said = server.refusal();
            let line = line(&said, name);
            assert!(line.contains(&variable(name)) && line.contains(allowed), "{value:?}: {line}");
            assert_eq!(said.matches("  - ").count(), 1, "{value:?}: {said}");
        }
        server.set(&variable(name), None);
    }
    assert!(server.is_untouched(), "something was made");
}

#[test]
fn all_faults_are_named_at_once_whatever_their_source() {
    let mut server = Server::prepare(&[]);
    for (name, values, _) in BAD {
        server.set(&variable(name), Some(values[0]));
    }
    server.set("HALLPASS_ALLOW_INSECURE_HTTP", Some("perhaps"));
    server.set("HALLPASS_PUBLIC_URI", Some("https://example.org"));
    server.set("ROCKET_KEEP_ALIVE", Some("always"));
    write(&server, "[default.hallpass]\nsite_nam = \"x\"\n[default.hallpass.more]\nx = 1\n");
    let said = server.refusal();
    for (name, ..) in BAD {
        assert!(line(&said, name).contains(&variable(name)));
    }
    line(&said, "allow_insecure_http (from HALLPASS_ALLOW_INSECURE_HTTP)");
    assert!(said.contains("KEEP_ALIVE") && said.contains("ROCKET_"), "{said}");
    for (name, source) in [("public_uri", "HALLPASS_PUBLIC_URI"), ("site_nam", "Rocket.toml"), ("more", "Rocket.toml")]
    {
        let line = line(&said, name);
        assert!(line.contains("no such setting") && line.contains(source), "{line}");
        // The right names stand there, those with a fault too.
        assert!(line.contains("public_url") && line.contains("site_name"), "{line}");
    }
    // A command is as strict as the server.
    let listed = server.run(&["user", "list"]);
    assert_eq!(listed.status.code(), Some(78));
    assert_eq!(String::from_utf8_lossy(&listed.stderr), said);
}

#[test]
fn settings_that_only_contradict_each_other_are_refused_too() {
    let mut server = Server::prepare(&[("HALLPASS_ARGON2_MEMORY_KIB", "64"), ("HALLPASS_ARGON2_PARALLELISM", "16")]);
    assert!(line(&server.refusal(), "argon2_memory_kib").contains("argon2_parallelism"));
    server.set("HALLPASS_SITE_NAME", Some(""));
    assert_eq!(server.refusal().matches("  - ").count(), 2);
}

#[test]
fn a_file_that_says_nothing_sensible_is_refused() {
    if !only_on_sqlite("the address of the database would be a second source of settings") {
        return;
    }
    let server = Server::prepare(&[]);
    let cases = [
        ("[default\nx", "Rocket.toml"),
        ("hallpass = 3", "Rocket.toml"),
        ("[default]\nhallpass = 3", "table"),
        ("[hallpass]\nsite_name = \"x\"", "[default.hallpass]"),
        ("[default.hallpass]\nsecret = 1234567890123456789", "Rocket.toml"),
        ("[default]\nkeep_alive = \"always\"", "keep_alive"),
    ];
    for (toml, word) in cases {
        write(&server, toml);
        let said = server.refusal();
        assert!(said.contains(word) && !said.contains("panicked"), "{toml}: {said}");
    }
    for toml in [
        "[default.hallpass]\nsecret = \"0123456789abcdef-SECRET",
        "[default.hallpass]\nsecret = 0123456789abcdef-SECRET\n",
        "[default.hallpass]\nsecret 0123456789abcdef-SECRET",
        "# The table is missing.\nsecret = \"0123456789abcdef-0123456789abcdef-SECRET\"",
    ] {
        write(&server, toml);
        let said = server.refusal();
        assert!(said.contains("line 2") && said.contains("Rocket.toml"), "{said}");
        assert!(!said.contains("SECRET"), "what may be a secret is told: {said}");
    }
    for (name, value, word) in [("ROCKET_ADDRESS", "nowhere", "ADDRESS"), ("ROCKET_PORT", "70000", "PORT")] {
        let mut server = Server::prepare(&[]);
        server.set(name, Some(value));
        let said = server.refusal();
        assert!(said.contains(word) && said.contains("ROCKET_"), "{said}");
    }
}

#[test]
fn http_is_for_this_machine_alone_unless_the_risk_is_accepted_in_words() {
    let mut server = Server::prepare(&[("HALLPASS_PUBLIC_URL", "http://example.org")]);
    let said = server.refusal();
    assert!(line(&said, "public_url").contains("allow_insecure_http"), "{said}");
    for local in ["http://localhost:8000", "http://app.localhost", "http://127.0.0.1:1", "http://[::1]"] {
        server.set("HALLPASS_PUBLIC_URL", Some(local));
        assert!(server.run(&["config"]).status.success(), "{local}");
    }
    server.set("HALLPASS_PUBLIC_URL", Some("http://localhost.example.org"));
    server.refusal();
    server.set("HALLPASS_ALLOW_INSECURE_HTTP", Some("true"));
    server.add_user();
    server.launch();
    assert!(server.greeting.contains("http://localhost.example.org"), "{}", server.greeting);
    assert_eq!(WireBrowser::new(&server).get("/").status, 200);
}

#[test]
fn the_effective_settings_are_shown_with_their_sources_and_without_secrets() {
    let mut server = Server::prepare(&[
        ("HALLPASS_SECRET", "0123456789abcdef-SECRET-0123456789abcdef"),
        ("HALLPASS_SITE_NAME", "From outside"),
    ]);
    write(&server, "[default.hallpass]\nsite_name = \"From the file\"\naccess_token_ttl_seconds = 60\n");
    let shown = |server: &Server| {
        let output = server.run(&["config"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let all = shown(&server);
    let setting = |name: &str| {
        let line = all.lines().find(|line| line.split(' ').next() == Some(name));
        line.unwrap_or_else(|| panic!("no {name}: {all}")).split_once('=').expect("a value").1.trim().to_owned()
    };
    for (name, ..) in BAD {
        setting(name);
    }
    assert_eq!(setting("site_name"), "From outside  (HALLPASS_SITE_NAME)");
    assert_eq!(setting("access_token_ttl_seconds"), "60  (Rocket.toml)");
    assert_eq!(setting("refresh_token_ttl_seconds"), "2592000  (default)");
    assert_eq!(setting("secret"), "(set, not shown)  (HALLPASS_SECRET)");
    assert_eq!(setting("public_url"), format!("http://localhost:{}  (default)", server.port()));
    assert!(!all.contains("SECRET-"));
    for url in [
        "postgres://ann:hunter2@db.example.org/hallpass",
        "postgres://db.example.org/hallpass?user=ann&password=hunter2",
        "postgres://db.example.org/hallpass?user=ann&p%61ssw%6Frd=hunter2",
    ] {
        server.set("HALLPASS_DATABASE_URL", Some(url));
        let all = shown(&server);
        assert!(all.contains("(HALLPASS_DATABASE_URL)") && !all.contains("hunter2"), "{all}");
    }
    // Of an address that cannot be read nobody knows where its password stands.
    server.set("HALLPASS_DATABASE_URL", Some("postgres://ann:a#hunter2@db.example.org/hallpass"));
    let output = server.run(&["config"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(78) && said.contains("database_url") && !said.contains("hunter2"), "{said}");
    assert!(!server.folder().join("data/hallpass.db").exists(), "showing settings has made a database");
}
