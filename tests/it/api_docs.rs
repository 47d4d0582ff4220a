//! The page of the API: what stands there is what programs get.

use std::process::Command;

use rocket::http::Method;

use crate::helpers::{Server, TestApp};

/// Pastes lines into a shell. Every request must succeed, in substitutions too.
fn paste(server: &Server, lines: &str) -> String {
    let setup = server.greeting.split("token=").nth(1).and_then(|rest| rest.split_whitespace().next());
    let before = "set -e
        curl() { command curl --fail-with-body -sS \"$@\" || { echo \"failed: $*\" >&2; return 22; }; }\n";
    let lines = lines.replace("http://localhost:8000", &format!("http://localhost:{}", server.port()));
    let output = Command::new("bash")
        .args(["-c", &format!("{before}{lines}")])
        .env("SETUP_TOKEN", setup.expect("a set-up link"))
        .output()
        .expect("a shell");
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}\n{}", said(&output.stdout), said(&output.stderr));
    said(&output.stdout)
}

fn unescaped(html: &str) -> String {
    html.replace("&#34;", "\"").replace("&#39;", "'").replace("&#60;", "<").replace("&#62;", ">").replace("&#38;", "&")
}

fn code_blocks(page: &str) -> Vec<String> {
    let blocks = page.split("<pre").skip(1).map(|rest| rest.split_once("<code>").unwrap().1);
    blocks.map(|rest| unescaped(rest.split("</code></pre>").next().unwrap())).collect()
}

#[test]
fn the_lines_of_the_page_work_when_pasted_one_after_the_other() {
    let server = Server::start(&[]);
    let page = ureq::get(format!("http://localhost:{}/api/docs", server.port()));
    let page = page.call().unwrap().into_body().read_to_string().unwrap();
    let blocks = code_blocks(&page);
    assert_eq!(blocks.len(), page.matches("class=\"docs-route\"").count() + 1, "a block for each operation");
    let said = paste(&server, &blocks.join("\necho\n"));
    for part in ["\"access_token\":", "hpt_", "\"admin\":true", "\"kind\":\"logged_in\"", "\"openapi\":\"3.1.0\""] {
        assert!(said.contains(part), "{part} in {said}");
    }
}

#[test]
fn the_lines_of_the_readme_work_when_pasted() {
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let lines = readme.split("```sh\n").nth(1).unwrap().split("```").next().unwrap();
    let server = Server::start(&[]);
    let said = paste(&server, lines);
    assert!(said.contains("\"email\":\"ann@example.org\"") && said.contains("\"current\":true"), "{said}");
    assert_eq!(server.log().matches("event=\"logged_out\"").count(), 1);
}

#[rocket::async_test]
async fn the_page_names_every_operation_and_every_code() {
    let app = TestApp::start().await;
    let mut browser = app.browser();
    let page = browser.get("/api/docs").await;
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    assert!(page.is_in_words() && !page.has("<script") && !page.has("style="));
    let document: serde_json::Value = serde_json::from_str(&browser.get("/api/openapi.json").await.body).unwrap();
    let mut operations = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let route = format!("{} {path}</code>", method.to_uppercase());
            assert!(page.has(&format!("<code class=\"docs-route\">{route}")), "{route}");
            assert!(page.has(&format!("id=\"{}\"", operation["operationId"].as_str().unwrap())));
            operations += 1;
        }
    }
    assert_eq!(page.body.matches("class=\"docs-route\"").count(), operations);
    // Where a problem's `type` leads.
    let problem: serde_json::Value = serde_json::from_str(&browser.get("/api/nowhere").await.body).unwrap();
    let anchor = problem["type"].as_str().unwrap().split('#').nth(1).unwrap();
    assert!(page.has(&format!("<div id=\"{anchor}\">")), "{anchor}");
}

#[rocket::async_test]
async fn the_page_is_for_readers_only() {
    let app = TestApp::start().await;
    let mut visitor = app.browser();
    let page = visitor.get("/api/docs").await;
    assert!(page.set_cookie_lines().is_empty(), "a page without forms needs no cookie");
    let mut owner = app.registered().await;
    assert!(owner.get("/api/docs").await.has("Log out"), "who is logged in sees that");
    let posted = visitor.send(Method::Post, "/api/docs", Some(b""), &[]).await;
    assert_eq!((posted.status, posted.header("allow")), (405, Some("GET, HEAD, OPTIONS")));
}
