//! The log: one line a request, readable by programs, without anybody's secrets. And health.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::{Value, from_str};

use crate::helpers::{EMAIL, NAME, PASSWORD, Page, Server, WireBrowser, encode};

const WRONG: &str = "a wrong password that nobody must see";
const NEW: &str = "seven quiet lanterns drift";
const QUERY: &str = "q=a-query-that-nobody-must-see";

/// A visitor's journey. Returns every secret that passed: cookies, form tokens, passwords, the set-up token, a query.
struct Journey {
    browser: WireBrowser,
    secrets: BTreeSet<String>,
    pages: Vec<Page>,
}

impl Journey {
    fn note(&mut self, page: &Page) -> Page {
        self.secrets.extend(self.browser.jar.values().cloned());
        for (_, value, _) in page.set_cookies() {
            self.secrets.extend(value.split('.').filter(|part| part.len() > 20).map(str::to_owned));
        }
        let tokens = page.body.split("name=\"csrf_token\" value=\"").skip(1);
        self.secrets.extend(tokens.filter_map(|rest| rest.split('"').next()).map(str::to_owned));
        self.pages.push(page.clone());
        page.clone()
    }

    fn get(&mut self, path: &str) -> Page {
        let page = self.browser.get(path);
        self.note(&page)
    }

    fn submit(&mut self, page: &Page, action: &str, fields: &[(&str, &str)], status: u16) -> Page {
        let body = encode(&page.form(action).filled(fields));
        let answer = self.browser.send("POST", action, Some(&body)).expect("an answer");
        assert_eq!(answer.status, status, "{action}: {}", answer.body);
        self.note(&answer)
    }

    fn travel(server: &Server) -> Self {
        let start = server.greeting.find("/setup?token=").expect("a link");
        let link = server.greeting[start..].lines().next().expect("a link").to_owned();
        let secrets = [PASSWORD, WRONG, NEW, QUERY, &link["/setup?token=".len()..]].map(str::to_owned).into();
        let mut journey = Self { browser: WireBrowser::new(server), secrets, pages: Vec::new() };
        let page = journey.get(&link);
        journey.submit(&page, "/setup", &[("name", NAME), ("email", EMAIL), ("password", PASSWORD)], 303);
        let page = journey.get("/account");
        journey.submit(&page, "/logout", &[], 303);
        let page = journey.get(&format!("/login?next=/account&{QUERY}"));
        journey.submit(&page, "/login", &[("email", EMAIL), ("password", WRONG)], 422);
        // The password typed into the wrong field.
        journey.submit(&page, "/login", &[("email", PASSWORD), ("password", EMAIL)], 422);
        journey.submit(&page, "/login", &[("email", EMAIL), ("password", PASSWORD), ("remember", "on")], 303);
        let mut page = journey.get("/account");
        for _ in 0..3 {
            journey.browser.jar.remove("access_token");
            page = journey.get(&format!("/account?{QUERY}"));
            assert_eq!(page.status, 200);
        }
        let fields = [("current_password", PASSWORD), ("new_password", NEW)];
        journey.submit(&page, "/account/password", &fields, 303);
        journey.get(&format!("/nowhere?{QUERY}"));
        let page = journey.get("/account/tokens");
        let fields = [("name", "x"), ("scopes", "read"), ("password", NEW)];
        let made = journey.submit(&page, "/account/tokens", &fields, 201);
        let token = made.body.split(['<', '>']).find(|text| text.starts_with("hpt_")).expect("a token");
        journey.secrets.extend([token, &token["hpt_".len()..]].map(str::to_owned));
        // A token in the wrong place, a broken one, and a form that was not served.
        let access = journey.browser.jar["access_token"].clone();
        journey.get(&format!("/account/sessions?token={access}"));
        journey.browser.jar.insert("access_token".to_owned(), format!("{access}x"));
        journey.get("/account");
        let forged = journey.browser.send("POST", "/account/profile", Some("csrf_token=made-up&name=x"));
        assert_eq!(forged.expect("an answer").status, 403);
        journey.get("/session/ack");
        journey
    }
}

#[test]
fn each_request_has_one_line_with_its_id_and_no_secret_is_in_any_of_them() {
    for format in ["json", "text"] {
        let settings = [("HALLPASS_LOG_FORMAT", format), ("RUST_LOG", "trace,sqlx=info,hyper=info")];
        let mut server = Server::start(&settings);
        let journey = Journey::travel(&server);
        let page = journey.pages.iter().find(|page| page.status == 404).expect("an error page");
        let id = page.header("x-request-id").expect("an id");
        assert!(page.has(id), "the visitor cannot quote it");
        assert!(server.stop());
        let log = server.log();
        assert!(journey.secrets.len() > 20, "{:?}", journey.secrets);
        for secret in &journey.secrets {
            assert!(!log.contains(secret.as_str()), "{secret} is in the {format} log");
        }
        for page in &journey.pages {
            let id = page.header("x-request-id").expect("an id");
            let lines: Vec<_> = log.lines().filter(|line| line.contains(id)).collect();
            assert_eq!(lines.len(), 1, "{}: {lines:?}", page.path);
            let path = page.path.split('?').next().expect("a path");
            assert!(lines[0].contains(path) && lines[0].contains(&page.status.to_string()), "{}", lines[0]);
        }
        for event in ["registered", "logged_in", "logged_out", "login_refused", "password_changed", "signing_key_made"]
        {
            assert!(log.contains(event), "no {event} in the {format} log");
        }
        if format == "json" {
            for line in log.lines() {
                let line: Value = from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
                assert!(line["timestamp"].is_string() && line["level"].is_string(), "{line}");
                if line["target"] == "hallpass::request" {
                    assert!(line["status"].is_u64() && line["microseconds"].is_u64() && line["id"].is_string());
                }
            }
        }
    }
}

#[test]
fn lines_of_requests_are_gathered_and_nothing_overtakes_them() {
    let mut server = Server::start(&[]);
    let mut visitor = WireBrowser::new(&server);
    let id = |page: &Page| page.header("x-request-id").expect("an id").to_owned();
    let mut ids: Vec<_> = (0..20).map(|number| id(&visitor.get(&format!("/nowhere/{number}")))).collect();
    let forged = visitor.send("POST", "/login", Some("csrf_token=made-up")).expect("an answer");
    assert_eq!(forged.status, 403);
    // Of the forged request itself, this line is the one that does not wait.
    let log = server.log();
    ids.push("forgery_refused".to_owned());
    let places: Vec<_> = ids.iter().map(|id| log.find(id).unwrap_or_else(|| panic!("no {id} in\n{log}"))).collect();
    assert!(places.is_sorted(), "{log}");
    let asked = Instant::now();
    while !server.log().contains(&id(&forged)) {
        assert!(asked.elapsed() < Duration::from_secs(2), "no line of the request");
    }
    let last = id(&visitor.get("/nowhere/last"));
    assert!(server.stop());
    assert!(server.log().contains(&last), "what was gathered is lost at the end");
}

#[test]
fn health_is_told_apart_from_readiness() {
    let server = Server::start(&[]);
    let mut probe = WireBrowser::new(&server);
    for (path, word) in [("/healthz", "alive"), ("/readyz", "ready")] {
        let page = probe.get(path);
        assert_eq!((page.status, page.body.trim()), (200, word));
        assert!(page.set_cookie_lines().is_empty());
    }
    let began = Instant::now();
    for _ in 0..50 {
        assert_eq!(probe.get("/healthz").status, 200);
    }
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}
