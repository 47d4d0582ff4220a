//! What an operator does to accounts, from the command line. Nothing here is throttled.

use super::fault::Faults;
use super::password::NewPassword;
use super::registration::{Form, taken};
use super::{AccountError, Accounts, Email, User, store};
use crate::audit::{self, Kind};
use crate::db::{DbError, PAGE};
use crate::personal_tokens;
use crate::sessions::{self, Reason};

impl Accounts {
    /// Makes an account, whatever the setting `registration` says.
    pub async fn add(&self, email: &str, name: &str, password: &str, admin: bool) -> Result<User, AccountError> {
        let Form { email, name, password } = self.checked(name, email, password).map_err(AccountError::Invalid)?;
        let hash = self.hasher.hash(password).await?;
        let mut tx = self.db.begin().await?;
        let made = self.insert(&mut tx, &email, name, &hash, admin, None).await?;
        let user = made.ok_or_else(|| AccountError::Invalid(vec![taken()]))?;
        tx.commit().await?;
        Ok(user)
    }

    /// The accounts that follow `after`, or the first, the oldest first: some thousands at a time. None at the end.
    pub async fn list(&self, after: Option<&User>) -> Result<Vec<User>, DbError> {
        store::page(&self.db, after, PAGE).await
    }

    /// Ends all sessions of an account and lets nobody log in to it. No change if it is locked already.
    pub async fn lock(&self, email: &str) -> Result<User, AccountError> {
        let user = self.by_email(email).await?;
        let now = self.clock.now();
        let mut tx = self.db.begin().await?;
        if store::lock(&mut tx, &user.id, now).await? {
            sessions::revoke_all(&mut tx, &user.id, None, Reason::Locked, now).await?;
            audit::record(&mut tx, now, Kind::Locked, &user.id, None, None).await?;
        }
        // Also if it was: who asks again may have seen it accepted.
        self.changes.announce(&mut tx, &user.id).await?;
        tx.commit().await?;
        Ok(User { locked: true, ..user })
    }

    /// Lets the owner of a locked account log in again.
    pub async fn unlock(&self, email: &str) -> Result<User, AccountError> {
        let user = self.by_email(email).await?;
        let mut tx = self.db.begin().await?;
        if store::unlock(&mut tx, &user.id).await? {
            audit::record(&mut tx, self.clock.now(), Kind::Unlocked, &user.id, None, None).await?;
            self.changes.announce(&mut tx, &user.id).await?;
        }
        tx.commit().await?;
        Ok(User { locked: false, ..user })
    }

    /// Sets a new password, under the same policy, ends all sessions of the account, and revokes its personal access
    /// tokens: whoever had taken the account over is out.
    pub async fn set_password(&self, email: &str, new: &str) -> Result<User, AccountError> {
        let user = self.by_email(email).await?;
        let hash = self.hasher.hash(self.admitted(&user, new)?).await?;
        let now = self.clock.now();
        let mut tx = self.db.begin().await?;
        if !store::set_password(&mut tx, &user.id, &hash, now).await? {
            return Err(AccountError::Unknown);
        }
        sessions::revoke_all(&mut tx, &user.id, None, Reason::Password, now).await?;
        personal_tokens::revoke_all(&mut tx, &user.id, now).await?;
        audit::record(&mut tx, now, Kind::PasswordSet, &user.id, None, None).await?;
        self.changes.announce(&mut tx, &user.id).await?;
        tx.commit().await?;
        Ok(User { password_changed_at: now, ..user })
    }

    /// Makes the owner of an account an administrator. No change if they are one already.
    pub async fn make_admin(&self, email: &str) -> Result<User, AccountError> {
        let user = self.by_email(email).await?;
        let now = self.clock.now();
        let mut tx = self.db.begin().await?;
        if store::make_admin(&mut tx, &user.id, now).await? {
            audit::record(&mut tx, now, Kind::MadeAdmin, &user.id, None, None).await?;
            self.changes.announce(&mut tx, &user.id).await?;
        }
        tx.commit().await?;
        Ok(User { admin: true, ..user })
    }

    /// The account of an address as an operator types it.
    pub async fn by_email(&self, email: &str) -> Result<User, AccountError> {
        let mut faults = Faults::default();
        let Some(email) = faults.email(email) else { return Err(AccountError::Invalid(faults.list())) };
        store::by_key(&self.db, email.key()).await?.ok_or(AccountError::Unknown)
    }

    fn admitted(&self, user: &User, new: &str) -> Result<NewPassword, AccountError> {
        let mut faults = Faults::default();
        let email = Email::parse(&user.email).ok();
        let admitted = faults.new_password("password", &self.policy, new, email.as_ref(), &user.name);
        admitted.ok_or_else(|| AccountError::Invalid(faults.list()))
    }
}
