//! The command line, as an operator uses it: beside a running server, passwords from standard input.

use std::collections::BTreeSet;
use std::process::Output;
use std::time::{Duration, Instant};

use hallpass::auth::Site;
use hallpass::clock::Clock;
use hallpass::config::Config;
use hallpass::db::PAGE;
use hallpass::personal_tokens::Draft;

use crate::helpers::{EMAIL, NAME, PASSWORD, Server, WireBrowser};

const OTHER_PASSWORD: &str = "seven quiet lanterns drift";

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn said(output: &Output) -> String {
    format!("{}{}", out(output), String::from_utf8_lossy(&output.stderr))
}

fn does(server: &Server, arguments: &[&str]) -> String {
    let output = server.run(arguments);
    assert!(output.status.success() && output.stderr.is_empty(), "{arguments:?}: {}", said(&output));
    out(&output)
}

/// Fails with status 1 and says why on standard error only.
fn fails(server: &Server, arguments: &[&str], input: &str) -> String {
    let output = server.run_with_input(arguments, input);
    assert_eq!(output.status.code(), Some(1), "{arguments:?}: {}", said(&output));
    assert_eq!(out(&output), "", "{arguments:?}");
    let said = said(&output);
    assert!(said.starts_with("hallpass: ") && said.trim().lines().count() <= 3, "{arguments:?}: {said}");
    said
}

#[test]
fn every_command_explains_itself() {
    let server = Server::prepare(&[]);
    #[rustfmt::skip]
    let commands: [(&[&str], &[&str]); 8] = [
        (&["--help"], &["serve", "migrate", "user", "session", "token", "key", "config", "prune", "HALLPASS_", "ROCKET_PORT"]),
        (&["user", "--help"], &["add", "list", "lock", "unlock", "set-password", "make-admin"]),
        (&["user", "add", "--help"], &["<EMAIL>", "--name", "--admin", "standard input"]),
        (&["session", "--help"], &["list", "end", "end-all"]),
        (&["session", "end-all", "--help"], &["[EMAIL]", "--everyone"]),
        (&["token", "--help"], &["list", "revoke"]),
        (&["key", "--help"], &["list", "rotate"]),
        (&["--version"], &[env!("CARGO_PKG_VERSION")]),
    ];
    for (arguments, words) in commands {
        let help = does(&server, arguments);
        let missing: Vec<_> = words.iter().filter(|word| !help.contains(**word)).collect();
        assert!(missing.is_empty(), "{arguments:?}: {missing:?} in {help}");
    }
    assert!(server.is_untouched(), "help has left something behind");
}

#[test]
fn wrong_usage_is_refused_with_status_2_and_touches_nothing() {
    let server = Server::prepare(&[]);
    #[rustfmt::skip]
    let commands: [&[&str]; 14] = [
        &["nonsense"],
        &["--nonsense"],
        &["serve", "now"],
        &["user"],
        &["user", "add"],
        &["user", "add", EMAIL, PASSWORD],
        &["user", "add", EMAIL, "--password", PASSWORD],
        &["user", "set-password", EMAIL, PASSWORD],
        &["session", "end"],
        &["session", "end-all"],
        &["session", "end-all", EMAIL, "--everyone"],
        &["token"],
        &["token", "revoke"],
        &["key"],
    ];
    for arguments in commands {
        let output = server.run_with_input(arguments, PASSWORD);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", said(&output));
        assert!(output.stdout.is_empty() && said(&output).contains("Usage: hallpass"), "{arguments:?}");
    }
    assert!(server.is_untouched());
}

#[test]
fn accounts_are_added_listed_locked_unlocked_and_made_administrators() {
    let server = Server::prepare(&[]);
    assert_eq!(does(&server, &["user", "list"]), "");
    server.add_user();
    let added = server.run_with_input(&["user", "add", "bob@example.org", "--admin"], &format!("{PASSWORD}\r\nmore\n"));
    assert_eq!(out(&added), "Added bob@example.org, an administrator.\n");

    let rows = |server: &Server| -> Vec<Vec<String>> {
        let list = does(server, &["user", "list"]);
        let mut rows: Vec<_> = list.lines().map(|line| line.split('\t').map(str::to_owned).collect()).collect();
        rows.sort();
        rows
    };
    let row = |server: &Server, place: usize, column: usize| rows(server)[place][column].clone();
    assert_eq!(rows(&server).len(), 2);
    assert_eq!((row(&server, 0, 0), row(&server, 0, 1)), (EMAIL.to_owned(), NAME.to_owned()));
    assert_eq!((row(&server, 0, 3).as_str(), row(&server, 1, 3).as_str()), ("", "admin"));
    assert_eq!(row(&server, 1, 1), "bob", "the part before the @, when no name is given");

    assert!(does(&server, &["user", "lock", "ANN@Example.org"]).starts_with("Locked"));
    assert_eq!(row(&server, 0, 3), "locked");
    assert!(does(&server, &["user", "make-admin", EMAIL]).contains("is an administrator"));
    assert_eq!(row(&server, 0, 3), "admin locked");
    assert!(does(&server, &["user", "unlock", EMAIL]).starts_with("Unlocked"));
    assert_eq!(row(&server, 0, 3), "admin");
    // Once more changes nothing and is no fault.
    does(&server, &["user", "unlock", EMAIL]);
    does(&server, &["user", "make-admin", EMAIL]);
    assert!(does(&server, &["migrate"]).contains("up to date"));
    assert_eq!(does(&server, &["prune"]), "Deleted 0 rows.\n");
}

#[test]
fn what_cannot_be_done_is_said_in_words_with_status_1() {
    let server = Server::prepare(&[]);
    server.add_user();
    let nobody = "nobody@example.org";
    for command in ["lock", "unlock", "make-admin"] {
        assert!(fails(&server, &["user", command, nobody], "").contains("there is no account"));
        assert!(fails(&server, &["user", command, "not an address"], "").contains("e-mail address such as"));
    }
    let other = format!("{OTHER_PASSWORD}\n");
    assert!(fails(&server, &["user", "set-password", nobody], &other).contains("there is no account"));
    assert!(fails(&server, &["session", "list", nobody], "").contains("there is no account"));
    assert!(fails(&server, &["session", "end-all", nobody], "").contains("there is no account"));
    assert!(fails(&server, &["token", "list", nobody], "").contains("there is no account"));
    // Ids are random: some begin as an option does.
    for id in ["no-such-id", "-no-such-id", "--no-such-id", "-h0-such-id"] {
        assert!(fails(&server, &["session", "end", id], "").contains("no such live session"), "{id}");
        assert!(fails(&server, &["token", "revoke", id], "").contains("no such live token"), "{id}");
    }

    assert!(fails(&server, &["user", "add", "ANN@EXAMPLE.ORG"], &other).contains("There is an account"));
    assert!(fails(&server, &["user", "add", "not an address"], &other).contains("e-mail address such as"));
    for (weak, why) in [("short", "at least 15"), ("", "password"), ("passwordpassword", "password: ")] {
        assert!(fails(&server, &["user", "add", nobody], weak).contains(why), "{weak:?}");
        let said = fails(&server, &["user", "set-password", EMAIL], weak);
        assert!(said.contains(why) && (weak.is_empty() || !said.contains(&format!("{weak} "))), "{weak:?}: {said}");
    }
    assert_eq!(does(&server, &["user", "list"]).lines().count(), 1, "a refused command has added an account");
}

#[rocket::async_test]
async fn session_list_names_each_session_once_however_many_there_are() {
    const MORE: usize = 2 * PAGE as usize + 500;
    let mut server = Server::prepare(&[]);
    server.add_user();
    server.launch();
    WireBrowser::new(&server).log_in();
    let mut connection = server.database().connect().await;
    let more = format!(
        "insert into sessions (id, user_id, salt, generation, parent, rotated_at, recoveries, recoveries_since, auth_time,
                               created_at, idle_expires_at, expires_at, browser_id, user_agent, address)
         with recursive numbers (number) as (select 1 union all select number + 1 from numbers where number < {MORE})
         select 'more' || number, user_id, salt, generation, parent, rotated_at, recoveries, recoveries_since, auth_time,
                created_at, idle_expires_at, expires_at, browser_id, user_agent, address
         from sessions, numbers"
    );
    sqlx::query(sqlx::AssertSqlSafe(more)).execute(&mut connection).await.expect("sessions");
    let list = does(&server, &["session", "list"]);
    let ids: BTreeSet<_> = list.lines().filter_map(|line| line.split('\t').next()).collect();
    assert_eq!((ids.len(), list.lines().count()), (MORE + 1, MORE + 1));
}

#[test]
fn what_is_done_beside_the_running_server_takes_effect_there_within_a_second() {
    let mut server = Server::prepare(&[]);
    server.add_user();
    server.launch();
    let sessions = |server: &Server| does(server, &["session", "list", EMAIL]).lines().count();
    let refused = |browser: &mut WireBrowser, done: &str| {
        let began = Instant::now();
        while browser.get("/account").status == 200 {
            assert!(began.elapsed() < Duration::from_secs(1), "{done}: still served after {:?}", began.elapsed());
        }
    };
    let mut browser = WireBrowser::new(&server);

    browser.log_in();
    let list = does(&server, &["session", "list"]);
    assert!(list.contains(EMAIL) && list.contains("127.0.0.1") && list.contains("last seen"), "{list}");
    let id = list.split('\t').next().expect("an id").to_owned();
    assert_eq!(does(&server, &["session", "end", &id]), "Ended.\n");
    refused(&mut browser, "session end");
    assert!(fails(&server, &["session", "end", &id], "").contains("no such live session"), "ended twice");

    let mut second = WireBrowser::new(&server);
    browser.log_in();
    second.log_in();
    assert_eq!(sessions(&server), 2);
    assert_eq!(does(&server, &["session", "end-all", EMAIL]), "Ended 2 sessions.\n");
    refused(&mut browser, "session end-all");
    refused(&mut second, "session end-all");

    browser.log_in();
    assert_eq!(does(&server, &["session", "end-all", "--everyone"]), "Ended 1 session.\n");
    refused(&mut browser, "session end-all --everyone");

    browser.log_in();
    does(&server, &["user", "lock", EMAIL]);
    refused(&mut browser, "user lock");
    does(&server, &["user", "unlock", EMAIL]);
    refused(&mut browser, "user unlock must not revive a session");

    browser.log_in();
    let set = server.run_with_input(&["user", "set-password", EMAIL], &format!("{OTHER_PASSWORD}\n"));
    assert!(set.status.success() && !said(&set).contains(OTHER_PASSWORD), "{}", said(&set));
    refused(&mut browser, "user set-password");
    assert_eq!(sessions(&server), 0);
    let form = browser.get("/login");
    let form = form.form("/login");
    for (password, status) in [(PASSWORD, 422), (OTHER_PASSWORD, 303)] {
        let fields = [("email", EMAIL), ("password", password)];
        let body = crate::helpers::encode(&form.filled(&fields));
        assert_eq!(browser.send("POST", "/login", Some(&body)).expect("an answer").status, status, "{password}");
    }
}

/// Two tokens of the usual account and one of Bo's.
async fn make_tokens(server: &Server) -> Site {
    let secret_file = server.folder().join("data/hallpass.secret").display().to_string();
    let figment = hallpass::figment()
        .merge(("hallpass.database_url", server.database().url()))
        .merge(("hallpass.secret_file", secret_file));
    let site = Site::open(Config::read(&figment).expect("settings"), Clock::system()).await.expect("a site");
    for (email, name, scopes) in [
        (EMAIL, "Nightly backup", &["read"][..]),
        (EMAIL, "Deployment", &["read", "write"]),
        ("bo@example.org", "All of it", &["read", "write", "admin"]),
    ] {
        let user = site.accounts.by_email(email).await.expect("the account");
        let draft = Draft::check(name, scopes, 30, user.admin).expect("no faults");
        let client = crate::personal_tokens::client();
        site.personal_tokens.create(&user.id, user.password_changed_at, draft, &client).await.expect("a token");
    }
    site
}

#[rocket::async_test]
async fn personal_tokens_are_listed_and_revoked() {
    let server = Server::prepare(&[]);
    server.add_user();
    let added = server.run_with_input(&["user", "add", "bo@example.org", "--admin"], PASSWORD);
    assert!(added.status.success(), "{}", said(&added));
    assert_eq!(does(&server, &["token", "list"]), "");
    let site = make_tokens(&server).await;

    let rows = |list: String| -> Vec<Vec<String>> {
        list.lines().map(|line| line.split('\t').map(str::to_owned).collect()).collect()
    };
    let all = rows(does(&server, &["token", "list"]));
    assert_eq!(all.len(), 3);
    let of_bo = rows(does(&server, &["token", "list", "BO@example.org"]));
    assert_eq!(of_bo[0][1..5], ["bo@example.org", "All of it", "read write admin", "never used"]);
    assert!(of_bo[0][5].starts_with("ends ") && all.contains(&of_bo[0]), "{of_bo:?}");
    let own = || rows(does(&server, &["token", "list", EMAIL]));
    assert_eq!(own().len(), 2);

    let backup = own().into_iter().find(|row| row[2] == "Nightly backup").expect("the token");
    assert_eq!(does(&server, &["token", "revoke", &backup[0]]), "Revoked.\n");
    assert!(fails(&server, &["token", "revoke", &backup[0]], "").contains("no such live token"), "revoked twice");
    assert_eq!(own().iter().map(|row| row[2].as_str()).collect::<Vec<_>>(), ["Deployment"]);

    let set = server.run_with_input(&["user", "set-password", EMAIL], &format!("{OTHER_PASSWORD}\n"));
    assert!(out(&set).contains("its tokens are revoked"), "{}", said(&set));
    assert_eq!(rows(does(&server, &["token", "list"])), of_bo);
    drop(site);
}
