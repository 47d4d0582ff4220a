//! The honest browser of `protocol/check.py`, at random on the real code: whatever is lost, late or out of order, and
//! however often it or the site is killed, it is never logged out.

use std::collections::BTreeMap;

use rocket::http::Method;

use crate::helpers::{Cookie, EMAIL, PASSWORD, Page, TestApp, encode};

type Jar = BTreeMap<String, Cookie>;

const STEPS: i64 = 6_000;
const IN_FLIGHT: usize = 4;
/// No request and no response takes as long: a third of the time from an access token's issue to its replacement.
/// A response, a request sent before it arrived and that one's response may follow each other, and all of it must
/// be over before the generation that they carry has been replaced and its successor settled.
const LATE: i64 = (900 - 60) / 3;
/// A browser's disk holds its cookies of this long ago at the most.
const DISK_BEHIND: i64 = 30;
const DAY: i64 = 24 * 60 * 60;
/// Fewer than the recoveries that a browser may need in a day.
const KILLS_A_DAY: usize = 6;

/// xorshift64*: the same seed gives the same schedule.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    fn percent(&mut self, chance: usize) -> bool {
        self.below(100) < chance
    }

    fn between(&mut self, low: i64, high: i64) -> i64 {
        low + self.below((high - low) as usize) as i64
    }
}

#[derive(Clone, Copy, Debug)]
enum Action {
    Page,
    Confirm,
    Image,
}

struct Request {
    sent_at: i64,
    action: Action,
    jar: Jar,
}

struct Response {
    sent_at: i64,
    action: Action,
    page: Page,
}

/// One browser, its disk, the network, and what has happened.
struct World {
    app: TestApp,
    random: Random,
    late: i64,
    jar: Jar,
    disk: Jar,
    saved_at: i64,
    requests: Vec<Request>,
    responses: Vec<Response>,
    kills: Vec<i64>,
    counts: BTreeMap<&'static str, usize>,
    told: Vec<String>,
    confirmation: Vec<u8>,
}

impl World {
    async fn new(seed: u64, late: i64) -> Self {
        let app = TestApp::with(&[("session_max_seconds", "315360000")]).await;
        let mut browser = app.registered().await;
        browser.fill("/logout", "/logout", &[]).await;
        browser.log_in_remembered(EMAIL, PASSWORD).await;
        let form = browser.get("/confirm").await.form("/confirm");
        let confirmation = encode(&form.filled(&[("password", PASSWORD)])).into_bytes();
        app.advance(60);
        let jar = browser.jar().clone();
        let saved_at = app.now();
        Self {
            app,
            random: Random(seed),
            late,
            disk: jar.clone(),
            jar,
            saved_at,
            requests: Vec::new(),
            responses: Vec::new(),
            kills: Vec::new(),
            counts: BTreeMap::new(),
            told: Vec::new(),
            confirmation,
        }
    }

    fn tell(&mut self, what: &'static str, detail: String) {
        *self.counts.entry(what).or_default() += 1;
        let generation =
            |jar: &Jar| jar.get("refresh_token").map_or(-1, |cookie| crate::helpers::generation(&cookie.value));
        let line = format!("{} jar {}: {what} {detail}", self.app.now(), generation(&self.jar));
        self.told.push(line);
    }

    fn send(&mut self, action: Action) {
        if self.requests.len() + self.responses.len() < IN_FLIGHT {
            self.requests.push(Request { sent_at: self.app.now(), action, jar: self.jar.clone() });
            self.tell("send", format!("{action:?}"));
        }
    }

    /// The site answers one of the requests. An honest one is never turned away.
    async fn answer(&mut self) -> Result<(), String> {
        if self.requests.is_empty() {
            return Ok(());
        }
        let place = self.random.below(self.requests.len());
        let request = self.requests.swap_remove(place);
        let browser = self.app.browser().with_jar(request.jar);
        let page = match request.action {
            Action::Page => browser.send_and_lose(Method::Get, "/account", None, &[]).await,
            Action::Confirm => browser.send_and_lose(Method::Post, "/confirm", Some(&self.confirmation), &[]).await,
            Action::Image => {
                browser.send_and_lose(Method::Get, "/session/ack", None, &[("Sec-Fetch-Dest", "image")]).await
            }
        };
        let generation = browser.generation();
        let delivered = page.sets("refresh_token").map(|token| crate::helpers::generation(&token));
        self.tell(
            if page.status == 307 {
                "asked"
            } else if delivered.is_some() {
                "delivered"
            } else {
                "served"
            },
            format!(
                "{:?} with {generation} sent at {}: {} {delivered:?}",
                request.action, request.sent_at, page.status
            ),
        );
        if page.location().is_some_and(|location| location.starts_with("/login")) || page.status >= 400 {
            return Err(format!("an honest request was answered {} {:?}", page.status, page.location()));
        }
        self.responses.push(Response { sent_at: self.app.now(), action: request.action, page });
        Ok(())
    }

    fn receive(&mut self) {
        if self.responses.is_empty() {
            return;
        }
        let place = self.random.below(self.responses.len());
        let response = self.responses.swap_remove(place);
        if self.random.percent(15) {
            return self.tell("response lost", String::new());
        }
        let mut browser = self.app.browser().with_jar(std::mem::take(&mut self.jar));
        browser.keep(&response.page);
        self.jar = browser.jar().clone();
        self.tell("received", format!("what was sent at {}", response.sent_at));
        if response.page.status == 307 {
            self.send(response.action);
        } else if response.page.delivers() && self.random.percent(15) {
            self.kill();
        } else if response.page.has("/session/ack") && self.random.percent(70) {
            self.send(Action::Image);
        }
    }

    /// Falls back to what is on disk; its connections are gone.
    fn kill(&mut self) {
        let now = self.app.now();
        self.kills.retain(|at| now - at < DAY);
        if self.kills.len() < KILLS_A_DAY && self.jar != self.disk {
            self.kills.push(now);
            self.jar = self.disk.clone();
            self.requests.clear();
            self.responses.clear();
            self.tell("browser killed", String::new());
        }
    }

    fn wait(&mut self) {
        let seconds = match self.random.below(10) {
            0..4 => self.random.between(1, 15),
            4..7 => self.random.between(50, 75),
            7..8 => self.random.between(75, 400),
            8..9 => self.random.between(400, 950),
            _ => self.random.between(950, 4000),
        };
        self.app.advance(seconds);
        let (now, late) = (self.app.now(), self.late);
        if now - self.saved_at > DISK_BEHIND {
            (self.disk, self.saved_at) = (self.jar.clone(), now);
        }
        self.requests.retain(|request| now - request.sent_at < late);
        self.responses.retain(|response| now - response.sent_at < late);
        self.tell("wait", format!("{seconds}"));
    }

    async fn step(mut self) -> Result<Self, (Self, String)> {
        match self.random.below(1000) {
            0..260 => self.send(Action::Page),
            260..320 => self.send(Action::Confirm),
            320..340 => self.send(Action::Image),
            340..580 => {
                if let Err(fault) = self.answer().await {
                    return Err((self, fault));
                }
            }
            580..800 => self.receive(),
            800..830 => {
                self.requests.pop();
            }
            830..850 => self.kill(),
            850..855 => {
                self.tell("site restarted", String::new());
                self.app = self.app.restart(&[("session_max_seconds", "315360000")]).await;
            }
            _ => self.wait(),
        }
        Ok(self)
    }
}

async fn run(seed: u64, steps: usize, late: i64) -> BTreeMap<&'static str, usize> {
    let mut world = World::new(seed, late).await;
    for step in 0..steps {
        world = match world.step().await {
            Ok(world) => world,
            Err((world, fault)) => {
                let last = &world.told[world.told.len().saturating_sub(60)..];
                panic!("seed {seed}, step {step}: {fault}\n{}", last.join("\n"));
            }
        };
    }
    world.counts
}

#[rocket::async_test]
async fn an_honest_browser_is_never_logged_out() {
    // For a longer search, by hand.
    let given = |name: &str, usual: i64| std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual);
    let (seed, steps) = (given("SCHEDULE_SEED", 0x5eed), given("SCHEDULE_STEPS", STEPS));
    let counts = run(seed as u64, steps as usize, given("SCHEDULE_LATE", LATE)).await;
    println!("seed {seed}, {steps} steps: {counts:?}");
    for rare in ["asked", "delivered", "browser killed", "site restarted", "response lost"] {
        assert!(counts.get(rare).is_some_and(|count| *count > 5), "{rare} was not tried: {counts:?}");
    }
}
