//! How often strangers may guess, and that no owner is ever kept out by them.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use crate::helpers::{Browser, EMAIL, NAME, PASSWORD, Page, TestApp};

const QUARTER: i64 = 15 * 60;

/// How many guesses all strangers together have at an account, within [`QUARTER`].
const STRANGERS: u8 = 20;
const WRONG: &str = "not the right password";

/// One try at a log-in, by the form as it is served.
async fn try_login(browser: &mut Browser<'_>, email: &str, password: &str) -> Page {
    let form = browser.get("/login?next=%2Faccount%2Fsessions").await;
    browser.submit(&form, "/login", &[("email", email), ("password", password), ("remember", "on")]).await
}

/// A new visitor a try: what counts is who one is to the site, not what one carries.
async fn stranger<'a>(app: &'a TestApp, address: IpAddr, email: &str, password: &str) -> Page {
    let mut browser: Browser<'a> = app.browser();
    browser.address = SocketAddr::from((address, 40_000));
    try_login(&mut browser, email, password).await
}

fn at(number: u8) -> IpAddr {
    IpAddr::from([198, 51, 100, number])
}

fn is_throttled(page: &Page, email: &str) {
    assert_eq!(page.status, 429, "{}", page.body);
    let wait: i64 = page.header("retry-after").expect("Retry-After").parse().expect("seconds");
    assert!((1..=3600).contains(&wait), "{wait}");
    assert!(page.is_in_words() && page.has("Too many attempts. Wait"), "{}", page.body);
    let form = page.form("/login");
    assert_eq!((form.value("email"), form.value("remember")), (Some(email), Some("on")));
    assert_eq!((form.value("next"), form.value("password")), (Some("/account/sessions"), Some("")));
    assert!(!page.has(WRONG) && !page.has(PASSWORD));
}

#[rocket::async_test]
async fn strangers_share_twenty_guesses_at_an_account_and_its_owner_has_their_own() {
    let app = TestApp::start().await;
    let mut owner = app.registered().await;
    owner.fill("/logout", "/logout", &[]).await;
    for email in [EMAIL, "nobody@example.org"] {
        for number in 1..=STRANGERS {
            assert_eq!(stranger(&app, at(number), email, WRONG).await.status, 422);
        }
        is_throttled(&stranger(&app, at(31), email, WRONG).await, email);
        is_throttled(&stranger(&app, at(32), email, PASSWORD).await, email);
    }
    // However it is written, it is one account.
    assert_eq!(stranger(&app, at(33), "ANN@EXAMPLE.ORG", WRONG).await.status, 429);
    // The owner's browser, even from an address that strangers guess from.
    owner.address = SocketAddr::from((at(1), 40_000));
    assert_eq!(try_login(&mut owner, EMAIL, WRONG).await.status, 422);
    assert_eq!(try_login(&mut owner, EMAIL, PASSWORD).await.status, 303);
    app.advance(QUARTER);
    assert_eq!(stranger(&app, at(34), EMAIL, PASSWORD).await.status, 303, "the window is over");
}

#[rocket::async_test]
async fn a_made_up_or_foreign_browser_cookie_borrows_no_allowance() {
    let app = TestApp::start().await;
    let owner = app.registered().await;
    let mut thief = app.browser();
    for number in 1..=STRANGERS {
        stranger(&app, at(number), EMAIL, WRONG).await;
    }
    let genuine = owner.cookie("browser").unwrap();
    let id = genuine.split('.').next().unwrap();
    for value in [format!("{id}.x"), id.to_owned(), format!("{id}."), genuine[..genuine.len() - 1].to_owned()] {
        thief.set_cookie("browser", &value);
        assert_eq!(try_login(&mut thief, EMAIL, PASSWORD).await.status, 429, "{value}");
    }
    let mut other = app.browser();
    other.register("Bo", "bo@example.org", PASSWORD).await;
    other.fill("/logout", "/logout", &[]).await;
    assert_eq!(try_login(&mut other, EMAIL, PASSWORD).await.status, 429, "known, but to another account");
}

#[rocket::async_test]
async fn the_owners_own_browser_has_ten_guesses_and_success_starts_them_anew() {
    let app = TestApp::start().await;
    let mut owner = app.registered().await;
    owner.fill("/logout", "/logout", &[]).await;
    for round in 0..2 {
        for _ in 0..9 {
            assert_eq!(try_login(&mut owner, EMAIL, WRONG).await.status, 422, "round {round}");
        }
        assert_eq!(try_login(&mut owner, EMAIL, PASSWORD).await.status, 303);
        owner.fill("/logout", "/logout", &[]).await;
    }
    for _ in 0..10 {
        try_login(&mut owner, EMAIL, WRONG).await;
    }
    is_throttled(&try_login(&mut owner, EMAIL, PASSWORD).await, EMAIL);
    assert_eq!(stranger(&app, at(1), EMAIL, PASSWORD).await.status, 303, "strangers are counted apart");
}

#[rocket::async_test]
async fn one_address_has_fifty_guesses_at_all_accounts_together() {
    let app = TestApp::start().await;
    let mut owner = app.registered().await;
    owner.fill("/logout", "/logout", &[]).await;
    for number in 0..50 {
        let page = stranger(&app, at(1), &format!("guess{number}@example.org"), WRONG).await;
        assert_eq!(page.status, 422, "{number}");
    }
    is_throttled(&stranger(&app, at(1), "another@example.org", WRONG).await, "another@example.org");
    assert_eq!(stranger(&app, at(2), "another@example.org", WRONG).await.status, 422, "another address");
    owner.address = SocketAddr::from((at(1), 40_000));
    assert_eq!(try_login(&mut owner, EMAIL, PASSWORD).await.status, 303, "the owner behind the same address");
}

#[rocket::async_test]
async fn a_network_of_64_bits_is_one_address_and_a_mapped_address_is_itself() {
    let app = TestApp::start().await;
    for number in 0..50_u16 {
        let address = Ipv6Addr::new(0x2001, 0xdb8, 1, 2, number, number, 3, number);
        let page = stranger(&app, address.into(), &format!("guess{number}@example.org"), WRONG).await;
        assert_eq!(page.status, 422);
    }
    let status = async |address: Ipv6Addr| stranger(&app, address.into(), "x@example.org", WRONG).await.status;
    assert_eq!(status(Ipv6Addr::new(0x2001, 0xdb8, 1, 2, 0xffff, 0, 0, 1)).await, 429);
    assert_eq!(status(Ipv6Addr::new(0x2001, 0xdb8, 1, 3, 0, 0, 0, 1)).await, 422, "the next network");
    for number in 0..50 {
        stranger(&app, at(9), &format!("other{number}@example.org"), WRONG).await;
    }
    assert_eq!(status("::ffff:198.51.100.9".parse().unwrap()).await, 429);
    assert_eq!(status("::ffff:198.51.100.8".parse().unwrap()).await, 422);
}

#[rocket::async_test]
async fn what_was_counted_outlives_a_restart() {
    let app = TestApp::start().await;
    app.registered().await;
    for number in 1..=STRANGERS {
        stranger(&app, at(number), EMAIL, WRONG).await;
    }
    let app = app.restart(&[]).await;
    is_throttled(&stranger(&app, at(31), EMAIL, PASSWORD).await, EMAIL);
    app.advance(QUARTER - 1);
    assert_eq!(stranger(&app, at(31), EMAIL, PASSWORD).await.header("retry-after"), Some("1"));
    app.advance(1);
    assert_eq!(stranger(&app, at(31), EMAIL, PASSWORD).await.status, 303);
}

#[rocket::async_test]
async fn a_success_gives_back_the_strangers_own_try_only() {
    let app = TestApp::start().await;
    app.registered().await;
    for number in 1..STRANGERS {
        stranger(&app, at(number), EMAIL, WRONG).await;
    }
    for number in 40..45 {
        assert_eq!(stranger(&app, at(number), EMAIL, PASSWORD).await.status, 303, "{number}");
    }
    assert_eq!(stranger(&app, at(50), EMAIL, WRONG).await.status, 422);
    assert_eq!(stranger(&app, at(51), EMAIL, WRONG).await.status, 429);
}

#[rocket::async_test]
async fn a_thief_of_a_session_cannot_guess_the_password_from_inside() {
    let app = TestApp::start().await;
    let mut owner = app.registered().await;
    // A stranger's allowance at the one, the session's own at the other.
    for (path, action, fields, most) in [
        ("/confirm", "/confirm", &[("password", WRONG)][..], usize::from(STRANGERS)),
        (
            "/account",
            "/account/password",
            &[("current_password", WRONG), ("new_password", "another long password")],
            10,
        ),
    ] {
        let mut thief = app.browser();
        for name in ["access_token", "refresh_token"] {
            thief.set_cookie(name, owner.cookie(name).unwrap());
        }
        let mut statuses = Vec::new();
        for number in 0..most as u8 + 2 {
            // Another browser cookie and another address each time.
            thief.remove_cookie("browser");
            thief.address = SocketAddr::from((at(number), 40_000));
            let page = thief.get(path).await;
            let answer = thief.submit(&page, action, fields).await;
            assert!(answer.is_in_words() && !answer.has(WRONG));
            if answer.status == 429 {
                assert!(answer.header("retry-after").is_some() && answer.has("Too many attempts. Wait"));
            }
            statuses.push(answer.status);
        }
        assert_eq!(statuses, [vec![422; most], vec![429; 2]].concat(), "{action}");
        assert!(owner.is_logged_in().await, "nobody is logged out by it");
    }
    // The owner's own browser is not kept from confirming.
    let page = owner.get("/confirm").await;
    assert_eq!(owner.submit(&page, "/confirm", &[("password", PASSWORD)]).await.status, 303);
}

#[rocket::async_test]
async fn lists_of_addresses_cannot_be_tried_by_registering() {
    let app = TestApp::start().await;
    app.registered().await;
    let taken = async |number: u8| {
        let mut browser = app.browser();
        browser.address = SocketAddr::from((at(number), 40_000));
        let form = browser.get("/register").await;
        browser.submit(&form, "/register", &[("name", NAME), ("email", EMAIL), ("password", PASSWORD)]).await
    };
    for _ in 0..10 {
        let page = taken(1).await;
        assert!(page.status == 422 && page.has("There is an account with this e-mail address"), "{}", page.body);
    }
    let page = taken(1).await;
    assert!(page.status == 429 && page.header("retry-after").is_some(), "{}", page.body);
    let form = page.form("/register");
    assert_eq!((form.value("name"), form.value("email"), form.value("password")), (Some(NAME), Some(EMAIL), Some("")));
    assert_eq!(taken(2).await.status, 422, "from another address");
}
