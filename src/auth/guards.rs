//! Nouns of who asks. Every handler has one of them in its signature.

use rocket::Request;
use rocket::http::{Method, Status};
use rocket::outcome::Outcome;
use rocket::request::{self, FromRequest};
use rocket::sentinel::Sentinel;
use rocket::{Ignite, Rocket};

use super::Site;
use super::exchange::{Caller, Exchange};
use super::forgery::Genuine;
use super::refusal::Refusal;
pub use super::user::{Credential, CurrentUser};
use crate::clock::{MINUTE, Seconds};
use crate::id::SessionId;
use crate::personal_tokens::Scope;

/// How long after a proof of identity sensitive things may be done, in seconds (ASVS 7.5).
pub const RECENT_SECONDS: Seconds = 5 * MINUTE;

/// Anybody: the user if one is logged in; a program with a personal access token that lacks the scope for the method
/// is nobody here.
#[derive(Clone, Debug)]
pub struct MaybeUser(pub Option<CurrentUser>);

/// Anybody: nothing depends on who asks, so that it passes also while that cannot be told.
#[derive(Clone, Copy, Debug)]
pub struct Anyone;

#[rocket::async_trait]
impl<'r> FromRequest<'r> for Anyone {
    type Error = ();

    async fn from_request(_: &'r Request<'_>) -> Guarded<Self> {
        Outcome::Success(Self)
    }
}

/// Nobody is logged in. Forwards with 404 if somebody is: another route of a lower rank may take them.
#[derive(Clone, Copy, Debug)]
pub struct Anonymous;

/// A logged-in user, by a session: with a personal access token alone, 403.
#[derive(Clone, Debug)]
pub struct LoggedIn {
    /// Who it is.
    pub user: CurrentUser,
    /// The session that the request belongs to.
    pub session: SessionId,
    /// The token generation that the client stands at.
    pub generation: i64,
    /// When the user last proved who they are.
    pub auth_time: Seconds,
}

/// A logged-in user who proved who they are within [`RECENT_SECONDS`]; others are sent to `/confirm` first
/// (forwards with 401). Refreshing tokens is no proof.
#[derive(Clone, Debug)]
pub struct RecentlyAuthenticated {
    /// Who it is.
    pub user: CurrentUser,
    /// The session that the request belongs to.
    pub session: SessionId,
}

/// A logged-in administrator; or a program with a personal access token of theirs, which has the scope `admin` besides
/// the one for the method. Other users and tokens get 403; who is not logged in is sent to the log-in page.
#[derive(Clone, Debug)]
pub struct Admin(pub CurrentUser);

type Guarded<T> = request::Outcome<T, ()>;

fn turned_away<T>(request: &Request<'_>, refusal: Refusal, status: Status) -> Guarded<T> {
    refusal.note(request);
    Outcome::Forward(status)
}

fn who(request: &Request<'_>) -> Guarded<CurrentUser> {
    match Exchange::of(request).caller() {
        Caller::User(user) => Outcome::Success(CurrentUser::clone(user)),
        Caller::Unknown => Outcome::Error((Status::ServiceUnavailable, ())),
        _ => Outcome::Forward(Status::Unauthorized),
    }
}

/// What a personal access token needs for the request's method.
fn scope_of(request: &Request<'_>) -> Scope {
    match request.method() {
        Method::Get | Method::Head | Method::Options => Scope::Read,
        _ => Scope::Write,
    }
}

fn user(request: &Request<'_>) -> Guarded<CurrentUser> {
    let scope = scope_of(request);
    match who(request) {
        Outcome::Success(user) if !user.may(scope) => turned_away(request, Refusal::Scope(scope), Status::Forbidden),
        Outcome::Forward(status) => turned_away(request, Refusal::not_a_user(request), status),
        known => known,
    }
}

fn logged_in(request: &Request<'_>) -> Guarded<LoggedIn> {
    // Before its scope is looked at: none would do.
    if who(request).succeeded().is_some_and(|user| user.session().is_none()) {
        return turned_away(request, Refusal::SessionNeeded, Status::Forbidden);
    }
    user(request).and_then(|user| match user.credential.clone() {
        Credential::Session { id, generation, auth_time } => {
            Outcome::Success(LoggedIn { user, session: id, generation, auth_time })
        }
        Credential::PersonalToken { .. } => Outcome::Forward(Status::Forbidden),
    })
}

#[rocket::async_trait]
impl<'r> FromRequest<'r> for CurrentUser {
    type Error = ();

    async fn from_request(request: &'r Request<'_>) -> Guarded<Self> {
        user(request)
    }
}

#[rocket::async_trait]
impl<'r> FromRequest<'r> for LoggedIn {
    type Error = ();

    async fn from_request(request: &'r Request<'_>) -> Guarded<Self> {
        logged_in(request)
    }
}

#[rocket::async_trait]
impl<'r> FromRequest<'r> for MaybeUser {
    type Error = ();

    async fn from_request(request: &'r Request<'_>) -> Guarded<Self> {
        match who(request) {
            Outcome::Success(user) => Outcome::Success(Self(Some(user).filter(|user| user.may(scope_of(request))))),
            Outcome::Error(error) => Outcome::Error(error),
            Outcome::Forward(_) => Outcome::Success(Self(None)),
        }
    }
}

#[rocket::async_trait]
impl<'r> FromRequest<'r> for Anonymous {
    type Error = ();

    async fn from_request(request: &'r Request<'_>) -> Guarded<Self> {
        match who(request) {
            Outcome::Success(_) => Outcome::Forward(Status::NotFound),
            Outcome::Error(error) => Outcome::Error(error),
            Outcome::Forward(_) => Outcome::Success(Self),
        }
    }
}

#[rocket::async_trait]
impl<'r> FromRequest<'r> for RecentlyAuthenticated {
    type Error = ();

    async fn from_request(request: &'r Request<'_>) -> Guarded<Self> {
        let now = request.rocket().state::<Site>().map_or(Seconds::MAX, |site| site.clock.now());
        logged_in(request).and_then(|LoggedIn { user, session, auth_time, .. }| {
            // Nodes' clocks differ a little; a proof from further ahead is none.
            match (-RECENT_SECONDS..=RECENT_SECONDS).contains(&(now - auth_time)) {
                true => Outcome::Success(Self { user, session }),
                false => turned_away(request, Refusal::Reauthenticate, Status::Unauthorized),
            }
        })
    }
}

#[rocket::async_trait]
impl<'r> FromRequest<'r> for Admin {
    type Error = ();

    async fn from_request(request: &'r Request<'_>) -> Guarded<Self> {
        user(request).and_then(|user| match user.admin {
            true => Outcome::Success(Self(user)),
            false if !user.may(Scope::Admin) => turned_away(request, Refusal::Scope(Scope::Admin), Status::Forbidden),
            false => turned_away(request, Refusal::NotAdmin, Status::Forbidden),
        })
    }
}

macro_rules! refuse_to_launch_without_hallpass {
    ($($guard:ty),+) => {
        $(impl Sentinel for $guard {
            fn abort(rocket: &Rocket<Ignite>) -> bool {
                rocket.state::<Site>().is_none()
            }
        })+
    };
}

refuse_to_launch_without_hallpass!(CurrentUser, LoggedIn, MaybeUser, Anonymous, RecentlyAuthenticated, Admin, Genuine);
