use askama::Template;
use rocket::{Route, State, get, post, routes};

use super::answer::{Answer, Failure, Refusal};
use super::form::Submission;
use super::page::{Faults, Frame, Notice, Page, SeeOther};
use super::words;
use crate::audit::Client;
use crate::auth::Site;
use crate::auth::browser::Browser;
use crate::auth::exchange::{Caller, Exchange};
use crate::auth::guards::{Anonymous, CurrentUser};
use crate::auth::return_to::ReturnTo;

#[derive(Template)]
#[template(path = "login.html")]
pub struct LoginPage {
    pub frame: Frame,
    pub email: String,
    pub remember: bool,
    pub next: Option<String>,
    pub faults: Faults,
    pub notice: Option<Notice>,
}

/// Where a log-in leads if nobody asked for another page.
pub const AFTER_LOGIN: &str = "/account";

pub fn routes() -> Vec<Route> {
    routes![show, submit, show_logged_in, submit_logged_in]
}

#[get("/login?<next>")]
fn show(_visitor: Anonymous, exchange: &Exchange, frame: Frame, next: Option<&str>) -> Page<LoginPage> {
    let mut notice = None;
    // Only here, and only when they are known to be dead: a refusing response may arrive late and destroy the
    // cookies of a newer log-in.
    if let Caller::Dead(reason) = exchange.caller() {
        exchange.clear();
        notice = reason.map(words::logged_out_because);
    }
    let next = next.and_then(ReturnTo::check).map(|next| next.as_str().to_owned());
    Page::ok(LoginPage { frame, email: String::new(), remember: false, next, faults: Faults::default(), notice })
}

#[post("/login", data = "<submission>")]
async fn submit(
    _visitor: Anonymous,
    site: &State<Site>,
    exchange: &Exchange,
    browser: Browser,
    client: Client,
    frame: Frame,
    submission: Submission,
) -> Result<Answer<LoginPage>, Failure> {
    let mut faults = Vec::new();
    let fields = &submission.fields;
    let (email, password) = (fields.read("email", &mut faults), fields.read("password", &mut faults));
    let remember = fields.ticked("remember");
    let next = fields.first("next").and_then(ReturnTo::check);
    let page = |faults, notice| LoginPage {
        frame,
        email: email.clone(),
        remember,
        next: next.as_ref().map(|next| next.as_str().to_owned()),
        faults,
        notice,
    };
    if let Err(refusal) = submission.accept(faults) {
        return Ok(refusal.page(page));
    }
    let user = match site.accounts.authenticate(&email, &password, &client).await {
        Ok(user) => user,
        Err(error) => return Ok(Refusal::of(error)?.page(page)),
    };
    exchange.deliver(site.log_in(&user, remember, Some(&browser.0), &client).await?);
    Ok(Answer::Done(SeeOther::to(next.as_ref().map_or(AFTER_LOGIN, ReturnTo::as_str))))
}

#[get("/login?<next>", rank = 2)]
fn show_logged_in(_user: CurrentUser, next: Option<&str>) -> SeeOther {
    SeeOther::to(next.and_then(ReturnTo::check).as_ref().map_or(AFTER_LOGIN, ReturnTo::as_str))
}

#[post("/login", data = "<submission>", rank = 2)]
fn submit_logged_in(_user: CurrentUser, submission: Submission) -> SeeOther {
    let next = submission.fields.first("next").and_then(ReturnTo::check);
    SeeOther::to(next.as_ref().map_or(AFTER_LOGIN, ReturnTo::as_str))
}
