//! The first account, an administrator's, by the one-time link that the server prints while there is none.

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
use crate::auth::guards::Anonymous;

#[derive(Template)]
#[template(path = "setup.html")]
pub struct SetupPage {
    pub frame: Frame,
    pub token: String,
    pub name: String,
    pub email: String,
    pub faults: Faults,
    pub notice: Option<Notice>,
    pub password_min_length: usize,
}

pub fn routes() -> Vec<Route> {
    routes![show, submit]
}

async fn good(site: &Site, token: &str) -> Result<(), Failure> {
    if site.accounts.setup_token_is_good(token).await? { Ok(()) } else { Err(Failure::of(Status::NotFound)) }
}

#[get("/setup?<token>")]
async fn show(
    _visitor: Anonymous,
    site: &State<Site>,
    frame: Frame,
    token: Option<&str>,
) -> Result<Page<SetupPage>, Failure> {
    let token = token.unwrap_or_default();
    good(site, token).await?;
    let password_min_length = site.config.password_min_length;
    let (token, faults, notice) = (token.to_owned(), Faults::default(), None);
    let (name, email) = Default::default();
    Ok(Page::ok(SetupPage { frame, token, name, email, faults, notice, password_min_length }))
}

#[post("/setup", data = "<submission>")]
async fn submit(
    _visitor: Anonymous,
    site: &State<Site>,
    exchange: &Exchange,
    browser: Browser,
    client: Client,
    frame: Frame,
    submission: Submission,
) -> Result<Answer<SetupPage>, Failure> {
    let mut faults = Vec::new();
    let mut read = |name| submission.fields.read(name, &mut faults);
    let (name, email, password) = (read("name"), read("email"), read("password"));
    let token = submission.fields.first("token").unwrap_or_default();
    good(site, token).await?;
    let password_min_length = site.config.password_min_length;
    let page = |faults, notice| SetupPage {
        frame,
        token: token.to_owned(),
        name: name.clone(),
        email: email.clone(),
        faults,
        notice,
        password_min_length,
    };
    if let Err(refusal) = submission.accept(faults) {
        return Ok(refusal.page(page));
    }
    let user = match site.accounts.register_first(&name, &email, &password, token, &client).await {
        Ok(user) => user,
        Err(error) => return Ok(Refusal::of(error)?.page(page)),
    };
    exchange.deliver(site.log_in(&user, false, Some(&browser.0), &client).await?);
    Ok(Answer::Done(SeeOther::to(AFTER_LOGIN)))
}
