//! Who you are: accounts, their passwords, and what protects both.
//!
//! [`Accounts`] is one service; its functions stand in the files that are named after the occasion.

mod changes;
pub(crate) mod email;
mod error;
mod fault;
pub(crate) mod foreign_hash;
mod hasher;
mod import;
mod line;
mod login;
mod memory;
mod operator;
mod password;
mod pool;
mod predictable;
mod registration;
mod store;
#[cfg(test)]
mod tests;
mod throttle;

use std::sync::Arc;

pub use error::AccountError;
pub use fault::Fault;
pub use hasher::PasswordError;
pub use import::{FOREIGN_FIELDS, ForeignAccount, Importable, Rehearsal};

use crate::changes::Changes;
use crate::clock::{Clock, DAY, Seconds};
use crate::config::{Config, Registration};
use crate::db::{Db, DbError};
use crate::id::UserId;
use email::Email;
use hasher::Hasher;
use password::Policy;

/// Since then unseen, a browser is a stranger again. Longer than a year: some log in once a year.
const BROWSER_FORGOTTEN_AFTER: Seconds = 400 * DAY;

/// An account as the rest of the program sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Stays when everything else about the account changes.
    pub id: UserId,
    /// As it was typed; two that differ in case or form are one address.
    pub email: String,
    /// To show; not unique.
    pub name: String,
    /// Whether [`crate::Admin`] lets the owner pass.
    pub admin: bool,
    /// Locked by an operator: can't log in, and no session of theirs is live.
    pub locked: bool,
    /// When the account was made.
    pub created_at: Seconds,
    /// When the present password was set; at registration first.
    pub password_changed_at: Seconds,
}

/// Accounts in the database; clones share everything.
#[derive(Clone, Debug)]
pub struct Accounts {
    db: Db,
    clock: Clock,
    hasher: Hasher,
    policy: Arc<Policy>,
    registration: Registration,
    changes: Changes,
}

impl Accounts {
    /// Starts the threads that hash passwords: call it once, before requests are served.
    ///
    /// # Errors
    /// If Argon2 cannot work with the configured parameters, for lack of memory for instance.
    pub fn new(config: &Config, db: Db, clock: Clock, changes: Changes) -> Result<Self, PasswordError> {
        let policy = Policy { min_length: config.password_min_length, site_name: config.site_name.clone() };
        let hasher = Hasher::new(config)?;
        Ok(Self { db, clock, hasher, policy: Arc::new(policy), registration: config.registration, changes })
    }

    /// The account of that identifier.
    pub async fn find(&self, id: &UserId) -> Result<Option<User>, DbError> {
        store::by_id(&self.db, id).await
    }

    /// Whether nobody has an account yet.
    pub async fn is_empty(&self) -> Result<bool, DbError> {
        store::is_empty(&self.db).await
    }

    /// Deletes at most `most` counters that are over, and as many browsers unseen for 400 days. Returns how many.
    pub async fn prune(&self, most: i64) -> Result<u64, DbError> {
        let now = self.clock.now();
        let counters = throttle::prune(&self.db, now, most).await?;
        Ok(counters + self.prune_known_browsers(most).await?)
    }

    /// Forgets at most `most` browsers that have not logged in for 400 days; returns how many.
    pub async fn prune_known_browsers(&self, most: i64) -> Result<u64, DbError> {
        store::prune_known_browsers(&self.db, self.clock.now() - BROWSER_FORGOTTEN_AFTER, most).await
    }
}
