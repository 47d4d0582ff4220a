//! Commits of one changed row a second, by sqlx on one connection with hallpass's pragmas: `commits FILE SECONDS`
//!
//! FILE is hallpass's own database, while no server runs on it; a table is added to it.

use std::time::{Duration, Instant};

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, Executor};

#[tokio::main(worker_threads = 2)]
async fn main() -> sqlx::Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, file, seconds] = arguments.as_slice() else { panic!("commits FILE SECONDS") };
    let seconds = Duration::from_secs(seconds.parse().expect("a number"));
    let mut connection = SqliteConnectOptions::new()
        .filename(file)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .connect()
        .await?;
    connection.execute("create table if not exists commits (id text primary key, counted bigint not null)").await?;
    connection.execute("insert into commits values ('one', 0) on conflict do nothing").await?;

    let began = Instant::now();
    let mut commits = 0_u32;
    while began.elapsed() < seconds {
        let update = sqlx::query("update commits set counted = $1 where id = $2").bind(commits).bind("one");
        assert_eq!(update.execute(&mut connection).await?.rows_affected(), 1);
        commits += 1;
    }
    println!("{}", f64::from(commits) / began.elapsed().as_secs_f64());
    Ok(())
}
