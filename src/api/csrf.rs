//! The form token, for pages that send JSON with cookies.

use rocket::serde::json::Json;
use rocket::{Route, State, get, routes};
use serde::Serialize;
use utoipa::ToSchema;

use crate::auth::Site;
use crate::auth::browser::Browser;
use crate::auth::guards::Anyone;

pub fn routes() -> Vec<Route> {
    routes![csrf_token]
}

#[derive(Serialize, ToSchema)]
struct FormToken {
    /// For `X-CSRF-Token`. It belongs to the browser's cookie and does not expire.
    csrf_token: String,
}

/// Get the form token
///
/// With cookies, unsafe methods need it in `X-CSRF-Token`. The answer sets the cookie that it belongs to, if the
/// browser has none yet.
#[utoipa::path(
    tag = "Log in",
    responses((status = 200, body = FormToken, description = "The form token")),
)]
#[get("/auth/csrf")]
fn csrf_token(_anyone: Anyone, site: &State<Site>, browser: Browser) -> Json<FormToken> {
    Json(FormToken { csrf_token: site.form_tokens.issue(&browser.0).to_string() })
}
