//! Every response that consumed a generation delivers the successor; requests whose answer a browser may not keep
//! consume none.

use hallpass::{Admin, CurrentUser, MaybeUser, RecentlyAuthenticated};
use rocket::form::Form;
use rocket::http::{Method, Status};
use rocket::response::Redirect;
use rocket::{Build, Rocket, get, post, routes};

use crate::helpers::{Browser, Page, TestApp, encode, generation};

const EXPIRED: i64 = 901;

#[get("/admin")]
fn admin(_admin: Admin) -> &'static str {
    "the administrator's"
}

#[get("/panics")]
fn panics(_user: CurrentUser) -> &'static str {
    panic!("on purpose")
}

#[get("/fails")]
fn fails(_user: CurrentUser) -> Status {
    Status::InternalServerError
}

#[get("/refuses")]
fn refuses(_user: CurrentUser) -> Status {
    Status::UnprocessableEntity
}

#[get("/moves")]
fn moves(_user: CurrentUser) -> Redirect {
    Redirect::to("/elsewhere")
}

#[get("/sensitive")]
fn sensitive(_user: RecentlyAuthenticated) -> &'static str {
    "sensitive"
}

#[get("/reports")]
fn reports(user: CurrentUser) -> String {
    format!("Reports for {}", user.name)
}

#[get("/open")]
fn open(_visitor: MaybeUser) -> &'static str {
    "open"
}

#[get("/unguarded")]
fn unguarded() -> &'static str {
    "unguarded"
}

#[post("/number", data = "<_number>")]
fn number(_user: CurrentUser, _number: Form<u8>) -> &'static str {
    "a number"
}

#[get("/who")]
fn who(visitor: MaybeUser) -> String {
    visitor.0.map_or_else(|| "nobody".to_owned(), |user| user.name)
}

fn extend(rocket: Rocket<Build>) -> Rocket<Build> {
    let routes = routes![admin, panics, fails, refuses, moves, sensitive, reports, open, unguarded, number, who];
    rocket.mount("/", routes).mount("/static/private", routes![who])
}

async fn expired(app: &TestApp) -> Browser<'_> {
    let browser = app.registered().await;
    app.advance(EXPIRED);
    browser
}

fn delivers(page: &Page, status: u16, generation_expected: i64) {
    assert_eq!(page.status, status, "{}: {}", page.path, page.body);
    assert!(page.delivers(), "{} ({status}) consumed a generation and kept it", page.path);
    assert_eq!(generation(&page.sets("refresh_token").unwrap()), generation_expected, "{}", page.path);
    assert_eq!(generation(&page.sets("access_token").unwrap()), generation_expected, "{}", page.path);
    assert_eq!(page.header("cache-control"), Some("no-store"), "{}", page.path);
}

#[rocket::async_test]
async fn the_successor_is_delivered_whatever_the_answer() {
    let app = TestApp::build(&[], extend).await;
    let mut browser = app.registered().await;
    let pages = [
        ("/nowhere", 404),
        ("/admin", 403),
        ("/refuses", 422),
        ("/fails", 500),
        ("/panics", 500),
        ("/moves", 303),
        ("/sensitive", 303),
        ("/login", 303),
        ("/.well-knowing", 404),
        ("/reports", 200),
        ("/open", 200),
        ("/unguarded", 200),
        ("/", 200),
        ("/register", 303),
    ];
    for (number, (path, status)) in (2..).zip(pages) {
        app.advance(EXPIRED);
        delivers(&browser.get(path).await, status, number);
    }
    assert!(browser.is_logged_in().await);
}

#[rocket::async_test]
async fn the_successor_is_delivered_whatever_becomes_of_a_post() {
    let app = TestApp::build(&[], extend).await;
    let mut browser = app.registered().await;
    let large = format!("name={}", "a".repeat(64 * 1024));
    let cases: [(&str, &[u8], &str, u16); 7] = [
        ("/account/profile", large.as_bytes(), "application/x-www-form-urlencoded", 413),
        ("/account/profile", b"{}", "application/json", 415),
        ("/account/profile", b"name=x", "application/x-www-form-urlencoded", 403),
        ("/nowhere", b"name=x", "application/x-www-form-urlencoded", 404),
        ("/number", b"x", "application/x-www-form-urlencoded", 422),
        ("/account", b"", "application/x-www-form-urlencoded", 404),
        ("/account/sessions/nonsense/end", b"", "application/x-www-form-urlencoded", 303),
    ];
    for (number, (path, body, kind, status)) in (2..).zip(cases) {
        app.advance(EXPIRED);
        let page = browser.send(Method::Post, path, Some(body), &[("Content-Type", kind)]).await;
        delivers(&page, status, number);
    }
    let page = browser.get("/account").await;
    app.advance(EXPIRED);
    delivers(&browser.submit(&page, "/account/profile", &[("name", "")]).await, 422, 9);
    for (number, method) in (10..).zip([Method::Put, Method::Patch, Method::Delete, Method::Options]) {
        app.advance(EXPIRED);
        delivers(&browser.send(method, "/account", None, &[]).await, 404, number);
    }
}

#[rocket::async_test]
async fn requests_whose_answer_may_not_be_kept_rotate_nothing_and_are_still_authenticated() {
    let app = TestApp::build(&[], extend).await;
    let browser = expired(&app).await;
    let deaf = [
        ("Sec-Purpose", "prefetch"),
        ("Sec-Purpose", "prefetch;prerender"),
        ("Purpose", "prefetch"),
        ("Sec-Fetch-Dest", "image"),
        ("Sec-Fetch-Dest", "style"),
        ("Sec-Fetch-Dest", "script"),
        ("Sec-Fetch-Dest", "font"),
    ];
    for header in deaf {
        let page = browser.send_and_lose(Method::Get, "/reports", None, &[header]).await;
        assert_eq!((page.status, page.set_cookie_lines().len()), (200, 0), "{header:?}");
        assert!(page.has("Reports for Ann Example"), "{header:?}");
    }
    let page = browser.send_and_lose(Method::Head, "/reports", None, &[]).await;
    assert_eq!((page.status, page.set_cookie_lines().len()), (200, 0));
    for path in ["/logout", "/session/ack"] {
        let page = browser.send_and_lose(Method::Get, path, None, &[]).await;
        assert_eq!((page.status, page.delivers()), (200, false), "{path}");
    }
    assert!(browser.send_and_lose(Method::Get, "/logout", None, &[]).await.has("You are logged in as"));
    for path in ["/static/none", "/healthz", "/readyz", "/.well-known/jwks.json", "/.well-known/change-password"] {
        assert!(!browser.send_and_lose(Method::Get, path, None, &[]).await.delivers(), "{path}");
    }
    let page = browser.send_and_lose(Method::Get, "/reports", None, &[]).await;
    delivers(&page, 200, 2);
}

#[rocket::async_test]
async fn a_log_out_by_refresh_token_alone_ends_the_session() {
    let app = TestApp::start().await;
    let mut browser = app.registered().await;
    let page = browser.get("/account").await;
    let mut twin = browser.clone();
    app.advance(EXPIRED);
    let answer = browser.submit(&page, "/logout", &[]).await;
    assert!(answer.status == 303 && answer.clears("refresh_token") && !answer.delivers());
    assert!(!twin.is_logged_in().await);
}

#[rocket::async_test]
async fn requests_without_a_jar_neither_ask_nor_revoke() {
    let app = TestApp::build(&[], extend).await;
    let mut owner = app.registered().await;
    let before = owner.clone();
    app.advance(EXPIRED);
    owner.get("/account").await;
    let image = [("Sec-Fetch-Dest", "image")];
    for (seconds, served) in [(0, true), (0, true), (100, false), (0, false)] {
        app.advance(seconds);
        let page = before.send_and_lose(Method::Get, "/reports", None, &image).await;
        assert_eq!(page.status == 200, served, "{page:?}");
        assert!(page.set_cookie_lines().is_empty() && page.status != 307);
        // Confirms, then (100 s later) settles.
        owner.get("/account").await;
    }
    let activity = owner.get("/account/sessions").await;
    assert_eq!(activity.body.matches("An outdated token of one of your sessions was used").count(), 1);
    assert!(owner.is_logged_in().await);
}

#[rocket::async_test]
async fn a_post_that_calls_itself_an_image_is_asked_like_any_other() {
    let app = TestApp::start().await;
    let mut owner = app.registered().await;
    let page = owner.get("/account").await;
    let mut thief = owner.clone();
    app.advance(EXPIRED);
    owner.get("/account").await;
    owner.get("/account").await;
    app.advance(60);
    let body = encode(&page.form("/account/profile").filled(&[("name", "Mallory")]));
    for disguise in [("Sec-Fetch-Dest", "image"), ("Sec-Purpose", "prefetch"), ("Purpose", "prefetch")] {
        let answer = thief.send_and_lose(Method::Post, "/account/profile", Some(body.as_bytes()), &[disguise]).await;
        assert_eq!(answer.status, 307, "{disguise:?}");
        assert_eq!(thief.send(Method::Get, "/account", None, &[disguise]).await.status, 303, "{disguise:?}");
    }
    assert!(!owner.get("/account").await.has("Mallory"));
}

#[rocket::async_test]
async fn the_image_on_a_delivering_page_confirms() {
    let app = TestApp::start().await;
    let mut browser = expired(&app).await;
    let before = browser.clone();
    assert!(browser.get("/account").await.has("<img class=\"ack\" src=\"/session/ack\""));
    let again = before.send_and_lose(Method::Get, "/account", None, &[]).await;
    assert!(again.delivers() && again.has("/session/ack"), "not confirmed: delivered again");
    let image = browser.send(Method::Get, "/session/ack", None, &[("Sec-Fetch-Dest", "image")]).await;
    assert_eq!((image.status, image.header("content-type")), (200, Some("image/gif")));
    assert!(image.set_cookie_lines().is_empty());
    let again = before.send_and_lose(Method::Get, "/account", None, &[]).await;
    assert!(again.status == 200 && !again.delivers() && !again.has("/session/ack"), "confirmed: a straggler");
    assert!(!browser.get("/account").await.has("/session/ack"));
    assert!(!app.browser().get("/").await.has("/session/ack"));
}

#[rocket::async_test]
async fn the_image_confirms_by_the_refresh_token_when_the_access_cookie_is_lost() {
    let app = TestApp::start().await;
    let mut browser = expired(&app).await;
    let before = browser.clone();
    browser.get("/account").await;
    browser.remove_cookie("access_token");
    browser.get("/session/ack").await;
    assert!(!before.send_and_lose(Method::Get, "/account", None, &[]).await.delivers());
}

#[rocket::async_test]
async fn over_https_the_cookies_are_bound_to_the_host() {
    let app = TestApp::with(&[("public_url", "https://example.org")]).await;
    let mut browser = app.registered().await;
    app.advance(EXPIRED);
    let page = browser.get("/account").await;
    for name in ["__Host-access_token", "__Host-refresh_token"] {
        let value = page.sets(name).expect("delivered");
        assert!(value.len() < 1024, "{name} takes {} bytes", value.len());
        let expected = format!("{name}={value}; Path=/; HttpOnly; Secure; SameSite=Lax");
        assert!(page.set_cookie_lines().contains(&expected.as_str()), "{:?}", page.set_cookie_lines());
    }
}
