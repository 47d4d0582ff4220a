//! Log in.

use rocket::serde::json::Json;
use rocket::{Route, State, post, routes};
use serde::Deserialize;
use utoipa::ToSchema;

use super::body::Body;
use super::problem::Problem;
use super::token_response::TokenResponse;
use crate::audit::Client;
use crate::auth::Site;
use crate::auth::exchange::Exchange;
use crate::auth::forgery::{Forgery, Genuine};
use crate::auth::guards::MaybeUser;
use crate::sessions::Reason;

pub fn routes() -> Vec<Route> {
    routes![log_in]
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Login {
    /// As at registration; case does not count.
    #[schema(example = "ann@example.org", min_length = 1)]
    email: String,
    #[schema(example = "wide open windows in may", format = Password, min_length = 1)]
    password: String,
    /// Keep the session for 30 days without use, by default, instead of 12 hours.
    #[serde(default)]
    remember: bool,
    // Words of its own would make it two schemas at once; those of the type stand in the document.
    #[serde(default)]
    #[schema(inline)]
    delivery: Delivery,
}

/// Where the tokens go: into the answer's body, for programs; or into HttpOnly cookies, for pages, whose scripts never
/// see them. Cookies need the form token.
#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Delivery {
    #[default]
    Body,
    Cookie,
}

/// Log in
///
/// Starts a session. The answer's tokens are for `Authorization: Bearer` and for `POST /api/auth/refresh`; with
/// `"delivery": "cookie"` they are set as cookies instead. Too many wrong passwords are answered with 429.
#[utoipa::path(
    tag = "Log in",
    request_body = Login,
    responses((status = 200, body = TokenResponse, description = "Logged in"), (status = 401), (status = 403), (status = 429)),
    security((), ("form_token" = [])),
)]
#[post("/auth/login", data = "<body>")]
async fn log_in(
    visitor: MaybeUser,
    genuine: Result<Genuine, Forgery>,
    site: &State<Site>,
    exchange: &Exchange,
    client: Client,
    body: Body<Login>,
) -> Result<Json<TokenResponse>, Problem> {
    let Body(Login { email, password, remember, delivery }) = body;
    if delivery == Delivery::Cookie && genuine? != Genuine::ByFormToken {
        // Its cookies were not read: they must not be replaced either.
        return Err(Forgery::NoCookie.into());
    }
    let user = site.accounts.authenticate(&email, &password, &client).await?;
    let browser = client.browser.as_ref().filter(|_| delivery == Delivery::Cookie);
    let tokens = site.log_in(&user, remember, browser, &client).await?;
    if delivery == Delivery::Body {
        return Ok(Json(TokenResponse::both(tokens)));
    }
    // The browser forgets the session that it had (ASVS 7.2.4).
    if let Some(before) = visitor.0.as_ref()
        && let Some(session) = before.session()
    {
        site.sessions.end(&before.id, session, Reason::Logout, Some(&client)).await?;
    }
    let answer = TokenResponse::in_cookies(tokens.access_expires_in);
    exchange.deliver(tokens);
    Ok(Json(answer))
}
