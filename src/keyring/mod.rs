//! The signing keys of access tokens at rest: loaded, made when due, shared by all processes of a site.

mod store;

use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use crate::clock::{Clock, DAY, HOUR, Seconds};
use crate::config::{Config, SigningAlgorithm};
use crate::db::{Db, DbError};
use crate::tokens::keys::{KeyError, KeySet, SealedKey};
use crate::tokens::secret::{MasterSecret, SecretError};

/// How long a key signs before the next one takes over.
const KEY_LIFETIME: Seconds = 30 * DAY;

/// How long before its first use a key is published, so that consumers who cache the key set know it in time.
const PUBLISHED_AHEAD: Seconds = DAY;

/// How long a key verifies beyond the life of its last token: processes learn of a new key some seconds late.
const VERIFIES_BEYOND: Seconds = HOUR;

/// The keys in force, and where they come from. Clones share what they know.
#[derive(Clone)]
pub struct Keyring {
    db: Db,
    clock: Clock,
    secret: MasterSecret,
    algorithm: SigningAlgorithm,
    token_ttl: Seconds,
    known: Arc<RwLock<KeySet>>,
    read_at: Arc<Mutex<Option<Instant>>>,
}

#[derive(Debug, thiserror::Error)]
pub enum KeyringError {
    #[error(transparent)]
    Db(#[from] DbError),
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error(transparent)]
    Secret(#[from] SecretError),
}

/// Whether the master secret of the settings opens the keys in a database.
pub async fn check(db: &Db, config: &Config) -> Result<(), KeyringError> {
    let secret = MasterSecret::load(config, false)?;
    for sealed in store::all(db).await? {
        sealed.open(&secret)?;
    }
    Ok(())
}

impl Keyring {
    /// Reads the master secret and opens every key under it; makes secret and first key on a new database.
    pub async fn open(db: &Db, clock: &Clock, config: &Config) -> Result<Self, KeyringError> {
        // A secret made anew could open none of the keys there are, nor verify any session.
        let is_new = store::all(db).await?.is_empty();
        let keyring = Self {
            db: db.clone(),
            clock: clock.clone(),
            secret: MasterSecret::load(config, is_new)?,
            algorithm: config.signing_algorithm,
            token_ttl: config.access_token_ttl_seconds,
            known: Arc::default(),
            read_at: Arc::default(),
        };
        keyring.maintain().await?;
        Ok(keyring)
    }

    pub fn secret(&self) -> &MasterSecret {
        &self.secret
    }

    /// The keys that this process knows of.
    pub fn keys(&self) -> KeySet {
        self.known.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reads the keys again; other processes may have made some.
    pub async fn reload(&self) -> Result<(), KeyringError> {
        let mut keys = Vec::new();
        for sealed in store::all(&self.db).await? {
            let (key, resealed) = sealed.open(&self.secret)?;
            if let Some(resealed) = resealed {
                store::reseal(&self.db, &resealed).await?;
            }
            keys.push(key);
        }
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = KeySet::new(keys);
        Ok(())
    }

    /// Reads the keys again unless that was done within `age`; says whether it did. A stranger who makes up key
    /// ids must not cost a query each.
    pub async fn reload_if_older_than(&self, age: Duration) -> Result<bool, KeyringError> {
        {
            let mut read_at = self.read_at.lock().unwrap_or_else(PoisonError::into_inner);
            if read_at.is_some_and(|read_at| read_at.elapsed() < age) {
                return Ok(false);
            }
            *read_at = Some(Instant::now());
        }
        self.reload().await?;
        Ok(true)
    }

    /// Makes the next key when it is due and deletes keys that verify nothing any more.
    pub async fn maintain(&self) -> Result<(), KeyringError> {
        self.reload().await?;
        let now = self.clock.now();
        let keys = self.keys();
        match keys.iter().last() {
            None => self.add(now, None, false).await?,
            Some(newest) if newest.algorithm != self.algorithm => drop(self.replace().await?),
            Some(newest) if now >= newest.signs_from + KEY_LIFETIME - PUBLISHED_AHEAD => {
                // After a long standstill the old key is overdue: publish ahead all the same.
                let signs_from = (newest.signs_from + KEY_LIFETIME).max(now + PUBLISHED_AHEAD);
                self.add(signs_from, Some(&newest.kid), false).await?;
            }
            Some(_) => {}
        }
        let verified_until = |replaced_at: Seconds| replaced_at + self.token_ttl + VERIFIES_BEYOND;
        let all: Vec<_> = keys.iter().collect();
        for pair in all.windows(2) {
            if let [old, next] = pair
                && verified_until(next.signs_from) < now
            {
                store::delete(&self.db, &old.kid).await?;
            }
        }
        Ok(())
    }

    /// Makes a key that signs from now on; the ones before it go on verifying what they signed. Returns its `kid`.
    pub async fn rotate(&self) -> Result<String, KeyringError> {
        self.reload().await?;
        self.replace().await
    }

    /// Replaces the current key, and the one that was to follow it: neither its algorithm nor its secrecy is what is
    /// wanted now.
    async fn replace(&self) -> Result<String, KeyringError> {
        let signs_from = self.at_once();
        let current = self.keys().current(self.clock.now()).map(|key| key.kid.clone());
        self.add(signs_from, current.as_deref(), true).await?;
        Ok(self.keys().current(signs_from).map(|key| key.kid.clone()).unwrap_or_default())
    }

    /// When a key may take over that is to sign now: two keys of the same second would stand in no order.
    fn at_once(&self) -> Seconds {
        let now = self.clock.now();
        self.keys().current(now).map_or(now, |current| now.max(current.signs_from + 1))
    }

    /// Adds a key after `newest`; if another process has added one in the meantime, that one serves.
    async fn add(&self, signs_from: Seconds, newest: Option<&str>, at_once: bool) -> Result<(), KeyringError> {
        let key = SealedKey::generate(self.algorithm, &self.secret, self.clock.now(), signs_from)?;
        if store::insert_after(&self.db, &key, newest, at_once).await? {
            tracing::info!(target: "hallpass::security", event = "signing_key_made", kid = key.kid, signs_from);
        }
        self.reload().await
    }
}
