use crate::helpers::{EMAIL, PASSWORD, TestApp};

#[rocket::async_test]
async fn what_happened_within_one_second_is_shown_newest_first() {
    let app = TestApp::start().await;
    let mut browser = app.registered().await;
    for _ in 0..3 {
        browser.fill("/logout", "/logout", &[]).await;
        browser.log_in(EMAIL, PASSWORD).await;
    }
    let page = browser.visit("/account/sessions").await;
    let said = page.body.split("class=\"event\"").skip(1).map(|event| {
        let words = ["Logged in.", "Logged out.", "Your account was registered."];
        words.into_iter().find(|words| event.contains(words)).expect("a known event")
    });
    let (in_, out) = ("Logged in.", "Logged out.");
    let expected = [in_, out, in_, out, in_, out, in_, "Your account was registered."];
    assert_eq!(said.collect::<Vec<_>>(), expected);
}
