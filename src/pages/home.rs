use askama::Template;
use rocket::{Route, get, routes};

use super::page::{FormlessFrame, Frame, Page};
use crate::auth::guards::MaybeUser;

#[derive(Template)]
#[template(path = "home.html")]
pub struct HomePage {
    pub frame: Frame,
}

pub fn routes() -> Vec<Route> {
    routes![show]
}

/// Ranked low: a site that embeds hallpass has a home page of its own.
#[get("/", rank = 100)]
fn show(_visitor: MaybeUser, frame: FormlessFrame) -> Page<HomePage> {
    Page::ok(HomePage { frame: frame.0 })
}
