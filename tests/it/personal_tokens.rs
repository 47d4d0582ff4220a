//! Personal access tokens: for programs that cannot log in.

use std::fs;

use hallpass::accounts::{Fault, User};
use hallpass::audit::{self, Client, Kind};
use hallpass::id::PersonalTokenId;
use hallpass::personal_tokens::{Draft, PersonalToken, TokenError};
use rocket::futures::future::join_all;
use rocket::http::Method;

use crate::helpers::{Browser, EMAIL, NAME, PASSWORD, Page, TestApp, encode};

const DAY: i64 = 24 * 60 * 60;
const PATH: &str = "/account/tokens";

pub fn client() -> Client {
    Client { address: [192, 0, 2, 7].into(), user_agent: "curl/8.5.0".to_owned(), browser: None }
}

async fn owner(app: &TestApp) -> User {
    app.site().accounts.by_email(EMAIL).await.expect("the account")
}

async fn made(app: &TestApp, name: &str, days: i64) -> Result<(PersonalToken, String), TokenError> {
    let owner = owner(app).await;
    let draft = Draft::check(name, &["read"], days, owner.admin).expect("no faults");
    app.site().personal_tokens.create(&owner.id, owner.password_changed_at, draft, &client()).await
}

/// The text of a new token of the usual account.
pub async fn created(app: &TestApp, name: &str, days: i64) -> String {
    made(app, name, days).await.expect("a token").1
}

async fn works(app: &TestApp, text: &str) -> bool {
    app.site().personal_tokens.authenticate(text).await.expect("an answer").is_some()
}

async fn names(app: &TestApp) -> Vec<String> {
    let tokens = app.site().personal_tokens.list(&owner(app).await.id).await.expect("a list");
    assert_eq!(app.site().personal_tokens.count(&owner(app).await.id).await.expect("a count"), tokens.len() as i64);
    tokens.into_iter().map(|token| token.name).collect()
}

async fn events(app: &TestApp, kind: Kind) -> usize {
    let events = audit::recent(&app.site().db, &owner(app).await.id, 200).await.expect("events");
    events.iter().filter(|event| event.kind == kind).count()
}

fn codes(result: Result<impl Sized, TokenError>) -> Vec<(&'static str, &'static str)> {
    match result {
        Err(TokenError::Invalid(faults)) => faults.iter().map(|fault: &Fault| (fault.field, fault.code)).collect(),
        Err(other) => panic!("{other}"),
        Ok(_) => Vec::new(),
    }
}

#[rocket::async_test]
async fn a_token_says_whose_it_is_and_what_it_may() {
    let app = TestApp::start().await;
    app.registered().await;
    let (token, text) = made(&app, " Nightly backup ", 30).await.expect("a token");
    assert!(text.starts_with("hpt_") && text.len() == 47, "{text}");
    let (found, owner) = app.site().personal_tokens.authenticate(&text).await.expect("an answer").expect("a token");
    assert_eq!(found, token);
    assert_eq!((token.name.as_str(), token.scopes.to_string().as_str()), ("Nightly backup", "read"));
    assert_eq!((token.created_at, token.expires_at), (app.now(), app.now() + 30 * DAY));
    assert_eq!((owner.email.as_str(), owner.name.as_str(), owner.admin, owner.locked), (EMAIL, NAME, false, false));
    assert_eq!(events(&app, Kind::TokenCreated).await, 1);
    let other = created(&app, "Nightly backup", 30).await;
    assert_ne!(other, text);
}

#[rocket::async_test]
async fn what_is_no_token_is_refused() {
    let app = TestApp::start().await;
    app.registered().await;
    let text = created(&app, "x", 1).await;
    let random = &text["hpt_".len()..];
    let swapped = random.chars().map(|c| if c.is_lowercase() { c.to_ascii_uppercase() } else { c });
    let flipped = format!("hpt_{}", swapped.collect::<String>());
    let of_nobody = format!("hpt_{}", "A".repeat(43));
    let long = format!("hpt_{}", "x".repeat(1_000_000));
    for other in ["", "hpt_", random, &text[..46], &format!("{text}A"), &flipped, &of_nobody, &long, "hpt_\0\u{1f98a}"]
    {
        assert!(!works(&app, other).await, "{other:.60}");
    }
    assert!(works(&app, &text).await);
}

#[rocket::async_test]
async fn a_token_ends_at_the_very_second() {
    let app = TestApp::start().await;
    app.registered().await;
    let text = created(&app, "x", 7).await;
    app.advance(7 * DAY - 1);
    assert!(works(&app, &text).await);
    assert_eq!(names(&app).await, ["x"]);
    app.advance(1);
    assert!(!works(&app, &text).await);
    assert!(names(&app).await.is_empty());
    assert!(!app.site().personal_tokens.revoke_by_token(&text, &client()).await.expect("an answer"));
}

#[rocket::async_test]
async fn the_token_of_a_locked_owner_is_refused_until_the_lock_is_lifted() {
    let app = TestApp::start().await;
    app.registered().await;
    let text = created(&app, "x", 1).await;
    app.site().accounts.lock(EMAIL).await.expect("locked");
    assert!(!works(&app, &text).await);
    assert!(matches!(made(&app, "y", 1).await, Err(TokenError::ProofOutdated)), "a locked owner makes none");
    app.site().accounts.unlock(EMAIL).await.expect("unlocked");
    assert!(works(&app, &text).await);
}

#[rocket::async_test]
async fn a_revoked_token_is_refused_and_others_are_not() {
    let app = TestApp::start().await;
    app.registered().await;
    let (first, text) = made(&app, "first", 1).await.expect("a token");
    app.advance(1);
    let second = created(&app, "second", 1).await;
    assert_eq!(names(&app).await, ["second", "first"], "newest first");
    let tokens = &app.site().personal_tokens;
    for _ in 0..2 {
        assert!(tokens.revoke(&owner(&app).await.id, &first.id, &client()).await.expect("an answer"));
        assert!(!works(&app, &text).await && works(&app, &second).await);
    }
    assert_eq!(names(&app).await, ["second"]);
    assert_eq!(events(&app, Kind::TokenRevoked).await, 1);
    assert!(!tokens.revoke_any(&first.id).await.expect("an answer"), "revoked twice");
}

#[rocket::async_test]
async fn who_holds_a_token_can_revoke_it() {
    let app = TestApp::start().await;
    app.registered().await;
    let (text, other) = (created(&app, "x", 1).await, created(&app, "y", 1).await);
    let revoke =
        async |text: &str| app.site().personal_tokens.revoke_by_token(text, &client()).await.expect("answered");
    assert!(revoke(&text).await);
    assert!(!revoke(&text).await && !revoke("hpt_").await && !revoke("").await);
    assert!(!works(&app, &text).await && works(&app, &other).await);
    assert_eq!(events(&app, Kind::TokenRevoked).await, 1);
}

#[rocket::async_test]
async fn the_tokens_of_others_cannot_be_revoked() {
    let app = TestApp::start().await;
    app.registered().await;
    let mut bo = app.browser();
    bo.register("Bo", "bo@example.org", PASSWORD).await;
    let bo = app.site().accounts.by_email("bo@example.org").await.expect("Bo");
    let (token, text) = made(&app, "x", 1).await.expect("a token");
    for id in [token.id, PersonalTokenId::random(), PersonalTokenId::from_text("\0")] {
        assert!(!app.site().personal_tokens.revoke(&bo.id, &id, &client()).await.expect("an answer"));
    }
    assert!(works(&app, &text).await);
    assert_eq!(app.site().personal_tokens.count(&bo.id).await.expect("a count"), 0);
    assert_eq!(events(&app, Kind::TokenRevoked).await, 0);
}

#[rocket::async_test]
async fn of_revocations_at_once_one_is_recorded() {
    let app = TestApp::start().await;
    app.registered().await;
    let (token, text) = made(&app, "x", 1).await.expect("a token");
    let (id, client) = (owner(&app).await.id, client());
    let by_owner = join_all((0..8).map(|_| app.site().personal_tokens.revoke(&id, &token.id, &client)));
    let by_holder = join_all((0..8).map(|_| app.site().personal_tokens.revoke_by_token(&text, &client)));
    let (by_owner, by_holder) = rocket::tokio::join!(by_owner, by_holder);
    assert!(by_owner.into_iter().all(|revoked| revoked.expect("an answer")));
    assert!(by_holder.into_iter().filter(|revoked| *revoked.as_ref().expect("an answer")).count() <= 1);
    assert_eq!(events(&app, Kind::TokenRevoked).await, 1);
}

#[rocket::async_test]
async fn an_account_has_fifty_live_tokens_at_most_even_when_they_are_made_at_once() {
    let app = TestApp::start().await;
    app.registered().await;
    let many = join_all((0..60).map(|_| made(&app, "x", 2))).await;
    let mut texts: Vec<_> = many.into_iter().filter_map(|made| Some(made.ok()?.1)).collect();
    assert_eq!((texts.len(), names(&app).await.len()), (50, 50));
    assert_eq!(codes(made(&app, "x", 2).await), [("form", "too_many")]);
    assert_eq!(events(&app, Kind::TokenCreated).await, 50);
    let revoked = texts.pop().expect("a token");
    assert!(app.site().personal_tokens.revoke_by_token(&revoked, &client()).await.expect("an answer"));
    assert!(codes(made(&app, "in its place", 2).await).is_empty());
    assert_eq!(codes(made(&app, "x", 2).await), [("form", "too_many")]);
    app.advance(2 * DAY);
    assert!(codes(made(&app, "when they have ended", 2).await).is_empty());
    assert_eq!(names(&app).await, ["when they have ended"]);
}

#[rocket::async_test]
async fn a_proof_that_is_outdated_makes_no_token() {
    let app = TestApp::start().await;
    app.registered().await;
    let before = owner(&app).await;
    app.advance(1);
    app.site().accounts.set_password(EMAIL, "another long password").await.expect("set");
    let draft = Draft::check("x", &["read"], 1, false).expect("no faults");
    let tokens = &app.site().personal_tokens;
    let made = tokens.create(&before.id, before.password_changed_at, draft, &client()).await;
    assert!(matches!(made, Err(TokenError::ProofOutdated)));
    assert!(names(&app).await.is_empty());
}

#[rocket::async_test]
async fn a_password_of_the_owners_keeps_tokens_and_one_of_the_operators_revokes_them() {
    let app = TestApp::start().await;
    let mut browser = app.registered().await;
    let text = created(&app, "x", 1).await;
    let fields = [("current_password", PASSWORD), ("new_password", "another long password")];
    assert!(browser.fill("/account", "/account/password", &fields).await.has("Your password is changed"));
    assert!(works(&app, &text).await);
    let mut bo = app.browser();
    bo.register("Bo", "bo@example.org", PASSWORD).await;
    app.site().accounts.set_password("bo@example.org", "another long password").await.expect("set");
    assert!(works(&app, &text).await, "of another account");
    app.site().accounts.set_password(EMAIL, PASSWORD).await.expect("set");
    assert!(!works(&app, &text).await);
    assert!(names(&app).await.is_empty());
}

#[rocket::async_test]
async fn the_last_use_is_noted_once_a_minute() {
    let app = TestApp::start().await;
    app.registered().await;
    let text = created(&app, "x", 1).await;
    let last_used = async || {
        let tokens = app.site().personal_tokens.list(&owner(&app).await.id).await.expect("a list");
        tokens[0].last_used_at.map(|at| app.now() - at)
    };
    assert_eq!(last_used().await, None);
    app.advance(100);
    assert!(works(&app, &text).await);
    assert_eq!(last_used().await, Some(0));
    app.advance(59);
    assert!(works(&app, &text).await);
    assert_eq!(last_used().await, Some(59));
    app.advance(1);
    assert!(works(&app, &text).await);
    assert_eq!(last_used().await, Some(0));
    let other = format!("hpt_{}", "x".repeat(43));
    app.advance(60);
    assert!(!works(&app, &other).await);
    assert_eq!(last_used().await, Some(60));
}

#[rocket::async_test]
async fn a_use_that_cannot_be_noted_is_no_failure() {
    let app = TestApp::start().await;
    app.registered().await;
    let text = created(&app, "x", 1).await;
    let lock = app.database().lock().await;
    assert!(works(&app, &text).await);
    lock.release().await;
    let tokens = app.site().personal_tokens.list(&owner(&app).await.id).await.expect("a list");
    assert_eq!(tokens[0].last_used_at, None, "the lock was none");
}

#[rocket::async_test]
async fn the_database_holds_a_hash_only() {
    let app = TestApp::start().await;
    app.registered().await;
    let text = created(&app, "Nightly backup", 1).await;
    assert!(works(&app, &text).await);
    let mut stored = app.database().content();
    for entry in fs::read_dir(app.folder()).expect("a folder") {
        stored.extend(fs::read(entry.expect("a file").path()).expect("its bytes"));
    }
    let holds = |text: &str| stored.windows(text.len()).any(|bytes| bytes == text.as_bytes());
    assert!(holds("Nightly backup"), "the token is not in these files at all");
    assert!(!holds(&text) && !holds(&text["hpt_".len()..]) && !holds("hpt_"));
}

const ASKED: [(&str, &str); 5] = [
    ("name", "Nightly \"<b>\" & Co"),
    ("scopes", "read"),
    ("scopes", "write"),
    ("expires_in_days", "365"),
    ("password", PASSWORD),
];

/// The token that a page shows.
fn shown(page: &Page) -> Option<&str> {
    let start = page.body.find("hpt_")?;
    page.body.get(start..start + 47)
}

/// Where the only token on a page is revoked.
fn revocation(page: &Page) -> String {
    let mut actions = page.body.split("action=\"").filter_map(|rest| rest.split('"').next());
    actions.find(|action| action.ends_with("/revoke")).expect("a button").to_owned()
}

/// A form that came back with what was typed, but not the password, and made no token.
fn keeps_all_but_the_password(page: &Page) {
    let form = page.form(PATH);
    assert_eq!(form.value("name"), Some("Nightly \"<b>\" & Co"));
    assert_eq!(form.values("scopes").collect::<Vec<_>>(), ["read", "write"]);
    assert_eq!((form.value("expires_in_days"), form.value("password")), (Some("365"), Some("")));
    assert!(page.is_in_words() && page.has("You have no token.") && !page.has(PASSWORD) && !page.has("hpt_"));
}

#[rocket::async_test]
async fn a_token_is_shown_once_when_it_is_made() {
    let app = TestApp::start().await;
    let mut browser = app.registered().await;
    let page = browser.visit("/account").await;
    assert!(page.has("You have no token.") && page.has("href=\"/account/tokens\""));
    let page = browser.visit(PATH).await;
    assert!(page.has("You have no token."));
    assert_eq!(page.form(PATH).value("expires_in_days"), Some("90"), "offered first");
    let page = browser.submit(&page, PATH, &ASKED).await;
    assert_eq!((page.status, page.header("cache-control")), (201, Some("no-store")));
    let text = shown(&page).expect("the token").to_owned();
    let line = format!("curl -H \"Authorization: Bearer {text}\" http://localhost:8000/api/me");
    assert!(page.has(&line), "{}", page.body);
    assert_eq!(page.body.matches("hpt_").count(), 2, "by itself, and in the line to try it with");
    assert!(page.has("will not be shown again") && page.has("Nightly &#34;&#60;b&#62;&#34; &#38; Co"));
    assert_eq!(page.form(PATH).value("name"), Some(""), "the form is for another one");
    assert!(!page.headers.iter().any(|(_, value)| value.contains(&text)));

    let (token, _) = app.site().personal_tokens.authenticate(&text).await.expect("an answer").expect("it works");
    assert_eq!((token.scopes.to_string().as_str(), token.expires_at), ("read write", app.now() + 365 * DAY));
    app.advance(200);
    for path in [PATH, "/account", "/account/sessions"] {
        let page = browser.visit(path).await;
        assert!(page.status == 200 && !page.has("hpt_") && !page.has(&text[4..]), "{path}");
    }
    let page = browser.visit(PATH).await;
    for words in
        ["May read and write", "Last used 3 minutes ago", "Made 22 November 2026, 12:00 UTC", "Ends 22 November 2027"]
    {
        assert!(page.has(words), "{words}: {}", page.body);
    }
    assert!(browser.visit("/account").await.has("1 token gives access"));
    assert!(browser.visit("/account/sessions").await.has("A personal access token was made."));
    assert!(browser.submit(&page, PATH, &ASKED).await.has("Not used yet"));
    assert!(browser.visit("/account").await.has("2 tokens give access"));
}

#[rocket::async_test]
async fn every_fault_is_told_beside_its_field() {
    let app = TestApp::start().await;
    let mut browser = app.registered().await;
    let page = browser.visit(PATH).await;
    let fields = [("name", " "), ("expires_in_days", "366")];
    let page = browser.submit(&page, PATH, &fields).await;
    assert_eq!(page.status, 422);
    for field in ["name", "scopes", "expires_in_days", "password"] {
        assert!(page.has(&format!("href=\"#{field}\"")), "{field} is not in the summary");
        assert!(page.has(&format!("id=\"{field}\"")) && page.has(&format!("id=\"{field}-fault\"")), "{field}");
    }
    for (field, value) in [
        ("scopes", "owner"),
        ("scopes", "read write"),
        ("scopes", "\0"),
        ("scopes", "admin"),
        ("expires_in_days", "0"),
        ("expires_in_days", "-7"),
        ("expires_in_days", "30.5"),
        ("expires_in_days", "99999999999999999999"),
    ] {
        let others = ASKED.into_iter().filter(|(name, _)| *name != field);
        let fields: Vec<_> = others.chain([(field, value)]).collect();
        let page = browser.submit(&page, PATH, &fields).await;
        assert!(page.status == 422 && page.has(&format!("id=\"{field}-fault\"")), "{field} {value:?}: {}", page.status);
        assert_eq!(page.body.matches("-fault\"><span").count(), 1, "{field} {value:?}: and no other");
    }
    assert!(names(&app).await.is_empty());
}

#[rocket::async_test]
async fn a_wrong_password_makes_no_token_and_loses_nothing_typed() {
    let app = TestApp::start().await;
    let mut browser = app.registered().await;
    let mut page = browser.visit(PATH).await;
    for (password, words) in [("a wrong password", "This is not your current password."), ("", "Enter your password.")]
    {
        page = browser.submit(&page, PATH, &[&ASKED[..4], &[("password", password)]].concat()).await;
        assert_eq!(page.status, 422);
        assert!(page.has(words) && page.has("id=\"password-fault\"") && !page.has("a wrong password"));
        keeps_all_but_the_password(&page);
    }
    let body = encode(&page.form(PATH).filled(&ASKED));
    let cross = [("Sec-Fetch-Site", "cross-site")];
    page = browser.send(Method::Post, PATH, Some(body.as_bytes()), &cross).await;
    assert!(page.status == 403 && page.has("Please submit again"));
    keeps_all_but_the_password(&page);
    for _ in 0..20 {
        page = browser.submit(&page, PATH, &[("password", "a wrong password")]).await;
    }
    assert_eq!((page.status, page.header("retry-after").is_some()), (429, true));
    keeps_all_but_the_password(&page);
    app.advance(901);
    assert_eq!(browser.submit(&page, PATH, &[("password", PASSWORD)]).await.status, 201, "what came back can be sent");
}

#[rocket::async_test]
async fn only_administrators_are_offered_the_scope_admin() {
    let app = TestApp::start().await;
    let mut browser = app.registered().await;
    let offer = "value=\"admin\"";
    let page = browser.visit(PATH).await;
    assert!(!page.has(offer));
    let fields = [("name", "x"), ("scopes", "admin"), ("password", PASSWORD)];
    let refused = browser.submit(&page, PATH, &fields).await;
    assert!(refused.status == 422 && refused.has("only administrators can give it"), "{}", refused.body);
    app.site().accounts.make_admin(EMAIL).await.expect("made");
    let page = browser.visit(PATH).await;
    assert!(page.has(offer));
    let page = browser.submit(&page, PATH, &fields).await;
    assert!(page.status == 201 && page.has("May administer"), "{}", page.body);
}

#[rocket::async_test]
async fn the_fifty_first_token_is_refused_on_the_page() {
    let app = TestApp::start().await;
    let mut browser = app.registered().await;
    for _ in 0..50 {
        created(&app, "x", 1).await;
    }
    let page = browser.fill(PATH, PATH, &ASKED).await;
    assert!(page.status == 422 && page.has("You have 50 tokens") && page.has("href=\"#name\""), "{}", page.body);
}

#[rocket::async_test]
async fn a_token_is_revoked_on_the_page() {
    let app = TestApp::start().await;
    let mut browser = app.registered().await;
    let text = created(&app, "Deployment", 1).await;
    let page = browser.visit(PATH).await;
    let action = revocation(&page);
    for _ in 0..2 {
        let answer = browser.submit(&page, &action, &[]).await;
        assert_eq!((answer.status, answer.location()), (303, Some("/account/tokens?revoked")));
        assert!(!works(&app, &text).await);
    }
    let page = browser.visit("/account/tokens?revoked").await;
    assert!(page.has("The token is revoked.") && page.has("You have no token.") && !page.has("Deployment"));
    assert!(browser.visit("/account/sessions").await.has("A personal access token was revoked."));
}

async fn csrf_token(browser: &mut Browser<'_>) -> String {
    browser.get(PATH).await.form(PATH).value("csrf_token").expect("a token").to_owned()
}

#[rocket::async_test]
async fn what_is_not_there_or_not_mine_cannot_be_revoked_on_the_page() {
    let app = TestApp::start().await;
    let mut owner = app.registered().await;
    let text = created(&app, "x", 1).await;
    let action = revocation(&owner.visit(PATH).await);
    let mut bo = app.browser();
    bo.register("Bo", "bo@example.org", PASSWORD).await;
    let csrf_token = csrf_token(&mut bo).await;
    assert!(!bo.visit(PATH).await.has("/revoke"));
    for action in [&action, "/account/tokens/x/revoke", "/account/tokens/%00/revoke", "/account/tokens/%2f/revoke"] {
        let answer = bo.post(action, &[("csrf_token", &csrf_token)]).await;
        assert_eq!((answer.status, answer.is_in_words()), (404, true), "{action}");
    }
    assert!(works(&app, &text).await);
}

#[rocket::async_test]
async fn revoking_takes_a_recent_proof_and_making_the_password() {
    let app = TestApp::start().await;
    let mut browser = app.registered().await;
    let text = created(&app, "x", 1).await;
    app.advance(301);
    let page = browser.visit(PATH).await;
    let action = revocation(&page);
    let body = encode(&page.form(&action).filled(&[]));
    let referer = [("Referer", "http://localhost:8000/account/tokens")];
    let answer = browser.send(Method::Post, &action, Some(body.as_bytes()), &referer).await;
    assert_eq!((answer.status, answer.location()), (303, Some("/confirm?next=%2Faccount%2Ftokens")));
    assert!(works(&app, &text).await);
    assert_eq!(browser.submit(&page, PATH, &ASKED).await.status, 201);
    let mut stranger = app.browser();
    assert_eq!(stranger.get(PATH).await.location(), Some("/login?next=%2Faccount%2Ftokens"));
    assert_eq!(stranger.post(PATH, &ASKED).await.location(), Some("/login"));
    assert_eq!(stranger.post(&action, &[]).await.location(), Some("/login"));
}
