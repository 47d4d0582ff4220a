//! Paths that are spelled in another way: Rocket finds the same route by all of them, and so does every rule.

use rocket::http::{Header, Method};
use serde_json::json;

use crate::helpers::{Page, TestApp};

const ORIGIN: &str = "https://app.example.org";

async fn get(app: &TestApp, path: &str, headers: &[(&str, &str)]) -> Page {
    let mut request = app.client().get(path.to_owned());
    for (name, value) in headers {
        request.add_header(Header::new((*name).to_owned(), (*value).to_owned()));
    }
    Page::from_local(path, request.dispatch().await).await
}

#[rocket::async_test]
async fn another_spelling_is_under_the_same_origins() {
    let app = TestApp::with(&[("cors_origins", ORIGIN)]).await;
    app.registered().await;
    let token = app.program().log_in().await["access_token"].as_str().map(|token| format!("Bearer {token}")).unwrap();
    for path in ["/api/me", "//api/me", "/api//me", "/%61pi/me", "/api/%6de", "//%61pi//me"] {
        let from = |origin| [("Authorization", token.as_str()), ("Origin", origin)];
        let page = get(&app, path, &from("https://evil.example")).await;
        assert_eq!((page.status, &page.json()["code"]), (403, &json!("origin_not_allowed")), "{path}");
        let page = get(&app, path, &from(ORIGIN)).await;
        assert_eq!(page.status, 200, "{path}");
        assert_eq!(page.header("access-control-allow-origin"), Some(ORIGIN), "{path}");
        assert_eq!(page.header("vary"), Some("Origin"), "{path}");
    }
    let page = get(&app, "/api%2Fme", &[("Origin", ORIGIN)]).await;
    assert_eq!((page.status, page.header("access-control-allow-origin")), (404, None), "a page of the site's");
}

#[rocket::async_test]
async fn another_spelling_of_the_api_does_not_redirect_to_ask_the_jar() {
    let app = TestApp::start().await;
    let mut browser = app.registered().await;
    let stale = browser.clone();
    for _ in 0..2 {
        app.advance(901);
        assert_eq!(browser.get("/account").await.status, 200);
    }
    app.advance(61);
    for path in ["/api/me", "//api/me", "/%61pi/me"] {
        let page = stale.send_and_lose(Method::Get, path, None, &[]).await;
        assert_eq!((page.status, page.location()), (401, None), "{path}");
        assert!(page.sets("probe").is_some(), "{path}");
    }
}

#[rocket::async_test]
async fn another_spelling_rotates_nothing_where_nothing_is_kept() {
    let app = TestApp::start().await;
    let mut browser = app.registered().await;
    app.advance(901);
    for path in ["/logout", "//logout", "/%6cogout", "/session/ack", "//session//ack", "//static/x", "//healthz"] {
        let page = browser.send_and_lose(Method::Get, path, None, &[]).await;
        assert!(!page.delivers(), "{path}");
    }
    assert!(browser.get("/account").await.delivers());
}
