//! Forged submissions: what another site, another browser or nobody's page makes a browser send.

use std::collections::{BTreeSet, HashSet};

use rocket::http::Method;

use crate::helpers::{Browser, EMAIL, NAME, PASSWORD, Page, TestApp, encode};

const ORIGIN: &str = "http://localhost:8000";

/// Every page that changes something, from the running site itself: a new one is tested from its first day. What
/// programs call is tested in `api_forgery`.
async fn unsafe_routes(app: &TestApp, other_session: &str, token: &str) -> HashSet<(Method, String)> {
    let routes = app.client().rocket().routes();
    let pages = routes.filter(|route| !route.uri.path().starts_with("/api"));
    let unsafe_ones = pages.filter(|route| !matches!(route.method, Method::Get | Method::Head | Method::Options));
    let path = |route: &rocket::Route| {
        let path = route.uri.path().replace("/sessions/<id>/", &format!("/sessions/{other_session}/"));
        let path = path.replace("/tokens/<id>/", &format!("/tokens/{token}/"));
        assert!(!path.contains('<'), "teach this test what stands for the parts of {path}");
        path
    };
    unsafe_ones.map(|route| (route.method, path(route))).collect()
}

fn user_is_unchanged(page: &Page) {
    assert_eq!(page.status, 200, "the session lives");
    assert_eq!(page.form("/account/profile").value("name"), Some(NAME));
    assert!(page.has("2 sessions are open") && page.has("1 token gives access"), "{}", page.body);
}

#[rocket::async_test]
async fn every_route_that_changes_something_refuses_forgeries() {
    let app = TestApp::start().await;
    let mut owner = app.registered().await;
    let mut second = app.browser();
    second.log_in(EMAIL, PASSWORD).await;
    let sessions = owner.get("/account/sessions").await;
    let id = sessions.body.split("/account/sessions/").nth(1).unwrap().split('/').next().unwrap().to_owned();
    let fields = [("name", "x"), ("scopes", "read"), ("password", PASSWORD)];
    let tokens = owner.fill("/account/tokens", "/account/tokens", &fields).await;
    let personal = tokens.body.split("action=\"/account/tokens/").nth(1).unwrap().split('/').next().unwrap().to_owned();
    let setup = app.site().accounts.issue_setup_token().await.unwrap();
    let routes = unsafe_routes(&app, &id, &personal).await;
    assert!(routes.len() >= 11, "{routes:?}");
    let token = |page: &Page, action| page.form(action).value("csrf_token").unwrap().to_owned();
    let foreign = token(&second.get("/account").await, "/logout");

    for (method, path) in &routes {
        for tokens in [
            None,
            Some(""),
            Some("x"),
            Some(&foreign[..]),
            Some("own"),
            Some("own, cross-site"),
            Some("own, foreign origin"),
        ] {
            let mut statuses = BTreeSet::new();
            for logged_in in [true, false] {
                let mut browser = if logged_in { owner.clone() } else { app.browser() };
                let form = browser.get("/login").await;
                let own = match logged_in {
                    true => token(&owner.clone().get("/account").await, "/logout"),
                    false => token(&form, "/login"),
                };
                let mut fields = vec![("name", "Forged"), ("email", "forged@example.org"), ("password", PASSWORD)];
                fields.extend([
                    ("current_password", PASSWORD),
                    ("new_password", "another long password"),
                    ("scopes", "read"),
                    ("expires_in_days", "30"),
                    ("token", &setup),
                ]);
                let mut extra = Vec::new();
                match tokens {
                    // The right token, but not the browser that it was made for.
                    Some("own") => {
                        browser.remove_cookie("browser");
                        fields.push(("csrf_token", &own));
                    }
                    Some("own, cross-site") => {
                        extra.push(("Sec-Fetch-Site", "cross-site"));
                        fields.push(("csrf_token", &own));
                    }
                    Some("own, foreign origin") => {
                        extra.push(("Origin", "https://evil.example"));
                        fields.push(("csrf_token", &own));
                    }
                    Some(token) => fields.push(("csrf_token", token)),
                    None => {}
                }
                let body = encode(&fields);
                let answer = browser.send_and_lose(*method, path, Some(body.as_bytes()), &extra).await;
                let what = format!("{method} {path} {tokens:?}, logged in: {logged_in}");
                let allowed = match answer.status {
                    403 => {
                        answer.is_in_words() && (answer.has("Please submit again") || !logged_in && path == "/logout")
                    }
                    404 => logged_in && path == "/setup",
                    303 if logged_in => {
                        matches!(path.as_str(), "/login" | "/register") && answer.location() == Some("/account")
                    }
                    303 => answer.location() == Some("/login"),
                    _ => false,
                };
                assert!(allowed, "{what}: {} {:?} {}", answer.status, answer.location(), answer.body);
                assert!(!answer.delivers() && !answer.clears("access_token"), "{what}");
                statuses.insert(answer.status);
            }
            assert!(statuses.contains(&403), "{method} {path} never checks");
        }
    }
    user_is_unchanged(&owner.get("/account").await);
    assert!(app.site().accounts.by_email("forged@example.org").await.is_err());
}

/// The status of a change of name with these headers, beside a good form token.
async fn status_with(browser: &mut Browser<'_>, headers: &[(&str, &str)]) -> u16 {
    let page = browser.get("/account").await;
    let form = page.form("/account/profile");
    let body = encode(&form.filled(&[]));
    browser.send(Method::Post, "/account/profile", Some(body.as_bytes()), headers).await.status
}

#[rocket::async_test]
async fn the_browsers_word_on_where_a_form_came_from_is_believed() {
    let app = TestApp::start().await;
    let mut browser = app.registered().await;
    let good = 303;
    for (headers, expected) in [
        (&[][..], good),
        (&[("Sec-Fetch-Site", "same-origin")], good),
        (&[("Sec-Fetch-Site", "none")], good),
        (&[("Origin", ORIGIN)], good),
        (&[("Sec-Fetch-Site", "same-origin"), ("Origin", ORIGIN)], good),
        (&[("Sec-Fetch-Site", "cross-site")], 403),
        (&[("Sec-Fetch-Site", "same-site")], 403),
        (&[("Sec-Fetch-Site", "")], 403),
        (&[("Sec-Fetch-Site", "Same-Origin")], 403),
        (&[("Sec-Fetch-Site", "same-origin, cross-site")], 403),
        (&[("Origin", "https://evil.example")], 403),
        (&[("Origin", "null")], 403),
        (&[("Origin", "")], 403),
        (&[("Origin", "https://localhost:8000")], 403),
        (&[("Origin", "http://localhost")], 403),
        (&[("Origin", "http://localhost:80000")], 403),
        (&[("Origin", "http://localhost:8000/")], 403),
        (&[("Origin", "http://localhost:8000.evil.example")], 403),
        (&[("Origin", "http://evil.example#http://localhost:8000")], 403),
        (&[("Origin", "http://user@localhost:8000")], 403),
        (&[("Origin", "http://127.0.0.1:8000")], 403),
        (&[("Sec-Fetch-Site", "cross-site"), ("Origin", ORIGIN)], 403),
        (&[("Sec-Fetch-Site", "same-site"), ("Origin", ORIGIN)], 403),
        // Fetch metadata decides where it is sent: a proxy may have rewritten the origin.
        (&[("Sec-Fetch-Site", "same-origin"), ("Origin", "https://evil.example")], good),
    ] {
        assert_eq!(status_with(&mut browser, headers).await, expected, "{headers:?}");
    }
}

#[rocket::async_test]
async fn the_form_that_comes_back_is_filled_in_and_works() {
    let app = TestApp::start().await;
    let cross = [("Sec-Fetch-Site", "cross-site")];
    let setup = app.site().accounts.issue_setup_token().await.unwrap();
    let setup_path = format!("/setup?token={setup}");
    let bo = [("name", "Bo \"<b>\" & Co"), ("email", "bo@example.org"), ("password", PASSWORD)];
    for (path, action, fields) in [
        (setup_path.as_str(), "/setup", &[("name", NAME), ("email", EMAIL), ("password", PASSWORD)][..]),
        ("/register", "/register", &bo),
        ("/login?next=%2Faccount%3Fx%3D1", "/login", &[("email", EMAIL), ("password", PASSWORD), ("remember", "on")]),
    ] {
        let mut browser = app.browser();
        let page = browser.get(path).await;
        let body = encode(&page.form(action).filled(fields));
        let mut refused = browser.send(Method::Post, action, Some(body.as_bytes()), &cross).await;
        for cookie in [true, false] {
            if !cookie {
                browser.remove_cookie("browser");
                refused = browser.submit(&refused, action, &[]).await;
                assert!(refused.sets("browser").is_some(), "the form that comes back can be submitted");
            }
            assert_eq!(refused.status, 403);
            assert!(refused.has("Please submit again") && refused.is_in_words() && !refused.has(PASSWORD));
            for (name, value) in fields.iter().filter(|(name, _)| *name != "password") {
                assert_eq!(refused.form(action).value(name), Some(*value), "{action}");
            }
        }
        let done = browser.submit(&refused, action, &[("password", PASSWORD)]).await;
        assert_eq!((done.status, done.delivers()), (303, true), "{action}: {}", done.body);
        if action == "/login" {
            assert_eq!(done.location(), Some("/account?x=1"));
        }
    }
    let mut browser = app.browser();
    browser.log_in(EMAIL, PASSWORD).await;
    for (path, action, fields) in [
        ("/account/sessions", "/account/sessions/end-others", &[][..]),
        ("/account", "/account/profile", &[("name", "Ann Again")]),
        ("/account", "/account/password", &[("current_password", PASSWORD), ("new_password", "another long password")]),
        ("/confirm?next=%2Faccount", "/confirm", &[("password", "another long password")]),
        ("/logout", "/logout", &[]),
    ] {
        let page = browser.get(path).await;
        let body = encode(&page.form(action).filled(fields));
        let refused = browser.send(Method::Post, action, Some(body.as_bytes()), &cross).await;
        assert!(refused.status == 403 && refused.has("Please submit again"), "{action}: {}", refused.body);
        assert!(!refused.has(PASSWORD) && !refused.has("another long password"));
        if action == "/account/profile" {
            assert_eq!(refused.form(action).value("name"), Some("Ann Again"));
        }
        let done = browser.submit(&refused, action, fields).await;
        assert_eq!(done.status, 303, "{action}: {}", done.body);
    }
    assert!(!browser.is_logged_in().await);
}

#[rocket::async_test]
async fn a_form_left_open_for_two_days_still_submits() {
    let app = TestApp::start().await;
    app.registered().await;
    let mut browser = app.browser();
    browser.log_in_remembered(EMAIL, PASSWORD).await;
    let open = browser.get("/account").await;
    app.advance(2 * 24 * 60 * 60);
    let done = browser.submit(&open, "/account/profile", &[("name", "Two days later")]).await;
    assert_eq!(done.location(), Some("/account?saved=name"));
    assert!(browser.visit("/account").await.has("Two days later"));
    let mut anonymous = app.browser();
    let form = anonymous.get("/login").await;
    app.advance(2 * 24 * 60 * 60);
    let done = anonymous.submit(&form, "/login", &[("email", EMAIL), ("password", PASSWORD)]).await;
    assert_eq!((done.status, done.delivers()), (303, true));
}

#[rocket::async_test]
async fn a_form_left_open_across_logging_out_and_in_still_submits() {
    let app = TestApp::start().await;
    let mut browser = app.registered().await;
    let open = browser.get("/account").await;
    browser.fill("/logout", "/logout", &[]).await;
    let refused = browser.submit(&open, "/account/profile", &[("name", "While logged out")]).await;
    assert_eq!((refused.status, refused.location()), (303, Some("/login")));
    browser.log_in(EMAIL, PASSWORD).await;
    let done = browser.submit(&open, "/account/profile", &[("name", "After all")]).await;
    assert_eq!(done.location(), Some("/account?saved=name"));
}
