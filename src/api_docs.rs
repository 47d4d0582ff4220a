//! `/api/docs`: the OpenAPI document as a page, without scripts, with a line for the shell for each operation.

use std::fmt::Write;

use askama::Template;
use rocket::fairing::AdHoc;
use rocket::{State, get, routes};
use serde_json::Value;

use crate::api::code::Code;
use crate::api::openapi::{self, Document};
use crate::auth::guards::MaybeUser;
use crate::auth::{API, Site};
use crate::fault::CODES;
use crate::pages::page::{FormlessFrame, Frame, Page};

#[derive(Template)]
#[template(path = "api_docs.html")]
pub struct ApiDocsPage {
    pub frame: Frame,
    pub site: String,
    pub groups: Vec<Group>,
    pub codes: &'static [Code],
    pub fault_codes: &'static [(&'static str, &'static str)],
}

/// Operations that belong together.
pub struct Group {
    pub title: String,
    pub operations: Vec<OperationView>,
}

pub struct OperationView {
    pub id: String,
    pub method: String,
    pub path: String,
    pub summary: String,
    pub description: String,
    pub caller: &'static str,
    pub fields: Vec<FieldView>,
    /// To paste into a shell.
    pub lines: String,
    /// The status and what it means.
    pub success: (String, String),
    /// What the answer holds then.
    pub answer: Vec<FieldView>,
    /// Statuses of errors.
    pub errors: Vec<String>,
}

pub struct FieldView {
    pub name: String,
    pub kind: String,
    pub about: String,
}

/// Mounts the page.
pub fn stage() -> AdHoc {
    AdHoc::on_ignite("hallpass: API docs", |rocket| async { rocket.mount(API, routes![show]) })
}

#[get("/docs")]
fn show(
    _visitor: MaybeUser,
    site: &State<Site>,
    document: &State<Document>,
    frame: FormlessFrame,
) -> Page<ApiDocsPage> {
    Page::ok(ApiDocsPage {
        frame: frame.0,
        site: site.config.public_url.origin().to_owned(),
        groups: groups(&document.0),
        codes: Code::ALL,
        fault_codes: CODES,
    })
}

/// In the order of the document.
fn groups(document: &Value) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    let paths = document["paths"].as_object().into_iter().flatten();
    for (path, item) in paths {
        for (method, operation) in item.as_object().into_iter().flatten() {
            let title = text(&operation["tags"][0]);
            let view = OperationView::new(document, path, method, operation);
            match groups.iter_mut().find(|group| group.title == title) {
                Some(group) => group.operations.push(view),
                None => groups.push(Group { title, operations: vec![view] }),
            }
        }
    }
    groups
}

impl OperationView {
    fn new(document: &Value, path: &str, method: &str, operation: &Value) -> Self {
        let id = text(&operation["operationId"]);
        let body = resolved(document, &operation["requestBody"]["content"]["application/json"]["schema"]);
        let security = operation["security"].as_array().into_iter().flatten();
        let demands = security.map(|one| one.as_object().is_some_and(|one| !one.is_empty())).collect::<Vec<_>>();
        let is_users = !demands.is_empty() && demands.iter().all(|demands| *demands);
        let (mut success, mut answer, mut errors) = ((String::new(), String::new()), Vec::new(), Vec::new());
        for (status, response) in operation["responses"].as_object().into_iter().flatten() {
            match status.starts_with('2') {
                true => {
                    success = (status.clone(), text(&response["description"]));
                    let schema = &response["content"]["application/json"]["schema"];
                    answer = fields(document, &resolved(document, schema), "", "may be missing");
                }
                false => errors.push(status.clone()),
            }
        }
        Self {
            lines: lines(&id, method, path, &body, is_users),
            caller: match (is_users, operation[openapi::SESSION_REQUIRED].is_boolean()) {
                (true, true) => "Who is logged in; not with a personal access token.",
                (true, false) => "Who is logged in, or has a personal access token.",
                (false, _) => "Anybody.",
            },
            fields: fields(document, &body, "", "may be left out"),
            answer,
            method: method.to_uppercase(),
            path: path.to_owned(),
            summary: text(&operation["summary"]),
            description: text(&operation["description"]),
            id,
            success,
            errors,
        }
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// The schema behind a reference, or behind "this or null".
fn resolved(document: &Value, schema: &Value) -> Value {
    if let Some(any) = schema["oneOf"].as_array().and_then(|any| any.first()) {
        return resolved(document, any);
    }
    match schema["$ref"].as_str().and_then(|reference| reference.strip_prefix('#')) {
        Some(pointer) => document.pointer(pointer).cloned().unwrap_or_default(),
        None => schema.clone(),
    }
}

/// The fields of an object; those of the objects in a list with the list's name before theirs.
fn fields(document: &Value, object: &Value, prefix: &str, optional: &str) -> Vec<FieldView> {
    let parts = object["allOf"].as_array().into_iter().flatten();
    let mut views: Vec<_> =
        parts.flat_map(|part| fields(document, &resolved(document, part), prefix, optional)).collect();
    let required: Vec<_> = object["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    for (name, schema) in object["properties"].as_object().into_iter().flatten() {
        let schema = resolved(document, schema);
        let items = resolved(document, &schema["items"]);
        if items["properties"].is_object() {
            views.extend(fields(document, &items, &format!("{prefix}{name}[]."), optional));
            continue;
        }
        let mut kind = match &schema["type"] {
            Value::Array(types) => types.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" or "),
            of => text(of),
        };
        let options = if schema["enum"].is_array() { &schema["enum"] } else { &items["enum"] };
        if let Some(options) = options.as_array() {
            let names: Vec<_> = options.iter().filter_map(Value::as_str).collect();
            let _ = write!(kind, " of {}", names.join(", "));
        }
        if !required.contains(&name.as_str()) {
            let _ = write!(kind, ", {optional}");
        }
        views.push(FieldView { name: format!("{prefix}{name}"), kind, about: text(&schema["description"]) });
    }
    views
}

/// Lines that work when they are pasted in the order of the page. They keep what later ones need in variables.
fn lines(id: &str, method: &str, path: &str, body: &Value, is_users: bool) -> String {
    let path = match id {
        "end_session" => path.replace("{id}", "$SESSION_ID"),
        "revoke_token" => path.replace("{id}", "$TOKEN_ID"),
        _ => path.to_owned(),
    };
    let mut curl = vec![format!("curl \"$SITE{path}\"")];
    if method != "get" {
        curl[0].push_str(&format!(" -X {}", method.to_uppercase()));
    }
    if is_users {
        curl.push("-H \"Authorization: Bearer $ACCESS_TOKEN\"".to_owned());
    }
    let properties = body["properties"].as_object().into_iter().flatten();
    let examples = properties.filter(|(_, schema)| !schema["example"].is_null());
    let examples: serde_json::Map<_, _> =
        examples.map(|(name, schema)| (name.clone(), schema["example"].clone())).collect();
    if !examples.is_empty() {
        // A variable in the JSON stands outside the single quotes.
        let example = Value::Object(examples).to_string();
        let example = example.replace("\"$", "\"'\"$").replace("_TOKEN\"", "_TOKEN\"'\"");
        curl.push("-H 'Content-Type: application/json'".to_owned());
        curl.push(format!("-d '{example}'"));
    }
    let curl = curl.join(" \\\n  ");
    let kept = |name: &str, fields: &[(&str, &str)]| {
        let mut lines = format!("{name}=$({curl}); echo \"${name}\"");
        for (variable, field) in fields {
            let _ = write!(lines, "\n{variable}=$(field {field} \"${name}\")");
        }
        lines
    };
    match id {
        "log_in" | "refresh" => kept("TOKENS", &[("ACCESS_TOKEN", "access_token"), ("REFRESH_TOKEN", "refresh_token")]),
        "confirm" => kept("CONFIRMED", &[("ACCESS_TOKEN", "access_token")]),
        "list_sessions" => kept("SESSIONS", &[("SESSION_ID", "id")]),
        "make_token" => kept("MADE", &[("TOKEN_ID", "id")]),
        _ => curl,
    }
}
