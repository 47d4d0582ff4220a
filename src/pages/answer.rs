//! What a handler answers besides a page: the form again, the way on, or nothing of its own.

use askama::Template;
use rocket::Request;
use rocket::http::Status;
use rocket::response::Responder;

use super::page::{Faults, Notice, Page, SeeOther};
use crate::accounts::{AccountError, Fault};
use crate::clock::Seconds;
use crate::db::DbError;
use crate::fault;
use crate::http::RETRY_AFTER_SECONDS;
use crate::http::log::RequestId;
use crate::sessions::SessionError;

/// What a form's handler answers: on success the way on, else the form again. A page, too, if something was made that
/// is shown once.
#[derive(rocket::Responder)]
pub enum Answer<T: Template> {
    Done(SeeOther),
    Page(Page<T>),
}

/// No page of the handler's own: the catcher of this status answers. The cause, if there is one, goes to the log.
#[derive(Debug)]
pub struct Failure {
    status: Status,
    cause: Option<String>,
}

impl Failure {
    pub fn of(status: Status) -> Self {
        Self { status, cause: None }
    }
}

impl<'r> Responder<'r, 'static> for Failure {
    fn respond_to(self, request: &'r Request<'_>) -> rocket::response::Result<'static> {
        if let Some(cause) = self.cause {
            tracing::error!(id = RequestId::of(request).as_str(), cause, "a request could not be served");
        }
        Err(self.status)
    }
}

impl From<DbError> for Failure {
    fn from(error: DbError) -> Self {
        Self { status: Status::ServiceUnavailable, cause: Some(error.to_string()) }
    }
}

impl From<SessionError> for Failure {
    fn from(error: SessionError) -> Self {
        match error {
            SessionError::ProofOutdated => Self::of(Status::Unauthorized),
            error => Self { status: Status::ServiceUnavailable, cause: Some(error.to_string()) },
        }
    }
}

/// Why a form comes back.
pub struct Refusal {
    pub status: Status,
    pub faults: Faults,
    pub notice: Option<Notice>,
    pub retry_after: Option<Seconds>,
}

impl Refusal {
    pub fn faults(faults: Vec<Fault>) -> Self {
        Self { status: Status::UnprocessableEntity, faults: faults.into(), notice: None, retry_after: None }
    }

    /// The submission is not believed to come from a page of this site.
    pub fn forged(notice: Notice) -> Self {
        Self { status: Status::Forbidden, faults: Faults::default(), notice: Some(notice), retry_after: None }
    }

    pub fn of(error: AccountError) -> Result<Self, Failure> {
        Ok(match error {
            AccountError::Invalid(faults) => Self::faults(faults),
            // Of the whole form: which of its fields is wrong is not told.
            AccountError::Wrong | AccountError::Locked => {
                Self::faults(vec![Fault::new(fault::WHOLE, "refused", error.to_string())])
            }
            AccountError::TooMany { retry_after_seconds } => Self::too_many(retry_after_seconds),
            AccountError::Busy => Self::busy(),
            AccountError::Closed | AccountError::SetupOver => return Err(Failure::of(Status::NotFound)),
            AccountError::Unknown => return Err(Failure::of(Status::Unauthorized)),
            AccountError::Failed => return Err(Failure::of(Status::InternalServerError)),
            AccountError::Db(error) => return Err(error.into()),
        })
    }

    fn too_many(seconds: Seconds) -> Self {
        let minutes = (seconds + 59) / 60;
        let wait = if minutes == 1 { "a minute".to_owned() } else { format!("{minutes} minutes") };
        let notice = Notice::warning(format!("Too many attempts. Wait {wait}, then try again."));
        Self {
            status: Status::TooManyRequests,
            faults: Faults::default(),
            notice: Some(notice),
            retry_after: Some(seconds),
        }
    }

    fn busy() -> Self {
        let notice = Notice::warning("The site is very busy right now. Wait a few seconds, then try again.");
        Self {
            status: Status::ServiceUnavailable,
            faults: Faults::default(),
            notice: Some(notice),
            retry_after: Some(RETRY_AFTER_SECONDS),
        }
    }

    /// The form again, with what it is refused for.
    pub fn page<T: Template>(self, template: impl FnOnce(Faults, Option<Notice>) -> T) -> Answer<T> {
        let template = template(self.faults, self.notice);
        Answer::Page(Page::with(self.status, template).retry_after(self.retry_after))
    }
}
