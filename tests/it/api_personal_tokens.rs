//! Personal access tokens by JSON: made, used as far as their scopes go, revoked.

use std::collections::BTreeSet;

use rocket::http::Method;
use rocket::{get, post, routes};
use serde_json::{Value, json};

use crate::helpers::{EMAIL, NAME, PASSWORD, Program, TestApp};
use crate::personal_tokens::created;

const TOKENS: &str = "/api/me/tokens";
const DAY: i64 = 24 * 3600;

async fn site() -> TestApp {
    let app = TestApp::start().await;
    app.site().accounts.add(EMAIL, NAME, PASSWORD, false).await.unwrap();
    app
}

/// A program that has logged in.
async fn owner(app: &TestApp) -> Program<'_> {
    let program = app.program();
    let tokens = program.log_in().await;
    program.with(&tokens["access_token"])
}

fn draft(scopes: &[&str]) -> Value {
    json!({"name": "nightly backup", "scopes": scopes, "expires_in_days": 30, "password": PASSWORD})
}

async fn made(owner: &Program<'_>, scopes: &[&str]) -> Value {
    let page = owner.post(TOKENS, draft(scopes)).await;
    assert_eq!(page.status, 201, "{page:?}");
    page.json()
}

#[rocket::async_test]
async fn a_token_is_shown_once_and_listed_without_its_text() {
    let app = site().await;
    let owner = owner(&app).await;
    let page = owner.post(TOKENS, draft(&["write", "read"])).await;
    let token = page.json();
    let (id, text) = (token["id"].as_str().unwrap(), token["token"].as_str().unwrap());
    assert_eq!((page.status, page.location()), (201, Some(format!("{TOKENS}/{id}").as_str())));
    assert!(text.starts_with("hpt_") && text.len() == 47, "{text}");
    let listed = owner.get(TOKENS).await;
    assert!(!listed.has("hpt_"), "{}", listed.body);
    let mut expected = token.clone();
    expected.as_object_mut().unwrap().shift_remove("token");
    assert_eq!(listed.json(), json!({ "tokens": [expected] }));
    assert_eq!(expected["scopes"], json!(["read", "write"]));
    assert_eq!(expected["expires_at"].as_i64(), Some(app.now() + 30 * DAY));
    assert!(expected["last_used_at"].is_null());
    app.advance(5);
    assert_eq!(owner.with(&token["token"]).get("/api/me").await.json()["email"], EMAIL);
    assert_eq!(owner.get(TOKENS).await.json()["tokens"][0]["last_used_at"].as_i64(), Some(app.now()));
    let events = owner.get("/api/me/events").await;
    assert!(events.has("\"token_created\""), "{}", events.body);
}

#[rocket::async_test]
async fn what_is_wrong_with_a_draft_is_told_field_by_field() {
    let app = site().await;
    let owner = owner(&app).await;
    let cases = [
        (
            json!({"name": " ", "scopes": [], "expires_in_days": 0, "password": "x"}),
            vec!["required", "required", "out_of_range"],
        ),
        (
            json!({"name": "x".repeat(101), "scopes": ["admin"], "expires_in_days": 366, "password": "x"}),
            vec!["too_long", "not_allowed", "out_of_range"],
        ),
        (json!({"name": "x", "scopes": ["all"], "expires_in_days": 1, "password": "x"}), vec!["not_allowed"]),
        (json!({"name": "x", "scopes": ["read"], "expires_in_days": 1, "password": ""}), vec!["required"]),
        (json!({"name": "x", "scopes": ["read"], "expires_in_days": 1, "password": "x"}), vec!["wrong"]),
        (json!({"name": "x", "scopes": "read", "expires_in_days": 1, "password": "x"}), vec!["wrong_type"]),
        (json!({"name": "x", "scopes": [1], "expires_in_days": 1, "password": "x"}), vec!["wrong_type"]),
        (json!({"name": "x", "scopes": ["read"], "expires_in_days": 1.5, "password": "x"}), vec!["wrong_type"]),
        (json!({"name": "x", "scopes": ["read"], "expires_in_days": i64::MAX, "password": "x"}), vec!["out_of_range"]),
        (json!({"name": "x", "scopes": ["read"], "expires_in_days": u64::MAX, "password": "x"}), vec!["wrong_type"]),
        (json!({"name": "x"}), vec!["missing", "missing", "missing"]),
    ];
    for (draft, expected) in cases {
        let page = owner.post(TOKENS, draft.clone()).await;
        let problem = page.is_problem(422, "invalid_input");
        let codes: Vec<_> =
            problem["errors"].as_array().unwrap().iter().map(|fault| fault["code"].as_str().unwrap()).collect();
        assert_eq!(codes, expected, "{draft}");
    }
    assert_eq!(owner.get(TOKENS).await.json(), json!({ "tokens": [] }));
}

#[rocket::async_test]
async fn the_fifty_first_token_is_a_fault_of_the_whole_body() {
    let app = site().await;
    let owner = owner(&app).await;
    for _ in 0..50 {
        created(&app, "x", 1).await;
    }
    owner.post(TOKENS, draft(&["read"])).await.is_fault("body", "too_many");
}

/// An embedding site's routes: the guards are the same there.
#[get("/reports")]
fn read_reports(user: hallpass::CurrentUser) -> String {
    user.email
}

#[post("/reports")]
fn write_reports(user: hallpass::CurrentUser) -> String {
    user.email
}

#[get("/statistics")]
fn statistics(_admin: hallpass::Admin) -> &'static str {
    "statistics"
}

#[rocket::async_test]
async fn a_token_is_good_for_its_scopes_alone() {
    let app =
        TestApp::build(&[], |rocket| rocket.mount("/api/own", routes![read_reports, write_reports, statistics])).await;
    app.site().accounts.add(EMAIL, NAME, PASSWORD, true).await.unwrap();
    let owner = owner(&app).await;
    for scopes in [&["read"][..], &["write"], &["admin"], &["read", "write"], &["read", "admin"]] {
        let token = made(&owner, scopes).await;
        let bearer = format!("Bearer {}", token["token"].as_str().unwrap());
        let mut seen = BTreeSet::new();
        for (method, path, needed) in [
            (Method::Get, "/api/me", vec!["read"]),
            (Method::Get, "/api/own/reports", vec!["read"]),
            (Method::Post, "/api/own/reports", vec!["write"]),
            (Method::Get, "/api/own/statistics", vec!["read", "admin"]),
        ] {
            let mut request = app.client().req(method, path);
            request.add_header(rocket::http::Header::new("Authorization", bearer.clone()));
            let response = request.dispatch().await;
            let lacks = needed.into_iter().find(|scope| !scopes.contains(scope));
            assert_eq!(response.status().code, if lacks.is_some() { 403 } else { 200 }, "{method} {path} {scopes:?}");
            let challenge = lacks.map(|scope| format!(r#"Bearer error="insufficient_scope", scope="{scope}""#));
            assert_eq!(response.headers().get_one("WWW-Authenticate"), challenge.as_deref());
            seen.insert(lacks);
        }
        assert!(seen.len() > 1 || scopes == ["admin"], "{scopes:?}: {seen:?}");
    }
}

#[get("/read")]
fn read(visitor: hallpass::MaybeUser) -> String {
    visitor.0.map_or("nobody".to_owned(), |user| user.name)
}

#[post("/write")]
fn write(visitor: hallpass::MaybeUser) -> String {
    visitor.0.map_or("nobody".to_owned(), |user| user.name)
}

#[rocket::async_test]
async fn a_token_without_the_scope_is_nobody_where_anybody_may_ask() {
    let app = TestApp::build(&[], |rocket| rocket.mount("/", routes![read, write])).await;
    app.site().accounts.add(EMAIL, NAME, PASSWORD, false).await.unwrap();
    let owner = owner(&app).await;
    for (scopes, reads, writes) in
        [(&["read"][..], NAME, "nobody"), (&["write"], "nobody", NAME), (&["read", "write"], NAME, NAME)]
    {
        let program = owner.with(&made(&owner, scopes).await["token"]);
        for (method, path, expected) in [(Method::Get, "/read", reads), (Method::Post, "/write", writes)] {
            let mut request = app.client().req(method, path);
            let bearer = format!("Bearer {}", program.bearer.as_ref().unwrap());
            request.add_header(rocket::http::Header::new("Authorization", bearer));
            assert_eq!(request.dispatch().await.into_string().await.as_deref(), Some(expected), "{method} {scopes:?}");
        }
        // It can still be thrown away by its holder.
        assert_eq!(program.post("/api/auth/logout", Value::Null).await.status, 204);
        program.get("/api/me").await.is_problem(401, "invalid_token");
    }
}

#[rocket::async_test]
async fn what_needs_the_owner_no_token_may_do() {
    let app = site().await;
    let owner = owner(&app).await;
    let token = made(&owner, &["read", "write"]).await;
    let program = owner.with(&token["token"]);
    let id = token["id"].as_str().unwrap();
    let change = json!({"current_password": PASSWORD, "new_password": "seven slow boats upriver"});
    for (method, path, body) in [
        (Method::Post, "/api/auth/confirm", json!({"password": PASSWORD})),
        (Method::Put, "/api/me/password", change),
        (Method::Delete, "/api/me/sessions", Value::Null),
        (Method::Delete, "/api/me/sessions/x", Value::Null),
        (Method::Post, TOKENS, draft(&["read"])),
        (Method::Delete, &format!("{TOKENS}/{id}"), Value::Null),
    ] {
        program.call(method, path, body).await.is_problem(403, "session_required");
    }
    program.refresh(&token["token"]).await.is_problem(401, "invalid_grant");
    program.call(Method::Post, "/api/auth/refresh", Value::Null).await.is_problem(401, "invalid_grant");
    assert_eq!(owner.get(TOKENS).await.json()["tokens"].as_array().unwrap().len(), 1);
    assert!(app.program().log_in().await["access_token"].is_string(), "the password is what it was");
}

#[rocket::async_test]
async fn a_token_ends_with_its_time_its_owners_lock_or_when_it_is_revoked() {
    let app = site().await;
    let program = owner(&app).await;
    let gone = |token: &Value| program.with(&token["token"]);
    let [first, second, third, fourth] = [
        made(&program, &["read"]).await,
        made(&program, &["read"]).await,
        made(&program, &["read"]).await,
        made(&program, &["read"]).await,
    ];
    let path = format!("{TOKENS}/{}", first["id"].as_str().unwrap());
    assert_eq!(program.call(Method::Delete, &path, Value::Null).await.status, 204);
    gone(&first).get("/api/me").await.is_problem(401, "invalid_token");
    program.call(Method::Delete, &format!("{TOKENS}/x"), Value::Null).await.is_problem(404, "not_found");
    // Whoever carries it can revoke it, whatever its scopes.
    assert_eq!(gone(&second).post("/api/auth/logout", Value::Null).await.status, 204);
    gone(&second).get("/api/me").await.is_problem(401, "invalid_token");
    assert!(program.get("/api/me").await.status == 200, "its owner's session lives");
    app.site().accounts.lock(EMAIL).await.unwrap();
    gone(&third).get("/api/me").await.is_problem(401, "invalid_token");
    app.site().accounts.unlock(EMAIL).await.unwrap();
    assert_eq!(gone(&third).get("/api/me").await.status, 200);
    app.advance(30 * DAY - 1);
    assert_eq!(gone(&third).get("/api/me").await.status, 200);
    app.advance(1);
    gone(&third).get("/api/me").await.is_problem(401, "invalid_token");
    gone(&fourth).get("/api/me").await.is_problem(401, "invalid_token");
}

#[rocket::async_test]
async fn other_peoples_tokens_are_nobodys() {
    let app = site().await;
    app.site().accounts.add("bea@example.org", "Bea", PASSWORD, false).await.unwrap();
    let program = owner(&app).await;
    let token = made(&program, &["read"]).await;
    let login = json!({"email": "bea@example.org", "password": PASSWORD});
    let bea = app.program().post("/api/auth/login", login).await.json();
    let bea = app.program().with(&bea["access_token"]);
    assert_eq!(bea.get(TOKENS).await.json(), json!({ "tokens": [] }));
    let path = format!("{TOKENS}/{}", token["id"].as_str().unwrap());
    bea.call(Method::Delete, &path, Value::Null).await.is_problem(404, "not_found");
    assert_eq!(program.with(&token["token"]).get("/api/me").await.status, 200);
}

#[rocket::async_test]
async fn a_token_is_made_by_the_password_and_revoked_soon_after_it() {
    let app = site().await;
    let program = owner(&app).await;
    let token = made(&program, &["read"]).await;
    app.advance(301);
    let path = format!("{TOKENS}/{}", token["id"].as_str().unwrap());
    program.call(Method::Delete, &path, Value::Null).await.is_problem(401, "reauthentication_required");
    let confirmed = program.post("/api/auth/confirm", json!({"password": PASSWORD})).await.json();
    let program = program.with(&confirmed["access_token"]);
    made(&program, &["read"]).await;
    assert_eq!(program.call(Method::Delete, &path, Value::Null).await.status, 204);
}

#[rocket::async_test]
async fn pages_can_be_read_with_a_token_but_never_submitted() {
    let app = site().await;
    let program = owner(&app).await;
    let token = made(&program, &["read", "write"]).await;
    let mut browser = app.browser();
    browser.log_in(EMAIL, PASSWORD).await;
    let bearer = format!("Bearer {}", token["token"].as_str().unwrap());
    let extra = [("Authorization", bearer.as_str())];
    let page = browser.send(Method::Get, "/account", None, &extra).await;
    assert_eq!(page.status, 200, "{page:?}");
    let form = browser.get("/account").await;
    let fields = form.form("/account/profile");
    let body = crate::helpers::encode(&fields.filled(&[("name", "Forged")]));
    let page = browser.send(Method::Post, "/account/profile", Some(body.as_bytes()), &extra).await;
    assert_eq!(page.status, 403, "its cookies are not read, so its form token belongs to nobody");
    assert!(browser.get("/account").await.has(NAME));
}
