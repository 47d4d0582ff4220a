//! JSON to the API, by programs and by pages. Every answer is held to the OpenAPI document.

use std::net::SocketAddr;

use rocket::http::{Header, Method};
use rocket::tokio::sync::OnceCell;
use serde_json::{Value, json};

use super::{Browser, Page, TestApp};

/// A client without a cookie jar.
#[derive(Clone)]
pub struct Program<'a> {
    app: &'a TestApp,
    /// Sent as `Authorization: Bearer`.
    pub bearer: Option<String>,
    pub address: SocketAddr,
}

impl<'a> Program<'a> {
    pub fn new(app: &'a TestApp) -> Self {
        Self { app, bearer: None, address: SocketAddr::from(([192, 0, 2, 2], 40_000)) }
    }

    /// The same program with this token.
    pub fn with(&self, token: &Value) -> Self {
        let token = token.as_str().unwrap_or_else(|| panic!("{token} is no token"));
        Self { bearer: Some(token.to_owned()), ..self.clone() }
    }

    pub fn at(mut self, address: [u8; 4]) -> Self {
        self.address = SocketAddr::from((address, 40_000));
        self
    }

    /// One request; a body is announced as JSON unless `extra` says something else.
    pub async fn send(&self, method: Method, path: &str, body: Option<&[u8]>, extra: &[(&str, &str)]) -> Page {
        let mut request = self.app.client().req(method, path.to_owned()).remote(self.address);
        request.add_header(Header::new("User-Agent", "program/1.0"));
        if let Some(token) = &self.bearer {
            request.add_header(Header::new("Authorization", format!("Bearer {token}")));
        }
        if let Some(body) = body {
            request.add_header(Header::new("Content-Type", "application/json"));
            request.set_body(body);
        }
        for (name, value) in extra {
            request.replace_header(Header::new((*name).to_owned(), (*value).to_owned()));
        }
        let page = Page::from_local(path, request.dispatch().await).await;
        is_as_documented(self.app, method, &page).await;
        page
    }

    /// A request with this value; null for none.
    pub async fn call(&self, method: Method, path: &str, body: Value) -> Page {
        let body = (!body.is_null()).then(|| body.to_string());
        self.send(method, path, body.as_deref().map(str::as_bytes), &[]).await
    }

    pub async fn get(&self, path: &str) -> Page {
        self.send(Method::Get, path, None, &[]).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Page {
        self.call(Method::Post, path, body).await
    }

    /// The answer's tokens.
    pub async fn log_in(&self) -> Value {
        let body = json!({"email": super::EMAIL, "password": super::PASSWORD});
        let page = self.post("/api/auth/login", body).await;
        assert_eq!(page.status, 200, "{}", page.body);
        page.json()
    }

    pub async fn refresh(&self, refresh_token: &Value) -> Page {
        self.post("/api/auth/refresh", json!({"refresh_token": refresh_token})).await
    }

    /// Whether an access token gives access.
    pub async fn may(&self, access_token: &Value) -> bool {
        match self.with(access_token).get("/api/me").await {
            page if page.status == 200 => true,
            page if page.status == 401 => false,
            page => panic!("{page:?}"),
        }
    }
}

impl Browser<'_> {
    /// One request by a script of a page, with the cookies and these headers; the answer's cookies are kept.
    pub async fn call_with(&mut self, method: Method, path: &str, body: Value, extra: &[(&str, &str)]) -> Page {
        let page = self.call_and_lose(method, path, body, extra).await;
        self.keep(&page);
        page
    }

    /// The same, but the answer never arrives.
    pub async fn call_and_lose(&self, method: Method, path: &str, body: Value, extra: &[(&str, &str)]) -> Page {
        let headers: Vec<_> = [("Content-Type", "application/json")].iter().chain(extra).copied().collect();
        let body = (!body.is_null()).then(|| body.to_string());
        let page = match &body {
            Some(body) => self.send_and_lose(method, path, Some(body.as_bytes()), &headers).await,
            None => self.send_and_lose(method, path, None, extra).await,
        };
        is_as_documented(self.app(), method, &page).await;
        page
    }

    /// With the form token, as a page of this site sends it.
    pub async fn call(&mut self, method: Method, path: &str, body: Value) -> Page {
        let token = self.form_token().await;
        self.call_with(method, path, body, &[("X-CSRF-Token", &token)]).await
    }

    /// Fetched by the first call, and kept, as a page does.
    pub async fn form_token(&mut self) -> String {
        if self.form_token.is_none() {
            let page = self.call_with(Method::Get, "/api/auth/csrf", Value::Null, &[]).await;
            self.form_token = page.json()["csrf_token"].as_str().map(str::to_owned);
        }
        self.form_token.clone().expect("a form token")
    }
}

impl Page {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// An error with this status and code, as RFC 9457 writes it.
    #[track_caller]
    pub fn is_problem(&self, status: u16, code: &str) -> Value {
        assert_eq!(self.status, status, "{code} was expected: {self:?}");
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        assert_eq!(self.location(), None, "{self:?}");
        let problem = self.json();
        assert_eq!(problem["code"], code, "{problem}");
        assert_eq!(problem["status"], status, "{problem}");
        assert_eq!(problem["type"], format!("http://localhost:8000/api/docs#{code}"));
        for text in ["title", "detail"] {
            assert!(problem[text].as_str().is_some_and(|text| text.len() > 10), "{problem}");
        }
        assert_eq!(problem.get("errors").is_some(), code == "invalid_input", "{problem}");
        problem
    }

    /// The fields that need another value, each with its code, in the order of their names.
    #[track_caller]
    pub fn faults(&self) -> Vec<(String, String)> {
        let problem = self.is_problem(422, "invalid_input");
        let text = |fault: &Value, name: &str| fault[name].as_str().expect("a text").to_owned();
        let errors = problem["errors"].as_array().expect("a list");
        assert!(errors.iter().all(|fault| text(fault, "detail").len() > 10), "{problem}");
        let mut faults: Vec<_> = errors.iter().map(|fault| (text(fault, "field"), text(fault, "code"))).collect();
        faults.sort();
        faults
    }

    /// Only this field needs another value.
    #[track_caller]
    pub fn is_fault(&self, field: &str, code: &str) {
        assert_eq!(self.faults(), [(field.to_owned(), code.to_owned())], "{}", self.body);
    }
}

/// The document of a site, as it is served.
pub async fn document(app: &TestApp) -> Value {
    let response = app.client().get("/api/openapi.json").dispatch().await;
    Page::from_local("/api/openapi.json", response).await.json()
}

/// What a `$ref` stands for.
pub fn resolve<'d>(document: &'d Value, schema: &'d Value) -> &'d Value {
    match schema["$ref"].as_str() {
        Some(reference) => {
            let pointer = reference.strip_prefix('#').unwrap_or_else(|| panic!("{reference} is elsewhere"));
            document.pointer(pointer).unwrap_or_else(|| panic!("{reference} leads nowhere"))
        }
        None => schema,
    }
}

/// The document is the same for all sites, but for names of cookies and the site's address.
static DOCUMENT: OnceCell<Value> = OnceCell::const_new();

async fn is_as_documented(app: &TestApp, method: Method, page: &Page) {
    let document = DOCUMENT.get_or_init(|| document(app)).await;
    let what = format!("{method} {} ({}): {}", page.path, page.status, page.body);
    let Some(operation) = operation(document, method, &page.path) else {
        let expected = if method == Method::Options { &[204, 403][..] } else { &[403, 404, 405] };
        assert!(expected.contains(&page.status), "not in the document: {what}");
        return;
    };
    let response = &operation["responses"][page.status.to_string()];
    assert!(response.is_object(), "this status is not documented: {what}");
    let Some(content) = response["content"].as_object() else {
        assert!(page.body.is_empty(), "this content is not documented: {what}");
        return;
    };
    let content_type = page.header("content-type").unwrap_or_else(|| panic!("no content type: {what}"));
    assert!(content.contains_key(content_type), "{content_type} is not documented: {what}");
    if method != Method::Head {
        fits(document, &content[content_type]["schema"], &page.json(), &what);
    }
}

fn operation<'d>(document: &'d Value, method: Method, path: &str) -> Option<&'d Value> {
    let method = if method == Method::Head { Method::Get } else { method };
    let path: Vec<_> = path.split('?').next()?.split('/').collect();
    let fits = |template: &str| {
        let template: Vec<_> = template.split('/').collect();
        let same = |(part, given): (&&str, &&str)| part == given || part.starts_with('{');
        template.len() == path.len() && template.iter().zip(&path).all(same)
    };
    let (_, item) = document["paths"].as_object()?.iter().find(|(template, _)| fits(template))?;
    item.get(method.as_str().to_lowercase())
}

/// The part of JSON Schema that the document uses.
fn fits(document: &Value, schema: &Value, value: &Value, what: &str) {
    let schema = resolve(document, schema);
    let types: Vec<_> = match &schema["type"] {
        Value::String(one) => vec![one.as_str()],
        Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let actual = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_i64() => "integer",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    assert!(types.is_empty() || types.contains(&actual), "{value} is not {types:?}: {what}");
    if let Some(items) = value.as_array() {
        items.iter().for_each(|item| fits(document, &schema["items"], item, what));
    }
    if let (Some(fields), Some(properties)) = (value.as_object(), schema["properties"].as_object()) {
        for required in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            assert!(fields.contains_key(required), "{required} is missing: {what}");
        }
        for (name, value) in fields {
            assert!(properties.contains_key(name), "{name} is not documented: {what}");
            fits(document, &properties[name], value, what);
        }
    }
}
