//! Catchers: under `/api`, every error is a problem document, whoever noticed it.

use rocket::http::Status;
use rocket::response::Responder;
use rocket::{Catcher, Request};

use super::code::Code;
use super::methods;
use super::problem::Problem;
use crate::auth::refusal::Refusal;
use crate::http;

pub fn catchers() -> Vec<Catcher> {
    rocket::catchers![any_error]
}

#[rocket::catch(default)]
fn any_error(status: Status, request: &Request<'_>) -> Bare {
    let refusal = Refusal::of(request);
    let known = Problem::parked(request).or_else(|| refusal.map(Problem::refused));
    Bare(match known.filter(|problem| problem.status() == status) {
        Some(problem) => problem,
        // Turned away to an address that nobody has.
        None if refusal == Some(Refusal::ForeignOrigin) => Problem::of(Code::OriginNotAllowed),
        None if status == Status::NotFound => absent(request),
        // A method that Rocket does not know: the request went through no fairing, and names another one now.
        None if status == Status::BadRequest && !http::log::has_arrived(request) => {
            wrong_method(request, Code::BadRequest)
        }
        None => Problem::of(Code::of_status(status)).with_status(status),
    })
}

/// Rocket answers 404 to a method that a path does not have (RFC 9110 section 15.5.6).
fn absent(request: &Request<'_>) -> Problem {
    let methods = methods::of_path(request);
    match methods.contains(&request.method()) {
        true => Problem::of(Code::NotFound),
        false => wrong_method(request, Code::NotFound),
    }
}

fn wrong_method(request: &Request<'_>, otherwise: Code) -> Problem {
    match methods::allow(request) {
        Some(allow) => Problem::of(Code::MethodNotAllowed).with(allow),
        None => Problem::of(otherwise),
    }
}

/// An error that no fairing may come after.
struct Bare(Problem);

impl<'r> Responder<'r, 'static> for Bare {
    fn respond_to(self, request: &'r Request<'_>) -> rocket::response::Result<'static> {
        let mut response = self.0.respond_to(request)?;
        http::complete(request, &mut response);
        Ok(response)
    }
}
