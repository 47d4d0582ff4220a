//! At most three writes a generation, however many requests. Counted in SQLite's write-ahead log, from outside.

use std::fs;
use std::path::Path;

use rocket::futures::future::join_all;
use rocket::http::Method;

use crate::helpers::{TestApp, only_on_sqlite};

const EXPIRED: i64 = 901;

/// The statements of both engines are the same; only SQLite tells from outside how many there were.
fn counted() -> bool {
    only_on_sqlite("its log of commits is counted")
}

/// Committed transactions in the log since its last reset. Each ends with a frame that says how large the database
/// is then (https://sqlite.org/fileformat2.html#the_write_ahead_log).
fn commits(folder: &Path) -> usize {
    let log = fs::read(folder.join("hallpass.db-wal")).expect("the log");
    let word = |at: usize| u32::from_be_bytes(log[at..at + 4].try_into().expect("four bytes"));
    let (page_size, salts) = (word(8) as usize, &log[16..24]);
    let frames = (32..).step_by(24 + page_size).take_while(|frame| frame + 24 + page_size <= log.len());
    frames.filter(|frame| log[frame + 8..frame + 16] == *salts && word(frame + 4) != 0).count()
}

#[rocket::async_test]
async fn a_generation_costs_three_writes_however_many_requests() {
    if !counted() {
        return;
    }
    let app = TestApp::start().await;
    let mut browser = app.registered().await;
    let mut all = Vec::new();
    for _ in 0..4 {
        let before = browser.clone();
        app.advance(EXPIRED);
        let start = commits(app.folder());
        // Fifty at once with the same expired token: one generation, the same for all.
        let pages = join_all((0..50).map(|_| before.send_and_lose(Method::Get, "/account", None, &[]))).await;
        let refresh = pages[0].sets("refresh_token").expect("delivered");
        assert!(pages.iter().all(|page| page.status == 200 && page.sets("refresh_token").as_ref() == Some(&refresh)));
        browser.keep(&pages[0]);
        assert_eq!(commits(app.folder()) - start, 1, "one rotation");
        let burst = |path: &'static str| {
            (0..20).map({
                let browser = &browser;
                move |_| browser.send_and_lose(Method::Get, path, None, &[])
            })
        };
        join_all(burst("/account").chain(burst("/session/ack"))).await;
        assert_eq!(commits(app.folder()) - start, 2, "and one confirmation");
        for _ in 0..10 {
            app.advance(30);
            join_all(burst("/account").chain(burst("/session/ack"))).await;
        }
        all.push(commits(app.folder()) - start);
    }
    assert_eq!(all, [3; 4], "rotated, confirmed, settled");
}

#[rocket::async_test]
async fn redelivery_writes_nothing() {
    if !counted() {
        return;
    }
    let app = TestApp::start().await;
    let browser = app.registered().await;
    app.advance(EXPIRED);
    browser.send_and_lose(Method::Get, "/account", None, &[]).await;
    let start = commits(app.folder());
    for _ in 0..10 {
        assert!(browser.send_and_lose(Method::Get, "/account", None, &[]).await.delivers());
        app.advance(100);
    }
    assert_eq!(commits(app.folder()), start);
}

#[rocket::async_test]
async fn a_personal_token_costs_one_write_a_minute_however_many_requests() {
    if !counted() {
        return;
    }
    let app = TestApp::start().await;
    app.registered().await;
    let token = crate::personal_tokens::created(&app, "Nightly backup", 30).await;
    for _ in 0..3 {
        let start = commits(app.folder());
        for _ in 0..4 {
            let uses = join_all((0..20).map(|_| app.site().personal_tokens.authenticate(&token))).await;
            assert!(uses.iter().all(|found| found.as_ref().is_ok_and(Option::is_some)));
            app.advance(15);
        }
        assert_eq!(commits(app.folder()) - start, 1);
    }
}
