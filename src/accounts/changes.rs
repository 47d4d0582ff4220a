//! What an owner changes in their account.

use super::fault::{Fault, Faults};
use super::line::Asker;
use super::password::normalised;
use super::{AccountError, Accounts, Email, store, throttle};
use crate::audit::{self, Client, Kind};
use crate::id::{SessionId, UserId};
use crate::sessions::{self, Reason};

impl Accounts {
    /// Changes the name that others see: trimmed, NFC, 1 to 100 code points.
    pub async fn change_name(&self, id: &UserId, name: &str) -> Result<(), AccountError> {
        let mut faults = Faults::default();
        let Some(name) = faults.own_name(name) else { return Err(AccountError::Invalid(faults.list())) };
        let mut tx = self.db.begin().await?;
        if !store::set_name(&mut tx, id, &name).await? {
            return Err(AccountError::Unknown);
        }
        self.changes.announce(&mut tx, id).await?;
        Ok(tx.commit().await?)
    }

    /// Changes the password of who knows the current one (ASVS 6.2.3), and ends all sessions but `keep_session`
    /// (ASVS 7.4.3), in one transaction with the events.
    ///
    /// Tries are counted by session: strangers have none, and who stole one cannot make themselves more.
    pub async fn change_password(
        &self,
        id: &UserId,
        current: &str,
        new: &str,
        keep_session: &SessionId,
        client: &Client,
    ) -> Result<(), AccountError> {
        let found = store::credentials_by_id(&self.db, id, None).await?.ok_or(AccountError::Unknown)?;
        let mut faults = Faults::default();
        faults.required("current_password", current);
        let email = Email::parse(&found.user.email).ok();
        let password = faults.new_password("new_password", &self.policy, new, email.as_ref(), &found.user.name);
        let (Some(password), true) = (password, faults.is_empty()) else {
            return Err(AccountError::Invalid(faults.list()));
        };
        let old = found.password_hash.clone();
        let asker = Asker::known(id);
        let proved = self.prove(Some(found), current, throttle::session(keep_session), asker.clone(), client).await;
        proved.map_err(|error| error.of_owner("current_password"))?;
        if normalised(current).is_some_and(|current| current.as_str() == password.expose()) {
            let message = "This is the password that you have now. Choose a new one.";
            return Err(AccountError::Invalid(vec![Fault::new("new_password", "unchanged", message)]));
        }
        let hash = self.hasher.on_behalf_of(asker).hash(password).await?;
        let now = self.clock.now();
        let mut tx = self.db.begin().await?;
        if !store::change_password(&mut tx, id, &old, &hash, now).await? {
            // Changed from elsewhere in the meantime: what was proved is the current password no longer.
            return Err(AccountError::Wrong.of_owner("current_password"));
        }
        sessions::revoke_all(&mut tx, id, Some(keep_session), Reason::Password, now).await?;
        audit::record(&mut tx, now, Kind::PasswordChanged, id, Some(keep_session), Some(client)).await?;
        self.changes.announce(&mut tx, id).await?;
        tx.commit().await?;
        Ok(())
    }
}
