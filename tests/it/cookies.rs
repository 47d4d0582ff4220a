//! Cookies: exactly what is set, and whatever comes back instead.

use rocket::http::Method;

use crate::helpers::{Browser, EMAIL, NAME, PASSWORD, Page, TestApp, encode, raw};

fn line<'p>(page: &'p Page, name: &str) -> &'p str {
    let start = format!("{name}=");
    page.set_cookie_lines().into_iter().find(|line| line.starts_with(&start)).unwrap_or_else(|| panic!("no {name}"))
}

fn attributes(line: &str) -> &str {
    line.split_once("; ").expect("attributes").1
}

/// The answer to a log-in, before it is followed.
async fn login_answer(browser: &mut Browser<'_>, remember: bool) -> Page {
    let form = browser.get("/login").await;
    let mut fields = vec![("email", EMAIL), ("password", PASSWORD)];
    if remember {
        fields.push(("remember", "on"));
    }
    browser.submit(&form, "/login", &fields).await
}

#[rocket::async_test]
async fn cookies_have_exactly_these_names_and_attributes() {
    for (url, prefix, secure) in [("http://localhost:8000", "", ""), ("https://example.org", "__Host-", "; Secure")] {
        let app = TestApp::with(&[("public_url", url)]).await;
        app.registered().await;
        let mut browser = app.browser();
        let page = browser.get("/login").await;
        let browser_line = line(&page, &format!("{prefix}browser"));
        assert_eq!(
            attributes(browser_line),
            format!("Path=/; Max-Age=34560000; HttpOnly{secure}; SameSite=Lax").as_str()
        );
        let [access, refresh, probe] = ["access_token", "refresh_token", "probe"].map(|name| format!("{prefix}{name}"));
        for (remember, max_age) in [(false, ""), (true, "; Max-Age=2592000")] {
            let mut browser = app.browser();
            let page = login_answer(&mut browser, remember).await;
            assert_eq!(page.set_cookie_lines().len(), 2, "{:?}", page.set_cookie_lines());
            for name in [&access, &refresh] {
                let expected = format!("Path=/{max_age}; HttpOnly{secure}; SameSite=Lax");
                assert_eq!(attributes(line(&page, name)), expected, "{name}");
            }
            let out = browser.get("/logout").await;
            let out = browser.submit(&out, "/logout", &[]).await;
            for name in [&access, &refresh] {
                assert_eq!(line(&out, name), format!("{name}=; Path=/; Max-Age=0; HttpOnly{secure}; SameSite=Lax"));
            }
        }
        let mut browser = app.browser();
        login_answer(&mut browser, true).await;
        let stale = browser.clone();
        for _ in 0..2 {
            app.advance(901);
            browser.get("/account").await;
            app.advance(61);
            browser.get("/account").await;
        }
        let asked = stale.send_and_lose(Method::Get, "/account", None, &[]).await;
        assert_eq!(asked.status, 307);
        assert_eq!(
            attributes(line(&asked, &probe)),
            format!("Path=/; Max-Age=60; HttpOnly{secure}; SameSite=Lax").as_str()
        );
    }
}

#[rocket::async_test]
async fn each_cookie_is_under_one_kibibyte_whatever_the_algorithm() {
    let host = format!("https://{}.example.org", ["a"; 40].join("."));
    assert_eq!(host.len(), 99);
    for algorithm in ["EdDSA", "ES256", "RS256"] {
        let app = TestApp::with(&[("signing_algorithm", algorithm), ("public_url", &host)]).await;
        let mut browser = app.registered().await;
        browser.fill("/logout", "/logout", &[]).await;
        let page = login_answer(&mut browser, true).await;
        for line in page.set_cookie_lines() {
            let pair = line.split(';').next().unwrap();
            assert!(pair.len() < 1024, "{algorithm}: {} bytes: {line}", pair.len());
        }
        app.advance(1);
        let page = browser.get("/account").await;
        assert_eq!((page.status, page.delivers()), (200, false), "{algorithm}: the access token is good");
    }
}

#[rocket::async_test]
async fn an_address_too_long_for_its_tokens_is_refused_at_start() {
    let host = format!("https://{}.example.org", ["a"; 60].join("."));
    let read = |url: &str| {
        let figment = figment::Figment::from(rocket::Config::default()).merge(("hallpass.public_url", url));
        hallpass::config::Config::read(&figment)
    };
    assert!(read("https://example.org").is_ok());
    let error = read(&host).expect_err("too long").to_string();
    assert!(error.contains("public_url"), "{error}");
}

async fn account_with(app: &TestApp, cookie: &str) -> Page {
    app.browser().send(Method::Get, "/account", None, &[("Cookie", cookie)]).await
}

#[rocket::async_test]
async fn of_several_cookies_of_one_name_the_good_one_counts() {
    let app = TestApp::start().await;
    let browser = app.registered().await;
    let [access, refresh] = ["access_token", "refresh_token"].map(|name| browser.cookie(name).unwrap().to_owned());
    for cookie in [
        format!("access_token={access}; access_token=garbage"),
        format!("access_token=garbage; access_token={access}"),
        format!("access_token=; access_token={access}"),
        format!("refresh_token={refresh}; refresh_token=garbage"),
        format!("refresh_token=garbage; refresh_token={refresh}"),
        format!("access_token=a; access_token=b; access_token=c; refresh_token={refresh}; refresh_token=c"),
        format!("access_token={refresh}; access_token={access}; refresh_token={access}"),
        format!("theme=dark; =; ;;; a=b=c; \u{e9}=\u{4e2d}; \"q\"=\"v\"; access_token={access} ;;"),
        format!("ACCESS_TOKEN=x; __Host-access_token=x; access_token={access}"),
        format!("access_token={access}; {}={}", "n".repeat(8192), "v".repeat(8192)),
    ] {
        let page = account_with(&app, &cookie).await;
        assert_eq!(page.status, 200, "{cookie}");
        assert!(!page.clears("access_token") && !page.clears("refresh_token"), "{cookie}");
    }
}

/// A browser that knows `__Host-` keeps no such cookie of another host; but a name that only begins with a blank which
/// this site then leaves away is another name to it.
#[rocket::async_test]
async fn a_name_behind_an_odd_blank_is_another_name() {
    let app = TestApp::with(&[("public_url", "https://example.org")]).await;
    let browser = app.registered().await;
    let name = "__Host-access_token";
    let access = browser.cookie(name).unwrap();
    for blank in ["\u{85}", "\u{a0}", "\u{2003}", "\u{2028}", "\u{3000}"] {
        for pair in
            [format!("{blank}{name}={access}"), format!("{name}{blank}={access}"), format!("{name}={access}{blank}")]
        {
            for cookie in [pair.clone(), format!("theme=dark; {pair}; x=1")] {
                let page = account_with(&app, &cookie).await;
                assert_eq!(page.status, 303, "{cookie:?}");
            }
        }
    }
    assert_eq!(account_with(&app, &format!("\t {name}={access} \t")).await.status, 200);
}

#[rocket::async_test]
async fn two_good_sessions_in_one_jar_are_one_user_and_end_nobody() {
    let app = TestApp::start().await;
    let one = app.registered().await;
    app.advance(1);
    let mut two = app.browser();
    two.register("Bo", "bo@example.org", PASSWORD).await;
    let value = |browser: &Browser<'_>, name: &str| browser.cookie(name).unwrap().to_owned();
    for name in ["access_token", "refresh_token"] {
        for (first, second) in [(&one, &two), (&two, &one)] {
            let page =
                account_with(&app, &format!("{name}={}; {name}={}", value(first, name), value(second, name))).await;
            assert_eq!(page.status, 200);
            let users = [page.has(EMAIL), page.has("bo@example.org")];
            assert_eq!(users.iter().filter(|is| **is).count(), 1);
        }
    }
    assert!(one.clone().is_logged_in().await && two.clone().is_logged_in().await);
}

#[rocket::async_test]
async fn a_huge_empty_or_odd_cookie_is_a_stranger() {
    let app = TestApp::start().await;
    let huge = "x".repeat(8192);
    for cookie in [
        String::new(),
        "access_token=; refresh_token=; browser=; probe=".into(),
        "access_token; refresh_token; browser; probe".into(),
        format!("access_token={huge}; refresh_token={huge}; browser={huge}; probe={huge}"),
        "access_token=\u{1f98a}; refresh_token=\"\"; browser=.; probe=..".into(),
        "browser=.x; browser=x.; browser=..; browser=x.y.z; probe=1.2.3".into(),
        "; ".repeat(4000),
        "access_token=x; ".repeat(1000),
    ] {
        let page = account_with(&app, &cookie).await;
        assert_eq!((page.status, page.location()), (303, Some("/login?next=%2Faccount")));
        assert!(!page.clears("access_token") && !page.clears("refresh_token"));
        let mut visitor = app.browser();
        let login = visitor.send(Method::Get, "/login", None, &[("Cookie", &cookie)]).await;
        assert_eq!(login.status, 200);
        assert!(login.sets("browser").is_some(), "a genuine one takes its place");
    }
}

#[rocket::async_test]
async fn only_dead_cookies_are_cleared_and_only_by_the_login_page() {
    let app = TestApp::start().await;
    let browser = app.registered().await;
    let dead = "access_token=dead; refresh_token=dead";
    for path in ["/", "/account", "/register", "/logout", "/nowhere", "/confirm", "/session/ack", "/healthz"] {
        let page = app.browser().send(Method::Get, path, None, &[("Cookie", dead)]).await;
        assert!(!page.clears("access_token") && !page.clears("refresh_token"), "{path}");
    }
    let page = app.browser().send(Method::Get, "/login", None, &[("Cookie", dead)]).await;
    assert!(page.clears("access_token") && page.clears("refresh_token"));
    assert!(!page.clears("browser"));
    let half = format!("access_token=dead; refresh_token={}", browser.cookie("refresh_token").unwrap());
    let page = app.browser().send(Method::Get, "/login", None, &[("Cookie", &half)]).await;
    assert_eq!(page.status, 303, "half a jar is enough");
    assert!(!page.clears("access_token") && !page.clears("refresh_token"));
}

/// Bytes that no text is made of, over a real connection. Rocket drops a header that is not UTF-8 whole.
#[test]
fn cookies_that_are_no_text_are_a_stranger_and_lose_nothing() {
    let server = crate::helpers::Server::start(&[]);
    server.add_user();
    let port = server.port();
    let get = |path: &str, cookie: &[u8]| {
        let head = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nCookie: ");
        raw::send(port, &[head.as_bytes(), cookie, b"\r\n\r\n"].concat())
    };
    let form = get("/login", b"a=b");
    let browser = form.cookie("browser").expect("a browser cookie");
    let token = form.page("/login").form("/login").value("csrf_token").unwrap().to_owned();
    let body = encode(&[("email", EMAIL), ("password", PASSWORD), ("csrf_token", &token)]);
    let answer = raw::post(port, "/login", &format!("browser={browser}"), body.as_bytes());
    assert_eq!(answer.status, 303, "{}", answer.head);
    let jar = format!("access_token={}", answer.cookie("access_token").expect("logged in"));
    assert!(get("/account", jar.as_bytes()).body.contains(NAME));
    for odd in [&b"\xff\xfe"[..], b"x=\xc3\x28", b"access_token=\x80", b"\xed\xa0\x80=y"] {
        let alone = get("/account", odd);
        assert_eq!((alone.status, alone.cookie("access_token")), (303, None));
        let both = get("/account", &[jar.as_bytes(), b"; ", odd].concat());
        assert!(matches!(both.status, 200 | 303), "{}", both.head);
        assert!(!both.head.to_lowercase().contains("max-age=0"), "{}", both.head);
    }
    assert!(get("/account", jar.as_bytes()).body.contains(NAME), "nothing of it has ended the session");
}

#[rocket::async_test]
async fn cookies_may_be_split_over_several_headers() {
    let app = TestApp::start().await;
    let browser = app.registered().await;
    let cookies: Vec<_> = browser.jar().iter().map(|(name, cookie)| format!("{name}={}", cookie.value)).collect();
    let get = async |headers: Vec<String>| {
        let mut request = app.client().get("/account");
        headers.into_iter().for_each(|line| request.add_header(rocket::http::Header::new("Cookie", line)));
        request.dispatch().await.status().code
    };
    // As proxies do that speak HTTP/2 with the browser (RFC 9113 section 8.2.3).
    assert_eq!(get(cookies.clone()).await, 200);
    assert_eq!(get(vec!["theme=dark; x=1".to_owned(), format!(" {} ;", cookies.join(" ; "))]).await, 200);
    assert_eq!(get(vec![cookies.join("; "), "theme=dark".to_owned()]).await, 200);
    assert_eq!(get(vec!["theme=dark".to_owned()]).await, 303);
}
