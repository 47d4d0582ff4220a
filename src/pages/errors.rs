//! Error pages: plain words, and the way on.

use askama::Template;
use rocket::http::{Method, Status};
use rocket::response::Responder;
use rocket::{Catcher, Request};

use super::page::{Frame, Page, SeeOther};
use crate::auth::Site;
use crate::auth::refusal::Refusal;
use crate::auth::return_to::ReturnTo;
use crate::http;
use crate::http::RETRY_AFTER_SECONDS;
use crate::http::log::RequestId;

#[derive(Template)]
#[template(path = "error.html")]
pub struct ErrorPage {
    pub frame: Frame,
    pub status: u16,
    pub title: String,
    pub detail: String,
    pub request_id: String,
    /// The fault will pass by itself.
    pub retry: bool,
    /// The address to try again, unless a form was being sent.
    pub again: Option<String>,
}

pub fn catchers() -> Vec<Catcher> {
    rocket::catchers![log_in_first, any_error]
}

/// Whoever must log in, or confirm, first is sent there, and comes back afterwards.
#[rocket::catch(401)]
fn log_in_first(request: &Request<'_>) -> SeeOther {
    let page = if Refusal::of(request) == Some(Refusal::Reauthenticate) { "/confirm" } else { "/login" };
    SeeOther::to_then(page, came_from(request).as_ref().map(ReturnTo::as_str))
}

/// The address to come back to. What was to be submitted cannot be repeated; the page that it stood on can.
fn came_from(request: &Request<'_>) -> Option<ReturnTo> {
    if is_get(request) {
        return ReturnTo::check(&request.uri().to_string());
    }
    let origin = request.rocket().state::<Site>()?.config.public_url.origin();
    let path = request.headers().get_one("Referer")?.strip_prefix(origin)?;
    ReturnTo::check(path)
}

fn is_get(request: &Request<'_>) -> bool {
    matches!(request.method(), Method::Get | Method::Head)
}

#[rocket::catch(default)]
fn any_error(status: Status, request: &Request<'_>) -> Result<Bare, Status> {
    let site = request.rocket().state::<Site>().ok_or(Status::InternalServerError)?;
    let (title, detail) = words(status);
    let retry = matches!(status.code, 429 | 503);
    let page = ErrorPage {
        frame: Frame::without_forms(request, site),
        status: status.code,
        title: title.to_owned(),
        detail: detail.to_owned(),
        request_id: RequestId::of(request).as_str().to_owned(),
        retry,
        again: came_from(request).filter(|_| retry && is_get(request)).map(|again| again.as_str().to_owned()),
    };
    Ok(Bare(Page::with(status, page).retry_after(retry.then_some(RETRY_AFTER_SECONDS))))
}

/// An error page that no fairing may come after.
struct Bare(Page<ErrorPage>);

impl<'r> Responder<'r, 'static> for Bare {
    fn respond_to(self, request: &'r Request<'_>) -> rocket::response::Result<'static> {
        let mut response = self.0.respond_to(request)?;
        http::complete(request, &mut response);
        Ok(response)
    }
}

fn words(status: Status) -> (&'static str, &'static str) {
    match status.code {
        400 => (
            "That request could not be read",
            "Your browser sent something that this site does not understand. Go back, reload the page and try again.",
        ),
        403 => (
            "You may not do that",
            "Your account does not have the rights for this page. If you think it should, ask an administrator.",
        ),
        404 => (
            "There is no such page",
            "The address may be mistyped, or the page may have moved. Check the address, or start from the home page.",
        ),
        413 => (
            "That was too much at once",
            "What you sent is larger than this site accepts. Go back, shorten it and send it again.",
        ),
        415 | 422 => (
            "That form could not be read",
            "It was not sent the way a page of this site sends it. Go back, reload the page and try again.",
        ),
        429 => ("Too many attempts", "To keep accounts safe, this site limits how often some things can be tried."),
        500 => (
            "Something went wrong here",
            "The fault is ours, and it has been noted. Nothing that was saved is lost. Try again; if it happens once more, tell whoever runs this site.",
        ),
        503 => (
            "The site is not ready right now",
            "It is very busy, or its database is away for a moment. Nobody is logged out by that, and nothing that was saved is lost.",
        ),
        _ if status.code < 500 => (
            "That did not work",
            "The site could not accept this request. Go back and try again, or start from the home page.",
        ),
        _ => ("Something went wrong here", "The fault is ours. Try again in a moment."),
    }
}
