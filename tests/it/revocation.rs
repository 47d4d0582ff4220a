//! What has been ended is refused from the next request on, and no late response revives it.

use std::time::{Duration, Instant};

use hallpass::CurrentUser;
use hallpass::auth::Site;
use hallpass::sessions::Reason;
use rocket::http::Method;
use rocket::{Build, Rocket, State, get, post, routes};

use crate::helpers::{Browser, EMAIL, PASSWORD, Server, TestApp, WireBrowser};

const EXPIRED: i64 = 901;

/// Ends the session while the request that rotated it is still at work.
#[get("/slow")]
async fn slow(user: CurrentUser, site: &State<Site>) -> &'static str {
    let ended = site.sessions.end(&user.id, user.session().expect("a session"), Reason::Ended, None).await;
    assert!(ended.expect("the database answers"));
    "done"
}

/// The same, by a lock of the account.
#[post("/slow")]
async fn locked(user: CurrentUser, site: &State<Site>) -> &'static str {
    site.accounts.lock(&user.email).await.expect("locked");
    "done"
}

fn extend(rocket: Rocket<Build>) -> Rocket<Build> {
    rocket.mount("/", routes![slow, locked])
}

/// Refused with a good access token, with the refresh token alone, and where nothing is rotated; no cookies come.
async fn is_refused(browser: &Browser<'_>) {
    let mut alone = browser.clone();
    alone.remove_cookie("access_token");
    for browser in [browser, &alone] {
        for extra in [&[][..], &[("Sec-Fetch-Dest", "image")]] {
            let page = browser.send_and_lose(Method::Get, "/account", None, extra).await;
            assert_eq!((page.status, page.location()), (303, Some("/login?next=%2Faccount")));
            assert!(page.set_cookie_lines().is_empty());
        }
    }
}

async fn second_device(app: &TestApp) -> Browser<'_> {
    let mut device = app.browser().at([192, 0, 2, 2]);
    assert_eq!(device.log_in(EMAIL, PASSWORD).await.path, "/account");
    device
}

#[rocket::async_test]
async fn a_locked_account_is_refused_from_the_next_request_on() {
    let app = TestApp::start().await;
    let mut browser = app.registered().await;
    app.site().accounts.lock(EMAIL).await.unwrap();
    is_refused(&browser).await;
    assert!(browser.visit("/account").await.has("This account is locked."));
    app.site().accounts.unlock(EMAIL).await.unwrap();
    assert!(!browser.is_logged_in().await, "unlocking revives no session");
}

#[rocket::async_test]
async fn a_session_ended_from_another_device_is_refused_from_the_next_request_on() {
    let app = TestApp::start().await;
    let mut owner = app.registered().await;
    let mut device = second_device(&app).await;
    let sessions = owner.get("/account/sessions").await;
    let mut actions = sessions.body.split("action=\"").filter_map(|rest| rest.split('"').next());
    let action = actions.find(|action| action.ends_with("/end")).expect("a button");
    let answer = owner.submit(&sessions, action, &[]).await;
    assert_eq!(answer.location(), Some("/account/sessions?ended=one"));
    is_refused(&device).await;
    assert!(device.visit("/account").await.has("This session was ended from another device"));
    assert!(owner.is_logged_in().await);
}

#[rocket::async_test]
async fn the_sessions_of_others_cannot_be_ended() {
    let app = TestApp::start().await;
    let mut owner = app.registered().await;
    let mut other = app.browser();
    other.register("Ben", "ben@example.org", PASSWORD).await;
    let sessions = other.get("/account/sessions").await;
    let id = crate::helpers::claims(owner.cookie("refresh_token").unwrap())["sid"].as_str().unwrap().to_owned();
    let token = sessions.form("/logout").value("csrf_token").unwrap().to_owned();
    let answer = other.post(&format!("/account/sessions/{id}/end"), &[("csrf_token", &token)]).await;
    assert_eq!(answer.status, 404);
    assert!(owner.is_logged_in().await);
}

#[rocket::async_test]
async fn all_other_sessions_end_at_once() {
    let app = TestApp::start().await;
    let mut owner = app.registered().await;
    let devices = [second_device(&app).await, second_device(&app).await];
    let page = owner.get("/account/sessions").await;
    owner.submit(&page, "/account/sessions/end-others", &[]).await;
    for device in &devices {
        is_refused(device).await;
    }
    assert!(owner.is_logged_in().await);
}

#[rocket::async_test]
async fn a_changed_password_ends_the_other_sessions() {
    let app = TestApp::start().await;
    let mut owner = app.registered().await;
    let mut device = second_device(&app).await;
    let fields = [("current_password", PASSWORD), ("new_password", "a wholly different secret")];
    let page = owner.fill("/account", "/account/password", &fields).await;
    assert!(page.has("Your password is changed."), "{}", page.body);
    is_refused(&device).await;
    assert!(device.visit("/account").await.has("Your password was changed, which ended this session."));
    assert!(owner.is_logged_in().await);
}

#[rocket::async_test]
async fn no_late_response_revives_a_session() {
    let app = TestApp::build(&[], extend).await;
    let mut browser = app.registered().await;
    app.advance(EXPIRED);
    let page = browser.get("/slow").await;
    assert_eq!((page.status, page.body.as_str()), (200, "done"));
    assert!(page.set_cookie_lines().is_empty(), "{:?}", page.set_cookie_lines());
    assert!(!browser.is_logged_in().await);
    browser.log_in(EMAIL, PASSWORD).await;
    app.advance(EXPIRED);
    let page = browser.post("/slow", &[]).await;
    assert_eq!((page.status, page.body.as_str()), (200, "done"));
    assert!(page.set_cookie_lines().is_empty(), "{:?}", page.set_cookie_lines());
}

#[rocket::async_test]
async fn a_log_out_while_a_rotation_is_under_way_wins() {
    let app = TestApp::start().await;
    let mut browser = app.registered().await;
    let page = browser.get("/account").await;
    let twin = browser.clone();
    app.advance(EXPIRED);
    assert_eq!(browser.submit(&page, "/logout", &[]).await.location(), Some("/"));
    let late = twin.send_and_lose(Method::Get, "/account", None, &[]).await;
    assert!(late.status == 303 && late.set_cookie_lines().is_empty());
}

/// Until the account page is refused; how long that took.
fn refused_after(browser: &mut WireBrowser) -> Duration {
    let start = Instant::now();
    loop {
        let page = browser.get("/account");
        if page.status == 303 {
            assert_eq!(page.location(), Some("/login?next=%2Faccount"));
            return start.elapsed();
        }
        assert!(start.elapsed() < Duration::from_secs(10), "never refused");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn what_the_command_line_ends_is_refused_within_a_second() {
    let server = Server::start(&[("HALLPASS_ARGON2_MEMORY_KIB", "8"), ("HALLPASS_ARGON2_ITERATIONS", "1")]);
    server.add_user();
    let new_password = "a wholly different secret";
    let mut browser = WireBrowser::new(&server);
    let commands: [(&[&str], &str); 4] = [
        (&["session", "end"], ""),
        (&["session", "end-all", EMAIL], ""),
        (&["user", "lock", EMAIL], ""),
        (&["user", "set-password", EMAIL], new_password),
    ];
    for (command, input) in commands {
        assert!(browser.log_in().has("Your account"));
        assert_eq!(browser.get("/account").status, 200);
        let sessions = String::from_utf8(server.run(&["session", "list"]).stdout).unwrap();
        let id = sessions.split('\t').next().unwrap().to_owned();
        let mut arguments = command.to_vec();
        if command == ["session", "end"] {
            arguments.push(&id);
        }
        let output = server.run_with_input(&arguments, input);
        assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
        let took = refused_after(&mut browser);
        println!("{command:?}: refused after {took:?}");
        assert!(took < Duration::from_secs(1), "{command:?} took {took:?}");
        if command[1] == "lock" {
            assert!(server.run(&["user", "unlock", EMAIL]).status.success());
        }
        browser = WireBrowser::new(&server);
    }
}
