//! Why something about an account was not done.

use super::fault::Fault;
use super::hasher::PasswordError;
use crate::clock::Seconds;
use crate::db::DbError;
use crate::fault::in_one_text;

/// Why nothing was done. Where the text is for visitors, it says what to do.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// What was typed must be changed: all faults at once.
    #[error("{}", in_one_text(.0))]
    Invalid(Vec<Fault>),
    /// The password proves nothing. Also for an address that nobody has, and for a locked account (ASVS 6.3.8).
    #[error("The e-mail address or the password is not right. Check both and try again.")]
    Wrong,
    /// The password was right: who knows it may know this too.
    #[error("This account is locked. Ask the site's operator.")]
    Locked,
    /// There is no such account (any more), or it is locked.
    #[error("there is no account with this e-mail address; `hallpass user list` shows all")]
    Unknown,
    /// The setting `registration` doesn't let visitors make accounts.
    #[error("This site does not take registrations. Ask its operator for an account.")]
    Closed,
    /// The set-up link was used, is older than a day, was replaced by a newer one, or there is an administrator.
    #[error(
        "This set-up link is no longer good. While no account exists, the server prints a new one at its start; after that, use `hallpass user make-admin`."
    )]
    SetupOver,
    /// The allowance is used up: 429 with Retry-After.
    #[error("Too many attempts. Please wait before you try again.")]
    TooMany {
        /// How long until it may be tried again.
        retry_after_seconds: Seconds,
    },
    /// Too many passwords wait to be checked: 503 with Retry-After.
    #[error("The server is busy. Please try again in a moment.")]
    Busy,
    /// Argon2 failed; the log says why: 500.
    #[error("the password could not be processed; the log says why")]
    Failed,
    /// The database did not answer: 503.
    #[error(transparent)]
    Db(#[from] DbError),
}

impl AccountError {
    /// What a password that proves nothing means to who is logged in: a fault of `field`. A lock has ended the session
    /// by then.
    pub(super) fn of_owner(self, field: &'static str) -> Self {
        match self {
            Self::Wrong => {
                Self::Invalid(vec![Fault::new(field, "wrong", "This is not your current password. Try again.")])
            }
            Self::Locked => Self::Unknown,
            other => other,
        }
    }
}

impl From<PasswordError> for AccountError {
    fn from(error: PasswordError) -> Self {
        match error {
            PasswordError::Busy => Self::Busy,
            PasswordError::Failed => Self::Failed,
        }
    }
}
