//! The master secret and the signing keys: replaced without logging anyone out, lost not without a word.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::{Value, from_str};

use crate::helpers::{Server, TestApp, WireBrowser};

const OLD: &str = "an old secret of thirty-two characters or more";
const NEW: &str = "a new secret of thirty-two characters or more";
const DAY: i64 = 24 * 60 * 60;

fn kids(jwks: &str) -> Vec<String> {
    let set: Value = from_str(jwks).expect("JSON");
    let keys = set["keys"].as_array().expect("keys").iter();
    keys.map(|key| key["kid"].as_str().expect("a kid").to_owned()).collect()
}

/// The key that an access token names in its header.
fn kid(token: &str) -> String {
    jsonwebtoken::decode_header(token).expect("a header").kid.expect("a kid")
}

fn logged_in(settings: &[(&str, &str)]) -> (Server, WireBrowser) {
    let mut server = Server::prepare(settings);
    server.add_user();
    server.launch();
    let mut browser = WireBrowser::new(&server);
    browser.log_in();
    (server, browser)
}

#[test]
fn a_new_secret_put_first_logs_nobody_out_and_then_serves_alone() {
    let (mut server, mut browser) = logged_in(&[("HALLPASS_SECRET", OLD)]);
    let kid_before = kid(&browser.jar["access_token"]);
    assert!(server.stop());
    server.set("HALLPASS_SECRET", Some(&format!("{NEW},{OLD}")));
    server.launch();
    assert_eq!(browser.get("/account").status, 200);
    // By the refresh token alone, which the old secret signed: the next one is the new secret's.
    browser.jar.remove("access_token");
    assert_eq!(browser.get("/account").status, 200);
    assert_eq!(kid(&browser.jar["access_token"]), kid_before, "the signing key was not opened");
    browser.get("/account");
    assert!(server.stop());
    server.set("HALLPASS_SECRET", Some(NEW));
    server.launch();
    browser.jar.remove("access_token");
    assert_eq!(browser.get("/account").status, 200, "the new secret alone does not do");
}

#[test]
fn a_secret_of_digits_stays_text() {
    let digits = "1".repeat(38);
    let (mut server, _) = logged_in(&[("HALLPASS_SECRET", &format!("00{digits}"))]);
    assert!(server.stop());
    server.set("HALLPASS_SECRET", Some(&digits));
    assert!(server.refusal().contains("cannot be opened with this master secret"));
    server.set("HALLPASS_SECRET", Some(&format!("00{digits}")));
    server.launch();
}

#[test]
fn a_wrong_or_lost_secret_is_refused_and_changes_nothing() {
    let (mut server, mut browser) = logged_in(&[]);
    assert!(server.stop());
    let before = server.database().content();
    server.set("HALLPASS_SECRET", Some(NEW));
    let said = server.refusal();
    assert!(said.contains("cannot be opened") && said.contains("secret_file"), "{said}");
    server.set("HALLPASS_SECRET", None);

    let secret = server.folder().join("data/hallpass.secret");
    let aside = server.folder().join("aside");
    fs::rename(&secret, &aside).expect("moved");
    let said = server.refusal();
    assert!(said.contains("hallpass.secret") && said.contains("backup"), "{said}");
    assert!(!secret.exists(), "a new secret was made, for which every session is dead");
    assert_eq!(server.run(&["user", "list"]).status.code(), Some(1), "a command did what the server refuses");
    for content in ["", "short\n", "0123456789abcdef0123456789abcdef\nshort\n"] {
        fs::write(&secret, content).expect("written");
        assert!(server.refusal().contains("no usable secret"), "{content:?}");
    }
    assert!(server.database().content() == before, "the database was changed");
    fs::rename(&aside, &secret).expect("moved");
    server.launch();
    assert_eq!(browser.get("/account").status, 200);
}

#[test]
fn a_key_rotated_by_command_signs_in_the_running_server_and_the_old_one_stays_good() {
    let (server, browser) = logged_in(&[]);
    let mut old = browser.clone();
    let first = kid(&old.jar["access_token"]);
    let rotated = server.run(&["key", "rotate"]);
    assert!(rotated.status.success(), "{rotated:?}");
    let began = Instant::now();
    let second = loop {
        let mut fresh = WireBrowser::new(&server);
        fresh.log_in();
        let kid = kid(&fresh.jar["access_token"]);
        if kid != first {
            // What a process signed that knows the new key is good at once, here and there.
            break kid;
        }
        assert!(began.elapsed() < Duration::from_secs(10), "still the old key");
        std::thread::sleep(Duration::from_millis(250));
    };
    assert_eq!(old.get("/account").status, 200);
    assert!(!old.get("/account").delivers(), "the old token was replaced, not accepted");
    let mut published = kids(&old.get("/.well-known/jwks.json").body);
    published.sort();
    let mut expected = [first.clone(), second.clone()];
    expected.sort();
    assert_eq!(published, expected);
    let list = String::from_utf8_lossy(&server.run(&["key", "list"]).stdout).into_owned();
    let state = |kid: &str| list.lines().find(|line| line.starts_with(kid)).expect("listed").split('\t').nth(2);
    assert_eq!((state(&first), state(&second)), (Some("previous"), Some("current")), "{list}");
}

#[test]
fn another_algorithm_takes_over_at_the_next_start_and_old_tokens_stay_good() {
    let (mut server, mut browser) = logged_in(&[]);
    for algorithm in ["ES256", "RS256", "EdDSA"] {
        assert!(server.stop());
        server.set("HALLPASS_SIGNING_ALGORITHM", Some(algorithm));
        server.launch();
        let page = browser.get("/account");
        assert_eq!((page.status, page.delivers()), (200, false), "{algorithm}");
        let began = Instant::now();
        browser = loop {
            let mut fresh = WireBrowser::new(&server);
            fresh.log_in();
            let header = jsonwebtoken::decode_header(&fresh.jar["access_token"]).expect("a header");
            if format!("{:?}", header.alg) == algorithm {
                break fresh;
            }
            assert!(began.elapsed() < Duration::from_secs(5), "still signs with {:?}, not {algorithm}", header.alg);
        };
        assert_eq!(browser.get("/account").status, 200);
    }
    assert_eq!(kids(&browser.get("/.well-known/jwks.json").body).len(), 4);
}

#[rocket::async_test]
async fn keys_are_replaced_by_age_published_a_day_ahead_and_retired_after_their_last_token() {
    let app = TestApp::with(&[("signing_algorithm", "EdDSA")]).await;
    let mut browser = app.registered().await;
    let first = kid(browser.cookie("access_token").expect("a token"));
    let maintained = async || {
        app.site().keyring.maintain().await.expect("keys");
        kids(&app.browser().get("/.well-known/jwks.json").await.body)
    };
    app.advance(29 * DAY - 1);
    assert_eq!(maintained().await, std::slice::from_ref(&first));
    app.advance(1);
    let published = maintained().await;
    assert_eq!(published.len(), 2, "the next key is not published ahead");
    let second = published.into_iter().find(|kid| *kid != first).expect("another key");

    let signing = async || {
        let mut fresh = app.browser();
        fresh.log_in(crate::helpers::EMAIL, crate::helpers::PASSWORD).await;
        fresh.clone()
    };
    app.advance(DAY - 1);
    browser = signing().await;
    assert_eq!(kid(browser.cookie("access_token").expect("a token")), first, "signed with before its time");
    app.advance(1);
    assert_eq!(kid(signing().await.cookie("access_token").expect("a token")), second);
    app.advance(900 - 2);
    assert!(browser.get("/account").await.status == 200, "the old key's last token is refused");

    app.advance(2 + 60 * 60 - 1);
    assert_eq!(maintained().await.len(), 2, "retired while it may still be asked for");
    app.advance(2);
    maintained().await;
    assert_eq!(maintained().await, [second]);
}

#[rocket::async_test]
async fn a_key_that_was_published_ahead_makes_way_for_one_that_is_wanted_at_once() {
    let app = TestApp::start().await;
    let keyring = &app.site().keyring;
    let kids = || keyring.keys().iter().map(|key| key.kid.clone()).collect::<Vec<_>>();
    let first = kids();
    app.advance(29 * DAY);
    keyring.maintain().await.expect("keys");
    let published = kids();
    assert_eq!(published.len(), 2);
    let replaced = keyring.rotate().await.expect("a key");
    assert_eq!(kids(), [first[0].clone(), replaced.clone()], "what may have been stolen never signs");
    for _ in 0..3 {
        keyring.maintain().await.expect("keys");
    }
    assert_eq!(kids(), [first[0].clone(), replaced]);
}

#[rocket::async_test]
async fn another_algorithm_wanted_while_a_key_is_published_ahead_makes_one_key() {
    let app = TestApp::start().await;
    app.advance(29 * DAY);
    app.site().keyring.maintain().await.expect("keys");
    let app = app.restart(&[("signing_algorithm", "ES256")]).await;
    for _ in 0..3 {
        app.site().keyring.maintain().await.expect("keys");
    }
    let algorithms: Vec<_> = app.site().keyring.keys().iter().map(|key| key.algorithm.as_str()).collect();
    assert_eq!(algorithms, ["EdDSA", "ES256"]);
}

#[test]
fn keys_rotated_at_once_are_all_there_that_were_promised() {
    let (server, _) = logged_in(&[]);
    for _ in 0..3 {
        let said: Vec<_> = std::thread::scope(|scope| {
            let rotating: Vec<_> = (0..4).map(|_| scope.spawn(|| server.run(&["key", "rotate"]))).collect();
            rotating.into_iter().map(|one| one.join().expect("joined")).collect()
        });
        let list = String::from_utf8(server.run(&["key", "list"]).stdout).expect("text");
        for done in said {
            let text = String::from_utf8_lossy(&done.stdout).into_owned();
            let kid = text.split(' ').next().expect("a kid");
            assert!(done.status.success() && kid.len() > 5 && list.contains(kid), "{text} {done:?}: {list}");
        }
    }
}
