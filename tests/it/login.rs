use crate::helpers::{EMAIL, PASSWORD, TestApp};

#[rocket::async_test]
async fn a_visitor_registers_logs_out_and_logs_in_again() {
    let app = TestApp::start().await;
    let mut browser = app.registered().await;
    assert!(browser.is_logged_in().await);
    let home = browser.fill("/logout", "/logout", &[]).await;
    assert_eq!(home.path, "/");
    assert!(browser.cookie("access_token").is_none() && browser.cookie("refresh_token").is_none());
    assert!(!browser.is_logged_in().await);
    let account = browser.log_in(EMAIL, PASSWORD).await;
    assert_eq!(account.path, "/account");
}
