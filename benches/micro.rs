//! What single steps cost: `cargo bench --bench micro`. `cargo test --bench micro` does each once, to see that it
//! works.

use std::future::Future;
use std::net::{IpAddr, Ipv4Addr};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use divan::{Bencher, black_box};
use figment::Figment;
use hallpass::audit;
use hallpass::auth::{Site, forgery};
use hallpass::clock::{Clock, HOUR};
use hallpass::id::{BrowserId, SessionId, UserId};
use hallpass::sessions::rotation::{Carrier, Decision, Family, decide};
use hallpass::sessions::{Access, Tokens};
use hallpass::tokens::access::{self, AccessTokens};
use hallpass::tokens::refresh::{self, RefreshTokens};
use rocket::http::{Header, Status};
use rocket::local::asynchronous::Client;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tracing::subscriber::NoSubscriber;

fn main() {
    // What is logged would go between the lines of the table.
    tracing::subscriber::set_global_default(NoSubscriber::default()).expect("the first subscriber");
    divan::main();
}

/// A site with an account and a browser that is logged in to it.
struct Fixture {
    // Ends with the site in it before the folder is removed.
    client: Client,
    runtime: Runtime,
    tokens: Tokens,
    browser: BrowserId,
    _folder: TempDir,
}

impl Fixture {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let runtime = Runtime::new().expect("a runtime");
        let browser = BrowserId::random();
        let (client, tokens) = runtime.block_on(async {
            let rocket = hallpass::rocket_at(figment(&folder), Clock::system());
            let client = Client::untracked(rocket).await.expect("the site starts");
            let site: &Site = client.rocket().state().expect("a started site");
            let added = site.accounts.add("ada@example.org", "Ada", "correct horse battery staple", false).await;
            let user = added.expect("an account");
            let from = audit::Client {
                address: IpAddr::V4(Ipv4Addr::LOCALHOST),
                user_agent: String::new(),
                browser: Some(browser.clone()),
            };
            let tokens = site.log_in(&user, true, Some(&browser), &from).await.expect("a session");
            (client, tokens)
        });
        Self { client, runtime, tokens, browser, _folder: folder }
    }

    fn site(&self) -> &Site {
        self.client.rocket().state().expect("a started site")
    }

    fn browser_cookie(&self) -> String {
        format!("browser={}", self.site().browser_ids.write(&self.browser))
    }

    fn cookies(&self) -> Header<'static> {
        let (access, refresh) = (&self.tokens.access, &self.tokens.refresh);
        Header::new("Cookie", format!("access_token={access}; refresh_token={refresh}; {}", self.browser_cookie()))
    }
}

fn figment(folder: &TempDir) -> Figment {
    let path = |name: &str| folder.path().join(name).display().to_string();
    Figment::from(rocket::Config { log_level: rocket::config::LogLevel::Off, ..Default::default() })
        .merge(("hallpass.database_url", format!("sqlite:{}", path("hallpass.db"))))
        .merge(("hallpass.secret_file", path("hallpass.secret")))
        .merge(("hallpass.access_token_ttl_seconds", 24 * HOUR))
}

/// The outcome of what needs no waiting: the database would have to be waited for.
fn at_once<T>(work: impl Future<Output = T>) -> T {
    match pin!(work).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(outcome) => outcome,
        Poll::Pending => panic!("it had to wait"),
    }
}

#[divan::bench]
fn account_page(bencher: Bencher) {
    let fixture = Fixture::new();
    let cookies = fixture.cookies();
    let show = async || {
        let answer = fixture.client.get("/account").header(cookies.clone()).dispatch().await;
        assert_eq!(answer.status(), Status::Ok);
        answer.into_bytes().await
    };
    bencher.bench_local(|| fixture.runtime.block_on(show()));
}

#[divan::bench]
fn recall_access_token(bencher: Bencher) {
    let fixture = Fixture::new();
    let (sessions, token) = (&fixture.site().sessions, fixture.tokens.access.as_str());
    let seen = fixture.runtime.block_on(sessions.authenticate(token));
    assert!(matches!(seen, Ok(Access::Good { .. })));
    bencher.bench_local(|| at_once(sessions.authenticate(black_box(token))));
}

#[divan::bench]
fn verify_access_token(bencher: Bencher) {
    let fixture = Fixture::new();
    let site = fixture.site();
    let (keys, now) = (site.keyring.keys(), site.clock.now());
    let tokens = AccessTokens::new(site.config.public_url.origin(), HOUR);
    bencher.bench_local(|| tokens.verify(&keys, black_box(&fixture.tokens.access), now).expect("a genuine token"));
}

#[divan::bench]
fn issue_access_token(bencher: Bencher) {
    let fixture = Fixture::new();
    let site = fixture.site();
    let (keys, now) = (site.keyring.keys(), site.clock.now());
    let tokens = AccessTokens::new(site.config.public_url.origin(), HOUR);
    let (user, session) = (UserId::random(), SessionId::random());
    let grant = access::Grant { user: &user, session: &session, generation: 1, auth_time: now, scope: "read write" };
    bencher.bench_local(|| tokens.issue(&keys, black_box(&grant), now).expect("a token"));
}

#[divan::bench]
fn issue_refresh_token(bencher: Bencher) {
    let fixture = Fixture::new();
    let site = fixture.site();
    let now = site.clock.now();
    let tokens = RefreshTokens::new(site.config.public_url.origin(), site.keyring.secret());
    let (user, session) = (UserId::random(), SessionId::random());
    let grant = refresh::Grant {
        user: &user,
        session: &session,
        salt: "as long as the salt of a session is, in base64",
        generation: 1,
        issued_at: now,
        expires_at: now + HOUR,
    };
    bencher.bench_local(|| tokens.issue(black_box(&grant)).expect("a token"));
}

#[divan::bench]
fn decide_rotation(bencher: Bencher) {
    let now = Clock::system().now();
    let family = Family { generation: 7, parent: 6, confirmed_at: Some(now - 900), ..Family::new(now) };
    let current = Decision::Rotate { from: 7 };
    assert_eq!(decide(&family, 7, now, 60, Carrier::Jar { answer: false }), current);
    bencher.bench_local(|| decide(black_box(&family), black_box(7), now, 60, Carrier::Jar { answer: false }));
}

#[divan::bench]
fn check_form_token(bencher: Bencher) {
    let fixture = Fixture::new();
    let site = fixture.site();
    let token = site.form_tokens.issue(&fixture.browser);
    let request = fixture.client.post("/logout").header(Header::new("Cookie", fixture.browser_cookie()));
    bencher.bench_local(|| {
        forgery::check(request.inner(), site, Some(black_box(&token))).expect("a genuine form token");
    });
}
