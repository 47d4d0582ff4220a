//! What can happen next, and what comes of it: sessions/presented.rs and auth/rotation.rs in small, around the decisions
//! themselves.

use hallpass::sessions::rotation::{self, Carrier, Decision, Family};
use stateright::{Model, Property};

use super::promises::{Promise, Seen, properties};
use super::rules::Rules;
use super::world::{Answer, Backup, Cookies, End, GRACE, Kind, NOW, Request, Response, Row, Stage, World};

/// What can happen, and how often.
#[derive(Clone, Copy)]
pub struct Case {
    pub name: &'static str,
    /// Requests and responses under way at once.
    pub parallel: usize,
    /// The browser's requests.
    pub kinds: &'static [Kind],
    /// By at most so many units of time.
    pub late_requests: u8,
    pub late_responses: u8,
    /// Of an access token, in units of time.
    pub life: u8,
    pub loss: bool,
    /// The network delivers requests twice.
    pub repeats: bool,
    pub kills: u8,
    /// A node dies between the commit and the answer.
    pub crashes: bool,
    /// Reading the row, writing it and answering are steps of their own, as on several nodes. Time passes in between.
    pub steps_apart: bool,
    /// A backup is made at any time, and restored later.
    pub backup: bool,
    /// The session is ended elsewhere; then the owner logs in again.
    pub ends: bool,
    /// Tokens that the thief keeps at once.
    pub thief: usize,
    /// Recoveries that the family has already had today.
    pub recoveries: u8,
    /// What must be seen somewhere, or the search has searched nothing.
    pub sights: &'static [Seen],
}

/// A site that follows these rules, in this case.
#[derive(Clone, Copy)]
pub struct Site {
    pub rules: Rules,
    pub case: Case,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Send(Kind),
    Lose(usize),
    Repeat(usize),
    Handle(usize),
    HandleAndCrash(usize),
    Read(usize),
    Write(usize),
    Reply(usize),
    LoseResponse(usize),
    Receive(usize),
    Kill,
    TimePasses,
    BackUp,
    Restore,
    EndElsewhere,
    LogIn,
    Copy,
    /// The thief presents one of his tokens, and is answered at once.
    Present {
        which: usize,
        kind: Kind,
        answers: bool,
    },
}

impl Model for Site {
    type State = World;
    type Action = Step;

    fn init_states(&self) -> Vec<World> {
        vec![World::new(self.case.recoveries, self.case.kills)]
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties(self)
    }

    fn actions(&self, world: &World, steps: &mut Vec<Step>) {
        if world.broken.is_some() {
            return;
        }
        let case = &self.case;
        let under_way = world.requests.len() + world.responses.len();
        if under_way < case.parallel && world.jar.is_some() {
            steps.extend(case.kinds.iter().map(|kind| Step::Send(*kind)));
        }
        for place in firsts(&world.requests) {
            match world.requests[place].stage {
                Stage::Sent => {
                    steps.push(if case.steps_apart { Step::Read(place) } else { Step::Handle(place) });
                    steps.extend((case.crashes && !case.steps_apart).then_some(Step::HandleAndCrash(place)));
                    steps.extend(case.loss.then_some(Step::Lose(place)));
                    steps.extend((case.repeats && under_way < case.parallel).then_some(Step::Repeat(place)));
                }
                Stage::Read(_) => steps.push(Step::Write(place)),
                Stage::Done(_) => {
                    steps.push(Step::Reply(place));
                    steps.extend(case.crashes.then_some(Step::Lose(place)));
                }
            }
        }
        for place in firsts(&world.responses) {
            steps.push(Step::Receive(place));
            steps.extend(case.loss.then_some(Step::LoseResponse(place)));
        }
        if world.kills_left > 0 {
            steps.push(Step::Kill);
        }
        let may_wait = |request: &Request| request.age < case.late_requests && !matches!(request.stage, Stage::Done(_));
        if world.requests.iter().all(may_wait)
            && world.responses.iter().all(|response| response.age < case.late_responses)
        {
            steps.push(Step::TimePasses);
        }
        match world.backup {
            Backup::None if case.backup => steps.push(Step::BackUp),
            Backup::Of(_) => steps.push(Step::Restore),
            Backup::None | Backup::Restored => {}
        }
        if case.ends {
            // What left with cookies before the end arrives before the owner has logged in again: nobody can call it
            // back.
            let is_coming =
                world.responses.iter().any(|response| matches!(response.answer, Answer::New(_) | Answer::Again(_)));
            steps.extend(world.row.end.is_none().then_some(Step::EndElsewhere));
            steps.extend((world.row.end.is_some() && !is_coming).then_some(Step::LogIn));
        }
        if let Some(cookies) = world.jar
            && world.thief.len() < case.thief
            && world.row.end.is_none()
            && !world.thief.contains(&Cookies { probe: None, ..cookies })
        {
            steps.push(Step::Copy);
        }
        for which in 0..world.thief.len() {
            let present = |kind, answers| Step::Present { which, kind, answers };
            steps.extend([Kind::Page, Kind::Refresh, Kind::Image, Kind::Header].map(|kind| present(kind, false)));
            steps.extend(world.thief_was_asked.map(|_| present(Kind::Refresh, true)));
        }
    }

    /// A backup, or what a slow node has read while a thief rotates, is behind by five generations at the most.
    fn within_boundary(&self, world: &World) -> bool {
        world.row.generation < 7
    }

    fn next_state(&self, before: &World, step: Step) -> Option<World> {
        let mut world = before.clone();
        self.take(&mut world, step);
        world.normalise();
        (world != *before).then_some(world)
    }
}

impl Site {
    fn take(&self, world: &mut World, step: Step) {
        match step {
            Step::Send(kind) => send(world, kind),
            Step::Lose(place) => drop(world.requests.remove(place)),
            Step::Repeat(place) => world.requests.push(world.requests[place]),
            Step::Handle(place) => self.handle(world, place),
            Step::HandleAndCrash(place) => {
                let request = world.requests.remove(place);
                let row = world.row;
                self.answer(world, &request, &row);
            }
            Step::Read(place) => world.requests[place].stage = Stage::Read(world.row),
            Step::Write(place) => {
                let mut request = world.requests[place];
                let Stage::Read(read) = request.stage else { return };
                // Who has lost the race reads again.
                request.stage = self.answer(world, &request, &read).map_or(Stage::Sent, Stage::Done);
                world.requests[place] = request;
            }
            Step::Reply(place) => {
                let request = world.requests.remove(place);
                let Stage::Done(answer) = request.stage else { return };
                self.reply(world, &request, answer);
            }
            Step::LoseResponse(place) => drop(world.responses.remove(place)),
            Step::Receive(place) => self.receive(world, place),
            Step::Kill => {
                world.kills_left -= 1;
                world.jar = world.disk;
                world.responses.clear();
                world.requests.iter_mut().for_each(|request| request.awaited = false);
            }
            Step::TimePasses => world.grow_older(self.case.life),
            Step::BackUp => world.backup = Backup::Of(world.row),
            Step::Restore => {
                if let Backup::Of(row) = world.backup {
                    (world.row, world.backup) = (row, Backup::Restored);
                }
            }
            Step::EndElsewhere => world.row.end = Some(End::Elsewhere),
            Step::LogIn => world.log_in(),
            Step::Copy => world.thief.extend(world.jar.map(|cookies| Cookies { probe: None, ..cookies })),
            Step::Present { which, kind, answers } => self.present(world, which, kind, answers),
        }
    }

    fn handle(&self, world: &mut World, place: usize) {
        let request = world.requests.remove(place);
        let row = world.row;
        if let Some(answer) = self.answer(world, &request, &row) {
            self.reply(world, &request, answer);
        }
    }

    /// `by_cookies` of the fairing, by what a node read of the row; none if another was faster.
    pub fn answer(&self, world: &mut World, request: &Request, read: &Row) -> Option<Answer> {
        let Cookies { token, age, probe } = request.cookies;
        if token.ended || read.end.is_some() {
            return Some(Answer::Dead);
        }
        let family = read.family();
        let shows_access = !matches!(request.kind, Kind::Refresh | Kind::Header) && age < self.case.life;
        if shows_access && rotation::access_is_good(&family, token.generation.into()) {
            world.promise(Promise::Outdated, !read.is_skipped(token.generation));
            self.note_seen(world, read, token.generation);
            return Some(Answer::Page);
        }
        let refreshes = request.kind == Kind::Refresh && age < self.case.life;
        if refreshes && rotation::is_fresh(&family, token.generation.into(), NOW, GRACE.into()) {
            self.note_seen(world, read, token.generation);
            return Some(Answer::Page);
        }
        let carrier = match request.kind {
            Kind::Page | Kind::Missing | Kind::Refresh => Carrier::Jar { answer: probe.is_some() },
            Kind::Image => Carrier::Deaf,
            Kind::Header => Carrier::Copied,
        };
        let answer = match self.rules.decide(&family, token.generation, carrier) {
            Decision::Rotate { from } => self.advance(world, read, &family.rotated(from), token.generation)?,
            Decision::Recover => self.advance(world, read, &family.recovered(NOW), token.generation)?,
            Decision::Redeliver => Answer::Again(World::newest(read)),
            Decision::Serve => {
                self.note_seen(world, read, token.generation);
                Answer::Page
            }
            Decision::Ask | Decision::AskReplay => Answer::Asked(request.kind),
            Decision::Revoke => {
                if !world.row.revokes(read) {
                    return None;
                }
                world.row.end = Some(End::Replay);
                world.promise(Promise::Honest, carrier == Carrier::Jar { answer: true });
                Answer::Dead
            }
            Decision::Refuse => Answer::Refused,
        };
        let is_outdated = read.is_outdated(token.generation);
        let is_given_access = matches!(answer, Answer::Page | Answer::New(_) | Answer::Again(_));
        let must_end = is_outdated && carrier == Carrier::Jar { answer: true };
        world.promise(Promise::Outdated, !(is_outdated && is_given_access || must_end && answer != Answer::Dead));
        // The other one has shown the newest a grace ago: only what makes that one's worthless gives access now.
        let is_apart = token.generation < read.generation && read.confirmed == Some(GRACE);
        world.promise(Promise::Parted, !(is_apart && matches!(answer, Answer::Page | Answer::Again(_))));
        Some(answer)
    }

    fn advance(&self, world: &mut World, read: &Row, to: &Family, presented: u8) -> Option<Answer> {
        if !self.rules.may_advance(&world.row, read, to) {
            return None;
        }
        world.promise(Promise::Outdated, !world.row.is_outdated(presented));
        world.promise(Promise::Ended, world.row.end.is_none());
        world.promise(Promise::Once, to.generation > i64::from(world.row.generation));
        let row = world.row.with(&self.rules.written(*to));
        let token = world.fresh(row.generation);
        world.row = Row { twin: token.twin, writes: 1, ..row };
        Some(Answer::New(token))
    }

    fn note_seen(&self, world: &mut World, read: &Row, generation: u8) {
        let noted = rotation::mark(&read.family(), generation.into(), NOW, GRACE.into());
        if let Some(mark) = noted.filter(|mark| self.rules.may_mark(&world.row, read, *mark)) {
            world.row = world.row.with(&self.rules.marked(world.row.family(), mark));
            world.row.writes += 1;
            world.promise(Promise::Writes, world.row.writes <= 3);
        }
    }

    fn reply(&self, world: &mut World, request: &Request, made: Answer) {
        let answer = self.leaves(world, request, made);
        let consumed = matches!(made, Answer::New(token) if world.is_live(token));
        world.promise(Promise::Successor, !consumed || answer == made);
        let is_cookie_of_the_dead =
            matches!(answer, Answer::New(token) | Answer::Again(token) if !world.is_live(token));
        world.promise(Promise::Ended, !is_cookie_of_the_dead);
        if !request.awaited {
            return;
        }
        let was_ended = request.cookies.token.ended || world.row.end == Some(End::Elsewhere) || !world.thief.is_empty();
        world.promise(Promise::Honest, was_ended || answer != Answer::Dead);
        world.promise(Promise::Honest, request.kind == Kind::Image || answer != Answer::Refused);
        world.responses.push(Response { answer, answered: request.cookies.probe.is_some(), age: 0 });
    }

    /// The fairing's way out: cookies leave only while their session lives.
    pub fn leaves(&self, world: &World, request: &Request, made: Answer) -> Answer {
        match made {
            Answer::New(token) | Answer::Again(token)
                if self.rules.look_again() && !world.is_live(token)
                    || !self.rules.deliver_on(request.kind == Kind::Missing) =>
            {
                Answer::Page
            }
            made => made,
        }
    }

    fn receive(&self, world: &mut World, place: usize) {
        let Response { answer, answered, age } = world.responses.remove(place);
        let Some(jar) = &mut world.jar else { return };
        if answered {
            jar.probe = None;
        }
        match answer {
            Answer::New(token) | Answer::Again(token) => *jar = Cookies { token, age, probe: jar.probe },
            Answer::Asked(kind) => {
                jar.probe = Some(age).filter(|age| *age < GRACE);
                send(world, kind);
            }
            Answer::Dead if self.rules.clear_when_refused() => {
                let token = jar.token;
                let was_live = world.is_live(token);
                world.jar = None;
                world.promise(Promise::Honest, !was_live);
            }
            Answer::Page | Answer::Dead | Answer::Refused => {}
        }
    }

    fn present(&self, world: &mut World, which: usize, kind: Kind, answers: bool) {
        let request = presented(world, which, kind, answers);
        let row = world.row;
        match self.answer(world, &request, &row) {
            Some(Answer::New(token) | Answer::Again(token)) => {
                if world.thief.len() == self.case.thief {
                    world.thief.remove(which);
                }
                world.thief.push(Cookies { token, age: 0, probe: None });
            }
            Some(Answer::Asked(_)) => world.thief_was_asked = Some(0),
            Some(Answer::Page | Answer::Dead | Answer::Refused) | None => {}
        }
    }
}

fn send(world: &mut World, kind: Kind) {
    world.requests.extend(world.jar.map(|cookies| request(cookies, kind)));
}

/// What the thief sends.
pub fn presented(world: &World, which: usize, kind: Kind, answers: bool) -> Request {
    let probe = world.thief_was_asked.filter(|_| answers);
    request(Cookies { probe, ..world.thief[which] }, kind)
}

fn request(cookies: Cookies, kind: Kind) -> Request {
    Request { cookies, kind, stage: Stage::Sent, age: 0, awaited: true }
}

/// The places of those that differ from all before them, in what is sorted.
fn firsts<T: PartialEq>(sorted: &[T]) -> impl Iterator<Item = usize> {
    (0..sorted.len()).filter(move |place| *place == 0 || sorted[*place] != sorted[place - 1])
}
