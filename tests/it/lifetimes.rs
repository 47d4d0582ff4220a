//! Inactivity timeout, absolute lifetime, and how long cookies live.

use rocket::http::Method;

use crate::helpers::{Browser, EMAIL, PASSWORD, Page, TestApp};

const HOUR: i64 = 60 * 60;
const DAY: i64 = 24 * HOUR;

/// The Max-Age of access and refresh cookie.
fn max_ages(page: &Page) -> [Option<i64>; 2] {
    ["access_token", "refresh_token"].map(|name| {
        let cookies = page.set_cookies();
        cookies.iter().find(|(given, ..)| given == name).unwrap_or_else(|| panic!("{name} is not set")).2
    })
}

/// As a program that does not forget when it is told to.
async fn still_serves(browser: &Browser<'_>, app: &TestApp) -> bool {
    let mut stubborn = app.browser();
    for (name, cookie) in browser.jar() {
        stubborn.set_cookie(name, &cookie.value);
    }
    stubborn.send_and_lose(Method::Get, "/account", None, &[]).await.status == 200
}

async fn remembered(app: &TestApp) -> Browser<'_> {
    let mut browser = app.registered().await;
    browser.fill("/logout", "/logout", &[]).await;
    browser.log_in_remembered(EMAIL, PASSWORD).await;
    browser
}

#[rocket::async_test]
async fn without_keep_me_logged_in_cookies_end_with_the_browser_and_sessions_after_twelve_idle_hours() {
    let app = TestApp::start().await;
    let mut browser = app.registered().await;
    browser.fill("/logout", "/logout", &[]).await;
    let page = browser.get("/login").await;
    let answer = browser.submit(&page, "/login", &[("email", EMAIL), ("password", PASSWORD)]).await;
    assert_eq!(max_ages(&answer), [None, None]);
    for _ in 0..3 {
        app.advance(12 * HOUR - 1);
        let page = browser.get("/account").await;
        assert_eq!(page.status, 200);
        assert_eq!(max_ages(&page), [None, None]);
    }
    app.advance(12 * HOUR);
    assert!(!browser.is_logged_in().await);
}

#[rocket::async_test]
async fn with_keep_me_logged_in_cookies_and_session_last_thirty_idle_days() {
    let app = TestApp::start().await;
    let mut browser = app.registered().await;
    browser.fill("/logout", "/logout", &[]).await;
    let page = browser.get("/login").await;
    let fields = [("email", EMAIL), ("password", PASSWORD), ("remember", "on")];
    let answer = browser.submit(&page, "/login", &fields).await;
    assert_eq!(max_ages(&answer), [Some(30 * DAY); 2]);
    app.advance(30 * DAY - 1);
    let page = browser.get("/account").await;
    assert_eq!((page.status, max_ages(&page)), (200, [Some(30 * DAY); 2]));
    let kept = browser.clone();
    app.advance(30 * DAY);
    assert!(!browser.is_logged_in().await);
    assert!(!still_serves(&kept, &app).await, "not only the browser forgets");
}

#[rocket::async_test]
async fn a_redelivery_later_gives_cookies_the_time_that_is_left() {
    let app = TestApp::start().await;
    let browser = remembered(&app).await;
    app.advance(901);
    let lost = browser.send_and_lose(Method::Get, "/account", None, &[]).await;
    assert_eq!(max_ages(&lost), [Some(30 * DAY); 2]);
    app.advance(600);
    let again = browser.send_and_lose(Method::Get, "/account", None, &[]).await;
    assert_eq!(max_ages(&again), [Some(30 * DAY - 600); 2]);
    assert_eq!(again.sets("refresh_token"), lost.sets("refresh_token"));
}

#[rocket::async_test]
async fn no_session_outlives_ninety_days() {
    let app = TestApp::start().await;
    let mut browser = remembered(&app).await;
    for day in [20, 40, 60] {
        app.advance(20 * DAY);
        let page = browser.get("/account").await;
        assert_eq!((page.status, max_ages(&page)), (200, [Some(30 * DAY); 2]), "day {day}");
    }
    app.advance(25 * DAY);
    assert_eq!(max_ages(&browser.get("/account").await), [Some(5 * DAY); 2]);
    app.advance(5 * DAY - 100);
    assert_eq!(max_ages(&browser.get("/account").await), [Some(100); 2]);
    let kept = browser.clone();
    app.advance(99);
    assert!(still_serves(&kept, &app).await);
    app.advance(1);
    assert!(!still_serves(&kept, &app).await, "its access token has not expired; the session has");
    assert!(!browser.is_logged_in().await);
}

#[rocket::async_test]
async fn an_unremembered_session_in_use_also_ends_after_ninety_days() {
    let app = TestApp::with(&[("session_max_seconds", "86400")]).await;
    let mut browser = app.registered().await;
    for _ in 0..3 {
        app.advance(7 * HOUR);
        assert!(browser.is_logged_in().await);
    }
    app.advance(3 * HOUR);
    assert!(!browser.is_logged_in().await);
}

#[rocket::async_test]
async fn requests_that_rotate_nothing_prolong_nothing() {
    let app = TestApp::start().await;
    let browser = app.registered().await;
    app.advance(6 * HOUR);
    let image = [("Sec-Fetch-Dest", "image")];
    assert_eq!(browser.send_and_lose(Method::Get, "/account", None, &image).await.status, 200);
    app.advance(6 * HOUR);
    assert_eq!(browser.send_and_lose(Method::Get, "/account", None, &image).await.status, 303);
}
