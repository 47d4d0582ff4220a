use std::sync::Arc;

use figment::Figment;
use hallpass::auth::Site;
use hallpass::clock::Clock;
use rocket::local::asynchronous::Client;
use tempfile::TempDir;

use super::{Browser, Database, Program};

/// The time when a test begins: 22 November 2026, 12:00:00 UTC.
const START: i64 = 1_795_348_800;

/// A site of its own: database, secret and clock.
pub struct TestApp {
    client: Client,
    clock: Clock,
    folder: Arc<TempDir>,
    database: Arc<Database>,
}

impl TestApp {
    pub async fn start() -> Self {
        Self::with(&[]).await
    }

    /// With settings other than the defaults.
    pub async fn with(settings: &[(&str, &str)]) -> Self {
        Self::build(settings, |rocket| rocket).await
    }

    /// With routes of the test's own, as an embedding site would have.
    pub async fn build(
        settings: &[(&str, &str)],
        extend: impl FnOnce(rocket::Rocket<rocket::Build>) -> rocket::Rocket<rocket::Build>,
    ) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let database = Database::new(&folder.path().join("hallpass.db"));
        database.make_secret(&folder.path().join("hallpass.secret"));
        Self::open(settings, Arc::new(folder), Arc::new(database), Clock::manual(START), extend).await
    }

    /// Another server of the same site, whose clock may show another time: database and secret are the same.
    pub async fn beside(
        &self,
        settings: &[(&str, &str)],
        clock: Clock,
        extend: impl FnOnce(rocket::Rocket<rocket::Build>) -> rocket::Rocket<rocket::Build>,
    ) -> Self {
        Self::open(settings, Arc::clone(&self.folder), Arc::clone(&self.database), clock, extend).await
    }

    /// Stops the site and starts it again on what it stored, as after a crash of the process.
    pub async fn restart(self, settings: &[(&str, &str)]) -> Self {
        let Self { client, clock, folder, database } = self;
        drop(client);
        Self::open(settings, folder, database, clock, |rocket| rocket).await
    }

    /// Copies the database while the site is stopped.
    pub async fn back_up(self) -> Self {
        self.stopped().await;
        self.database.back_up(&self.folder.path().join("backup"));
        self.restart(&[]).await
    }

    /// Goes back to what was copied.
    pub async fn restore(self) -> Self {
        self.stopped().await;
        self.database.restore(&self.folder.path().join("backup"));
        self.restart(&[]).await
    }

    async fn stopped(&self) {
        self.site().db.close().await;
        for ending in ["-wal", "-shm"] {
            let beside = self.folder.path().join(format!("hallpass.db{ending}"));
            assert!(!beside.exists(), "checkpointed when it was stopped");
        }
    }

    async fn open(
        settings: &[(&str, &str)],
        folder: Arc<TempDir>,
        database: Arc<Database>,
        clock: Clock,
        extend: impl FnOnce(rocket::Rocket<rocket::Build>) -> rocket::Rocket<rocket::Build>,
    ) -> Self {
        let mut figment =
            Figment::from(rocket::Config { log_level: rocket::config::LogLevel::Off, ..Default::default() })
                .merge(("hallpass.database_url", database.url()))
                .merge(("hallpass.secret_file", folder.path().join("hallpass.secret").display().to_string()))
                // A setting like any other: what is tested here is not how long Argon2 takes.
                .merge(("hallpass.argon2_memory_kib", 8))
                .merge(("hallpass.argon2_iterations", 1));
        for (name, value) in settings {
            figment = figment.merge((format!("hallpass.{name}"), *value));
        }
        let rocket = extend(hallpass::rocket_at(figment, clock.clone()));
        let client = Client::untracked(rocket).await.expect("the site starts");
        Self { client, clock, folder, database }
    }

    /// A browser without cookies.
    pub fn browser(&self) -> Browser<'_> {
        Browser::new(self)
    }

    /// A client without cookies.
    pub fn program(&self) -> Program<'_> {
        Program::new(self)
    }

    /// A browser in which [`super::NAME`] has just registered.
    pub async fn registered(&self) -> Browser<'_> {
        let mut browser = self.browser();
        browser.register(super::NAME, super::EMAIL, super::PASSWORD).await;
        browser
    }

    pub fn client(&self) -> &Client {
        &self.client
    }

    pub fn site(&self) -> &Site {
        self.client.rocket().state().expect("a started site")
    }

    pub fn now(&self) -> i64 {
        self.clock.now()
    }

    pub fn advance(&self, seconds: i64) {
        self.clock.advance(seconds);
    }

    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    pub fn database(&self) -> &Database {
        &self.database
    }

    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }
}
