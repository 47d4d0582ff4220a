//! Of statements that share a commit, on SQLite.

use super::*;

async fn with_a_table() -> (tempfile::TempDir, Db) {
    let folder = tempfile::tempdir().expect("a folder");
    let url = format!("sqlite:{}", folder.path().join("test.db").display());
    let figment = crate::config::defaults().merge(("hallpass.database_url", url));
    let db = Db::open(&Config::read(&figment).expect("settings")).await.expect("a database");
    db.execute(sqlx::query("create table counts (name text primary key, count bigint not null)"))
        .await
        .expect("a table");
    db.execute(insert("one")).await.expect("a row");
    (folder, db)
}

fn insert(name: &str) -> Statement {
    sqlx::query("insert into counts values ($1, 0)").bind(name)
}

fn count() -> Statement {
    sqlx::query("update counts set count = count + 1 where name = $1").bind("one")
}

async fn counted(db: &Db) -> i64 {
    let row = sqlx::query("select count from counts where name = 'one'").fetch_one(&db.read).await.expect("a row");
    sqlx::Row::get(&row, "count")
}

/// Of the log of commits, which holds a page for each that changed one row; then it is empty.
async fn pages_logged(db: &Db) -> i64 {
    let logged = sqlx::query("pragma wal_checkpoint(passive)").fetch_one(&db.write).await.expect("a row");
    sqlx::query("pragma wal_checkpoint(truncate)").fetch_one(&db.write).await.expect("a row");
    sqlx::Row::get(&logged, "log")
}

/// Carries them out at once, while the one connection that writes is busy until all of them wait.
async fn at_once(db: &Db, statements: Vec<Statement>) -> Vec<Result<u64, DbError>> {
    let busy = db.begin().await.expect("begun");
    let all: Vec<_> = statements
        .into_iter()
        .map(|statement| {
            let db = db.clone();
            tokio::spawn(async move { db.execute(statement).await })
        })
        .collect();
    // On a runtime of one thread, each has run by then until it waits.
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    busy.commit().await.expect("committed");
    let mut outcomes = Vec::new();
    for one in all {
        outcomes.push(one.await.expect("joined"));
    }
    outcomes
}

#[tokio::test]
async fn statements_that_come_together_share_a_commit_and_each_learns_what_it_changed() {
    let (_folder, db) = with_a_table().await;
    pages_logged(&db).await;
    let mut statements: Vec<_> = (0..40).map(|_| count()).collect();
    statements.push(sqlx::query("update counts set count = 0 where name = 'nobody'"));
    let outcomes = at_once(&db, statements).await;
    assert!(outcomes[..40].iter().all(|rows| matches!(rows, Ok(1))), "{outcomes:?}");
    assert!(matches!(outcomes[40], Ok(0)));
    assert_eq!(counted(&db).await, 40);
    let pages = pages_logged(&db).await;
    assert!((1..10).contains(&pages), "41 statements made {pages} pages of log");
}

#[tokio::test]
async fn more_than_fit_into_a_commit_are_carried_out_too() {
    let (_folder, db) = with_a_table().await;
    let outcomes = at_once(&db, (0..200).map(|_| count()).collect()).await;
    assert!(outcomes.iter().all(|rows| matches!(rows, Ok(1))));
    assert_eq!(counted(&db).await, 200);
}

#[tokio::test]
async fn who_gives_up_does_no_harm_to_the_others() {
    let (_folder, db) = with_a_table().await;
    let busy = db.begin().await.expect("begun");
    let [patient, impatient] =
        [db.clone(), db.clone()].map(|db| tokio::spawn(async move { db.execute(count()).await }));
    tokio::task::yield_now().await;
    impatient.abort();
    busy.commit().await.expect("committed");
    assert!(matches!(patient.await.expect("joined"), Ok(1)));
    assert!(matches!(db.execute(count()).await, Ok(1)));
}

#[tokio::test]
async fn of_statements_that_share_a_commit_all_fail_or_none() {
    let (_folder, db) = with_a_table().await;
    let outcomes = at_once(&db, vec![count(), insert("one"), count()]).await;
    assert!(outcomes.iter().all(Result::is_err), "{outcomes:?}");
    assert_eq!(counted(&db).await, 0);
    assert!(matches!(db.execute(count()).await, Ok(1)), "the next is not harmed");
}

#[tokio::test]
async fn while_the_database_is_busy_nobody_waits_for_the_turns_of_everybody() {
    let (_folder, db) = with_a_table().await;
    let busy = db.begin().await.expect("begun");
    let began = std::time::Instant::now();
    let all: Vec<_> = (0..500)
        .map(|_| {
            let db = db.clone();
            tokio::spawn(async move { db.execute(count()).await })
        })
        .collect();
    for one in all {
        assert!(one.await.expect("joined").is_err());
    }
    assert!(began.elapsed() < db.patience * 3, "{:?}", began.elapsed());
    busy.commit().await.expect("committed");
    assert!(matches!(db.execute(count()).await, Ok(1)));
    assert_eq!(counted(&db).await, 1, "who was turned away has changed nothing");
}

#[tokio::test]
async fn nothing_is_changed_after_the_end() {
    let (_folder, db) = with_a_table().await;
    db.close().await;
    assert!(db.execute(count()).await.is_err());
}
