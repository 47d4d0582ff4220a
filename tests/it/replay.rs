//! Old tokens: no access, no harm to the owner, and the end of the session for who answers with one.

use rocket::futures::future::join_all;
use rocket::http::Method;

use crate::helpers::{Browser, EMAIL, PASSWORD, Page, TestApp};

const EXPIRED: i64 = 901;
const STALE_SEEN: &str = "An outdated token of one of your sessions was used. It gave no access.";
const REPLAY_SEEN: &str = "A copy of an old token was used. The session it belonged to was ended.";
const TOLD_AT_LOGIN: &str = "an old copy of its token was used";

fn asks(page: &Page) -> bool {
    page.status == 307 && page.sets("probe").is_some() && page.set_cookie_lines().len() == 1
}

/// An owner whose newest cookies are settled, and a thief with those from before.
async fn parted<'a>(app: &'a TestApp) -> (Browser<'a>, Browser<'a>) {
    let mut owner = app.registered().await;
    let mut thief = owner.clone().at([198, 51, 100, 7]);
    "curl/8.5.0".clone_into(&mut thief.headers[0].1);
    app.advance(EXPIRED);
    for seconds in [0, 60, 0] {
        assert_eq!(owner.get("/account").await.status, 200);
        app.advance(seconds);
    }
    (owner, thief)
}

#[rocket::async_test]
async fn a_stale_token_gives_no_access_and_leaves_the_owner_alone() {
    let app = TestApp::start().await;
    let (mut owner, thief) = parted(&app).await;
    for _ in 0..10 {
        // He never answers.
        let page = thief.send_and_lose(Method::Get, "/account", None, &[]).await;
        assert!(asks(&page), "{page:?}");
        assert_eq!(page.body, "");
    }
    let sessions = owner.get("/account/sessions").await;
    assert_eq!(sessions.status, 200);
    assert_eq!(sessions.body.matches(STALE_SEEN).count(), 1, "reported, and once an hour is enough");
    assert!(sessions.has("curl") && sessions.has("198.51.100.7"));
    app.advance(60 * 60 + 1);
    thief.send_and_lose(Method::Get, "/account", None, &[]).await;
    app.advance(1);
    assert_eq!(owner.get("/account/sessions").await.body.matches(STALE_SEEN).count(), 2);
    assert!(owner.is_logged_in().await);
    app.advance(EXPIRED);
    assert!(owner.is_logged_in().await);
}

#[rocket::async_test]
async fn a_stranger_cannot_flood_the_owners_recent_activity() {
    let app = TestApp::start().await;
    let (mut owner, thief) = parted(&app).await;
    join_all((0..50).map(|_| thief.send_and_lose(Method::Get, "/account", None, &[]))).await;
    let sessions = owner.get("/account/sessions").await;
    assert_eq!(sessions.body.matches(STALE_SEEN).count(), 1);
    assert!(sessions.has("Your account was registered."));
}

#[rocket::async_test]
async fn a_stale_answer_ends_the_session_and_the_owner_is_told_why() {
    let app = TestApp::start().await;
    let (mut owner, mut thief) = parted(&app).await;
    assert!(asks(&thief.get("/account").await));
    let refused = thief.get("/account").await;
    assert_eq!((refused.status, refused.location()), (303, Some("/login?next=%2Faccount")));
    let refused = owner.get("/account").await;
    assert_eq!((refused.status, refused.location()), (303, Some("/login?next=%2Faccount")));
    assert!(refused.set_cookie_lines().is_empty(), "a refusing response never clears cookies");
    for elsewhere in ["/", "/register", "/nowhere", "/logout"] {
        assert!(!owner.get(elsewhere).await.clears("refresh_token"), "{elsewhere}");
    }
    let login = owner.visit("/account").await;
    assert!(login.path.starts_with("/login?next=") && login.has(TOLD_AT_LOGIN));
    assert!(login.clears("access_token") && login.clears("refresh_token"));
    assert!(owner.cookie("access_token").is_none() && owner.cookie("refresh_token").is_none());
    assert!(!owner.get("/login").await.has(TOLD_AT_LOGIN), "said once");
    let account = owner.log_in(EMAIL, PASSWORD).await;
    assert!(account.has("one of your sessions was ended because an old copy of its token was used"));
    let sessions = owner.get("/account/sessions").await;
    assert!(sessions.has(REPLAY_SEEN) && sessions.has(STALE_SEEN) && sessions.has("Check this"));
}

#[rocket::async_test]
async fn the_login_page_clears_dead_cookies_and_no_others() {
    let app = TestApp::start().await;
    let (mut owner, thief) = parted(&app).await;
    // A stale token is not known to be dead before its holder has answered.
    let page = thief.send_and_lose(Method::Get, "/login", None, &[]).await;
    assert!(asks(&page));
    let page = thief.send_and_lose(Method::Get, "/login", None, &[("Sec-Purpose", "prefetch")]).await;
    assert!(page.status == 200 && !page.clears("refresh_token"));
    let mut visitor = app.browser();
    assert!(!visitor.get("/login").await.clears("refresh_token"));
    visitor.set_cookie("refresh_token", "nonsense");
    assert!(visitor.get("/login").await.clears("refresh_token"));
    assert_eq!(owner.get("/login").await.location(), Some("/account"));
}

#[rocket::async_test]
async fn every_generation_before_the_parent_is_stale_at_once() {
    let app = TestApp::start().await;
    let mut owner = app.registered().await;
    let mut old = Vec::new();
    for _ in 0..3 {
        old.push(owner.clone());
        app.advance(EXPIRED);
        assert!(owner.get("/account").await.delivers());
    }
    // Generation 4 is unconfirmed, its parent 3 is delivered again, 1 and 2 are stale.
    let outcomes = [&old[0], &old[1], &old[2]].map(|browser| browser.send_and_lose(Method::Get, "/account", None, &[]));
    let [first, second, third] = outcomes;
    assert!(asks(&first.await) && asks(&second.await));
    assert_eq!(third.await.sets("refresh_token").as_deref(), owner.cookie("refresh_token"));
    assert!(owner.is_logged_in().await);
}

#[rocket::async_test]
async fn a_probe_cannot_be_made_up_borrowed_kept_or_stretched() {
    let app = TestApp::start().await;
    let (mut owner, thief) = parted(&app).await;
    let question = thief.send_and_lose(Method::Get, "/account", None, &[]).await;
    let probe = question.sets("probe").expect("a probe");
    let [nonce, end, code] = probe.split('.').collect::<Vec<_>>().try_into().expect("three parts");
    let end: i64 = end.parse().expect("seconds");
    assert_eq!(end, app.now() + 60);
    // That of another session of the same user.
    let mut second = app.browser();
    second.log_in(EMAIL, PASSWORD).await;
    let mut second_thief = second.clone();
    second.remove_cookie("access_token");
    second_thief.remove_cookie("access_token");
    for seconds in [0, 60, 0] {
        second.get("/account").await;
        app.advance(seconds);
    }
    let borrowed = second_thief.send_and_lose(Method::Get, "/account", None, &[]).await.sets("probe").expect("a probe");
    // The first is over by now; what is made of it is no better.
    let later = app.now() + 60;
    let forged = [
        probe.clone(),
        format!("{nonce}.{later}.{code}"),
        format!("{nonce}.{later}."),
        format!("x{nonce}.{later}.{code}"),
        format!("{nonce}.{}.{code}", i64::MAX),
        format!("{nonce}.+{end}.{code}"),
        borrowed,
        String::new(),
        ".".to_owned(),
        "..".to_owned(),
        "a".repeat(4000),
        owner.cookie("refresh_token").unwrap().to_owned(),
        owner.cookie("browser").unwrap().to_owned(),
    ];
    for value in forged {
        let mut thief = thief.clone();
        thief.set_cookie("probe", &value);
        let page = thief.get("/account").await;
        assert!(asks(&page), "{value} was taken for an answer: {page:?}");
    }
    assert!(owner.is_logged_in().await && second.is_logged_in().await);
}

#[rocket::async_test]
async fn a_bogus_probe_before_the_real_one_does_not_send_the_browser_in_circles() {
    let app = TestApp::start().await;
    let mut browser = app.registered().await;
    let before = browser.clone();
    app.advance(EXPIRED);
    browser.get("/account").await;
    browser.get("/account").await;
    app.advance(61);
    let question = before.send_and_lose(Method::Get, "/account", None, &[]).await;
    let cookies = ["access_token", "refresh_token"].map(|name| format!("{name}={}", before.cookie(name).unwrap()));
    let line = format!("probe=bogus; {}; probe={}", cookies.join("; "), question.sets("probe").unwrap());
    let answer = app.browser().send_and_lose(Method::Get, "/account", None, &[("Cookie", &line)]).await;
    assert_eq!(answer.status, 200);
}

/// Backs up, goes on by some rotations, loses the disk, restores.
async fn restored(rotations: usize, pause: i64) {
    let app = TestApp::start().await;
    let jar = app.registered().await.jar().clone();
    let app = app.back_up().await;
    let mut browser = app.browser().with_jar(jar);
    for _ in 0..rotations {
        app.advance(EXPIRED.max(pause));
        assert!(browser.is_logged_in().await);
    }
    let ahead = browser.generation();
    assert_eq!(ahead, 1 + rotations as i64);
    let jar = browser.jar().clone();
    let app = app.restore().await;
    let mut browser = app.browser().with_jar(jar);
    assert!(browser.is_logged_in().await, "access token good, {rotations} rotations ahead of the row");
    app.advance(EXPIRED);
    let page = browser.get("/account").await;
    assert!(page.status == 200 && page.delivers(), "{rotations} rotations ahead of the row: {page:?}");
    assert!(browser.generation() > ahead);
    for _ in 0..3 {
        app.advance(EXPIRED);
        assert!(browser.is_logged_in().await);
    }
}

#[rocket::async_test]
async fn a_restored_backup_logs_nobody_out() {
    restored(1, 0).await;
    restored(4, 0).await;
}

#[rocket::async_test]
async fn a_restored_backup_older_than_the_inactivity_timeout_logs_nobody_out() {
    restored(5, 6 * 60 * 60).await;
}

#[rocket::async_test]
async fn logging_out_with_a_stale_token_ends_the_session_of_the_thief_who_rotated_it() {
    let app = TestApp::start().await;
    let mut owner = app.registered().await;
    let page = owner.get("/account").await;
    let mut thief = owner.clone();
    app.advance(EXPIRED);
    for seconds in [0, 60, 0] {
        assert_eq!(thief.get("/account").await.status, 200);
        app.advance(seconds);
    }
    let answer = owner.submit(&page, "/logout", &[]).await;
    assert_eq!(answer.location(), Some("/"));
    assert!(!thief.is_logged_in().await, "whoever logs out ends the session of whichever token came");
    owner.log_in(EMAIL, PASSWORD).await;
    assert!(owner.get("/account/sessions").await.has(REPLAY_SEEN));
}

#[rocket::async_test]
async fn the_replay_is_told_however_much_has_happened_since() {
    let app = TestApp::start().await;
    let (mut owner, mut thief) = parted(&app).await;
    let asked = thief.get("/account").await;
    thief.follow(asked, Method::Get, None).await;
    for _ in 0..25 {
        owner.log_in(EMAIL, PASSWORD).await;
        owner.fill("/logout", "/logout", &[]).await;
    }
    owner.log_in(EMAIL, PASSWORD).await;
    assert!(owner.get("/account").await.has("one of your sessions was ended because an old copy"));
}

#[rocket::async_test]
async fn after_a_restored_backup_everyone_can_still_be_logged_out() {
    let app = TestApp::start().await;
    let owner = app.registered().await;
    // As the row of an old backup would say: idle for too long.
    app.advance(12 * 60 * 60);
    assert_eq!(app.site().sessions.end_everyones().await.expect("ended"), 1);
    assert_eq!(app.site().sessions.end_everyones().await.expect("ended"), 0);
    assert!(owner.jar().len() > 1);
}
