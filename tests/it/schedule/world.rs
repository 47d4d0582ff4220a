//! One browser with its jar and its disk, the network, two servers, perhaps a thief; and what has happened.

use std::collections::BTreeMap;

use hallpass::auth::guards::MaybeUser;
use hallpass::id::UserId;
use hallpass::sessions::rotation::Family;
use rocket::http::Status;
use rocket::{Build, Rocket, get, routes};

use super::ledger::{Held, Ledger, Verdict};
use super::network::{Answered, Sent, taken};
use super::step::{Step, What};
use crate::helpers::{Cookie, NAME, Nodes, PASSWORD, claims, encode};

pub type Jar = BTreeMap<String, Cookie>;

/// No request and no response takes as long: a third of the time from an access token's issue to its replacement.
/// A response, a request sent before it arrived and that one's response may follow each other, and all of it must
/// be over before the generation that they carry has been replaced and its successor settled.
const LATE: i64 = (900 - 60) / 3;
/// A browser's disk holds its cookies of this long ago at the most.
const DISK_BEHIND: i64 = 30;
const DAY: i64 = 24 * 60 * 60;
/// Fewer than the recoveries that a browser may need in a day.
const KILLS_A_DAY: usize = 6;

pub struct World {
    pub nodes: Nodes,
    pub ledger: Ledger,
    pub user: UserId,
    pub email: String,
    pub jar: Jar,
    pub disk: Jar,
    pub saved_at: i64,
    pub requests: Vec<Sent>,
    pub responses: Vec<Answered>,
    kills: Vec<i64>,
    backed_up: bool,
    pub thief: Option<Jar>,
    /// Somebody else has used the session, or its owner has left it: it may end.
    pub may_end: bool,
    pub counts: BTreeMap<&'static str, usize>,
    pub told: Vec<String>,
    pub confirmation: String,
    pub log_out: String,
}

/// Two servers, for some worlds one after the other.
pub async fn servers() -> Nodes {
    Nodes::start(&[("session_max_seconds", "315360000")], extend, 0).await
}

#[get("/fails")]
fn fails(_visitor: MaybeUser) -> Status {
    Status::InternalServerError
}

fn extend(rocket: Rocket<Build>) -> Rocket<Build> {
    rocket.mount("/", routes![fails])
}

pub fn generation(jar: &Jar) -> i64 {
    Held::of(jar).map_or(-1, |held| held.generation)
}

impl World {
    /// With a new account and a new browser at servers that may have served other worlds.
    pub async fn new(nodes: Nodes, ahead: i64) -> Self {
        nodes[1].clock().advance(nodes[0].now() + ahead - nodes[1].now());
        nodes.hear().await;
        let email = format!("{}@example.org", nodes[0].now());
        let user = nodes[0].site().accounts.add(&email, NAME, PASSWORD, false).await.expect("added").id;
        let mut browser = nodes[0].browser();
        browser.log_in_remembered(&email, PASSWORD).await;
        let form = browser.get("/confirm").await.form("/confirm");
        let confirmation = encode(&form.filled(&[("password", PASSWORD)]));
        let log_out = encode(&[("csrf_token", form.value("csrf_token").expect("a form token"))]);
        let jar = browser.jar().clone();
        nodes.advance(60);
        let (ledger, saved_at) = (ledger(&nodes, &user, &jar).await, nodes[0].now());
        Self {
            nodes,
            ledger,
            user,
            email,
            disk: jar.clone(),
            jar,
            saved_at,
            requests: Vec::new(),
            responses: Vec::new(),
            kills: Vec::new(),
            backed_up: false,
            thief: None,
            may_end: false,
            counts: BTreeMap::new(),
            told: Vec::new(),
            confirmation,
            log_out,
        }
    }

    pub fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }

    pub fn tell(&mut self, what: String) {
        let row = self.ledger.row.map_or("ended".to_owned(), |row| {
            let seen = if row.settled_at.is_some() { "settled" } else { "confirmed" };
            let seen = if row.confirmed_at.is_some() { seen } else { "unseen" };
            format!("{} after {}, {seen}", row.generation, row.parent)
        });
        self.told.push(format!("{} jar {}, row {row}: {what}", self.nodes[0].now(), generation(&self.jar)));
    }

    pub async fn step(&mut self, step: Step) -> Verdict {
        match step {
            Step::Visit(what, node) => {
                if self.has_room() {
                    self.send(what);
                    if let Some(request) = self.requests.pop() {
                        self.answer(request, node).await?;
                        self.receive_last();
                    }
                }
            }
            Step::Send(what) => self.send(what),
            Step::Answer { which, node, again } => {
                if let Some(request) = taken(&mut self.requests, which) {
                    if again {
                        self.count("repeated");
                        self.requests.push(request.clone());
                    }
                    self.answer(request, node).await?;
                }
            }
            Step::AtOnce(more) => {
                (0..more).for_each(|_| self.send(What::Page));
                self.answer_all(None).await?;
            }
            Step::Receive(which) => {
                if let Some(response) = taken(&mut self.responses, which) {
                    self.receive(response);
                }
            }
            Step::LoseRequest(which) => drop(taken(&mut self.requests, which)),
            Step::LoseResponse(which) => {
                if taken(&mut self.responses, which).is_some_and(|response| response.page.delivers()) {
                    self.count("delivery lost");
                }
            }
            Step::KillBrowser => self.kill(),
            Step::Wait(seconds) => self.wait(seconds).await,
            Step::Hear => self.hear().await,
            Step::Restart(node) => self.restart(node).await,
            Step::Crash { which, node } => {
                if let Some(request) = taken(&mut self.requests, which) {
                    self.answer(request, node).await?;
                    self.responses.pop();
                    self.count("crashed");
                    self.restart(node).await;
                }
            }
            Step::BackUp => {
                self.nodes.back_up().await;
                self.backed_up = true;
            }
            Step::Restore if self.backed_up => {
                self.nodes.restore().await;
                let row = self.row().await;
                self.ledger.restored(row);
                self.count("restored");
            }
            Step::Restore => {}
            Step::Steal => {
                self.thief = Some(self.jar.clone());
                self.count("stolen");
            }
            Step::Thief(trick, node) => self.try_trick(trick, node).await?,
            Step::LogOut { node, all } => self.log_out(node, all).await?,
            Step::End(node) => self.end(node).await?,
            Step::LogIn(node) => self.log_in(node).await?,
        }
        Ok(())
    }

    async fn row(&self) -> Option<Family> {
        let sessions = self.nodes[0].site().sessions.list(&self.user).await.expect("a list");
        sessions.into_iter().find(|session| session.id == self.ledger.session).map(|session| session.family)
    }

    /// What `node` did shows in the session's row.
    pub async fn observe(&mut self, node: usize) -> Verdict {
        let (before, row) = (self.ledger.row, self.row().await);
        self.ledger.observe(row, node)?;
        match (before, row) {
            (Some(_), None) if !self.may_end => {
                Err("I1: the session has ended, and nobody else has used it".to_owned())
            }
            (Some(before), Some(row)) if row.generation > before.generation && row.parent == before.parent => {
                self.count("recovered");
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Falls back to what is on disk; its connections are gone.
    fn kill(&mut self) {
        let now = self.nodes[0].now();
        self.kills.retain(|at| now - at < DAY);
        if self.kills.len() < KILLS_A_DAY && self.jar != self.disk {
            self.kills.push(now);
            self.jar = self.disk.clone();
            self.requests.clear();
            self.responses.clear();
            self.count("browser killed");
            self.tell("browser killed".to_owned());
        }
    }

    pub async fn wait(&mut self, seconds: i64) {
        // They listen all the time, and look back by their clocks.
        self.hear().await;
        self.nodes.advance(seconds);
        let now = self.nodes[0].now();
        if now - self.saved_at > DISK_BEHIND {
            (self.disk, self.saved_at) = (self.jar.clone(), now);
        }
        self.requests.retain(|request| now - request.at < LATE);
        self.responses.retain(|response| now - response.at < LATE);
    }

    pub async fn hear(&mut self) {
        self.nodes.hear().await;
        self.ledger.heard();
    }

    async fn restart(&mut self, node: usize) {
        self.nodes.restart(node).await;
        self.ledger.restarted(node);
        self.count("restarted");
    }

    /// What is still in flight is lost.
    pub fn drop_all(&mut self) {
        self.requests.clear();
        self.responses.clear();
    }
}

/// Of the session that a jar has just been given.
pub async fn ledger(nodes: &Nodes, user: &UserId, jar: &Jar) -> Ledger {
    let claims = claims(&jar["refresh_token"].value);
    let sessions = nodes[0].site().sessions.list(user).await.expect("a list");
    let session = sessions.into_iter().find(|session| claims["sid"] == session.id.as_str()).expect("the session");
    Ledger::new(session.id, session.family)
}
