//! The methods that a path has: told to who asks by OPTIONS, and to who used another (RFC 9110 sections 9.3.7, 15.5.6).

use rocket::http::{Header, Method, Status};
use rocket::response::{Responder, Response};
use rocket::{Request, Route, options, routes};

use crate::auth::guards::Anyone;

pub fn routes() -> Vec<Route> {
    routes![preflight]
}

/// Also every preflight that rocket_cors lets through; it adds the headers. For a path that does not exist too: the
/// page that asks must be able to read the 404 that follows.
#[options("/<_..>")]
fn preflight(_anyone: Anyone) -> Allowed {
    Allowed
}

struct Allowed;

impl<'r> Responder<'r, 'static> for Allowed {
    fn respond_to(self, request: &'r Request<'_>) -> rocket::response::Result<'static> {
        let mut response = Response::build();
        response.status(Status::NoContent);
        if let Some(allow) = allow(request) {
            response.header(allow);
        }
        response.ok()
    }
}

/// The `Allow` header of the request's path; none if no such path exists.
pub fn allow(request: &Request<'_>) -> Option<Header<'static>> {
    let methods = of_path(request);
    let names: Vec<_> = methods.iter().chain([&Method::Options]).map(|method| method.as_str()).collect();
    (!methods.is_empty()).then(|| Header::new("Allow", names.join(", ")))
}

/// The methods that the request's path has, but OPTIONS, which all have.
pub fn of_path(request: &Request<'_>) -> Vec<Method> {
    let path: Vec<_> = request.uri().path().segments().collect();
    let mut methods: Vec<Method> = Vec::new();
    for route in request.rocket().routes().filter(|route| route.method != Method::Options) {
        let segments: Vec<_> = route.uri.path().split('/').filter(|segment| !segment.is_empty()).collect();
        let fits = segments.len() == path.len()
            && segments.iter().zip(&path).all(|(route, given)| route.starts_with('<') || route == given);
        if fits && !methods.contains(&route.method) {
            methods.push(route.method);
        }
    }
    if methods.contains(&Method::Get) {
        methods.push(Method::Head);
    }
    methods
}
