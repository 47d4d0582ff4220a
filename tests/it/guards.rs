//! Who asks: tokens in the wrong place, in part, of several sessions, or in a header.

use hallpass::auth::forgery::Genuine;
use hallpass::auth::guards::RECENT_SECONDS;
use hallpass::{Admin, Anonymous, CurrentUser, LoggedIn, MaybeUser, RecentlyAuthenticated};
use rocket::error::ErrorKind;
use rocket::http::Method;
use rocket::{Build, Rocket, delete, get, post, put, routes};

use crate::helpers::{Browser, EMAIL, NAME, PASSWORD, TestApp, claims, encode, generation};

const EXPIRED: i64 = 901;
const BEN: &str = "ben@example.org";

#[get("/who")]
fn who(visitor: MaybeUser) -> String {
    visitor.0.map_or_else(|| "nobody".to_owned(), |user| user.email)
}

#[get("/strangers")]
fn strangers(_visitor: Anonymous) -> &'static str {
    "strangers only"
}

#[get("/recent")]
fn recent(recent: RecentlyAuthenticated) -> String {
    recent.user.email
}

#[post("/thing")]
fn thing(user: CurrentUser) -> String {
    format!("posted by {}", user.email)
}

#[put("/thing")]
fn put_thing(user: CurrentUser) -> String {
    format!("put by {}", user.email)
}

#[delete("/thing")]
fn delete_thing(user: CurrentUser) -> String {
    format!("deleted by {}", user.email)
}

fn extend(rocket: Rocket<Build>) -> Rocket<Build> {
    rocket.mount("/", routes![who, strangers, recent, thing, put_thing, delete_thing])
}

#[get("/")]
fn for_users(_user: CurrentUser) {}

#[get("/")]
fn for_sessions(_visitor: LoggedIn) {}

#[get("/")]
fn for_admins(_admin: Admin) {}

#[post("/")]
fn for_the_genuine(_genuine: Genuine) {}

#[rocket::async_test]
async fn a_guard_without_hallpass_refuses_to_launch() {
    let quiet = rocket::Config { log_level: rocket::config::LogLevel::Off, ..rocket::Config::default() };
    for route in routes![who, strangers, recent, for_users, for_sessions, for_admins, for_the_genuine] {
        let handler = route.name.clone();
        let error = rocket::custom(&quiet).mount("/", vec![route]).ignite().await.expect_err("it launches");
        assert!(matches!(error.kind(), ErrorKind::SentinelAborts(_)), "{handler:?}: {error}");
    }
}

async fn who_is(browser: &mut Browser<'_>) -> String {
    browser.get("/who").await.body
}

#[rocket::async_test]
async fn a_lost_access_cookie_is_replaced_by_the_refresh_cookie() {
    let app = TestApp::build(&[], extend).await;
    let mut browser = app.registered().await;
    browser.remove_cookie("access_token");
    let page = browser.get("/who").await;
    assert!(page.delivers() && page.has(EMAIL));
    assert_eq!(browser.generation(), 2);
}

#[rocket::async_test]
async fn a_lost_refresh_cookie_is_noticed_when_the_access_token_expires() {
    let app = TestApp::build(&[], extend).await;
    let mut browser = app.registered().await;
    browser.remove_cookie("refresh_token");
    assert_eq!(who_is(&mut browser).await, EMAIL);
    app.advance(EXPIRED);
    let refused = browser.get("/account").await;
    assert_eq!((refused.status, refused.set_cookie_lines().len()), (303, 0));
    assert!(browser.get("/login").await.clears("access_token"));
}

#[rocket::async_test]
async fn swapped_tokens_are_nobodys_and_harm_nothing() {
    let app = TestApp::build(&[], extend).await;
    let mut browser = app.registered().await;
    let mut swapped = browser.clone();
    swapped.set_cookie("access_token", browser.cookie("refresh_token").unwrap());
    swapped.set_cookie("refresh_token", browser.cookie("access_token").unwrap());
    assert_eq!(who_is(&mut swapped).await, "nobody");
    assert_eq!(swapped.get("/account").await.status, 303);
    app.advance(EXPIRED);
    assert_eq!(who_is(&mut swapped).await, "nobody");
    assert_eq!(who_is(&mut browser).await, EMAIL);
}

#[rocket::async_test]
async fn the_tokens_of_two_sessions_are_never_mixed() {
    let app = TestApp::build(&[], extend).await;
    let ann = app.registered().await;
    let mut ben = app.browser();
    ben.register("Ben", BEN, PASSWORD).await;
    let mut crossed = ann.clone();
    crossed.set_cookie("refresh_token", ben.cookie("refresh_token").unwrap());
    assert_eq!(who_is(&mut crossed).await, EMAIL, "the access token is good");
    app.advance(EXPIRED);
    let page = crossed.get("/who").await;
    assert_eq!(page.body, BEN, "the refresh token decides");
    let [access, refresh] = ["access_token", "refresh_token"].map(|name| claims(&page.sets(name).unwrap()));
    assert_eq!((&access["sub"], &access["sid"]), (&refresh["sub"], &refresh["sid"]));
    assert_eq!(refresh["sid"], claims(ben.cookie("refresh_token").unwrap())["sid"]);
    // Ann's session has not moved.
    let mut ann = ann;
    assert!(ann.get("/who").await.delivers());
    assert_eq!(ann.generation(), 2);
}

#[rocket::async_test]
async fn of_several_refresh_cookies_the_newest_genuine_one_counts() {
    let app = TestApp::build(&[], extend).await;
    let mut browser = app.registered().await;
    let old = browser.cookie("refresh_token").unwrap().to_owned();
    app.advance(EXPIRED);
    browser.get("/who").await;
    let new = browser.cookie("refresh_token").unwrap().to_owned();
    for line in [
        format!("refresh_token={old}; refresh_token={new}"),
        format!("refresh_token={new}; refresh_token={old}"),
        format!("refresh_token=; refresh_token=nonsense; refresh_token={new}"),
    ] {
        let page = app.browser().send(Method::Get, "/who", None, &[("Cookie", &line)]).await;
        assert!(page.has(EMAIL) && page.status == 200, "{line}");
    }
}

#[rocket::async_test]
async fn an_authorization_header_is_judged_alone() {
    let app = TestApp::build(&[], extend).await;
    let browser = app.registered().await;
    let good = format!("Bearer {}", browser.cookie("access_token").unwrap());
    let refresh = format!("Bearer {}", browser.cookie("refresh_token").unwrap());
    let get = async |cookies: bool, value: &str, path: &str| {
        let browser = if cookies { browser.clone() } else { app.browser() };
        browser.send_and_lose(Method::Get, path, None, &[("Authorization", value)]).await
    };
    assert_eq!(get(false, &good, "/who").await.body, EMAIL);
    assert_eq!(get(false, &good.replace("Bearer", "bearer"), "/who").await.body, EMAIL);
    for bad in ["Bearer", "Bearer ", "Bearer x", "Basic YTpi", "", &refresh, &good.replace("Bearer ", "Basic ")] {
        assert_eq!(get(true, bad, "/who").await.body, "nobody", "{bad:?} was rescued by the cookies");
        assert_eq!(get(true, bad, "/account").await.status, 303, "{bad:?}");
    }
    assert_eq!(get(false, &good.replace(' ', "  "), "/who").await.body, EMAIL);
    for odd in
        [good.replace(' ', " \u{a0}"), good.replace(' ', " \u{2003}"), format!("{good}\u{85}"), format!("{good} x")]
    {
        assert_eq!(get(true, &odd, "/who").await.body, "nobody", "{odd:?} was made a token");
    }
    app.advance(EXPIRED);
    for value in [good.as_str(), refresh.as_str(), "Basic YTpi", "Bearer x"] {
        for path in ["/who", "/account", "/login", "/", "/nowhere"] {
            let page = get(true, value, path).await;
            assert!(page.set_cookie_lines().is_empty(), "{path} with {value}: {:?}", page.set_cookie_lines());
        }
    }
    assert_eq!(browser.clone().generation(), 1);
    assert!(browser.clone().is_logged_in().await);
}

#[rocket::async_test]
async fn two_authorization_headers_are_nobodys() {
    let app = TestApp::build(&[], extend).await;
    let browser = app.registered().await;
    let good = format!("Bearer {}", browser.cookie("access_token").unwrap());
    let request = app.client().get("/who");
    let request = request.header(rocket::http::Header::new("Authorization", good.clone()));
    let request = request.header(rocket::http::Header::new("Authorization", good));
    assert_eq!(request.dispatch().await.into_string().await.as_deref(), Some("nobody"));
}

#[rocket::async_test]
async fn a_post_with_an_expired_access_token_does_its_work_and_rotates() {
    let app = TestApp::start().await;
    let mut browser = app.registered().await;
    let form = browser.get("/account").await;
    app.advance(EXPIRED);
    let answer = browser.submit(&form, "/account/profile", &[("name", "Ann Renamed")]).await;
    assert_eq!((answer.status, answer.location()), (303, Some("/account?saved=name")));
    assert!(answer.delivers());
    assert!(browser.get("/account").await.has("Ann Renamed"));
}

#[rocket::async_test]
async fn a_post_that_was_asked_does_its_work_when_repeated() {
    let app = TestApp::start().await;
    let mut browser = app.registered().await;
    let form = browser.get("/account").await;
    let mut killed = browser.clone();
    app.advance(EXPIRED);
    browser.get("/account").await;
    browser.get("/account").await;
    app.advance(61);
    let form = form.form("/account/profile");
    let body = encode(&form.filled(&[("name", "Ann Renamed")]));
    let asked = killed.send(Method::Post, "/account/profile", Some(body.as_bytes()), &[]).await;
    assert_eq!((asked.status, asked.location()), (307, Some("/account/profile")));
    assert_eq!(app.site().accounts.by_email(EMAIL).await.unwrap().name, NAME, "nothing is done before the answer");
    let answer = killed.send(Method::Post, "/account/profile", Some(body.as_bytes()), &[]).await;
    assert_eq!((answer.status, answer.location()), (303, Some("/account?saved=name")));
    assert!(answer.delivers());
    assert!(killed.get("/account").await.has("Ann Renamed"));
}

#[rocket::async_test]
async fn rotation_never_renews_the_time_of_proof_and_confirming_does() {
    let app = TestApp::build(&[], extend).await;
    let mut browser = app.registered().await;
    let proof = |browser: &Browser<'_>| claims(browser.cookie("access_token").unwrap())["auth_time"].as_i64().unwrap();
    let start = app.now();
    assert_eq!(proof(&browser), start);
    app.advance(RECENT_SECONDS);
    assert_eq!(browser.get("/recent").await.body, EMAIL);
    app.advance(1);
    assert_eq!(browser.get("/recent").await.location(), Some("/confirm?next=%2Frecent"));
    for _ in 0..3 {
        app.advance(EXPIRED);
        let page = browser.get("/recent").await;
        assert!(page.delivers());
        assert_eq!(page.location(), Some("/confirm?next=%2Frecent"), "a rotation proves nothing");
        assert_eq!(proof(&browser), start);
    }
    let refresh = browser.cookie("refresh_token").unwrap().to_owned();
    let page = browser.fill("/confirm?next=%2Frecent", "/confirm", &[("password", PASSWORD)]).await;
    assert_eq!((page.path.as_str(), page.body.as_str()), ("/recent", EMAIL));
    assert_eq!(proof(&browser), app.now());
    assert_eq!(browser.cookie("refresh_token"), Some(refresh.as_str()), "no rotation was needed");
    assert_eq!(generation(browser.cookie("access_token").unwrap()), browser.generation());
    app.advance(EXPIRED);
    assert_eq!(browser.get("/recent").await.status, 303);
}

#[rocket::async_test]
async fn confirming_with_an_expired_access_token_delivers_both_tokens_with_the_proof() {
    let app = TestApp::build(&[], extend).await;
    let mut browser = app.registered().await;
    let form = browser.get("/confirm").await;
    app.advance(EXPIRED);
    let answer = browser.submit(&form, "/confirm", &[("password", PASSWORD)]).await;
    assert!(answer.status == 303 && answer.delivers());
    let access = claims(browser.cookie("access_token").unwrap());
    assert_eq!((access["auth_time"].as_i64(), access["gen"].as_i64()), (Some(app.now()), Some(2)));
    assert_eq!(browser.generation(), 2);
    let wrong = browser.fill("/confirm", "/confirm", &[("password", "not the right one")]).await;
    assert!(wrong.status == 422 && wrong.has("This is not your current password."), "{}", wrong.body);
}

#[rocket::async_test]
async fn a_method_field_in_a_form_does_no_harm() {
    let app = TestApp::build(&[], extend).await;
    let mut browser = app.registered().await;
    let page = browser.get("/account").await;
    let paths = [
        "/account/profile",
        "/logout",
        "/login",
        "/account/sessions/end-others",
        "/account",
        "/thing",
        "/nowhere",
        "/session/ask",
    ];
    for method in
        ["get", "head", "put", "delete", "patch", "options", "trace", "connect", "post", "GET", "%00", "x", ""]
    {
        for path in paths {
            let form = page.form("/account/profile");
            let body = format!("_method={method}&{}", encode(&form.filled(&[("name", "Ann Renamed")])));
            // No form token of ours: what changes something must refuse.
            let body = body.replace("csrf_token", "x");
            let answer = browser.send(Method::Post, path, Some(body.as_bytes()), &[]).await;
            assert!(answer.status < 500 && answer.status != 307, "{method} {path}: {}", answer.status);
            assert!(!answer.clears("refresh_token"), "{method} {path}");
        }
    }
    let account = browser.get("/account").await;
    assert!(account.status == 200 && !account.has("Ann Renamed"));
    // With the token, too, a changed method reaches another route or none, never the work of the POST.
    let form = account.form("/account/profile");
    for method in ["get", "delete", "put", "head"] {
        let body = format!("_method={method}&{}", encode(&form.filled(&[("name", "Ann Renamed")])));
        let answer = browser.send(Method::Post, "/account/profile", Some(body.as_bytes()), &[]).await;
        assert_eq!(answer.status, 404, "{method}");
    }
    assert!(!browser.get("/account").await.has("Ann Renamed"));
    for (method, status) in [("head", 404), ("get", 200)] {
        app.advance(EXPIRED);
        let body = format!("_method={method}");
        let answer = browser.send(Method::Post, "/account", Some(body.as_bytes()), &[]).await;
        assert_eq!((answer.status, answer.delivers()), (status, true), "{method}");
    }
}

#[rocket::async_test]
async fn anonymous_pages_are_for_strangers() {
    let app = TestApp::build(&[], extend).await;
    assert_eq!(app.browser().get("/strangers").await.status, 200);
    let mut browser = app.registered().await;
    assert_eq!(browser.get("/strangers").await.status, 404);
    app.advance(EXPIRED);
    let page = browser.get("/strangers").await;
    assert!(page.status == 404 && page.delivers());
}

#[rocket::async_test]
async fn a_copied_access_token_does_not_share_in_a_later_proof_of_its_owner() {
    let app = TestApp::build(&[], extend).await;
    let mut owner = app.registered().await;
    app.advance(301);
    let mut thief = app.browser();
    thief.set_cookie("access_token", owner.cookie("access_token").unwrap());
    let confirmed = owner.fill("/confirm", "/confirm", &[("password", PASSWORD)]).await;
    assert_eq!(confirmed.status, 200);
    let end_others = |page: &crate::helpers::Page| page.form("/logout").value("csrf_token").unwrap().to_owned();
    let own = owner.get("/account/sessions").await;
    let answer = owner.post("/account/sessions/end-others", &[("csrf_token", &end_others(&own))]).await;
    assert_eq!(answer.location(), Some("/account/sessions?ended=others"));
    let stolen = thief.get("/account/sessions").await;
    let answer = thief.post("/account/sessions/end-others", &[("csrf_token", &end_others(&stolen))]).await;
    assert!(answer.location().is_some_and(|location| location.starts_with("/confirm")), "{answer:?}");
}
