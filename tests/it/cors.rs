//! Pages of other origins: those that the setting names may call the API, all others get and change nothing.

use std::collections::BTreeSet;

use rocket::http::Method;
use serde_json::{Value, json};

use crate::helpers::{Browser, EMAIL, NAME, PASSWORD, Page, Program, Server, TestApp, encode, raw};

const OWN: &str = "http://localhost:8000";
const ALLOWED: &str = "https://app.example.org";
const OTHER_ALLOWED: &str = "http://localhost:5173";

/// What no allowed origin is like, however close.
const FOREIGN: [&str; 31] = [
    "https://evil.example",
    "http://app.example.org",
    "https://app.example.org:444",
    "https://app.example.org:443",
    "https://app.example.org:99999",
    "https://app.example.org:443.evil",
    "https://app.example.org.evil.example",
    "https://evilapp.example.org",
    "https://x.app.example.org",
    "https://example.org",
    "https://app.example.org.",
    "https://APP.example.org",
    "HTTPS://app.example.org",
    "https://app.example.org/",
    "https://app.example.org/path",
    "https://app.example.org?x",
    "https://app.example.org#x",
    "https://user@app.example.org",
    "https://app.example.org@evil.example",
    "https://app.example.org, https://evil.example",
    "https://app.example.org https://evil.example",
    "http://localhost:5174",
    "http://127.0.0.1:5173",
    "https://localhost:5173",
    "null",
    "",
    "*",
    " ",
    "x y",
    "http://",
    "nonsense",
];

async fn site() -> TestApp {
    let app = TestApp::with(&[("cors_origins", "https://app.example.org, http://localhost:5173")]).await;
    app.site().accounts.add(EMAIL, NAME, PASSWORD, false).await.unwrap();
    app
}

/// A program that has logged in.
async fn program(app: &TestApp) -> Program<'_> {
    let program = app.program();
    let tokens = program.log_in().await;
    program.with(&tokens["access_token"])
}

async fn logged_in(app: &TestApp) -> Browser<'_> {
    let mut browser = app.browser();
    browser.log_in(EMAIL, PASSWORD).await;
    browser.form_token().await;
    browser
}

fn cors_headers(page: &Page) -> Vec<&str> {
    page.headers.iter().map(|(name, _)| name.as_str()).filter(|name| name.starts_with("access-control-")).collect()
}

/// A cache must not give one origin's answer to another.
#[track_caller]
fn varies(page: &Page) {
    let vary: Vec<_> = page.headers.iter().filter(|(name, _)| name == "vary").map(|(_, value)| value).collect();
    assert_eq!(vary, ["Origin"], "{page:?}");
}

/// The page that asked may read it.
#[track_caller]
fn is_readable(page: &Page, origin: &str) {
    assert_eq!(page.header("access-control-allow-origin"), Some(origin), "{page:?}");
    assert_eq!(page.header("access-control-allow-credentials"), Some("true"), "{page:?}");
    varies(page);
}

/// 403, and nothing by which the page that asked could read even that.
#[track_caller]
fn is_turned_away(page: &Page) {
    page.is_problem(403, "origin_not_allowed");
    assert_eq!(cors_headers(page), [""; 0], "{page:?}");
    assert!(page.set_cookie_lines().is_empty(), "{page:?}");
    varies(page);
}

fn listed(page: &Page, name: &str) -> BTreeSet<String> {
    let list = page.header(name).unwrap_or_else(|| panic!("no {name}: {page:?}"));
    list.split(',').map(|item| item.trim().to_lowercase()).collect()
}

fn set(items: &[&str]) -> BTreeSet<String> {
    items.iter().map(|item| (*item).to_owned()).collect()
}

async fn preflight(app: &TestApp, path: &str, origin: &str, method: &str, headers: &str) -> Page {
    let mut extra = vec![("Origin", origin), ("Access-Control-Request-Method", method)];
    extra.extend((!headers.is_empty()).then_some(("Access-Control-Request-Headers", headers)));
    app.program().send(Method::Options, path, None, &extra).await
}

/// Method and path of every route of the API, as the running site has them.
fn routes(app: &TestApp) -> Vec<(Method, String)> {
    let routes = app.client().rocket().routes().filter(|route| route.uri.path().starts_with("/api/"));
    let routes = routes.filter(|route| route.method != Method::Options && route.uri.base() == "/api");
    let routes: Vec<_> = routes.map(|route| (route.method, route.uri.path().replace("<id>", "x"))).collect();
    assert!(routes.len() >= 15, "{routes:?}");
    routes
}

#[rocket::async_test]
async fn preflights_are_answered_without_a_token_for_every_route() {
    let app = site().await;
    for (method, path) in routes(&app) {
        for origin in [ALLOWED, OTHER_ALLOWED, OWN] {
            let headers = "authorization,content-type,x-csrf-token";
            let page = preflight(&app, &path, origin, method.as_str(), headers).await;
            assert_eq!((page.status, page.body.as_str()), (204, ""), "{method} {path}: {page:?}");
            is_readable(&page, origin);
            assert!(page.set_cookie_lines().is_empty());
            let methods = listed(&page, "access-control-allow-methods");
            assert!(methods.contains(&method.as_str().to_lowercase()), "{method} {path}: {methods:?}");
            assert_eq!(
                listed(&page, "access-control-allow-headers"),
                set(&["authorization", "content-type", "x-csrf-token"])
            );
            assert_eq!(page.header("access-control-max-age"), Some("600"));
        }
    }
}

#[rocket::async_test]
async fn who_asks_for_the_methods_of_a_path_is_told() {
    let app = site().await;
    let allow = async |path: &str| app.program().send(Method::Options, path, None, &[]).await;
    for (path, expected) in [
        ("/api/me", vec!["get", "head", "patch", "options"]),
        ("/api/me/sessions/x", vec!["delete", "options"]),
        ("/api/auth/login", vec!["post", "options"]),
        ("/api/nowhere", vec![]),
    ] {
        let page = allow(path).await;
        assert_eq!(page.status, 204, "{path}");
        match expected.is_empty() {
            true => assert_eq!(page.header("allow"), None, "{path}"),
            false => assert_eq!(listed(&page, "allow"), set(&expected), "{path}"),
        }
    }
}

#[rocket::async_test]
async fn preflights_for_what_is_not_allowed_are_refused() {
    let app = site().await;
    for origin in FOREIGN {
        is_turned_away(&preflight(&app, "/api/me", origin, "GET", "").await);
    }
    for (method, headers) in [
        ("GET", "X-Evil"),
        ("GET", "authorization,x-evil"),
        ("PATCH", "cookie"),
        ("CONNECT", ""),
        ("TRACE", ""),
        ("EVIL", ""),
        ("", ""),
    ] {
        is_turned_away(&preflight(&app, "/api/me", ALLOWED, method, headers).await);
    }
    // Without a method it is no preflight.
    let page = app.program().send(Method::Options, "/api/me", None, &[("Origin", ALLOWED)]).await;
    assert_eq!(page.status, 403, "{page:?}");
    for headers in ["Authorization", "AUTHORIZATION, Content-Type", "content-type", ""] {
        assert_eq!(preflight(&app, "/api/me", ALLOWED, "PATCH", headers).await.status, 204, "{headers}");
    }
    let unconfigured = TestApp::start().await;
    is_turned_away(&preflight(&unconfigured, "/api/me", ALLOWED, "GET", "").await);
    assert_eq!(preflight(&unconfigured, "/api/me", OWN, "GET", "").await.status, 204);
}

#[rocket::async_test]
async fn a_foreign_origin_gets_no_answer_from_any_route_and_no_effect() {
    let app = site().await;
    let program = program(&app).await;
    let (bearer, mut browser) = (program.bearer.clone().unwrap(), logged_in(&app).await);
    let token = browser.form_token().await;
    let other = self::program(&app).await;
    for (method, path) in routes(&app) {
        let body = json!({
            "name": "Forged", "email": "forged@example.org", "password": PASSWORD,
            "current_password": PASSWORD, "new_password": "seven slow boats upriver",
        });
        let with_cookies = [("Origin", FOREIGN[0]), ("X-CSRF-Token", &token)];
        is_turned_away(&browser.call_and_lose(method, &path, body.clone(), &with_cookies).await);
        let bearer = format!("Bearer {bearer}");
        let with_bearer = [("Origin", FOREIGN[0]), ("Authorization", &bearer)];
        is_turned_away(&app.program().send(method, &path, Some(body.to_string().as_bytes()), &with_bearer).await);
    }
    assert!(other.get("/api/me").await.json()["name"] == NAME && browser.is_logged_in().await);
    assert!(app.site().accounts.by_email("forged@example.org").await.is_err());
}

#[rocket::async_test]
async fn origins_are_compared_to_the_letter() {
    let app = site().await;
    let program = program(&app).await;
    for origin in FOREIGN {
        let page = program.send(Method::Get, "/api/me", None, &[("Origin", origin)]).await;
        is_turned_away(&page);
        let body = json!({"name": "Forged"}).to_string();
        is_turned_away(&program.send(Method::Patch, "/api/me", Some(body.as_bytes()), &[("Origin", origin)]).await);
    }
    assert_eq!(program.get("/api/me").await.json()["name"], NAME);
    for origin in [ALLOWED, OTHER_ALLOWED, OWN] {
        let page = program.send(Method::Get, "/api/me", None, &[("Origin", origin)]).await;
        assert_eq!(page.status, 200);
        is_readable(&page, origin);
        let exposed = ["location", "retry-after", "www-authenticate", "x-request-id"];
        assert!(listed(&page, "access-control-expose-headers").is_superset(&set(&exposed)), "{page:?}");
    }
}

#[rocket::async_test]
async fn two_origins_are_none() {
    let server = Server::start(&[("HALLPASS_CORS_ORIGINS", ALLOWED)]);
    for origins in [[ALLOWED, FOREIGN[0]], [FOREIGN[0], ALLOWED]] {
        let lines = origins.map(|origin| format!("Origin: {origin}\r\n")).concat();
        let request = format!("GET /api/openapi.json HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{lines}\r\n");
        let answer = raw::send(server.port(), request.as_bytes());
        assert_eq!(answer.status, 403, "{}", answer.head);
        assert_eq!(answer.header("access-control-allow-origin"), None);
    }
}

#[rocket::async_test]
async fn a_foreign_origin_rotates_and_confirms_nothing() {
    let app = site().await;
    let mut browser = logged_in(&app).await;
    app.advance(901);
    for (method, path) in [(Method::Get, "/api/me"), (Method::Get, "/api/nowhere"), (Method::Post, "/api/auth/refresh")]
    {
        for origin in ["http://evil.localhost:8000", "null"] {
            let page = browser.call_and_lose(method, path, Value::Null, &[("Origin", origin)]).await;
            is_turned_away(&page);
        }
    }
    let page = browser.get("/account").await;
    assert!(page.delivers());
    assert_eq!(browser.generation(), 2, "the first rotation since");
}

#[rocket::async_test]
async fn every_answer_of_the_api_varies_and_allowed_origins_can_read_errors_too() {
    let app = site().await;
    let program = program(&app).await;
    let large = vec![b' '; 40_000];
    for (method, path, body, extra, status) in [
        (Method::Get, "/api/me", None, None, 200),
        (Method::Head, "/api/me", None, None, 200),
        (Method::Get, "/api/me", None, Some(("Authorization", "Bearer x")), 401),
        (Method::Delete, "/api/me/sessions/x", None, None, 404),
        (Method::Get, "/api", None, None, 404),
        (Method::Get, "/api/", None, None, 404),
        (Method::Get, "/api/nowhere", None, None, 404),
        (Method::Get, "//api/nowhere", None, None, 404),
        (Method::Get, "/%61pi/nowhere", None, None, 404),
        (Method::Post, "/api/me", None, None, 405),
        (Method::Patch, "/api/me", Some(&b"{"[..]), None, 400),
        (Method::Patch, "/api/me", Some(b"{}"), None, 422),
        (Method::Patch, "/api/me", Some(b"{}"), Some(("Content-Type", "text/plain")), 415),
        (Method::Patch, "/api/me", Some(&large), None, 413),
        (Method::Post, "/api/auth/login", Some(br#"{"email":"x@example.org","password":"x"}"#), None, 401),
        (Method::Post, "/api/auth/logout", None, Some(("Authorization", "Bearer x")), 204),
    ] {
        let plain = program.send(method, path, body, extra.as_slice()).await;
        assert_eq!(plain.status, status, "{method} {path}: {plain:?}");
        assert_eq!(cors_headers(&plain), [""; 0]);
        varies(&plain);
        let headers: Vec<_> = extra.into_iter().chain([("Origin", ALLOWED)]).collect();
        let allowed = program.send(method, path, body, &headers).await;
        assert_eq!(allowed.status, status, "{method} {path}: {allowed:?}");
        is_readable(&allowed, ALLOWED);
        let headers: Vec<_> = extra.into_iter().chain([("Origin", FOREIGN[0])]).collect();
        let foreign = program.send(method, path, body, &headers).await;
        assert_eq!((foreign.status, cors_headers(&foreign).len()), (403, 0), "{method} {path}: {foreign:?}");
        varies(&foreign);
    }
}

#[rocket::async_test]
async fn a_page_of_an_allowed_origin_logs_in_works_and_logs_out_with_cookies() {
    let app = site().await;
    let mut browser = app.browser();
    // As browsers name it: another port of one host is the same site, another host is another site.
    for (origin, site) in [(OTHER_ALLOWED, "same-site"), (ALLOWED, "cross-site")] {
        let own = [("Origin", origin), ("Sec-Fetch-Site", site)];
        let page = browser.call_with(Method::Get, "/api/auth/csrf", Value::Null, &own).await;
        is_readable(&page, origin);
        let token = page.json()["csrf_token"].as_str().unwrap().to_owned();
        let headers = [own[0], own[1], ("X-CSRF-Token", &token)];
        let body = json!({"email": EMAIL, "password": PASSWORD, "delivery": "cookie"});
        let page = browser.call_with(Method::Post, "/api/auth/login", body.clone(), &headers).await;
        assert!(page.delivers(), "{page:?}");
        is_readable(&page, origin);
        let page = browser.call_with(Method::Patch, "/api/me", json!({"name": "Ann"}), &own).await;
        page.is_problem(403, "forgery_refused");
        is_readable(&page, origin);
        let page = browser.call_with(Method::Patch, "/api/me", json!({"name": "Ann"}), &headers).await;
        assert_eq!(page.status, 200);
        app.advance(901);
        let page = browser.call_with(Method::Post, "/api/auth/refresh", Value::Null, &headers).await;
        assert!(page.delivers(), "{page:?}");
        let page = browser.call_with(Method::Post, "/api/auth/logout", Value::Null, &headers).await;
        assert!(page.status == 204 && page.clears("refresh_token"), "{page:?}");
    }
}

#[rocket::async_test]
async fn pages_know_nothing_of_cors() {
    let app = site().await;
    let mut browser = app.browser();
    let login = browser.get("/login").await;
    let body = encode(&login.form("/login").filled(&[("email", EMAIL), ("password", PASSWORD)])).into_bytes();
    let own = [("Origin", OWN)];
    let done = browser.send(Method::Post, "/login", Some(&body), &own).await;
    assert_eq!((done.status, done.location()), (303, Some("/account")), "{done:?}");
    for path in ["/", "/account", "/nowhere", "/apix", "/api.json", "/.well-known/jwks.json", "/healthz"] {
        for origin in [ALLOWED, OWN, FOREIGN[0]] {
            let page = browser.send(Method::Get, path, None, &[("Origin", origin)]).await;
            assert!(page.status < 405 && page.status != 403, "{path}: {page:?}");
            assert_eq!((cors_headers(&page).len(), page.header("vary")), (0, None), "{path}: {page:?}");
        }
        let extra = [("Origin", ALLOWED), ("Access-Control-Request-Method", "POST")];
        let page = browser.send(Method::Options, path, None, &extra).await;
        assert!(page.status >= 400 && cors_headers(&page).is_empty(), "{path}: {page:?}");
    }
    // What the setting allows is the API, not the forms.
    let account = browser.get("/account").await;
    let body = encode(&account.form("/account/profile").filled(&[("name", "Forged")])).into_bytes();
    let refused = browser.send(Method::Post, "/account/profile", Some(&body), &[("Origin", ALLOWED)]).await;
    assert_eq!(refused.status, 403);
    assert!(cors_headers(&refused).is_empty());
}

#[rocket::async_test]
async fn what_turns_a_foreign_page_away_is_no_address_of_its_own() {
    let app = site().await;
    for status in ["200", "204", "301", "403", "500", "503", "999", "x"] {
        app.program().get(&format!("/api/cors/{status}")).await.is_problem(404, "not_found");
    }
    app.program().get("/api/cors").await.is_problem(404, "not_found");
}
