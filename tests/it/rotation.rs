//! The rows of the decision table that keep an honest browser logged in.

use crate::helpers::{Browser, EMAIL, PASSWORD, Page, TestApp, generation};

/// Longer than an access token lives.
const EXPIRED: i64 = 901;

/// Only the question's cookie.
fn asks(page: &Page, location: &str) {
    assert_eq!((page.status, page.location()), (307, Some(location)), "{}", page.body);
    let probe = page.sets("probe").expect("a probe");
    let expected = format!("probe={probe}; Path=/; Max-Age=60; HttpOnly; SameSite=Lax");
    assert_eq!(page.set_cookie_lines(), [expected.as_str()]);
    assert_eq!(page.header("cache-control"), Some("no-store"));
    assert_eq!(page.body, "");
}

/// A browser that has rotated and confirmed, and its twin with the cookies from before.
async fn rotated<'a>(app: &'a TestApp) -> (Browser<'a>, Browser<'a>) {
    let mut browser = app.registered().await;
    let before = browser.clone();
    app.advance(EXPIRED);
    assert!(browser.get("/account").await.delivers());
    assert!(!browser.get("/account").await.delivers());
    (browser, before)
}

#[rocket::async_test]
async fn an_expired_access_token_is_replaced_on_a_404_page() {
    let app = TestApp::start().await;
    let mut browser = app.registered().await;
    app.advance(901);
    let page = browser.get("/nowhere").await;
    assert_eq!(page.status, 404);
    assert!(page.delivers());
    assert!(page.has("/session/ack"));
}

#[rocket::async_test]
async fn a_rotation_advances_by_one_and_the_next_request_needs_none() {
    let app = TestApp::start().await;
    let mut browser = app.registered().await;
    assert_eq!(browser.generation(), 1);
    for expected in 2..6 {
        app.advance(EXPIRED);
        let page = browser.get("/account").await;
        assert!(page.status == 200 && page.delivers());
        assert_eq!(browser.generation(), expected);
        assert_eq!(generation(browser.cookie("access_token").unwrap()), expected);
        assert!(browser.get("/account").await.set_cookie_lines().is_empty());
    }
}

#[rocket::async_test]
async fn a_lost_response_is_delivered_again_byte_for_byte_also_later_and_after_a_restart() {
    let app = TestApp::start().await;
    let browser = app.registered().await;
    app.advance(EXPIRED);
    let lost = browser.send_and_lose(rocket::http::Method::Get, "/account", None, &[]).await;
    let refresh = lost.sets("refresh_token").expect("a rotation");
    assert_eq!(generation(&refresh), 2);
    let again = browser.send_and_lose(rocket::http::Method::Get, "/account", None, &[]).await;
    assert_eq!((again.status, again.sets("refresh_token")), (200, Some(refresh.clone())));
    app.advance(600);
    let later = browser.send_and_lose(rocket::http::Method::Get, "/account", None, &[]).await;
    assert_eq!((later.status, later.sets("refresh_token")), (200, Some(refresh.clone())));
    let jar = browser.jar().clone();
    let app = app.restart(&[]).await;
    let mut browser = app.browser().with_jar(jar);
    let restarted = browser.get("/account").await;
    assert_eq!((restarted.status, restarted.sets("refresh_token")), (200, Some(refresh)));
    assert!(browser.is_logged_in().await);
    assert_eq!(browser.generation(), 2);
}

#[rocket::async_test]
async fn a_straggler_is_served_without_cookies_for_sixty_seconds() {
    let app = TestApp::start().await;
    let (_, mut straggler) = rotated(&app).await;
    app.advance(59);
    let page = straggler.get("/account").await;
    assert_eq!((page.status, page.set_cookie_lines().len()), (200, 0));
    assert!(!page.has("/session/ack"));
    app.advance(1);
    asks(&straggler.get("/account").await, "/account");
}

#[rocket::async_test]
async fn a_late_request_whose_browser_has_newer_cookies_goes_on_when_asked() {
    let app = TestApp::start().await;
    let (mut browser, late) = rotated(&app).await;
    app.advance(61);
    let question = late.send_and_lose(rocket::http::Method::Get, "/account?saved=name&x=a%20b", None, &[]).await;
    asks(&question, "/account?saved=name&x=a%20b");
    browser.keep(&question);
    let answer = browser.get(question.location().unwrap()).await;
    assert!(answer.status == 200 && !answer.delivers() && answer.has("Your name is saved."));
    assert!(answer.clears("probe"), "a question is put once");
    app.advance(EXPIRED);
    assert!(browser.get("/account").await.delivers());
    assert_eq!(browser.generation(), 3);
}

#[rocket::async_test]
async fn a_browser_that_fell_back_to_older_cookies_recovers_when_asked() {
    let app = TestApp::start().await;
    let (_, mut killed) = rotated(&app).await;
    app.advance(120);
    asks(&killed.get("/account").await, "/account");
    let before = killed.clone();
    let answer = killed.get("/account").await;
    assert!(answer.status == 200 && answer.delivers() && answer.clears("probe"));
    assert_eq!(killed.generation(), 3);
    // The parent stays: who has not got generation 3 yet gets the same bytes again.
    let again = before.send_and_lose(rocket::http::Method::Get, "/account", None, &[]).await;
    assert_eq!(again.sets("refresh_token").as_deref(), killed.cookie("refresh_token"));
    assert!(killed.is_logged_in().await);
    app.advance(EXPIRED);
    assert!(killed.is_logged_in().await);
    assert_eq!(killed.generation(), 4);
}

#[rocket::async_test]
async fn who_holds_a_generation_that_a_recovery_skipped_must_show_the_jar() {
    let app = TestApp::start().await;
    // The thief took the cookies of before and recovers; the owner's new ones are skipped.
    let (mut owner, mut thief) = rotated(&app).await;
    app.advance(120);
    assert_eq!(thief.visit("/account").await.path, "/account");
    assert_eq!((owner.generation(), thief.generation()), (2, 3));
    // The owner's access token has eleven minutes left, and counts as expired all the same.
    asks(&owner.get("/account").await, "/account");
    let answer = owner.get("/account").await;
    assert_eq!((answer.status, answer.location()), (303, Some("/login?next=%2Faccount")));
    assert!(!thief.is_logged_in().await, "the thief is found out by the owner's next click");
    assert!(!owner.is_logged_in().await);
}

#[rocket::async_test]
async fn a_skipped_refresh_token_alone_is_a_replay() {
    let app = TestApp::start().await;
    let (mut skipped, mut killed) = rotated(&app).await;
    app.advance(120);
    assert_eq!(killed.visit("/account").await.path, "/account");
    skipped.remove_cookie("access_token");
    asks(&skipped.get("/").await, "/");
    assert!(killed.is_logged_in().await, "unanswered, it changes nothing");
}

#[rocket::async_test]
async fn the_ninth_recovery_in_a_day_is_a_replay() {
    let app = TestApp::start().await;
    let (_, before) = rotated(&app).await;
    for recovery in 1..=8 {
        app.advance(61);
        let mut killed = before.clone();
        assert_eq!(killed.visit("/account").await.path, "/account", "recovery {recovery}");
        assert_eq!(killed.generation(), 2 + recovery);
        assert!(!killed.get("/account").await.delivers(), "confirmed");
    }
    app.advance(61);
    let mut ninth = before.clone();
    asks(&ninth.get("/account").await, "/account");
    assert_eq!(ninth.get("/account").await.status, 303);
    assert!(ninth.visit("/login").await.has("an old copy of its token was used"));
}

#[rocket::async_test]
async fn recoveries_are_counted_anew_after_a_day() {
    let app = TestApp::start().await;
    let mut first = app.registered().await;
    first.fill("/logout", "/logout", &[]).await;
    first.log_in_remembered(EMAIL, PASSWORD).await;
    let before = first.clone();
    app.advance(EXPIRED);
    first.get("/account").await;
    first.get("/account").await;
    for day in 0..3 {
        for recovery in 0..8 {
            app.advance(61);
            let mut killed = before.clone();
            assert_eq!(killed.visit("/account").await.path, "/account", "day {day}, recovery {recovery}");
            killed.get("/account").await;
        }
        app.advance(24 * 60 * 60);
    }
}

#[rocket::async_test]
async fn a_question_is_the_sites_own_address_whatever_the_path_looks_like() {
    let app = TestApp::start().await;
    let (_, late) = rotated(&app).await;
    app.advance(61);
    for (path, location) in [
        ("//evil.example/x", "/.//evil.example/x"),
        ("///evil.example", "/.///evil.example"),
        ("/%5cevil.example", "/%5cevil.example"),
        ("/%2f%2fevil.example", "/%2f%2fevil.example"),
        ("/a?next=//evil.example", "/a?next=//evil.example"),
        ("/session/ask", "/session/ask"),
    ] {
        asks(&late.send_and_lose(rocket::http::Method::Get, path, None, &[]).await, location);
    }
}

#[rocket::async_test]
async fn the_asking_route_itself_is_no_page() {
    let app = TestApp::start().await;
    assert_eq!(app.browser().get("/session/ask").await.status, 404);
    assert_eq!(app.registered().await.get("/session/ask").await.status, 404);
}

#[rocket::async_test]
async fn an_access_token_about_to_expire_is_replaced_ahead() {
    let app = TestApp::start().await;
    let mut browser = app.registered().await;
    app.advance(840);
    assert!(!browser.get("/account").await.delivers(), "sixty seconds are enough");
    app.advance(1);
    assert!(browser.get("/account").await.delivers());
    assert_eq!(browser.generation(), 2);
}

#[rocket::async_test]
async fn ahead_of_its_end_an_access_token_is_no_way_round_the_question() {
    let app = TestApp::start().await;
    let mut owner = app.registered().await;
    let mut thief = owner.clone();
    owner.remove_cookie("access_token");
    assert!(owner.get("/account").await.delivers());
    owner.get("/account").await;
    app.advance(60);
    owner.get("/account").await;
    app.advance(781);
    // Its access token has 59 s left and counts as expired; its refresh token is stale.
    asks(&thief.get("/account").await, "/account");
    assert_eq!(thief.get("/account").await.status, 303, "the request that ends the session is refused too");
    assert!(!owner.is_logged_in().await);
}

#[rocket::async_test]
async fn ahead_of_its_end_an_access_token_alone_still_serves() {
    let app = TestApp::start().await;
    let mut browser = app.registered().await;
    browser.remove_cookie("refresh_token");
    app.advance(899);
    let page = browser.get("/account").await;
    assert_eq!((page.status, page.set_cookie_lines().len()), (200, 0));
    browser.set_cookie("refresh_token", "nonsense");
    assert_eq!(browser.get("/account").await.status, 200);
    app.advance(1);
    assert_eq!(browser.get("/account").await.location(), Some("/login?next=%2Faccount"));
}

#[rocket::async_test]
async fn a_killed_browser_that_confirms_its_password_at_once_is_not_logged_out_later() {
    let app = TestApp::start().await;
    // Killed within a minute of the rotation: it is served without cookies.
    let (_, mut killed) = rotated(&app).await;
    let account = killed.fill("/confirm", "/confirm", &[("password", PASSWORD)]).await;
    assert_eq!((account.status, account.path.as_str()), (200, "/account"));
    // The access token that it got stands for the generation of its refresh token, not for the one that it lost.
    assert_eq!(generation(killed.cookie("access_token").unwrap()), 1);
    app.advance(70);
    assert!(killed.is_logged_in().await);
    app.advance(EXPIRED);
    assert!(killed.is_logged_in().await, "it recovers");
}
