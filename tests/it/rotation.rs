use crate::helpers::TestApp;

#[rocket::async_test]
async fn an_expired_access_token_is_replaced_on_a_404_page() {
    let app = TestApp::start().await;
    let mut browser = app.registered().await;
    app.advance(901);
    let page = browser.get("/nowhere").await;
    assert_eq!(page.status, 404);
    assert!(page.delivers());
    assert!(page.has("/session/ack"));
}
