//! The states: what the site, a browser, its disk, the network and a thief hold.
//!
//! Times are ages and generations are counted from the oldest that still matters: what differs in nothing that can
//! follow is one state. So there is no end of time or of generations; whatever the search visits, it visits for good.

use std::hash::{Hash, Hasher};

use hallpass::clock::Seconds;
use hallpass::sessions::rotation::{Family, Mark};

use super::promises::Promise;

/// In units of time: half a minute is one, which is also how far a browser's disk is behind its jar.
pub const GRACE: u8 = 2;

/// Ages are counted back from here.
pub const NOW: Seconds = 0;

/// The bytes of a refresh token and of the access token beside it. `twin` tells apart what two writes made under one
/// number; there is no second one unless something is wrong, or a backup was restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Token {
    pub generation: u8,
    pub twin: u8,
    /// Of a session before the log-in.
    pub ended: bool,
}

/// What a jar or a thief holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Cookies {
    pub token: Token,
    /// Of the access token, until it has expired.
    pub age: u8,
    /// The question that the jar was asked, while it counts.
    pub probe: Option<u8>,
}

/// Of what kind a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    Page,
    /// Answered by a catcher.
    Missing,
    Image,
    /// `POST /api/auth/refresh` by the browser; to a thief: the refresh cookie alone.
    Refresh,
    /// The refresh token of a cookie, sent in a header.
    Header,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stage {
    Sent,
    /// A node has read the row.
    Read(Row),
    /// It has written, and not yet answered.
    Done(Answer),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Request {
    pub cookies: Cookies,
    pub kind: Kind,
    pub stage: Stage,
    pub age: u8,
    /// The browser that waits for the answer is alive.
    pub awaited: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Answer {
    /// Authenticated, by the access token or as a straggler; no cookies.
    Page,
    /// Authenticated; this request made the token.
    New(Token),
    /// Authenticated; another request made the token.
    Again(Token),
    Asked(Kind),
    /// As of a session that has ended.
    Dead,
    /// No access for this kind of request.
    Refused,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Response {
    pub answer: Answer,
    /// The request showed the question, which is therefore taken back.
    pub answered: bool,
    pub age: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum End {
    /// Elsewhere, by the owner or an operator.
    Elsewhere,
    Replay,
}

/// The columns of a session that rotation reads and writes, and below them what no column has, but promises speak of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Row {
    pub generation: u8,
    pub parent: u8,
    pub confirmed: Option<u8>,
    pub settled: bool,
    pub recoveries: u8,
    pub end: Option<End>,
    pub twin: u8,
    pub settled_last: u8,
    pub writes: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Backup {
    None,
    Of(Row),
    Restored,
}

/// For whoever tells the story: how much was taken off the generations. No part of the state.
#[derive(Clone, Copy, Debug, Default)]
pub struct Untold(pub u8);

impl PartialEq for Untold {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Untold {}

impl Hash for Untold {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct World {
    pub row: Row,
    /// None if they were cleared.
    pub jar: Option<Cookies>,
    /// What a killed browser comes back with: the jar as it was when time last passed.
    pub disk: Option<Cookies>,
    pub requests: Vec<Request>,
    pub responses: Vec<Response>,
    pub thief: Vec<Cookies>,
    pub thief_was_asked: Option<u8>,
    pub kills_left: u8,
    pub backup: Backup,
    pub broken: Option<Promise>,
    pub untold: Untold,
}

impl Row {
    pub fn family(&self) -> Family {
        Family {
            generation: self.generation.into(),
            parent: self.parent.into(),
            confirmed_at: self.confirmed.map(|age| NOW - Seconds::from(age)),
            settled_at: self.settled.then_some(NOW),
            recoveries: self.recoveries.into(),
            recoveries_since: NOW,
        }
    }

    pub fn with(self, family: &Family) -> Self {
        let small = |number: i64| u8::try_from(number).expect("generations are counted from the oldest that matters");
        let generation = small(family.generation);
        Self {
            generation,
            parent: small(family.parent),
            confirmed: family.confirmed_at.map(|at| small(NOW - at)),
            settled: family.settled_at.is_some(),
            recoveries: small(family.recoveries),
            settled_last: if family.settled_at.is_some() { generation } else { self.settled_last },
            ..self
        }
    }

    /// The condition of the update that `advance` of sessions/store.rs is.
    pub fn advances(&self, read: &Self, to: &Family) -> bool {
        (self.generation, self.parent, self.end) == (read.generation, read.parent, None)
            && (!self.settled || read.settled || to.parent == i64::from(read.generation))
    }

    /// That of `mark`.
    pub fn marks(&self, read: &Self, mark: Mark) -> bool {
        let unmarked = match mark {
            Mark::Confirm => self.confirmed.is_none(),
            Mark::Settle => self.confirmed.is_some() && !self.settled,
        };
        (self.generation, self.end) == (read.generation, None) && unmarked
    }

    /// That of `revoke_at`.
    pub fn revokes(&self, read: &Self) -> bool {
        (self.generation, self.end) == (read.generation, None)
    }

    fn grow_older(&mut self) {
        self.confirmed = self.confirmed.map(|age| GRACE.min(age + 1));
    }
}

impl Token {
    pub const ENDED: Self = Self { generation: 0, twin: 0, ended: true };
}

impl Cookies {
    fn grow_older(&mut self, life: u8) {
        self.age = life.min(self.age + 1);
        grow_question(&mut self.probe);
    }
}

/// It lives for a grace: PROBE_SECONDS of sessions/probe.rs.
fn grow_question(age: &mut Option<u8>) {
    *age = age.map(|age| age + 1).filter(|age| *age < GRACE);
}

impl World {
    /// A log-in has just been answered.
    pub fn new(recoveries: u8, kills: u8) -> Self {
        let blank = Row {
            generation: 0,
            parent: 0,
            confirmed: None,
            settled: false,
            recoveries: 0,
            end: None,
            twin: 0,
            settled_last: 0,
            writes: 0,
        };
        let row = Row { recoveries, writes: 1, ..blank.with(&Family::new(NOW)) };
        let token = Token { generation: row.generation, twin: 0, ended: false };
        let jar = Some(Cookies { token, age: 0, probe: None });
        Self {
            row,
            jar,
            disk: jar,
            requests: Vec::new(),
            responses: Vec::new(),
            thief: Vec::new(),
            thief_was_asked: None,
            kills_left: kills,
            backup: Backup::None,
            broken: None,
            untold: Untold(0),
        }
    }

    pub fn promise(&mut self, promise: Promise, is_kept: bool) {
        if !is_kept {
            self.broken.get_or_insert(promise);
        }
    }

    /// Whether a token is of the session that lives.
    pub fn is_live(&self, token: Token) -> bool {
        !token.ended && self.row.end.is_none()
    }

    /// The newest token; what delivers it delivers these bytes.
    pub fn newest(row: &Row) -> Token {
        Token { generation: row.generation, twin: row.twin, ended: false }
    }

    /// The bytes that a write makes: other than any under this number.
    pub fn fresh(&self, generation: u8) -> Token {
        let is_held = |token: &Token| self.held().any(|held| held == *token);
        let twins = (0..).map(|twin| Token { generation, twin, ended: false });
        twins.into_iter().find(|token| !is_held(token)).expect("twins are few")
    }

    pub fn grow_older(&mut self, life: u8) {
        self.disk = self.jar;
        self.row.grow_older();
        if let Backup::Of(row) = &mut self.backup {
            row.grow_older();
        }
        for request in &mut self.requests {
            request.age += 1;
            request.cookies.grow_older(life);
        }
        for response in &mut self.responses {
            response.age += 1;
        }
        for cookies in self.jar.iter_mut().chain(&mut self.disk).chain(&mut self.thief) {
            cookies.grow_older(life);
        }
        grow_question(&mut self.thief_was_asked);
    }

    /// Everything but the browser's new cookies is of a session that has ended.
    pub fn log_in(&mut self) {
        self.each_token(|token| *token = Token::ENDED);
        for request in &mut self.requests {
            if matches!(request.stage, Stage::Read(_)) {
                request.stage = Stage::Sent;
            }
        }
        let after = Self::new(0, 0);
        (self.row, self.jar, self.untold) = (after.row, after.jar, after.untold);
    }

    pub fn rows(&self) -> impl Iterator<Item = &Row> {
        let backup = match &self.backup {
            Backup::Of(row) => Some(row),
            Backup::None | Backup::Restored => None,
        };
        let read = self.requests.iter().filter_map(|request| match &request.stage {
            Stage::Read(row) => Some(row),
            Stage::Sent | Stage::Done(_) => None,
        });
        [&self.row].into_iter().chain(backup).chain(read)
    }

    /// The tokens that anyone holds, or will when asked to redeliver.
    pub fn held(&self) -> impl Iterator<Item = Token> {
        let delivered = |answer: &Answer| match answer {
            Answer::New(token) | Answer::Again(token) => Some(*token),
            Answer::Page | Answer::Asked(_) | Answer::Dead | Answer::Refused => None,
        };
        let done = self.requests.iter().filter_map(move |request| match &request.stage {
            Stage::Done(answer) => delivered(answer),
            Stage::Sent | Stage::Read(_) => None,
        });
        let coming = self.responses.iter().filter_map(move |response| delivered(&response.answer));
        let sent = self.requests.iter().map(|request| &request.cookies);
        let kept = self.jar.iter().chain(&self.disk).chain(&self.thief).chain(sent).map(|cookies| cookies.token);
        self.rows().map(Self::newest).chain(done).chain(coming).chain(kept)
    }

    fn each_token(&mut self, change: impl Fn(&mut Token)) {
        let change_answer = |answer: &mut Answer| match answer {
            Answer::New(token) | Answer::Again(token) => change(token),
            Answer::Page | Answer::Asked(_) | Answer::Dead | Answer::Refused => {}
        };
        for request in &mut self.requests {
            change(&mut request.cookies.token);
            if let Stage::Done(answer) = &mut request.stage {
                change_answer(answer);
            }
        }
        self.responses.iter_mut().for_each(|response| change_answer(&mut response.answer));
        let kept = self.jar.iter_mut().chain(&mut self.disk).chain(&mut self.thief);
        kept.for_each(|cookies| change(&mut cookies.token));
    }

    /// Generations older than every parent are all the same; the order in which things are under way does not matter.
    pub fn normalise(&mut self) {
        let oldest = self.rows().map(|row| row.parent).min().expect("there is a row");
        let off = oldest.saturating_sub(1);
        let lower = |generation: &mut u8| *generation = if *generation < oldest { 0 } else { *generation - off };
        self.each_token(|token| {
            lower(&mut token.generation);
            if token.generation == 0 {
                token.twin = 0;
            }
        });
        let lower_row = |row: &mut Row| {
            [&mut row.generation, &mut row.parent, &mut row.settled_last].into_iter().for_each(lower);
        };
        lower_row(&mut self.row);
        if let Backup::Of(row) = &mut self.backup {
            lower_row(row);
        }
        for request in &mut self.requests {
            if let Stage::Read(row) = &mut request.stage {
                lower_row(row);
            }
        }
        self.untold.0 += off;
        self.requests.sort_unstable();
        self.responses.sort_unstable();
        self.thief.sort_unstable();
        self.thief.dedup();
    }
}
