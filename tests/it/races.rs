//! The real program, with real connections, real time and short settings.

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::helpers::{Page, Server, WireBrowser, generation};

const CHEAP_PASSWORDS: [(&str, &str); 2] = [("HALLPASS_ARGON2_MEMORY_KIB", "8"), ("HALLPASS_ARGON2_ITERATIONS", "1")];

fn server(settings: &[(&str, &str)]) -> Server {
    let server = Server::start(&[&CHEAP_PASSWORDS, settings].concat());
    server.add_user();
    server
}

fn logged_in(server: &Server) -> WireBrowser {
    let mut browser = WireBrowser::new(server);
    assert!(browser.log_in().has("Your account"));
    browser
}

fn refresh_generation(browser: &WireBrowser) -> i64 {
    generation(&browser.jar["refresh_token"])
}

fn seconds(seconds: f64) {
    thread::sleep(Duration::from_secs_f64(seconds));
}

#[test]
fn a_minute_of_page_loads_with_two_second_tokens_never_sees_the_login_page() {
    let server = server(&[("HALLPASS_ACCESS_TOKEN_TTL_SECONDS", "2")]);
    let mut browser = logged_in(&server);
    let (start, first) = (Instant::now(), refresh_generation(&browser));
    let (mut loads, mut rotations) = (0, 0);
    while start.elapsed() < Duration::from_secs(60) {
        for path in ["/account", "/account/sessions", "/nowhere"] {
            let page = browser.get(path);
            let expected = if path == "/nowhere" { 404 } else { 200 };
            assert_eq!((page.status, page.location()), (expected, None), "load {loads}: {}", page.body);
            assert!(page.has("Log out"), "load {loads} is anonymous");
            loads += 1;
            rotations += i64::from(page.delivers());
            // A graphical browser half of the time.
            if page.has("/session/ack") && rotations % 2 == 0 {
                assert_eq!(browser.get("/session/ack").status, 200);
            }
        }
        seconds(0.05);
    }
    println!("{loads} page loads in a minute, {rotations} rotations, no log-in page");
    assert_eq!(refresh_generation(&browser) - first, rotations);
    assert!(rotations >= 15, "only {rotations} rotations");
}

#[test]
fn fifty_parallel_requests_with_one_expired_token_make_one_generation() {
    let server = server(&[("HALLPASS_ACCESS_TOKEN_TTL_SECONDS", "2")]);
    let browser = logged_in(&server);
    let before = refresh_generation(&browser);
    seconds(3.1);
    let barrier = Barrier::new(50);
    let pages: Vec<Page> = thread::scope(|scope| {
        let ask = || {
            barrier.wait();
            browser.send_and_lose("GET", "/account", None).expect("an answer")
        };
        let threads: Vec<_> = (0..50).map(|_| scope.spawn(ask)).collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    });
    assert!(pages.iter().all(|page| page.status == 200 && page.delivers()), "{:?}", statuses(&pages));
    let mut refresh: Vec<_> = pages.iter().filter_map(|page| page.sets("refresh_token")).collect();
    assert_eq!(refresh.len(), 50);
    refresh.dedup();
    assert_eq!(refresh.len(), 1, "not all were handed the same bytes");
    assert_eq!(generation(&refresh[0]), before + 1);
}

fn statuses(pages: &[Page]) -> Vec<u16> {
    pages.iter().map(|page| page.status).collect()
}

const CLIENTS: usize = 20;
const ROTATIONS_EACH: usize = 50;

#[test]
fn a_server_killed_in_the_middle_of_a_thousand_rotations_logs_nobody_out() {
    let mut server = server(&[]);
    let browsers: Vec<_> = (0..CLIENTS).map(|_| logged_in(&server)).collect();
    let (rotations, killed) = (AtomicUsize::new(0), AtomicBool::new(false));
    let (mut before, mut cut_off) = (0, 0);
    thread::scope(|scope| {
        let clients: Vec<_> =
            browsers.into_iter().map(|browser| scope.spawn(|| rotate_often(browser, &rotations, &killed))).collect();
        while rotations.load(Ordering::SeqCst) < CLIENTS * ROTATIONS_EACH / 2 {
            seconds(0.001);
        }
        server.kill();
        before = rotations.load(Ordering::SeqCst);
        killed.store(true, Ordering::SeqCst);
        server.launch();
        for client in clients {
            cut_off += client.join().expect("no client was logged out");
        }
    });
    let all = rotations.load(Ordering::SeqCst);
    println!("{before} rotations before kill -9, {} after; {cut_off} requests cut off", all - before);
    assert_eq!(all, CLIENTS * ROTATIONS_EACH);
    assert!(before < all - CLIENTS, "killed when nearly all was over");
    assert!(cut_off > 0, "killed when nobody asked");
}

/// Loses its access cookie each time, so that each request rotates. Returns how many requests had no answer.
fn rotate_often(mut browser: WireBrowser, rotations: &AtomicUsize, killed: &AtomicBool) -> usize {
    let mut cut_off = 0;
    let mut done = 0;
    while done < ROTATIONS_EACH {
        browser.jar.remove("access_token");
        match browser.send("GET", "/account", None) {
            Ok(page) => {
                assert_eq!((page.status, page.delivers()), (200, true), "{}", page.body);
                done += 1;
                rotations.fetch_add(1, Ordering::SeqCst);
            }
            Err(error) => {
                cut_off += 1;
                assert!(cut_off < 3000, "the server does not come back: {error}");
                seconds(if killed.load(Ordering::SeqCst) { 0.05 } else { 0.01 });
            }
        }
    }
    // Who was done early may be cut off here.
    let page = loop {
        match browser.send("GET", "/account", None) {
            Ok(page) => break page,
            Err(_) => seconds(0.05),
        }
    };
    assert_eq!((page.status, page.delivers()), (200, false));
    cut_off
}

/// Access tokens of three seconds, a grace of one.
fn short() -> Server {
    server(&[("HALLPASS_ACCESS_TOKEN_TTL_SECONDS", "3"), ("HALLPASS_REFRESH_GRACE_SECONDS", "1")])
}

#[test]
fn a_lost_rotation_is_delivered_again_after_the_grace() {
    let server = short();
    let mut browser = logged_in(&server);
    seconds(4.1);
    let lost = browser.send_and_lose("GET", "/account", None).expect("an answer");
    assert!(lost.status == 200 && lost.delivers());
    seconds(2.1);
    let again = browser.get("/account");
    assert_eq!((again.status, again.sets("refresh_token")), (200, lost.sets("refresh_token")));
    assert_eq!(browser.get("/account").status, 200);
}

#[test]
fn a_stale_token_is_asked_and_a_stale_answer_ends_the_session() {
    let server = short();
    let mut owner = logged_in(&server);
    let mut thief = owner.clone();
    seconds(4.1);
    assert!(owner.get("/account").delivers());
    assert_eq!(owner.get("/account").status, 200);
    seconds(2.1);
    assert_eq!(owner.get("/account").status, 200);
    for target in ["/account?x=1&y=%20", "/.//evil.example/", "/%5cevil.example"] {
        let asked = thief.send_and_lose("GET", target, None).expect("an answer");
        assert_eq!((asked.status, asked.location()), (307, Some(target)), "{}", asked.body);
        let lines = asked.set_cookie_lines();
        assert!(
            lines.len() == 1
                && lines[0].starts_with("probe=")
                && lines[0].ends_with("; Path=/; Max-Age=60; HttpOnly; SameSite=Lax")
        );
    }
    // Each of these would name another host if it came back as it was sent.
    for target in
        ["//evil.example/x", "/\\evil.example/x", "http://evil.example/account", "http://evil.example//evil.example"]
    {
        let asked = thief.send_and_lose("GET", target, None).expect("an answer");
        let location = asked.location().unwrap_or_default();
        assert!(asked.status == 400 || asked.status == 307, "{target}: {}", asked.status);
        assert!(
            !location.starts_with("//") && !location.starts_with("/\\") && !location.contains(':'),
            "{target}: {location}"
        );
    }
    assert_eq!(owner.get("/account").status, 200, "unanswered, nothing has changed");
    assert_eq!(thief.get("/account").status, 307);
    assert_eq!(thief.get("/account").location(), Some("/login?next=%2Faccount"));
    let refused = owner.get("/account");
    assert_eq!((refused.status, refused.set_cookie_lines().len()), (303, 0));
    let login = owner.get(refused.location().expect("a location"));
    assert!(login.has("an old copy of its token was used") && login.clears("refresh_token"));
    assert!(!owner.jar.contains_key("refresh_token") && !owner.jar.contains_key("access_token"));
    assert!(owner.log_in().has("one of your sessions was ended"));
}

#[test]
fn a_browser_set_back_to_older_cookies_recovers_and_its_post_does_its_work() {
    let server = short();
    let mut browser = logged_in(&server);
    let form = browser.get("/account").form("/account/profile");
    let mut killed = browser.clone();
    seconds(4.1);
    assert!(browser.get("/account").delivers());
    // Confirmed, and not seen again: its browser was killed.
    assert_eq!(browser.get("/session/ack").status, 200);
    seconds(2.1);
    let fields = form.filled(&[("name", "Ann Renamed")]);
    let body = crate::helpers::encode(&fields);
    let asked = killed.send("POST", "/account/profile", Some(&body)).expect("an answer");
    assert_eq!((asked.status, asked.location()), (307, Some("/account/profile")));
    let done = killed.send("POST", "/account/profile", Some(&body)).expect("an answer");
    assert_eq!((done.status, done.location()), (303, Some("/account?saved=name")));
    assert!(done.delivers());
    assert!(killed.visit("/account").has("Ann Renamed"));
}
