//! Accounts against a database of their own: making and changing them. Throttling: `throttle/tests.rs`.

use std::net::IpAddr;

use tempfile::TempDir;

use super::*;
use crate::audit::{self, Client, Kind};
use crate::id::SessionId;

pub(super) const PASSWORD: &str = "seventeen green bottles";
pub(super) const OTHER: &str = "a wall without any bottle";
pub(super) const MINUTE: Seconds = 60;

pub(super) struct Site {
    pub accounts: Accounts,
    pub db: Db,
    pub clock: Clock,
    pub folder: TempDir,
}

/// A site of its own with the cheapest hashes; `settings` override.
pub(super) async fn site(settings: &[(&str, &str)]) -> Site {
    let folder = tempfile::tempdir().expect("a folder");
    let (db, clock) = (open(&folder).await, Clock::manual(1_000_000));
    let accounts = service(&folder, &db, &clock, settings);
    Site { accounts, db, clock, folder }
}

pub(super) fn config(folder: &TempDir, settings: &[(&str, &str)]) -> Config {
    let url = format!("sqlite:{}", folder.path().join("test.db").display());
    let mut figment = crate::config::defaults();
    for (name, value) in [("database_url", url.as_str()), ("argon2_memory_kib", "8"), ("argon2_iterations", "1")] {
        figment = figment.merge((format!("hallpass.{name}"), value));
    }
    for (name, value) in settings {
        figment = figment.merge((format!("hallpass.{name}"), value));
    }
    Config::read(&figment).expect("good settings")
}

pub(super) async fn open(folder: &TempDir) -> Db {
    let db = Db::open(&config(folder, &[])).await.expect("a database");
    db.migrate().await.expect("migrated");
    db
}

pub(super) fn service(folder: &TempDir, db: &Db, clock: &Clock, settings: &[(&str, &str)]) -> Accounts {
    Accounts::new(&config(folder, settings), db.clone(), clock.clone(), Changes::new(db, clock)).expect("accounts")
}

pub(super) fn from(address: &str) -> Client {
    let address: IpAddr = address.parse().expect("an address");
    Client { address, user_agent: "test".to_owned(), browser: None }
}

pub(super) fn stranger() -> Client {
    from("203.0.113.1")
}

impl Site {
    pub async fn anna(&self) -> User {
        self.accounts.register("Anna", "anna@example.org", PASSWORD, &stranger()).await.expect("registered")
    }

    pub async fn log_in(&self, email: &str, password: &str, client: &Client) -> &'static str {
        outcome(&self.accounts.authenticate(email, password, client).await)
    }

    async fn kinds(&self, user: &User) -> Vec<Kind> {
        let events = audit::recent(&self.db, &user.id, 100).await.expect("events");
        events.into_iter().map(|event| event.kind).collect()
    }
}

pub(super) fn outcome(result: &Result<User, AccountError>) -> &'static str {
    match result {
        Ok(_) => "in",
        Err(AccountError::Invalid(_)) => "invalid",
        Err(AccountError::Wrong) => "wrong",
        Err(AccountError::Locked) => "locked",
        Err(AccountError::TooMany { .. }) => "too many",
        Err(AccountError::Busy) => "busy",
        Err(AccountError::Failed) => "failed",
        Err(AccountError::Db(_)) => "db",
        Err(AccountError::Unknown | AccountError::Closed | AccountError::SetupOver) => "another",
    }
}

pub(super) fn codes<T>(result: Result<T, AccountError>) -> Vec<(&'static str, &'static str)> {
    match result {
        Err(AccountError::Invalid(faults)) => faults.iter().map(|fault| (fault.field, fault.code)).collect(),
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
    assert_eq!(site.accounts.list(None).await.expect("answered").len(), 1);
}

#[tokio::test]
async fn only_an_open_site_takes_registrations() {
    for setting in ["closed", "invited"] {
        let site = site(&[("registration", setting)]).await;
        let refused = site.accounts.register("Anna", "anna@example.org", PASSWORD, &stranger()).await;
        assert!(matches!(refused, Err(AccountError::Closed)));
        assert!(site.accounts.add("anna@example.org", "Anna", PASSWORD, false).await.is_ok());
    }
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
            Err(AccountError::Invalid(faults)) => faults.iter().map(|fault| (fault.field, fault.code)).collect(),
            Err(other) => vec![("", if matches!(other, AccountError::TooMany { .. }) { "too many" } else { "other" })],
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
    assert!(matches!(site.accounts.change_name(&anna.id, "").await, Err(AccountError::Invalid(_))));
    assert!(matches!(site.accounts.change_name(&UserId::random(), "X").await, Err(AccountError::Unknown)));
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
        assert!(matches!(first(bad).await, Err(AccountError::SetupOver)));
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
    assert!(matches!(first(&late).await, Err(AccountError::SetupOver)));
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
    assert!(matches!(refused, Err(AccountError::SetupOver)));
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
