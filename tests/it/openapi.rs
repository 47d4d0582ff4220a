//! The OpenAPI document says what the API is: no more, no less.

use std::collections::BTreeSet;

use rocket::http::Method;
use serde_json::{Value, json};

use crate::helpers::program::{document, resolve};
use crate::helpers::{Browser, EMAIL, NAME, PASSWORD, Program, TestApp};

/// Every operation: method, path as the document writes it, and what it says.
fn operations(document: &Value) -> Vec<(Method, &str, &Value)> {
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            operations.push((method.to_uppercase().parse().unwrap(), path.as_str(), operation));
        }
    }
    operations
}

/// Every value within the document.
fn all<'d>(value: &'d Value, found: &mut Vec<&'d Value>) {
    found.push(value);
    match value {
        Value::Array(items) => items.iter().for_each(|item| all(item, found)),
        Value::Object(fields) => fields.values().for_each(|item| all(item, found)),
        _ => {}
    }
}

fn requires(operation: &Value, scheme: &str) -> bool {
    operation["security"].as_array().unwrap().iter().any(|one| one.get(scheme).is_some())
}

/// Whether nobody needs to be logged in.
fn is_public(operation: &Value) -> bool {
    let security = operation["security"].as_array().unwrap();
    security.is_empty() || security.contains(&json!({}))
}

/// A body by the document's own examples.
fn example(document: &Value, operation: &Value) -> Value {
    let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
    if schema.is_null() {
        return Value::Null;
    }
    let properties = resolve(document, schema)["properties"].as_object().unwrap();
    let value = |schema: &Value| match &schema["example"] {
        Value::Null if schema["type"] == "boolean" => json!(false),
        Value::Null => schema["enum"].get(0).cloned().unwrap_or(json!("x")),
        example => example.clone(),
    };
    properties.iter().map(|(name, schema)| (name.clone(), value(schema))).collect()
}

#[rocket::async_test]
async fn the_document_lists_exactly_the_routes_of_the_api() {
    let app = TestApp::start().await;
    let routes = app.client().rocket().routes().filter(|route| route.uri.path().starts_with("/api"));
    // Preflights are the browser's affair, and the page is for people.
    let routes = routes.filter(|route| route.method != Method::Options && route.uri.path() != "/api/docs");
    let mounted: BTreeSet<_> = routes
        .map(|route| format!("{} {}", route.method, route.uri.path().replace('<', "{").replace('>', "}")))
        .collect();
    let document = document(&app).await;
    let documented: BTreeSet<_> =
        operations(&document).iter().map(|(method, path, _)| format!("{method} {path}")).collect();
    assert_eq!(documented, mounted);
}

#[rocket::async_test]
async fn the_document_is_openapi_3_1_and_about_this_site() {
    let app = TestApp::with(&[("public_url", "https://example.org")]).await;
    let page = app.program().get("/api/openapi.json").await;
    assert_eq!((page.status, page.header("content-type")), (200, Some("application/json")));
    let document = page.json();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    assert_eq!(document["servers"], json!([{"url": "https://example.org"}]));
    assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
    let schemes = &document["components"]["securitySchemes"];
    assert_eq!(schemes["cookie"]["name"], "__Host-access_token");
    assert_eq!(schemes["refresh_cookie"]["name"], "__Host-refresh_token");
    assert_eq!(
        (&schemes["form_token"]["in"], &schemes["form_token"]["name"]),
        (&json!("header"), &json!("X-CSRF-Token"))
    );
    for scheme in ["bearer", "refresh_token"] {
        assert_eq!((&schemes[scheme]["type"], &schemes[scheme]["scheme"]), (&json!("http"), &json!("bearer")));
    }
}

#[rocket::async_test]
async fn every_reference_leads_somewhere_and_every_schema_is_used() {
    let app = TestApp::start().await;
    let document = document(&app).await;
    let mut found = Vec::new();
    all(&document, &mut found);
    let references: BTreeSet<_> = found.iter().filter_map(|value| value["$ref"].as_str()).collect();
    assert!(references.len() >= 10, "{references:?}");
    for reference in &references {
        assert!(!resolve(&document, &json!({"$ref": reference})).is_null());
    }
    for name in document["components"]["schemas"].as_object().unwrap().keys() {
        assert!(references.contains(format!("#/components/schemas/{name}").as_str()), "{name} is never used");
    }
    // Nothing can be a text and an object at once.
    for parts in found.iter().filter_map(|value| value["allOf"].as_array()) {
        assert!(parts.iter().all(|part| resolve(&document, part)["type"] == "object"), "{parts:?}");
    }
}

#[rocket::async_test]
async fn every_operation_has_a_name_words_and_every_status() {
    let app = TestApp::start().await;
    let document = document(&app).await;
    let mut names = BTreeSet::new();
    for (method, path, operation) in operations(&document) {
        let what = format!("{method} {path}");
        assert!(names.insert(operation["operationId"].as_str().unwrap()), "{what}: not the only one of its name");
        for (text, least) in [("summary", 5), ("operationId", 4)] {
            assert!(operation[text].as_str().is_some_and(|text| text.len() >= least), "{what}: {text}");
        }
        assert!(operation["tags"].as_array().is_some_and(|tags| tags.len() == 1), "{what}");
        let mut successes = 0;
        for (status, response) in operation["responses"].as_object().unwrap() {
            let what = format!("{what}: {status}");
            assert!(!response["description"].as_str().unwrap().is_empty(), "{what}");
            let content = &response["content"];
            if status.as_str() < "400" {
                successes += 1;
                assert_eq!(content.is_object(), status != "204", "{what}");
                continue;
            }
            let reference = &content["application/problem+json"]["schema"]["$ref"];
            assert_eq!(content.as_object().unwrap().len(), 1, "{what}");
            assert_eq!(reference, "#/components/schemas/Problem", "{what}");
            assert_eq!(response["headers"]["WWW-Authenticate"].is_object(), status == "401", "{what}");
            assert_eq!(
                response["headers"]["Retry-After"].is_object(),
                ["429", "503"].contains(&status.as_str()),
                "{what}"
            );
        }
        assert_eq!(successes, 1, "{what}");
        let has = |status: &str| operation["responses"][status].is_object();
        assert!(["400", "403", "500", "503"].into_iter().all(has), "{what}");
        let body = operation["requestBody"].is_object();
        assert!(["408", "413", "415", "422"].into_iter().all(|status| has(status) == body), "{what}");
        let placeholders = path.matches('{').count();
        let parameters = operation["parameters"].as_array().map_or(0, Vec::len);
        assert_eq!(placeholders, parameters, "{what}");
    }
}

/// With nothing that says who asks; with a form token, so that it is not that which is missing.
async fn without_credentials(browser: &mut Browser<'_>, method: Method, path: &str, body: Value) -> u16 {
    let mut browser = browser.clone();
    browser.call(method, path, body).await.status
}

#[rocket::async_test]
async fn who_may_call_is_as_the_handlers_guards_have_it() {
    let app = TestApp::start().await;
    app.site().accounts.add(EMAIL, NAME, PASSWORD, false).await.unwrap();
    let document = document(&app).await;
    let program = app.program();
    let mut browser = app.browser();
    browser.form_token().await;
    for (method, path, operation) in operations(&document) {
        let what = format!("{method} {path}");
        let body = example(&document, operation);
        let path = path.replace("{id}", "x");
        let public = is_public(operation);
        let status = without_credentials(&mut browser, method, &path, body.clone()).await;
        // Those that are for tokens say so themselves; so does who has no account.
        let tells = ["/api/auth/refresh", "/api/auth/login"].contains(&path.as_str());
        assert_eq!(status == 401, !public || tells, "{what} without credentials: {status}");
        let tokens = program.log_in().await;
        let client: Program<'_> = program.with(&tokens["access_token"]);
        assert_eq!(requires(operation, "bearer"), !public || path == "/api/auth/logout", "{what}");
        if !public {
            assert_ne!(client.call(method, &path, body.clone()).await.status, 401, "{what} with a token");
            let mut logged_in = app.browser();
            logged_in.log_in(EMAIL, PASSWORD).await;
            let bare = logged_in.call_and_lose(method, &path, body.clone(), &[]).await;
            assert_eq!(bare.status == 403, requires(operation, "form_token"), "{what} with cookies alone: {bare:?}");
            assert_ne!(logged_in.call(method, &path, body).await.status, 401, "{what} with cookies");
        }
    }
}

#[rocket::async_test]
async fn bodies_are_described_as_they_are_read() {
    let app = TestApp::start().await;
    app.site().accounts.add(EMAIL, NAME, PASSWORD, false).await.unwrap();
    let document = document(&app).await;
    let mut bodies = 0;
    for (method, path, operation) in operations(&document) {
        let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
        if schema.is_null() {
            continue;
        }
        bodies += 1;
        let what = format!("{method} {path}");
        assert_eq!(operation["requestBody"]["content"].as_object().unwrap().len(), 1, "{what}");
        let schema = resolve(&document, schema);
        assert_eq!((&schema["type"], &schema["additionalProperties"]), (&json!("object"), &json!(false)), "{what}");
        let tokens = app.program().log_in().await;
        let client = app.program().with(&tokens["access_token"]);
        let required: BTreeSet<_> = schema["required"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        let missing = client.call(method, path, json!({})).await.faults();
        let named: BTreeSet<_> = missing.iter().map(|(field, _)| field.as_str()).collect();
        assert_eq!(named, required, "{what}");
        // What the document gives as an example is read.
        let page = client.call(method, path, example(&document, operation)).await;
        assert!(![400, 413, 415].contains(&page.status), "{what}: {page:?}");
        for code in ["missing", "unknown", "wrong_type", "not_allowed", "duplicate"] {
            assert!(!page.has(&format!("\"{code}\"")), "{what}: {page:?}");
        }
        let optional = operation["requestBody"]["required"] != true;
        let without = client.send(method, path, None, &[("Content-Type", "application/json")]).await;
        assert_eq!(without.status != 400, optional, "{what}: {without:?}");
    }
    assert!(bodies >= 8, "{bodies}");
}

#[rocket::async_test]
async fn what_a_personal_access_token_may_never_do_is_said() {
    let app = TestApp::start().await;
    app.site().accounts.add(EMAIL, NAME, PASSWORD, false).await.unwrap();
    let document = document(&app).await;
    let owner = app.program().log_in().await;
    let owner = app.program().with(&owner["access_token"]);
    let mut refused = 0;
    for (method, path, operation) in operations(&document) {
        // Its last, for log-out revokes it.
        let draft = json!({"name": "x", "scopes": ["read", "write"], "expires_in_days": 1, "password": PASSWORD});
        let token = owner.post("/api/me/tokens", draft).await.json()["token"].clone();
        let body = example(&document, operation);
        let page = app.program().with(&token).call(method, &path.replace("{id}", "x"), body).await;
        let said = operation["x-session-required"] == true;
        assert_eq!(page.has("\"session_required\""), said, "{method} {path}: {page:?}");
        let words = operation["description"].as_str().unwrap_or_default();
        assert_eq!(words.contains("A personal access token may not do this."), said, "{method} {path}");
        refused += usize::from(said);
    }
    assert_eq!(refused, 6);
}
