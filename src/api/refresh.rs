//! Refresh: new tokens for a refresh token, by the same decision table as the fairing's.

use rocket::serde::json::Json;
use rocket::{Route, State, post, routes};
use serde::Deserialize;
use utoipa::ToSchema;

use super::body::OptionalBody;
use super::code::Code;
use super::problem::Problem;
use super::token_response::TokenResponse;
use crate::audit::Client;
use crate::auth::Site;
use crate::auth::exchange::Exchange;
use crate::auth::forgery::{Forgery, Genuine};
use crate::auth::guards::Anyone;
use crate::auth::presented::Presented;
use crate::sessions::{Holder, Refresh};

pub fn routes() -> Vec<Route> {
    routes![refresh]
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RefreshToken {
    /// The one that was handed out last.
    #[schema(example = "$REFRESH_TOKEN")]
    pub refresh_token: String,
}

/// Refresh
///
/// Replaces the access token, and the refresh token with it. The refresh token comes in the body, or in
/// `Authorization: Bearer`, or in the cookie (then with the form token, and the answer sets cookies). Repeats get the
/// same successor, by default until a minute after it was first seen in use. A later one ends the session: it is a copy.
/// A token that was set as a cookie is refused elsewhere once its successor has been seen in use. Cookies stay as they
/// are while the access token lasts, until a minute after they were first seen: `expires_in` says how long it lasts.
#[utoipa::path(
    tag = "Log in",
    request_body = Option<RefreshToken>,
    responses((status = 200, body = TokenResponse, description = "New tokens"), (status = 401), (status = 403)),
    security((), ("refresh_token" = []), ("refresh_cookie" = [], "form_token" = [])),
)]
#[post("/auth/refresh", data = "<body>")]
async fn refresh(
    _anyone: Anyone,
    presented: Presented<'_>,
    genuine: Result<Genuine, Forgery>,
    site: &State<Site>,
    exchange: &Exchange,
    client: Client,
    body: OptionalBody<RefreshToken>,
) -> Result<Json<TokenResponse>, Problem> {
    let token = match (&body.0, presented) {
        (Some(body), _) => &body.refresh_token,
        (None, Presented::InHeader(token)) => token,
        (None, Presented::InCookies { tokens, access, probes }) => {
            genuine?;
            let token = site.sessions.newest(&tokens).ok_or(Code::InvalidGrant)?;
            for access in access {
                if let Some(expires_in) = site.sessions.fresh_for(access, token).await? {
                    return Ok(Json(TokenResponse::in_cookies(expires_in)));
                }
            }
            return by_cookie(site, token, &probes, exchange, &client).await;
        }
        (None, Presented::Nowhere) => return Err(Code::Unauthenticated.into()),
    };
    match site.sessions.refresh(token, Holder::Program, &client).await? {
        Refresh::Renewed { tokens, .. } => Ok(Json(TokenResponse::both(tokens))),
        _ => Err(Code::InvalidGrant.into()),
    }
}

async fn by_cookie(
    site: &Site,
    token: &str,
    probes: &[&str],
    exchange: &Exchange,
    client: &Client,
) -> Result<Json<TokenResponse>, Problem> {
    match site.sessions.refresh(token, Holder::Jar { probes }, client).await? {
        Refresh::Renewed { tokens, .. } => exchange.deliver(tokens),
        // A straggler: the browser has, or is about to get, what another request fetched.
        Refresh::Served { .. } => {}
        Refresh::Ask { probe } => {
            exchange.outgoing().probe = Some(probe);
            return Err(Code::StaleCookies.into());
        }
        Refresh::Dead(_) | Refresh::Refused => return Err(Code::InvalidGrant.into()),
    }
    Ok(Json(TokenResponse::in_cookies(site.sessions.access_ttl_seconds())))
}
