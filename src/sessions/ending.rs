//! Sessions are listed and ended: by their owner, by an operator, by time.

use super::{Reason, Session, SessionError, Sessions, revoke_all, store};
use crate::audit::{self, Client, Kind};
use crate::clock::{DAY, Seconds};
use crate::db::{PAGE, Transaction};
use crate::id::{SessionId, UserId};

/// Sessions are kept this long after they have ended.
const KEPT_AFTER_END: Seconds = 30 * DAY;

/// Nobody looks through more, and an account with a million sessions must not cost as many rows a page.
const LISTED_MAX: i64 = 200;

/// Users whose sessions end in one transaction when everyone's do.
#[doc(hidden)]
pub const ENDED_TOGETHER: i64 = 100;

impl Sessions {
    /// The live sessions of a user, last used first; of very many, only the last ones.
    pub async fn list(&self, user: &UserId) -> Result<Vec<Session>, SessionError> {
        let mut sessions = store::live_of_user(&self.db, user, self.clock.now(), LISTED_MAX).await?;
        sessions.sort_by_key(|session| std::cmp::Reverse(session.last_seen_at()));
        Ok(sessions)
    }

    /// How many live sessions a user has.
    pub async fn count(&self, user: &UserId) -> Result<i64, SessionError> {
        Ok(store::count_live_of_user(&self.db, user, self.clock.now()).await?)
    }

    /// The live sessions of everyone that follow one, or the first; empty at the end.
    pub async fn page(&self, after: Option<&Session>) -> Result<Vec<Session>, SessionError> {
        Ok(store::live_page(&self.db, after, self.clock.now(), PAGE).await?)
    }

    /// Ends one session of a user, who may have ended it before; false if they never had it.
    pub async fn end(
        &self,
        user: &UserId,
        id: &SessionId,
        reason: Reason,
        client: Option<&Client>,
    ) -> Result<bool, SessionError> {
        let now = self.clock.now();
        if store::find(&self.db, id).await?.is_none_or(|session| session.owner.id != *user) {
            return Ok(false);
        }
        let kind = if reason == Reason::Logout { Kind::LoggedOut } else { Kind::SessionEnded };
        let mut transaction = self.db.begin().await?;
        if store::revoke(&mut transaction, id, reason, now).await? {
            audit::record(&mut transaction, now, kind, user, Some(id), client).await?;
        }
        // Also if it had ended: who asks again may have seen it accepted.
        self.changes.announce(&mut transaction, user).await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// Ends every session of a user but `kept`, which asks for it. Returns how many.
    pub async fn end_others(&self, user: &UserId, kept: &SessionId, client: &Client) -> Result<u64, SessionError> {
        let now = self.clock.now();
        let mut transaction = self.db.begin().await?;
        let ended = revoke_all(&mut transaction, user, Some(kept), Reason::Ended, now).await?;
        if ended > 0 {
            audit::record(&mut transaction, now, Kind::OtherSessionsEnded, user, Some(kept), Some(client)).await?;
            self.changes.announce(&mut transaction, user).await?;
        }
        transaction.commit().await?;
        Ok(ended)
    }

    /// Ends every session of a user, by the operator. Returns how many.
    pub async fn end_all(&self, user: &UserId) -> Result<u64, SessionError> {
        let mut transaction = self.db.begin().await?;
        let ended = self.end_all_within(&mut transaction, user).await?;
        if ended > 0 {
            self.changes.announce(&mut transaction, user).await?;
        }
        transaction.commit().await?;
        Ok(ended)
    }

    /// Ends one live session of anybody, by the operator; false if there is none.
    pub async fn end_any(&self, id: &SessionId) -> Result<bool, SessionError> {
        let Some(session) = store::find(&self.db, id).await? else { return Ok(false) };
        if !session.is_live(self.clock.now()) {
            return Ok(false);
        }
        self.end(&session.owner.id, id, Reason::Ended, None).await
    }

    /// Ends every session of everyone, by the operator, some hundred users at a time: a running server must get its
    /// turn to write. Returns how many.
    pub async fn end_everyones(&self) -> Result<u64, SessionError> {
        let (mut ended, mut last) = (0, None);
        loop {
            let users = store::users_with_sessions(&self.db, last.as_ref(), ENDED_TOGETHER).await?;
            let Some(newest) = users.last().cloned() else { return Ok(ended) };
            let mut transaction = self.db.begin().await?;
            for user in &users {
                ended += self.end_all_within(&mut transaction, user).await?;
            }
            // One for all of them: other processes would read a million changes.
            self.changes.announce_everyones(&mut transaction).await?;
            transaction.commit().await?;
            last = Some(newest);
        }
    }

    async fn end_all_within(&self, transaction: &mut Transaction, user: &UserId) -> Result<u64, SessionError> {
        let now = self.clock.now();
        let ended = revoke_all(transaction, user, None, Reason::Ended, now).await?;
        if ended > 0 {
            audit::record(transaction, now, Kind::AllSessionsEnded, user, None, None).await?;
        }
        Ok(ended)
    }

    /// Deletes at most `most` sessions that ended long ago; returns how many.
    pub async fn prune(&self, most: i64) -> Result<u64, SessionError> {
        Ok(store::prune(&self.db, self.clock.now() - KEPT_AFTER_END, most).await?)
    }
}
