//! Bodies that are held back, broken off, or made to cost much.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::helpers::{EMAIL, NAME, PASSWORD, Server, TestApp};

const OTHER_PASSWORD: &str = "every second door is green";

fn bearer(token: &Value) -> String {
    format!("Bearer {}", token.as_str().expect("a token"))
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
            let page = app.program().post("/api/auth/login", Value::Object(body(fields))).await;
            fastest = fastest.min(begun.elapsed());
            assert_eq!(page.status, 422);
        }
        took.push(fastest);
    }
    assert!(took[1] < took[0] * 20, "{took:?}");
}
