//! After logging in, one lands on this site, on the page that one came for.

use rocket::http::Method;

use crate::helpers::{Browser, EMAIL, PASSWORD, Page, TestApp, encode};

/// What a browser could take for another site, or a proxy make into one.
#[rustfmt::skip]
const HOSTILE: [&str; 44] = [
    "", "account", "//evil.example", "///evil.example", "/\\evil.example", "\\\\evil.example", "/\\/evil.example",
    "https://evil.example", "http:evil.example", "http:/evil.example", "javascript:alert(1)", "data:text/html,x",
    "/%2f%2fevil.example", "/%2F/evil.example", "/%252f%252fevil.example", "/%5cevil.example", "/%255cevil.example",
    "/a//b", "/./a", "/..//evil.example", "/%2e%2e/a", "/.%2e//evil.example", "/a/..", "/a\tb", "/\t/evil.example",
    "/a\r\nSet-Cookie: x=y", "/a%0d%0aSet-Cookie:%20x=y", "/a%00", "\0/a", "/a%250ab", " /a", " //evil.example", "/a b",
    "/caf\u{e9}", "/\u{2215}evil.example", "/\u{ff0f}evil.example", "/\u{1f98a}", "/%ff", "?a", "#a", ".", "@evil.example",
    ":80/evil", "/<script>",
];

async fn submitted(browser: &mut Browser<'_>, form: &Page, next: &str) -> Page {
    browser.submit(form, "/login", &[("email", EMAIL), ("password", PASSWORD), ("next", next)]).await
}

#[rocket::async_test]
async fn wherever_the_address_came_from_one_lands_on_this_site() {
    let app = TestApp::start().await;
    app.registered().await;
    for next in HOSTILE {
        let query = encode(&[("next", next)]);
        let mut browser = app.browser();
        let form = browser.get(&format!("/login?{query}")).await;
        assert_eq!((form.status, form.form("/login").value("next")), (200, None), "{next:?} is offered");
        let landed = submitted(&mut browser, &form, next).await;
        assert_eq!((landed.status, landed.location()), (303, Some("/account")), "{next:?} as a hidden field");
        assert!(!landed.headers.iter().any(|(_, value)| value.contains("x=y")), "{next:?}");
        for path in ["/login", "/register"] {
            let logged_in = browser.get(&format!("{path}?{query}")).await;
            assert_eq!((logged_in.status, logged_in.location()), (303, Some("/account")), "{next:?} at {path}");
        }
        let confirm = browser.get(&format!("/confirm?{query}")).await;
        assert_eq!(confirm.form("/confirm").value("next"), None);
        let landed = browser.submit(&confirm, "/confirm", &[("password", PASSWORD), ("next", next)]).await;
        assert_eq!(landed.location(), Some("/account"), "{next:?} after confirming");
    }
}

#[rocket::async_test]
async fn an_odd_query_is_no_reason_to_refuse_the_page() {
    let app = TestApp::start().await;
    for query in
        ["next", "next=", "next=%ff", "next=%", "next=%zz", "next=/a&next=/b", "next[]=/a", "next.x=1", "&&&", "="]
    {
        let page = app.browser().get(&format!("/login?{query}")).await;
        assert_eq!((page.status, page.is_in_words()), (200, true), "{query}");
    }
}

#[rocket::async_test]
async fn the_page_that_one_came_for_is_reached_with_its_query() {
    let app = TestApp::start().await;
    app.registered().await;
    for path in
        ["/account/sessions", "/account?a=1&b=%2F%2Fx&c=a+b%20c&d=caf%C3%A9&e=%3Cb%3E", "/account?next=//x&q=%22'"]
    {
        let mut browser = app.browser();
        let turned_away = browser.get(path).await;
        let location = turned_away.location().expect("a redirect").to_owned();
        assert!(turned_away.status == 303 && location.starts_with("/login?next="), "{location}");
        let form = browser.get(&location).await;
        // A mistake on the way changes nothing.
        let fields = [("email", EMAIL), ("password", "a wrong password")];
        let form = browser.submit(&form, "/login", &fields).await;
        let done = browser.submit(&form, "/login", &[("email", EMAIL), ("password", PASSWORD)]).await;
        assert_eq!(done.location(), Some(path), "{}", done.body);
        assert_eq!(browser.get(path).await.status, 200);
    }
}

#[rocket::async_test]
async fn an_address_over_one_kibibyte_is_not_remembered() {
    let app = TestApp::start().await;
    app.registered().await;
    for (length, remembered) in [(1024, true), (1025, false), (8000, false)] {
        let path = format!("/account?x={}", "y".repeat(length - "/account?x=".len()));
        let mut browser = app.browser();
        let turned_away = browser.get(&path).await;
        let location = turned_away.location().expect("a redirect").to_owned();
        assert_eq!(location == "/login", !remembered, "{length}");
        let form = browser.get(&location).await;
        let done = submitted(&mut browser, &form, &path).await;
        assert_eq!(done.location(), Some(if remembered { &path[..] } else { "/account" }));
    }
}

#[rocket::async_test]
async fn who_posts_without_a_session_comes_back_to_the_page_that_the_form_stood_on() {
    let app = TestApp::start().await;
    app.registered().await;
    for (referer, expected) in [
        (Some("http://localhost:8000/account/sessions?ended=one"), "/login?next=%2Faccount%2Fsessions%3Fended%3Done"),
        (Some("http://localhost:8000/account"), "/login?next=%2Faccount"),
        (Some("http://localhost:8000"), "/login"),
        (Some("http://localhost:8000//evil.example"), "/login"),
        (Some("http://localhost:8000.evil.example/account"), "/login"),
        (Some("http://localhost:8000@evil.example/account"), "/login"),
        (Some("http://localhost:80001/account"), "/login"),
        (Some("https://localhost:8000/account"), "/login"),
        (Some("https://evil.example/http://localhost:8000/account"), "/login"),
        (Some(""), "/login"),
        (Some("\u{e9}"), "/login"),
        (None, "/login"),
    ] {
        for action in ["/account/profile", "/account/password", "/confirm", "/account/sessions/x/end"] {
            let headers: Vec<_> = referer.iter().map(|value| ("Referer", *value)).collect();
            let page = app.browser().send(Method::Post, action, Some(b"name=x"), &headers).await;
            assert_eq!((page.status, page.location()), (303, Some(expected)), "{action} from {referer:?}");
        }
    }
}
