use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use sqlx::{AnyConnection, Connection, Executor};

/// Where the PostgreSQL of a test run is (tests/shared/postgres.py); without it, tests use SQLite.
const TEST_POSTGRES: &str = "TEST_POSTGRES";

/// PostgreSQL's servers share a secret that somebody has to give them.
const SECRET: &str = "a secret of tests that is long enough";

/// Where a site of a test keeps its data: a file in its folder, or a schema of its own.
#[derive(Clone)]
pub enum Database {
    Sqlite(String),
    Postgres { server: String, schema: String },
}

/// Whether the tests run on PostgreSQL.
pub fn on_postgres() -> bool {
    std::env::var_os(TEST_POSTGRES).is_some()
}

/// For a test of what only SQLite has, or can be brought to do: says so, and whether the test is to go on.
pub fn only_on_sqlite(why: &str) -> bool {
    if on_postgres() {
        println!("skipped on PostgreSQL: {why}");
    }
    !on_postgres()
}

impl Database {
    /// Empty; on SQLite, in this file.
    pub fn new(file: &Path) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        match std::env::var(TEST_POSTGRES) {
            Err(_) => Self::Sqlite(format!("sqlite:{}", file.display())),
            Ok(server) => {
                let schema = format!("t{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
                run("psql", &server, &["-c", &format!("create schema {schema}")]);
                Self::Postgres { server, schema }
            }
        }
    }

    /// The setting `database_url`.
    pub fn url(&self) -> String {
        match self {
            Self::Sqlite(url) => url.clone(),
            Self::Postgres { server, schema } => format!("{server}?options=-c%20search_path%3D{schema}"),
        }
    }

    /// Makes the file of the master secret, where the site does not make it by itself.
    pub fn make_secret(&self, file: &Path) {
        if let Self::Postgres { .. } = self {
            std::fs::create_dir_all(file.parent().expect("a folder")).expect("made");
            std::fs::write(file, SECRET).expect("written");
        }
    }

    /// A connection that is not the site's.
    pub async fn connect(&self) -> AnyConnection {
        sqlx::any::install_default_drivers();
        AnyConnection::connect(&self.url()).await.expect("the database")
    }

    /// The same before a site has made the file.
    pub async fn connect_new(&self) -> AnyConnection {
        if let Self::Sqlite(url) = self {
            std::fs::write(file(url), "").expect("a file");
        }
        self.connect().await
    }

    /// While it is held, nobody else writes, and everybody may read.
    pub async fn lock(&self) -> Lock {
        let mut connection = self.connect().await;
        match self {
            Self::Sqlite(_) => drop(connection.execute("begin exclusive").await.expect("the lock")),
            Self::Postgres { .. } => {
                connection.execute("begin").await.expect("begun");
                let all = "lock table users, sessions, security_events, known_browsers, throttles, personal_tokens,
                           changes, one_time_tokens, leases, nodes, signing_keys in exclusive mode";
                connection.execute(all).await.expect("the lock");
            }
        }
        Lock(connection)
    }

    /// All that is stored, in some form; the same if nothing has changed.
    pub fn content(&self) -> Vec<u8> {
        match self {
            Self::Sqlite(url) => std::fs::read(file(url)).expect("a database"),
            Self::Postgres { server, schema } => {
                let dump = run("pg_dump", server, &["--schema", schema]);
                // A random word in each dump.
                dump.lines().filter(|line| !line.contains("restrict ")).collect::<Vec<_>>().join("\n").into_bytes()
            }
        }
    }

    /// Copies everything to a file, as the README says. On SQLite, the site must have been stopped.
    pub fn back_up(&self, to: &Path) {
        match self {
            Self::Sqlite(url) => drop(std::fs::copy(file(url), to).expect("a copy")),
            Self::Postgres { server, schema } => {
                let to = format!("--file={}", to.display());
                drop(run("pg_dump", server, &["--schema", schema, "--clean", "--if-exists", &to]));
            }
        }
    }

    /// Goes back to what was copied. The site must have been stopped.
    pub fn restore(&self, from: &Path) {
        match self {
            Self::Sqlite(url) => drop(std::fs::copy(from, file(url)).expect("a copy")),
            Self::Postgres { server, .. } => {
                drop(run("psql", server, &["-q", "--single-transaction", "-f", &from.display().to_string()]));
            }
        }
    }
}

/// Given back by [`Lock::release`].
pub struct Lock(AnyConnection);

impl Lock {
    pub async fn release(mut self) {
        self.0.execute("rollback").await.expect("unlocked");
    }
}

/// Of an `sqlite:` URL.
fn file(url: &str) -> &Path {
    Path::new(url.strip_prefix("sqlite:").expect("a file"))
}

fn run(program: &str, server: &str, arguments: &[&str]) -> String {
    let done = Command::new(program).arg(server).args(arguments).output().expect("PostgreSQL's programs");
    assert!(done.status.success(), "{program}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8_lossy(&done.stdout).into_owned()
}
