//! The account of who asks: shown, renamed, given another password.

use rocket::http::Status;
use rocket::serde::json::Json;
use rocket::{Route, State, get, patch, put, routes};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::body::Body;
use super::code::Code;
use super::problem::Problem;
use crate::accounts::User;
use crate::audit::Client;
use crate::auth::Site;
use crate::auth::forgery::Genuine;
use crate::auth::guards::{CurrentUser, LoggedIn};
use crate::id::UserId;

pub fn routes() -> Vec<Route> {
    routes![show_me, rename_me, change_my_password]
}

/// An account.
#[derive(Serialize, ToSchema)]
#[schema(as = Account)]
pub struct AccountDocument {
    /// Stays when everything else changes; the `sub` claim of its tokens.
    #[schema(example = "Vb3m0o0GkVnPjC0gSAyW2A")]
    id: String,
    /// As typed at registration.
    #[schema(example = "ann@example.org")]
    email: String,
    /// To show; not unique.
    #[schema(example = "Ann")]
    name: String,
    /// An administrator's.
    admin: bool,
    /// When it was made, in seconds since 1970-01-01T00:00:00Z.
    #[schema(example = 1795348800)]
    created_at: i64,
    /// When its password was set, likewise.
    #[schema(example = 1795348800)]
    password_changed_at: i64,
}

impl From<User> for AccountDocument {
    fn from(user: User) -> Self {
        Self {
            id: user.id.to_string(),
            email: user.email,
            name: user.name,
            admin: user.admin,
            created_at: user.created_at,
            password_changed_at: user.password_changed_at,
        }
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Profile {
    /// 1 to 100 characters.
    #[schema(example = "Ann Bright", min_length = 1, max_length = 100)]
    name: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PasswordChange {
    #[schema(example = "wide open windows in may", format = Password, min_length = 1)]
    current_password: String,
    /// By default at least 15 characters. Common and predictable ones are refused.
    #[schema(example = "every second door is green", format = Password, min_length = 8, max_length = 256)]
    new_password: String,
}

async fn account(site: &Site, id: &UserId) -> Result<Json<AccountDocument>, Problem> {
    let user = site.accounts.find(id).await?.ok_or(Code::InvalidToken)?;
    Ok(Json(user.into()))
}

/// Show my account
#[utoipa::path(
    tag = "My account",
    responses((status = 200, body = AccountDocument, description = "The account of who asks")),
    security(("user" = [])),
)]
#[get("/me")]
async fn show_me(user: CurrentUser, site: &State<Site>) -> Result<Json<AccountDocument>, Problem> {
    account(site, &user.id).await
}

/// Change my name
#[utoipa::path(
    tag = "My account",
    request_body = Profile,
    responses((status = 200, body = AccountDocument, description = "The account as it is now")),
    security(("user" = [])),
)]
#[patch("/me", data = "<body>")]
async fn rename_me(
    user: CurrentUser,
    _genuine: Genuine,
    site: &State<Site>,
    body: Body<Profile>,
) -> Result<Json<AccountDocument>, Problem> {
    site.accounts.change_name(&user.id, &body.0.name).await?;
    account(site, &user.id).await
}

/// Change my password
///
/// Ends the other sessions. Personal access tokens stay good.
#[utoipa::path(
    tag = "My account",
    request_body = PasswordChange,
    responses((status = 204, description = "The password is changed"), (status = 429)),
    security(("session" = [])),
)]
#[put("/me/password", data = "<body>")]
async fn change_my_password(
    visitor: LoggedIn,
    _genuine: Genuine,
    site: &State<Site>,
    client: Client,
    body: Body<PasswordChange>,
) -> Result<Status, Problem> {
    let LoggedIn { user, session, .. } = visitor;
    let Body(PasswordChange { current_password, new_password }) = body;
    site.accounts.change_password(&user.id, &current_password, &new_password, &session, &client).await?;
    Ok(Status::NoContent)
}
