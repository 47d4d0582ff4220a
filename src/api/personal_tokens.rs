//! Personal access tokens: for programs that cannot log in.

use rocket::http::Status;
use rocket::response::status::Created;
use rocket::serde::json::Json;
use rocket::{Route, State, delete, get, post, routes};
use serde::{Deserialize, Serialize};
use utoipa::openapi::schema::{Schema, Type};
use utoipa::openapi::{ObjectBuilder, RefOr};
use utoipa::{PartialSchema, ToSchema};

use super::body::Body;
use super::code::Code;
use super::problem::Problem;
use crate::audit::Client;
use crate::auth::Site;
use crate::auth::forgery::Genuine;
use crate::auth::guards::{CurrentUser, LoggedIn, RecentlyAuthenticated};
use crate::id::PersonalTokenId;
use crate::personal_tokens::{DAYS_MAX, Draft, PersonalToken, Scope};

pub fn routes() -> Vec<Route> {
    routes![list_tokens, make_token, revoke_token]
}

/// `read`, `write` or `admin`.
#[derive(Deserialize, Serialize)]
#[serde(transparent)]
struct ScopeName(String);

impl PartialSchema for ScopeName {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new().schema_type(Type::String).enum_values(Some(Scope::NAMES.iter().copied())).into()
    }
}

impl ToSchema for ScopeName {}

/// The attribute below takes a literal only.
const _: () = assert!(DAYS_MAX == 365);

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct TokenDraft {
    /// What the token is for. 1 to 100 characters.
    #[schema(example = "nightly backup", min_length = 1, max_length = 100)]
    name: String,
    /// What it may be used for: `read` for safe methods, `write` for the others, `admin` for what takes an
    /// administrator. None includes another.
    #[schema(inline, min_items = 1, example = json!(["read"]))]
    scopes: Vec<ScopeName>,
    /// In how many days it ends. 1 to 365.
    #[schema(minimum = 1, maximum = 365, example = 30)]
    expires_in_days: i64,
    /// The account's: a token outlives the session that made it.
    #[schema(example = "every second door is green", format = Password, min_length = 1)]
    password: String,
}

/// A personal access token; its text is known to nobody but who carries it. Times are in seconds since
/// 1970-01-01T00:00:00Z.
#[derive(Serialize, ToSchema)]
#[schema(as = PersonalToken)]
struct TokenDocument {
    /// Names it; gives no access.
    #[schema(example = "u0vPH3b9lq7m1xZ8tWcDkA")]
    id: String,
    /// What it is for.
    #[schema(example = "nightly backup")]
    name: String,
    /// What it may be used for.
    #[schema(inline)]
    scopes: Vec<ScopeName>,
    /// When it was made.
    created_at: i64,
    /// When it ends.
    expires_at: i64,
    /// When it was last used, to the minute.
    last_used_at: Option<i64>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = NewPersonalToken)]
struct NewTokenDocument {
    /// For `Authorization: Bearer`. It is shown this once and stored nowhere.
    #[schema(example = "hpt_…")]
    token: String,
    #[serde(flatten)]
    of: TokenDocument,
}

/// The live tokens of an account, newest first.
#[derive(Serialize, ToSchema)]
struct PersonalTokens {
    tokens: Vec<TokenDocument>,
}

impl From<PersonalToken> for TokenDocument {
    fn from(token: PersonalToken) -> Self {
        Self {
            id: token.id.to_string(),
            name: token.name,
            scopes: token.scopes.iter().map(|scope| ScopeName(scope.as_str().to_owned())).collect(),
            created_at: token.created_at,
            expires_at: token.expires_at,
            last_used_at: token.last_used_at,
        }
    }
}

/// List my personal access tokens
#[utoipa::path(
    tag = "My personal access tokens",
    responses((status = 200, body = PersonalTokens, description = "The live ones")),
    security(("user" = [])),
)]
#[get("/me/tokens")]
async fn list_tokens(user: CurrentUser, site: &State<Site>) -> Result<Json<PersonalTokens>, Problem> {
    let tokens = site.personal_tokens.list(&user.id).await?;
    Ok(Json(PersonalTokens { tokens: tokens.into_iter().map(Into::into).collect() }))
}

/// Make a personal access token
///
/// For a program that cannot log in.
#[utoipa::path(
    tag = "My personal access tokens",
    request_body = TokenDraft,
    responses((status = 201, body = NewTokenDocument, description = "The token, this once"), (status = 429)),
    security(("session" = [])),
)]
#[post("/me/tokens", data = "<body>")]
async fn make_token(
    visitor: LoggedIn,
    _genuine: Genuine,
    site: &State<Site>,
    client: Client,
    body: Body<TokenDraft>,
) -> Result<Created<Json<NewTokenDocument>>, Problem> {
    let Body(TokenDraft { name, scopes, expires_in_days, password }) = body;
    let scopes: Vec<_> = scopes.iter().map(|ScopeName(scope)| scope.as_str()).collect();
    let draft = Draft::check(&name, &scopes, expires_in_days, visitor.user.admin)?;
    let owner = site.accounts.reauthenticate(&visitor.user.id, &password, &client).await?;
    let (of, token) = site.personal_tokens.create(&owner.id, owner.password_changed_at, draft, &client).await?;
    let location = format!("/api/me/tokens/{}", of.id);
    Ok(Created::new(location).body(Json(NewTokenDocument { token, of: of.into() })))
}

/// Revoke one of my personal access tokens
///
/// It gives no access from the next request on. Needs the password to have been given in the last 5 minutes; who holds
/// the token itself can revoke it with `POST /api/auth/logout`.
#[utoipa::path(
    tag = "My personal access tokens",
    params(("id" = String, Path, description = "The token's id")),
    responses((status = 204, description = "The token is revoked"), (status = 404)),
    security(("session" = [])),
)]
#[delete("/me/tokens/<id>")]
async fn revoke_token(
    recent: RecentlyAuthenticated,
    _genuine: Genuine,
    id: &str,
    site: &State<Site>,
    client: Client,
) -> Result<Status, Problem> {
    let id = PersonalTokenId::from_text(id);
    match site.personal_tokens.revoke(&recent.user.id, &id, &client).await? {
        true => Ok(Status::NoContent),
        false => Err(Code::NotFound.into()),
    }
}
