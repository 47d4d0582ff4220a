//! Every way in which a request can fail: its code, its status, and what to do.

use rocket::http::Status;

use crate::auth::guards::RECENT_SECONDS;
use crate::clock::MINUTE;
use crate::http::body;

/// The table below takes literals only.
const _: () = assert!(body::MAX == 32 * 1024 && body::PATIENCE.as_secs() == 10 && RECENT_SECONDS == 5 * MINUTE);

macro_rules! codes {
    ($($variant:ident = $name:literal, $status:literal, $title:literal, $meaning:literal;)+) => {
        /// What went wrong, for programs. A code keeps its meaning; new ones may come.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Code { $(#[doc = $meaning] $variant),+ }

        impl Code {
            /// All codes, by status.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// As it stands in the document.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }

            /// The HTTP status that goes with it.
            pub fn status(self) -> Status {
                Status::new(match self { $(Self::$variant => $status),+ })
            }

            /// A few words that are the same each time.
            pub fn title(self) -> &'static str {
                match self { $(Self::$variant => $title),+ }
            }

            /// When it is answered, and what to do.
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning),+ }
            }
        }
    };
}

codes! {
    BadRequest = "bad_request", 400, "Bad request", "The request could not be read as HTTP, or failed with a status that has no code of its own.";
    MalformedJson = "malformed_json", 400, "Malformed JSON", "The body is no JSON. The detail gives line and column.";
    Unauthenticated = "unauthenticated", 401, "Log in first", "Neither an `Authorization: Bearer` header nor a cookie says who asks. Log in.";
    TokenExpired = "token_expired", 401, "The access token has expired", "The time of the access token is over. Refresh, then repeat the request.";
    InvalidToken = "invalid_token", 401, "The token gives no access", "The token is not genuine, or its session was ended, or its account was locked, or it was revoked. Log in again.";
    StaleCookies = "stale_cookies", 401, "The cookies are not the newest", "The cookies were replaced in the meantime. Refresh or repeat the request once, with the cookies that the browser holds now.";
    InvalidCredentials = "invalid_credentials", 401, "Not logged in", "The e-mail address or the password is not right; which of them is not told.";
    InvalidGrant = "invalid_grant", 401, "The refresh token gives nothing", "The refresh token is not genuine, has expired, was replaced, or its session was ended. Log in again. A refresh token that was replaced long ago ends its session.";
    ReauthenticationRequired = "reauthentication_required", 401, "Give the password again", "The password was last given more than 5 minutes ago. Confirm it with `POST /api/auth/confirm`, then repeat the request.";
    ForgeryRefused = "forgery_refused", 403, "The form token is missing or wrong", "With cookies, unsafe methods need the form token of `GET /api/auth/csrf` in `X-CSRF-Token`, sent from this site or an allowed origin.";
    OriginNotAllowed = "origin_not_allowed", 403, "Pages of this origin may not call the API", "The setting `cors_origins` does not name the origin, or the preflight asked for a header or method that is not allowed.";
    AccountLocked = "account_locked", 403, "The account is locked", "The password is right, but an operator has locked the account.";
    InsufficientScope = "insufficient_scope", 403, "The token was not made for this", "The personal access token lacks the scope that `WWW-Authenticate` names: `read` for safe methods, `write` for the others, `admin` for what takes an administrator.";
    SessionRequired = "session_required", 403, "Log in for this", "A personal access token may not do this. Log in.";
    AdminRequired = "admin_required", 403, "Only administrators may", "The account is not an administrator's.";
    RegistrationClosed = "registration_closed", 403, "Registration is closed", "The setting `registration` lets nobody make an account. Ask the site's operator.";
    Forbidden = "forbidden", 403, "Not allowed", "Whoever asks may not do this.";
    NotFound = "not_found", 404, "There is nothing here", "The path is mistyped, or what it names does not exist (any more) or is somebody else's.";
    MethodNotAllowed = "method_not_allowed", 405, "Another method is needed", "The path exists, but not with this method. `Allow` names those that do.";
    RequestTimeout = "request_timeout", 408, "The body took too long", "A body must arrive within 10 seconds. Repeat the request.";
    PayloadTooLarge = "payload_too_large", 413, "The body is too large", "A body may have 32 KiB.";
    UnsupportedMediaType = "unsupported_media_type", 415, "The body must be JSON", "Send `Content-Type: application/json`, in UTF-8.";
    InvalidInput = "invalid_input", 422, "Some fields need another value", "`errors` names each field, with a code and what to do.";
    TooManyAttempts = "too_many_attempts", 429, "Too many attempts", "Wait as many seconds as `Retry-After` says.";
    InternalError = "internal_error", 500, "Something went wrong here", "The fault is ours, and it has been noted under the id in `X-Request-Id`.";
    Unavailable = "unavailable", 503, "Not ready right now", "The site is busy or its database is away. Nobody is logged out by that. Repeat the request after `Retry-After` seconds.";
}

impl Code {
    /// What stands for a status that says nothing more.
    pub fn of_status(status: Status) -> Self {
        match status.code {
            401 => Self::Unauthenticated,
            403 => Self::Forbidden,
            404 => Self::NotFound,
            408 => Self::RequestTimeout,
            413 => Self::PayloadTooLarge,
            415 => Self::UnsupportedMediaType,
            422 => Self::InvalidInput,
            429 => Self::TooManyAttempts,
            400..500 => Self::BadRequest,
            503 => Self::Unavailable,
            _ => Self::InternalError,
        }
    }
}
