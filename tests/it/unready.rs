use std::time::Duration;

use rocket::tokio;

use crate::helpers::TestApp;

#[rocket::async_test]
async fn while_the_database_is_away_nobody_is_told_to_log_in() {
    let app = TestApp::start().await;
    let mut browser = app.registered().await;
    let before = browser.jar().clone();
    app.site().db.close().await;
    // What was seen before is believed for a second.
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    let page = browser.get("/account?saved=name").await;
    assert_eq!((page.status, page.header("retry-after")), (503, Some("5")));
    assert!(page.has("<a class=\"button\" href=\"/account?saved=name\">Try again</a>"), "{}", page.body);
    assert!(!page.has("href=\"/login\"") && !page.has("href=\"/register\""), "{}", page.body);
    assert_eq!(*browser.jar(), before, "its cookies stay");
    let sent = browser.post("/account/profile", &[("name", "Ann")]).await;
    assert_eq!(sent.status, 503);
    assert!(!sent.has("Try again</a>"), "a form cannot be sent again by a link: {}", sent.body);
}
