//! The HTML of every page: well formed, labelled, and with nothing in it that a stranger put there as markup.

use std::collections::HashSet;

use rocket::http::Method;

use crate::helpers::html::is_well_formed;
use crate::helpers::{EMAIL, PASSWORD, Page, TestApp};

const HOSTILE: &str = "<script>alert(1)</script>\"'&lt;<img src=x onerror=alert(2)>";

/// Every page, and every form with its faults.
async fn every_page(app: &TestApp, name: &str, user_agent: &str) -> Vec<Page> {
    let agent = ("User-Agent".to_owned(), user_agent.to_owned());
    let mut pages = Vec::new();
    let setup = app.site().accounts.issue_setup_token().await.unwrap();
    let setup = format!("/setup?token={setup}");
    let mut stranger = app.browser();
    for path in ["/", "/login", "/login?next=%2Faccount", "/register", "/logout", "/nowhere", &setup] {
        pages.push(stranger.get(path).await);
    }
    let mut owner = app.browser();
    owner.headers = vec![agent.clone()];
    owner.register(name, EMAIL, PASSWORD).await;
    let mut second = app.browser();
    second.headers = vec![agent.clone()];
    second.log_in(EMAIL, PASSWORD).await;
    for path in [
        "/",
        "/account",
        "/account?saved=name",
        "/account/sessions",
        "/account/sessions?ended=others",
        "/account/tokens",
        "/account/tokens?revoked",
        "/confirm?next=%2F",
        "/logout",
        "/nowhere",
    ] {
        pages.push(owner.get(path).await);
    }
    for (path, action, logged_in) in [
        ("/login", "/login", false),
        ("/register", "/register", false),
        (&setup[..], "/setup", false),
        ("/confirm?next=%2Faccount", "/confirm", true),
        ("/account", "/account/profile", true),
        ("/account", "/account/password", true),
        ("/account/sessions", "/account/sessions/end-others", true),
        ("/account/tokens", "/account/tokens", true),
        ("/logout", "/logout", true),
    ] {
        let browser = if logged_in { &mut owner } else { &mut stranger };
        let page = browser.get(path).await;
        let faulty =
            [("name", ""), ("email", HOSTILE), ("password", ""), ("current_password", ""), ("new_password", "")];
        let hostile = [
            ("name", HOSTILE),
            ("email", HOSTILE),
            ("password", HOSTILE),
            ("next", HOSTILE),
            (
                "token",
                page.body.split("name=\"token\" value=\"").nth(1).map_or("", |rest| rest.split('"').next().unwrap()),
            ),
        ];
        for fields in [&faulty[..], &hostile[..4], &hostile] {
            let body = crate::helpers::encode(&page.form(action).filled(fields));
            let cross = [("Sec-Fetch-Site", "cross-site")];
            pages.push(browser.send(Method::Post, action, Some(body.as_bytes()), &cross).await);
            if !matches!(action, "/logout" | "/account/sessions/end-others" | "/account/profile") {
                pages.push(browser.send(Method::Post, action, Some(body.as_bytes()), &[]).await);
            }
        }
    }
    let fields = [("name", name), ("scopes", "read"), ("scopes", "write"), ("password", PASSWORD)];
    pages.push(owner.fill("/account/tokens", "/account/tokens", &fields).await);
    pages.push(owner.get("/account/tokens").await);
    pages.push(stranger.send(Method::Post, "/login", Some(&[b'x'; 40_000]), &[]).await);
    app.advance(901);
    pages.push(owner.get("/account").await);
    pages
}

#[rocket::async_test]
async fn every_page_is_well_formed_and_labelled() {
    let app = TestApp::start().await;
    let pages = every_page(&app, "Ann Example", "curl/8").await;
    let mut statuses = HashSet::new();
    for page in &pages {
        is_well_formed(page);
        statuses.insert(page.status);
    }
    assert!([200, 201, 403, 404, 413, 422].iter().all(|status| statuses.contains(status)), "{statuses:?}");
    assert!(pages.last().is_some_and(|page| page.has("/session/ack")));
    let titles: HashSet<_> =
        pages.iter().map(|page| page.body.split("<title>").nth(1).unwrap().split(" \u{b7} ").next().unwrap()).collect();
    for title in [
        "Welcome",
        "Log in",
        "Register",
        "Set up",
        "Log out",
        "Your account",
        "Devices and sessions",
        "Personal access tokens",
        "Your new token",
        "Error: Personal access tokens",
        "Confirm it\u{2019}s you",
    ] {
        assert!(titles.contains(title), "{title} was not looked at: {titles:?}");
    }
}

#[rocket::async_test]
async fn what_strangers_choose_is_shown_as_text() {
    let app = TestApp::with(&[("site_name", "<b>\"Site\" & 'Co'</b>")]).await;
    let pages = every_page(&app, HOSTILE, HOSTILE).await;
    for page in &pages {
        is_well_formed(page);
        for markup in ["<script", "<img src=x", "<b>", "onerror=alert(2)>"] {
            assert!(!page.has(markup), "{}: {markup}", page.path);
        }
    }
    let shown = "&#60;script&#62;alert(1)&#60;/script&#62;&#34;&#39;&#38;lt;&#60;img";
    for path in ["/", "/account", "/account/sessions", "/account/tokens"] {
        assert!(pages.iter().any(|page| page.path == path && page.has(shown)), "{path}: shown as typed");
    }
}

#[rocket::async_test]
async fn each_error_is_a_page_in_words_with_a_way_on() {
    let app = TestApp::build(&[], |rocket| rocket.mount("/", rocket::routes![fails, panics, forbidden, over])).await;
    let mut owner = app.registered().await;
    for (path, status, words) in [
        ("/fails/400", 400, "That request could not be read"),
        ("/fails/403", 403, "You may not do that"),
        ("/fails/404", 404, "There is no such page"),
        ("/fails/413", 413, "That was too much at once"),
        ("/fails/422", 422, "That form could not be read"),
        ("/fails/429", 429, "Too many attempts"),
        ("/fails/500", 500, "Something went wrong here"),
        ("/fails/503", 503, "The site is not ready right now"),
        ("/fails/418", 418, "That did not work"),
        ("/panics", 500, "Something went wrong here"),
        ("/forbidden", 403, "You may not do that"),
        ("/over", 500, "Something went wrong here"),
    ] {
        for (browser, way) in [(&mut owner, "href=\"/account\""), (&mut app.browser(), "href=\"/login\"")] {
            let page = browser.get(path).await;
            if path == "/forbidden" && way.contains("login") {
                assert_eq!(page.status, 303);
                continue;
            }
            assert_eq!(page.status, status, "{path}");
            is_well_formed(&page);
            // What passes by itself may have kept us from knowing who asks: then nobody is sent to log in.
            let way = if matches!(status, 429 | 503) { "href=\"/\"" } else { way };
            assert!(page.has(words) && page.has(way), "{path}: {}", page.body);
            assert!(page.has(page.header("x-request-id").unwrap()), "{path}");
            assert_eq!(page.header("retry-after").is_some(), matches!(status, 429 | 503), "{path}");
            assert!(!page.has("on purpose"), "{path}: causes are not shown");
        }
    }
    assert!(owner.is_logged_in().await);
}

#[rocket::get("/fails/<code>")]
fn fails(code: u16) -> rocket::http::Status {
    rocket::http::Status::new(code)
}

#[rocket::get("/panics")]
fn panics() -> String {
    panic!("on purpose")
}

#[rocket::get("/forbidden")]
fn forbidden(_admin: hallpass::Admin) {}

#[rocket::get("/over")]
fn over() -> Result<(), rocket::response::Debug<&'static str>> {
    Err(rocket::response::Debug("on purpose"))
}
