//! The database: open, migrate, write, health. SQL itself stands in the `store.rs` files.

mod writer;

use std::fs::{self, OpenOptions};
use std::io;
use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Duration;

use percent_encoding::percent_decode_str;
use sqlx::any::{AnyArguments, AnyPoolOptions, install_default_drivers};
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::{Any, AnyConnection, AnyPool, Connection, Executor};

use crate::config::Config;
use writer::Writer;

static MIGRATIONS: Migrator = sqlx::migrate!();

/// How long a request waits for a connection, a lock or a place among the writers before it is answered 503.
const PATIENCE: Duration = Duration::from_secs(5);

/// Of each connection to SQLite. What is asked often is remembered elsewhere, and the system caches the file.
const CACHE_KIB: u32 = 512;

/// A deferred transaction that reads first cannot wait for SQLite's lock when it comes to write.
const BEGIN: &str = "begin immediate";

/// One statement with its values.
pub type Statement = sqlx::query::Query<'static, Any, AnyArguments>;

/// A handle to the database; clones share its connections.
///
/// SQLite lets one connection write at a time: a pool of one queues writers fairly, where several would poll a lock.
#[derive(Clone, Debug)]
pub struct Db {
    read: AnyPool,
    write: AnyPool,
    /// On SQLite.
    writer: Option<Writer>,
}

/// Several statements that happen together; undone unless committed.
pub struct Transaction {
    inner: sqlx::Transaction<'static, Any>,
    after_commit: Vec<Box<dyn FnOnce() + Send>>,
}

impl Transaction {
    /// To be done when it has happened, and only then, before the caller goes on.
    pub fn after_commit(&mut self, done: impl FnOnce() + Send + 'static) {
        self.after_commit.push(Box::new(done));
    }

    /// Carries out a statement; returns how many rows it has changed.
    pub async fn execute(&mut self, statement: Statement) -> Result<u64, DbError> {
        Ok(statement.execute(&mut *self.inner).await?.rows_affected())
    }

    /// Undoes it.
    pub async fn rollback(self) -> Result<(), DbError> {
        Ok(self.inner.rollback().await?)
    }

    /// Makes it happen.
    pub async fn commit(self) -> Result<(), DbError> {
        self.inner.commit().await?;
        self.after_commit.into_iter().for_each(|done| done());
        Ok(())
    }
}

impl Deref for Transaction {
    type Target = AnyConnection;

    fn deref(&self) -> &AnyConnection {
        &self.inner
    }
}

impl DerefMut for Transaction {
    fn deref_mut(&mut self) -> &mut AnyConnection {
        &mut self.inner
    }
}

/// The database did not do what it was asked. Nothing was changed by the call that returns it.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the database did not answer: {0}")]
pub struct DbError(Arc<sqlx::Error>);

impl From<sqlx::Error> for DbError {
    fn from(error: sqlx::Error) -> Self {
        Self(Arc::new(error))
    }
}

/// The database cannot be used; each message says what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error(
        "cannot create the folder {0} of the database: {1}. Create it, or set database_url to a place this user may write to"
    )]
    Folder(PathBuf, io::Error),
    #[error("cannot open the database file {0}: {1}. Check that this user may read and write the file and its folder")]
    File(PathBuf, io::Error),
    #[error("cannot open the database: {0}. Check database_url, and that this user may read and write there")]
    Connect(sqlx::Error),
    #[error(
        "the database is from a newer version of hallpass (it has migration {0}, unknown here). \
         Nothing was changed. Start that newer version, or restore a backup made before the upgrade"
    )]
    Newer(i64),
    #[error("the database could not be migrated: {0}. Nothing was lost; the migration that failed is undone")]
    Migrate(MigrateError),
}

impl Db {
    /// Connects, and creates an SQLite file that is missing, readable by its owner only.
    pub async fn open(config: &Config) -> Result<Self, OpenError> {
        install_default_drivers();
        if !config.is_sqlite() {
            let pool = AnyPoolOptions::new().acquire_timeout(PATIENCE).connect(&config.database_url).await;
            let pool = pool.map_err(OpenError::Connect)?;
            return Ok(Self { read: pool.clone(), write: pool, writer: None });
        }
        create_file(&sqlite_path(&config.database_url))?;
        let write = sqlite_pool(&config.database_url, 1, "").await?;
        let read = sqlite_pool(&config.database_url, readers(), "pragma query_only = 1;").await?;
        Ok(Self { read, writer: Some(Writer::start(write.clone())), write })
    }

    /// Brings the tables to this version. Returns how many migrations have been applied in all.
    pub async fn migrate(&self) -> Result<usize, OpenError> {
        match MIGRATIONS.run(&self.write).await {
            Ok(()) => Ok(MIGRATIONS.iter().count()),
            Err(MigrateError::VersionMissing(version)) => Err(OpenError::Newer(version)),
            Err(MigrateError::Execute(error)) => Err(OpenError::Connect(error)),
            Err(error) => Err(OpenError::Migrate(error)),
        }
    }

    /// For statements that change nothing.
    pub fn read(&self) -> &AnyPool {
        &self.read
    }

    /// Carries out a single statement that changes something; returns how many rows it has changed.
    pub async fn execute(&self, statement: Statement) -> Result<u64, DbError> {
        match &self.writer {
            Some(writer) => writer.execute(statement).await,
            None => Ok(statement.execute(&self.write).await?.rows_affected()),
        }
    }

    /// For several statements that must happen together; undone unless committed.
    pub async fn begin(&self) -> Result<Transaction, DbError> {
        let inner = match &self.writer {
            Some(_) => self.write.begin_with(BEGIN).await?,
            None => self.write.begin().await?,
        };
        Ok(Transaction { inner, after_commit: Vec::new() })
    }

    /// Whether the database answers.
    pub async fn health(&self) -> Result<(), DbError> {
        sqlx::query("select 1").execute(&self.read).await?;
        Ok(())
    }

    /// Ends all connections, after those in use have been given back.
    pub async fn close(&self) {
        self.read.close().await;
        self.write.close().await;
    }
}

/// Connections to SQLite that read, each with a thread and memory of its own: some wait for the disk while others work.
fn readers() -> u32 {
    let processors = available_parallelism().map_or(1, usize::from);
    (2 * processors as u32).clamp(4, 16)
}

async fn sqlite_pool(url: &str, connections: u32, pragmas: &'static str) -> Result<AnyPool, OpenError> {
    AnyPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(PATIENCE)
        .idle_timeout(None)
        .max_lifetime(None)
        // No network between: to ask each time whether it is still there would take as long as most statements.
        .test_before_acquire(false)
        // After a full disk SQLite has ended the transaction by itself, and sqlx takes it for open ever after.
        .before_acquire(|connection, _| Box::pin(async move { Ok(!connection.is_in_transaction()) }))
        .after_connect(move |connection, _| {
            Box::pin(async move {
                // Synchronous full: what was answered survives a loss of power.
                let settings = format!(
                    "pragma busy_timeout = {}; pragma journal_mode = wal; pragma synchronous = full; \
                     pragma foreign_keys = on; pragma cache_size = -{CACHE_KIB}; {pragmas}",
                    PATIENCE.as_millis()
                );
                connection.execute(sqlx::AssertSqlSafe(settings)).await?;
                Ok(())
            })
        })
        .connect(url)
        .await
        .map_err(OpenError::Connect)
}

/// `sqlite:data/x.db` and `sqlite:///data/x.db` as the path of a file.
fn sqlite_path(url: &str) -> PathBuf {
    let rest = url.strip_prefix("sqlite:").unwrap_or(url);
    let rest = rest.strip_prefix("//").unwrap_or(rest);
    let path = rest.split('?').next().unwrap_or(rest);
    PathBuf::from(percent_decode_str(path).decode_utf8_lossy().as_ref())
}

fn create_file(path: &Path) -> Result<(), OpenError> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::create_dir_all(folder).map_err(|error| OpenError::Folder(folder.to_owned(), error))?;
    }
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop).map_err(|error| OpenError::File(path.to_owned(), error))
}

#[cfg(test)]
mod tests {
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
        let row = sqlx::query("select count from counts where name = 'one'").fetch_one(db.read()).await.expect("a row");
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
        assert!(began.elapsed() < PATIENCE * 3, "{:?}", began.elapsed());
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
}
