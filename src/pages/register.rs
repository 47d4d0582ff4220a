use askama::Template;
use rocket::http::Status;
use rocket::{Route, State, get, post, routes};

use super::answer::{Answer, Failure, Refusal};
use super::form::Submission;
use super::login::AFTER_LOGIN;
use super::page::{Faults, Frame, Notice, Page, SeeOther};
use crate::audit::Client;
use crate::auth::Site;
use crate::auth::browser::Browser;
use crate::auth::exchange::Exchange;
use crate::auth::guards::{Anonymous, CurrentUser};
use crate::config::Registration;

#[derive(Template)]
#[template(path = "register.html")]
pub struct RegisterPage {
    pub frame: Frame,
    pub name: String,
    pub email: String,
    pub faults: Faults,
    pub notice: Option<Notice>,
    pub password_min_length: usize,
}

pub fn routes() -> Vec<Route> {
    routes![show, submit, show_logged_in, submit_logged_in]
}

fn open(site: &Site) -> Result<(), Failure> {
    // Invitations are not handed out yet: until then, invited means that an operator adds accounts.
    if site.config.registration == Registration::Open { Ok(()) } else { Err(Failure::of(Status::NotFound)) }
}

#[get("/register")]
fn show(_visitor: Anonymous, site: &State<Site>, frame: Frame) -> Result<Page<RegisterPage>, Failure> {
    open(site)?;
    let password_min_length = site.config.password_min_length;
    let (name, email) = Default::default();
    Ok(Page::ok(RegisterPage { frame, name, email, faults: Faults::default(), notice: None, password_min_length }))
}

#[post("/register", data = "<submission>")]
async fn submit(
    _visitor: Anonymous,
    site: &State<Site>,
    exchange: &Exchange,
    browser: Browser,
    client: Client,
    frame: Frame,
    submission: Submission,
) -> Result<Answer<RegisterPage>, Failure> {
    open(site)?;
    let mut faults = Vec::new();
    let mut read = |name| submission.fields.read(name, &mut faults);
    let (name, email, password) = (read("name"), read("email"), read("password"));
    let password_min_length = site.config.password_min_length;
    let page = |faults, notice| RegisterPage {
        frame,
        name: name.clone(),
        email: email.clone(),
        faults,
        notice,
        password_min_length,
    };
    if let Err(refusal) = submission.accept(faults) {
        return Ok(refusal.page(page));
    }
    let user = match site.accounts.register(&name, &email, &password, &client).await {
        Ok(user) => user,
        Err(error) => return Ok(Refusal::of(error)?.page(page)),
    };
    exchange.deliver(site.log_in(&user, false, Some(&browser.0), &client).await?);
    Ok(Answer::Done(SeeOther::to(AFTER_LOGIN)))
}

#[get("/register", rank = 2)]
fn show_logged_in(_user: CurrentUser) -> SeeOther {
    SeeOther::to(AFTER_LOGIN)
}

#[post("/register", rank = 2)]
fn submit_logged_in(_user: CurrentUser) -> SeeOther {
    SeeOther::to(AFTER_LOGIN)
}
