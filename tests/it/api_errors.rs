//! Every error under `/api` is a problem document: its code, its status, its headers, whoever noticed it.

use std::collections::BTreeSet;

use rocket::http::Method;
use rocket::{get, routes};
use serde_json::{Value, json};

use crate::helpers::{EMAIL, NAME, PASSWORD, Page, Program, Server, TestApp, raw};

const LOGIN: &str = "/api/auth/login";
const ME: &str = "/api/me";

async fn site() -> TestApp {
    let app = TestApp::start().await;
    app.site().accounts.add(EMAIL, NAME, PASSWORD, false).await.unwrap();
    app
}

/// A program that has logged in.
async fn program(app: &TestApp) -> Program<'_> {
    let program = app.program();
    let tokens = program.log_in().await;
    program.with(&tokens["access_token"])
}

async fn patch(program: &Program<'_>, body: &str, content_type: &str) -> Page {
    program.send(Method::Patch, ME, Some(body.as_bytes()), &[("Content-Type", content_type)]).await
}

/// The codes of the OpenAPI document, as `status code`: every error that may be answered.
async fn codes(app: &TestApp) -> BTreeSet<String> {
    let document = crate::helpers::program::document(app).await;
    let mut codes = BTreeSet::new();
    for operation in document["paths"].as_object().unwrap().values().flat_map(|item| item.as_object().unwrap().values())
    {
        for (status, response) in operation["responses"].as_object().unwrap() {
            let description = response["description"].as_str().unwrap();
            let lines = description.lines().filter_map(|line| line.strip_prefix('`')?.split_once("`: "));
            codes.extend(lines.map(|(code, _)| format!("{status} {code}")));
        }
    }
    codes
}

/// An administrators' page of a site that embeds hallpass, and one that panics.
#[get("/api/secrets")]
fn secrets(_admin: hallpass::Admin) -> &'static str {
    "for administrators"
}

#[get("/api/panics")]
fn panics(_visitor: hallpass::MaybeUser) -> &'static str {
    panic!("on purpose")
}

#[get("/api/teapot")]
fn teapot(_visitor: hallpass::MaybeUser) -> rocket::http::Status {
    rocket::http::Status::ImATeapot
}

#[rocket::async_test]
async fn every_code_is_answered_with_its_status() {
    let app = TestApp::build(&[], |rocket| rocket.mount("/", routes![secrets, panics, teapot])).await;
    app.site().accounts.add(EMAIL, NAME, PASSWORD, false).await.unwrap();
    let program = app.program();
    let tokens = program.log_in().await;
    let client = program.with(&tokens["access_token"]);
    let embedded = |path: &'static str| {
        let mut request = app.client().get(path);
        let bearer = format!("Bearer {}", tokens["access_token"].as_str().unwrap());
        request.add_header(rocket::http::Header::new("Authorization", bearer));
        async move { Page::from_local(path, request.dispatch().await).await }
    };
    let post = async |path: &str, body: Value| program.post(path, body).await;
    let mut seen = BTreeSet::new();
    let mut see = |page: Page, status: u16, code: &str| {
        page.is_problem(status, code);
        seen.insert(format!("{status} {code}"));
    };
    see(embedded("/api/teapot").await, 418, "bad_request");
    see(client.send(Method::Patch, ME, Some(b"{"), &[]).await, 400, "malformed_json");
    see(program.get(ME).await, 401, "unauthenticated");
    see(program.with(&json!("x")).get(ME).await, 401, "invalid_token");
    see(post(LOGIN, json!({"email": EMAIL, "password": "x"})).await, 401, "invalid_credentials");
    see(program.refresh(&json!("x")).await, 401, "invalid_grant");
    see(
        app.browser()
            .call_with(Method::Post, LOGIN, json!({"email": EMAIL, "password": "x", "delivery": "cookie"}), &[])
            .await,
        403,
        "forgery_refused",
    );
    see(program.send(Method::Get, ME, None, &[("Origin", "https://evil.example")]).await, 403, "origin_not_allowed");
    see(embedded("/api/secrets").await, 403, "admin_required");
    let draft = json!({"name": "x", "scopes": ["read"], "expires_in_days": 1, "password": PASSWORD});
    let token = client.post("/api/me/tokens", draft).await.json()["token"].clone();
    see(program.with(&token).call(Method::Patch, ME, json!({"name": "x"})).await, 403, "insufficient_scope");
    let draft = json!({"name": "x", "scopes": ["write"], "expires_in_days": 1, "password": PASSWORD});
    let token = client.post("/api/me/tokens", draft).await.json()["token"].clone();
    see(program.with(&token).call(Method::Delete, "/api/me/sessions", Value::Null).await, 403, "session_required");
    see(program.get("/api/nowhere").await, 404, "not_found");
    see(client.call(Method::Delete, ME, Value::Null).await, 405, "method_not_allowed");
    see(client.send(Method::Patch, ME, Some(&[b' '; 33_000]), &[]).await, 413, "payload_too_large");
    see(patch(&client, "{}", "text/plain").await, 415, "unsupported_media_type");
    see(patch(&client, "{}", "application/json").await, 422, "invalid_input");
    see(embedded("/api/panics").await, 500, "internal_error");

    let mut browser = app.browser();
    browser.log_in(EMAIL, PASSWORD).await;
    let before = browser.clone();
    app.advance(901);
    see(client.get(ME).await, 401, "token_expired");
    let fresh = program.log_in().await["access_token"].clone();
    for seconds in [0, 61] {
        browser.get("/account").await;
        browser.get("/account").await;
        app.advance(seconds);
    }
    see(before.call_and_lose(Method::Get, ME, Value::Null, &[]).await, 401, "stale_cookies");
    app.advance(300);
    see(
        program.with(&fresh).call(Method::Delete, "/api/me/sessions", Value::Null).await,
        401,
        "reauthentication_required",
    );
    app.site().accounts.lock(EMAIL).await.unwrap();
    see(post(LOGIN, json!({"email": EMAIL, "password": PASSWORD})).await, 403, "account_locked");
    for _ in 0..20 {
        post(LOGIN, json!({"email": "x@example.org", "password": "x"})).await;
    }
    see(post(LOGIN, json!({"email": "x@example.org", "password": "x"})).await, 429, "too_many_attempts");
    let closed = TestApp::with(&[("registration", "closed")]).await;
    let body = json!({"name": NAME, "email": EMAIL, "password": PASSWORD});
    see(closed.program().post("/api/users", body).await, 403, "registration_closed");
    closed.site().db.close().await;
    let away = closed.program().post(LOGIN, json!({"email": EMAIL, "password": PASSWORD})).await;
    assert_eq!(away.header("retry-after"), Some("5"));
    see(away, 503, "unavailable");

    // Only by a status that no handler of ours answers.
    let mut expected = codes(&app).await;
    assert!(expected.remove("403 forbidden"));
    // `body` has the patience.
    assert!(expected.remove("408 request_timeout"));
    // These are answered to what the document does not list.
    assert!(expected.remove("400 bad_request") && expected.insert("418 bad_request".to_owned()));
    assert!(expected.insert("405 method_not_allowed".to_owned()));
    assert_eq!(seen, expected);
}

#[rocket::async_test]
async fn a_401_names_its_challenge_and_nothing_else_has_one() {
    let app = site().await;
    let program = app.program();
    let client = self::program(&app).await;
    let mut browser = app.browser();
    browser.log_in(EMAIL, PASSWORD).await;
    let before = browser.clone();
    let invalid = |title: &str| format!(r#"Bearer error="invalid_token", error_description="{title}""#);
    let is = |page: &Page, expected: Option<&str>| {
        let given: Vec<_> = page.headers.iter().filter(|(name, _)| name == "www-authenticate").collect();
        assert_eq!(
            given.iter().map(|(_, value)| value.as_str()).collect::<Vec<_>>(),
            Vec::from_iter(expected),
            "{page:?}"
        );
        if let (Some(challenge), 401) = (expected, page.status)
            && let Some((_, description)) = challenge.split_once("error_description=\"")
        {
            assert!(description.starts_with(page.json()["title"].as_str().unwrap()), "{page:?}");
        }
    };
    is(&program.get(ME).await, Some("Bearer"));
    is(&program.post("/api/auth/refresh", Value::Null).await, Some("Bearer"));
    is(&program.post(LOGIN, json!({"email": EMAIL, "password": "x"})).await, Some("Bearer"));
    is(&program.with(&json!("x")).get(ME).await, Some(&invalid("The token gives no access")));
    let basic = program.send(Method::Get, ME, None, &[("Authorization", "Basic YTpi")]).await;
    is(&basic, Some(&invalid("The token gives no access")));
    is(&program.refresh(&json!("x")).await, Some(&invalid("The refresh token gives nothing")));
    let dead = browser.clone().call_with(Method::Get, ME, Value::Null, &[("Cookie", "refresh_token=x")]).await;
    is(&dead, Some(&invalid("The token gives no access")));
    app.advance(301);
    is(
        &client.call(Method::Delete, "/api/me/sessions", Value::Null).await,
        Some(
            r#"Bearer error="insufficient_user_authentication", error_description="Give the password again", max_age="300""#,
        ),
    );
    app.advance(600);
    is(&client.get(ME).await, Some(&invalid("The access token has expired")));
    for seconds in [0, 61] {
        browser.get("/account").await;
        browser.get("/account").await;
        app.advance(seconds);
    }
    let stale = before.call_and_lose(Method::Get, ME, Value::Null, &[]).await;
    is(&stale, Some(&invalid("The cookies are not the newest")));
    let client = self::program(&app).await;
    for page in [
        client.get(ME).await,
        client.get("/api/nowhere").await,
        client.call(Method::Patch, ME, json!({})).await,
        client.send(Method::Get, ME, None, &[("Origin", "https://evil.example")]).await,
        browser.call_with(Method::Patch, ME, json!({"name": "x"}), &[]).await,
        client.call(Method::Delete, ME, Value::Null).await,
    ] {
        is(&page, None);
    }
}

#[rocket::async_test]
async fn another_method_is_refused_with_those_that_the_path_has() {
    let app = site().await;
    let client = program(&app).await;
    for (method, path, allow) in [
        (Method::Get, LOGIN, "POST, OPTIONS"),
        (Method::Head, LOGIN, "POST, OPTIONS"),
        (Method::Put, LOGIN, "POST, OPTIONS"),
        (Method::Get, "/api/auth/refresh", "POST, OPTIONS"),
        (Method::Delete, "/api/auth/logout", "POST, OPTIONS"),
        (Method::Post, ME, "GET, PATCH, HEAD, OPTIONS"),
        (Method::Trace, ME, "GET, PATCH, HEAD, OPTIONS"),
        (Method::Connect, ME, "GET, PATCH, HEAD, OPTIONS"),
        (Method::Post, "/api/me/", "GET, PATCH, HEAD, OPTIONS"),
        (Method::Post, "//api//me?x=1", "GET, PATCH, HEAD, OPTIONS"),
        (Method::Post, "/api/%6de", "GET, PATCH, HEAD, OPTIONS"),
        (Method::Get, "/api/me/password", "PUT, OPTIONS"),
        (Method::Post, "/api/me/sessions", "DELETE, GET, HEAD, OPTIONS"),
        (Method::Get, "/api/me/sessions/x", "DELETE, OPTIONS"),
        (Method::Post, "/api/me/events", "GET, HEAD, OPTIONS"),
        (Method::Get, "/api/users", "POST, OPTIONS"),
        (Method::Post, "/api/openapi.json", "GET, HEAD, OPTIONS"),
    ] {
        for client in [&client, &app.program()] {
            let page = client.send(method, path, None, &[]).await;
            assert_eq!(page.status, 405, "{method} {path}: {page:?}");
            let list = |text: &str| text.split(", ").map(str::to_owned).collect::<BTreeSet<_>>();
            let given = page.header("allow").unwrap_or_else(|| panic!("no Allow: {page:?}"));
            assert_eq!(list(given), list(allow), "{method} {path}");
            assert_eq!(given.split(", ").count(), list(given).len(), "{given}");
            if method != Method::Head {
                page.is_problem(405, "method_not_allowed");
            }
        }
    }
    for (method, path) in [
        (Method::Get, "/api"),
        (Method::Post, "/api/"),
        (Method::Get, "/api/nowhere"),
        (Method::Delete, "/api/nowhere"),
        (Method::Get, "/api/me/sessions/x/y"),
        (Method::Get, "/api/auth"),
        (Method::Get, "/api/Me"),
        (Method::Get, "/api/me%2Fsessions"),
        (Method::Get, "/api/../account"),
        (Method::Get, "/api/%2e%2e/account"),
        (Method::Trace, "/api/nowhere"),
    ] {
        let page = client.send(method, path, None, &[]).await;
        page.is_problem(404, "not_found");
        assert_eq!(page.header("allow"), None);
    }
}

#[rocket::async_test]
async fn methods_that_nobody_has_are_refused_on_the_wire_too() {
    let server = Server::start(&[]);
    for (method, path, status, allow) in [
        ("BREW", "/api/me", 405, Some("GET, PATCH, HEAD, OPTIONS")),
        ("QUERY", "/api/auth/login", 405, Some("POST, OPTIONS")),
        ("PROPFIND", "/api/me/sessions/x", 405, Some("DELETE, OPTIONS")),
        ("get", "/api/me", 405, Some("GET, PATCH, HEAD, OPTIONS")),
        ("DELETE", "/api/me", 405, Some("GET, PATCH, HEAD, OPTIONS")),
        ("HEAD", "/api/auth/login", 405, Some("POST, OPTIONS")),
        ("BREW", "/api/nowhere", 400, None),
    ] {
        let request = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        let answer = raw::send(server.port(), request.as_bytes());
        assert_eq!(answer.status, status, "{method} {path}: {answer:?}");
        let set = |text: &str| text.split(", ").map(str::to_owned).collect::<BTreeSet<_>>();
        assert_eq!(answer.header("allow").map(set), allow.map(set), "{method} {path}");
        assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{answer:?}");
        if method != "HEAD" {
            let problem: Value = serde_json::from_str(&answer.body).expect("JSON");
            assert_eq!(problem["status"], status);
        }
    }
}

#[rocket::async_test]
async fn a_body_is_json_in_utf_8_of_at_most_32_kib() {
    let app = site().await;
    let client = program(&app).await;
    for content_type in [
        "application/json",
        "Application/JSON",
        "application/json; charset=utf-8",
        "application/json;charset=UTF-8",
        "application/json; charset=\"utf-8\"",
        "application/json; Charset=utf-8",
    ] {
        assert_eq!(patch(&client, r#"{"name":"Ann"}"#, content_type).await.status, 200, "{content_type}");
    }
    for content_type in [
        "application/json; charset=utf-16",
        "application/json; charset=iso-8859-1",
        "application/json; Charset=utf-16",
        "application/json; charset=utf-8; charset=utf-16",
        "text/json",
        "text/plain",
        "text/html",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/problem+json",
        "application/merge-patch+json",
        "application/jsonx",
        "application/*",
        "*/*",
        "json",
        "",
    ] {
        let page = patch(&client, r#"{"name":"Forged"}"#, content_type).await;
        page.is_problem(415, "unsupported_media_type");
    }
    let mut request = app.client().patch(ME).body(r#"{"name":"Forged"}"#);
    let bearer = format!("Bearer {}", client.bearer.as_ref().unwrap());
    request.add_header(rocket::http::Header::new("Authorization", bearer));
    let page = Page::from_local(ME, request.dispatch().await).await;
    page.is_problem(415, "unsupported_media_type");
    assert_eq!(client.get(ME).await.json()["name"], "Ann");
    let padded = |length: usize| format!("{:length$}", r#"{"name":"Large"}"#);
    patch(&client, &padded(32 * 1024 + 1), "application/json").await.is_problem(413, "payload_too_large");
    assert_eq!(patch(&client, &padded(32 * 1024), "application/json").await.status, 200);
}

#[rocket::async_test]
async fn malformed_json_is_told_by_line_and_column() {
    let app = site().await;
    let client = program(&app).await;
    for (body, place) in [
        ("", "line 1 column 0"),
        ("{", "line 1 column 1"),
        ("{\n  \"name\": nonsense\n}", "line 2 column 12"),
        ("{\"name\": \"Ann\",}", "line 1 column 16"),
        ("{'name': 'Ann'}", "line 1 column 2"),
        ("{\"name\": \"Ann\"} x", "line 1 column 17"),
        ("{\"name\": \"a\nb\"}", "line 2 column 0"),
    ] {
        let problem = patch(&client, body, "application/json").await.is_problem(400, "malformed_json");
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains(place), "{body:?}: {detail}");
    }
}

#[rocket::async_test]
async fn every_field_that_is_wrong_is_told_at_once() {
    let app = site().await;
    let faults = async |body: &str| app.program().send(Method::Post, LOGIN, Some(body.as_bytes()), &[]).await.faults();
    for (body, expected) in [
        ("{}", &[("email", "missing"), ("password", "missing")][..]),
        (r#"{"email":"a@example.org"}"#, &[("password", "missing")]),
        (r#"{"email":"a@example.org","password":"x","mail":1}"#, &[("mail", "unknown")]),
        (r#"{"email":1,"password":null}"#, &[("email", "wrong_type"), ("password", "wrong_type")]),
        (r#"{"email":["a@example.org"],"password":{}}"#, &[("email", "wrong_type"), ("password", "wrong_type")]),
        (r#"{"email":"a@example.org","password":"x","remember":"true"}"#, &[("remember", "wrong_type")]),
        (r#"{"email":"a@example.org","password":"x","remember":1}"#, &[("remember", "wrong_type")]),
        (r#"{"email":"a@example.org","password":"x","remember":null}"#, &[("remember", "wrong_type")]),
        (r#"{"email":"a@example.org","password":"x","delivery":"Cookie"}"#, &[("delivery", "not_allowed")]),
        (r#"{"email":"a@example.org","password":"x","delivery":true}"#, &[("delivery", "wrong_type")]),
        (r#"{"email":"a@example.org","email":"b@example.org","password":"x"}"#, &[("email", "duplicate")]),
        (r#"{"email":"a@example.org","\u0065mail":"b@example.org","password":"x"}"#, &[("email", "duplicate")]),
        (r#"{"Email":"a@example.org","password":"x"}"#, &[("Email", "unknown"), ("email", "missing")]),
        (
            r#"{"email":1,"x":1,"x":2,"remember":"no","delivery":"post"}"#,
            &[
                ("delivery", "not_allowed"),
                ("email", "wrong_type"),
                ("password", "missing"),
                ("remember", "wrong_type"),
                ("x", "duplicate"),
                ("x", "unknown"),
            ],
        ),
        ("[]", &[("body", "wrong_type")]),
        ("null", &[("body", "wrong_type")]),
        ("\"text\"", &[("body", "wrong_type")]),
        ("1", &[("body", "wrong_type")]),
        ("true", &[("body", "wrong_type")]),
    ] {
        let expected: Vec<_> = expected.iter().map(|(field, code)| ((*field).to_owned(), (*code).to_owned())).collect();
        assert_eq!(faults(body).await, expected, "{body}");
    }
}

/// Nothing of the body comes back but names of fields: a password must not end in somebody's log.
#[rocket::async_test]
async fn what_was_sent_is_not_repeated() {
    let app = site().await;
    for body in [
        r#"{"email":"a@example.org","password":["do not repeat me"]}"#,
        r#"{"email":"a@example.org","password":"do not repeat me","remember":"do not repeat me"}"#,
        r#"{"email":"a@example.org","password":"do not repeat me","delivery":"do not repeat me"}"#,
        r#"{"email":"a@example.org","password":"do not repeat me""#,
        r#"{"email":"do not repeat me","password":"do not repeat me"}"#,
        r#""do not repeat me""#,
    ] {
        let page = app.program().send(Method::Post, LOGIN, Some(body.as_bytes()), &[]).await;
        assert!(page.status >= 400 && !page.has("repeat me"), "{page:?}");
    }
}

#[rocket::async_test]
async fn whatever_is_asked_the_api_answers_neither_html_nor_redirects() {
    let app = TestApp::start().await;
    let mut browser = app.registered().await;
    let mut paths: Vec<_> = app.client().rocket().routes().map(|route| route.uri.path().to_owned()).collect();
    paths.retain(|path| path.starts_with("/api"));
    paths.extend(
        ["/api", "/api/", "/api/nowhere", "/api/me/", "//api/me", "/api/cors/403", "/%61pi/me"].map(str::to_owned),
    );
    let before = browser.clone();
    app.advance(901);
    for seconds in [0, 61, 0] {
        browser.get("/account").await;
        app.advance(seconds);
    }
    let methods = [
        Method::Get,
        Method::Head,
        Method::Post,
        Method::Put,
        Method::Patch,
        Method::Delete,
        Method::Options,
        Method::Trace,
    ];
    let mut stale = 0;
    for path in paths {
        // The page of the documentation is one.
        if path.starts_with("/api/docs") {
            continue;
        }
        let path = path.replace("<id>", "x").replace("<_..>", "x").replace("<path..>", "x");
        assert!(!path.contains('<'), "teach this test what stands for the parts of {path}");
        for method in methods {
            for headers in [
                &[][..],
                &[("Authorization", "Bearer x")],
                &[("Origin", "https://evil.example")],
                &[("Accept", "text/html"), ("Sec-Fetch-Mode", "navigate"), ("Sec-Fetch-Dest", "document")],
                &[("Content-Type", "application/x-www-form-urlencoded")],
                &[("Cookie", "refresh_token=x; access_token=y; probe=z; browser=b")],
                &[("Referer", "http://localhost:8000/account")],
            ] {
                let page = before.send_and_lose(method, &path, Some(b"x=1"), headers).await;
                let what = format!("{method} {path} {headers:?}: {page:?}");
                assert!(!(300..400).contains(&page.status) && page.status < 500, "{what}");
                assert!(page.location().is_none() && !page.body.contains('<') || page.status < 300, "{what}");
                let content_type = page.header("content-type");
                assert!(!content_type.is_some_and(|kind| kind.contains("html")), "{what}");
                assert!(page.status < 400 || content_type == Some("application/problem+json"), "{what}");
                stale += usize::from(page.has("stale_cookies"));
            }
        }
    }
    assert!(stale > 10, "{stale}");
}
