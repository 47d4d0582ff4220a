//! What has long expired is deleted; what has not stays.

use std::time::Duration;

use hallpass::clock::MINUTE;
use hallpass::id::NodeId;
use hallpass::leases::{self, Work};
use hallpass::upkeep::prune;
use rocket::tokio;

use crate::helpers::{EMAIL, PASSWORD, Server, TestApp};

const DAY: i64 = 24 * 60 * 60;

#[rocket::async_test]
async fn sessions_are_deleted_a_month_after_their_end() {
    let app = TestApp::start().await;
    app.registered().await;
    let mut remembered = app.browser();
    remembered.log_in_remembered(EMAIL, PASSWORD).await;
    let mut ended = app.browser();
    ended.log_in_remembered(EMAIL, PASSWORD).await;
    ended.fill("/logout", "/logout", &[]).await;
    let sessions = async || app.site().sessions.prune(500).await.expect("pruned");

    app.advance(30 * DAY);
    assert_eq!(sessions().await, 0);
    app.advance(1);
    assert_eq!(sessions().await, 1, "the one that was logged out");
    // The one that was registered with idles for 12 hours first.
    app.advance(DAY / 2 - 1);
    assert_eq!(sessions().await, 0);
    app.advance(1);
    assert_eq!(sessions().await, 1);
    // The remembered one for 30 days.
    app.advance(29 * DAY + DAY / 2 - 1);
    assert_eq!(sessions().await, 0);
    app.advance(1);
    assert_eq!(sessions().await, 1);
    assert_eq!(sessions().await, 0, "deleted twice");
}

#[rocket::async_test]
async fn a_live_session_is_never_deleted() {
    let app = TestApp::start().await;
    app.registered().await;
    let mut browser = app.browser();
    browser.log_in_remembered(EMAIL, PASSWORD).await;
    for _ in 0..4 {
        app.advance(20 * DAY);
        prune(app.site()).await.expect("pruned");
        assert!(browser.is_logged_in().await);
    }
}

#[rocket::async_test]
async fn batches_are_as_small_as_asked() {
    let app = TestApp::start().await;
    app.registered().await;
    for _ in 0..4 {
        app.browser().log_in(EMAIL, PASSWORD).await;
    }
    app.advance(31 * DAY);
    let mut batches = Vec::new();
    for _ in 0..4 {
        batches.push(app.site().sessions.prune(2).await.expect("pruned"));
    }
    assert_eq!(batches, [2, 2, 1, 0]);
}

/// A site whose own upkeep has had its turn: on a slow machine it would still be deleting what is counted here.
async fn left_alone(app: TestApp) -> TestApp {
    let (db, clock) = (&app.site().db, &app.site().clock);
    let node = NodeId::random();
    app.advance(MINUTE + 1);
    while !leases::take(db, clock, Work::Prune, &node).await.expect("an answer") {
        app.advance(MINUTE + 1);
    }
    // It may be in the middle of its last batch.
    tokio::time::sleep(Duration::from_millis(300)).await;
    app
}

#[rocket::async_test]
async fn counters_events_and_browsers_are_deleted_too() {
    let app = TestApp::start().await;
    let app = left_alone(app).await;
    let owner = app.registered().await;
    app.browser().log_in(EMAIL, "a wrong password").await;
    assert_eq!(prune(app.site()).await.expect("pruned"), 0);
    app.advance(DAY);
    assert!(prune(app.site()).await.expect("pruned") > 0, "counters of failed attempts stay");
    let id = app.site().accounts.by_email(EMAIL).await.expect("the account").id;
    let events = async || hallpass::audit::recent(&app.site().db, &id, 100).await.expect("events").len();
    assert_eq!(events().await, 2);
    // The month after the session's end is over, a year and more is not.
    app.advance(399 * DAY);
    prune(app.site()).await.expect("pruned");
    assert_eq!(events().await, 2);
    app.advance(1);
    assert!(prune(app.site()).await.expect("pruned") >= 3, "two events and a browser");
    assert_eq!(events().await, 0);
    assert_eq!(prune(app.site()).await.expect("pruned"), 0);
    drop(owner);
}

#[rocket::async_test]
async fn personal_tokens_are_deleted_a_month_after_their_end() {
    let app = TestApp::start().await;
    app.registered().await;
    let text = crate::personal_tokens::created(&app, "revoked at once", 365).await;
    crate::personal_tokens::created(&app, "ends first", 10).await;
    crate::personal_tokens::created(&app, "ends last", 11).await;
    let tokens = &app.site().personal_tokens;
    assert!(tokens.revoke_by_token(&text, &crate::personal_tokens::client()).await.expect("an answer"));
    // Not how many are deleted: the site may do that in the background before.
    let left = async || -> i64 {
        tokens.prune(500).await.expect("pruned");
        let mut connection = app.database().connect().await;
        sqlx::query_scalar("select count(*) from personal_tokens").fetch_one(&mut connection).await.expect("a number")
    };

    app.advance(30 * DAY);
    assert_eq!(left().await, 3);
    app.advance(1);
    assert_eq!(left().await, 2, "the one that was revoked");
    app.advance(10 * DAY - 1);
    assert_eq!(left().await, 2);
    app.advance(1);
    assert_eq!(left().await, 1);
    app.advance(DAY);
    prune(app.site()).await.expect("pruned");
    assert_eq!(tokens.prune(500).await.expect("pruned"), 0, "upkeep leaves tokens alone");
    assert_eq!(left().await, 0);
}

#[test]
fn the_operator_can_have_it_done_at_once() {
    let server = Server::start(&[]);
    let pruned = server.run(&["prune"]);
    assert!(pruned.status.success(), "{pruned:?}");
    assert_eq!(String::from_utf8_lossy(&pruned.stdout), "Deleted 0 rows.\n");
}
