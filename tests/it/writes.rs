//! At most three writes a generation, however many requests. Counted by the database: in SQLite's write-ahead log, by
//! triggers on PostgreSQL.

use std::fs;
use std::path::Path;

use rocket::futures::future::join_all;
use rocket::http::Method;
use sqlx::Executor;

use crate::helpers::{Database, TestApp};

const EXPIRED: i64 = 901;

/// Notes each transaction that makes or changes a row, but for what the site does in the background, whenever that is.
/// Only there rows are deleted.
const WATCH: &str = "
    create table writing (transaction text primary key);
    create function note_writing() returns trigger language plpgsql as
        'begin insert into writing values (cast(pg_current_xact_id() as text)) on conflict do nothing; return null; end';
    do 'declare t text; begin
        for t in select tablename from pg_tables where schemaname = current_schema()
                 and tablename not in (''writing'', ''leases'', ''nodes'', ''signing_keys'') loop
            execute format(''create trigger note after insert or update on %I for each row
                             execute function note_writing()'', t);
        end loop;
    end'";

/// A site whose writing transactions are counted from now on.
async fn watched() -> TestApp {
    let app = TestApp::start().await;
    if let Database::Postgres { .. } = app.database() {
        app.database().connect().await.execute(WATCH).await.expect("triggers");
    }
    app
}

/// How many transactions that wrote something have been committed.
async fn commits(app: &TestApp) -> usize {
    match app.database() {
        Database::Sqlite(_) => in_log(app.folder()),
        Database::Postgres { .. } => {
            let mut connection = app.database().connect().await;
            let count: i64 =
                sqlx::query_scalar("select count(*) from writing").fetch_one(&mut connection).await.expect("a number");
            count as usize
        }
    }
}

/// Committed transactions in the log since its last reset. Each ends with a frame that says how large the database
/// is then (https://sqlite.org/fileformat2.html#the_write_ahead_log).
fn in_log(folder: &Path) -> usize {
    let log = fs::read(folder.join("hallpass.db-wal")).expect("the log");
    let word = |at: usize| u32::from_be_bytes(log[at..at + 4].try_into().expect("four bytes"));
    let (page_size, salts) = (word(8) as usize, &log[16..24]);
    let frames = (32..).step_by(24 + page_size).take_while(|frame| frame + 24 + page_size <= log.len());
    frames.filter(|frame| log[frame + 8..frame + 16] == *salts && word(frame + 4) != 0).count()
}

#[rocket::async_test]
async fn a_generation_costs_three_writes_however_many_requests() {
    let app = watched().await;
    let mut browser = app.registered().await;
    let mut all = Vec::new();
    for _ in 0..4 {
        let before = browser.clone();
        app.advance(EXPIRED);
        let start = commits(&app).await;
        // Fifty at once with the same expired token: one generation, the same for all.
        let pages = join_all((0..50).map(|_| before.send_and_lose(Method::Get, "/account", None, &[]))).await;
        let refresh = pages[0].sets("refresh_token").expect("delivered");
        assert!(pages.iter().all(|page| page.status == 200 && page.sets("refresh_token").as_ref() == Some(&refresh)));
        browser.keep(&pages[0]);
        assert_eq!(commits(&app).await - start, 1, "one rotation");
        let burst = |path: &'static str| {
            (0..20).map({
                let browser = &browser;
                move |_| browser.send_and_lose(Method::Get, path, None, &[])
            })
        };
        join_all(burst("/account").chain(burst("/session/ack"))).await;
        assert_eq!(commits(&app).await - start, 2, "and one confirmation");
        for _ in 0..10 {
            app.advance(30);
            join_all(burst("/account").chain(burst("/session/ack"))).await;
        }
        all.push(commits(&app).await - start);
    }
    assert_eq!(all, [3; 4], "rotated, confirmed, settled");
}

#[rocket::async_test]
async fn redelivery_writes_nothing() {
    let app = watched().await;
    let browser = app.registered().await;
    app.advance(EXPIRED);
    browser.send_and_lose(Method::Get, "/account", None, &[]).await;
    let start = commits(&app).await;
    for _ in 0..10 {
        assert!(browser.send_and_lose(Method::Get, "/account", None, &[]).await.delivers());
        app.advance(100);
    }
    assert_eq!(commits(&app).await, start);
}

#[rocket::async_test]
async fn a_personal_token_costs_one_write_a_minute_however_many_requests() {
    let app = watched().await;
    app.registered().await;
    let token = crate::personal_tokens::created(&app, "Nightly backup", 30).await;
    for _ in 0..3 {
        let start = commits(&app).await;
        for _ in 0..4 {
            let uses = join_all((0..20).map(|_| app.site().personal_tokens.authenticate(&token))).await;
            assert!(uses.iter().all(|found| found.as_ref().is_ok_and(Option::is_some)));
            app.advance(15);
        }
        assert_eq!(commits(&app).await - start, 1);
    }
}
