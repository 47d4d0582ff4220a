//! Whatever stands where a token is expected: no access, a page in words, and no harm to anybody's session.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hallpass::id::{SessionId, UserId};
use hallpass::tokens::access::{AccessTokens, Grant};
use rocket::http::Method;
use serde_json::{Value, json};

use crate::helpers::{Browser, EMAIL, PASSWORD, TestApp};

pub type Named = (String, String);

/// Everywhere that a token can stand: in either cookie, in both, in the header.
async fn gives_nothing(app: &TestApp, (what, token): &Named) {
    let bearer = format!("Bearer {token}");
    let cookies = [
        ("Cookie", format!("access_token={token}")),
        ("Cookie", format!("refresh_token={token}")),
        ("Cookie", format!("access_token={token}; refresh_token={token}")),
        ("Authorization", bearer),
    ];
    for (header, value) in &cookies {
        let page = app.browser().send(Method::Get, "/account", None, &[(header, value)]).await;
        let place = format!("{what} in {header}");
        assert_eq!((page.status, page.location()), (303, Some("/login?next=%2Faccount")), "{place}");
        assert!(page.set_cookie_lines().is_empty(), "{place}: a refusing response leaves cookies alone");
        let login = app.browser().send(Method::Get, "/login", None, &[(header, value)]).await;
        assert!(login.status == 200 && login.has("action=\"/login\""), "{place}: {}", login.status);
    }
}

/// Beside one good cookie: still logged in, and the other cookie is not lost.
async fn harms_nobody(browser: &Browser<'_>, (what, token): &Named) {
    for name in ["access_token", "refresh_token"] {
        let mut browser = browser.clone();
        browser.set_cookie(name, token);
        for path in ["/account", "/login"] {
            let page = browser.send_and_lose(Method::Get, path, None, &[]).await;
            let expected = if path == "/account" { 200 } else { 303 };
            assert_eq!(page.status, expected, "{what} as {name} at {path}");
            assert!(!page.clears("access_token") && !page.clears("refresh_token"), "{what} as {name} at {path}");
        }
    }
}

pub async fn is_worthless(app: &TestApp, browser: &Browser<'_>, tokens: Vec<Named>) {
    for token in &tokens {
        gives_nothing(app, token).await;
        harms_nobody(browser, token).await;
    }
    assert!(browser.clone().is_logged_in().await);
}

pub fn part(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

pub fn decoded(token: &str, at: usize) -> Value {
    let bytes = URL_SAFE_NO_PAD.decode(token.split('.').nth(at).expect("a part")).expect("base64url");
    serde_json::from_slice(&bytes).expect("JSON")
}

pub fn cookies_of(browser: &Browser<'_>) -> [String; 2] {
    ["access_token", "refresh_token"].map(|name| browser.cookie(name).expect("logged in").to_owned())
}

fn named(list: impl IntoIterator<Item = (&'static str, String)>) -> Vec<Named> {
    list.into_iter().map(|(what, token)| (what.to_owned(), token)).collect()
}

/// The next letter of base64url: in a last letter with unused bits, the same bytes to a lenient decoder.
fn with_unused_bits(part: &str) -> String {
    const LETTERS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let last = LETTERS.find(part.chars().last().expect("a letter")).expect("base64url");
    format!("{}{}", &part[..part.len() - 1], &LETTERS[last + 1..last + 2])
}

#[rocket::async_test]
async fn a_token_cut_off_anywhere_gives_nothing() {
    let app = TestApp::start().await;
    let browser = app.registered().await;
    for token in cookies_of(&browser) {
        for end in 0..token.len() {
            let what = (format!("the first {end} bytes"), token[..end].to_owned());
            let name = if token == cookies_of(&browser)[0] { "access_token" } else { "refresh_token" };
            let cookie = format!("{name}={}", what.1);
            let page = app.browser().send(Method::Get, "/account", None, &[("Cookie", &cookie)]).await;
            assert_eq!(page.status, 303, "{}", what.0);
            assert!(page.set_cookie_lines().is_empty());
            if end % 40 == 0 {
                gives_nothing(&app, &what).await;
                harms_nobody(&browser, &what).await;
            }
        }
    }
    assert!(browser.clone().is_logged_in().await);
}

#[rocket::async_test]
async fn a_malformed_or_oversized_token_gives_nothing() {
    let app = TestApp::start().await;
    let browser = app.registered().await;
    let mut tokens = Vec::new();
    for token in cookies_of(&browser) {
        let parts: Vec<_> = token.split('.').collect();
        let [header, claims, signature] = parts[..] else { panic!("three parts") };
        let first = signature.chars().next().expect("a letter");
        let flipped = if first == 'A' { "B" } else { "A" };
        tokens.extend(named([
            ("signature stripped", format!("{header}.{claims}.")),
            ("signature and dot stripped", format!("{header}.{claims}")),
            ("a fourth part", format!("{token}.x")),
            ("a second token after it", format!("{token}.{token}")),
            ("parts swapped", format!("{claims}.{header}.{signature}")),
            ("signature altered", format!("{header}.{claims}.{flipped}{}", &signature[1..])),
            ("padding", format!("{token}=")),
            ("padding of the claims", format!("{header}.{claims}==.{signature}")),
            ("unused bits", format!("{header}.{claims}.{}", with_unused_bits(signature))),
            ("quoted", format!("\"{token}\"")),
            ("percent-encoded dots", token.replace('.', "%2E")),
            ("a space inside", format!("{header}. {claims}.{signature}")),
            ("a comma and more", format!("{token},{token}")),
            ("upper case", token.to_uppercase()),
            ("8 KiB of the same token", token.repeat(8192 / token.len() + 1)),
            ("8 KiB of signature", format!("{token}{}", "A".repeat(8192))),
            ("1 MiB", format!("{header}.{}.{signature}", "A".repeat(1 << 20))),
        ]));
    }
    tokens.extend(named([
        ("one letter", "x".into()),
        ("dots", "..".into()),
        ("many dots", ".".repeat(1000)),
        ("empty JSON", format!("{}.{}.AA", part(&json!({})), part(&json!({})))),
        ("JSON of another kind", format!("{}.{}.AA", part(&json!([1])), part(&json!("x")))),
        ("deep JSON", format!("{0}.{0}.AA", URL_SAFE_NO_PAD.encode("[".repeat(500)))),
        ("not UTF-8 inside", format!("{0}.{0}.AA", URL_SAFE_NO_PAD.encode([0xff, 0xfe]))),
        ("letters beyond ASCII", "\u{e9}\u{4e2d}\u{1f98a}.\u{202e}.x".into()),
        ("markup", "<script>alert(1)</script>".into()),
        ("SQL", "' or '1'='1".into()),
    ]));
    is_worthless(&app, &browser, tokens).await;
}

#[rocket::async_test]
async fn tokens_in_each_others_place_give_nothing() {
    let app = TestApp::start().await;
    let browser = app.registered().await;
    let [access, refresh] = cookies_of(&browser);
    for header in [
        ("Cookie", format!("access_token={refresh}")),
        ("Cookie", format!("refresh_token={access}")),
        ("Cookie", format!("access_token={refresh}; refresh_token={access}")),
        ("Authorization", format!("Bearer {refresh}")),
    ] {
        let page = app.browser().send(Method::Get, "/account", None, &[(header.0, &header.1)]).await;
        assert_eq!((page.status, page.set_cookie_lines().len()), (303, 0), "{header:?}");
    }
    let mut swapped = browser.clone();
    swapped.set_cookie("access_token", &refresh);
    assert_eq!(swapped.get("/account").await.status, 200, "the refresh cookie itself is good");
    assert!(browser.clone().is_logged_in().await);
}

#[rocket::async_test]
async fn of_tokens_under_the_sites_own_key_only_this_sites_of_this_moment_give_access() {
    let app = TestApp::start().await;
    // The site's key is older than the tokens that will have expired.
    app.advance(1000);
    let browser = app.registered().await;
    let mut other = app.browser();
    other.register("Bo", "bo@example.org", PASSWORD).await;
    let claims = decoded(browser.cookie("access_token").expect("logged in"), 1);
    let others = decoded(other.cookie("access_token").expect("logged in"), 1);
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let (own, sub, sid) = (text(&claims["iss"]), text(&claims["sub"]), text(&claims["sid"]));
    let issue = |issuer: &str, sub: &str, sid: &str, at: i64| {
        let (user, session) = (UserId::from_text(sub), SessionId::from_text(sid));
        let grant = Grant { user: &user, session: &session, generation: 1, auth_time: at, scope: "read write" };
        AccessTokens::new(issuer, 900).issue(&app.site().keyring.keys(), &grant, at).expect("issued")
    };
    let now = app.now();
    let good = format!("Bearer {}", issue(&own, &sub, &sid, now));
    let page = app.browser().send(Method::Get, "/account", None, &[("Authorization", &good)]).await;
    assert_eq!(page.status, 200, "what differs below is what is refused");
    let worthless = [
        ("expired this second", issue(&own, &sub, &sid, now - 900)),
        ("not yet valid", issue(&own, &sub, &sid, now + 61)),
        ("of a year to come", issue(&own, &sub, &sid, now + 31_536_000)),
        ("another site", issue("https://evil.example", &sub, &sid, now)),
        ("a longer name", issue(&format!("{own}0"), &sub, &sid, now)),
        ("the site's name with a slash", issue(&format!("{own}/"), &sub, &sid, now)),
        ("a session of somebody else", issue(&own, &sub, &text(&others["sid"]), now)),
        ("no such session", issue(&own, &sub, "nothing", now)),
        ("no such user", issue(&own, "nobody", &sid, now)),
        ("empty names", issue(&own, "", "", now)),
    ];
    is_worthless(&app, &browser, named(worthless)).await;
}

#[rocket::async_test]
async fn tokens_of_another_secret_or_another_address_give_nothing() {
    const SECRET: &str = "one secret of two sites: 32 characters or more";
    let app = TestApp::with(&[("secret", SECRET)]).await;
    let browser = app.registered().await;
    for settings in [&[][..], &[("secret", SECRET), ("public_url", "http://localhost:9999")]] {
        let elsewhere = TestApp::with(settings).await;
        let foreign = cookies_of(&elsewhere.registered().await).map(|token| ("of another site", token));
        is_worthless(&app, &browser, named(foreign)).await;
    }
    let mine = named(cookies_of(&browser).map(|token| ("of the address before", token)));
    let app = app.restart(&[("secret", SECRET), ("public_url", "http://localhost:9999")]).await;
    for token in &mine {
        gives_nothing(&app, token).await;
    }
}

#[rocket::async_test]
async fn other_algorithms_work_as_well_and_may_follow_each_other() {
    let mut app = TestApp::start().await;
    app.registered().await;
    let mut seen = Vec::new();
    for algorithm in ["ES256", "RS256", "EdDSA"] {
        app.advance(1);
        app = app.restart(&[("signing_algorithm", algorithm)]).await;
        let mut browser = app.browser();
        assert_eq!(browser.log_in_remembered(EMAIL, PASSWORD).await.path, "/account");
        let access = browser.cookie("access_token").expect("logged in").to_owned();
        assert_eq!(decoded(&access, 0)["alg"], algorithm);
        assert_eq!(decoded(browser.cookie("refresh_token").expect("logged in"), 0)["alg"], "HS256");
        seen.push(access);
        for token in &seen {
            let bearer = format!("Bearer {token}");
            let page = app.browser().send(Method::Get, "/account", None, &[("Authorization", &bearer)]).await;
            assert_eq!(page.status, 200, "signed before the algorithm was changed: still good");
        }
        browser.remove_cookie("access_token");
        assert!(browser.get("/account").await.delivers(), "rotated");
    }
}
