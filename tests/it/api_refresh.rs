//! `/api/auth/refresh`: the decision table for programs and for pages, and how pages come by new cookies.

use rocket::futures::future::join_all;
use rocket::http::Method;
use serde_json::{Value, json};

use crate::helpers::{Browser, EMAIL, PASSWORD, Page, Program, TestApp, claims, generation};

const REFRESH: &str = "/api/auth/refresh";
const FORM_TOKEN: &str = "X-CSRF-Token";

/// Longer than an access token lives.
const EXPIRED: i64 = 901;

fn text(token: &Value) -> &str {
    token.as_str().unwrap_or_else(|| panic!("{token} is no token"))
}

/// New tokens in the body, of one generation.
#[track_caller]
fn renewed(page: &Page, expected: i64) -> Value {
    assert_eq!(page.status, 200, "{}", page.body);
    assert!(page.set_cookie_lines().is_empty(), "{page:?}");
    assert_eq!(page.header("cache-control"), Some("no-store"));
    let tokens = page.json();
    assert_eq!((&tokens["token_type"], &tokens["expires_in"]), (&json!("Bearer"), &json!(900)));
    for name in ["access_token", "refresh_token"] {
        assert_eq!(generation(text(&tokens[name])), expected, "{name}");
    }
    tokens
}

/// Refuses, ends the session, and says so to the owner.
async fn is_replay(program: &Program<'_>, token: &Value, access: &Value) {
    program.refresh(token).await.is_problem(401, "invalid_grant");
    program.with(access).get("/api/me").await.is_problem(401, "invalid_token");
    let owner = program.log_in().await;
    let events = program.with(&owner["access_token"]).get("/api/me/events").await.json();
    let replays = events["events"].as_array().unwrap().iter().filter(|event| event["kind"] == "replayed");
    assert_eq!(replays.count(), 1, "{events}");
}

/// A program that has refreshed once, and its tokens before and after.
async fn refreshed(app: &TestApp) -> (Program<'_>, Value, Value) {
    app.registered().await;
    let program = app.program();
    let before = program.log_in().await;
    let after = renewed(&program.refresh(&before["refresh_token"]).await, 2);
    (program, before, after)
}

#[rocket::async_test]
async fn the_current_token_rotates_each_time() {
    let app = TestApp::start().await;
    app.registered().await;
    let program = app.program();
    let mut tokens = program.log_in().await;
    for expected in 2..6 {
        app.advance(EXPIRED);
        program.with(&tokens["access_token"]).get("/api/me").await.is_problem(401, "token_expired");
        tokens = renewed(&program.refresh(&tokens["refresh_token"]).await, expected);
        assert!(program.may(&tokens["access_token"]).await);
    }
}

#[rocket::async_test]
async fn the_token_comes_in_the_body_or_in_the_header() {
    let app = TestApp::start().await;
    let (program, _, tokens) = refreshed(&app).await;
    let page = program.with(&tokens["refresh_token"]).post(REFRESH, Value::Null).await;
    let tokens = renewed(&page, 3);
    let page = program.with(&tokens["refresh_token"]).post(REFRESH, json!({})).await;
    page.is_fault("refresh_token", "missing");
    // The stale access token that a program's HTTP client adds to everything.
    app.advance(EXPIRED);
    let page = program.with(&tokens["access_token"]);
    let tokens = renewed(&page.post(REFRESH, json!({"refresh_token": tokens["refresh_token"]})).await, 4);
    let odd = [("Authorization", "Basic YTpi")];
    let body = json!({"refresh_token": tokens["refresh_token"]}).to_string();
    renewed(&program.send(Method::Post, REFRESH, Some(body.as_bytes()), &odd).await, 5);
    program.send(Method::Post, REFRESH, None, &odd).await.is_problem(401, "unauthenticated");
    program.post(REFRESH, Value::Null).await.is_problem(401, "unauthenticated");
}

#[rocket::async_test]
async fn a_lost_answer_is_given_again_byte_for_byte() {
    let app = TestApp::start().await;
    let (program, before, after) = refreshed(&app).await;
    // However long it takes, for as long as the session lives.
    for seconds in [0, 59, 60, 600, 5 * 60 * 60] {
        app.advance(seconds);
        let again = renewed(&program.refresh(&before["refresh_token"]).await, 2);
        assert_eq!(again["refresh_token"], after["refresh_token"], "after {seconds} s");
    }
    let app = app.restart(&[]).await;
    let again = renewed(&app.program().refresh(&before["refresh_token"]).await, 2);
    assert_eq!(again["refresh_token"], after["refresh_token"], "after a restart");
}

#[rocket::async_test]
async fn a_straggler_gets_the_successor_for_a_minute_after_it_was_seen_in_use() {
    let app = TestApp::start().await;
    let (program, before, after) = refreshed(&app).await;
    app.advance(600);
    assert!(program.may(&after["access_token"]).await, "confirmed now");
    app.advance(59);
    let again = renewed(&program.refresh(&before["refresh_token"]).await, 2);
    assert_eq!(again["refresh_token"], after["refresh_token"]);
    app.advance(1);
    is_replay(&program, &before["refresh_token"], &after["access_token"]).await;
    program.refresh(&after["refresh_token"]).await.is_problem(401, "invalid_grant");
}

#[rocket::async_test]
async fn a_settled_or_older_generation_is_a_replay_at_once() {
    let app = TestApp::start().await;
    let (program, before, after) = refreshed(&app).await;
    let third = renewed(&program.refresh(&after["refresh_token"]).await, 3);
    is_replay(&program, &before["refresh_token"], &third["access_token"]).await;
    program.refresh(&third["refresh_token"]).await.is_problem(401, "invalid_grant");

    let app = TestApp::start().await;
    let (program, before, after) = refreshed(&app).await;
    for seconds in [60, 60] {
        assert!(program.may(&after["access_token"]).await, "confirmed, then settled");
        app.advance(seconds);
    }
    is_replay(&program, &before["refresh_token"], &after["access_token"]).await;
}

#[rocket::async_test]
async fn a_restored_backup_logs_no_program_out() {
    let app = TestApp::start().await;
    app.registered().await;
    let first = app.program().log_in().await;
    let app = app.back_up().await;
    let mut tokens = first.clone();
    for expected in 2..5 {
        app.advance(EXPIRED);
        tokens = renewed(&app.program().refresh(&tokens["refresh_token"]).await, expected);
    }
    let app = app.restore().await;
    let program = app.program();
    assert!(program.may(&tokens["access_token"]).await);
    let ahead = renewed(&program.refresh(&tokens["refresh_token"]).await, 5);
    let again = renewed(&program.refresh(&tokens["refresh_token"]).await, 5);
    assert_eq!(ahead["refresh_token"], again["refresh_token"]);
    is_replay(&program, &first["refresh_token"], &ahead["access_token"]).await;
}

#[rocket::async_test]
async fn fifty_requests_at_once_get_one_successor() {
    let app = TestApp::start().await;
    let (program, _, tokens) = refreshed(&app).await;
    app.advance(EXPIRED);
    let pages = join_all((0..50).map(|_| program.refresh(&tokens["refresh_token"]))).await;
    let successors: std::collections::BTreeSet<_> =
        pages.iter().map(|page| text(&renewed(page, 3)["refresh_token"]).to_owned()).collect();
    assert_eq!(successors.len(), 1);
    let successor = json!(successors.first());
    renewed(&program.refresh(&successor).await, 4);
}

#[rocket::async_test]
async fn no_other_token_is_a_refresh_token_and_a_refresh_token_is_no_other() {
    let app = TestApp::start().await;
    let (program, _, tokens) = refreshed(&app).await;
    let (access, refresh) = (text(&tokens["access_token"]), text(&tokens["refresh_token"]));
    let elsewhere = TestApp::start().await;
    let (.., others) = refreshed(&elsewhere).await;
    let [head, claims, code] = refresh.split('.').collect::<Vec<_>>().try_into().unwrap();
    for token in [
        access,
        text(&others["refresh_token"]),
        "",
        " ",
        "nonsense",
        "..",
        &format!("{head}.{claims}."),
        &format!("{head}.{claims}.{}", &code[1..]),
        &format!("{claims}.{head}.{code}"),
        &format!("{refresh}="),
        &format!("{refresh}.x"),
        &"x".repeat(20_000),
        "nul\0",
    ] {
        program.refresh(&json!(token)).await.is_problem(401, "invalid_grant");
        let legible = !token.contains('\0') && !token.is_empty();
        if legible && token.trim() == token {
            program.with(&json!(token)).post(REFRESH, Value::Null).await.is_problem(401, "invalid_grant");
        }
    }
    program.with(&tokens["refresh_token"]).get("/api/me").await.is_problem(401, "invalid_token");
    // None of this was held against the session.
    assert!(program.may(&tokens["access_token"]).await);
    renewed(&program.refresh(&tokens["refresh_token"]).await, 3);
}

#[rocket::async_test]
async fn refreshing_never_proves_again_who_one_is() {
    let app = TestApp::start().await;
    app.registered().await;
    let program = app.program();
    let mut tokens = program.log_in().await;
    let began = app.now();
    let mut browser = app.browser();
    browser.log_in(EMAIL, PASSWORD).await;
    for expected in 2..5 {
        app.advance(301);
        tokens = renewed(&program.refresh(&tokens["refresh_token"]).await, expected);
        assert_eq!(claims(text(&tokens["access_token"]))["auth_time"], began);
        let page = browser.call(Method::Post, REFRESH, Value::Null).await;
        assert!(page.delivers(), "{page:?}");
        assert_eq!(claims(browser.cookie("access_token").unwrap())["auth_time"], began);
        for page in [
            program.with(&tokens["access_token"]).call(Method::Delete, "/api/me/sessions", Value::Null).await,
            browser.call(Method::Delete, "/api/me/sessions", Value::Null).await,
        ] {
            page.is_problem(401, "reauthentication_required");
        }
    }
}

#[rocket::async_test]
async fn an_ended_session_or_one_whose_time_is_over_refreshes_nothing() {
    let app = TestApp::start().await;
    let (program, before, tokens) = refreshed(&app).await;
    app.advance(12 * 60 * 60);
    program.refresh(&tokens["refresh_token"]).await.is_problem(401, "invalid_grant");
    program.refresh(&before["refresh_token"]).await.is_problem(401, "invalid_grant");
    let tokens = program.log_in().await;
    let user = app.site().accounts.by_email(EMAIL).await.unwrap();
    app.site().sessions.end_all(&user.id).await.unwrap();
    program.refresh(&tokens["refresh_token"]).await.is_problem(401, "invalid_grant");
}

/// A page, logged in, with its form token at hand.
async fn page(app: &TestApp) -> Browser<'_> {
    let mut browser = app.registered().await;
    browser.form_token().await;
    browser
}

/// A page that has rotated and confirmed a while ago, and its twin with the cookies from before.
async fn parted(app: &TestApp) -> (Browser<'_>, Browser<'_>) {
    let mut browser = page(app).await;
    let before = browser.clone();
    app.advance(EXPIRED);
    assert!(browser.call(Method::Get, "/api/me", Value::Null).await.delivers());
    assert!(!browser.call(Method::Get, "/api/me", Value::Null).await.delivers());
    app.advance(61);
    (browser, before)
}

/// 401 and the question; no redirect, and nothing cleared.
#[track_caller]
fn is_asked(page: &Page) {
    page.is_problem(401, "stale_cookies");
    assert!(page.sets("probe").is_some() && page.set_cookie_lines().len() == 1, "{page:?}");
}

/// Tokens in cookies, none in the body.
#[track_caller]
fn delivered(page: &Page) {
    assert!(page.status == 200 && page.delivers(), "{page:?}");
    assert!(!page.body.contains("eyJ"), "{}", page.body);
}

/// What it has is no longer so new that it stays as it is.
async fn seen_a_minute_ago(app: &TestApp, browser: &mut Browser<'_>) {
    assert!(browser.is_logged_in().await);
    app.advance(60);
}

#[rocket::async_test]
async fn a_page_refreshes_by_cookie() {
    let app = TestApp::start().await;
    let mut browser = page(&app).await;
    for expected in 2..4 {
        seen_a_minute_ago(&app, &mut browser).await;
        let answer = browser.call(Method::Post, REFRESH, Value::Null).await;
        delivered(&answer);
        assert_eq!(answer.json(), json!({"token_type": "Bearer", "expires_in": 900}));
        assert_eq!(browser.generation(), expected);
    }
    seen_a_minute_ago(&app, &mut browser).await;
    let before = browser.clone();
    browser.call(Method::Post, REFRESH, Value::Null).await;
    assert!(!browser.get("/account").await.delivers(), "confirmed");
    app.advance(59);
    let token = browser.form_token().await;
    let straggler = before.call_and_lose(Method::Post, REFRESH, Value::Null, &[(FORM_TOKEN, &token)]).await;
    assert_eq!((straggler.status, straggler.set_cookie_lines().len()), (200, 0));
    assert!(browser.is_logged_in().await);
}

#[rocket::async_test]
async fn fifty_requests_of_a_page_at_once_get_the_same_cookies() {
    let app = TestApp::start().await;
    let mut browser = page(&app).await;
    let token = browser.form_token().await;
    app.advance(EXPIRED);
    let headers = [(FORM_TOKEN, token.as_str())];
    let pages = join_all((0..50).map(|_| browser.call_and_lose(Method::Post, REFRESH, Value::Null, &headers))).await;
    pages.iter().for_each(delivered);
    let successors: std::collections::BTreeSet<_> = pages.iter().map(|page| page.sets("refresh_token")).collect();
    assert_eq!(successors.len(), 1);
    browser.keep(&pages[7]);
    assert!(browser.is_logged_in().await);
    assert_eq!(browser.generation(), 2);
}

#[rocket::async_test]
async fn refreshing_by_cookie_needs_the_form_token() {
    let app = TestApp::start().await;
    let mut browser = page(&app).await;
    let token = browser.form_token().await;
    // So that what is refused here would be done by any other request.
    app.advance(EXPIRED);
    for (headers, code) in [
        (&[][..], "forgery_refused"),
        (&[(FORM_TOKEN, "x")], "forgery_refused"),
        (&[(FORM_TOKEN, &token), ("Sec-Fetch-Site", "cross-site")], "forgery_refused"),
        (&[(FORM_TOKEN, &token), ("Origin", "https://evil.example")], "origin_not_allowed"),
    ] {
        let page = browser.call_and_lose(Method::Post, REFRESH, Value::Null, headers).await;
        page.is_problem(403, code);
        assert!(page.set_cookie_lines().is_empty(), "{headers:?}");
    }
    // With the token in the body, cookies do not count.
    let tokens = app.program().log_in().await;
    let body = json!({"refresh_token": tokens["refresh_token"]});
    renewed(&browser.call_and_lose(Method::Post, REFRESH, body, &[]).await, 2);
    assert_eq!(browser.generation(), 1);
    delivered(&browser.call(Method::Post, REFRESH, Value::Null).await);
    assert_eq!(browser.generation(), 2);
}

#[rocket::async_test]
async fn a_browser_that_fell_back_to_older_cookies_is_asked_and_recovers() {
    let app = TestApp::start().await;
    let (_, mut killed) = parted(&app).await;
    let asked = killed.call(Method::Post, REFRESH, Value::Null).await;
    is_asked(&asked);
    let answer = killed.call(Method::Post, REFRESH, Value::Null).await;
    delivered(&answer);
    assert!(answer.clears("probe"));
    assert_eq!(killed.generation(), 3);
    assert_eq!(killed.call(Method::Get, "/api/me", Value::Null).await.status, 200);
}

#[rocket::async_test]
async fn a_late_request_goes_on_with_the_cookies_that_the_browser_has_now() {
    let app = TestApp::start().await;
    let (mut browser, late) = parted(&app).await;
    let token = browser.form_token().await;
    let question = late.call_and_lose(Method::Post, REFRESH, Value::Null, &[(FORM_TOKEN, &token)]).await;
    is_asked(&question);
    browser.keep(&question);
    delivered(&browser.call(Method::Post, REFRESH, Value::Null).await);
    assert_eq!(browser.generation(), 3);
}

#[rocket::async_test]
async fn stale_cookies_are_told_by_401_and_refreshing_or_repeating_helps() {
    for refresh in [true, false] {
        let app = TestApp::start().await;
        let (_, mut killed) = parted(&app).await;
        let question = killed.call(Method::Get, "/api/me", Value::Null).await;
        is_asked(&question);
        if refresh {
            delivered(&killed.call(Method::Post, REFRESH, Value::Null).await);
        }
        let answer = killed.call(Method::Get, "/api/me", Value::Null).await;
        assert_eq!((answer.status, answer.delivers()), (200, !refresh), "{answer:?}");
        assert_eq!(killed.generation(), 3);
        assert!(killed.is_logged_in().await);
    }
}

#[rocket::async_test]
async fn a_thief_with_stale_cookies_has_no_access_and_ends_the_session_by_answering() {
    let app = TestApp::start().await;
    let (mut owner, mut thief) = parted(&app).await;
    owner.call(Method::Get, "/api/me", Value::Null).await;
    for _ in 0..3 {
        is_asked(&thief.call_and_lose(Method::Get, "/api/me", Value::Null, &[]).await);
    }
    assert!(owner.is_logged_in().await, "no answer changes nothing");
    is_asked(&thief.call(Method::Post, REFRESH, Value::Null).await);
    thief.call(Method::Post, REFRESH, Value::Null).await.is_problem(401, "invalid_grant");
    owner.call(Method::Get, "/api/me", Value::Null).await.is_problem(401, "invalid_token");
    thief.call(Method::Get, "/api/me", Value::Null).await.is_problem(401, "invalid_token");
    for browser in [&mut owner, &mut thief] {
        let answer = browser.call(Method::Post, REFRESH, Value::Null).await;
        answer.is_problem(401, "invalid_grant");
        assert!(answer.set_cookie_lines().iter().all(|line| line.starts_with("probe=")), "{answer:?}");
    }
}

#[rocket::async_test]
async fn an_expired_access_cookie_is_replaced_within_any_request() {
    let app = TestApp::start().await;
    let mut browser = page(&app).await;
    for (expected, (method, path, body, status)) in (2..).zip([
        (Method::Get, "/api/me", Value::Null, 200),
        (Method::Patch, "/api/me", json!({"name": "Ann Renewed"}), 200),
        (Method::Patch, "/api/me", json!({}), 422),
        (Method::Get, "/api/nowhere", Value::Null, 404),
        (Method::Delete, "/api/me", Value::Null, 405),
        (Method::Get, "/api/openapi.json", Value::Null, 200),
    ]) {
        app.advance(EXPIRED);
        let answer = browser.call(method, path, body).await;
        assert!(answer.status == status && answer.delivers(), "{method} {path}: {answer:?}");
        assert_eq!(browser.generation(), expected);
    }
    assert!(browser.get("/account").await.has("Ann Renewed"));
}

#[rocket::async_test]
async fn with_a_header_the_cookies_do_not_count() {
    let app = TestApp::start().await;
    let mut browser = page(&app).await;
    app.site().accounts.add("bo@example.org", "Bo", PASSWORD, false).await.unwrap();
    let bo =
        app.program().post("/api/auth/login", json!({"email": "bo@example.org", "password": PASSWORD})).await.json();
    let bearer = format!("Bearer {}", text(&bo["access_token"]));
    let me = browser.call_with(Method::Get, "/api/me", Value::Null, &[("Authorization", &bearer)]).await;
    assert_eq!(me.json()["email"], "bo@example.org");
    let changed =
        browser.call_with(Method::Patch, "/api/me", json!({"name": "Bo B."}), &[("Authorization", &bearer)]).await;
    assert_eq!((changed.status, &changed.json()["email"]), (200, &json!("bo@example.org")));
    app.advance(EXPIRED);
    for (header, code) in [
        (bearer.as_str(), "token_expired"),
        ("Bearer nonsense", "invalid_token"),
        ("Bearer ", "invalid_token"),
        ("Bearer", "invalid_token"),
        ("Basic YTpi", "invalid_token"),
        ("", "invalid_token"),
    ] {
        let page = browser.call_with(Method::Get, "/api/me", Value::Null, &[("Authorization", header)]).await;
        page.is_problem(401, code);
        assert!(page.set_cookie_lines().is_empty(), "{header:?}: neither read nor rotated");
    }
    let refresh = format!("Bearer {}", text(&bo["refresh_token"]));
    let page = browser.call_with(Method::Post, REFRESH, Value::Null, &[("Authorization", &refresh)]).await;
    renewed(&page, 2);
    let page = browser.call_with(Method::Post, REFRESH, Value::Null, &[("Authorization", "Bearer x")]).await;
    page.is_problem(401, "invalid_grant");
    assert_eq!(browser.generation(), 1);
    assert!(browser.is_logged_in().await);
}

/// The owner's browser takes the next generation, and shows that it has it; then the thief asks.
async fn rotated<'a>(app: &'a TestApp, owner: &mut Browser<'a>) -> Value {
    let before = json!(owner.cookie("refresh_token"));
    app.advance(EXPIRED);
    assert!(owner.get("/account").await.delivers());
    owner.get("/session/ack").await;
    app.advance(5);
    before
}

/// As a program, it would be handed the successor within the grace, each time, and never be noticed.
#[rocket::async_test]
async fn a_thief_of_cookies_cannot_follow_each_rotation_as_a_program() {
    let app = TestApp::start().await;
    let mut owner = app.registered().await;
    let program = app.program();
    for _ in 0..3 {
        let before = rotated(&app, &mut owner).await;
        program.refresh(&before).await.is_problem(401, "invalid_grant");
        program.with(&before).post(REFRESH, Value::Null).await.is_problem(401, "invalid_grant");
        assert!(owner.is_logged_in().await, "a copy costs the owner nothing");
    }
    assert_eq!(owner.generation(), 4);
    // Tokens that were given to a program refresh as before, also if a browser's script asked for them.
    let login = json!({"email": EMAIL, "password": PASSWORD});
    let tokens = owner.call(Method::Post, "/api/auth/login", login).await.json();
    let after = renewed(&program.refresh(&tokens["refresh_token"]).await, 2);
    assert!(program.may(&after["access_token"]).await, "confirmed");
    renewed(&program.refresh(&tokens["refresh_token"]).await, 2);
}

/// Two generations within a minute would leave the browser's disk, or what is on its way, two behind: a replay.
#[rocket::async_test]
async fn cookies_that_are_new_stay_as_they_are_however_often_a_page_refreshes() {
    let app = TestApp::start().await;
    let mut browser = page(&app).await;
    let (killed, generation) = (browser.clone(), browser.generation());
    for passed in [0, 5, 59] {
        app.advance(passed);
        let answer = browser.call(Method::Post, REFRESH, Value::Null).await;
        let fresh = passed < 59;
        assert_eq!((answer.status, answer.delivers()), (200, !fresh), "{answer:?}");
        if fresh {
            assert_eq!(answer.json(), json!({"token_type": "Bearer", "expires_in": 900 - passed}));
        }
    }
    assert_eq!(browser.generation(), generation + 1);
    browser.call(Method::Post, REFRESH, Value::Null).await;
    assert_eq!(browser.generation(), generation + 1);
    let mut killed = killed;
    assert_eq!(killed.call(Method::Post, REFRESH, Value::Null).await.status, 200);
    assert!(killed.is_logged_in().await && browser.is_logged_in().await);
}

#[rocket::async_test]
async fn cookies_of_which_one_is_expired_or_another_sessions_are_refreshed() {
    let app = TestApp::start().await;
    let mut browser = page(&app).await;
    let mut other = app.browser();
    other.log_in(EMAIL, PASSWORD).await;
    let mixed = other.jar()["access_token"].clone();
    let mut jar = browser.jar().clone();
    jar.insert("access_token".to_owned(), mixed);
    let mut confused = app.browser().with_jar(jar);
    assert!(confused.call(Method::Post, REFRESH, Value::Null).await.delivers(), "of another session");
    app.advance(EXPIRED);
    assert!(browser.call(Method::Post, REFRESH, Value::Null).await.delivers(), "expired");
}
