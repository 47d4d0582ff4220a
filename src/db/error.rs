//! What can go wrong with the database.

use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use sqlx::migrate::MigrateError;
use tokio::time::timeout;

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
        "a pooler before the database shares its sessions among connections, on which time limits, prepared statements \
         and locks would go astray. Set its pool_mode to session, or name PostgreSQL itself in database_url"
    )]
    Shared,
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
        "this is a backup of SQLite. PostgreSQL has its own: pg_dump --format=custom --file=FILE NAME, as in the README \
         under Backup, with the password in ~/.pgpass"
    )]
    Postgres,
}

/// A server that is frozen or cut off never answers. First a connection is waited for, then the answer.
pub async fn within<T>(patience: Duration, asked: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, DbError> {
    match timeout(2 * patience, asked).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(too_late("it takes too long")),
    }
}

pub fn too_late(what: &'static str) -> DbError {
    sqlx::Error::Io(io::Error::new(io::ErrorKind::TimedOut, what)).into()
}
