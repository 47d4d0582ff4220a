//! A site moves to another database: on SQLite to another file, on PostgreSQL from a file to a server.

use serde_json::Value;

use crate::helpers::{Database, EMAIL, Server, WireBrowser};

/// A server on SQLite, whichever engine the tests are for, in which somebody is logged in; it is stopped.
fn site() -> (Server, WireBrowser, String) {
    let mut server = Server::prepare(&[]);
    let source = format!("sqlite:{}", server.folder().join("source.db").display());
    server.set("HALLPASS_DATABASE_URL", Some(&source));
    server.add_user();
    server.launch();
    let mut browser = WireBrowser::new(&server);
    browser.log_in();
    assert!(server.stop());
    (server, browser, source)
}

fn says(server: &Server, arguments: &[&str], status: i32) -> String {
    let done = server.run(arguments);
    let said = format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert_eq!(done.status.code(), Some(status), "{said}");
    assert!(!said.contains("panicked"), "{said}");
    said
}

#[test]
fn everybody_stays_logged_in() {
    let (mut server, mut browser, source) = site();
    let target = Database::new(&server.folder().join("target.db")).url();
    let users = says(&server, &["user", "list"], 0);
    let sessions = says(&server, &["session", "list"], 0);
    let keys = says(&server, &["key", "list"], 0);
    let before = std::fs::read(server.folder().join("source.db")).expect("the source");

    let said = says(&server, &["migrate", "--from", &source, "--to", &target], 0);
    assert!(
        said.contains("users\t1\n") && said.contains("sessions\t1\n") && said.contains("signing_keys\t1\n"),
        "{said}"
    );
    assert!(std::fs::read(server.folder().join("source.db")).expect("the source") == before, "the source was changed");

    server.set("HALLPASS_DATABASE_URL", Some(&target));
    assert_eq!(says(&server, &["user", "list"], 0), users);
    assert_eq!(says(&server, &["session", "list"], 0), sessions);
    assert_eq!(says(&server, &["key", "list"], 0), keys);
    server.launch();
    assert_eq!(browser.get("/account").status, 200, "by the access token");
    browser.jar.remove("access_token");
    let page = browser.get("/account");
    assert!(page.status == 200 && page.delivers() && page.has(EMAIL), "by the refresh token: {page:?}");
    WireBrowser::new(&server).log_in();
    let kids = browser.get("/.well-known/jwks.json").body;
    assert_eq!(serde_json::from_str::<Value>(&kids).expect("JSON")["keys"].as_array().map(Vec::len), Some(1));
}

#[test]
fn a_target_that_is_not_empty_is_refused_and_left_alone() {
    let (mut server, _, source) = site();
    let database = Database::new(&server.folder().join("target.db"));
    let target = database.url();
    server.set("HALLPASS_DATABASE_URL", Some(&target));
    let added = server.run_with_input(&["user", "add", "bo@example.org"], "another long enough password");
    assert!(added.status.success(), "{added:?}");
    let before = database.content();
    // The target is the setting, if it is not said.
    let said = says(&server, &["migrate", "--from", &source], 1);
    assert!(said.contains("users") && said.contains("empty"), "{said}");
    assert!(database.content() == before);
}

#[test]
fn what_cannot_be_moved_is_told_and_nothing_is_made() {
    let (mut server, _, source) = site();
    let database = Database::new(&server.folder().join("target.db"));
    let target = database.url();
    let nowhere = format!("sqlite:{}", server.folder().join("nowhere.db").display());
    let cases: [(&[&str], &str); 5] = [
        (&["migrate", "--from", &nowhere, "--to", &target], "nowhere.db"),
        (&["migrate", "--from", "mysql://h/x", "--to", &target], "--from"),
        (&["migrate", "--from", &source, "--to", "data.db"], "--to"),
        (&["migrate", "--from", &source, "--to", &source], "already"),
        (&["migrate", "--from", &source, "--to", "postgres://nobody:hidden@localhost:1/x"], "cannot open the database"),
    ];
    for (arguments, word) in cases {
        let said = says(&server, arguments, 1);
        assert!(said.contains(word) && !said.contains("hidden"), "{arguments:?}: {said}");
    }
    assert!(!server.folder().join("nowhere.db").exists());
    assert_eq!(server.run(&["migrate", "--to", &target]).status.code(), Some(2));

    server.set("HALLPASS_SECRET", Some("another secret of thirty-two characters or more"));
    assert!(says(&server, &["migrate", "--from", &source, "--to", &target], 1).contains("master secret"));
    server.set("HALLPASS_SECRET", None);

    server.launch();
    let began = std::time::Instant::now();
    while server.run(&["node", "list"]).stdout.is_empty() {
        assert!(began.elapsed().as_secs() < 20, "it does not say that it runs");
    }
    let said = says(&server, &["migrate", "--from", &source, "--to", &target], 1);
    assert!(said.contains("a server runs on the source"), "{said}");
    assert!(server.stop());
    says(&server, &["migrate", "--from", &source, "--to", &target], 0);
}
