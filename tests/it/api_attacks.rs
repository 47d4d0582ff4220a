//! What an attacker found in the JSON API.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use hallpass::MaybeUser;
use hallpass::personal_tokens::Draft;
use rocket::http::{Header, Method};
use serde_json::{Value, json};

use crate::helpers::{Browser, EMAIL, NAME, PASSWORD, Page, Server, TestApp, generation};
use crate::personal_tokens::client;

const CORS: (&str, &str) = ("cors_origins", "https://app.example.org");
const OTHER_PASSWORD: &str = "every second door is green";

async fn call(app: &TestApp, method: Method, path: &str, headers: &[(&str, &str)], body: Value) -> Page {
    let mut request = app.client().req(method, path.to_owned());
    for (name, value) in headers {
        request.add_header(Header::new((*name).to_owned(), (*value).to_owned()));
    }
    if !body.is_null() {
        request.add_header(Header::new("Content-Type", "application/json"));
        request.set_body(body.to_string());
    }
    Page::from_local(path, request.dispatch().await).await
}

fn value(page: &Page) -> Value {
    serde_json::from_str(&page.body).unwrap_or_else(|error| panic!("{error}: {page:?}"))
}

fn code(page: &Page) -> String {
    value(page)["code"].as_str().unwrap_or_default().to_owned()
}

fn bearer(token: &Value) -> String {
    format!("Bearer {}", token.as_str().expect("a token"))
}

/// A program's tokens.
async fn tokens(app: &TestApp) -> Value {
    let page = call(app, Method::Post, "/api/auth/login", &[], json!({"email": EMAIL, "password": PASSWORD})).await;
    assert_eq!(page.status, 200, "{page:?}");
    value(&page)
}

async fn refresh(app: &TestApp, refresh_token: &str) -> Page {
    call(app, Method::Post, "/api/auth/refresh", &[], json!({ "refresh_token": refresh_token })).await
}

fn send(server: &Server, head: &str, body: &str) -> TcpStream {
    let mut stream = TcpStream::connect(("127.0.0.1", server.port())).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let length = body.len();
    let request = format!(
        "{head}\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).unwrap();
    stream
}

fn answer(mut stream: TcpStream, rest: &str) -> String {
    stream.write_all(rest.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn ask(server: &Server, head: &str, body: &str) -> Value {
    let answer = answer(send(server, head, body), body);
    serde_json::from_str(answer.split("\r\n\r\n").nth(1).unwrap_or_default()).unwrap_or(Value::Null)
}

/// The guards have let it in by then; only the end of its body is missing.
#[test]
fn a_body_held_back_until_its_session_has_ended_makes_no_token() {
    let server = Server::start(&[("HALLPASS_ARGON2_MEMORY_KIB", "8"), ("HALLPASS_ARGON2_ITERATIONS", "1")]);
    let account = json!({"name": NAME, "email": EMAIL, "password": PASSWORD}).to_string();
    ask(&server, "POST /api/users HTTP/1.1", &account);
    let log_in = json!({"email": EMAIL, "password": PASSWORD}).to_string();
    let [thief, owner] =
        [(); 2].map(|()| ask(&server, "POST /api/auth/login HTTP/1.1", &log_in)["access_token"].clone());
    let held_back = |token: &Value, password: &str| {
        let draft = json!({"name": "evil", "scopes": ["read"], "expires_in_days": 365, "password": password});
        let head = format!("POST /api/me/tokens HTTP/1.1\r\nAuthorization: {}", bearer(token));
        let mut stream = send(&server, &head, &draft.to_string());
        stream.write_all(draft.to_string().strip_suffix('}').unwrap().as_bytes()).unwrap();
        stream
    };
    let (held, honest) = (held_back(&thief, PASSWORD), held_back(&owner, OTHER_PASSWORD));
    // Long enough for the guards.
    std::thread::sleep(Duration::from_millis(500));
    let change = json!({"current_password": PASSWORD, "new_password": OTHER_PASSWORD}).to_string();
    ask(&server, &format!("PUT /api/me/password HTTP/1.1\r\nAuthorization: {}", bearer(&owner)), &change);
    let refused = answer(held, "}");
    assert!(refused.starts_with("HTTP/1.1 422 ") && refused.contains("\"wrong\""), "{refused}");
    let made = answer(honest, "}");
    assert!(made.starts_with("HTTP/1.1 201 "), "{made}");
}

/// Rocket finds the same route by all of them.
#[rocket::async_test]
async fn another_spelling_of_a_path_leads_round_no_rule() {
    let app = TestApp::with(&[CORS]).await;
    let mut browser = app.registered().await;
    let token = bearer(&tokens(&app).await["access_token"]);
    for path in ["/api/me", "//api/me", "/api//me", "/%61pi/me", "/api/%6de", "//%61pi//me"] {
        let from = |origin| [("Authorization", token.as_str()), ("Origin", origin)];
        let page = call(&app, Method::Get, path, &from("https://evil.example"), Value::Null).await;
        assert_eq!((page.status, code(&page)), (403, "origin_not_allowed".to_owned()), "{path}");
        let page = call(&app, Method::Get, path, &from("https://app.example.org"), Value::Null).await;
        assert_eq!(page.status, 200, "{path}");
        assert_eq!(page.header("access-control-allow-origin"), Some("https://app.example.org"), "{path}");
        assert_eq!(page.header("vary"), Some("Origin"), "{path}");
    }
    let page = call(&app, Method::Get, "/api%2Fme", &[("Origin", CORS.1)], Value::Null).await;
    assert_eq!((page.status, page.header("access-control-allow-origin")), (404, None), "a page of the site's");
    // The API never redirects, not even to ask the jar.
    let stale = browser.clone();
    for _ in 0..2 {
        app.advance(901);
        assert_eq!(browser.get("/account").await.status, 200);
    }
    app.advance(61);
    for path in ["/api/me", "//api/me", "/%61pi/me"] {
        let page = stale.send_and_lose(Method::Get, path, None, &[]).await;
        assert_eq!((page.status, page.location()), (401, None), "{path}");
        assert!(page.sets("probe").is_some(), "{path}");
    }
    // Where nothing is kept, nothing is rotated.
    app.advance(901);
    for path in ["/logout", "//logout", "/%6cogout", "/session/ack", "//session//ack", "//static/x", "//healthz"] {
        let page = browser.send_and_lose(Method::Get, path, None, &[]).await;
        assert!(!page.delivers(), "{path}");
    }
    assert!(browser.get("/account").await.delivers());
}

/// Whoever asks by a header has not shown the cookies: they may be another session's.
#[rocket::async_test]
async fn a_session_that_ends_itself_by_header_clears_no_cookies() {
    let app = TestApp::start().await;
    let mut browser = app.registered().await;
    let token = bearer(&tokens(&app).await["access_token"]);
    let page = call(&app, Method::Get, "/api/me/sessions", &[("Authorization", &token)], Value::Null).await;
    let sessions = value(&page)["sessions"].clone();
    let current = sessions.as_array().unwrap().iter().find(|session| session["current"] == true).unwrap();
    let path = format!("/api/me/sessions/{}", current["id"].as_str().unwrap());
    let page = browser.send(Method::Delete, &path, None, &[("Authorization", &token)]).await;
    assert_eq!((page.status, page.set_cookie_lines()), (204, vec![]));
    let page = call(&app, Method::Get, "/api/me", &[("Authorization", &token)], Value::Null).await;
    assert_eq!(page.status, 401);
    assert!(browser.is_logged_in().await);
}

/// The longest body has room for thousands. Eight times the fields, squared, would be 64 times the work.
#[rocket::async_test]
async fn the_time_for_a_body_grows_with_its_fields_and_not_with_their_square() {
    let app = TestApp::start().await;
    let body = |fields: usize| (0..fields).map(|n| (format!("{n:x}"), json!(0))).collect::<serde_json::Map<_, _>>();
    let mut took = Vec::new();
    for fields in [500, 4000] {
        let mut fastest = Duration::MAX;
        for _ in 0..3 {
            let begun = Instant::now();
            let page = call(&app, Method::Post, "/api/auth/login", &[], Value::Object(body(fields))).await;
            fastest = fastest.min(begun.elapsed());
            assert_eq!(page.status, 422);
        }
        took.push(fastest);
    }
    assert!(took[1] < took[0] * 20, "{took:?}");
}

#[rocket::get("/read")]
fn read(visitor: MaybeUser) -> String {
    visitor.0.map_or("nobody".to_owned(), |user| user.name)
}

#[rocket::post("/write")]
fn write(visitor: MaybeUser) -> String {
    visitor.0.map_or("nobody".to_owned(), |user| user.name)
}

#[rocket::async_test]
async fn a_token_without_the_scope_is_nobody_where_anybody_may_ask() {
    let app = TestApp::build(&[], |rocket| rocket.mount("/", rocket::routes![read, write])).await;
    app.registered().await;
    let owner = app.site().accounts.by_email(EMAIL).await.unwrap();
    for (scopes, reads, writes) in
        [(&["read"][..], NAME, "nobody"), (&["write"], "nobody", NAME), (&["read", "write"], NAME, NAME)]
    {
        let draft = Draft::check("x", scopes, 1, false).unwrap();
        let tokens = &app.site().personal_tokens;
        let (_, token) = tokens.create(&owner.id, owner.password_changed_at, draft, &client()).await.unwrap();
        let authorization = [("Authorization", &*format!("Bearer {token}"))];
        let page = call(&app, Method::Get, "/read", &authorization, Value::Null).await;
        assert_eq!((page.status, page.body.as_str()), (200, reads), "{scopes:?}");
        let page = call(&app, Method::Post, "/write", &authorization, Value::Null).await;
        assert_eq!((page.status, page.body.as_str()), (200, writes), "{scopes:?}");
        // It can still be thrown away by its holder.
        let page = call(&app, Method::Post, "/api/auth/logout", &authorization, Value::Null).await;
        assert_eq!(page.status, 204);
        assert!(tokens.authenticate(&token).await.unwrap().is_none());
    }
}

/// The owner's browser takes the next generation, and shows that it has it; then the thief asks.
async fn rotated<'a>(app: &'a TestApp, owner: &mut Browser<'a>) -> String {
    let before = owner.cookie("refresh_token").unwrap().to_owned();
    app.advance(901);
    assert!(owner.get("/account").await.delivers());
    owner.get("/session/ack").await;
    app.advance(5);
    before
}

/// As a program, it would be handed the successor within the grace, each time, and never be noticed.
#[rocket::async_test]
async fn a_thief_of_cookies_cannot_follow_each_rotation_as_a_program() {
    let app = TestApp::start().await;
    let mut owner = app.registered().await;
    for _ in 0..3 {
        let before = rotated(&app, &mut owner).await;
        let by_header = [("Authorization", &*format!("Bearer {before}"))];
        for page in
            [refresh(&app, &before).await, call(&app, Method::Post, "/api/auth/refresh", &by_header, Value::Null).await]
        {
            assert_eq!((page.status, code(&page)), (401, "invalid_grant".to_owned()));
        }
        assert!(owner.is_logged_in().await, "a copy costs the owner nothing");
    }
    assert_eq!(owner.generation(), 4);
    // Tokens that were given to a program refresh as before, also if a browser's script asked for them.
    let browser = app.site().browser_ids.write(&hallpass::id::BrowserId::random());
    let cookie = format!("browser={browser}");
    let login = json!({"email": EMAIL, "password": PASSWORD});
    let page = call(&app, Method::Post, "/api/auth/login", &[("Cookie", &cookie)], login).await;
    let renewed = refresh(&app, value(&page)["refresh_token"].as_str().unwrap()).await;
    assert_eq!(generation(value(&renewed)["refresh_token"].as_str().unwrap()), 2);
}

#[test]
fn the_rest_of_a_body_is_not_waited_for() {
    let server = Server::start(&[]);
    let streams =
        [("/api/users", "application/json"), ("/login", "application/x-www-form-urlencoded")].map(|(path, kind)| {
            let mut stream = TcpStream::connect(("127.0.0.1", server.port())).unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
            let head =
                format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\nContent-Length: 100");
            // Rocket itself waits for the first bytes, before anything of ours runs.
            stream.write_all(format!("{head}\r\nConnection: close\r\n\r\n{}", "{".repeat(50)).as_bytes()).unwrap();
            stream
        });
    for (mut stream, words) in streams.into_iter().zip(["\"request_timeout\"", "</html>"]) {
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains(words), "{answer}");
    }
}
