//! Proving who you are by your password: at log-in, and again before something delicate.

use super::fault::Faults;
use super::hasher::{Hasher, Verdict};
use super::line::Asker;
use super::password::NewPassword;
use super::store::{self, Credentials};
use super::throttle::{self, Attempt, Counter, Reservation};
use super::{AccountError, Accounts, User};
use crate::audit::Client;
use crate::db::DbError;
use crate::id::{BrowserId, UserId};

impl Accounts {
    /// Whose address and password these are (ASVS 6.3.1: throttled; 6.3.8: tells nothing about who has an account).
    ///
    /// Neither the session nor its event is made here. After success call [`Accounts::remember_browser`].
    pub async fn authenticate(&self, email: &str, password: &str, client: &Client) -> Result<User, AccountError> {
        let mut faults = Faults::default();
        let email = faults.email(email);
        faults.required("password", password);
        let (Some(email), true) = (email, faults.is_empty()) else {
            return Err(AccountError::Invalid(faults.list()));
        };
        let found = store::credentials_by_key(&self.db, email.key(), client.browser.as_ref()).await?;
        let known = client.browser.as_ref().filter(|_| found.as_ref().is_some_and(|found| found.known_browser));
        let counters = throttle::login(email.key(), client.address, known);
        let asker = match &found {
            Some(found) if found.known_browser => Asker::known(&found.user.id),
            _ => Asker::stranger(client.address),
        };
        self.prove(found, password, counters, asker, client).await
    }

    /// Whether the user who is logged in knows their password (ASVS 7.5.1); if not, that is a fault of the field
    /// `password`. Same allowances as at log-in: a browser
    /// id is free to be had, so a thief of a session must not get a fresh allowance with each.
    pub async fn reauthenticate(&self, id: &UserId, password: &str, client: &Client) -> Result<User, AccountError> {
        let mut faults = Faults::default();
        faults.required("password", password);
        if !faults.is_empty() {
            return Err(AccountError::Invalid(faults.list()));
        }
        let found = store::credentials_by_id(&self.db, id, client.browser.as_ref()).await?;
        let known = client.browser.as_ref().filter(|_| found.as_ref().is_some_and(|found| found.known_browser));
        let key = found.as_ref().map_or_else(|| id.as_str().to_owned(), |found| found.email_key.clone());
        let counters = throttle::login(&key, client.address, known);
        let proved = self.prove(found, password, counters, Asker::known(id), client).await;
        proved.map_err(|error| error.of_owner("password"))
    }

    /// Gives a browser that has just logged in an allowance of its own on that account.
    pub async fn remember_browser(&self, id: &UserId, browser: &BrowserId) -> Result<(), DbError> {
        store::remember_browser(&self.db, id, browser, self.clock.now()).await
    }

    /// Counts, compares, and counts back if the password is right.
    pub(super) async fn prove(
        &self,
        found: Option<Credentials>,
        password: &str,
        counters: Vec<Counter>,
        asker: Asker,
        client: &Client,
    ) -> Result<User, AccountError> {
        let hasher = self.hasher.on_behalf_of(asker);
        let reservation = self.reserve(counters, &hasher).await.inspect_err(|error| {
            if let AccountError::TooMany { .. } = error {
                log_refusal("login_throttled", found.as_ref(), client);
            }
        })?;
        let verdict = match &found {
            Some(found) => hasher.verify(password, &found.password_hash).await,
            None => hasher.verify_nothing(password).await.map(|()| Verdict::Wrong),
        };
        let (found, rehash) = match (verdict, found) {
            (Ok(Verdict::Right { rehash }), Some(found)) => (found, rehash),
            (Ok(_), found) => {
                log_refusal("login_refused", found.as_ref(), client);
                return Err(AccountError::Wrong);
            }
            (Err(error), _) => {
                reservation.cancelled(&self.db).await;
                return Err(error.into());
            }
        };
        reservation.succeeded(&self.db).await;
        if found.user.locked {
            log_refusal("login_locked", Some(&found), client);
            return Err(AccountError::Locked);
        }
        if rehash {
            self.rehash(&found, password, &hasher).await;
        }
        Ok(found.user)
    }

    /// Counts an attempt that costs a hash.
    pub(super) async fn reserve(&self, counters: Vec<Counter>, hasher: &Hasher) -> Result<Reservation, AccountError> {
        let now = self.clock.now();
        let retry_after_seconds = if hasher.is_busy() {
            // Counting, only to give it back, would have a flood queue for the database's one writer.
            throttle::exhausted_for(&self.db, now, &counters).await?.ok_or(AccountError::Busy)?
        } else {
            match throttle::attempt(&self.db, now, counters).await? {
                Attempt::Allowed(reservation) => return Ok(reservation),
                Attempt::TooMany { retry_after_seconds } => retry_after_seconds,
            }
        };
        Err(AccountError::TooMany { retry_after_seconds })
    }

    /// Failure never fails the log-in: the old hash is good until the next one.
    async fn rehash(&self, found: &Credentials, password: &str, hasher: &Hasher) {
        let Some(password) = NewPassword::known_to_be_right(password) else { return };
        let renewed = match hasher.hash(password).await {
            Ok(hash) => store::rehash(&self.db, &found.user.id, &found.password_hash, &hash).await,
            Err(error) => return tracing::warn!(%error, "a password was not rehashed"),
        };
        if let Err(error) = renewed {
            tracing::warn!(%error, "a password was not rehashed");
        }
    }
}

/// Never what was typed: people type their password into the wrong field.
fn log_refusal(event: &'static str, found: Option<&Credentials>, client: &Client) {
    let user = found.map(|found| found.user.id.as_str());
    tracing::info!(target: "hallpass::security", event, user, address = %client.address);
}
