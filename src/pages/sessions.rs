//! Devices: where the user is logged in, and what has happened.

use askama::Template;
use rocket::http::Status;
use rocket::{Route, State, get, post, routes};

use super::answer::{Answer, Failure, Refusal};
use super::form::Submission;
use super::page::{Frame, Notice, Page, SeeOther};
use super::words;
use crate::audit::{self, Client, Event};
use crate::auth::Site;
use crate::auth::exchange::Exchange;
use crate::auth::guards::{CurrentUser, RecentlyAuthenticated};
use crate::clock::Seconds;
use crate::id::SessionId;
use crate::sessions::{Reason, Session};

#[derive(Template)]
#[template(path = "sessions.html")]
pub struct SessionsPage {
    pub frame: Frame,
    pub sessions: Vec<SessionView>,
    pub events: Vec<EventView>,
    pub notice: Option<Notice>,
}

pub struct SessionView {
    pub id: String,
    pub current: bool,
    pub device: String,
    pub address: String,
    pub last_seen: String,
    pub started: String,
    pub ends: String,
    pub remembered: bool,
}

pub struct EventView {
    pub what: &'static str,
    pub at: String,
    pub device: String,
    pub address: String,
    pub alarming: bool,
}

impl SessionView {
    fn new(session: &Session, current: Option<&SessionId>, now: Seconds) -> Self {
        Self {
            id: session.id.to_string(),
            current: current == Some(&session.id),
            device: words::device(&session.user_agent),
            address: session.address.clone(),
            last_seen: words::ago(now - session.last_seen_at()),
            started: words::date_and_time(session.created_at),
            ends: words::date_and_time(session.idle_expires_at),
            remembered: session.remembered,
        }
    }
}

impl EventView {
    fn new(event: &Event) -> Self {
        let (what, alarming) = words::event(event.kind);
        let at = words::date_and_time(event.at);
        let (device, address) = match event.address.as_str() {
            "" => ("The operator of this site".to_owned(), "the command line".to_owned()),
            address => (words::device(&event.user_agent), address.to_owned()),
        };
        Self { what, at, device, address, alarming }
    }
}

pub fn routes() -> Vec<Route> {
    routes![show, end, end_others]
}

async fn page(site: &Site, user: &CurrentUser, frame: Frame) -> Result<SessionsPage, Failure> {
    let now = site.clock.now();
    let sessions = site.sessions.list(&user.id).await?;
    let mut sessions: Vec<_> = sessions.iter().map(|session| SessionView::new(session, user.session(), now)).collect();
    sessions.sort_by_key(|session| !session.current);
    let events = audit::recent(&site.db, &user.id, audit::SHOWN).await?;
    Ok(SessionsPage { frame, sessions, events: events.iter().map(EventView::new).collect(), notice: None })
}

async fn again(
    site: &Site,
    user: &CurrentUser,
    frame: Frame,
    refusal: Refusal,
) -> Result<Answer<SessionsPage>, Failure> {
    let page = page(site, user, frame).await?;
    Ok(refusal.page(|_, notice| SessionsPage { notice, ..page }))
}

#[get("/account/sessions?<ended>")]
async fn show(
    user: CurrentUser,
    site: &State<Site>,
    frame: Frame,
    ended: Option<&str>,
) -> Result<Page<SessionsPage>, Failure> {
    let notice = match ended {
        Some("one") => Some(Notice::success("The session has ended.")),
        Some("others") => Some(Notice::success("All other sessions have ended.")),
        _ => None,
    };
    Ok(Page::ok(SessionsPage { notice, ..page(site, &user, frame).await? }))
}

#[post("/account/sessions/<id>/end", data = "<submission>")]
async fn end(
    recent: RecentlyAuthenticated,
    id: &str,
    site: &State<Site>,
    exchange: &Exchange,
    client: Client,
    frame: Frame,
    submission: Submission,
) -> Result<Answer<SessionsPage>, Failure> {
    let RecentlyAuthenticated { user, session } = recent;
    if let Err(refusal) = submission.accept(Vec::new()) {
        return again(site, &user, frame, refusal).await;
    }
    let id = SessionId::from_text(id);
    if !site.sessions.end(&user.id, &id, Reason::Ended, Some(&client)).await? {
        return Err(Failure::of(Status::NotFound));
    }
    if id == session {
        exchange.clear();
        return Ok(Answer::Done(SeeOther::to("/login")));
    }
    Ok(Answer::Done(SeeOther::to("/account/sessions?ended=one")))
}

#[post("/account/sessions/end-others", data = "<submission>")]
async fn end_others(
    recent: RecentlyAuthenticated,
    site: &State<Site>,
    client: Client,
    frame: Frame,
    submission: Submission,
) -> Result<Answer<SessionsPage>, Failure> {
    let RecentlyAuthenticated { user, session } = recent;
    if let Err(refusal) = submission.accept(Vec::new()) {
        return again(site, &user, frame, refusal).await;
    }
    site.sessions.end_others(&user.id, &session, &client).await?;
    Ok(Answer::Done(SeeOther::to("/account/sessions?ended=others")))
}
