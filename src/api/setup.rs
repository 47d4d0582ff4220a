//! The first account, an administrator's, by the one-time link that the server prints while there is none.

use rocket::response::status::Created;
use rocket::serde::json::Json;
use rocket::{Route, State, post, routes};
use serde::Deserialize;
use utoipa::ToSchema;

use super::body::Body;
use super::me::AccountDocument;
use super::problem::Problem;
use crate::audit::Client;
use crate::auth::Site;
use crate::auth::guards::Anyone;

pub fn routes() -> Vec<Route> {
    routes![set_up]
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Setup {
    /// What stands behind `token=` in the set-up link.
    #[schema(example = "$SETUP_TOKEN")]
    token: String,
    /// 1 to 100 characters.
    #[schema(example = "Ada", min_length = 1, max_length = 100)]
    name: String,
    #[schema(example = "ada@example.org", max_length = 254)]
    email: String,
    /// By default at least 15 characters. Common and predictable ones are refused.
    #[schema(example = "seven slow boats upriver", format = Password, min_length = 8, max_length = 256)]
    password: String,
}

/// Make the first administrator
///
/// With the token of the set-up link that the server prints when it starts without any account. It works once,
/// within 24 hours.
#[utoipa::path(
    tag = "Register",
    request_body = Setup,
    responses((status = 201, body = AccountDocument, description = "The administrator's account is made"), (status = 404)),
)]
#[post("/setup", data = "<body>")]
async fn set_up(
    _anyone: Anyone,
    site: &State<Site>,
    client: Client,
    body: Body<Setup>,
) -> Result<Created<Json<AccountDocument>>, Problem> {
    let Body(Setup { token, name, email, password }) = body;
    let user = site.accounts.register_first(&name, &email, &password, &token, &client).await?;
    Ok(Created::new("/api/me").body(Json(user.into())))
}
