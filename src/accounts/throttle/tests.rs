//! Who is slowed down, and who never is.

use std::time::Duration;

use super::{STRANGERS_PER_ACCOUNT, STRANGERS_PER_ADDRESS};
use crate::accounts::tests::*;
use crate::accounts::*;
use crate::audit::Client;
use crate::id::BrowserId;
use crate::id::hashed;

const STRANGERS: i64 = STRANGERS_PER_ACCOUNT.most;

/// With that browser, and from an address that strangers have used up.
fn with(browser: &BrowserId) -> Client {
    Client { browser: Some(browser.clone()), ..stranger() }
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
    assert!(matches!(refused, Err(AccountError::TooMany { retry_after_seconds: 3600 })), "{refused:?}");
    assert!(site.accounts.register("B", "free@example.org", OTHER, &from("203.0.113.2")).await.is_ok());
    site.clock.advance(60 * MINUTE);
    assert!(site.accounts.register("C", "c@example.org", OTHER, &stranger()).await.is_ok());
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
    for n in 0..STRANGERS {
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
    assert!(matches!(refused, Err(AccountError::TooMany { retry_after_seconds: 900 })), "{refused:?}");
    assert_eq!(site.log_in("anna@example.org", PASSWORD, &stranger()).await, "in", "strangers have theirs");
    site.accounts.register("B", "ben@example.org", OTHER, &stranger()).await.expect("registered");
    assert_eq!(site.log_in("ben@example.org", PASSWORD, &with(&browser)).await, "wrong", "no browser of Ben's");
}

#[tokio::test]
async fn unknown_addresses_are_counted_like_known_ones_and_not_stored() {
    let site = site(&[]).await;
    for _ in 0..STRANGERS {
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
    let tries = (0..2 * STRANGERS).map(|_| {
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
    assert_eq!(wrong, STRANGERS);
    // Those that were refused took nothing from the allowance of their address either.
    for n in STRANGERS..STRANGERS_PER_ADDRESS.most {
        assert_eq!(site.log_in(&format!("person{n}@example.org"), OTHER, &stranger()).await, "wrong");
    }
    assert_eq!(site.log_in("person0@example.org", OTHER, &stranger()).await, "too many");
}

#[tokio::test]
async fn what_an_address_is_refused_is_not_held_against_the_account() {
    let site = site(&[]).await;
    let tries = (0..60).map(|n| {
        let accounts = site.accounts.clone();
        let email = format!("person{n}@example.org");
        tokio::spawn(async move { (outcome(&accounts.authenticate(&email, OTHER, &stranger()).await), email) })
    });
    let mut refused = Vec::new();
    for task in tries.collect::<Vec<_>>() {
        match task.await.expect("joined") {
            ("too many", email) => refused.push(email),
            (other, _) => assert_eq!(other, "wrong"),
        }
    }
    assert_eq!(refused.len(), 10);
    for email in refused {
        for n in 0..STRANGERS {
            assert_eq!(site.log_in(&email, OTHER, &from(&format!("198.51.100.{n}"))).await, "wrong");
        }
    }
}

#[tokio::test]
async fn a_new_window_has_the_whole_allowance() {
    let site = site(&[]).await;
    for _ in 0..2 {
        for _ in 0..STRANGERS {
            assert_eq!(site.log_in("nobody@example.org", OTHER, &stranger()).await, "wrong");
        }
        assert_eq!(site.log_in("nobody@example.org", OTHER, &stranger()).await, "too many");
        site.clock.advance(15 * MINUTE);
    }
}

#[tokio::test]
async fn success_gives_back_one_attempt_not_all() {
    let site = site(&[]).await;
    site.anna().await;
    for _ in 1..STRANGERS {
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
    for _ in 1..STRANGERS {
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
async fn what_is_turned_away_for_want_of_a_place_writes_nothing() {
    let site = site(&[]).await;
    site.accounts.hasher.close();
    assert_eq!(site.log_in("anna@example.org", OTHER, &stranger()).await, "busy");
    let refused = site.accounts.register("Anna", "anna@example.org", PASSWORD, &stranger()).await;
    assert_eq!(outcome(&refused), "busy");
    site.clock.advance(60 * MINUTE);
    assert_eq!(throttle::prune(&site.db, site.clock.now(), 9).await.expect("pruned"), 0);
}

#[tokio::test]
async fn counters_survive_a_restart() {
    let site = site(&[]).await;
    for _ in 0..STRANGERS {
        assert_eq!(site.log_in("nobody@example.org", OTHER, &stranger()).await, "wrong");
    }
    site.db.close().await;
    let db = open(&site.folder).await;
    let accounts = service(&site.folder, &db, &site.clock, &[]);
    assert_eq!(outcome(&accounts.authenticate("nobody@example.org", OTHER, &stranger()).await), "too many");
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
