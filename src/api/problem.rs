//! What went wrong, as `application/problem+json` (RFC 9457). Every error of the API is one.

use std::borrow::Cow;
use std::sync::Mutex;

use rocket::Request;
use rocket::http::{ContentType, Header, Status};
use rocket::response::{Responder, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::code::Code;
use crate::accounts::AccountError;
use crate::auth::Site;
use crate::auth::forgery::{self, Forgery};
use crate::auth::guards::RECENT_SECONDS;
use crate::auth::refusal::Refusal;
use crate::clock::Seconds;
use crate::db::DbError;
use crate::fault::{self, CODES, Fault};
use crate::http::RETRY_AFTER_SECONDS;
use crate::http::log::RequestId;
use crate::personal_tokens::{Scope, TokenError};
use crate::sessions::SessionError;

/// The field that stands for the whole in [`FieldError`].
pub const WHOLE: &str = "body";

/// What is wrong with one field of the request.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct FieldError {
    /// The name of the field; `body` if it is the whole.
    #[schema(example = "email")]
    pub field: String,
    /// For programs; keeps its meaning.
    #[schema(example = "taken")]
    pub code: &'static str,
    /// For people: says what to do.
    #[schema(example = "There is an account with this e-mail address. Log in, or use another address.")]
    pub detail: Cow<'static, str>,
}

impl FieldError {
    pub fn new(field: impl Into<String>, code: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        debug_assert!(CODES.iter().any(|(known, _)| *known == code), "the code {code} is not in the table");
        Self { field: field.into(), code, detail: detail.into() }
    }
}

/// An error as RFC 9457 writes it.
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemDocument<'a> {
    /// The address of what is written about the code.
    #[schema(value_type = String, format = "uri", example = "https://example.org/api/docs#not_found")]
    r#type: String,
    /// The code in words; the same each time.
    title: &'a str,
    /// The HTTP status.
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// What is wrong this time, and what to do.
    detail: &'a str,
    /// For programs.
    code: &'a str,
    /// Only with `invalid_input`: every field that needs another value.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [FieldError],
}

/// An answer of the API that is an error.
#[derive(Clone, Debug)]
pub struct Problem {
    code: Code,
    status: Status,
    detail: Cow<'static, str>,
    errors: Vec<FieldError>,
    headers: Vec<Header<'static>>,
    /// For the log alone.
    cause: Option<String>,
    forgery: Option<Forgery>,
}

impl Problem {
    /// With the code's own words.
    pub fn of(code: Code) -> Self {
        Self::new(code, code.meaning())
    }

    pub fn new(code: Code, detail: impl Into<Cow<'static, str>>) -> Self {
        let problem = Self {
            code,
            status: code.status(),
            detail: detail.into(),
            errors: Vec::new(),
            headers: Vec::new(),
            cause: None,
            forgery: None,
        };
        match code {
            Code::Unauthenticated | Code::InvalidCredentials => problem.challenge("Bearer".to_owned()),
            Code::TokenExpired | Code::InvalidToken | Code::StaleCookies | Code::InvalidGrant => {
                let error = format!(r#"Bearer error="invalid_token", error_description="{}""#, code.title());
                problem.challenge(error)
            }
            // RFC 9470 section 3.
            Code::ReauthenticationRequired => problem.challenge(format!(
                r#"Bearer error="insufficient_user_authentication", error_description="{}", max_age="{RECENT_SECONDS}""#,
                code.title(),
            )),
            Code::Unavailable => problem.retry_after(RETRY_AFTER_SECONDS),
            _ => problem,
        }
    }

    pub fn invalid(errors: Vec<FieldError>) -> Self {
        Self { errors, ..Self::of(Code::InvalidInput) }
    }

    pub fn forged(forgery: Forgery) -> Self {
        let detail = match forgery {
            Forgery::OtherSite => {
                "The browser says that a page of another origin sent this, which `cors_origins` does not name."
            }
            Forgery::NoCookie => {
                "The cookie that the form token belongs to did not come. Allow cookies; pages of another site get none."
            }
            Forgery::WrongToken => {
                "The form token is missing or belongs to another browser. Get one with `GET /api/auth/csrf`."
            }
        };
        Self { forgery: Some(forgery), ..Self::new(Code::ForgeryRefused, detail) }
    }

    /// What a guard turned the request away for.
    pub fn refused(refusal: Refusal) -> Self {
        Self::of(match refusal {
            Refusal::Unauthenticated => Code::Unauthenticated,
            Refusal::Expired => Code::TokenExpired,
            Refusal::Invalid => Code::InvalidToken,
            Refusal::Stale => Code::StaleCookies,
            Refusal::Reauthenticate => Code::ReauthenticationRequired,
            Refusal::NotAdmin => Code::AdminRequired,
            Refusal::SessionNeeded => Code::SessionRequired,
            Refusal::Scope(scope) => return Self::out_of_scope(scope),
            Refusal::Forged(forgery) => return Self::forged(forgery),
            Refusal::ForeignOrigin => Code::OriginNotAllowed,
        })
    }

    /// RFC 6750 section 3.1.
    fn out_of_scope(scope: Scope) -> Self {
        let scope = scope.as_str();
        let problem = Self::new(Code::InsufficientScope, format!("The token lacks the scope {scope}."));
        problem.challenge(format!(r#"Bearer error="insufficient_scope", scope="{scope}""#))
    }

    pub fn status(&self) -> Status {
        self.status
    }

    /// With the status of a handler that has no code.
    pub fn with_status(self, status: Status) -> Self {
        Self { status, ..self }
    }

    pub fn with(mut self, header: Header<'static>) -> Self {
        self.headers.push(header);
        self
    }

    fn challenge(self, challenge: String) -> Self {
        self.with(Header::new("WWW-Authenticate", challenge))
    }

    fn retry_after(self, seconds: Seconds) -> Self {
        self.with(Header::new("Retry-After", seconds.to_string()))
    }

    fn caused_by(code: Code, cause: impl ToString) -> Self {
        Self { cause: Some(cause.to_string()), ..Self::of(code) }
    }

    /// Leaves a problem for the catcher: what reads a body can only fail with a status.
    pub fn park(self, request: &Request<'_>) -> Status {
        let status = self.status;
        *parked(request).lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(self);
        status
    }

    /// What was left for the catcher.
    pub fn parked(request: &Request<'_>) -> Option<Self> {
        parked(request).lock().unwrap_or_else(std::sync::PoisonError::into_inner).take()
    }
}

fn parked<'r>(request: &'r Request<'_>) -> &'r Mutex<Option<Problem>> {
    request.local_cache(|| Mutex::new(None))
}

impl From<Code> for Problem {
    fn from(code: Code) -> Self {
        Self::of(code)
    }
}

impl From<Forgery> for Problem {
    fn from(forgery: Forgery) -> Self {
        Self::forged(forgery)
    }
}

impl From<DbError> for Problem {
    fn from(error: DbError) -> Self {
        Self::caused_by(Code::Unavailable, error)
    }
}

impl From<SessionError> for Problem {
    fn from(error: SessionError) -> Self {
        match error {
            SessionError::ProofOutdated => Self::of(Code::InvalidCredentials),
            error => Self::caused_by(Code::Unavailable, error),
        }
    }
}

impl From<AccountError> for Problem {
    fn from(error: AccountError) -> Self {
        match error {
            AccountError::Invalid(faults) => faults.into(),
            AccountError::Wrong => Self::new(Code::InvalidCredentials, error.to_string()),
            AccountError::Locked => Self::new(Code::AccountLocked, error.to_string()),
            AccountError::TooMany { retry_after_seconds } => {
                Self::of(Code::TooManyAttempts).retry_after(retry_after_seconds)
            }
            AccountError::Busy => Self::of(Code::Unavailable),
            AccountError::Closed => Self::new(Code::RegistrationClosed, error.to_string()),
            AccountError::SetupOver => Self::new(Code::NotFound, error.to_string()),
            // Deleted under the request's feet.
            AccountError::Unknown => Self::of(Code::InvalidToken),
            AccountError::Failed => Self::of(Code::InternalError),
            AccountError::Db(error) => error.into(),
        }
    }
}

impl From<TokenError> for Problem {
    fn from(error: TokenError) -> Self {
        match error {
            TokenError::Invalid(faults) => faults.into(),
            TokenError::ProofOutdated => Self::of(Code::InvalidToken),
            TokenError::Db(error) => error.into(),
        }
    }
}

impl From<Vec<Fault>> for Problem {
    fn from(faults: Vec<Fault>) -> Self {
        Self::invalid(faults.into_iter().map(Into::into).collect())
    }
}

impl From<Fault> for FieldError {
    fn from(fault: Fault) -> Self {
        // What is wrong with no single field, a page shows above its form.
        let field = if fault.field == fault::WHOLE { WHOLE } else { fault.field };
        Self::new(field, fault.code, fault.message)
    }
}

impl<'r> Responder<'r, 'static> for Problem {
    fn respond_to(self, request: &'r Request<'_>) -> rocket::response::Result<'static> {
        if let Some(cause) = self.cause {
            tracing::error!(id = RequestId::of(request).as_str(), cause, "a request could not be served");
        }
        if let Some(forgery) = self.forgery {
            forgery::log_refused(request, forgery);
        }
        let code = self.code.as_str();
        let path = format!("/api/docs#{code}");
        let site = request.rocket().state::<Site>();
        let document = ProblemDocument {
            r#type: site.map_or(path.clone(), |site| site.config.public_url.join(&path)),
            title: self.code.title(),
            status: self.status.code,
            detail: &self.detail,
            code,
            errors: &self.errors,
        };
        let body = serde_json::to_string(&document).map_err(|_| Status::InternalServerError)?;
        let mut response = Response::build();
        response
            .status(self.status)
            .header(ContentType::new("application", "problem+json"))
            .sized_body(body.len(), std::io::Cursor::new(body));
        for header in self.headers {
            response.header(header);
        }
        response.ok()
    }
}
