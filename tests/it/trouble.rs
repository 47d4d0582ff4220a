//! What goes wrong outside the program: a locked, unreadable, newer or full database. Nothing is lost, nobody is
//! logged out, and the words say what to do.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::{Duration, Instant};

use sqlx::{AnyConnection, Connection};

use crate::helpers::{EMAIL, PASSWORD, Page, Server, WireBrowser, encode, only_on_sqlite};

const NOBODY: u32 = 65534;

fn logged_in(settings: &[(&str, &str)]) -> (Server, WireBrowser) {
    let mut server = Server::prepare(settings);
    server.add_user();
    server.launch();
    let mut browser = WireBrowser::new(&server);
    browser.log_in();
    (server, browser)
}

fn submit(browser: &mut WireBrowser, page: &Page, action: &str, fields: &[(&str, &str)]) -> Page {
    let body = encode(&page.form(action).filled(fields));
    browser.send("POST", action, Some(&body)).expect("an answer")
}

/// 503 in words, with Retry-After, and the cookies left alone.
fn is_unavailable(page: &Page) {
    assert_eq!(page.status, 503, "{page:?}");
    assert!(page.header("retry-after").is_some_and(|after| after.parse::<u32>().is_ok_and(|s| s > 0)), "{page:?}");
    assert!(page.has("nothing that was saved is lost") && page.has("try again"), "{}", page.body);
    let tokens = ["access_token", "refresh_token"];
    let touched = page.set_cookie_lines().into_iter().any(|line| tokens.iter().any(|name| line.starts_with(name)));
    assert!(!touched, "{:?}", page.set_cookie_lines());
}

#[rocket::async_test]
async fn while_the_database_is_locked_reads_go_on_writes_are_answered_503_and_nobody_is_logged_out() {
    let (server, mut browser) = logged_in(&[]);
    let mut rotating = browser.clone();
    rotating.jar.remove("access_token");
    let account = browser.get("/account");

    let lock = server.database().lock().await;
    let locked = Instant::now();
    for path in ["/account", "/account/sessions", "/", "/login", "/healthz", "/readyz", "/.well-known/jwks.json"] {
        let began = Instant::now();
        let status = browser.get(path).status;
        assert!(matches!(status, 200 | 303), "{path}: {status}");
        assert!(began.elapsed() < Duration::from_secs(2), "{path} waited for the lock: {:?}", began.elapsed());
    }
    // At once, as visitors come: a rotation, a form, a log-in.
    let mut writers = [browser.clone(), rotating.clone(), WireBrowser::new(&server)];
    let [profile, rotation, log_in] = &mut writers;
    log_in.get("/login");
    let answers: Vec<(Page, Duration)> = std::thread::scope(|scope| {
        let timed = |work: &mut dyn FnMut() -> Page| {
            let began = Instant::now();
            (work(), began.elapsed())
        };
        let threads = [
            scope.spawn(move || timed(&mut || submit(profile, &account, "/account/profile", &[("name", "Ann B.")]))),
            scope.spawn(move || timed(&mut || rotation.get("/account"))),
            scope.spawn(move || {
                let fields = [("email", EMAIL), ("password", PASSWORD)];
                let page = log_in.get("/login");
                timed(&mut || submit(log_in, &page, "/login", &fields))
            }),
        ];
        threads.map(|thread| thread.join().expect("an answer")).into()
    });
    for (page, waited) in &answers {
        is_unavailable(page);
        assert!(*waited < Duration::from_secs(8), "{}: {waited:?}", page.path);
    }
    let slowest = answers.iter().map(|(_, waited)| *waited).max().expect("answers");
    println!("slowest answer under the lock: {slowest:?}");
    std::thread::sleep(Duration::from_secs(10).saturating_sub(locked.elapsed()));
    lock.release().await;

    assert!(browser.get("/account").has("Ann Example"), "a write that was refused has happened");
    let page = rotating.get("/account");
    assert!(page.status == 200 && page.delivers(), "logged out by a locked database");
    let page = browser.get("/account");
    let saved = submit(&mut browser, &page, "/account/profile", &[("name", "Ann B.")]);
    assert_eq!(saved.status, 303);
    assert!(browser.get("/account").has("Ann B."));
}

#[rocket::async_test]
async fn a_database_from_a_newer_version_is_refused_and_left_alone() {
    let (mut server, mut browser) = logged_in(&[]);
    assert!(server.stop());
    change(&server, LATER).await;
    change(&server, "update compatibility set oldest_migration = 9999").await;
    let before = server.database().content();
    let said = server.refusal();
    assert!(said.contains("newer version") && said.contains("9999") && said.contains("Nothing was changed"), "{said}");
    for command in [&["migrate"][..], &["user", "list"]] {
        let output = server.run(command);
        assert_eq!(output.status.code(), Some(1));
        assert!(String::from_utf8_lossy(&output.stderr).contains("newer version"), "{output:?}");
    }
    assert!(server.database().content() == before);
    change(&server, "delete from _sqlx_migrations where version = 9999").await;
    server.launch();
    assert_eq!(browser.get("/account").status, 200);
}

#[rocket::async_test]
async fn a_newer_version_that_has_only_added_something_leaves_this_one_at_work() {
    let (mut server, mut browser) = logged_in(&[]);
    // While it runs, and when it is started again.
    change(&server, LATER).await;
    change(&server, "alter table users add column pronouns text").await;
    let page = browser.get("/account");
    assert_eq!(submit(&mut browser, &page, "/account/profile", &[("name", "Ann B.")]).status, 303);
    WireBrowser::new(&server).log_in();
    assert!(server.stop());
    server.launch();
    assert!(browser.get("/account").has("Ann B."));
    WireBrowser::new(&server).log_in();
    assert_eq!(server.run(&["user", "list"]).status.code(), Some(0));
}

const LATER: &str =
    "insert into _sqlx_migrations (version, description, installed_on, success, checksum, execution_time)
     values (9999, 'of a later version', '2030-01-01 00:00:00', true, '', 1)";

async fn change(server: &Server, statement: &'static str) {
    let mut connection: AnyConnection = server.database().connect().await;
    sqlx::query(statement).execute(&mut connection).await.expect(statement);
    connection.close().await.expect("closed");
}

/// Runs the server, which must refuse to start, as a user who is not root: root may do everything.
fn refused_to_nobody(server: &Server) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hallpass"));
    command.current_dir(server.folder()).env_clear().env("ROCKET_PORT", server.port().to_string());
    if is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    let output = command.output().expect("it ends");
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(!said.contains("panicked") && !said.contains("is ready"), "{said}");
    said
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().expect("id");
    id.stdout == b"0\n"
}

#[test]
fn missing_permissions_are_said_with_the_path_and_what_to_do() {
    if !only_on_sqlite("files of the program's own") {
        return;
    }
    let (mut server, mut browser) = logged_in(&[]);
    assert!(server.stop());
    let (folder, data) = (server.folder().to_owned(), server.folder().join("data"));
    let (db, secret) = (data.join("hallpass.db"), data.join("hallpass.secret"));
    let mode =
        |path: &std::path::Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("a mode");
    mode(&folder, 0o755);
    if is_root() {
        for path in [&data, &db, &secret] {
            chown(path, Some(NOBODY), Some(NOBODY)).expect("an owner");
        }
    }
    let before = fs::read(&db).expect("a database");
    let cases = [(&db, 0o000, 0o600), (&db, 0o400, 0o600), (&secret, 0o000, 0o600), (&data, 0o000, 0o700)];
    for (path, taken, given) in cases {
        mode(path, taken);
        let said = refused_to_nobody(&server);
        mode(path, given);
        let name = path.file_name().expect("a name").display().to_string();
        assert!(said.contains(&name) && said.contains("ermission") && said.contains("this user may"), "{name}: {said}");
    }
    assert!(fs::read(&db).expect("a database") == before);

    let empty = Server::prepare(&[]);
    mode(empty.folder(), 0o555);
    let said = refused_to_nobody(&empty);
    assert!(said.contains("data") && said.contains("database_url"), "{said}");
    mode(empty.folder(), 0o755);
    if is_root() {
        for path in [&data, &db, &secret] {
            chown(path, Some(0), Some(0)).expect("an owner");
        }
    }
    server.launch();
    assert_eq!(browser.get("/account").status, 200);
}

#[rocket::async_test]
async fn an_account_file_that_is_no_database_is_refused_and_left_alone() {
    if !only_on_sqlite("a file of the program's own") {
        return;
    }
    let server = Server::prepare(&[]);
    fs::create_dir(server.folder().join("data")).expect("a folder");
    let path = server.folder().join("data/hallpass.db");
    let content = "This is somebody's diary. ".repeat(1000);
    fs::write(&path, &content).expect("a file");
    let said = server.refusal();
    assert!(said.contains("database") && !said.contains("panicked"), "{said}");
    assert_eq!(fs::read_to_string(&path).expect("the file"), content);
}
