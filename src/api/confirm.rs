//! Re-authentication before something sensitive (ASVS 7.5).

use rocket::serde::json::Json;
use rocket::{Route, State, post, routes};
use serde::Deserialize;
use utoipa::ToSchema;

use super::body::Body;
use super::problem::Problem;
use super::token_response::TokenResponse;
use crate::audit::Client;
use crate::auth::Site;
use crate::auth::bearer::Authorization;
use crate::auth::exchange::Exchange;
use crate::auth::forgery::Genuine;
use crate::auth::guards::LoggedIn;

pub fn routes() -> Vec<Route> {
    routes![confirm]
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Confirmation {
    #[schema(example = "wide open windows in may", format = Password, min_length = 1)]
    password: String,
}

/// Confirm your password
///
/// Before something sensitive. The answer has a new access token, which is good for that during 5 minutes; the refresh
/// token stays as it is. With cookies, the new access token is set as one.
#[utoipa::path(
    tag = "Log in",
    request_body = Confirmation,
    responses((status = 200, body = TokenResponse, description = "Confirmed"), (status = 429)),
    security(("session" = [])),
)]
#[post("/auth/confirm", data = "<body>")]
async fn confirm(
    visitor: LoggedIn,
    _genuine: Genuine,
    authorization: Authorization<'_>,
    site: &State<Site>,
    exchange: &Exchange,
    client: Client,
    body: Body<Confirmation>,
) -> Result<Json<TokenResponse>, Problem> {
    let Body(Confirmation { password }) = body;
    site.accounts.reauthenticate(&visitor.user.id, &password, &client).await?;
    let tokens = site.sessions.reauthenticated(&visitor.session, visitor.generation).await?;
    if authorization != Authorization::Absent {
        return Ok(Json(TokenResponse::access(tokens)));
    }
    let answer = TokenResponse::in_cookies(tokens.access_expires_in);
    exchange.renew_access(tokens);
    Ok(Json(answer))
}
