//! Catchers: under `/api`, every error is a problem document, whoever noticed it.

use rocket::http::{Header, Method, Status};
use rocket::response::Responder;
use rocket::{Catcher, Request};

use super::code::Code;
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
        None if status == Status::BadRequest && !http::log::has_arrived(request) => wrong_method(request),
        None => Problem::of(by_status(status.code)).with_status(status),
    })
}

/// Rocket answers 404 to a method that a path does not have (RFC 9110 section 15.5.6).
fn absent(request: &Request<'_>) -> Problem {
    match allowed(request) {
        methods if methods.is_empty() || methods.contains(&request.method()) => Problem::of(Code::NotFound),
        methods => not_allowed(methods),
    }
}

fn wrong_method(request: &Request<'_>) -> Problem {
    match allowed(request) {
        methods if methods.is_empty() => Problem::of(Code::BadRequest),
        methods => not_allowed(methods),
    }
}

/// The methods that the request's path has.
fn allowed(request: &Request<'_>) -> Vec<Method> {
    let path: Vec<_> = request.uri().path().segments().collect();
    let mut allowed: Vec<Method> = Vec::new();
    for route in request.rocket().routes().filter(|route| route.method != Method::Options) {
        let segments: Vec<_> = route.uri.path().split('/').filter(|segment| !segment.is_empty()).collect();
        let fits = segments.len() == path.len()
            && segments.iter().zip(&path).all(|(route, given)| route.starts_with('<') || route == given);
        if fits && !allowed.contains(&route.method) {
            allowed.push(route.method);
        }
    }
    if allowed.contains(&Method::Get) {
        allowed.push(Method::Head);
    }
    allowed
}

fn not_allowed(methods: Vec<Method>) -> Problem {
    let names: Vec<_> = methods.iter().chain([&Method::Options]).map(|method| method.as_str()).collect();
    Problem::of(Code::MethodNotAllowed).with(Header::new("Allow", names.join(", ")))
}

fn by_status(status: u16) -> Code {
    match status {
        401 => Code::Unauthenticated,
        403 => Code::Forbidden,
        413 => Code::PayloadTooLarge,
        415 => Code::UnsupportedMediaType,
        422 => Code::InvalidInput,
        429 => Code::TooManyAttempts,
        400..500 => Code::BadRequest,
        503 => Code::Unavailable,
        _ => Code::InternalError,
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
