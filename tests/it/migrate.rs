//! A site moves to another database: on SQLite to another file, on PostgreSQL from a file to a server.

use hallpass::auth::Site;
use hallpass::clock::Clock;
use hallpass::config::Config;
use hallpass::id::BrowserId;
use hallpass::personal_tokens::Draft;
use serde_json::Value;
use sqlx::{Connection, Executor};

use crate::helpers::{Database, EMAIL, Server, WireBrowser, on_postgres};

/// Of no password that anybody knows.
const HASH: &str = "pbkdf2_sha256$1$salt$zNPL2dTKDjvZyJah4n1m1XNL6xjcMBIhtIhttptzd98=";

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

/// Rows in every table, more than are copied at once, with nulls and without.
async fn fill(server: &Server, source: &str) -> String {
    let rows: String =
        (0..450).map(|number| format!("user{number}@example.org,\"Ünï 🦊 {number}\",{HASH}\n")).collect();
    std::fs::write(server.folder().join("people.csv"), format!("email,name,password_hash\n{rows}")).expect("written");
    says(server, &["user", "import", "people.csv"], 0);
    says(server, &["user", "lock", "user1@example.org"], 0);
    says(server, &["user", "make-admin", "user2@example.org"], 0);
    let secret_file = server.folder().join("data/hallpass.secret").display().to_string();
    let figment =
        hallpass::figment().merge(("hallpass.database_url", source)).merge(("hallpass.secret_file", secret_file));
    let site = Site::open(Config::read(&figment).expect("settings"), Clock::system()).await.expect("a site");
    let owner = site.accounts.by_email(EMAIL).await.expect("the account");
    let client = crate::personal_tokens::client();
    let mut texts = Vec::new();
    for name in ["kept", "revoked"] {
        let draft = Draft::check(name, &["read"], 30, false).expect("no faults");
        let created = site.personal_tokens.create(&owner.id, owner.password_changed_at, draft, &client).await;
        texts.push(created.expect("a token").1);
    }
    assert!(site.personal_tokens.revoke_by_token(&texts[1], &client).await.expect("an answer"));
    site.accounts.issue_setup_token().await.expect("a token");
    let browser = BrowserId::random();
    site.accounts.remember_browser(&owner.id, &browser).await.expect("remembered");
    assert!(site.accounts.authenticate("user3@example.org", "a wrong guess of somebody", &client).await.is_err());
    site.db.close().await;
    texts.swap_remove(0)
}

#[rocket::async_test]
async fn everybody_stays_logged_in() {
    let (mut server, mut browser, source) = site();
    let database = Database::new(&server.folder().join("target.db"));
    let target = database.url();
    let token = fill(&server, &source).await;
    let users = says(&server, &["user", "list"], 0);
    let sessions = says(&server, &["session", "list"], 0);
    let keys = says(&server, &["key", "list"], 0);
    let before = std::fs::read(server.folder().join("source.db")).expect("the source");

    let said = says(&server, &["migrate", "--from", &source, "--to", &target], 0);
    assert!(said.contains("users\t451\n") && said.contains("sessions\t1\n"), "{said}");
    assert!(!said.contains("\t0\n"), "a table was not tried: {said}");
    assert!(std::fs::read(server.folder().join("source.db")).expect("the source") == before, "the source was changed");

    if on_postgres() {
        let rows = sqlx::query_scalar("select cast(reltuples as bigint) from pg_class where oid = 'users'::regclass");
        let rows: i64 = rows.fetch_one(&mut database.connect().await).await.expect("what the planner knows");
        assert_eq!(rows, 451, "plans for empty tables");
    }

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
    let allowed = browser.with_header("Authorization", &format!("Bearer {token}"), "/api/me");
    assert_eq!(allowed.status, 200, "by the personal access token");
    let kids = browser.get("/.well-known/jwks.json").body;
    assert_eq!(serde_json::from_str::<Value>(&kids).expect("JSON")["keys"].as_array().map(Vec::len), Some(1));
    assert!(server.stop());

    // And back again.
    let back = format!("sqlite:{}", server.folder().join("back.db").display());
    says(&server, &["migrate", "--from", &target, "--to", &back], 0);
    server.set("HALLPASS_DATABASE_URL", Some(&back));
    assert_eq!(says(&server, &["user", "list"], 0), users);
    server.launch();
    assert_eq!(browser.get("/account").status, 200);
}

#[rocket::async_test]
async fn a_target_of_another_program_is_refused_and_left_alone() {
    let (server, _, source) = site();
    let database = Database::new(&server.folder().join("target.db"));
    let mut connection = database.connect_new().await;
    connection.execute("create table recipes (name text)").await.expect("a table");
    let said = says(&server, &["migrate", "--from", &source, "--to", &database.url()], 1);
    assert!(said.contains("recipes") && said.contains("Nothing was changed"), "{said}");
    connection.execute("select name from recipes").await.expect("the table");
    assert!(connection.execute("select id from users").await.is_err(), "a table was made");
    connection.close().await.expect("closed");
}

#[test]
fn a_source_that_is_no_site_or_an_older_one_is_told() {
    let (server, _, _) = site();
    let target = Database::new(&server.folder().join("target.db")).url();
    std::fs::write(server.folder().join("empty.db"), "").expect("written");
    let empty = format!("sqlite:{}", server.folder().join("empty.db").display());
    let said = says(&server, &["migrate", "--from", &empty, "--to", &target], 1);
    assert!(said.contains("hallpass migrate") && said.contains("Nothing was changed"), "{said}");
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
    let spelt_otherwise = format!("sqlite:{}/../source.db", server.folder().join("data").display());
    let cases: [(&[&str], &str); 6] = [
        (&["migrate", "--from", &source, "--to", &spelt_otherwise], "already"),
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
    let new = format!("sqlite:{}", server.folder().join("new.db").display());
    assert!(says(&server, &["migrate", "--from", &source, "--to", &new], 1).contains("master secret"));
    assert!(!server.folder().join("new.db").exists(), "a file was left behind");
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
