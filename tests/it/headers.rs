//! What every answer carries, whoever answered, and what becomes of requests that are hardly HTTP.

use rocket::http::Method;

use crate::helpers::{EMAIL, PASSWORD, Page, Server, TestApp, raw};

/// `default-src 'none'` and nothing that lets a script in.
fn has_security_headers(what: &str, header: impl Fn(&str) -> Option<String>) {
    let value = |name: &str| header(name).unwrap_or_else(|| panic!("{what}: no {name}"));
    let policy = value("content-security-policy");
    assert!(policy.starts_with("default-src 'none';"), "{what}: {policy}");
    for part in
        ["form-action 'self'", "base-uri 'none'", "frame-ancestors 'none'", "style-src 'self'", "img-src 'self'"]
    {
        assert!(policy.contains(part), "{what}: {policy}");
    }
    for word in ["unsafe", "script", "*", "data:", "http"] {
        assert!(!policy.contains(word), "{what}: {policy}");
    }
    for (name, expected) in [
        ("referrer-policy", "same-origin"),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
    ] {
        assert_eq!(value(name), expected, "{what}: {name}");
    }
    assert!(value("permissions-policy").contains("camera=()"), "{what}");
    assert_eq!(value("x-request-id").len(), 16, "{what}");
    assert_eq!(header("x-powered-by"), None, "{what}");
}

fn of_page(page: &Page) -> impl Fn(&str) -> Option<String> {
    |name| page.header(name).map(str::to_owned)
}

/// One answer of every kind.
async fn answers(app: &TestApp) -> Vec<Page> {
    let mut browser = app.registered().await;
    let mut stranger = app.browser();
    let mut all = Vec::new();
    for path in ["/", "/login", "/register", "/logout", "/account", "/nowhere", "/readyz", "/healthz", "/setup?token=x"]
    {
        all.push(stranger.get(path).await);
    }
    for path in ["/", "/login", "/account", "/account/sessions", "/confirm", "/session/ack", "/logout", "/nowhere"] {
        all.push(browser.get(path).await);
    }
    for method in [Method::Head, Method::Options, Method::Put, Method::Trace, Method::Delete] {
        all.push(browser.send(method, "/account", None, &[]).await);
    }
    all.push(stranger.post("/login", &[]).await);
    all.push(browser.post("/account/profile", &[]).await);
    let form = stranger.get("/login").await;
    all.push(stranger.submit(&form, "/login", &[("email", EMAIL), ("password", "x")]).await);
    all.push(stranger.send(Method::Post, "/login", Some(&[b'x'; 40_000]), &[]).await);
    all.push(stranger.send(Method::Post, "/login", Some(b"{}"), &[("Content-Type", "application/json")]).await);
    for _ in 0..20 {
        stranger.submit(&form, "/login", &[("email", "x@example.org"), ("password", "x")]).await;
    }
    all.push(stranger.submit(&form, "/login", &[("email", "x@example.org"), ("password", "x")]).await);
    let page = browser.get("/account").await;
    all.push(browser.submit(&page, "/account/profile", &[("name", "Ann")]).await);
    app.advance(901);
    all.push(browser.get("/nowhere").await);
    all
}

#[rocket::async_test]
async fn every_answer_has_the_security_headers_and_is_not_stored() {
    for (url, https) in [("http://localhost:8000", false), ("https://example.org", true)] {
        let app = TestApp::with(&[("public_url", url)]).await;
        let all = answers(&app).await;
        for page in &all {
            let what = format!("{} ({})", page.path, page.status);
            has_security_headers(&what, of_page(page));
            assert_eq!(page.header("cache-control"), Some("no-store"), "{what}");
            assert_eq!(page.header("strict-transport-security").is_some(), https, "{what}");
            assert!(page.status == 303 || page.body.is_empty() || page.header("content-type").is_some(), "{what}");
        }
        for status in [200, 303, 403, 404, 413, 415, 422, 429] {
            assert!(all.iter().any(|page| page.status == status), "no answer {status} was looked at");
        }
        assert!(all.last().is_some_and(Page::delivers));
    }
}

#[rocket::async_test]
async fn files_are_kept_for_ever_and_published_keys_for_minutes() {
    let app = TestApp::start().await;
    let mut browser = app.registered().await;
    let page = browser.get("/account").await;
    let files: Vec<_> = page.body.split('"').filter(|part| part.starts_with("/static/")).collect();
    assert!(files.len() >= 2);
    app.advance(901);
    for file in files {
        let file = browser.get(file).await;
        assert_eq!(file.status, 200);
        has_security_headers(&file.path, of_page(&file));
        assert_eq!(file.header("cache-control"), Some("public, max-age=31536000, immutable"));
        assert!(file.set_cookie_lines().is_empty(), "what is stored by strangers carries nobody's cookies");
    }
    let missing = browser.get("/static/hallpass.0000000000000000.css").await;
    assert_eq!((missing.status, missing.header("cache-control")), (404, Some("no-store")));
    let keys = browser.get("/.well-known/jwks.json").await;
    has_security_headers("keys", of_page(&keys));
    assert_eq!(keys.header("cache-control"), Some("public, max-age=300"));
    assert!(keys.set_cookie_lines().is_empty());
}

#[rocket::async_test]
async fn logging_out_clears_what_pages_left_behind() {
    let app = TestApp::start().await;
    let mut browser = app.registered().await;
    let page = browser.get("/logout").await;
    assert_eq!(page.header("clear-site-data"), None);
    let out = browser.submit(&page, "/logout", &[]).await;
    assert_eq!(out.header("clear-site-data"), Some(r#""cache", "storage""#));
    assert!(out.clears("access_token") && out.clears("refresh_token") && !out.clears("browser"));
}

#[rocket::async_test]
async fn a_stranger_does_not_name_requests() {
    let app = TestApp::start().await;
    let page = app.browser().send(Method::Get, "/", None, &[("X-Request-Id", "chosen")]).await;
    assert_ne!(page.header("x-request-id"), Some("chosen"));
    let app = TestApp::with(&[("trusted_proxies", "192.0.2.0/24")]).await;
    for (given, kept) in [("chosen-1.a_b", true), ("", false), ("a b", false), ("<b>", false), (&"x".repeat(65), false)]
    {
        let page = app.browser().send(Method::Get, "/nowhere", None, &[("X-Request-Id", given)]).await;
        assert_eq!(page.header("x-request-id") == Some(given), kept, "{given}");
    }
}

const END: &str = "Host: localhost\r\nConnection: close\r\n\r\n";

#[test]
fn what_is_hardly_http_is_answered_sensibly_by_a_server_that_lives_on() {
    let server = Server::start(&[]);
    server.add_user();
    let port = server.port();
    let many = "X: y\r\n".repeat(150);
    let (huge, long) = (format!("X: {}\r\n", "y".repeat(600_000)), "y".repeat(70_000));
    // A page where the request got as far as Rocket; before, the connection's own bare answer.
    for (request, status, is_page) in [
        (format!("FOO /account HTTP/1.1\r\n{END}"), 400, true),
        (format!("CONNECT evil.example:443 HTTP/1.1\r\n{END}"), 400, true),
        (format!("GET evil.example:443 HTTP/1.1\r\n{END}"), 400, true),
        (format!("TRACE /account HTTP/1.1\r\n{END}"), 404, true),
        (format!("OPTIONS * HTTP/1.1\r\n{END}"), 404, true),
        (format!("GET //evil.example/account HTTP/1.1\r\n{END}"), 404, true),
        (format!("GET /\\evil HTTP/1.1\r\n{END}"), 404, true),
        (format!("GET /%00%ff%zz HTTP/1.1\r\n{END}"), 404, true),
        (format!("GET /../../etc/passwd HTTP/1.1\r\n{END}"), 404, true),
        (format!("GET /static/%2e%2e/%2e%2e/Cargo.toml HTTP/1.1\r\n{END}"), 404, true),
        (format!("GET http://evil.example/login HTTP/1.1\r\n{END}"), 200, true),
        ("GET /login HTTP/1.1\r\nConnection: close\r\n\r\n".into(), 200, true),
        (format!("GET /login HTTP/1.1\r\nHost: evil.example\r\n{END}"), 200, true),
        ("GET /login HTTP/1.0\r\n\r\n".into(), 200, true),
        (format!("GET /a b HTTP/1.1\r\n{END}"), 400, false),
        (format!("GET /\0 HTTP/1.1\r\n{END}"), 400, false),
        (format!("GET / HTTP/9.9\r\n{END}"), 400, false),
        ("GET /\r\n\r\n".into(), 400, false),
        ("\u{16}\u{3}\u{1}\0\0\r\n\r\n".into(), 400, false),
        (format!("GET / HTTP/1.1\r\nX : y\r\n{END}"), 400, false),
        (format!("GET / HTTP/1.1\r\n{many}{END}"), 431, false),
        (format!("GET / HTTP/1.1\r\n{huge}{END}"), 431, false),
        (format!("GET /{long} HTTP/1.1\r\n{END}"), 414, false),
        (format!("POST /login HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n{END}xx"), 400, false),
        (format!("POST /login HTTP/1.1\r\nContent-Length: -1\r\n{END}"), 400, false),
    ] {
        let what = format!("{request:.60}");
        let answer = raw::send(port, request.as_bytes());
        if answer.status == 0 && request.len() > 500_000 {
            // It hung up on us in the middle of the flood, which resets the connection.
            continue;
        }
        assert_eq!(answer.status, status, "{what}: {}", answer.head);
        let head = answer.head.to_lowercase();
        assert!(!head.contains("server:") && !head.contains("set-cookie: access"), "{what}: {head}");
        assert!(!answer.header("location").unwrap_or_default().contains("evil"), "{what}");
        if is_page {
            assert!(answer.page("").is_in_words(), "{what}: {}", answer.body);
            has_security_headers(&what, |name| answer.header(name).map(str::to_owned));
            assert_eq!(answer.header("cache-control"), Some("no-store"), "{what}");
        } else {
            assert_eq!(answer.body, "", "{what}");
        }
    }
    let head = raw::post(port, "/login", "", b"_method=head");
    assert_eq!((head.status, head.page("").is_in_words()), (404, true), "a HEAD by form is none of ours");
    let form = raw::send(port, format!("GET /login HTTP/1.1\r\n{END}").as_bytes());
    let token = form.page("/login").form("/login").value("csrf_token").unwrap().to_owned();
    let fields = crate::helpers::encode(&[("email", EMAIL), ("password", PASSWORD), ("csrf_token", &token)]);
    let browser = format!("browser={}", form.cookie("browser").unwrap());
    let head = format!("_method=head&{fields}");
    assert_eq!(raw::post(port, "/login", &browser, head.as_bytes()).status, 404, "it logs nobody in");
    assert_eq!(raw::post(port, "/login", &browser, fields.as_bytes()).status, 303, "and a POST still does");
}
