use std::net::IpAddr;
use std::time::Duration;

use figment::Figment;
use tempfile::TempDir;

use super::throttle::hashed;
use super::*;
use crate::audit::{self, Client, Kind};
use crate::id::{BrowserId, SessionId};

const PASSWORD: &str = "seventeen green bottles";
const OTHER: &str = "a wall without any bottle";
const MINUTE: Seconds = 60;

struct Site {
    accounts: Accounts,
    db: Db,
    clock: Clock,
    folder: TempDir,
}

/// A site of its own with the cheapest hashes; `settings` override.
async fn site(settings: &[(&str, &str)]) -> Site {
    let folder = tempfile::tempdir().expect("a folder");
    let (db, clock) = (open(&folder).await, Clock::manual(1_000_000));
    let accounts = service(&folder, &db, &clock, settings);
    Site { accounts, db, clock, folder }
}

fn config(folder: &TempDir, settings: &[(&str, &str)]) -> Config {
    let url = format!("sqlite:{}", folder.path().join("test.db").display());
    let mut figment = Figment::new();
    for (name, value) in [("database_url", url.as_str()), ("argon2_memory_kib", "8"), ("argon2_iterations", "1")] {
        figment = figment.merge((format!("hallpass.{name}"), value));
    }
    for (name, value) in settings {
        figment = figment.merge((format!("hallpass.{name}"), value));
    }
    Config::read(&figment).expect("good settings")
}

async fn open(folder: &TempDir) -> Db {
    let db = Db::open(&config(folder, &[])).await.expect("a database");
    db.migrate().await.expect("migrated");
    db
}

fn service(folder: &TempDir, db: &Db, clock: &Clock, settings: &[(&str, &str)]) -> Accounts {
    Accounts::new(&config(folder, settings), db.clone(), clock.clone()).expect("accounts")
}

fn from(address: &str) -> Client {
    let address: IpAddr = address.parse().expect("an address");
    Client { address, user_agent: "test".to_owned(), browser: None }
}

fn stranger() -> Client {
    from("203.0.113.1")
}

/// With that browser, and from an address that strangers have used up.
fn with(browser: &BrowserId) -> Client {
    Client { browser: Some(browser.clone()), ..stranger() }
}

impl Site {
    async fn anna(&self) -> User {
        self.accounts.register("Anna", "anna@example.org", PASSWORD, &stranger()).await.expect("registered")
    }

    async fn log_in(&self, email: &str, password: &str, client: &Client) -> &'static str {
        outcome(&self.accounts.authenticate(email, password, client).await)
    }

    async fn kinds(&self, user: &User) -> Vec<Kind> {
        let events = audit::recent(&self.db, &user.id, 100).await.expect("events");
        events.into_iter().map(|event| event.kind).collect()
    }
}

fn outcome(result: &Result<User, LoginError>) -> &'static str {
    match result {
        Ok(_) => "in",
        Err(LoginError::Invalid(_)) => "invalid",
        Err(LoginError::Wrong) => "wrong",
        Err(LoginError::Locked) => "locked",
        Err(LoginError::TooMany { .. }) => "too many",
        Err(LoginError::Busy) => "busy",
        Err(LoginError::Failed) => "failed",
        Err(LoginError::Db(_)) => "db",
    }
}

fn codes<T>(result: Result<T, RegisterError>) -> Vec<(&'static str, &'static str)> {
    match result {
        Err(RegisterError::Invalid(faults)) => faults.iter().map(|fault| (fault.field, fault.code)).collect(),
        Err(other) => panic!("{other}"),
        Ok(_) => Vec::new(),
    }
}

#[tokio::test]
async fn who_has_registered_can_log_in_with_the_address_in_any_form() {
    let site = site(&[]).await;
    let typed = " René@Bücher.example ";
    let user = site.accounts.register(" René B ", typed, PASSWORD, &stranger()).await.expect("registered");
    assert_eq!((user.email.as_str(), user.name.as_str()), ("René@Bücher.example", "René B"));
    assert!(!user.admin && !user.locked);
    let again = site.accounts.authenticate("RENE\u{301}@xn--bcher-kva.EXAMPLE", PASSWORD, &stranger()).await;
    assert_eq!(again.expect("logged in"), user);
    assert_eq!(site.accounts.find(&user.id).await.expect("answered"), Some(user.clone()));
    assert_eq!(site.kinds(&user).await, [Kind::Registered]);
}

#[tokio::test]
async fn registration_tells_all_faults_at_once() {
    let site = site(&[]).await;
    let faults = codes(site.accounts.register(" ", "anna", "short", &stranger()).await);
    assert_eq!(faults, [("name", "required"), ("email", "invalid"), ("password", "too_short")]);
    let faults = codes(site.accounts.register("Anna Bergström", "a@b.example", "Bergström 2024!", &stranger()).await);
    assert_eq!(faults, [("password", "own_data")]);
    assert!(site.accounts.is_empty().await.expect("answered"));
}

#[tokio::test]
async fn an_address_is_registered_once_even_by_two_at_the_same_time() {
    let site = site(&[]).await;
    let (one, two) = (stranger(), stranger());
    let both = tokio::join!(
        site.accounts.register("Anna", "anna@example.org", PASSWORD, &one),
        site.accounts.register("Anna", "ANNA@example.org", OTHER, &two),
    );
    let mut outcomes = [codes(both.0), codes(both.1)];
    outcomes.sort();
    assert_eq!(outcomes, [vec![], vec![("email", "taken")]]);
    assert_eq!(site.accounts.list().await.expect("answered").len(), 1);
}

#[tokio::test]
async fn taken_answers_are_rationed_by_address() {
    let site = site(&[]).await;
    site.anna().await;
    for _ in 0..10 {
        assert_eq!(
            codes(site.accounts.register("A", "anna@example.org", OTHER, &stranger()).await),
            [("email", "taken")]
        );
    }
    let refused = site.accounts.register("B", "free@example.org", OTHER, &stranger()).await;
    assert!(matches!(refused, Err(RegisterError::TooMany { retry_after_seconds: 3600 })), "{refused:?}");
    assert!(site.accounts.register("B", "free@example.org", OTHER, &from("203.0.113.2")).await.is_ok());
    site.clock.advance(60 * MINUTE);
    assert!(site.accounts.register("C", "c@example.org", OTHER, &stranger()).await.is_ok());
}

#[tokio::test]
async fn only_an_open_site_takes_registrations() {
    for setting in ["closed", "invited"] {
        let site = site(&[("registration", setting)]).await;
        let refused = site.accounts.register("Anna", "anna@example.org", PASSWORD, &stranger()).await;
        assert!(matches!(refused, Err(RegisterError::Closed)));
        assert!(site.accounts.add("anna@example.org", "Anna", PASSWORD, false).await.is_ok());
    }
}

#[tokio::test]
async fn the_unknown_the_mistaken_and_the_locked_are_told_the_same() {
    let site = site(&[]).await;
    site.anna().await;
    assert_eq!(site.log_in("nobody@example.org", PASSWORD, &stranger()).await, "wrong");
    assert_eq!(site.log_in("anna@example.org", OTHER, &stranger()).await, "wrong");
    assert_eq!(site.log_in("anna@example.org", &"x".repeat(300), &stranger()).await, "wrong");
    site.accounts.lock("anna@example.org").await.expect("locked");
    assert_eq!(site.log_in("anna@example.org", OTHER, &stranger()).await, "wrong");
    assert_eq!(site.log_in("anna@example.org", PASSWORD, &stranger()).await, "locked");
    assert_eq!(site.log_in("", "", &stranger()).await, "invalid");
    assert_eq!(site.log_in("anna@example.org", "", &stranger()).await, "invalid");
    site.accounts.hasher.close();
    assert_eq!(site.log_in("anna@example.org", OTHER, &stranger()).await, "busy");
    assert_eq!(site.log_in("nobody@example.org", OTHER, &stranger()).await, "busy", "the same work for nobody");
}

#[tokio::test]
async fn strangers_slow_strangers_but_never_a_browser_of_the_owner() {
    let site = site(&[]).await;
    let (anna, browser) = (site.anna().await, BrowserId::random());
    site.accounts.remember_browser(&anna.id, &browser).await.expect("remembered");
    for n in 0..10 {
        assert_eq!(site.log_in("Anna@example.org", OTHER, &from(&format!("198.51.100.{n}"))).await, "wrong");
    }
    assert_eq!(site.log_in("anna@example.org", PASSWORD, &from("198.51.100.99")).await, "too many");
    let unknown = with(&BrowserId::random());
    assert_eq!(site.log_in("anna@example.org", PASSWORD, &unknown).await, "too many", "any browser is a stranger");
    assert_eq!(site.log_in("anna@example.org", PASSWORD, &with(&browser)).await, "in");
    assert!(site.accounts.reauthenticate(&anna.id, PASSWORD, &with(&browser)).await.is_ok());
    site.clock.advance(15 * MINUTE - 1);
    assert_eq!(site.log_in("anna@example.org", PASSWORD, &unknown).await, "too many");
    site.clock.advance(1);
    assert_eq!(site.log_in("anna@example.org", PASSWORD, &unknown).await, "in");
}

#[tokio::test]
async fn a_known_browser_has_an_allowance_of_its_own_that_success_renews() {
    let site = site(&[]).await;
    let (anna, browser) = (site.anna().await, BrowserId::random());
    site.accounts.remember_browser(&anna.id, &browser).await.expect("remembered");
    for _ in 0..9 {
        assert_eq!(site.log_in("anna@example.org", OTHER, &with(&browser)).await, "wrong");
    }
    assert_eq!(site.log_in("anna@example.org", PASSWORD, &with(&browser)).await, "in");
    for _ in 0..10 {
        assert_eq!(site.log_in("anna@example.org", OTHER, &with(&browser)).await, "wrong");
    }
    assert_eq!(site.log_in("anna@example.org", PASSWORD, &with(&browser)).await, "too many");
    let refused = site.accounts.reauthenticate(&anna.id, PASSWORD, &with(&browser)).await;
    assert!(matches!(refused, Err(LoginError::TooMany { retry_after_seconds: 900 })), "{refused:?}");
    assert_eq!(site.log_in("anna@example.org", PASSWORD, &stranger()).await, "in", "strangers have theirs");
    site.accounts.register("B", "ben@example.org", OTHER, &stranger()).await.expect("registered");
    assert_eq!(site.log_in("ben@example.org", PASSWORD, &with(&browser)).await, "wrong", "no browser of Ben's");
}

#[tokio::test]
async fn unknown_addresses_are_counted_like_known_ones_and_not_stored() {
    let site = site(&[]).await;
    for _ in 0..10 {
        assert_eq!(site.log_in("hidden.person@example.org", OTHER, &stranger()).await, "wrong");
    }
    assert_eq!(site.log_in("Hidden.Person@example.org", OTHER, &from("198.51.100.9")).await, "too many");
    let contains = |needle: &str| {
        let files = std::fs::read_dir(site.folder.path()).expect("a folder");
        let bytes =
            files.flat_map(|file| std::fs::read(file.expect("a file").path()).expect("bytes")).collect::<Vec<_>>();
        bytes.windows(needle.len()).any(|window| window == needle.as_bytes())
    };
    assert!(contains(&hashed("hidden.person@example.org")));
    assert!(!contains("hidden.person"));
}

#[tokio::test]
async fn attempts_that_are_sent_together_are_all_counted() {
    let site = site(&[]).await;
    site.anna().await;
    let tries = (0..30).map(|_| {
        let accounts = site.accounts.clone();
        tokio::spawn(async move { outcome(&accounts.authenticate("anna@example.org", OTHER, &stranger()).await) })
    });
    let mut wrong = 0;
    for task in tries.collect::<Vec<_>>() {
        match task.await.expect("joined") {
            "wrong" => wrong += 1,
            other => assert_eq!(other, "too many"),
        }
    }
    assert_eq!(wrong, 10);
}

#[tokio::test]
async fn success_gives_back_one_attempt_not_all() {
    let site = site(&[]).await;
    site.anna().await;
    for _ in 0..9 {
        assert_eq!(site.log_in("anna@example.org", OTHER, &stranger()).await, "wrong");
    }
    for _ in 0..3 {
        assert_eq!(site.log_in("anna@example.org", PASSWORD, &stranger()).await, "in");
    }
    assert_eq!(site.log_in("anna@example.org", OTHER, &stranger()).await, "wrong");
    assert_eq!(site.log_in("anna@example.org", PASSWORD, &stranger()).await, "too many");
}

#[tokio::test]
async fn one_address_cannot_go_through_many_accounts() {
    let site = site(&[]).await;
    let client = from("2001:db8:1:2::1");
    for n in 0..50 {
        assert_eq!(site.log_in(&format!("person{n}@example.org"), OTHER, &client).await, "wrong");
    }
    let neighbour = from("2001:db8:1:2:ffff::9");
    assert_eq!(site.log_in("person50@example.org", OTHER, &neighbour).await, "too many", "the same /64");
    assert_eq!(site.log_in("person50@example.org", OTHER, &from("2001:db8:1:3::1")).await, "wrong");
    for _ in 0..9 {
        assert_eq!(site.log_in("person51@example.org", OTHER, &client).await, "too many");
    }
    assert_eq!(site.log_in("person51@example.org", OTHER, &stranger()).await, "wrong", "refusals count for nobody");
}

#[tokio::test]
async fn a_refused_attempt_costs_no_hash_and_a_busy_one_no_allowance() {
    let site = site(&[]).await;
    site.anna().await;
    for _ in 0..9 {
        assert_eq!(site.log_in("anna@example.org", OTHER, &stranger()).await, "wrong");
    }
    let busy = service(&site.folder, &site.db, &site.clock, &[]);
    busy.hasher.close();
    for _ in 0..3 {
        assert_eq!(outcome(&busy.authenticate("anna@example.org", OTHER, &stranger()).await), "busy");
    }
    assert_eq!(site.log_in("anna@example.org", OTHER, &stranger()).await, "wrong");
    assert_eq!(outcome(&busy.authenticate("anna@example.org", OTHER, &stranger()).await), "too many");
}

#[tokio::test]
async fn counters_survive_a_restart() {
    let site = site(&[]).await;
    for _ in 0..10 {
        assert_eq!(site.log_in("nobody@example.org", OTHER, &stranger()).await, "wrong");
    }
    site.db.close().await;
    let db = open(&site.folder).await;
    let accounts = service(&site.folder, &db, &site.clock, &[]);
    assert_eq!(outcome(&accounts.authenticate("nobody@example.org", OTHER, &stranger()).await), "too many");
}

#[tokio::test]
async fn a_log_in_renews_a_hash_of_other_parameters() {
    let site = site(&[]).await;
    let anna = site.anna().await;
    site.clock.advance(MINUTE);
    let hash = async || {
        let found = store::credentials_by_id(&site.db, &anna.id, None).await.expect("answered");
        found.expect("Anna").password_hash
    };
    let before = hash().await;
    assert_eq!(site.log_in("anna@example.org", PASSWORD, &stranger()).await, "in");
    assert_eq!(hash().await, before);
    let costlier = service(&site.folder, &site.db, &site.clock, &[("argon2_memory_kib", "16")]);
    assert_eq!(outcome(&costlier.authenticate("anna@example.org", OTHER, &stranger()).await), "wrong");
    assert_eq!(hash().await, before);
    let user = costlier.authenticate("anna@example.org", PASSWORD, &stranger()).await.expect("logged in");
    assert!(hash().await.starts_with("$argon2id$v=19$m=16,t=1,p=1$"));
    assert_eq!(user.password_changed_at, anna.password_changed_at);
    assert_eq!(site.accounts.find(&anna.id).await.expect("answered"), Some(anna.clone()));
    assert_eq!(outcome(&costlier.authenticate("anna@example.org", PASSWORD, &stranger()).await), "in");
}

#[tokio::test]
async fn changing_the_password_takes_the_current_one_and_a_new_one() {
    let site = site(&[]).await;
    let (anna, session) = (site.anna().await, SessionId::random());
    let change = async |current: &str, new: &str| {
        let client = stranger();
        match site.accounts.change_password(&anna.id, current, new, &session, &client).await {
            Ok(()) => vec![],
            Err(ChangeError::Invalid(faults)) => faults.iter().map(|fault| (fault.field, fault.code)).collect(),
            Err(other) => vec![("", if matches!(other, ChangeError::TooMany { .. }) { "too many" } else { "other" })],
        }
    };
    site.clock.advance(MINUTE);
    assert_eq!(change("", "short").await, [("current_password", "required"), ("new_password", "too_short")]);
    assert_eq!(change(OTHER, "another good password").await, [("current_password", "wrong")]);
    assert_eq!(change(PASSWORD, PASSWORD).await, [("new_password", "unchanged")]);
    assert_eq!(change(PASSWORD, "anna@example.org.anna").await, [("new_password", "own_data")]);
    assert_eq!(change(PASSWORD, OTHER).await, []);
    assert_eq!(site.log_in("anna@example.org", PASSWORD, &stranger()).await, "wrong");
    let user = site.accounts.authenticate("anna@example.org", OTHER, &stranger()).await.expect("logged in");
    assert_eq!(user.password_changed_at, anna.password_changed_at + MINUTE);
    assert!(site.kinds(&anna).await.contains(&Kind::PasswordChanged));
    for _ in 0..10 {
        assert_eq!(change(PASSWORD, "another good password").await, [("current_password", "wrong")]);
    }
    assert_eq!(change(OTHER, "another good password").await, [("", "too many")]);
    let elsewhere = SessionId::random();
    let changed = site.accounts.change_password(&anna.id, OTHER, PASSWORD, &elsewhere, &stranger()).await;
    assert!(changed.is_ok(), "another session has its own allowance");
}

#[tokio::test]
async fn of_two_password_changes_at_once_one_wins() {
    let site = site(&[]).await;
    let (anna, session, client) = (site.anna().await, SessionId::random(), stranger());
    let (one, two) = tokio::join!(
        site.accounts.change_password(&anna.id, PASSWORD, "the first new password", &session, &client),
        site.accounts.change_password(&anna.id, PASSWORD, "the second new password", &session, &client),
    );
    assert_ne!(one.is_ok(), two.is_ok());
    let right = if one.is_ok() { "the first new password" } else { "the second new password" };
    assert_eq!(site.log_in("anna@example.org", right, &client).await, "in");
}

#[tokio::test]
async fn a_name_can_be_changed() {
    let site = site(&[]).await;
    let anna = site.anna().await;
    site.accounts.change_name(&anna.id, " Anna Berg ").await.expect("changed");
    assert_eq!(site.accounts.find(&anna.id).await.expect("answered").expect("Anna").name, "Anna Berg");
    assert!(matches!(site.accounts.change_name(&anna.id, "").await, Err(ChangeError::Invalid(_))));
    assert!(matches!(site.accounts.change_name(&UserId::random(), "X").await, Err(ChangeError::Unknown)));
}

#[tokio::test]
async fn the_set_up_link_makes_one_administrator() {
    let site = site(&[("registration", "closed")]).await;
    let old = site.accounts.issue_setup_token().await.expect("a token");
    let token = site.accounts.issue_setup_token().await.expect("a token");
    let first = async |token: &str| {
        site.accounts.register_first("Anna", "anna@example.org", PASSWORD, token, &stranger()).await
    };
    for bad in [old.as_str(), "", "x"] {
        assert!(!site.accounts.setup_token_is_good(bad).await.expect("answered"));
        assert!(matches!(first(bad).await, Err(RegisterError::SetupOver)));
    }
    let faults = codes(site.accounts.register_first("", "anna@example.org", PASSWORD, &token, &stranger()).await);
    assert_eq!(faults, [("name", "required")]);
    assert!(site.accounts.setup_token_is_good(&token).await.expect("answered"), "a fault consumes nothing");
    let (one, two) = tokio::join!(first(&token), first(&token));
    assert_ne!(one.is_ok(), two.is_ok());
    let user = one.or(two).expect("one of them");
    assert!(user.admin);
    let mut kinds: Vec<_> = site.kinds(&user).await.into_iter().map(Kind::as_str).collect();
    kinds.sort();
    assert_eq!(kinds, ["made_admin", "registered"]);
    let late = site.accounts.issue_setup_token().await.expect("a token");
    assert!(!site.accounts.setup_token_is_good(&late).await.expect("answered"), "there is an account");
    assert!(matches!(first(&late).await, Err(RegisterError::SetupOver)));
}

#[tokio::test]
async fn the_set_up_link_is_good_for_a_day() {
    let site = site(&[]).await;
    let token = site.accounts.issue_setup_token().await.expect("a token");
    site.clock.advance(24 * 60 * MINUTE - 1);
    assert!(site.accounts.setup_token_is_good(&token).await.expect("answered"));
    site.clock.advance(1);
    assert!(!site.accounts.setup_token_is_good(&token).await.expect("answered"));
    let refused = site.accounts.register_first("Anna", "anna@example.org", PASSWORD, &token, &stranger()).await;
    assert!(matches!(refused, Err(RegisterError::SetupOver)));
}

#[tokio::test]
async fn an_operator_adds_locks_unlocks_and_resets() {
    let site = site(&[]).await;
    let anna = site.accounts.add("anna@example.org", "Anna", PASSWORD, false).await.expect("added");
    let again = site.accounts.add("ANNA@example.org", "Anna", PASSWORD, false).await;
    assert!(matches!(again, Err(AccountError::Invalid(faults)) if faults[0].code == "taken"));
    assert!(matches!(site.accounts.lock("nobody@example.org").await, Err(AccountError::Unknown)));
    assert!(matches!(site.accounts.lock("nobody").await, Err(AccountError::Invalid(_))));
    for _ in 0..2 {
        assert!(site.accounts.lock("Anna@example.org").await.expect("locked").locked);
        assert!(site.accounts.make_admin("anna@example.org").await.expect("made").admin);
    }
    assert!(site.accounts.find(&anna.id).await.expect("answered").is_some_and(|user| user.locked && user.admin));
    assert!(matches!(site.accounts.set_password("anna@example.org", "short").await, Err(AccountError::Invalid(_))));
    site.accounts.set_password("anna@example.org", OTHER).await.expect("set");
    assert_eq!(site.log_in("anna@example.org", OTHER, &stranger()).await, "locked");
    assert!(!site.accounts.unlock("anna@example.org").await.expect("unlocked").locked);
    assert_eq!(site.log_in("anna@example.org", OTHER, &stranger()).await, "in");
    assert_eq!(site.log_in("anna@example.org", PASSWORD, &stranger()).await, "wrong");
    let mut kinds: Vec<_> = site.kinds(&anna).await.into_iter().map(Kind::as_str).collect();
    kinds.sort();
    assert_eq!(kinds, ["locked", "made_admin", "password_set", "registered", "unlocked"], "each once");
}

#[tokio::test]
async fn pruning_deletes_what_is_over_in_small_batches() {
    let site = site(&[]).await;
    let anna = site.anna().await;
    let browsers: Vec<BrowserId> = (0..3).map(|_| BrowserId::random()).collect();
    for browser in &browsers {
        site.accounts.remember_browser(&anna.id, browser).await.expect("remembered");
    }
    site.clock.advance(400 * 24 * 60 * MINUTE);
    site.accounts.remember_browser(&anna.id, &browsers[0]).await.expect("seen again");
    assert_eq!(site.accounts.prune_known_browsers(9).await.expect("pruned"), 0, "a second too early");
    for n in 0..3 {
        site.log_in(&format!("person{n}@example.org"), OTHER, &stranger()).await;
    }
    let counters = async |most| throttle::prune(&site.db, site.clock.now(), most).await.expect("pruned");
    assert_eq!(counters(9).await, 2, "those of the registration");
    site.clock.advance(15 * MINUTE);
    assert_eq!(site.accounts.prune_known_browsers(1).await.expect("pruned"), 1);
    assert_eq!(site.accounts.prune_known_browsers(9).await.expect("pruned"), 1);
    assert_eq!((counters(3).await, counters(3).await, counters(3).await), (3, 1, 0));
}

#[tokio::test]
async fn a_request_that_is_given_up_changes_nothing_and_blocks_nobody() {
    let site = site(&[]).await;
    for _ in 0..20 {
        let register = site.accounts.register("Anna", "anna@example.org", PASSWORD, &from("203.0.113.77")).await;
        drop(register);
        let client = stranger();
        let attempt = site.accounts.authenticate("anna@example.org", PASSWORD, &client);
        let _ = tokio::time::timeout(Duration::from_micros(300), attempt).await;
    }
    site.clock.advance(15 * MINUTE);
    assert_eq!(site.log_in("anna@example.org", PASSWORD, &stranger()).await, "in");
}
