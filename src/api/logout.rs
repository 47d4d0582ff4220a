//! Log out.

use rocket::http::Status;
use rocket::{Route, State, post, routes};

use super::body::OptionalBody;
use super::problem::Problem;
use super::refresh::RefreshToken;
use crate::audit::Client;
use crate::auth::Site;
use crate::auth::bearer::Authorization;
use crate::auth::exchange::{Caller, Exchange};
use crate::auth::forgery::{Forgery, Genuine};
use crate::auth::guards::MaybeUser;
use crate::personal_tokens::PersonalTokens;
use crate::sessions::Reason;

pub fn routes() -> Vec<Route> {
    routes![log_out]
}

/// Log out
///
/// Ends the session of whichever token came: an access or a refresh token in `Authorization: Bearer`, a refresh token
/// in the body, or the cookies (with the form token), which are cleared. A personal access token is revoked. One that
/// gives no access any more is no error: there is nothing left to end.
#[utoipa::path(
    tag = "Log out",
    request_body = Option<RefreshToken>,
    responses((status = 204, description = "Logged out"), (status = 403)),
    security((), ("bearer" = []), ("refresh_token" = []), ("cookie" = [], "form_token" = [])),
)]
#[post("/auth/logout", data = "<body>")]
async fn log_out(
    visitor: MaybeUser,
    authorization: Authorization<'_>,
    genuine: Result<Genuine, Forgery>,
    site: &State<Site>,
    exchange: &Exchange,
    client: Client,
    body: OptionalBody<RefreshToken>,
) -> Result<Status, Problem> {
    let by_cookies = authorization == Authorization::Absent && !matches!(exchange.caller(), Caller::Anonymous);
    if by_cookies {
        genuine?;
    }
    if let Some(RefreshToken { refresh_token }) = &body.0 {
        site.sessions.log_out(refresh_token, &client).await?;
    }
    if let Authorization::Bearer(token) = authorization {
        match PersonalTokens::is_one(token) {
            true => drop(site.personal_tokens.revoke_by_token(token, &client).await?),
            false => site.sessions.log_out(token, &client).await?,
        }
    }
    if let Some(user) = &visitor.0
        && let Some(session) = user.session()
    {
        site.sessions.end(&user.id, session, Reason::Logout, Some(&client)).await?;
    } else if let Caller::Refused { refresh_token } = exchange.caller() {
        site.sessions.log_out(refresh_token, &client).await?;
    }
    // Only now: had the database failed, the cookies would have to stay.
    if by_cookies {
        exchange.clear();
    }
    Ok(Status::NoContent)
}
