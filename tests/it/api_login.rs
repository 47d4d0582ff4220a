//! Programs and pages log in, confirm and log out by JSON.

use rocket::http::Method;
use serde_json::{Value, json};

use crate::helpers::{Browser, EMAIL, NAME, PASSWORD, Page, Program, TestApp, claims};

const LOGIN: &str = "/api/auth/login";
const LOGOUT: &str = "/api/auth/logout";
const CONFIRM: &str = "/api/auth/confirm";
const FORM_TOKEN: &str = "X-CSRF-Token";
const DAY: i64 = 24 * 60 * 60;

fn credentials() -> Value {
    json!({"email": EMAIL, "password": PASSWORD})
}

fn by_cookie() -> Value {
    json!({"email": EMAIL, "password": PASSWORD, "delivery": "cookie"})
}

/// A site with the usual account; the browser that registered it is forgotten.
async fn site() -> TestApp {
    let app = TestApp::start().await;
    app.site().accounts.add(EMAIL, NAME, PASSWORD, false).await.unwrap();
    app
}

async fn sessions(app: &TestApp) -> i64 {
    let user = app.site().accounts.by_email(EMAIL).await.unwrap();
    app.site().sessions.count(&user.id).await.unwrap()
}

async fn kinds(program: &Program<'_>, token: &Value) -> Vec<String> {
    let events = program.with(token).get("/api/me/events").await.json();
    let events = events["events"].as_array().unwrap().iter();
    events.map(|event| event["kind"].as_str().unwrap().to_owned()).collect()
}

fn has_no_token(page: &Page) {
    let body = page.json();
    assert!(body.get("access_token").is_none() && body.get("refresh_token").is_none(), "{body}");
    assert!(!page.body.contains("eyJ"), "{body}");
    assert_eq!((&body["token_type"], &body["expires_in"]), (&json!("Bearer"), &json!(900)));
}

#[rocket::async_test]
async fn a_program_gets_its_tokens_in_the_body_and_no_cookies() {
    let app = site().await;
    let program = app.program();
    let page = program.post(LOGIN, credentials()).await;
    assert_eq!((page.status, page.header("content-type")), (200, Some("application/json")));
    assert_eq!(page.header("cache-control"), Some("no-store"));
    assert!(page.set_cookie_lines().is_empty(), "{page:?}");
    let tokens = page.json();
    assert_eq!((&tokens["token_type"], &tokens["expires_in"]), (&json!("Bearer"), &json!(900)));
    let access = claims(tokens["access_token"].as_str().unwrap());
    assert_eq!(access["exp"].as_i64().unwrap() - app.now(), 900);
    let me = program.with(&tokens["access_token"]).get("/api/me").await.json();
    assert_eq!((&me["email"], &me["id"]), (&json!(EMAIL), &access["sub"]));
    assert_eq!(program.refresh(&tokens["refresh_token"]).await.status, 200);
    let explicit = json!({"email": EMAIL, "password": PASSWORD, "delivery": "body", "remember": false});
    assert!(program.post(LOGIN, explicit).await.json()["refresh_token"].is_string());
}

#[rocket::async_test]
async fn a_page_gets_its_tokens_in_cookies_and_its_scripts_never_see_them() {
    for (url, prefix, secure) in [("http://localhost:8000", "", ""), ("https://example.org", "__Host-", "; Secure")] {
        let app = TestApp::with(&[("public_url", url)]).await;
        app.site().accounts.add(EMAIL, NAME, PASSWORD, false).await.unwrap();
        let mut browser = app.browser();
        let page = browser.call(Method::Post, LOGIN, by_cookie()).await;
        assert_eq!(page.status, 200, "{}", page.body);
        has_no_token(&page);
        let lines = page.set_cookie_lines();
        assert_eq!(lines.len(), 2, "{lines:?}");
        for (line, name) in lines.iter().zip(["access_token", "refresh_token"]) {
            let value = browser.cookie(&format!("{prefix}{name}")).unwrap();
            assert_eq!(*line, format!("{prefix}{name}={value}; Path=/; HttpOnly{secure}; SameSite=Lax"));
        }
        let mut same = browser.clone();
        assert_eq!(browser.call(Method::Get, "/api/me", Value::Null).await.json()["email"], EMAIL);
        assert!(same.is_logged_in().await, "pages take the same cookies");
    }
}

#[rocket::async_test]
async fn remember_decides_how_long_cookies_and_session_live() {
    let app = site().await;
    let mut browser = app.browser();
    let mut body = by_cookie();
    body["remember"] = json!(true);
    let page = browser.call(Method::Post, LOGIN, body).await;
    assert_eq!(page.set_cookies().iter().map(|cookie| cookie.2).collect::<Vec<_>>(), [Some(30 * DAY); 2]);
    let program = app.program();
    let brief = program.log_in().await["refresh_token"].clone();
    let long = program.post(LOGIN, json!({"email": EMAIL, "password": PASSWORD, "remember": true})).await.json();
    app.advance(DAY / 2);
    program.refresh(&brief).await.is_problem(401, "invalid_grant");
    app.advance(29 * DAY);
    assert_eq!(program.refresh(&long["refresh_token"]).await.status, 200);
}

#[rocket::async_test]
async fn logging_in_by_cookie_ends_the_session_that_the_browser_had() {
    let app = site().await;
    let mut browser = app.browser();
    browser.call(Method::Post, LOGIN, by_cookie()).await;
    let mut before = browser.clone();
    let page = browser.call(Method::Post, LOGIN, by_cookie()).await;
    assert!(page.delivers());
    assert_eq!(sessions(&app).await, 1);
    assert!(!before.is_logged_in().await);
    assert!(browser.is_logged_in().await);
    // A program's log-in is nobody's but its own.
    app.program().log_in().await;
    browser.call(Method::Post, LOGIN, credentials()).await;
    assert_eq!(sessions(&app).await, 3);
}

#[rocket::async_test]
async fn a_log_in_by_cookie_that_another_site_could_make_is_refused() {
    let app = site().await;
    let mut browser = app.browser();
    let token = browser.form_token().await;
    let access = app.program().log_in().await["access_token"].as_str().unwrap().to_owned();
    let bearer = format!("Bearer {access}");
    let foreign = app.browser().form_token().await;
    for (headers, code) in [
        (&[][..], "forgery_refused"),
        (&[(FORM_TOKEN, "")], "forgery_refused"),
        (&[(FORM_TOKEN, "x")], "forgery_refused"),
        (&[(FORM_TOKEN, foreign.as_str())], "forgery_refused"),
        (&[(FORM_TOKEN, &token), ("Sec-Fetch-Site", "cross-site")], "forgery_refused"),
        (&[(FORM_TOKEN, &token), ("Sec-Fetch-Site", "same-site")], "forgery_refused"),
        (&[(FORM_TOKEN, &token), ("Origin", "https://evil.example")], "origin_not_allowed"),
        (&[(FORM_TOKEN, &token), ("Origin", "null")], "origin_not_allowed"),
        // Its cookies are not read, so they are not written either.
        (&[(FORM_TOKEN, &token), ("Authorization", &bearer)], "forgery_refused"),
        (&[(FORM_TOKEN, &token), ("Authorization", "Basic YTpi")], "forgery_refused"),
    ] {
        let page = browser.call_and_lose(Method::Post, LOGIN, by_cookie(), headers).await;
        page.is_problem(403, code);
        assert!(page.set_cookie_lines().is_empty(), "{headers:?}: {page:?}");
    }
    assert_eq!(sessions(&app).await, 1, "the program's");
    browser.remove_cookie("browser");
    let headers = [(FORM_TOKEN, token.as_str())];
    let page = browser.call_and_lose(Method::Post, LOGIN, by_cookie(), &headers).await;
    page.is_problem(403, "forgery_refused");
}

#[rocket::async_test]
async fn a_wrong_password_and_an_unknown_address_are_answered_alike() {
    let app = site().await;
    let program = app.program();
    let wrong = program.post(LOGIN, json!({"email": EMAIL, "password": "not the right one"})).await;
    let unknown = program.post(LOGIN, json!({"email": "nobody@example.org", "password": PASSWORD})).await;
    wrong.is_problem(401, "invalid_credentials");
    assert_eq!((wrong.status, &wrong.body), (unknown.status, &unknown.body));
    let names = |page: &Page| page.headers.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&wrong), names(&unknown));
    assert!(wrong.set_cookie_lines().is_empty());
    let empty = program.post(LOGIN, json!({"email": "", "password": ""})).await;
    assert_eq!(empty.faults(), [("email", "required"), ("password", "required")].map(own));
}

fn own((field, code): (&str, &str)) -> (String, String) {
    (field.to_owned(), code.to_owned())
}

#[rocket::async_test]
async fn a_locked_account_is_told_to_who_knows_its_password_alone() {
    let app = site().await;
    let program = app.program();
    let tokens = program.log_in().await;
    app.site().accounts.lock(EMAIL).await.unwrap();
    let refused = program.post(LOGIN, credentials()).await.is_problem(403, "account_locked");
    assert!(refused["detail"].as_str().unwrap().contains("locked"), "{refused}");
    let wrong = program.post(LOGIN, json!({"email": EMAIL, "password": "not the right one"})).await;
    wrong.is_problem(401, "invalid_credentials");
    program.with(&tokens["access_token"]).get("/api/me").await.is_problem(401, "invalid_token");
    program.refresh(&tokens["refresh_token"]).await.is_problem(401, "invalid_grant");
}

#[rocket::async_test]
async fn programs_share_the_strangers_allowance_and_are_told_how_long_to_wait() {
    let app = site().await;
    let wrong = json!({"email": EMAIL, "password": "not the right one"});
    for number in 0..20 {
        let program = app.program().at([198, 51, 100, number]);
        program.post(LOGIN, wrong.clone()).await.is_problem(401, "invalid_credentials");
    }
    let throttled = app.program().post(LOGIN, credentials()).await;
    throttled.is_problem(429, "too_many_attempts");
    let wait: i64 = throttled.header("retry-after").expect("Retry-After").parse().expect("seconds");
    assert!((1..=15 * 60).contains(&wait), "{wait}");
    // The same counters as the pages'.
    let mut browser = app.browser();
    assert_eq!(browser.log_in(EMAIL, PASSWORD).await.status, 429);
    app.advance(wait);
    app.program().log_in().await;
}

#[rocket::async_test]
async fn a_page_that_has_logged_in_before_has_an_allowance_of_its_own() {
    let app = site().await;
    let mut owner = app.browser();
    assert_eq!(owner.call(Method::Post, LOGIN, by_cookie()).await.status, 200);
    owner.call(Method::Post, LOGOUT, Value::Null).await;
    for number in 0..20 {
        let wrong = json!({"email": EMAIL, "password": "not the right one"});
        app.program().at([198, 51, 100, number]).post(LOGIN, wrong).await;
    }
    app.program().post(LOGIN, credentials()).await.is_problem(429, "too_many_attempts");
    assert_eq!(owner.call(Method::Post, LOGIN, by_cookie()).await.status, 200);
}

#[rocket::async_test]
async fn a_program_confirms_and_gets_an_access_token_that_says_so() {
    let app = site().await;
    let program = app.program();
    let tokens = program.log_in().await;
    let began = app.now();
    app.advance(600);
    let client = program.with(&tokens["access_token"]);
    client.call(Method::Delete, "/api/me/sessions", Value::Null).await.is_problem(401, "reauthentication_required");
    for (password, code) in [("not the right one", "wrong"), ("", "required")] {
        client.post(CONFIRM, json!({"password": password})).await.is_fault("password", code);
    }
    client.call(Method::Delete, "/api/me/sessions", Value::Null).await.is_problem(401, "reauthentication_required");
    let page = client.post(CONFIRM, json!({"password": PASSWORD})).await;
    assert_eq!(page.status, 200);
    let confirmed = page.json();
    assert!(confirmed.get("refresh_token").is_none() && page.set_cookie_lines().is_empty(), "{page:?}");
    let auth_time = |token: &Value| claims(token.as_str().unwrap())["auth_time"].as_i64();
    assert_eq!(auth_time(&tokens["access_token"]), Some(began));
    assert_eq!(auth_time(&confirmed["access_token"]), Some(began + 600));
    let renewed = program.with(&confirmed["access_token"]);
    assert_eq!(renewed.call(Method::Delete, "/api/me/sessions", Value::Null).await.status, 204);
    // Whoever copied the token from before has proved nothing.
    client.call(Method::Delete, "/api/me/sessions", Value::Null).await.is_problem(401, "reauthentication_required");
    assert_eq!(program.refresh(&tokens["refresh_token"]).await.status, 200, "the refresh token stays as it was");
}

#[rocket::async_test]
async fn a_page_confirms_and_gets_a_new_access_cookie_alone() {
    let app = site().await;
    let mut browser = app.browser();
    browser.call(Method::Post, LOGIN, by_cookie()).await;
    let refresh = browser.cookie("refresh_token").unwrap().to_owned();
    app.advance(600);
    let wrong = browser.call(Method::Post, CONFIRM, json!({"password": "not the right one"})).await;
    wrong.is_fault("password", "wrong");
    assert!(wrong.set_cookie_lines().is_empty());
    let page = browser.call(Method::Post, CONFIRM, json!({"password": PASSWORD})).await;
    assert_eq!((page.status, page.set_cookie_lines().len()), (200, 1), "{page:?}");
    has_no_token(&page);
    let access = browser.cookie("access_token").unwrap();
    assert_eq!(claims(access)["auth_time"].as_i64(), Some(app.now()));
    assert_eq!(browser.cookie("refresh_token"), Some(refresh.as_str()));
    assert_eq!(browser.call(Method::Delete, "/api/me/sessions", Value::Null).await.status, 204);
    // With the access token about to expire, both are delivered.
    app.advance(850);
    let page = browser.call(Method::Post, CONFIRM, json!({"password": PASSWORD})).await;
    assert!(page.status == 200 && page.delivers(), "{page:?}");
    assert_eq!(claims(browser.cookie("access_token").unwrap())["auth_time"].as_i64(), Some(app.now()));
}

#[rocket::async_test]
async fn confirming_is_for_who_is_logged_in_and_guesses_are_counted() {
    let app = site().await;
    let program = app.program();
    program.post(CONFIRM, json!({"password": PASSWORD})).await.is_problem(401, "unauthenticated");
    let tokens = program.log_in().await;
    let client = program.with(&tokens["access_token"]);
    for _ in 0..20 {
        client.post(CONFIRM, json!({"password": "not the right one"})).await.is_fault("password", "wrong");
    }
    let throttled = client.post(CONFIRM, json!({"password": PASSWORD})).await;
    throttled.is_problem(429, "too_many_attempts");
    assert!(throttled.header("retry-after").is_some());
}

/// Logs out with one kind of token, and says whether the session has ended and this was recorded.
async fn ends(app: &TestApp, log_out: impl AsyncFnOnce(&Program<'_>, &Value) -> Page) -> bool {
    let program = app.program();
    let tokens = program.log_in().await;
    let before = sessions(app).await;
    let page = log_out(&program, &tokens).await;
    assert_eq!((page.status, page.body.as_str()), (204, ""), "{page:?}");
    assert!(page.set_cookie_lines().is_empty() && page.header("clear-site-data").is_none(), "{page:?}");
    let alive = program.may(&tokens["access_token"]).await;
    let refreshed = program.refresh(&tokens["refresh_token"]).await.status == 200;
    assert_eq!(alive, refreshed);
    assert_eq!(sessions(app).await, before - i64::from(!alive));
    let other = program.log_in().await;
    let newest = kinds(&program, &other["access_token"]).await[1].clone();
    assert_eq!(newest == "logged_out", !alive, "{newest}");
    !alive
}

#[rocket::async_test]
async fn a_program_logs_out_with_whichever_token_it_has() {
    let app = site().await;
    let by_header = async |program: &Program<'_>, token: &Value| program.with(token).post(LOGOUT, Value::Null).await;
    for name in ["access_token", "refresh_token"] {
        app.advance(1);
        assert!(ends(&app, async |program, tokens| by_header(program, &tokens[name]).await).await, "{name}");
    }
    app.advance(1);
    let in_body = async |program: &Program<'_>, tokens: &Value| {
        program.post(LOGOUT, json!({"refresh_token": tokens["refresh_token"]})).await
    };
    assert!(ends(&app, in_body).await);
    app.advance(1);
    let body_beside_nonsense = async |program: &Program<'_>, tokens: &Value| {
        program.with(&json!("nonsense")).post(LOGOUT, json!({"refresh_token": tokens["refresh_token"]})).await
    };
    assert!(ends(&app, body_beside_nonsense).await);
    // An access token in the body is no refresh token.
    app.advance(1);
    let wrong_kind = async |program: &Program<'_>, tokens: &Value| {
        program.post(LOGOUT, json!({"refresh_token": tokens["access_token"]})).await
    };
    assert!(!ends(&app, wrong_kind).await);
    let dead = app.program().log_in().await;
    by_header(&app.program(), &dead["access_token"]).await;
    for token in [&dead["access_token"], &dead["refresh_token"], &json!("nonsense")] {
        assert_eq!(by_header(&app.program(), token).await.status, 204);
        assert_eq!(app.program().post(LOGOUT, json!({"refresh_token": token})).await.status, 204);
    }
    let page = app.program().post(LOGOUT, Value::Null).await;
    assert_eq!((page.status, page.set_cookie_lines().len()), (204, 0));
    let odd = app.program().send(Method::Post, LOGOUT, None, &[("Authorization", "Basic YTpi")]).await;
    assert_eq!(odd.status, 204);
}

#[rocket::async_test]
async fn an_expired_program_still_logs_out_with_its_refresh_token() {
    let app = site().await;
    let program = app.program();
    let tokens = program.log_in().await;
    app.advance(901);
    assert_eq!(program.with(&tokens["access_token"]).post(LOGOUT, Value::Null).await.status, 204);
    let renewed = program.refresh(&tokens["refresh_token"]).await;
    assert_eq!(renewed.status, 200, "an expired access token ends nothing");
    let page = program.with(&renewed.json()["refresh_token"]).post(LOGOUT, Value::Null).await;
    assert_eq!(page.status, 204);
    assert_eq!(sessions(&app).await, 0);
}

async fn logged_in(app: &TestApp) -> Browser<'_> {
    let mut browser = app.browser();
    assert_eq!(browser.call(Method::Post, LOGIN, by_cookie()).await.status, 200);
    browser
}

fn is_cleared(page: &Page) {
    assert_eq!((page.status, page.body.as_str()), (204, ""), "{page:?}");
    assert!(page.clears("access_token") && page.clears("refresh_token") && !page.clears("browser"), "{page:?}");
}

#[rocket::async_test]
async fn a_page_logs_out_with_its_cookies_which_are_cleared() {
    let app = site().await;
    let mut browser = logged_in(&app).await;
    let before = browser.clone();
    is_cleared(&browser.call(Method::Post, LOGOUT, Value::Null).await);
    assert_eq!(sessions(&app).await, 0);
    assert!(!before.clone().is_logged_in().await);
    assert!(browser.cookie("access_token").is_none() && browser.cookie("refresh_token").is_none());
    is_cleared(&before.clone().call(Method::Post, LOGOUT, Value::Null).await);
    // With nothing that says who asks there is nothing to do, and nothing to forge.
    let page = browser.call_with(Method::Post, LOGOUT, Value::Null, &[]).await;
    assert_eq!((page.status, page.set_cookie_lines().len()), (204, 0));
    // An expired access cookie: without a rotation for nothing.
    let mut browser = logged_in(&app).await;
    app.advance(901);
    let page = browser.call(Method::Post, LOGOUT, Value::Null).await;
    is_cleared(&page);
    assert_eq!(sessions(&app).await, 0);
}

#[rocket::async_test]
async fn a_page_is_not_logged_out_by_another_site() {
    let app = site().await;
    let mut browser = logged_in(&app).await;
    let token = browser.form_token().await;
    for (headers, code) in [
        (&[][..], "forgery_refused"),
        (&[(FORM_TOKEN, "x")], "forgery_refused"),
        (&[(FORM_TOKEN, &token), ("Sec-Fetch-Site", "cross-site")], "forgery_refused"),
        (&[(FORM_TOKEN, &token), ("Origin", "https://evil.example")], "origin_not_allowed"),
    ] {
        let page = browser.call_and_lose(Method::Post, LOGOUT, Value::Null, headers).await;
        page.is_problem(403, code);
        assert!(page.set_cookie_lines().is_empty());
    }
    assert!(browser.is_logged_in().await);
    // With a header, the cookies are neither read nor cleared.
    let headers = [("Authorization", "Bearer nonsense")];
    let page = browser.call_and_lose(Method::Post, LOGOUT, Value::Null, &headers).await;
    assert_eq!((page.status, page.set_cookie_lines().len()), (204, 0));
    assert!(browser.is_logged_in().await);
}

#[rocket::async_test]
async fn logging_out_with_a_stale_token_ends_the_session_and_tells_the_owner() {
    let app = site().await;
    let program = app.program();
    let stale = program.log_in().await["refresh_token"].clone();
    let thiefs = program.refresh(&stale).await.json();
    assert!(program.may(&thiefs["access_token"]).await);
    app.advance(61);
    assert!(program.may(&thiefs["access_token"]).await);
    assert_eq!(program.with(&stale).post(LOGOUT, Value::Null).await.status, 204);
    assert!(!program.may(&thiefs["access_token"]).await);
    let owner = program.log_in().await;
    assert!(kinds(&program, &owner["access_token"]).await.contains(&"replayed".to_owned()));
}

#[rocket::async_test]
async fn the_form_token_belongs_to_the_browser_and_a_new_one_gets_its_cookie() {
    let app = site().await;
    let mut browser = app.browser();
    let page = browser.call_with(Method::Get, "/api/auth/csrf", Value::Null, &[]).await;
    assert_eq!((page.status, page.header("cache-control")), (200, Some("no-store")));
    assert!(page.sets("browser").is_some());
    let again = browser.call_with(Method::Get, "/api/auth/csrf", Value::Null, &[]).await;
    assert!(again.set_cookie_lines().is_empty());
    assert_eq!(page.json(), again.json());
    let form = browser.get("/login").await;
    assert_eq!(form.form("/login").value("csrf_token"), page.json()["csrf_token"].as_str(), "forms take the same");
    assert_ne!(page.json(), app.browser().call_with(Method::Get, "/api/auth/csrf", Value::Null, &[]).await.json());
    let headed = browser
        .call_and_lose(Method::Get, "/api/auth/csrf", Value::Null, &[("Authorization", "Bearer nonsense")])
        .await;
    assert!(headed.status == 200 && headed.set_cookie_lines().is_empty());
    app.advance(2 * DAY);
    let token = again.json()["csrf_token"].as_str().unwrap().to_owned();
    let page = browser.call_with(Method::Post, LOGIN, by_cookie(), &[(FORM_TOKEN, &token)]).await;
    assert_eq!(page.status, 200, "a page left open for two days still works");
}
