//! What a program does with its account: shows and changes it, lists and ends sessions, registers, sets up.

use rocket::http::Method;
use serde_json::{Value, json};

use crate::helpers::{EMAIL, NAME, PASSWORD, Page, Program, TestApp, claims};

const ME: &str = "/api/me";
const SESSIONS: &str = "/api/me/sessions";
const NEW_PASSWORD: &str = "seven slow boats upriver";

/// A program that has logged in.
async fn program(app: &TestApp) -> Program<'_> {
    let program = app.program();
    let tokens = program.log_in().await;
    program.with(&tokens["access_token"])
}

async fn site() -> TestApp {
    let app = TestApp::start().await;
    app.site().accounts.add(EMAIL, NAME, PASSWORD, false).await.unwrap();
    app
}

async fn sessions(program: &Program<'_>) -> Vec<Value> {
    program.get(SESSIONS).await.json()["sessions"].as_array().unwrap().clone()
}

async fn kinds(program: &Program<'_>) -> Vec<String> {
    let events = program.get("/api/me/events").await.json();
    let events = events["events"].as_array().unwrap().iter();
    events.map(|event| event["kind"].as_str().unwrap().to_owned()).collect()
}

fn session_of(program: &Program<'_>) -> String {
    claims(program.bearer.as_ref().unwrap())["sid"].as_str().unwrap().to_owned()
}

async fn end(program: &Program<'_>, id: &str) -> Page {
    program.call(Method::Delete, &format!("{SESSIONS}/{id}"), Value::Null).await
}

async fn confirmed<'a>(program: &Program<'a>) -> Program<'a> {
    let page = program.post("/api/auth/confirm", json!({"password": PASSWORD})).await;
    assert_eq!(page.status, 200, "{}", page.body);
    program.with(&page.json()["access_token"])
}

/// 401 as RFC 9470 has it.
#[track_caller]
fn needs_proof(page: &Page) {
    page.is_problem(401, "reauthentication_required");
    let challenge = page.header("www-authenticate").unwrap();
    assert!(challenge.starts_with(r#"Bearer error="insufficient_user_authentication", "#), "{challenge}");
    assert!(challenge.ends_with(r#", max_age="300""#), "{challenge}");
}

#[rocket::async_test]
async fn who_asks_is_shown_their_account() {
    let app = site().await;
    let program = program(&app).await;
    let subject = claims(program.bearer.as_ref().unwrap())["sub"].clone();
    let expected = json!({
        "id": subject, "email": EMAIL, "name": NAME, "admin": false,
        "created_at": app.now(), "password_changed_at": app.now(),
    });
    assert_eq!(program.get(ME).await.json(), expected);
    let mut browser = app.browser();
    browser.log_in(EMAIL, PASSWORD).await;
    assert_eq!(browser.call(Method::Get, ME, Value::Null).await.json(), expected);
    assert_eq!(program.send(Method::Head, ME, None, &[]).await.body, "");
}

#[rocket::async_test]
async fn a_name_is_changed_and_faults_are_told() {
    let app = site().await;
    let program = program(&app).await;
    let change = async |name: &str| program.call(Method::Patch, ME, json!({"name": name})).await;
    let page = change(" Ann Bright ").await;
    assert_eq!((page.status, &page.json()["name"]), (200, &json!("Ann Bright")));
    for (name, code) in [
        ("", "required"),
        (" \n", "required"),
        (&"x".repeat(101), "too_long"),
        ("a\0b", "control_character"),
        ("a\u{202e}b", "control_character"),
    ] {
        change(name).await.is_fault("name", code);
    }
    assert_eq!(program.get(ME).await.json()["name"], "Ann Bright");
    let mut browser = app.browser();
    assert!(browser.log_in(EMAIL, PASSWORD).await.has("Ann Bright"), "pages show the same");
}

#[rocket::async_test]
async fn a_password_change_ends_the_other_sessions_and_faults_stand_beside_their_fields() {
    let app = site().await;
    let (client, other) = (program(&app).await, program(&app).await);
    let change = async |current: &str, new: &str| {
        let body = json!({"current_password": current, "new_password": new});
        client.call(Method::Put, "/api/me/password", body).await
    };
    change("not the right one", NEW_PASSWORD).await.is_fault("current_password", "wrong");
    change("", NEW_PASSWORD).await.is_fault("current_password", "required");
    change(PASSWORD, "").await.is_fault("new_password", "required");
    change(PASSWORD, "short").await.is_fault("new_password", "too_short");
    change(PASSWORD, &"ab".repeat(129)).await.is_fault("new_password", "too_long");
    change(PASSWORD, "password123456789").await.is_problem(422, "invalid_input");
    change(PASSWORD, PASSWORD).await.is_fault("new_password", "unchanged");
    assert_eq!(change("", "").await.faults().len(), 2, "all at once");
    assert_eq!(other.get(ME).await.status, 200);
    app.advance(10);
    let page = change(PASSWORD, NEW_PASSWORD).await;
    assert_eq!((page.status, page.body.as_str()), (204, ""));
    other.get(ME).await.is_problem(401, "invalid_token");
    let me = client.get(ME).await.json();
    assert_eq!(me["password_changed_at"].as_i64().unwrap() - me["created_at"].as_i64().unwrap(), 10);
    assert_eq!(kinds(&client).await[0], "password_changed");
    let log_in = async |password: &str| {
        app.program().post("/api/auth/login", json!({"email": EMAIL, "password": password})).await
    };
    log_in(PASSWORD).await.is_problem(401, "invalid_credentials");
    assert_eq!(log_in(NEW_PASSWORD).await.status, 200);
}

#[rocket::async_test]
async fn guesses_at_the_current_password_are_counted() {
    let app = site().await;
    let program = program(&app).await;
    let body = json!({"current_password": "not the right one", "new_password": NEW_PASSWORD});
    for _ in 0..10 {
        let page = program.call(Method::Put, "/api/me/password", body.clone()).await;
        page.is_fault("current_password", "wrong");
    }
    let body = json!({"current_password": PASSWORD, "new_password": NEW_PASSWORD});
    let page = program.call(Method::Put, "/api/me/password", body).await;
    page.is_problem(429, "too_many_attempts");
    assert!(page.header("retry-after").is_some_and(|seconds| seconds.parse::<i64>().is_ok()));
}

#[rocket::async_test]
async fn sessions_are_listed_last_used_first() {
    let app = site().await;
    let mut browser = app.browser();
    browser.log_in_remembered(EMAIL, PASSWORD).await;
    app.advance(10);
    let program = program(&app).await;
    let list = sessions(&program).await;
    let (own, other) = (&list[0], &list[1]);
    assert_eq!(list.len(), 2);
    assert_eq!((&own["current"], &other["current"]), (&json!(true), &json!(false)));
    assert_eq!((&own["remembered"], &other["remembered"]), (&json!(false), &json!(true)));
    assert_eq!(own["id"], session_of(&program));
    assert_eq!((&own["user_agent"], &own["address"]), (&json!("program/1.0"), &json!("192.0.2.2")));
    let now = app.now();
    for (name, expected) in [
        ("created_at", now),
        ("auth_time", now),
        ("last_seen_at", now),
        ("idle_expires_at", now + 12 * 60 * 60),
        ("expires_at", now + 90 * 24 * 60 * 60),
    ] {
        assert_eq!(own[name], expected, "{name}");
    }
    let seen = browser.call(Method::Get, SESSIONS, Value::Null).await.json();
    let current: Vec<_> = seen["sessions"].as_array().unwrap().iter().filter(|one| one["current"] == true).collect();
    assert_eq!((current.len(), &current[0]["id"]), (1, &other["id"]));
}

#[rocket::async_test]
async fn a_session_is_ended_by_its_owner_alone() {
    let app = site().await;
    app.site().accounts.add("bo@example.org", "Bo", PASSWORD, true).await.unwrap();
    let (client, other) = (program(&app).await, program(&app).await);
    let bo = json!({"email": "bo@example.org", "password": PASSWORD});
    let bo = app.program().with(&app.program().post("/api/auth/login", bo).await.json()["access_token"]);
    for id in [
        &session_of(&client),
        "x",
        "",
        ".",
        "..",
        "%00",
        "%2e%2e%2f",
        &"x".repeat(5000),
        "'%20or%201=1--",
        "%C3%BC",
        "%ff",
    ] {
        end(&bo, id).await.is_problem(404, "not_found");
    }
    assert_eq!((client.get(ME).await.status, other.get(ME).await.status), (200, 200));
    let page = end(&client, &session_of(&other)).await;
    assert_eq!((page.status, page.body.as_str()), (204, ""));
    other.get(ME).await.is_problem(401, "invalid_token");
    assert_eq!(kinds(&client).await[0], "session_ended");
    assert_eq!(end(&client, &session_of(&other)).await.status, 204, "ended before: nothing is left to do");
    assert_eq!(sessions(&client).await.len(), 1);
    assert_eq!(end(&client, &session_of(&client)).await.status, 204);
    client.get(ME).await.is_problem(401, "invalid_token");
    assert_eq!(bo.get(ME).await.status, 200);
}

#[rocket::async_test]
async fn a_page_that_ends_its_own_session_loses_its_cookies_and_no_other_does() {
    let app = site().await;
    let mut browser = app.browser();
    browser.log_in(EMAIL, PASSWORD).await;
    let other = session_of(&program(&app).await);
    let page = browser.call(Method::Delete, &format!("{SESSIONS}/{other}"), Value::Null).await;
    assert_eq!((page.status, page.set_cookie_lines().len()), (204, 0));
    let own = claims(browser.cookie("access_token").unwrap())["sid"].as_str().unwrap().to_owned();
    let page = browser.call(Method::Delete, &format!("{SESSIONS}/{own}"), Value::Null).await;
    assert_eq!(page.status, 204);
    assert!(page.clears("access_token") && page.clears("refresh_token"), "{page:?}");
    assert!(!browser.is_logged_in().await);
}

/// Whoever asks by a header has not shown the cookies: they may be another session's.
#[rocket::async_test]
async fn a_session_that_ends_itself_by_header_clears_no_cookies() {
    let app = site().await;
    let mut browser = app.browser();
    browser.log_in(EMAIL, PASSWORD).await;
    let program = program(&app).await;
    let bearer = format!("Bearer {}", program.bearer.as_ref().unwrap());
    let path = format!("{SESSIONS}/{}", session_of(&program));
    let page = browser.call_with(Method::Delete, &path, Value::Null, &[("Authorization", &bearer)]).await;
    assert_eq!((page.status, page.set_cookie_lines()), (204, vec![]));
    program.get(ME).await.is_problem(401, "invalid_token");
    assert!(browser.is_logged_in().await);
}

#[rocket::async_test]
async fn all_other_sessions_are_ended() {
    let app = site().await;
    let (client, other) = (program(&app).await, program(&app).await);
    let mut browser = app.browser();
    browser.log_in(EMAIL, PASSWORD).await;
    app.site().accounts.add("bo@example.org", "Bo", PASSWORD, false).await.unwrap();
    let mut bo = app.browser();
    bo.log_in("bo@example.org", PASSWORD).await;
    let page = client.call(Method::Delete, SESSIONS, Value::Null).await;
    assert_eq!((page.status, page.body.as_str()), (204, ""));
    other.get(ME).await.is_problem(401, "invalid_token");
    assert!(!browser.is_logged_in().await && bo.is_logged_in().await);
    assert_eq!(sessions(&client).await.len(), 1);
    assert_eq!(kinds(&client).await[0], "other_sessions_ended");
}

#[rocket::async_test]
async fn ending_sessions_needs_a_proof_of_the_last_five_minutes() {
    let app = site().await;
    let (client, other) = (program(&app).await, program(&app).await);
    app.advance(300);
    assert_eq!(client.call(Method::Delete, SESSIONS, Value::Null).await.status, 204, "the last moment");
    let other_again = program(&app).await;
    app.advance(1);
    needs_proof(&client.call(Method::Delete, SESSIONS, Value::Null).await);
    needs_proof(&end(&client, &session_of(&other_again)).await);
    needs_proof(&end(&client, "x").await);
    assert_eq!(other_again.get(ME).await.status, 200);
    other.get(ME).await.is_problem(401, "invalid_token");
    let client = confirmed(&client).await;
    assert_eq!(end(&client, &session_of(&other_again)).await.status, 204);
    app.advance(301);
    needs_proof(&client.call(Method::Delete, SESSIONS, Value::Null).await);

    let mut browser = app.browser();
    browser.log_in(EMAIL, PASSWORD).await;
    app.advance(301);
    needs_proof(&browser.call(Method::Delete, SESSIONS, Value::Null).await);
    let page = browser.call(Method::Post, "/api/auth/confirm", json!({"password": PASSWORD})).await;
    assert_eq!(page.status, 200);
    assert_eq!(browser.call(Method::Delete, SESSIONS, Value::Null).await.status, 204);
}

#[rocket::async_test]
async fn events_are_listed_newest_first_and_nobody_elses() {
    let app = site().await;
    app.site().accounts.add("bo@example.org", "Bo", PASSWORD, false).await.unwrap();
    app.advance(10);
    let program = program(&app).await;
    let events = program.get("/api/me/events").await.json();
    let expected = json!({"events": [
        {"kind": "logged_in", "at": app.now(), "user_agent": "program/1.0", "address": "192.0.2.2"},
        {"kind": "registered", "at": app.now() - 10, "user_agent": "", "address": ""},
    ]});
    assert_eq!(events, expected);
    for _ in 0..21 {
        app.program().log_in().await;
    }
    assert_eq!(kinds(&program).await.len(), 20);
}

#[rocket::async_test]
async fn a_program_registers_an_account() {
    let app = TestApp::start().await;
    let program = app.program();
    let body = json!({"name": NAME, "email": EMAIL, "password": PASSWORD});
    let page = program.post("/api/users", body.clone()).await;
    assert_eq!((page.status, page.location()), (201, Some("/api/me")));
    assert!(page.set_cookie_lines().is_empty(), "it does not log in");
    assert_eq!((&page.json()["email"], &page.json()["admin"]), (&json!(EMAIL), &json!(false)));
    program.log_in().await;
    program.post("/api/users", body).await.is_fault("email", "taken");
    let again = json!({"name": "Another", "email": "ANN@example.org", "password": NEW_PASSWORD});
    program.post("/api/users", again).await.is_fault("email", "taken");
    let bad = program.post("/api/users", json!({"name": "", "email": "x", "password": "short"})).await;
    let expected = [("email", "invalid"), ("name", "required"), ("password", "too_short")];
    assert_eq!(bad.faults(), expected.map(|(field, code)| (field.to_owned(), code.to_owned())), "all at once");
    for _ in 0..8 {
        let body = json!({"name": NAME, "email": EMAIL, "password": PASSWORD});
        program.post("/api/users", body).await.is_fault("email", "taken");
    }
    let body = json!({"name": NAME, "email": EMAIL, "password": PASSWORD});
    program.post("/api/users", body).await.is_problem(429, "too_many_attempts");
}

#[rocket::async_test]
async fn closed_registration_is_closed_to_programs() {
    for setting in ["closed", "invited"] {
        let app = TestApp::with(&[("registration", setting)]).await;
        let body = json!({"name": NAME, "email": EMAIL, "password": PASSWORD});
        app.program().post("/api/users", body).await.is_problem(403, "registration_closed");
        assert!(app.site().accounts.is_empty().await.unwrap());
    }
}

#[rocket::async_test]
async fn the_set_up_token_makes_one_administrator() {
    let app = TestApp::start().await;
    let program = app.program();
    let token = app.site().accounts.issue_setup_token().await.unwrap();
    let body = |token: &str, email: &str, password: &str| json!({"token": token, "name": NAME, "email": email, "password": password});
    for token in ["", "x", "\0", &token[1..]] {
        program.post("/api/setup", body(token, EMAIL, PASSWORD)).await.is_problem(404, "not_found");
    }
    program.post("/api/setup", body(&token, EMAIL, "short")).await.is_fault("password", "too_short");
    assert!(app.site().accounts.is_empty().await.unwrap());
    let page = program.post("/api/setup", body(&token, EMAIL, PASSWORD)).await;
    assert_eq!((page.status, page.location()), (201, Some("/api/me")));
    assert_eq!(page.json()["admin"], true);
    program.post("/api/setup", body(&token, "bo@example.org", PASSWORD)).await.is_problem(404, "not_found");
    let tokens = program.log_in().await;
    assert_eq!(program.with(&tokens["access_token"]).get(ME).await.json()["admin"], true);
    let fresh = app.site().accounts.issue_setup_token().await.unwrap();
    program.post("/api/setup", body(&fresh, "bo@example.org", PASSWORD)).await.is_problem(404, "not_found");
}
