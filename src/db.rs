//! The database: open, migrate, ask, write, health. SQL itself stands in the `store.rs` files.

mod copy;
mod postgres;
mod sqlite;
mod writer;

use std::borrow::Cow;
use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use sqlx::any::{AnyArguments, AnyRow, install_default_drivers};
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::{Any, AnyPool, Row};
use tokio::time::timeout;

use crate::clock::Seconds;
use crate::config::Config;
pub use copy::{check, copy};
pub use postgres::Notices;
use writer::Writer;

static MIGRATIONS: Migrator = sqlx::migrate!();

/// A transaction that takes longer is undone, so that whoever looks back over [`crate::changes`] knows how far.
pub(crate) const TRANSACTION_MAX: Duration = Duration::from_secs(10);

/// Of sqlx.
const MIGRATIONS_TABLE: &str = "_sqlx_migrations";

/// One statement with its values.
pub type Statement = sqlx::query::Query<'static, Any, AnyArguments>;

/// A handle to the database; clones share its connections.
///
/// SQLite lets one connection write at a time: a pool of one queues writers fairly, where several would poll a lock.
/// PostgreSQL has one pool for all.
#[derive(Clone, Debug)]
pub struct Db {
    read: AnyPool,
    write: AnyPool,
    engine: Engine,
    /// How long a request waits for a connection, a lock or a place among the writers before it is answered 503.
    patience: Duration,
}

#[derive(Clone, Debug)]
enum Engine {
    Sqlite(Writer),
    Postgres { url: Arc<str> },
}

/// Several statements that happen together; undone unless committed.
pub struct Transaction {
    inner: sqlx::Transaction<'static, Any>,
    after_commit: Vec<Box<dyn FnOnce() + Send>>,
    patience: Duration,
    began: Instant,
}

impl Transaction {
    /// To be done when it has happened, and only then, before the caller goes on.
    pub fn after_commit(&mut self, done: impl FnOnce() + Send + 'static) {
        self.after_commit.push(Box::new(done));
    }

    /// Carries out a statement; returns how many rows it has changed.
    pub async fn execute(&mut self, statement: Statement) -> Result<u64, DbError> {
        Ok(within(self.patience, statement.execute(&mut *self.inner)).await?.rows_affected())
    }

    /// What a statement finds, if it finds something.
    pub async fn fetch_optional(&mut self, statement: Statement) -> Result<Option<AnyRow>, DbError> {
        within(self.patience, statement.fetch_optional(&mut *self.inner)).await
    }

    /// What a statement finds, which is one row.
    pub async fn fetch_one(&mut self, statement: Statement) -> Result<AnyRow, DbError> {
        within(self.patience, statement.fetch_one(&mut *self.inner)).await
    }

    /// Undoes it.
    pub async fn rollback(self) -> Result<(), DbError> {
        within(self.patience, self.inner.rollback()).await
    }

    /// Makes it happen.
    pub async fn commit(self) -> Result<(), DbError> {
        if self.began.elapsed() > TRANSACTION_MAX {
            return Err(sqlx::Error::PoolTimedOut.into());
        }
        within(self.patience, self.inner.commit()).await?;
        self.after_commit.into_iter().for_each(|done| done());
        Ok(())
    }
}

/// The database did not do what it was asked. Nothing was changed by the call that returns it, unless the answer to a
/// commit was lost.
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
        "the database is from a newer version of hallpass (it has migration {0}, unknown here), and this version cannot \
         work with it. Nothing was changed. Start that newer version, or restore a backup made before the upgrade"
    )]
    Newer(i64),
    #[error(
        "the database could not be migrated: {0}. Nothing was lost; the migration that failed is undone. Start the version \
         before again, and report this"
    )]
    Migrate(MigrateError),
}

/// There is no copy; each message says what to do.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    #[error("{0} exists already, and nothing is overwritten. Name another file")]
    Exists(PathBuf),
    #[error("cannot write {0}: {1}. Check that this user may write there, and that there is space")]
    File(PathBuf, io::Error),
    #[error("the database could not be copied: {0}. Check that there is space for another of its size")]
    Copy(sqlx::Error),
    #[error("{0}. Check database_url, and that this user may read and write there")]
    Read(DbError),
    #[error("hallpass has never been started on this database. Check database_url, and the folder that this runs in")]
    Foreign,
    #[error(
        "this is a backup of SQLite. For PostgreSQL: pg_dump --format=custom --file=FILE \"$HALLPASS_DATABASE_URL\""
    )]
    Postgres,
}

impl Db {
    /// Connects, and creates an SQLite file that is missing, readable by its owner only.
    pub async fn open(config: &Config) -> Result<Self, OpenError> {
        install_default_drivers();
        let patience = Duration::from_secs(config.database_timeout_seconds);
        if config.is_sqlite() {
            let (read, write) = sqlite::open(config, patience).await?;
            let engine = Engine::Sqlite(Writer::start(write.clone(), patience));
            return Ok(Self { read, write, engine, patience });
        }
        let pool = postgres::open(config, patience).await?;
        let engine = Engine::Postgres { url: config.database_url.as_str().into() };
        Ok(Self { read: pool.clone(), write: pool, engine, patience })
    }

    /// The same for a database that must be there: nothing is created.
    pub async fn open_existing(config: &Config) -> Result<Self, OpenError> {
        let path = sqlite::path(&config.database_url);
        if config.is_sqlite() && !path.exists() {
            return Err(OpenError::File(path, io::ErrorKind::NotFound.into()));
        }
        Self::open(config).await
    }

    /// Copies an SQLite database to a file that does not exist yet, as it is at one moment, while it is in use.
    pub async fn back_up(&self, file: &Path) -> Result<(), BackupError> {
        match self.engine {
            Engine::Sqlite(_) => {
                let tables = self.tables().await.map_err(BackupError::Read)?;
                if !tables.iter().any(|name| name == MIGRATIONS_TABLE) {
                    return Err(BackupError::Foreign);
                }
                sqlite::back_up(&self.write, file).await
            }
            Engine::Postgres { .. } => Err(BackupError::Postgres),
        }
    }

    /// Brings the tables to this version. Returns how many migrations have been applied in all.
    ///
    /// # Errors
    /// Also if a newer version has changed them in a way that this one cannot work with; one that has only added to
    /// them leaves this one at work.
    pub async fn migrate(&self) -> Result<usize, OpenError> {
        let mut done = self.run(&MIGRATIONS).await;
        if let Err(MigrateError::VersionMissing(version)) = done {
            if !self.is_compatible().await {
                return Err(OpenError::Newer(version));
            }
            let migrations = Cow::Borrowed(&*MIGRATIONS.migrations);
            done = self.run(&Migrator { migrations, ignore_missing: true, ..Migrator::DEFAULT }).await;
        }
        match done {
            Ok(()) => Ok(MIGRATIONS.iter().count()),
            Err(MigrateError::Execute(error)) => Err(OpenError::Connect(error)),
            Err(error) => Err(OpenError::Migrate(error)),
        }
    }

    async fn run(&self, migrations: &Migrator) -> Result<(), MigrateError> {
        match &self.engine {
            Engine::Sqlite(_) => sqlite::migrate(&self.write, migrations).await,
            Engine::Postgres { url } => postgres::migrate(url, migrations).await,
        }
    }

    /// Whether a newer version says that this one can work with its tables.
    async fn is_compatible(&self) -> bool {
        let newest = MIGRATIONS.iter().map(|migration| migration.version).max();
        let oldest = self.fetch_one(sqlx::query("select oldest_migration from compatibility")).await;
        let oldest = oldest.ok().and_then(|row| row.try_get::<i64, _>("oldest_migration").ok());
        oldest.is_some_and(|oldest| newest >= Some(oldest))
    }

    /// What a statement that changes nothing finds.
    pub async fn fetch_all(&self, statement: Statement) -> Result<Vec<AnyRow>, DbError> {
        within(self.patience, statement.fetch_all(&self.read)).await
    }

    /// What a statement that changes nothing finds, if it finds something.
    pub async fn fetch_optional(&self, statement: Statement) -> Result<Option<AnyRow>, DbError> {
        within(self.patience, statement.fetch_optional(&self.read)).await
    }

    /// What a statement that changes nothing finds, which is one row.
    pub async fn fetch_one(&self, statement: Statement) -> Result<AnyRow, DbError> {
        within(self.patience, statement.fetch_one(&self.read)).await
    }

    /// Carries out a single statement that changes something; returns how many rows it has changed.
    pub async fn execute(&self, statement: Statement) -> Result<u64, DbError> {
        match &self.engine {
            Engine::Sqlite(writer) => writer.execute(statement).await,
            Engine::Postgres { .. } => Ok(within(self.patience, statement.execute(&self.write)).await?.rows_affected()),
        }
    }

    /// For several statements that must happen together; undone unless committed.
    pub async fn begin(&self) -> Result<Transaction, DbError> {
        let inner = match &self.engine {
            Engine::Sqlite(_) => within(self.patience, self.write.begin_with(sqlite::BEGIN)).await?,
            Engine::Postgres { .. } => within(self.patience, self.write.begin()).await?,
        };
        Ok(Transaction { inner, after_commit: Vec::new(), patience: self.patience, began: Instant::now() })
    }

    /// What time it is for the database server; none where that is this machine.
    pub async fn time(&self) -> Result<Option<Seconds>, DbError> {
        match self.engine {
            Engine::Sqlite(_) => Ok(None),
            Engine::Postgres { .. } => Ok(Some(self.fetch_one(sqlx::query(postgres::TIME)).await?.try_get("time")?)),
        }
    }

    /// Whether the database answers.
    pub async fn health(&self) -> Result<(), DbError> {
        self.fetch_one(sqlx::query("select 1")).await?;
        Ok(())
    }

    /// Tells other processes that there is something new, when the transaction has committed. For those that
    /// [`Db::notices`] keeps listening; who is not, finds out by asking.
    pub async fn notify(&self, transaction: &mut Transaction) -> Result<(), DbError> {
        if let Engine::Postgres { .. } = self.engine {
            transaction.execute(sqlx::query(postgres::NOTIFY)).await?;
        }
        Ok(())
    }

    /// What other processes notify of, from now on; nothing ever, where the engine has no such thing.
    pub fn notices(&self) -> Notices {
        match &self.engine {
            Engine::Sqlite(_) => Notices::none(),
            Engine::Postgres { url } => Notices::of(url),
        }
    }

    /// The tables that there are, of whichever program.
    pub(crate) async fn tables(&self) -> Result<Vec<String>, DbError> {
        let statement = match self.engine {
            Engine::Sqlite(_) => sqlite::TABLES,
            Engine::Postgres { .. } => postgres::TABLES,
        };
        let rows = self.fetch_all(sqlx::query(statement)).await?;
        Ok(rows.iter().map(|row| row.try_get("name")).collect::<Result<_, _>>()?)
    }

    /// Whether the tables are those of this version, no more and no less.
    pub(crate) async fn is_of_this_version(&self) -> Result<bool, DbError> {
        if !self.tables().await?.iter().any(|name| name == MIGRATIONS_TABLE) {
            return Ok(false);
        }
        let rows = self.fetch_all(sqlx::query("select version from _sqlx_migrations order by version")).await?;
        let applied = rows.iter().map(|row| row.try_get("version")).collect::<Result<Vec<i64>, _>>()?;
        Ok(applied == MIGRATIONS.iter().map(|migration| migration.version).collect::<Vec<_>>())
    }

    /// Ends all connections, after those in use have been given back.
    pub async fn close(&self) {
        self.read.close().await;
        self.write.close().await;
    }
}

/// A server that is frozen or cut off never answers. First a connection is waited for, then the answer.
async fn within<T>(patience: Duration, asked: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, DbError> {
    match timeout(2 * patience, asked).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(sqlx::Error::PoolTimedOut.into()),
    }
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
}
