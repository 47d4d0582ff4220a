use askama::Template;
use rocket::http::Header;
use rocket::{Responder, Route, State, get, post, routes};

use super::answer::Failure;
use super::form::Submission;
use super::page::{Frame, Notice, Page, SeeOther};
use crate::audit::Client;
use crate::auth::Site;
use crate::auth::exchange::{Caller, Exchange};
use crate::auth::guards::MaybeUser;
use crate::sessions::Reason;

#[derive(Template)]
#[template(path = "logout.html")]
pub struct LogoutPage {
    pub frame: Frame,
    pub notice: Option<Notice>,
}

/// What pages left in the browser's cache and storage goes too (ASVS 14.3.1).
#[derive(Responder)]
pub struct LoggedOut {
    to: SeeOther,
    clear: Header<'static>,
}

#[derive(Responder)]
pub enum LogoutAnswer {
    Done(LoggedOut),
    Again(Page<LogoutPage>),
}

pub fn routes() -> Vec<Route> {
    routes![show, submit]
}

#[get("/logout")]
fn show(_visitor: MaybeUser, frame: Frame) -> Page<LogoutPage> {
    Page::ok(LogoutPage { frame, notice: None })
}

#[post("/logout", data = "<submission>")]
async fn submit(
    visitor: MaybeUser,
    site: &State<Site>,
    exchange: &Exchange,
    client: Client,
    frame: Frame,
    submission: Submission,
) -> Result<LogoutAnswer, Failure> {
    if let Err(refusal) = submission.accept(Vec::new()) {
        let page = LogoutPage { frame, notice: refusal.notice };
        return Ok(LogoutAnswer::Again(Page::with(refusal.status, page)));
    }
    if let Some(user) = visitor.0 {
        if let Some(session) = user.session() {
            site.sessions.end(&user.id, session, Reason::Logout, Some(&client)).await?;
        }
    } else if let Caller::Refused { refresh_token } = exchange.caller() {
        site.sessions.log_out(refresh_token, &client).await?;
    }
    exchange.clear();
    let clear = Header::new("Clear-Site-Data", r#""cache", "storage""#);
    Ok(LogoutAnswer::Done(LoggedOut { to: SeeOther::to("/"), clear }))
}
