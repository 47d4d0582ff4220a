//! Re-authentication before something sensitive (ASVS 7.5).

use askama::Template;
use rocket::{Route, State, get, post, routes};

use super::answer::{Answer, Failure, Refusal};
use super::form::Submission;
use super::login::AFTER_LOGIN;
use super::page::{Faults, Frame, Notice, Page, SeeOther};
use crate::audit::Client;
use crate::auth::Site;
use crate::auth::exchange::Exchange;
use crate::auth::guards::{CurrentUser, LoggedIn};
use crate::auth::return_to::ReturnTo;

#[derive(Template)]
#[template(path = "confirm.html")]
pub struct ConfirmPage {
    pub frame: Frame,
    pub next: Option<String>,
    pub faults: Faults,
    pub notice: Option<Notice>,
}

pub fn routes() -> Vec<Route> {
    routes![show, submit]
}

#[get("/confirm?<next>")]
fn show(_user: CurrentUser, frame: Frame, next: Option<&str>) -> Page<ConfirmPage> {
    let next = next.and_then(ReturnTo::check).map(|next| next.as_str().to_owned());
    Page::ok(ConfirmPage { frame, next, faults: Faults::default(), notice: None })
}

#[post("/confirm", data = "<submission>")]
async fn submit(
    visitor: LoggedIn,
    site: &State<Site>,
    exchange: &Exchange,
    client: Client,
    frame: Frame,
    submission: Submission,
) -> Result<Answer<ConfirmPage>, Failure> {
    let mut faults = Vec::new();
    let password = submission.fields.read("password", &mut faults);
    let next = submission.fields.first("next").and_then(ReturnTo::check);
    let page = |faults, notice| ConfirmPage {
        frame,
        next: next.as_ref().map(|next| next.as_str().to_owned()),
        faults,
        notice,
    };
    if let Err(refusal) = submission.accept(faults) {
        return Ok(refusal.page(page));
    }
    if let Err(error) = site.accounts.reauthenticate(&visitor.user.id, &password, &client).await {
        return Ok(Refusal::of(error)?.page(page));
    }
    exchange.renew_access(site.sessions.reauthenticated(&visitor.session, visitor.generation).await?);
    Ok(Answer::Done(SeeOther::to(next.as_ref().map_or(AFTER_LOGIN, ReturnTo::as_str))))
}
