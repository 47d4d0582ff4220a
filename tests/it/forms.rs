//! Forms as nobody fills them in: each comes back in words, nobody is logged out, nothing typed is lost.

use rocket::http::Method;

use crate::helpers::{Browser, EMAIL, NAME, PASSWORD, Page, Server, TestApp, encode, raw};

type Fields = &'static [(&'static str, &'static str)];

/// A form that people type into: page, action, fields; `true` if one must be logged in.
const FORMS: [(&str, &str, Fields, bool); 7] = [
    ("/login", "/login", &[("email", EMAIL), ("password", PASSWORD)], false),
    ("/register", "/register", &[("name", "Bo"), ("email", "bo@example.org"), ("password", PASSWORD)], false),
    ("/setup", "/setup", &[("name", "Cy"), ("email", "cy@example.org"), ("password", PASSWORD)], false),
    ("/confirm", "/confirm", &[("password", PASSWORD)], true),
    ("/account", "/account/profile", &[("name", "Ann Changed")], true),
    (
        "/account",
        "/account/password",
        &[("current_password", PASSWORD), ("new_password", "another long password")],
        true,
    ),
    (
        "/account/tokens",
        "/account/tokens",
        &[("name", "Backup"), ("scopes", "read"), ("expires_in_days", "30"), ("password", PASSWORD)],
        true,
    ),
];

const NEW_PASSWORD: &str = "another long password";

/// What becomes of one field, percent-encoded; the others are filled in well.
fn spoiled(field: &str, good: &str) -> Vec<(&'static str, String)> {
    let pair = |value: &str| format!("{field}={value}");
    let good = encode(&[(field, good)]);
    vec![
        ("missing", String::new()),
        ("empty", pair("")),
        ("bare", field.to_owned()),
        ("repeated", format!("{good}&{good}")),
        ("repeated, second empty", format!("{good}&{}", pair(""))),
        ("overlong", pair(&"x".repeat(10_000))),
        ("overlong in other letters", pair(&"%F0%9F%A6%8A".repeat(1000))),
        ("NUL", format!("{good}%00")),
        ("control characters", format!("{good}%1b%0d%0a%7f")),
        ("not UTF-8", format!("{good}%ff%fe")),
        ("half a letter", format!("{good}%c3")),
        ("surrogates", pair("%ed%a0%80")),
    ]
}

async fn page_of(browser: &mut Browser<'_>, app: &TestApp, path: &str) -> (String, Page) {
    let path = match path {
        "/setup" => format!("/setup?token={}", app.site().accounts.issue_setup_token().await.unwrap()),
        path => path.to_owned(),
    };
    let page = browser.get(&path).await;
    assert_eq!(page.status, 200, "{path}");
    (path, page)
}

/// The good fields of a form, but one.
fn others(page: &Page, action: &str, fields: Fields, but: &str) -> String {
    let form = page.form(action);
    encode(&form.filled(fields).into_iter().filter(|(name, _)| *name != but).collect::<Vec<_>>())
}

fn echoes_no_password(page: &Page) -> bool {
    let inputs = page.body.split("<input").filter(|input| input.split('>').next().unwrap().contains("\"password\""));
    !page.has(PASSWORD)
        && !page.has(NEW_PASSWORD)
        && inputs.into_iter().all(|input| !input.split('>').next().unwrap().contains("value="))
}

#[rocket::async_test]
async fn a_spoiled_field_comes_back_with_the_fault_beside_it() {
    let app = TestApp::start().await;
    app.registered().await;
    for (path, action, fields, logged_in) in FORMS {
        let mut browser = app.browser();
        if logged_in {
            browser.log_in_remembered(EMAIL, PASSWORD).await;
        }
        // Checkboxes may be sent several times or not at all.
        for &(field, good) in fields.iter().filter(|(field, _)| *field != "scopes") {
            for (what, body) in spoiled(field, good) {
                // Past every allowance.
                app.advance(3601);
                let (_, page) = page_of(&mut browser, &app, path).await;
                let body = format!("{}&{body}", others(&page, action, fields, field));
                let answer = browser.send(Method::Post, action, Some(body.as_bytes()), &[]).await;
                let what = format!("{action}: {field} {what}");
                assert_eq!(answer.status, 422, "{what}: {}", answer.body);
                assert!(answer.is_in_words() && answer.has("There is a problem"), "{what}");
                assert!(echoes_no_password(&answer), "{what}");
                // A log-in that fails never says which field is wrong.
                let refused = action == "/login" && answer.has("The e-mail address or the password is not right");
                let beside = answer.has(&format!("id=\"{field}-fault\"")) && answer.has(&format!("href=\"#{field}\""));
                assert!(beside || refused, "{what}: {}", answer.body);
                for &(other, value) in fields {
                    if other != field && matches!(other, "email" | "name") {
                        assert!(answer.form(action).value(other) == Some(value), "{what}: {other} is lost");
                    }
                }
            }
        }
        assert_eq!(browser.get("/account").await.status, if logged_in { 200 } else { 303 });
    }
}

#[rocket::async_test]
async fn raw_bytes_unknown_fields_and_percent_signs_are_taken_for_what_they_are() {
    let app = TestApp::start().await;
    let mut browser = app.registered().await;
    let token = browser.get("/account").await.form("/account/profile").value("csrf_token").unwrap().to_owned();
    let start = format!("csrf_token={token}&name=");
    for (name, shown) in [
        (&b"50%25 %zz % %2"[..], Some("50% %zz % %2")),
        (b"%2525252541", Some("%25252541")),
        (b"a+b%2Bc", Some("a b+c")),
        (b"caf\xc3\xa9", Some("caf\u{e9}")),
        (b"caf\xe9", None),
        (b"x\x00y", None),
        (b"plain&unknown=1&__proto__=x&%00=%00&%ff=%ff&&&=&==", Some("plain")),
        (b"last&name%00=other&Name=other&name%5b%5d=other&+name=other", Some("last")),
    ] {
        let body = [start.as_bytes(), name].concat();
        let answer = browser.send(Method::Post, "/account/profile", Some(&body), &[]).await;
        match shown {
            Some(shown) => {
                assert_eq!(answer.location(), Some("/account?saved=name"), "{}", String::from_utf8_lossy(name));
                assert_eq!(browser.get("/account").await.form("/account/profile").value("name"), Some(shown));
            }
            None => assert_eq!((answer.status, answer.is_in_words()), (422, true)),
        }
    }
}

#[rocket::async_test]
async fn a_body_too_large_or_of_another_kind_is_answered_in_words() {
    let app = TestApp::start().await;
    let owner = app.registered().await;
    let json = br#"{"email":"ann@example.org","password":"correct horse battery staple"}"#.as_slice();
    let multipart = b"--x\r\nContent-Disposition: form-data; name=\"name\"\r\n\r\nx\r\n--x--\r\n".as_slice();
    let (huge, many) = ("name=".to_owned() + &"x".repeat(32 * 1024), "a=&".repeat(100_000));
    for (_, action, _, logged_in) in FORMS.into_iter().chain([("", "/logout", &[][..], true)]) {
        let mut browser = if logged_in { owner.clone() } else { app.browser() };
        for (content_type, body, status) in [
            ("application/x-www-form-urlencoded", huge.as_bytes(), 413),
            ("application/x-www-form-urlencoded", many.as_bytes(), 413),
            ("application/json", json, 415),
            ("multipart/form-data; boundary=x", multipart, 415),
            ("text/plain", b"csrf_token=x", 415),
            ("application/x-www-form-urlencodedx", b"csrf_token=x", 415),
        ] {
            let answer = browser.send(Method::Post, action, Some(body), &[("Content-Type", content_type)]).await;
            assert_eq!(answer.status, status, "{action} {content_type}");
            assert!(answer.is_in_words(), "{action} {content_type}");
        }
        // What fits is read, and refused for want of a form token alone.
        for body in ["", "&", "=", "&&==&", &"&".repeat(32 * 1024), &"a&".repeat(16 * 1024)] {
            let answer = browser.send(Method::Post, action, Some(body.as_bytes()), &[]).await;
            let status = if action == "/setup" { 404 } else { 403 };
            assert_eq!((answer.status, answer.is_in_words()), (status, true), "{action} {:.10}", body);
        }
    }
    assert!(owner.clone().is_logged_in().await);
}

#[rocket::async_test]
async fn a_form_without_a_content_type_is_read_and_one_at_the_limit_too() {
    let app = TestApp::start().await;
    let mut browser = app.registered().await;
    let token = browser.get("/account").await.form("/account/profile").value("csrf_token").unwrap().to_owned();
    let body = format!("name=Untyped&csrf_token={token}");
    let padded = format!("{body}&x={}", "x".repeat(32 * 1024 - body.len() - 3));
    assert_eq!(padded.len(), 32 * 1024);
    for (content_type, body) in [("", &body), ("application/x-www-form-urlencoded; charset=UTF-8", &padded)] {
        let extra = [("Content-Type", content_type)];
        let answer = browser.send(Method::Post, "/account/profile", Some(body.as_bytes()), &extra).await;
        assert_eq!(answer.location(), Some("/account?saved=name"), "{}", answer.body);
    }
}

#[rocket::async_test]
async fn a_method_in_a_form_changes_nothing_that_is_checked() {
    let app = TestApp::start().await;
    let mut browser = app.registered().await;
    let token = browser.get("/account").await.form("/account/profile").value("csrf_token").unwrap().to_owned();
    for method in ["put", "DELETE", "patch", "trace", "get"] {
        let body = format!("_method={method}&name=Forged&csrf_token={token}");
        let answer = browser.send(Method::Post, "/account/profile", Some(body.as_bytes()), &[]).await;
        assert_eq!((answer.status, answer.is_in_words()), (404, true), "{method}");
    }
    for method in ["", "post", "options", "connect", "nonsense", "%00"] {
        let body = format!("_method={method}&name=Forged");
        let answer = browser.send(Method::Post, "/account/profile", Some(body.as_bytes()), &[]).await;
        assert_eq!((answer.status, answer.is_in_words()), (403, true), "{method}: still a POST, and checked");
    }
    let out =
        browser.send(Method::Post, "/logout", Some(format!("_method=get&csrf_token={token}").as_bytes()), &[]).await;
    assert_eq!(out.status, 200, "a GET of that page");
    let second = format!("name=Second&_method=delete&csrf_token={token}");
    let answer = browser.send(Method::Post, "/account/profile", Some(second.as_bytes()), &[]).await;
    assert_eq!(answer.location(), Some("/account?saved=name"), "not the first field: a field like any other");
    assert!(browser.get("/account").await.has("Second"));
}

#[rocket::async_test]
async fn a_refused_login_says_the_same_of_everybody_and_keeps_all_but_the_password() {
    let app = TestApp::start().await;
    app.registered().await;
    let mut pages = Vec::new();
    for email in [EMAIL, "nobody@example.org"] {
        let mut browser = app.browser();
        let form = browser.get("/login?next=%2Faccount%2Fsessions").await;
        let fields = [("email", email), ("password", "a wrong password"), ("remember", "on")];
        let page = browser.submit(&form, "/login", &fields).await;
        assert_eq!(page.status, 422);
        assert!(page.is_in_words() && !page.has("a wrong password"));
        let kept = page.form("/login");
        assert_eq!(kept.value("email"), Some(email));
        assert_eq!(kept.value("remember"), Some("on"));
        assert_eq!(kept.value("next"), Some("/account/sessions"));
        assert_eq!(kept.value("password"), Some(""));
        let token = kept.value("csrf_token").unwrap();
        let headers: Vec<_> = page.headers.iter().filter(|(name, _)| name != "x-request-id").cloned().collect();
        let body = page.body.replace(token, "").replace(email, "");
        pages.push((headers.into_iter().filter(|(name, _)| name != "content-length").collect::<Vec<_>>(), body));
    }
    assert_eq!(pages[0], pages[1]);
    assert!(!pages[0].1.contains(NAME));
}

#[rocket::async_test]
async fn a_session_that_is_not_there_or_not_mine_is_a_page_in_words() {
    let app = TestApp::start().await;
    let mut owner = app.registered().await;
    let mut bo = app.browser();
    bo.register("Bo", "bo@example.org", PASSWORD).await;
    let token = owner.get("/account").await.form("/logout").value("csrf_token").unwrap().to_owned();
    let claims = crate::tokens::decoded(bo.cookie("access_token").unwrap(), 1);
    let foreign = claims["sid"].as_str().unwrap().to_owned();
    let long = "x".repeat(4000);
    for id in [&foreign[..], "x", "%00", "%0a", "%2f", "%3cb%3e", "..%2f..", "'%20or%201=1", "%F0%9F%A6%8A", &long] {
        let answer = owner.post(&format!("/account/sessions/{id}/end"), &[("csrf_token", &token)]).await;
        assert_eq!((answer.status, answer.is_in_words()), (404, true), "{id}");
    }
    let answer = owner.post("/account/sessions/%ff/end", &[("csrf_token", &token)]).await;
    assert!(matches!(answer.status, 404 | 422) && answer.is_in_words(), "{}", answer.status);
    assert!(bo.is_logged_in().await && owner.is_logged_in().await);
}

#[test]
fn what_is_typed_or_carried_in_secret_reaches_no_log() {
    let mut server = Server::start(&[("RUST_LOG", "trace")]);
    let port = server.port();
    let setup = server.greeting.split("/setup?token=").nth(1).unwrap().trim().to_owned();
    let mut secrets: Vec<_> = [PASSWORD, NEW_PASSWORD, "a wrong secret", &setup].map(str::to_owned).into();
    let get = |path: &str, cookie: &str| {
        let head = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nCookie: {cookie}\r\n\r\n");
        raw::send(port, head.as_bytes())
    };
    let page = get(&format!("/setup?token={setup}"), "");
    let token = page.page("/setup").form("/setup").value("csrf_token").unwrap().to_owned();
    let browser = page.cookie("browser").unwrap();
    let jar = format!("browser={browser}");
    let post = |action: &str, jar: &str, fields: &[(&str, &str)]| {
        let body = encode(&[&[("csrf_token", &token[..])], fields].concat());
        raw::post(port, action, jar, body.as_bytes())
    };
    let fields = [("name", NAME), ("email", EMAIL), ("password", PASSWORD), ("token", &setup[..])];
    let done = post("/setup", &jar, &fields);
    assert_eq!(done.status, 303, "{}", done.head);
    let [access, refresh] = ["access_token", "refresh_token"].map(|name| done.cookie(name).unwrap());
    let logged_in = format!("{jar}; access_token={access}; refresh_token={refresh}");
    let wrong = [("current_password", "a wrong secret"), ("new_password", NEW_PASSWORD)];
    let right = [("current_password", PASSWORD), ("new_password", NEW_PASSWORD)];
    for (action, fields, status) in [
        ("/confirm", &[("password", "a wrong secret")][..], 422),
        ("/account/password", &wrong, 422),
        ("/account/password", &right, 303),
    ] {
        assert_eq!(post(action, &logged_in, fields).status, status, "{action}");
        assert_eq!(raw::post(port, action, &logged_in, encode(fields).as_bytes()).status, 403, "{action}");
    }
    for (email, password) in [("a wrong secret", NEW_PASSWORD), (EMAIL, "a wrong secret"), (EMAIL, NEW_PASSWORD)] {
        post("/login", &jar, &[("email", email), ("password", password)]);
    }
    get("/account?password=a%20wrong%20secret", &logged_in);
    get("/login", "access_token=a wrong secret");
    raw::post(port, "/login", &jar, &[&b"password=a wrong secret&"[..], &[b'x'; 40_000]].concat());
    secrets.extend([token.clone(), access, refresh, browser]);
    assert!(server.stop());
    let log = server.log();
    for event in ["login_refused", "password_changed", "forgery_refused", "path=\"/account/password\"", "DEBUG"] {
        assert!(log.contains(event), "{event} is not in the log");
    }
    for secret in secrets {
        for form in [secret.clone(), secret.replace(' ', "+"), secret.replace(' ', "%20")] {
            assert!(!log.contains(&form), "{form} stands in the log");
        }
    }
}
