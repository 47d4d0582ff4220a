//! The hot path: a token that was seen costs no database access, and is refused as soon as something about it changes.

use std::time::{Duration, Instant};

use hallpass::audit::Client;
use hallpass::sessions::Reason;
use hallpass::sessions::ending::ENDED_TOGETHER;
use hallpass::{CurrentUser, auth::Site};
use rocket::http::Method;
use rocket::{get, routes, tokio};
use serde_json::{Value, json};

use crate::helpers::{EMAIL, NAME, PASSWORD, Program, TestApp};

#[get("/whoami")]
fn whoami(user: CurrentUser) -> String {
    format!("{} {}", user.name, user.admin)
}

async fn site() -> TestApp {
    let app = TestApp::build(&[], |rocket| rocket.mount("/api/own", routes![whoami])).await;
    app.site().accounts.add(EMAIL, NAME, PASSWORD, false).await.unwrap();
    app
}

async fn program(app: &TestApp) -> (Program<'_>, Value) {
    let tokens = app.program().log_in().await;
    (app.program().with(&tokens["access_token"]), tokens)
}

async fn whoami_by(app: &TestApp, program: &Program<'_>) -> (u16, String) {
    let mut request = app.client().get("/api/own/whoami");
    let bearer = format!("Bearer {}", program.bearer.as_deref().unwrap());
    request.add_header(rocket::http::Header::new("Authorization", bearer));
    let response = request.dispatch().await;
    (response.status().code, response.into_string().await.unwrap_or_default())
}

fn session_of(program: &Program<'_>) -> hallpass::id::SessionId {
    let claims = crate::helpers::claims(program.bearer.as_deref().unwrap());
    hallpass::id::SessionId::from_text(claims["sid"].as_str().unwrap())
}

/// Another process on the same database, which hears of nothing by itself.
async fn beside(app: &TestApp) -> Site {
    Site::open(app.site().config.clone(), app.site().clock.clone()).await.unwrap()
}

#[rocket::async_test]
async fn a_token_that_was_seen_needs_no_database_for_a_second() {
    let (app, tokens, stranger) = loop {
        let app = site().await;
        let (program, tokens) = program(&app).await;
        let stranger = app.program().log_in().await;
        let began = Instant::now();
        app.site().changes.listen().await.expect("heard");
        assert_eq!(whoami_by(&app, &program).await.0, 200);
        app.site().db.close().await;
        let answer = whoami_by(&app, &program).await;
        // Of a busy machine, nothing is learnt.
        if began.elapsed() < Duration::from_secs(1) {
            assert_eq!(answer, (200, format!("{NAME} false")));
            break (app, tokens, stranger);
        }
    };
    let program = app.program().with(&tokens["access_token"]);
    let stranger = app.program().with(&stranger["access_token"]);
    assert_eq!(whoami_by(&app, &stranger).await.0, 503, "a token that was not seen");
    // What others change is not heard any more: soon nothing is trusted.
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    assert_eq!(whoami_by(&app, &program).await.0, 503);
}

#[rocket::async_test]
async fn what_changes_here_counts_from_the_next_request_on() {
    let app = site().await;
    let (owner, _) = program(&app).await;
    assert_eq!(whoami_by(&app, &owner).await.1, format!("{NAME} false"));
    owner.call(Method::Patch, "/api/me", json!({"name": "Renamed"})).await;
    assert_eq!(whoami_by(&app, &owner).await.1, "Renamed false");
    app.site().accounts.make_admin(EMAIL).await.unwrap();
    assert_eq!(whoami_by(&app, &owner).await.1, "Renamed true");
    let user = app.site().accounts.by_email(EMAIL).await.unwrap();
    let (accounts, sessions) = (&app.site().accounts, &app.site().sessions);
    for way in ["lock", "password", "end all", "end everyone's"] {
        let (program, _) = program(&app).await;
        assert_eq!(whoami_by(&app, &program).await.0, 200, "{way}");
        match way {
            "lock" => drop(accounts.lock(EMAIL).await.unwrap()),
            "password" => drop(accounts.set_password(EMAIL, PASSWORD).await.unwrap()),
            "end all" => assert_eq!(sessions.end_all(&user.id).await.unwrap(), 1),
            _ => assert_eq!(sessions.end_everyones().await.unwrap(), 1),
        }
        assert_eq!(whoami_by(&app, &program).await.0, 401, "{way}");
        accounts.unlock(EMAIL).await.unwrap();
    }
    let (program, _) = program(&app).await;
    assert_eq!(whoami_by(&app, &program).await.0, 200);
    assert!(sessions.end(&user.id, &session_of(&program), Reason::Ended, None).await.unwrap());
    assert_eq!(whoami_by(&app, &program).await.0, 401);
}

#[rocket::async_test]
async fn what_another_process_changes_counts_within_a_second() {
    let app = site().await;
    let other = beside(&app).await;
    let (first, _) = program(&app).await;
    let (second, _) = program(&app).await;
    for program in [&first, &second] {
        assert_eq!(whoami_by(&app, program).await.0, 200);
    }
    let user = other.accounts.by_email(EMAIL).await.unwrap();
    assert!(other.sessions.end(&user.id, &session_of(&first), Reason::Ended, None).await.unwrap());
    other.accounts.make_admin(EMAIL).await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(whoami_by(&app, &first).await.0, 401);
    assert_eq!(whoami_by(&app, &second).await.1, format!("{NAME} true"));
}

#[rocket::async_test]
async fn all_sessions_of_more_than_are_ended_together_end_and_other_processes_hear_of_it() {
    const MORE: i64 = ENDED_TOGETHER + 1;
    let app = site().await;
    let other = beside(&app).await;
    for number in 0..MORE {
        let user = other.accounts.add(&format!("{number}@example.org"), NAME, PASSWORD, false).await.unwrap();
        let client = Client { address: [192, 0, 2, 1].into(), user_agent: String::new(), browser: None };
        other.sessions.start(&user.id, user.password_changed_at, false, None, &client).await.unwrap();
    }
    let (program, _) = program(&app).await;
    assert_eq!(whoami_by(&app, &program).await.0, 200);
    assert_eq!(other.sessions.end_everyones().await.unwrap(), MORE as u64 + 1);
    assert_eq!(other.sessions.end_everyones().await.unwrap(), 0);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(whoami_by(&app, &program).await.0, 401);
}

#[rocket::async_test]
async fn a_change_that_commits_late_or_by_a_slow_clock_is_heard_too() {
    let app = site().await;
    let other = beside(&app).await;
    let (program, _) = program(&app).await;
    assert_eq!(whoami_by(&app, &program).await.0, 200);
    let user = other.accounts.by_email(EMAIL).await.unwrap();
    assert!(other.sessions.end(&user.id, &session_of(&program), Reason::Ended, None).await.unwrap());
    // As if this node's clock were ahead.
    app.advance(25);
    app.site().changes.listen().await.unwrap();
    assert_eq!(whoami_by(&app, &program).await.0, 401);
}

#[rocket::async_test]
async fn time_ends_what_is_remembered() {
    let app =
        TestApp::build(&[("refresh_token_ttl_seconds", "600")], |rocket| rocket.mount("/api/own", routes![whoami]))
            .await;
    app.site().accounts.add(EMAIL, NAME, PASSWORD, false).await.unwrap();
    let (program, tokens) = program(&app).await;
    assert_eq!(whoami_by(&app, &program).await.0, 200);
    app.advance(599);
    assert_eq!(whoami_by(&app, &program).await.0, 200);
    app.advance(1);
    assert_eq!(whoami_by(&app, &program).await.0, 401, "the session has idled too long");
    assert_eq!(app.program().refresh(&tokens["refresh_token"]).await.status, 401);
}

#[rocket::async_test]
async fn a_token_that_is_remembered_still_confirms_and_settles() {
    let app = site().await;
    let (program, tokens) = program(&app).await;
    let renewed = app.program().refresh(&tokens["refresh_token"]).await.json();
    let newer = app.program().with(&renewed["access_token"]);
    let state = async || {
        let user = app.site().accounts.by_email(EMAIL).await.unwrap();
        let family = app.site().sessions.list(&user.id).await.unwrap()[0].family;
        (family.confirmed_at, family.settled_at)
    };
    assert_eq!(state().await, (None, None));
    for _ in 0..3 {
        whoami_by(&app, &program).await;
        whoami_by(&app, &newer).await;
    }
    let confirmed = app.now();
    assert_eq!(state().await, (Some(confirmed), None));
    app.advance(60);
    for _ in 0..3 {
        whoami_by(&app, &newer).await;
    }
    assert_eq!(state().await, (Some(confirmed), Some(confirmed + 60)));
}

#[rocket::async_test]
async fn the_account_page_needs_no_database_and_is_right_all_the_same() {
    let app = site().await;
    let mut browser = app.browser();
    browser.log_in(EMAIL, PASSWORD).await;
    assert!(browser.get("/account").await.has("on this device only"));
    let mut second = app.browser();
    second.log_in(EMAIL, PASSWORD).await;
    assert!(browser.get("/account").await.has("2 sessions are open"), "a log-in counts at once");
    let (program, _) = program(&app).await;
    let draft = json!({"name": "x", "scopes": ["read"], "expires_in_days": 1, "password": PASSWORD});
    assert_eq!(program.post("/api/me/tokens", draft).await.status, 201);
    let page = browser.get("/account").await;
    assert!(page.has("3 sessions are open") && page.has("1 token"), "{}", page.body);
    assert_eq!(program.post("/api/auth/logout", Value::Null).await.status, 204);
    app.site().changes.listen().await.expect("heard");
    assert!(browser.get("/account").await.has("2 sessions are open"));
    app.site().db.close().await;
    assert_eq!(browser.get("/account").await.status, 200);
    // By time alone, what is counted may have changed.
    app.advance(60);
    assert_eq!(browser.get("/account").await.status, 503);
}
