//! The OpenAPI document, derived from the handlers and the types that they read and answer.

use std::collections::BTreeSet;

use rocket::http::ContentType;
use rocket::{Route, State, get, routes};
use serde_json::Value;
use utoipa::OpenApi;
use utoipa::openapi::extensions::Extensions;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::schema::{Object, Schema, Type};
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{Content, Ref, RefOr, Response, Server};

use super::code::Code;
use super::problem::ProblemDocument;
use super::{confirm, csrf, events, login, logout, me, personal_tokens, refresh, sessions, setup, users};
use crate::auth::cookies::Name;
use crate::auth::guards::Anyone;
use crate::auth::{API, Site, forgery};

pub fn routes() -> Vec<Route> {
    routes![openapi]
}

/// The requirement by which handlers say that they are for users; each of its forms is filled in here.
const USER: &str = "user";

/// The same, where a personal access token does not do.
const SESSION: &str = "session";

/// Says so in the document.
pub const SESSION_REQUIRED: &str = "x-session-required";

#[derive(OpenApi)]
#[openapi(
    info(title = "hallpass", description = "Log-in, sessions and accounts."),
    paths(
        users::register,
        setup::set_up,
        login::log_in,
        refresh::refresh,
        confirm::confirm,
        csrf::csrf_token,
        me::show_me,
        me::rename_me,
        me::change_my_password,
        events::list_events,
        personal_tokens::list_tokens,
        personal_tokens::make_token,
        personal_tokens::revoke_token,
        sessions::list_sessions,
        sessions::end_session,
        sessions::end_other_sessions,
        logout::log_out,
        openapi,
    ),
    components(schemas(ProblemDocument))
)]
struct Api;

/// The OpenAPI document
///
/// This document.
#[utoipa::path(
    tag = "About",
    responses((status = 200, body = Object, content_type = "application/json", description = "OpenAPI 3.1")),
)]
#[get("/openapi.json")]
fn openapi(_anyone: Anyone, document: &State<Document>) -> (ContentType, String) {
    (ContentType::JSON, document.0.to_string())
}

/// The document of this site; the same for everybody, and made once.
pub struct Document(pub Value);

impl Document {
    /// From the handlers and the settings.
    pub fn new(site: &Site) -> Self {
        Self(serde_json::to_value(document(site)).expect("an OpenAPI document is JSON"))
    }
}

fn document(site: &Site) -> utoipa::openapi::OpenApi {
    let mut api = Api::openapi();
    api.servers = Some(vec![Server::new(site.config.public_url.origin())]);
    let paths = std::mem::take(&mut api.paths.paths);
    for (path, mut item) in paths {
        let PathItem { get, put, post, patch, delete, .. } = &mut item;
        for (safe, operation) in [(true, get), (false, put), (false, post), (false, patch), (false, delete)] {
            if let Some(operation) = operation {
                complete(operation, safe);
            }
        }
        api.paths.paths.insert(format!("{API}{path}"), item);
    }
    let components = api.components.get_or_insert_default();
    let bearer = |description: &str| {
        let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT");
        SecurityScheme::Http(scheme.description(Some(description)).build())
    };
    let cookie = |name| SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::new(site.cookies.name(name))));
    for (name, scheme) in [
        ("bearer", bearer("An access token, or a personal access token.")),
        ("refresh_token", bearer("A refresh token.")),
        ("cookie", cookie(Name::Access)),
        ("refresh_cookie", cookie(Name::Refresh)),
        (
            "form_token",
            SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::with_description(
                forgery::HEADER,
                "The form token of `GET /api/auth/csrf`: with cookies, unsafe methods need it.",
            ))),
        ),
    ] {
        components.add_security_scheme(name, scheme);
    }
    api
}

/// Adds what follows from how handlers are guarded and bodies are read: who may call, and every status that is an
/// error.
fn complete(operation: &mut Operation, safe: bool) {
    let mut statuses = BTreeSet::from([400, 403, 500, 503]);
    if operation.request_body.is_some() {
        statuses.extend([408, 413, 415, 422]);
    }
    if let Some(RefOr::T(body)) = &mut operation.request_body {
        body.content.values_mut().for_each(without_null);
    }
    let security = operation.security.take().unwrap_or_default();
    let asks = |requirement: &str| security.contains(&SecurityRequirement::new(requirement, [""; 0]));
    if asks(SESSION) {
        operation.extensions = Some(Extensions::builder().add(SESSION_REQUIRED, true).build());
        let description = operation.description.get_or_insert_default();
        description.push_str("\n\nA personal access token may not do this.");
    }
    operation.security = Some(match asks(USER) || asks(SESSION) {
        true => {
            statuses.insert(401);
            let by_bearer = SecurityRequirement::new("bearer", [if safe { "read" } else { "write" }]);
            let by_cookie = SecurityRequirement::new("cookie", [""; 0]);
            vec![by_bearer, if safe { by_cookie } else { by_cookie.add("form_token", [""; 0]) }]
        }
        false => security,
    });
    let responses = &mut operation.responses.responses;
    statuses.extend(responses.keys().filter_map(|status| status.parse::<u16>().ok()).filter(|status| *status >= 400));
    for status in statuses {
        responses.insert(status.to_string(), RefOr::T(error(status)));
    }
}

/// A body that need not be there is left out, not null.
fn without_null(content: &mut RefOr<Content>) {
    if let RefOr::T(Content { schema: Some(schema), .. }) = content
        && let RefOr::T(Schema::OneOf(either)) = schema
        && let Some(reference) = either.items.iter().find(|item| matches!(item, RefOr::Ref(_)))
    {
        *schema = reference.clone();
    }
}

fn error(status: u16) -> Response {
    let codes = Code::ALL.iter().filter(|code| code.status().code == status);
    let description: Vec<_> = codes.map(|code| format!("`{}`: {}", code.as_str(), code.meaning())).collect();
    let mut response = Response::new(description.join("\n\n"));
    response
        .content
        .insert("application/problem+json".to_owned(), RefOr::T(Content::new(Some(Ref::from_schema_name("Problem")))));
    for (statuses, name, r#type, description) in [
        (&[401][..], "WWW-Authenticate", Type::String, "RFC 6750 section 3."),
        (&[429, 503], "Retry-After", Type::Integer, "In seconds."),
    ] {
        if statuses.contains(&status) {
            let header =
                HeaderBuilder::new().schema(Some(Object::with_type(r#type))).description(Some(description)).build();
            response.headers.insert(name.to_owned(), RefOr::T(header));
        }
    }
    response
}
