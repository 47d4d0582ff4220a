//! Where the user is logged in.

use rocket::http::Status;
use rocket::http::uri::Origin;
use rocket::serde::json::Json;
use rocket::{Route, State, delete, get, routes};
use serde::Serialize;
use utoipa::ToSchema;

use super::code::Code;
use super::problem::Problem;
use crate::audit::Client;
use crate::auth::Site;
use crate::auth::bearer::Authorization;
use crate::auth::exchange::Exchange;
use crate::auth::forgery::Genuine;
use crate::auth::guards::{CurrentUser, RecentlyAuthenticated};
use crate::id::SessionId;
use crate::sessions::{Reason, Session};

pub fn routes() -> Vec<Route> {
    routes![list_sessions, end_session, end_other_sessions]
}

/// A live session. Times are in seconds since 1970-01-01T00:00:00Z.
#[derive(Serialize, ToSchema)]
#[schema(as = Session)]
struct SessionDocument {
    /// The `sid` claim of its tokens.
    #[schema(example = "mJx0wq3fT5yXqkYkqg2qOQ")]
    id: String,
    /// Whether this request belongs to it.
    current: bool,
    /// The `User-Agent` header of who used it last; it may claim anything.
    #[schema(example = "curl/8.14.1")]
    user_agent: String,
    /// Where it was used last.
    #[schema(example = "198.51.100.7")]
    address: String,
    /// Kept for 30 days without use, by default, instead of 12 hours.
    remembered: bool,
    /// When it began.
    created_at: i64,
    /// When its owner last gave the password.
    auth_time: i64,
    /// When a token of it was last seen, about.
    last_seen_at: i64,
    /// When it ends without further use.
    idle_expires_at: i64,
    /// When it ends in any case.
    expires_at: i64,
}

/// The live sessions of an account, last used first; of very many, the 200 used last.
#[derive(Serialize, ToSchema)]
struct Sessions {
    sessions: Vec<SessionDocument>,
}

impl SessionDocument {
    fn new(session: Session, current: Option<&SessionId>) -> Self {
        Self {
            current: current == Some(&session.id),
            last_seen_at: session.last_seen_at(),
            id: session.id.to_string(),
            user_agent: session.user_agent,
            address: session.address,
            remembered: session.remembered,
            created_at: session.created_at,
            auth_time: session.auth_time,
            idle_expires_at: session.idle_expires_at,
            expires_at: session.expires_at,
        }
    }
}

/// List my sessions
#[utoipa::path(
    tag = "My sessions",
    responses((status = 200, body = Sessions, description = "Where the user is logged in")),
    security(("user" = [])),
)]
#[get("/me/sessions")]
async fn list_sessions(user: CurrentUser, site: &State<Site>) -> Result<Json<Sessions>, Problem> {
    let sessions = site.sessions.list(&user.id).await?;
    let sessions = sessions.into_iter().map(|session| SessionDocument::new(session, user.session())).collect();
    Ok(Json(Sessions { sessions }))
}

/// End one of my sessions
///
/// Its tokens give no access from the next request on. Needs the password to have been given in the last 5 minutes.
#[utoipa::path(
    tag = "My sessions",
    params(("id" = String, Path, description = "The session's id")),
    responses((status = 204, description = "The session has ended"), (status = 404)),
    security(("session" = [])),
)]
#[delete("/me/sessions/<id>")]
async fn end_session(
    recent: RecentlyAuthenticated,
    _genuine: Genuine,
    authorization: Authorization<'_>,
    id: &str,
    site: &State<Site>,
    exchange: &Exchange,
    client: Client,
) -> Result<Status, Problem> {
    let RecentlyAuthenticated { user, session } = recent;
    let id = SessionId::from_text(id);
    if !site.sessions.end(&user.id, &id, Reason::Ended, Some(&client)).await? {
        return Err(Code::NotFound.into());
    }
    // With an Authorization header, cookies were not read: they may be another session's.
    if id == session && authorization == Authorization::Absent {
        exchange.clear();
    }
    Ok(Status::NoContent)
}

/// End all my other sessions
///
/// All but the one that this request belongs to. Needs the password to have been given in the last 5 minutes.
#[utoipa::path(
    tag = "My sessions",
    responses((status = 204, description = "The other sessions have ended")),
    security(("session" = [])),
)]
#[delete("/me/sessions")]
async fn end_other_sessions(
    recent: RecentlyAuthenticated,
    _genuine: Genuine,
    address: &Origin<'_>,
    site: &State<Site>,
    client: Client,
) -> Result<Status, Problem> {
    // To Rocket, `sessions/` is `sessions`; to a program whose id is empty, it is one session.
    if address.path().ends_with('/') {
        return Err(Code::NotFound.into());
    }
    let RecentlyAuthenticated { user, session } = recent;
    site.sessions.end_others(&user.id, &session, &client).await?;
    Ok(Status::NoContent)
}
