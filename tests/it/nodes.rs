//! Several servers of one site: they share everything but memory.

use std::time::{Duration, Instant};

use hallpass::clock::{Clock, MINUTE};
use hallpass::db::Notices;
use hallpass::id::{NodeId, UserId};
use hallpass::leases::{self, Work};
use hallpass::sessions::SessionError;
use rocket::tokio;
use rocket::tokio::time::timeout;
use sqlx::{Connection, Executor};

use crate::helpers::{EMAIL, PASSWORD, Server, TestApp, WireBrowser, encode, on_postgres};

/// Two servers, and a browser that has logged in at the first.
fn pair(settings: &[(&str, &str)]) -> (Server, Server, WireBrowser) {
    let mut here = Server::prepare(settings);
    here.add_user();
    here.launch();
    let mut there = here.beside(&[]);
    there.launch();
    let mut browser = WireBrowser::new(&here);
    browser.log_in();
    (here, there, browser)
}

fn is_logged_in(browser: &WireBrowser) -> bool {
    let page = browser.send_and_lose("GET", "/account", None).expect("an answer");
    assert!(matches!(page.status, 200 | 303), "{page:?}");
    page.status == 200
}

/// How long after this was called a browser sent the last request that was accepted.
fn refused_after(browser: &WireBrowser) -> Duration {
    let began = Instant::now();
    let mut last_accepted = Duration::ZERO;
    loop {
        let asked = began.elapsed();
        assert!(asked < Duration::from_secs(5), "still accepted");
        if !is_logged_in(browser) {
            return last_accepted;
        }
        last_accepted = asked;
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn log_out(browser: &mut WireBrowser) {
    let form = browser.get("/logout").form("/logout");
    let body = encode(&form.filled(&[]));
    assert_eq!(browser.send("POST", "/logout", Some(&body)).expect("an answer").status, 303);
}

#[test]
fn a_log_in_at_one_server_holds_at_the_other_and_so_does_its_end() {
    let (here, there, first) = pair(&[]);
    for turn in 0..5 {
        let mut browser = if turn == 0 { first.clone() } else { WireBrowser::new(&here) };
        if turn > 0 {
            browser.log_in();
        }
        let elsewhere = browser.at(&there);
        assert!(is_logged_in(&elsewhere), "remembered there from now on");
        log_out(&mut browser.clone());
        assert!(!is_logged_in(&browser), "the server that did it refuses at once");
        let after = refused_after(&elsewhere);
        println!("refused by the other server after {after:?}");
        assert!(after < Duration::from_secs(1), "{after:?}");
    }
}

#[rocket::async_test]
async fn a_change_is_heard_of_without_a_notice() {
    let (here, there, browser) = pair(&[]);
    let elsewhere = browser.at(&there);
    assert!(is_logged_in(&elsewhere));
    let now = Clock::system().now();
    let mut connection = here.database().connect().await;
    // What a server does that cannot notify.
    for statement in [
        format!("update sessions set revoked_at = {now}, revoked_reason = 'ended'"),
        format!("insert into changes (id, at, user_id) values ('told by nobody', {now}, '')"),
    ] {
        connection.execute(sqlx::AssertSqlSafe(statement)).await.expect("changed");
    }
    assert!(refused_after(&elsewhere) < Duration::from_secs(1));
}

/// A commit may wait for a replica, or for a disk, much longer than anybody looks back.
#[rocket::async_test]
async fn a_change_is_heard_of_however_late_it_commits() {
    if !on_postgres() {
        println!("skipped on SQLite: nobody can look while somebody commits");
        return;
    }
    let app = TestApp::start().await;
    let changes = &app.site().changes;
    for number in 0..10 {
        let (user, other) = (UserId::random(), UserId::random());
        let mut late = app.database().connect().await;
        late.execute("begin").await.expect("begun");
        let told = format!(
            "insert into changes (id, at, user_id, xact)
             values ('late {number}', {}, '{user}', cast(cast(pg_current_xact_id() as text) as bigint))",
            app.now() - 400
        );
        late.execute(sqlx::AssertSqlSafe(told)).await.expect("told");
        for _ in 0..3 {
            changes.listen().await.expect("heard");
        }
        let (before, of_other) = (changes.version(&user), changes.version(&other));
        late.execute("commit").await.expect("committed");
        changes.listen().await.expect("heard");
        let after = changes.version(&user);
        assert_ne!(before, after);
        changes.listen().await.expect("heard");
        // A connection that is made meanwhile makes it forget everything.
        if changes.version(&other) == of_other {
            return assert_eq!(changes.version(&user), after, "it does not count twice");
        }
    }
    panic!("connections are made all the time");
}

#[rocket::async_test]
async fn a_notice_comes_with_the_commit_and_not_without() {
    if !on_postgres() {
        println!("skipped on SQLite: it has no notices");
        return;
    }
    let app = TestApp::start().await;
    let db = &app.site().db;
    let notify = async || {
        let mut transaction = db.begin().await.expect("begun");
        db.notify(&mut transaction).await.expect("notified");
        transaction
    };
    let mut notices = db.notices();
    let heard = async |notices: &mut Notices| timeout(Duration::from_millis(300), notices.next()).await.is_ok();
    let began = Instant::now();
    while !heard(&mut notices).await {
        assert!(began.elapsed() < Duration::from_secs(20), "it does not listen");
        notify().await.commit().await.expect("committed");
    }
    while heard(&mut notices).await {}
    notify().await.rollback().await.expect("undone");
    // The channel is the database's: other sites of this run may be heard, too, but not all the time.
    let mut quiet = false;
    for _ in 0..20 {
        quiet |= !heard(&mut notices).await;
    }
    assert!(quiet, "what was undone is heard of again and again");
}

#[test]
fn an_expired_token_is_replaced_once_whichever_server_is_asked() {
    let (here, there, browser) = pair(&[("HALLPASS_ACCESS_TOKEN_TTL_SECONDS", "1")]);
    let mut browser = browser;
    for _ in 0..3 {
        std::thread::sleep(Duration::from_millis(1_100));
        let both = [browser.at(&here), browser.at(&there)];
        let answers: Vec<_> = std::thread::scope(|scope| {
            let asked = |browser| scope.spawn(move || WireBrowser::send_and_lose(browser, "GET", "/account", None));
            let threads: Vec<_> = (0..10).map(|number| asked(&both[number % 2])).collect();
            threads.into_iter().map(|thread| thread.join().expect("joined").expect("an answer")).collect()
        });
        let refresh = answers[0].sets("refresh_token").expect("delivered");
        for answer in &answers {
            assert_eq!((answer.status, answer.sets("refresh_token").as_ref()), (200, Some(&refresh)));
        }
        browser.keep(&answers[0]);
        browser.get("/session/ack");
    }
}

#[test]
fn guesses_are_counted_whichever_server_they_are_made_at() {
    let (here, there, _) = pair(&[]);
    let mut statuses = Vec::new();
    for number in 0..22 {
        let mut stranger = WireBrowser::new(if number % 2 == 0 { &here } else { &there });
        let form = stranger.get("/login").form("/login");
        let body = encode(&form.filled(&[("email", EMAIL), ("password", "a wrong guess of somebody")]));
        statuses.push(stranger.send("POST", "/login", Some(&body)).expect("an answer").status);
    }
    assert_eq!(statuses.iter().filter(|status| **status == 422).count(), 20, "{statuses:?}");
    assert_eq!(statuses[20..], [429, 429]);
}

#[test]
fn servers_that_start_at_once_on_an_empty_database_make_one_key() {
    let mut here = Server::prepare(&[]);
    let mut others: Vec<_> = (0..3).map(|_| here.beside(&[])).collect();
    std::thread::scope(|scope| {
        scope.spawn(|| here.launch());
        others.iter_mut().for_each(|other| drop(scope.spawn(|| other.launch())));
    });
    let keys = String::from_utf8(here.run(&["key", "list"]).stdout).expect("text");
    assert_eq!(keys.lines().count(), 1, "{keys}");
}

/// Whoever holds a connection never waits for another one.
#[test]
fn one_connection_and_little_patience_are_enough() {
    let settings = [("HALLPASS_DATABASE_CONNECTIONS", "1"), ("HALLPASS_DATABASE_TIMEOUT_SECONDS", "1")];
    let (here, _there, mut browser) = pair(&settings);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| WireBrowser::new(&here).log_in());
        }
    });
    assert_eq!(browser.visit("/account/sessions").status, 200);
    browser.jar.remove("access_token");
    assert!(browser.get("/account").delivers());
    log_out(&mut browser);
}

#[test]
fn the_servers_of_a_site_are_listed_and_told_in_what_they_differ() {
    let (here, mut there, _) = pair(&[]);
    let list = || String::from_utf8(here.run(&["node", "list"]).stdout).expect("text");
    let began = Instant::now();
    while list().lines().count() < 2 {
        assert!(began.elapsed() < Duration::from_secs(20), "{}", list());
    }
    assert!(list().contains(&format!(":{}", here.port())) && list().contains(&format!(":{}", there.port())));
    assert!(!there.log().contains("other settings"), "{}", there.log());
    assert!(there.stop());
    assert_eq!(list().lines().count(), 1, "one that has stopped is gone");

    let mut strange = here.beside(&[("HALLPASS_ACCESS_TOKEN_TTL_SECONDS", "60"), ("HALLPASS_REGISTRATION", "closed")]);
    strange.launch();
    let began = Instant::now();
    while !strange.log().contains("access_token_ttl_seconds, registration") {
        assert!(began.elapsed() < Duration::from_secs(20), "{}", strange.log());
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[rocket::async_test]
async fn background_work_is_done_by_one_server_until_it_is_gone_for_a_minute() {
    let app = TestApp::start().await;
    let (db, clock) = (&app.site().db, Clock::manual(app.now() + 10 * MINUTE));
    let (first, second) = (NodeId::random(), NodeId::random());
    let take = async |node: &NodeId| leases::take(db, &clock, Work::Prune, node).await.expect("an answer");
    assert!(take(&first).await && take(&first).await);
    assert!(!take(&second).await);
    clock.advance(59);
    assert!(!take(&second).await);
    assert!(take(&first).await, "who does it goes on");
    clock.advance(60);
    assert!(take(&second).await);
    assert!(!take(&first).await);
    for work in Work::ALL {
        clock.advance(61);
        assert!(leases::take(db, &clock, *work, &first).await.expect("an answer"), "{work:?} has no row");
    }
}

/// On PostgreSQL, transactions run side by side: what was proved must still be true when the session begins.
#[rocket::async_test]
async fn a_log_in_that_crosses_a_new_password_is_refused() {
    let app = TestApp::start().await;
    app.registered().await;
    let user = app.site().accounts.by_email(EMAIL).await.expect("the account");
    let mut elsewhere = app.database().connect().await;
    elsewhere.execute(if on_postgres() { "begin" } else { "begin immediate" }).await.expect("begun");
    elsewhere.execute("update users set password_changed_at = password_changed_at + 1").await.expect("changed");
    let client = crate::personal_tokens::client();
    let (started, ()) =
        tokio::join!(app.site().sessions.start(&user.id, user.password_changed_at, false, None, &client), async {
            tokio::time::sleep(Duration::from_millis(300)).await;
            elsewhere.execute("commit").await.expect("committed");
        });
    assert!(matches!(started, Err(SessionError::ProofOutdated)), "{started:?}");
    elsewhere.close().await.expect("closed");
    assert!(app.browser().log_in(EMAIL, PASSWORD).await.location().is_none(), "the page that it leads to");
}
