//! The database: open, migrate, ask, write, copy, health. The SQL of features stands in their `store.rs` files; here is
//! what concerns the database as such.

mod copy;
mod error;
mod postgres;
mod sqlite;
#[cfg(test)]
mod tests;
mod transaction;
mod writer;

use std::borrow::Cow;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sqlx::any::{AnyArguments, AnyRow, install_default_drivers};
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::{Any, AnyPool, Row};
use tokio::time::timeout;

use crate::clock::Seconds;
use crate::config::{Config, DATABASE_TIMEOUT_MAX_SECONDS};
pub use copy::{check_source, check_target, copy};
use error::within;
pub use error::{BackupError, DbError, OpenError};
use postgres::Met;
pub use postgres::Notices;
pub use transaction::Transaction;
use writer::Writer;

static MIGRATIONS: Migrator = sqlx::migrate!();

/// A transaction that has taken longer is undone, so that whoever looks back over [`crate::changes`] knows how far.
const TRANSACTION_MAX: Duration = Duration::from_secs(10);

/// From the beginning of a transaction until others see what it has changed, at most: a commit may be waited for, too.
pub(crate) const SEEN_WITHIN: Duration =
    TRANSACTION_MAX.saturating_add(Duration::from_secs(2 * DATABASE_TIMEOUT_MAX_SECONDS));

/// Rows that a command reads at once: a site may have more than fit into memory, or into the time of one statement.
#[doc(hidden)]
pub const PAGE: i64 = 10_000;

const CLOSED_WITHIN: Duration = Duration::from_secs(5);

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
    Postgres { url: Arc<str>, met: Arc<Met> },
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
        let met = Arc::default();
        let pool = postgres::open(config, &met, patience).await?;
        let engine = Engine::Postgres { url: config.database_url.as_str().into(), met };
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

    /// Whether two addresses lead to one SQLite file.
    pub fn share_a_file(one: &Config, other: &Config) -> bool {
        let path = |config: &Config| sqlite::path(&config.database_url).canonicalize().ok();
        one.is_sqlite() && other.is_sqlite() && path(one).is_some_and(|path_of_one| path(other) == Some(path_of_one))
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
            Engine::Postgres { url, .. } => postgres::migrate(url, migrations).await,
        }
    }

    /// Whether a newer version says that this one can work with its tables.
    async fn is_compatible(&self) -> bool {
        let newest = MIGRATIONS.iter().map(|migration| migration.version).max();
        let oldest =
            self.fetch_one(sqlx::query("select max(oldest_migration) as oldest_migration from compatibility")).await;
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
        Ok(Transaction::new(inner, self.patience))
    }

    /// For what one SQL text cannot say to both engines.
    pub(crate) fn is_postgres(&self) -> bool {
        matches!(self.engine, Engine::Postgres { .. })
    }

    /// How many connections have been made to a server that could have been replaced, or have crashed, meanwhile.
    pub(crate) fn connections(&self) -> u64 {
        match &self.engine {
            Engine::Sqlite(_) => 0,
            Engine::Postgres { met, .. } => met.connections(),
        }
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
            Engine::Postgres { url, .. } => Notices::of(url),
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

    /// Ends all connections, after those in use have been given back; a server that does not answer is not waited for.
    pub async fn close(&self) {
        match self.engine {
            Engine::Sqlite(_) => {
                self.read.close().await;
                self.write.close().await;
            }
            Engine::Postgres { .. } => drop(timeout(CLOSED_WITHIN, self.write.close()).await),
        }
    }
}
