//! What has happened to the account.

use rocket::serde::json::Json;
use rocket::{Route, State, get, routes};
use serde::Serialize;
use utoipa::ToSchema;

use super::problem::Problem;
use crate::audit::{self, Event};
use crate::auth::Site;
use crate::auth::guards::CurrentUser;

pub fn routes() -> Vec<Route> {
    routes![list_events]
}

/// Something that the owner of an account should be able to see.
#[derive(Serialize, ToSchema)]
#[schema(as = Event)]
struct EventDocument {
    /// What happened. New kinds may come.
    #[schema(example = "logged_in")]
    kind: &'static str,
    /// When, in seconds since 1970-01-01T00:00:00Z.
    #[schema(example = 1795348800)]
    at: i64,
    /// The `User-Agent` header of who did it; empty if the operator did, on the command line.
    #[schema(example = "curl/8.14.1")]
    user_agent: String,
    /// Where it was done from; likewise.
    #[schema(example = "198.51.100.7")]
    address: String,
}

/// The newest events of an account, newest first.
#[derive(Serialize, ToSchema)]
struct Events {
    events: Vec<EventDocument>,
}

impl From<Event> for EventDocument {
    fn from(event: Event) -> Self {
        let Event { kind, at, user_agent, address } = event;
        Self { kind: kind.as_str(), at, user_agent, address }
    }
}

/// List what has happened to my account
#[utoipa::path(
    tag = "My account",
    responses((status = 200, body = Events, description = "The newest events")),
    security(("user" = [])),
)]
#[get("/me/events")]
async fn list_events(user: CurrentUser, site: &State<Site>) -> Result<Json<Events>, Problem> {
    let events = audit::recent(&site.db, &user.id, audit::SHOWN).await?;
    Ok(Json(Events { events: events.into_iter().map(Into::into).collect() }))
}
