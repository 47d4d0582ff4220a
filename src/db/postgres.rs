//! The engine for several nodes: a server, on this machine or elsewhere.

use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use sqlx::any::AnyPoolOptions;
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::postgres::PgListener;
use sqlx::{AnyConnection, AnyPool, Connection, Executor, Row};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use url::Url;

use super::OpenError;
use crate::config::Config;

/// Enough to keep several processors of the server busy; few enough for its default of 100, and a handful of nodes.
const CONNECTIONS: u32 = 16;

/// A connection that was used later than this ago is taken to be there still.
const TRUSTED_FOR: Duration = Duration::from_secs(1);

/// A network that swallows everything would be waited for for minutes.
const FIRST_WITHIN: Duration = Duration::from_secs(20);

/// Of questions by two connections. One finds out a pooler that nobody else uses; of two sessions that everybody waits
/// for, each would come back to the same all the time by a chance of one to 65,536.
const ROUNDS: u32 = 8;

/// Before another attempt to be told: until then, who wants to know asks.
const LISTEN_AGAIN_AFTER: Duration = Duration::from_secs(5);

/// As long as a connection to a replica is waited for before it is refused: less than anybody waits for a connection.
const REPLICA_AGAIN_AFTER: Duration = Duration::from_millis(700);

/// While a migration goes on, or waits for another node's.
const TOLD_EVERY: Duration = Duration::from_secs(30);

const CHANNEL: &str = "hallpass_changes";
pub const NOTIFY: &str = "select pg_notify('hallpass_changes', '')";
pub const TIME: &str = "select cast(extract(epoch from clock_timestamp()) as bigint) as time";
/// What has been answered must outlive a crash. How many replicas are waited for is left to who runs the server.
const DURABLE: &str =
    "select set_config('synchronous_commit', 'on', false) where current_setting('synchronous_commit') = 'off'";
/// An address may lead to a replica for a while, which knows nothing of who has just logged in or out.
const SERVER: &str = "select cast(extract(epoch from pg_postmaster_start_time()) as text) as started,
                             pg_is_in_recovery() as is_replica";
pub const TABLES: &str = "select cast(tablename as text) as name from pg_tables where schemaname = current_schema()";

/// The servers that the address has led to.
#[derive(Debug, Default)]
pub struct Met {
    connections: AtomicU64,
    /// The last one, by the start of its process, and since when.
    last: Mutex<Option<(String, Instant)>>,
}

impl Met {
    /// How many connections have been made. As long as there is no new one, it is the same server, which has not crashed.
    pub fn connections(&self) -> u64 {
        self.connections.load(Ordering::Acquire)
    }

    /// False of one that another has replaced since the connection to it began.
    fn note(&self, server: String, began: Instant) -> bool {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        match &*last {
            Some((known, _)) if *known == server => {}
            Some((_, since)) if *since > began => return false,
            _ => *last = Some((server, Instant::now())),
        }
        self.connections.fetch_add(1, Ordering::AcqRel);
        true
    }

    /// Whether a connection of that age leads to the one before, which may live on without knowing that it is replaced.
    fn is_outdated(&self, age: Duration) -> bool {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.as_ref().is_some_and(|(_, since)| age > since.elapsed())
    }
}

pub async fn open(config: &Config, met: &Arc<Met>, patience: Duration) -> Result<AnyPool, OpenError> {
    // A pool would try again until its time is over, and not say why.
    let mut first = at_first(async {
        let mut first = AnyConnection::connect(&config.database_url).await?;
        prepare(&mut first, met, patience).await?;
        Ok(first)
    })
    .await?;
    warn_if_unverified(&config.database_url);
    let (known, noted) = (Arc::clone(met), Arc::clone(met));
    let pool = AnyPoolOptions::new()
        .max_connections(config.database_connections.unwrap_or(CONNECTIONS))
        .acquire_timeout(patience)
        .test_before_acquire(false)
        .before_acquire(move |connection, seen| {
            let is_outdated = known.is_outdated(seen.age);
            Box::pin(async move {
                let is_good = !is_outdated && (seen.idle_for < TRUSTED_FOR || answers(connection, patience).await);
                keep_or_let_go(connection, is_good).await
            })
        })
        .after_release(move |connection, _| {
            Box::pin(async move {
                let is_good = is_at_rest(connection, patience).await;
                keep_or_let_go(connection, is_good).await
            })
        })
        .after_connect(move |connection, _| {
            let met = Arc::clone(&noted);
            Box::pin(async move { prepare(connection, &met, patience).await })
        })
        .connect(&config.database_url)
        .await
        .map_err(OpenError::Connect)?;
    let shared = at_first(async { share_sessions(&mut first, &mut *pool.acquire().await?).await }).await?;
    let _ = first.close().await;
    if shared { Err(OpenError::Shared) } else { Ok(pool) }
}

async fn at_first<T>(asked: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, OpenError> {
    let answer = timeout(FIRST_WITHIN, asked).await.map_err(|late| sqlx::Error::Io(late.into())).flatten();
    answer.map_err(OpenError::Connect)
}

async fn prepare(connection: &mut AnyConnection, met: &Met, patience: Duration) -> Result<(), sqlx::Error> {
    let began = Instant::now();
    limit_waiting(connection, patience).await?;
    connection.execute(DURABLE).await?;
    let row = connection.fetch_one(SERVER).await?;
    if row.try_get("is_replica")? {
        // The pool tries again at once.
        sleep(REPLICA_AGAIN_AFTER).await;
        return Err(sqlx::Error::Configuration("this server is a replica, which may lag behind its primary".into()));
    }
    match met.note(row.try_get("started")?, began) {
        true => Ok(()),
        false => Err(sqlx::Error::Configuration("this server has been replaced by another".into())),
    }
}

/// A node that is frozen in the middle of a transaction must not keep the others waiting.
async fn limit_waiting(connection: &mut AnyConnection, patience: Duration) -> Result<(), sqlx::Error> {
    let settings = format!(
        "set application_name = 'hallpass'; set client_min_messages = error; set statement_timeout = {0}; \
         set lock_timeout = {0}; set idle_in_transaction_session_timeout = {0}",
        patience.as_millis()
    );
    connection.execute(sqlx::AssertSqlSafe(settings)).await?;
    Ok(())
}

/// Whether a pooler in between lends the server's sessions for a transaction at a time. Then one of the two soon meets
/// the other's, or another than before; who has a session of its own always meets that.
async fn share_sessions(first: &mut AnyConnection, second: &mut AnyConnection) -> Result<bool, sqlx::Error> {
    let met = (session(first).await?, session(second).await?);
    let mut again = met;
    for _ in 0..ROUNDS {
        // In the other order: two sessions that are lent in turn would each come back to who had it.
        again.1 = session(second).await?;
        again.0 = session(first).await?;
        if met.0 == met.1 || again != met {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Of the server. Asked for without a prepared statement, which would be known in this session only.
async fn session(connection: &mut AnyConnection) -> Result<i32, sqlx::Error> {
    connection.fetch_one("select pg_backend_pid()").await?.try_get(0)
}

/// Whoever is in between could read and write everything.
fn warn_if_unverified(url: &str) {
    let Ok(url) = Url::parse(url) else { return };
    let here = url.host_str().is_none_or(|host| {
        host.is_empty() || host == "localhost" || host.starts_with("127.") || host == "[::1]" || host.starts_with("%2F")
    });
    let verified = url.query_pairs().any(|(name, value)| name.starts_with("ssl") && value.starts_with("verify-"));
    if !here && !verified {
        tracing::warn!(
            "nothing makes sure that the database is the right one: add sslmode=verify-full to database_url"
        );
    }
}

/// On a connection of its own: a migration may take its time, and one that fails keeps sqlx's lock until its connection
/// ends.
pub async fn migrate(url: &str, migrations: &Migrator) -> Result<(), MigrateError> {
    let connection = AnyPoolOptions::new().max_connections(1).connect(url).await?;
    let mut run = pin!(migrations.run(&connection));
    let done = loop {
        match timeout(TOLD_EVERY, &mut run).await {
            Ok(done) => break done,
            Err(_) => tracing::warn!("still waiting for the tables to be brought to this version"),
        }
    };
    connection.close().await;
    done
}

/// Ends what may be open. Who gave up waiting for the answer to a `begin` leaves a transaction behind of which sqlx knows
/// nothing: everything that came after on this connection would happen in it, and be lost. And of a connection whose
/// server does not answer, nobody would ever come back.
async fn is_at_rest(connection: &mut AnyConnection, patience: Duration) -> bool {
    timeout(patience, connection.execute("rollback")).await.is_ok_and(|done| done.is_ok())
}

/// Over TLS, sqlx would wait until the other end closes one that is not good, and its place in the pool with it: minutes
/// if that machine is dead, for ever if it stands still. So it is dropped here, and sqlx closes what stands in its place.
async fn keep_or_let_go(connection: &mut AnyConnection, is_good: bool) -> Result<bool, sqlx::Error> {
    if !is_good {
        *connection = AnyConnection::connect("sqlite::memory:").await?;
    }
    Ok(is_good)
}

async fn answers(connection: &mut AnyConnection, patience: Duration) -> bool {
    timeout(patience, connection.ping()).await.is_ok_and(|answer| answer.is_ok())
}

/// What other processes notify of. It may come late, or not at all: nothing may depend on it.
pub struct Notices {
    come: Arc<Notify>,
    /// Ends with this.
    _listening: Option<JoinSet<()>>,
}

impl Notices {
    pub fn none() -> Self {
        Self { come: Arc::default(), _listening: None }
    }

    pub fn of(url: &Arc<str>) -> Self {
        let (come, mut listening) = (Arc::<Notify>::default(), JoinSet::new());
        listening.spawn(listen(Arc::clone(url), Arc::clone(&come)));
        Self { come, _listening: Some(listening) }
    }

    /// Returns when there is something new since it was last called.
    pub async fn next(&mut self) {
        self.come.notified().await;
    }
}

/// In a task of its own: to connect may take longer than anybody waits for a notice.
async fn listen(url: Arc<str>, come: Arc<Notify>) {
    loop {
        if let Err(error) = pass_on(&url, &come).await {
            tracing::debug!(%error, "not notified of changes, which are asked for all the same");
        }
        sleep(LISTEN_AGAIN_AFTER).await;
    }
}

async fn pass_on(url: &str, come: &Notify) -> Result<(), sqlx::Error> {
    let mut listener = PgListener::connect(url).await?;
    listener.listen(CHANNEL).await?;
    loop {
        // None: it has connected again, and something may have been missed.
        listener.try_recv().await?;
        // One look finds everything that is new.
        while listener.next_buffered().is_some() {}
        come.notify_one();
    }
}
