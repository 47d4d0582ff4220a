//! The embedded engine: a file beside the program.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::thread::available_parallelism;
use std::time::Duration;

use percent_encoding::percent_decode_str;
use sqlx::any::AnyPoolOptions;
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::{AnyPool, Connection, Executor};
use tokio::time::sleep;

use super::{BackupError, OpenError};
use crate::config::Config;

/// Of each connection. What is asked often is remembered elsewhere, and the system caches the file.
const CACHE_KIB: u32 = 512;

/// A deferred transaction that reads first cannot wait for SQLite's lock when it comes to write.
pub const BEGIN: &str = "begin immediate";

pub const TABLES: &str = "select name from sqlite_schema where type = 'table' and name not like 'sqlite_%'";

/// Of processes that start at once, all but one find that a table has come to be there meanwhile: sqlx has no lock here.
const MIGRATION_TRIES: u32 = 20;
const MIGRATES_AGAIN_AFTER: Duration = Duration::from_millis(100);

/// The connections that read, and the one that writes.
pub async fn open(config: &Config, patience: Duration) -> Result<(AnyPool, AnyPool), OpenError> {
    create_file(&path(&config.database_url))?;
    let write = pool(&config.database_url, 1, patience, "").await?;
    let connections = config.database_connections.unwrap_or_else(readers);
    let read = pool(&config.database_url, connections, patience, "pragma query_only = 1;").await?;
    Ok((read, write))
}

/// Connections that read, each with a thread and memory of its own: some wait for the disk while others work.
fn readers() -> u32 {
    let processors = available_parallelism().map_or(1, usize::from);
    (2 * processors as u32).clamp(4, 16)
}

async fn pool(url: &str, connections: u32, patience: Duration, pragmas: &'static str) -> Result<AnyPool, OpenError> {
    AnyPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(patience)
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
                    patience.as_millis()
                );
                connection.execute(sqlx::AssertSqlSafe(settings)).await?;
                Ok(())
            })
        })
        .connect(url)
        .await
        .map_err(OpenError::Connect)
}

pub async fn migrate(pool: &AnyPool, migrations: &Migrator) -> Result<(), MigrateError> {
    for _ in 1..MIGRATION_TRIES {
        match migrations.run(pool).await {
            Err(MigrateError::ExecuteMigration(..) | MigrateError::Execute(_)) => sleep(MIGRATES_AGAIN_AFTER).await,
            done => return done,
        }
    }
    migrations.run(pool).await
}

/// SQLite copies it as it is at one moment; what is being written goes on.
pub async fn back_up(pool: &AnyPool, file: &Path) -> Result<(), BackupError> {
    let failed = |error| BackupError::File(file.to_owned(), error);
    if file.symlink_metadata().is_ok() {
        return Err(BackupError::Exists(file.to_owned()));
    }
    // Whole, for SQLite reads some relative names otherwise than the system does.
    let file = &std::path::absolute(file).map_err(failed)?;
    let Some(name) = file.file_name() else { return Err(BackupError::Exists(file.to_owned())) };
    let mut part = name.to_owned();
    part.push(".part");
    // What was interrupted must not look like a backup.
    let part = file.with_file_name(part);
    let Some(to) = part.to_str() else {
        return Err(failed(io::Error::new(io::ErrorKind::InvalidFilename, "the name is not UTF-8")));
    };
    match fs::remove_file(&part) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    // Nobody else's: who may write to the folder must not get to read what is written.
    private().create_new(true).open(&part).map_err(failed)?;
    let copied = async {
        let mut connection = pool.acquire().await?;
        sqlx::query("vacuum into $1").bind(to).execute(&mut *connection).await?;
        Ok(())
    };
    let kept = match copied.await {
        Ok(()) => {
            fs::File::open(&part).and_then(|file| file.sync_all()).and_then(|()| keep(&part, file)).map_err(failed)
        }
        Err(error) => Err(BackupError::Copy(error)),
    };
    if kept.is_err() {
        let _ = fs::remove_file(&part);
    }
    kept
}

/// Renames; overwrites nothing that has come to be there, where the file system can say so.
fn keep(part: &Path, file: &Path) -> io::Result<()> {
    match fs::hard_link(part, file) {
        Ok(()) => fs::remove_file(part),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(error),
        Err(_) => fs::rename(part, file),
    }
}

/// `sqlite:data/x.db` and `sqlite:///data/x.db` as the path of a file.
pub fn path(url: &str) -> PathBuf {
    let rest = url.strip_prefix("sqlite:").unwrap_or(url);
    let rest = rest.strip_prefix("//").unwrap_or(rest);
    let path = rest.split('?').next().unwrap_or(rest);
    PathBuf::from(percent_decode_str(path).decode_utf8_lossy().as_ref())
}

/// An empty file, if there is none, which its owner only can read.
pub fn create_file(path: &Path) -> Result<(), OpenError> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::create_dir_all(folder).map_err(|error| OpenError::Folder(folder.to_owned(), error))?;
    }
    private().create(true).open(path).map(drop).map_err(|error| OpenError::File(path.to_owned(), error))
}

/// Readable by its owner only.
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}
