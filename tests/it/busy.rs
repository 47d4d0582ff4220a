//! More passwords at once than the processors can hash: who is told to come back, and that the owner gets in.

use std::future::ready;
use std::pin::pin;
use std::thread::available_parallelism;

use rocket::futures::StreamExt;
use rocket::futures::future::{Either, FutureExt, select};
use rocket::futures::stream::FuturesUnordered;
use serde_json::json;

use crate::helpers::{EMAIL, PASSWORD, Page, TestApp};

fn comes_back_soon(page: &Page) {
    let wait: i64 = page.header("retry-after").expect("Retry-After").parse().expect("seconds");
    assert!((1..=60).contains(&wait), "{wait}");
}

#[rocket::async_test]
async fn strangers_from_everywhere_are_told_to_come_back_and_the_owner_gets_in() {
    // So that one log-in takes a while: half a second or so.
    let app = TestApp::with(&[("argon2_memory_kib", "2048"), ("argon2_iterations", "400")]).await;
    let mut owner = app.registered().await;
    owner.fill("/logout", "/logout", &[]).await;
    // More by each door than can wait and run, each from another network and for another account.
    let each = 80 + available_parallelism().map_or(1, usize::from);
    let mut flood = FuturesUnordered::new();
    for number in 0..each {
        let [.., high, low] = number.to_be_bytes();
        let (program, mut browser) = (app.program().at([10, 1, high, low]), app.browser().at([10, 2, high, low]));
        let email = format!("person{number}@example.org");
        let body = json!({ "email": email, "password": PASSWORD });
        flood.push(async move { (program.post("/api/auth/login", body).await, None) }.boxed_local());
        let by_form = async move {
            let form = browser.get("/login?next=%2Faccount%2Fsessions").await;
            let fields = [("email", email.as_str()), ("password", PASSWORD), ("remember", "on")];
            (browser.submit(&form, "/login", &fields).await, Some(email))
        };
        flood.push(by_form.boxed_local());
    }
    let (mut by_api, mut by_form) = (None, None);
    while by_api.is_none() || by_form.is_none() {
        match flood.next().await.expect("some are turned away") {
            (page, None) if page.status == 503 => by_api = Some(page),
            (page, Some(email)) if page.status == 503 => by_form = Some((page, email)),
            _ => {}
        }
    }
    let problem = by_api.expect("an answer");
    problem.is_problem(503, "unavailable");
    comes_back_soon(&problem);
    let (page, email) = by_form.expect("an answer");
    comes_back_soon(&page);
    assert!(page.is_in_words() && page.has("The site is very busy right now."), "{}", page.body);
    let form = page.form("/login");
    assert_eq!((form.value("email"), form.value("remember")), (Some(email.as_str()), Some("on")));
    assert_eq!((form.value("next"), form.value("password")), (Some("/account/sessions"), Some("")));
    assert!(!page.has(PASSWORD));
    let others = flood.by_ref().for_each(|_| ready(()));
    match select(pin!(owner.log_in(EMAIL, PASSWORD)), pin!(others)).await {
        Either::Left((page, _)) => assert_eq!(page.path, "/account", "{}", page.body),
        Either::Right(_) => panic!("all others came first"),
    }
    // They went away, and so did their places.
    drop(flood);
    assert_eq!(app.browser().log_in(EMAIL, PASSWORD).await.path, "/account");
}
