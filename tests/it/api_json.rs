//! Bodies that nobody honest sends: always a problem document with 4xx, never a panic.

use rocket::http::Method;
use serde_json::{Value, json};

use crate::helpers::program::{document, resolve};
use crate::helpers::{EMAIL, NAME, PASSWORD, Page, Program, TestApp};

/// xorshift64*: the same seed gives the same bytes.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.next() as u8).collect()
    }
}

fn keys(body: &Value) -> Option<Vec<&String>> {
    body.as_object().map(|fields| fields.keys().collect())
}

/// An operation that reads a body, and a body that it reads.
struct Reader {
    method: Method,
    path: String,
    body: Value,
    schema: Value,
}

/// Every operation that reads a body, from the document.
async fn readers(app: &TestApp) -> Vec<Reader> {
    let document = document(app).await;
    let mut readers = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
            if schema.is_null() {
                continue;
            }
            let schema = resolve(&document, schema).clone();
            let value = |schema: &Value| match schema["type"].as_str().unwrap() {
                "boolean" => json!(true),
                "string" => schema["enum"].get(0).cloned().unwrap_or(json!("x")),
                "array" => json!([schema["items"]["enum"].get(0).cloned().unwrap_or(json!("x"))]),
                "integer" => json!(1),
                other => panic!("teach this test what a {other} is"),
            };
            let properties = schema["properties"].as_object().unwrap().iter();
            let body = properties.map(|(name, schema)| (name.clone(), value(schema))).collect();
            readers.push(Reader { method: method.to_uppercase().parse().unwrap(), path: path.clone(), body, schema });
        }
    }
    assert!(readers.len() >= 8, "{}", readers.len());
    readers
}

struct Sender<'a> {
    app: &'a TestApp,
    program: Program<'a>,
}

/// Where tokens outlast the test, however often its clock is moved on for the sake of the allowances.
async fn site() -> TestApp {
    let app = TestApp::with(&[("access_token_ttl_seconds", "2592000")]).await;
    app.site().accounts.add(EMAIL, NAME, PASSWORD, false).await.unwrap();
    app
}

impl<'a> Sender<'a> {
    /// A program that has logged in.
    async fn new(app: &'a TestApp) -> Self {
        let program = app.program();
        let body = json!({"email": EMAIL, "password": PASSWORD, "remember": true});
        let tokens = program.post("/api/auth/login", body).await.json();
        Self { program: program.with(&tokens["access_token"]), app }
    }

    async fn send(&self, reader: &Reader, body: &[u8]) -> Page {
        // Logging out by the header would end what the rest of the test needs.
        let mut program = self.program.clone();
        program.bearer.take_if(|_| reader.path == "/api/auth/logout");
        program.send(reader.method, &reader.path, Some(body), &[]).await
    }

    /// 4xx and a problem document.
    async fn is_refused(&self, reader: &Reader, body: &[u8]) -> Page {
        let page = self.send(reader, body).await;
        let what = || {
            let shown: String = String::from_utf8_lossy(body).chars().take(200).collect();
            format!("{} {} {shown:?}: {page:?}", reader.method, reader.path)
        };
        assert!((400..500).contains(&page.status), "{}", what());
        assert_eq!(page.header("content-type"), Some("application/problem+json"), "{}", what());
        assert_eq!(page.json()["status"], page.status, "{}", what());
        page
    }

    /// Nothing of all that had an effect.
    async fn is_unharmed(&self) {
        let me = self.program.get("/api/me").await.json();
        assert_eq!((&me["name"], &me["email"]), (&json!(NAME), &json!(EMAIL)));
        assert_eq!(self.app.site().accounts.list(None).await.unwrap().len(), 1);
        self.app.program().log_in().await;
    }
}

#[rocket::async_test]
async fn random_bytes_are_refused() {
    let app = site().await;
    let sender = Sender::new(&app).await;
    let mut random = Random(20_261_122);
    for reader in readers(&app).await {
        for _ in 0..40 {
            let mut body = random.bytes(1);
            let length = random.below(300);
            body.extend(random.bytes(length));
            sender.is_refused(&reader, &body).await;
        }
        // A good body with a byte or two turned into others.
        let good = reader.body.to_string().into_bytes();
        for _ in 0..40 {
            let mut body = good.clone();
            let place = random.below(body.len());
            body[place] = [0, 0xff, b'{', b'"', b'\\', b'\n', 0xc3][random.below(7)];
            // Within a text, some of them are as good as any.
            let is_read = serde_json::from_slice::<Value>(&body).is_ok_and(|read| keys(&read) == keys(&reader.body));
            if !is_read {
                sender.is_refused(&reader, &body).await;
            }
        }
    }
    sender.is_unharmed().await;
}

#[rocket::async_test]
async fn a_body_that_is_cut_off_anywhere_is_malformed() {
    let app = site().await;
    let sender = Sender::new(&app).await;
    for reader in readers(&app).await {
        let good = reader.body.to_string().into_bytes();
        for end in 1..good.len() {
            sender.is_refused(&reader, &good[..end]).await.is_problem(400, "malformed_json");
        }
        for tail in ["}", "{}", ",", "\0", "x", "\u{feff}"] {
            let body = [&good[..], tail.as_bytes()].concat();
            sender.is_refused(&reader, &body).await.is_problem(400, "malformed_json");
        }
    }
    sender.is_unharmed().await;
}

#[rocket::async_test]
async fn what_no_reader_agrees_about_is_refused() {
    let app = site().await;
    let sender = Sender::new(&app).await;
    let utf16 = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>();
    for reader in readers(&app).await {
        let field = reader.schema["properties"].as_object().unwrap().keys().next().unwrap().clone();
        let with = |value: &str| format!("{{\"{field}\":{value}}}").into_bytes();
        let good = reader.body.to_string();
        let malformed: Vec<Vec<u8>> = vec![
            b"[".repeat(10_000),
            b"{\"a\":".repeat(5_000),
            [b"[".repeat(10_000), b"]".repeat(10_000)].concat(),
            with(&format!("{}1{}", "[".repeat(10_000), "]".repeat(10_000))),
            with("1e999"),
            with("-1e999"),
            with(&format!("1{}", "0".repeat(400))),
            with("NaN"),
            with("Infinity"),
            with("01"),
            with("+1"),
            with("1."),
            with("0x10"),
            with("\"\\ud800\""),
            with("\"\\udc00\\ud800\""),
            with("\"\\u12\""),
            with("\"\\x41\""),
            with("\"\u{1}\""),
            with("\"a\nb\""),
            with("\"a\0b\""),
            [b"{\"", field.as_bytes(), b"\":\"\xff\"}"].concat(),
            [b"{\"", field.as_bytes(), b"\":\"\xc0\xaf\"}"].concat(),
            [b"{\"", field.as_bytes(), b"\":\"\xed\xa0\x80\"}"].concat(),
            [b"\xef\xbb\xbf", good.as_bytes()].concat(),
            utf16(&good),
            [b"\xff\xfe".to_vec(), utf16(&good)].concat(),
            b"\0".to_vec(),
            b" ".to_vec(),
            format!("/* */{good}").into_bytes(),
            good.replace(':', "=").into_bytes(),
            good.replace('"', "'").into_bytes(),
            format!("{},}}", &good[..good.len() - 1]).into_bytes(),
            b"a=1&b=2".to_vec(),
            b"<xml/>".to_vec(),
        ];
        for body in malformed {
            sender.is_refused(&reader, &body).await.is_problem(400, "malformed_json");
        }
        let well_formed: Vec<Vec<u8>> = vec![
            with("1e-999"),
            with("123456789012345678901234567890"),
            with("-0"),
            format!("{},\"{field}\":\"again\"}}", &good[..good.len() - 1]).into_bytes(),
            format!("{},\"\\u0000\":1}}", &good[..good.len() - 1]).into_bytes(),
            format!("{},\"\":1}}", &good[..good.len() - 1]).into_bytes(),
            format!("{},\"__proto__\":{{}}}}", &good[..good.len() - 1]).into_bytes(),
            format!("{},\"{}\":1}}", &good[..good.len() - 1], "x".repeat(20_000)).into_bytes(),
            [&good[..good.len() - 1], &(0..2_000).map(|n| format!(",\"a{n}\":1")).collect::<String>(), "}"]
                .concat()
                .into_bytes(),
            format!("[{good}]").into_bytes(),
            b"null".to_vec(),
            b"\"\"".to_vec(),
        ];
        for body in well_formed {
            sender.is_refused(&reader, &body).await.is_problem(422, "invalid_input");
        }
        let at = |length: usize| [b"{".to_vec(), vec![b' '; length]].concat();
        sender.is_refused(&reader, &at(32 * 1024 - 1)).await.is_problem(400, "malformed_json");
        sender.is_refused(&reader, &at(32 * 1024)).await.is_problem(413, "payload_too_large");
        sender.is_refused(&reader, &at(1024 * 1024)).await.is_problem(413, "payload_too_large");
    }
    sender.is_unharmed().await;
}

#[rocket::async_test]
async fn every_field_of_every_operation_refuses_every_other_type() {
    let app = site().await;
    let sender = Sender::new(&app).await;
    let mut fields = 0;
    for reader in readers(&app).await {
        for (name, schema) in reader.schema["properties"].as_object().unwrap() {
            fields += 1;
            let expected = schema["type"].as_str().unwrap();
            for (kind, value) in [
                ("null", Value::Null),
                ("boolean", json!(true)),
                ("integer", json!(1)),
                ("integer", json!(-1)),
                ("integer", json!(0)),
                ("number", json!(1.5)),
                ("number", json!(u64::MAX)),
                ("number", json!(1e300)),
                ("string", json!("")),
                ("array", json!([])),
                ("array", json!(["x"])),
                ("object", json!({})),
                ("object", json!({"a": {"b": []}})),
            ] {
                let mut body = reader.body.clone();
                body[name] = value.clone();
                if kind == expected {
                    continue;
                }
                let page = sender.is_refused(&reader, body.to_string().as_bytes()).await;
                page.is_fault(name, "wrong_type");
            }
        }
    }
    assert!(fields >= 15, "{fields}");
    sender.is_unharmed().await;
}

#[rocket::async_test]
async fn texts_that_break_other_systems_break_nothing_here() {
    let app = site().await;
    let sender = Sender::new(&app).await;
    for reader in readers(&app).await {
        for (name, schema) in reader.schema["properties"].as_object().unwrap() {
            if schema["type"] != "string" {
                continue;
            }
            for text in [
                "\0".to_owned(),
                "a\0b@example.org".to_owned(),
                "\u{feff}".to_owned(),
                "\u{202e}".to_owned(),
                "\u{10ffff}".to_owned(),
                "' or 1=1 --".to_owned(),
                "%00%n%s{}${x}".to_owned(),
                "a\u{308}".repeat(7_000),
                "\u{fdfa}".repeat(9_000),
                "x".repeat(32_000),
                "@".repeat(1_000),
                ".".repeat(1_000),
            ] {
                let mut body = reader.body.clone();
                body[name] = json!(text);
                let page = sender.send(&reader, body.to_string().as_bytes()).await;
                assert_ne!(page.status, 429, "an allowance ended what is tested here: {page:?}");
                app.advance(900);
                let renamed = reader.path == "/api/me" && page.status == 200;
                // Logging out with nonsense is no error.
                let logged_out = reader.path == "/api/auth/logout" && page.status == 204;
                assert!((400..500).contains(&page.status) || renamed || logged_out, "{name} {text:.50}: {page:?}");
            }
        }
    }
}
