//! Statements that requests make at the same time share a commit: on SQLite there is one writer, and each commit waits
//! for the disk.

use std::time::{Duration, Instant};

use sqlx::pool::PoolConnection;
use sqlx::{Any, AnyConnection, AnyPool, Connection};
use tokio::sync::mpsc::error::SendTimeoutError;
use tokio::sync::{mpsc, oneshot};

use super::sqlite::BEGIN;
use super::{DbError, Statement};

/// Statements of one commit. More would make the first of them wait for the others.
const TOGETHER: usize = 64;

/// Clones share the work, which ends with the last of them.
#[derive(Clone, Debug)]
pub struct Writer {
    pool: AnyPool,
    patience: Duration,
    jobs: mpsc::Sender<Job>,
}

struct Job {
    asked: Instant,
    statement: Statement,
    done: oneshot::Sender<Result<u64, DbError>>,
}

impl Writer {
    pub fn start(pool: AnyPool, patience: Duration) -> Self {
        let (jobs, queue) = mpsc::channel(TOGETHER);
        tokio::spawn(work(pool.clone(), queue, patience));
        Self { pool, patience, jobs }
    }

    /// How many rows the statement has changed, after the commit.
    pub async fn execute(&self, statement: Statement) -> Result<u64, DbError> {
        let (done, outcome) = oneshot::channel();
        match self.jobs.send_timeout(Job { asked: Instant::now(), statement, done }, self.patience).await {
            Ok(()) => {}
            Err(SendTimeoutError::Timeout(_)) => return Err(sqlx::Error::PoolTimedOut.into()),
            // The runtime that it was started on has ended.
            Err(SendTimeoutError::Closed(job)) => return Ok(job.statement.execute(&self.pool).await?.rows_affected()),
        }
        outcome.await.map_err(|_| sqlx::Error::WorkerCrashed)?
    }
}

async fn work(pool: AnyPool, mut queue: mpsc::Receiver<Job>, patience: Duration) {
    let mut jobs = Vec::new();
    while queue.recv_many(&mut jobs, TOGETHER).await > 0 {
        // While the database is away, nobody waits for the turns of everybody else to be over.
        turn_away_the_late(&mut jobs, patience);
        if jobs.is_empty() {
            continue;
        }
        let connection = pool.acquire().await;
        // Whoever came while it was waited for.
        while jobs.len() < TOGETHER
            && let Ok(job) = queue.try_recv()
        {
            jobs.push(job);
        }
        turn_away_the_late(&mut jobs, patience);
        let (statements, waiting): (Vec<_>, Vec<_>) = jobs.drain(..).map(|job| (job.statement, job.done)).unzip();
        let outcome = match connection {
            Ok(connection) => together(connection, statements).await,
            Err(error) => Err(error),
        };
        // Who does not wait any more is not told.
        match outcome {
            Ok(rows) => waiting.into_iter().zip(rows).for_each(|(done, rows)| drop(done.send(Ok(rows)))),
            Err(error) => {
                let error = DbError::from(error);
                waiting.into_iter().for_each(|done| drop(done.send(Err(error.clone()))));
            }
        }
    }
}

fn turn_away_the_late(jobs: &mut Vec<Job>, patience: Duration) {
    for late in jobs.extract_if(.., |job| job.asked.elapsed() > patience) {
        let _ = late.done.send(Err(sqlx::Error::PoolTimedOut.into()));
    }
}

/// All of them, or none: after some failures SQLite has undone what came before in the transaction, after others not.
/// One that fails takes the others with it, so none may fail by what a visitor sends.
async fn together(mut connection: PoolConnection<Any>, statements: Vec<Statement>) -> Result<Vec<u64>, sqlx::Error> {
    // By itself, a statement is a transaction.
    if statements.len() <= 1 {
        return all(&mut connection, statements).await;
    }
    let mut transaction = connection.begin_with(BEGIN).await?;
    let rows = all(&mut transaction, statements).await?;
    transaction.commit().await?;
    Ok(rows)
}

async fn all(connection: &mut AnyConnection, statements: Vec<Statement>) -> Result<Vec<u64>, sqlx::Error> {
    let mut rows = Vec::with_capacity(statements.len());
    for statement in statements {
        rows.push(statement.execute(&mut *connection).await?.rows_affected());
    }
    Ok(rows)
}
