//! Making an account: by a visitor, or the first of all by the set-up link.

use super::fault::{Fault, Faults};
use super::line::Asker;
use super::password::NewPassword;
use super::{AccountError, Accounts, Email, User, store, throttle};
use crate::audit::{self, Client, Kind};
use crate::clock::{DAY, Seconds};
use crate::config::Registration;
use crate::db::{DbError, Transaction};
use crate::id::{UserId, hashed, random_text};
use crate::leases::{self, Work};

const SETUP: &str = "setup";
/// An operator who installs in the evening finds the link good in the morning.
const SETUP_TTL_SECONDS: Seconds = DAY;

/// A form without faults.
pub(super) struct Form {
    pub email: Email,
    pub name: String,
    pub password: NewPassword,
}

impl Accounts {
    /// Makes an account for a visitor (ASVS 6.2, NIST SP 800-63B-4 section 3.1.1.2).
    ///
    /// The password is hashed before the address is looked for, and the insert itself decides whether it is taken:
    /// there is one path for both outcomes, the same work on it, and no moment between looking and inserting.
    pub async fn register(
        &self,
        name: &str,
        email: &str,
        password: &str,
        client: &Client,
    ) -> Result<User, AccountError> {
        if self.registration != Registration::Open {
            return Err(AccountError::Closed);
        }
        let form = self.checked(name, email, password).map_err(AccountError::Invalid)?;
        let hasher = self.hasher.on_behalf_of(Asker::stranger(client.address));
        let reservation = self.reserve(throttle::registration(client.address), &hasher).await?;
        let hash = match hasher.hash(form.password).await {
            Ok(hash) => hash,
            Err(error) => {
                reservation.cancelled(&self.db).await;
                return Err(error.into());
            }
        };
        let mut tx = self.db.begin().await?;
        let made = self.insert(&mut tx, &form.email, form.name, &hash, false, Some(client)).await?;
        let user = made.ok_or_else(|| AccountError::Invalid(vec![taken()]))?;
        tx.commit().await?;
        reservation.succeeded(&self.db).await;
        Ok(user)
    }

    /// Makes the first administrator's account, for who holds the set-up link. It works once, and only while there is
    /// no administrator: a visitor who registers before the operator gets round to it takes nothing away.
    pub async fn register_first(
        &self,
        name: &str,
        email: &str,
        password: &str,
        token: &str,
        client: &Client,
    ) -> Result<User, AccountError> {
        // Before the costly work; decided for good below. No throttle: 256 bits are not guessed.
        if !self.setup_token_is_good(token).await? {
            return Err(AccountError::SetupOver);
        }
        let form = self.checked(name, email, password).map_err(AccountError::Invalid)?;
        let hash = self.hasher.hash(form.password).await?;
        let mut tx = self.db.begin().await?;
        leases::wait_for_turn(&mut tx, Work::Setup).await?;
        let consumed = store::consume_token(&mut tx, SETUP, &hashed(token), self.clock.now()).await?;
        if !consumed || store::has_admin_in(&mut tx).await? {
            return Err(AccountError::SetupOver);
        }
        let made = self.insert(&mut tx, &form.email, form.name, &hash, true, Some(client)).await?;
        let user = made.ok_or_else(|| AccountError::Invalid(vec![taken()]))?;
        tx.commit().await?;
        Ok(user)
    }

    /// A new token for the set-up link, good for 24 hours; earlier ones are good no more. Only its hash is stored.
    pub async fn issue_setup_token(&self) -> Result<String, DbError> {
        let (token, now) = (random_text::<32>(), self.clock.now());
        let mut tx = self.db.begin().await?;
        leases::wait_for_turn(&mut tx, Work::Setup).await?;
        store::replace_token(&mut tx, SETUP, &hashed(&token), now, now + SETUP_TTL_SECONDS).await?;
        tx.commit().await?;
        Ok(token)
    }

    /// Whether a set-up link would work now; consumes nothing.
    pub async fn setup_token_is_good(&self, token: &str) -> Result<bool, DbError> {
        Ok(store::token_is_good(&self.db, SETUP, &hashed(token), self.clock.now()).await?
            && !store::has_admin(&self.db).await?)
    }

    pub(super) fn checked(&self, name: &str, email: &str, password: &str) -> Result<Form, Vec<Fault>> {
        let mut faults = Faults::default();
        let name = faults.own_name(name);
        let email = faults.email(email);
        let own_name = name.as_deref().unwrap_or_default();
        let password = faults.new_password("password", &self.policy, password, email.as_ref(), own_name);
        match (name, email, password) {
            (Some(name), Some(email), Some(password)) => Ok(Form { email, name, password }),
            _ => Err(faults.list()),
        }
    }

    /// The account and its events, for the caller to commit; none if the address is taken.
    pub(super) async fn insert(
        &self,
        transaction: &mut Transaction,
        email: &Email,
        name: String,
        password_hash: &str,
        admin: bool,
        client: Option<&Client>,
    ) -> Result<Option<User>, DbError> {
        let (id, now) = (UserId::random(), self.clock.now());
        let user = User {
            id,
            email: email.typed().to_owned(),
            name,
            admin,
            locked: false,
            created_at: now,
            password_changed_at: now,
        };
        if !store::insert(transaction, &user, email.key(), password_hash, now).await? {
            return Ok(None);
        }
        audit::record(transaction, now, Kind::Registered, &user.id, None, client).await?;
        if admin {
            audit::record(transaction, now, Kind::MadeAdmin, &user.id, None, client).await?;
        }
        Ok(Some(user))
    }
}

pub(super) fn taken() -> Fault {
    Fault::new("email", "taken", "There is an account with this e-mail address. Log in, or use another address.")
}
