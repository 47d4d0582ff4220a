//! Accounts as visitors meet them: addresses, passwords, and what nobody is told.

use std::time::{Duration, Instant};

use crate::helpers::{EMAIL, NAME, PASSWORD, TestApp};

const NEW: &str = "another long password";

#[rocket::async_test]
async fn an_address_is_one_however_it_is_written_and_shown_as_it_was_typed() {
    let app = TestApp::start().await;
    for (typed, others) in [
        (" Ann.Berg@Example.ORG ", &["ann.berg@example.org", "ANN.BERG@EXAMPLE.ORG"][..]),
        ("ren\u{e9}e@example.org", &["rene\u{301}e@example.org", "REN\u{c9}E@EXAMPLE.ORG"]),
        ("otto@b\u{fc}cher.example", &["otto@xn--bcher-kva.example", "OTTO@BU\u{308}CHER.example"]),
    ] {
        let mut browser = app.browser();
        let account = browser.register(NAME, typed, PASSWORD).await;
        assert!(account.has(&format!("<p>{}. Registered", typed.trim())), "{}", account.body);
        browser.fill("/logout", "/logout", &[]).await;
        for other in others {
            let mut elsewhere = app.browser();
            let account = elsewhere.log_in(other, PASSWORD).await;
            assert!(account.path == "/account" && account.has(typed.trim()), "{other}");
            let mut second = app.browser();
            let form = second.get("/register").await;
            let fields = [("name", NAME), ("email", *other), ("password", PASSWORD)];
            let taken = second.submit(&form, "/register", &fields).await;
            assert_eq!(taken.status, 422);
            assert!(taken.has("id=\"email-fault\"") && taken.has("There is an account with this e-mail address"));
            assert_eq!(taken.form("/register").value("email"), Some(*other));
            // Past the allowance for such answers.
            app.advance(3601);
        }
    }
    let mut stranger = app.browser();
    let page = stranger.log_in("renee@example.org", PASSWORD).await;
    assert_eq!((page.status, page.path.as_str()), (422, "/login"), "another letter is another address");
}

#[rocket::async_test]
async fn a_password_is_refused_for_a_reason_that_is_told() {
    let app = TestApp::with(&[("site_name", "Blue Lantern Library")]).await;
    app.registered().await;
    let at_most = "Zug um Mitternacht 7 B\u{e4}ren ".repeat(10).chars().take(256).collect::<String>();
    let long = format!("{at_most}x");
    for (password, reason) in [
        ("", "Choose a password."),
        ("short words", "Use at least 15 characters."),
        (&long, "Use at most 256 characters."),
        ("tab\tin the password", "cannot be typed"),
        ("nul\0in the password", "cannot be typed"),
        ("aaaaaaaaaaaaaaaaaaaa", "only repeats a few characters"),
        ("abcdefghijklmnopqrst", "row of the keyboard"),
        ("Blue Lantern Library", "the name of this site"),
        ("bartholomew@example.org", "your name or e-mail address"),
        ("Bartholomew Longname", "your name or e-mail address"),
    ] {
        let mut browser = app.browser();
        let form = browser.get("/register").await;
        let fields = [("name", "Bartholomew Longname"), ("email", "bartholomew@example.org"), ("password", password)];
        let page = browser.submit(&form, "/register", &fields).await;
        let told =
            page.body.split("id=\"password-fault\">").nth(1).unwrap_or_else(|| panic!("{password}: {}", page.body));
        let told = told.split("</p>").next().unwrap();
        assert!(page.status == 422 && told.contains(reason), "{password}: {told}");
        assert_eq!(page.form("/register").value("password"), Some(""));
    }
    let animals = "\u{1f98a}\u{1f422}\u{1f989}\u{1f41d}\u{1f40d}\u{1f40c}\u{1f98b}\u{1f41e}\u{1f41c}\u{1f997}"
        .to_owned()
        + "words";
    let mut browser = app.browser();
    for (password, not_quite) in [
        (&at_most[..], &at_most[..at_most.len() - 1]),
        (" spaces count at both ends ", "spaces count at both ends"),
        (&animals, &animals[4..]),
    ] {
        let email = format!("x{}@example.org", password.len());
        browser.register("Xanthippe", &email, password).await;
        browser.fill("/logout", "/logout", &[]).await;
        assert_eq!(browser.log_in(&email, not_quite).await.status, 422, "{not_quite}");
        assert_eq!(browser.log_in(&email, password).await.path, "/account");
        browser.fill("/logout", "/logout", &[]).await;
    }
}

#[rocket::async_test]
async fn a_changed_password_ends_the_other_sessions_and_keeps_this_one() {
    let app = TestApp::start().await;
    let mut browser = app.registered().await;
    let mut other = app.browser();
    other.log_in(EMAIL, PASSWORD).await;
    let mut stranger = app.browser();
    stranger.register("Bo", "bo@example.org", PASSWORD).await;
    let page = browser.get("/account").await;
    let fields = [("current_password", PASSWORD), ("new_password", NEW)];
    let done = browser.submit(&page, "/account/password", &fields).await;
    assert_eq!(done.location(), Some("/account?saved=password"));
    assert!(browser.visit("/account?saved=password").await.has("Your other sessions have ended"));
    let turned_away = other.visit("/account").await;
    assert!(turned_away.path.starts_with("/login") && turned_away.has("Your password was changed"));
    assert!(turned_away.clears("access_token") && turned_away.clears("refresh_token"));
    assert!(stranger.is_logged_in().await);
    assert_eq!(other.log_in(EMAIL, PASSWORD).await.status, 422);
    assert_eq!(other.log_in(EMAIL, NEW).await.path, "/account");
}

#[rocket::async_test]
async fn a_password_change_asks_for_the_old_one_and_says_what_is_wrong() {
    let app = TestApp::start().await;
    let mut browser = app.registered().await;
    for (current, new, field, reason) in [
        ("not my password", NEW, "current_password", "This is not your current password"),
        (PASSWORD, "short", "new_password", "Use at least 15 characters"),
        (PASSWORD, PASSWORD, "new_password", "This is the password that you have now"),
        (PASSWORD, EMAIL, "new_password", "your name or e-mail address"),
        ("", NEW, "current_password", "Enter your password"),
    ] {
        let page = browser.get("/account").await;
        let fields = [("current_password", current), ("new_password", new)];
        let page = browser.submit(&page, "/account/password", &fields).await;
        let told =
            page.body.split(&format!("id=\"{field}-fault\">")).nth(1).map(|rest| rest.split("</p>").next().unwrap());
        assert!(page.status == 422 && told.is_some_and(|told| told.contains(reason)), "{current} {new}: {told:?}");
        assert!(!page.has(PASSWORD) && !page.has(NEW));
        assert_eq!(page.form("/account/profile").value("name"), Some(NAME));
    }
    assert!(browser.is_logged_in().await);
}

#[rocket::async_test]
async fn hashes_of_earlier_settings_still_log_in_and_are_renewed() {
    let mut app = TestApp::start().await;
    app.registered().await;
    for settings in [
        &[("argon2_memory_kib", "64"), ("argon2_iterations", "2")][..],
        &[("argon2_memory_kib", "32"), ("argon2_parallelism", "2")],
        &[],
    ] {
        app = app.restart(settings).await;
        for _ in 0..2 {
            assert_eq!(app.browser().log_in(EMAIL, PASSWORD).await.path, "/account", "{settings:?}");
            assert_eq!(app.browser().log_in(EMAIL, NEW).await.status, 422);
        }
    }
}

/// Argon2 is made to take long here, so that doing it or not cannot be mistaken for noise.
#[rocket::async_test]
async fn an_unknown_address_costs_as_much_work_as_a_wrong_password() {
    let app = TestApp::with(&[("argon2_memory_kib", "8192"), ("argon2_iterations", "4")]).await;
    app.registered().await;
    let mut times = [Vec::new(), Vec::new(), Vec::new()];
    for _ in 0..9 {
        app.advance(3601);
        for (kind, email, password) in [(0, EMAIL, NEW), (1, "nobody@example.org", NEW), (2, EMAIL, "")] {
            let mut browser = app.browser();
            let form = browser.get("/login").await;
            let start = Instant::now();
            let page = browser.submit(&form, "/login", &[("email", email), ("password", password)]).await;
            times[kind].push(start.elapsed());
            assert_eq!(page.status, 422);
        }
    }
    // The shortest: what else the machine does only ever adds.
    let [wrong, unknown, untried] = times.map(|times| times.into_iter().min().unwrap());
    assert!(wrong > untried * 2 + Duration::from_millis(2), "the work is too small to be seen: {wrong:?}, {untried:?}");
    let ratio = unknown.as_secs_f64() / wrong.as_secs_f64();
    assert!((0.5..2.0).contains(&ratio), "unknown {unknown:?}, wrong {wrong:?}");
}

#[rocket::async_test]
async fn a_closed_site_has_no_registration_and_says_nothing_of_it() {
    for registration in ["closed", "invited"] {
        let app = TestApp::with(&[("registration", registration)]).await;
        app.site().accounts.add(EMAIL, NAME, PASSWORD, false).await.unwrap();
        let mut browser = app.browser();
        for path in ["/", "/login", "/logout", "/nowhere", "/register"] {
            let page = browser.get(path).await;
            assert!(!page.has("/register"), "{registration} {path}: {}", page.body);
            assert_eq!(page.status == 404, matches!(path, "/nowhere" | "/register"));
        }
        let token = browser.get("/login").await.form("/login").value("csrf_token").unwrap().to_owned();
        let fields = [("name", "Bo"), ("email", "bo@example.org"), ("password", PASSWORD), ("csrf_token", &token)];
        let page = browser.post("/register", &fields).await;
        assert_eq!((page.status, page.is_in_words()), (404, true));
        assert!(app.site().accounts.by_email("bo@example.org").await.is_err());
        assert_eq!(browser.log_in(EMAIL, PASSWORD).await.path, "/account");
    }
}

#[rocket::async_test]
async fn a_locked_account_is_refused_at_once_and_only_its_owner_learns_why() {
    let app = TestApp::start().await;
    let mut browser = app.registered().await;
    app.site().accounts.lock(EMAIL).await.unwrap();
    let page = browser.get("/account").await;
    assert_eq!((page.status, page.set_cookie_lines().len()), (303, 0));
    let login = browser.visit("/account").await;
    assert!(login.has("This account is locked") && login.clears("access_token"), "{}", login.body);
    let wrong = browser.log_in(EMAIL, NEW).await;
    assert!(wrong.status == 422 && !wrong.has("locked"), "{}", wrong.body);
    let right = browser.log_in(EMAIL, PASSWORD).await;
    assert!(right.status == 422 && right.has("This account is locked") && !right.delivers());
    assert_eq!(right.form("/login").value("email"), Some(EMAIL));
    app.site().accounts.unlock(EMAIL).await.unwrap();
    assert!(!browser.is_logged_in().await, "what was ended stays ended");
    assert_eq!(browser.log_in(EMAIL, PASSWORD).await.path, "/account");
}

#[rocket::async_test]
async fn the_setup_link_makes_one_administrator_once() {
    let app = TestApp::start().await;
    let token = app.site().accounts.issue_setup_token().await.unwrap();
    let path = format!("/setup?token={token}");
    for wrong in ["/setup?token=", "/setup?token=x", "/setup?token=%00", "/setup?token=%ff", "/setup"] {
        let page = app.browser().get(wrong).await;
        assert_eq!((page.status, page.is_in_words()), (404, true), "{wrong}");
    }
    let (mut first, mut second) = (app.browser(), app.browser());
    let (one, two) = (first.get(&path).await, second.get(&path).await);
    let fields = [("name", NAME), ("email", EMAIL), ("password", PASSWORD)];
    let done = first.submit(&one, "/setup", &fields).await;
    assert!(done.status == 303 && done.delivers(), "{}", done.body);
    assert!(first.visit("/account").await.has("You are an administrator"));
    let late = [("name", "Eve"), ("email", "eve@example.org"), ("password", PASSWORD)];
    assert_eq!(second.submit(&two, "/setup", &late).await.status, 404);
    assert_eq!(second.get(&path).await.status, 404);
    assert!(app.site().accounts.by_email("eve@example.org").await.is_err());
}
