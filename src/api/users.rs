//! Register.

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
    routes![register]
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Registration {
    /// 1 to 100 characters.
    #[schema(example = "Ann", min_length = 1, max_length = 100)]
    name: String,
    #[schema(example = "ann@example.org", max_length = 254)]
    email: String,
    /// By default at least 15 characters. Common and predictable ones are refused.
    #[schema(example = "wide open windows in may", format = Password, min_length = 8, max_length = 256)]
    password: String,
}

/// Register
///
/// Makes an account, if the setting `registration` lets anybody. It does not log in.
#[utoipa::path(
    tag = "Register",
    request_body = Registration,
    responses((status = 201, body = AccountDocument, description = "The account is made"), (status = 403), (status = 429)),
)]
#[post("/users", data = "<body>")]
async fn register(
    _anyone: Anyone,
    site: &State<Site>,
    client: Client,
    body: Body<Registration>,
) -> Result<Created<Json<AccountDocument>>, Problem> {
    let Body(Registration { name, email, password }) = body;
    let user = site.accounts.register(&name, &email, &password, &client).await?;
    Ok(Created::new("/api/me").body(Json(user.into())))
}
