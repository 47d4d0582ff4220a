//! Forged calls of the API: what another site, or another browser, makes a browser send.

use hallpass::audit::Client;
use hallpass::personal_tokens::Draft;
use rocket::http::Method;
use serde_json::{Value, json};

use crate::helpers::{Browser, EMAIL, NAME, PASSWORD, Page, Program, TestApp};

const OWN: &str = "http://localhost:8000";
const ALLOWED: &str = "https://app.example.org";
const FORM_TOKEN: &str = "X-CSRF-Token";
const NEW_PASSWORD: &str = "seven slow boats upriver";

/// Why another site may make a browser send it, or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Acts by the cookies.
    Guarded,
    /// Reads no cookies: who sends it must know what is in the body.
    ByBody,
}

/// What each route that changes something is sent, so that it would do it. A new route fails the test until it is
/// considered here.
fn considered(method: Method, path: &str, setup: &str) -> (Kind, Value) {
    let user = json!({"name": "Forged", "email": "forged@example.org", "password": PASSWORD});
    match (method, path) {
        (Method::Post, "/api/auth/login") => {
            (Kind::Guarded, json!({"email": EMAIL, "password": PASSWORD, "delivery": "cookie"}))
        }
        (Method::Post, "/api/auth/refresh" | "/api/auth/logout") => (Kind::Guarded, Value::Null),
        (Method::Post, "/api/auth/confirm") => (Kind::Guarded, json!({"password": PASSWORD})),
        (Method::Patch, "/api/me") => (Kind::Guarded, json!({"name": "Forged"})),
        (Method::Put, "/api/me/password") => {
            (Kind::Guarded, json!({"current_password": PASSWORD, "new_password": NEW_PASSWORD}))
        }
        (Method::Delete, "/api/me/sessions" | "/api/me/sessions/<id>") => (Kind::Guarded, Value::Null),
        (Method::Post, "/api/me/tokens") => {
            (Kind::Guarded, json!({"name": "Forged", "scopes": ["read", "write"], "expires_in_days": 365}))
        }
        (Method::Delete, "/api/me/tokens/<id>") => (Kind::Guarded, Value::Null),
        (Method::Post, "/api/users") => (Kind::ByBody, user),
        (Method::Post, "/api/setup") => {
            let mut first = user;
            first["token"] = json!(setup);
            first["email"] = json!("first@example.org");
            (Kind::ByBody, first)
        }
        _ => panic!("consider what another site could do with {method} {path}"),
    }
}

/// Every route of the API that changes something, from the running site itself, with what it is sent.
async fn unsafe_routes(app: &TestApp) -> Vec<(Method, String, Kind, Value)> {
    let setup = app.site().accounts.issue_setup_token().await.unwrap();
    let routes = app.client().rocket().routes().filter(|route| route.uri.path().starts_with("/api"));
    let routes: Vec<_> = routes
        .filter(|route| !matches!(route.method, Method::Get | Method::Head | Method::Options))
        .map(|route| {
            let (kind, body) = considered(route.method, route.uri.path(), &setup);
            (route.method, route.uri.path().to_owned(), kind, body)
        })
        .collect();
    assert!(routes.len() >= 10, "{routes:?}");
    routes
}

async fn site() -> TestApp {
    let app = TestApp::with(&[("cors_origins", ALLOWED)]).await;
    app.site().accounts.add(EMAIL, NAME, PASSWORD, false).await.unwrap();
    app
}

async fn logged_in(app: &TestApp) -> Browser<'_> {
    let mut browser = app.browser();
    browser.log_in(EMAIL, PASSWORD).await;
    browser.form_token().await;
    browser
}

/// The sessions of the account, the newest token generation of each, its name and password, its personal tokens.
async fn state(app: &TestApp) -> String {
    let user = app.site().accounts.by_email(EMAIL).await.unwrap();
    let mut sessions = app.site().sessions.list(&user.id).await.unwrap();
    sessions.sort_by_key(|session| session.id.to_string());
    let sessions: Vec<_> = sessions
        .into_iter()
        .map(|session| (session.id.to_string(), session.family.generation, session.auth_time))
        .collect();
    let tokens = app.site().personal_tokens.list(&user.id).await.unwrap();
    format!("{sessions:?} {user:?} {tokens:?}")
}

/// The path with the id of something that the owner has.
async fn with_id(app: &TestApp, path: &str, other: &Browser<'_>) -> String {
    if !path.contains("/tokens/") {
        return path.replace("<id>", &session(other));
    }
    let user = app.site().accounts.by_email(EMAIL).await.unwrap();
    let draft = Draft::check("backup", &["read"], 30, false).unwrap();
    let client = Client { address: [127, 0, 0, 1].into(), user_agent: String::new(), browser: None };
    let made = app.site().personal_tokens.create(&user.id, user.password_changed_at, draft, &client).await;
    path.replace("<id>", made.unwrap().0.id.as_str())
}

fn session(browser: &Browser<'_>) -> String {
    let claims = crate::helpers::claims(browser.cookie("access_token").unwrap());
    claims["sid"].as_str().unwrap().to_owned()
}

#[rocket::async_test]
async fn every_route_that_changes_something_refuses_forgeries() {
    let app = site().await;
    let mut owner = logged_in(&app).await;
    let own = owner.form_token().await;
    let other = logged_in(&app).await;
    let others = other.clone().form_token().await;
    app.advance(1);
    for (method, path, kind, body) in unsafe_routes(&app).await {
        let path = with_id(&app, &path, &other).await;
        let before = state(&app).await;
        for (extra, code) in [
            (&[][..], "forgery_refused"),
            (&[(FORM_TOKEN, "")], "forgery_refused"),
            (&[(FORM_TOKEN, "x")], "forgery_refused"),
            (&[(FORM_TOKEN, &others)], "forgery_refused"),
            (&[(FORM_TOKEN, &own[1..])], "forgery_refused"),
            (&[(FORM_TOKEN, &own), ("Sec-Fetch-Site", "cross-site")], "forgery_refused"),
            (&[(FORM_TOKEN, &own), ("Sec-Fetch-Site", "same-site")], "forgery_refused"),
            (&[(FORM_TOKEN, &own), ("Sec-Fetch-Site", "same-site"), ("Origin", OWN)], "forgery_refused"),
            (&[(FORM_TOKEN, &own), ("Origin", "https://evil.example")], "origin_not_allowed"),
            (&[(FORM_TOKEN, &own), ("Origin", "null")], "origin_not_allowed"),
            (
                &[(FORM_TOKEN, &own), ("Origin", "https://evil.example"), ("Sec-Fetch-Site", "none")],
                "origin_not_allowed",
            ),
        ] {
            let what = format!("{method} {path} {extra:?}");
            // Nobody's cookies give a registration more weight; a foreign page does not come through all the same.
            if kind == Kind::ByBody && code == "forgery_refused" {
                continue;
            }
            let page = owner.call_and_lose(method, &path, body.clone(), extra).await;
            assert_eq!(page.status, 403, "{what}: {page:?}");
            page.is_problem(403, code);
            assert!(page.set_cookie_lines().is_empty(), "{what}: {page:?}");
        }
        if kind == Kind::Guarded {
            // The right token, but not the browser that it was made for.
            let mut stripped = owner.clone();
            stripped.remove_cookie("browser");
            let page = stripped.call_and_lose(method, &path, body.clone(), &[(FORM_TOKEN, &own)]).await;
            page.is_problem(403, "forgery_refused");
            // The forms of another site: they cannot send JSON, nor the header.
            for (kind, form) in [
                ("application/x-www-form-urlencoded", format!("_method={method}&csrf_token={own}")),
                ("text/plain", body.to_string()),
                ("multipart/form-data; boundary=x", body.to_string()),
            ] {
                let page =
                    owner.send_and_lose(Method::Post, &path, Some(form.as_bytes()), &[("Content-Type", kind)]).await;
                assert!([403, 405, 415].contains(&page.status), "{method} {path} {kind}: {page:?}");
                assert!(page.set_cookie_lines().is_empty(), "{page:?}");
            }
        }
        assert_eq!(state(&app).await, before);
    }
    assert!(app.site().accounts.by_email("forged@example.org").await.is_err());
    assert!(app.site().accounts.by_email("first@example.org").await.is_err());
}

/// Whether a route did what it was asked.
#[track_caller]
fn done(what: &str, page: &Page) {
    assert!((200..300).contains(&page.status), "{what}: {page:?}");
}

#[rocket::async_test]
async fn every_route_believes_this_site_and_the_origins_that_the_setting_names() {
    for extra in [
        &[][..],
        &[("Sec-Fetch-Site", "same-origin")],
        &[("Sec-Fetch-Site", "none")],
        &[("Origin", OWN), ("Sec-Fetch-Site", "same-origin")],
        &[("Origin", OWN)],
        &[("Origin", ALLOWED)],
        &[("Origin", ALLOWED), ("Sec-Fetch-Site", "same-site")],
        &[("Origin", ALLOWED), ("Sec-Fetch-Site", "cross-site")],
    ] {
        let app = site().await;
        let other = logged_in(&app).await;
        for (method, path, _, body) in unsafe_routes(&app).await {
            let what = format!("{method} {path} {extra:?}");
            let mut browser = logged_in(&app).await;
            let token = browser.form_token().await;
            let headers: Vec<_> = extra.iter().copied().chain([(FORM_TOKEN, token.as_str())]).collect();
            let path = with_id(&app, &path, &other).await;
            done(&what, &browser.call_with(method, &path, body, &headers).await);
            app.site().accounts.set_password(EMAIL, PASSWORD).await.unwrap();
        }
    }
}

#[rocket::async_test]
async fn bearer_requests_need_no_form_token() {
    let app = site().await;
    let other = logged_in(&app).await;
    let program = app.program();
    for (method, path, _, mut body) in unsafe_routes(&app).await {
        let tokens = program.log_in().await;
        let client: Program<'_> = match path.as_str() {
            "/api/auth/refresh" => program.with(&tokens["refresh_token"]),
            _ => program.with(&tokens["access_token"]),
        };
        if path == "/api/auth/login" {
            body["delivery"] = json!("body");
        }
        let path = with_id(&app, &path, &other).await;
        done(&format!("{method} {path}"), &client.call(method, &path, body).await);
        app.site().accounts.set_password(EMAIL, PASSWORD).await.unwrap();
    }
}

#[rocket::async_test]
async fn the_form_token_is_read_from_its_header_alone() {
    let app = site().await;
    let mut owner = logged_in(&app).await;
    let token = owner.form_token().await;
    let query = format!("/api/me?csrf_token={token}&X-CSRF-Token={token}");
    let page = owner.call_and_lose(Method::Patch, &query, json!({"name": "Forged"}), &[]).await;
    page.is_problem(403, "forgery_refused");
    let body = json!({"name": "Forged", "csrf_token": token});
    owner.call_and_lose(Method::Patch, "/api/me", body, &[]).await.is_problem(403, "forgery_refused");
    owner.set_cookie("X-CSRF-Token", &token);
    let page = owner.call_and_lose(Method::Patch, "/api/me", json!({"name": "Forged"}), &[]).await;
    page.is_problem(403, "forgery_refused");
    let page = owner.call_and_lose(Method::Patch, "/api/me", json!({"name": "Ann"}), &[("x-csrf-token", &token)]).await;
    assert_eq!(page.status, 200);
}
