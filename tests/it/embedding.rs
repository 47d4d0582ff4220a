//! The example of the README, which is also a program, is run here as a site.

use hallpass::auth::forgery::Genuine;
use hallpass::{Admin, CurrentUser};
use rocket::http::{Header, Method};
use rocket::{post, routes};

use crate::helpers::{EMAIL, NAME, PASSWORD, TestApp};

#[allow(dead_code, reason = "here, its launch is not called")]
#[path = "../../examples/embed.rs"]
mod embed;

async fn start() -> TestApp {
    TestApp::build(&[], embed::extend).await
}

#[rocket::async_test]
async fn a_visitor_is_sent_to_the_login_page_and_comes_back() {
    let app = start().await;
    app.registered().await;
    let mut browser = app.browser();
    assert!(browser.get("/").await.has("Log in at /login"), "the site's own home page stands before ours");
    let refused = browser.get("/reports").await;
    assert_eq!((refused.status, refused.location()), (303, Some("/login?next=%2Freports")));
    let page = browser.fill("/reports", "/login", &[("email", EMAIL), ("password", PASSWORD)]).await;
    assert_eq!((page.status, page.path.as_str()), (200, "/reports"));
    assert!(page.has(&format!("Reports for {EMAIL}")));
    assert!(browser.get("/").await.has(NAME));
}

#[rocket::async_test]
async fn a_handler_of_the_sites_own_delivers_a_rotation() {
    let app = start().await;
    let mut browser = app.registered().await;
    app.advance(901);
    let page = browser.get("/reports").await;
    assert_eq!(page.status, 200);
    assert!(page.delivers());
}

#[rocket::async_test]
async fn only_an_administrator_sees_what_is_for_administrators() {
    let app = start().await;
    let mut browser = app.registered().await;
    browser.get("/reports").await;
    let refused = browser.get("/statistics").await;
    assert_eq!(refused.status, 403);
    assert!(refused.has("<h1>"), "a page in words");
    app.site().accounts.make_admin(EMAIL).await.expect("made an administrator");
    let page = browser.get("/statistics").await;
    assert_eq!((page.status, page.body.as_str()), (200, "1 reports served"));
}

#[rocket::async_test]
async fn an_old_proof_of_identity_must_be_renewed_first() {
    let app = start().await;
    let mut browser = app.registered().await;
    assert_eq!(browser.get("/reports/export").await.status, 200);
    app.advance(301);
    let refused = browser.get("/reports/export").await;
    assert_eq!((refused.status, refused.location()), (303, Some("/confirm?next=%2Freports%2Fexport")));
    let page = browser.fill("/reports/export", "/confirm", &[("password", PASSWORD)]).await;
    assert_eq!((page.status, page.path.as_str()), (200, "/reports/export"));
}

#[post("/things")]
fn make_thing(user: CurrentUser, _genuine: Genuine) -> String {
    user.name
}

#[post("/statistics")]
fn reset_statistics(_admin: Admin, _genuine: Genuine) -> &'static str {
    "reset"
}

/// JSON of the embedding site's own, under `/api`: the same guards, errors for programs, and no redirect.
#[rocket::async_test]
async fn what_a_site_mounts_under_the_api_answers_as_the_api_does() {
    let settings = [("cors_origins", "https://app.example.org")];
    let app = TestApp::build(&settings, |rocket| rocket.mount("/api", routes![make_thing, reset_statistics])).await;
    let mut browser = app.registered().await;
    let csrf = browser.get("/api/auth/csrf").await.body;
    let csrf = csrf.split('"').nth(3).unwrap().to_owned();
    let token = [("X-CSRF-Token", csrf.as_str()), ("Origin", "https://app.example.org")];
    let made = browser.send(Method::Post, "/api/things", None, &token).await;
    assert_eq!((made.status, made.body.as_str()), (200, NAME));
    assert_eq!(made.header("access-control-allow-origin"), Some("https://app.example.org"));
    let anybody = app.browser().send(Method::Post, "/api/things", None, &[]).await;
    let codes = [
        (browser.send(Method::Post, "/api/things", None, &[]).await, 403, "forgery_refused"),
        (anybody, 401, "unauthenticated"),
        (browser.send(Method::Post, "/api/statistics", None, &token).await, 403, "admin_required"),
        (browser.get("/api/things").await, 405, "method_not_allowed"),
    ];
    for (page, status, code) in codes {
        assert_eq!(page.status, status, "{code}");
        assert!(page.has(&format!("\"code\":\"{code}\"")), "{}", page.body);
    }
    app.advance(901);
    let rotated = browser.send(Method::Post, "/api/things", None, &token).await;
    assert!(rotated.status == 200 && rotated.delivers(), "a handler under the API delivers a rotation, too");
}

#[derive(rocket::Responder)]
struct WithHeaders {
    body: &'static str,
    policy: Header<'static>,
    frames: Header<'static>,
    transport: Header<'static>,
    cache: Header<'static>,
}

#[rocket::get("/own-headers")]
fn own_headers() -> WithHeaders {
    WithHeaders {
        body: "",
        policy: Header::new("content-security-policy", "default-src 'self'"),
        frames: Header::new("X-FRAME-OPTIONS", "SAMEORIGIN"),
        transport: Header::new("Strict-Transport-Security", "max-age=1"),
        cache: Header::new("Cache-Control", "private"),
    }
}

#[rocket::async_test]
async fn headers_that_a_handler_has_set_stay_and_the_others_are_added() {
    let settings = [("public_url", "https://example.org")];
    let app = TestApp::build(&settings, |rocket| rocket.mount("/", routes![own_headers])).await;
    let response = app.client().get("/own-headers").dispatch().await;
    for (name, value) in [
        ("Content-Security-Policy", "default-src 'self'"),
        ("X-Frame-Options", "SAMEORIGIN"),
        ("Strict-Transport-Security", "max-age=1"),
        ("Cache-Control", "private"),
        ("Referrer-Policy", "same-origin"),
        ("X-Content-Type-Options", "nosniff"),
    ] {
        assert_eq!(response.headers().get(name).collect::<Vec<_>>(), [value], "{name}");
    }
    assert!(!response.headers().contains("Pragma"));
}
