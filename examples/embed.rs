//! A site of its own with hallpass inside: `cargo run --example embed`, then http://localhost:8000.

use std::sync::atomic::{AtomicU64, Ordering};

use hallpass::{Admin, CurrentUser, MaybeUser, RecentlyAuthenticated};
use rocket::{Build, Rocket, State, get, launch, routes};

/// State of the site's own; hallpass keeps its own beside it.
#[derive(Default)]
struct Served(AtomicU64);

/// Anybody. It replaces the home page of hallpass.
#[get("/")]
fn home(visitor: MaybeUser) -> String {
    match visitor.0 {
        Some(user) => format!("Hello {}. Your reports are at /reports.", user.name),
        None => "Hello. Log in at /login, or go straight to /reports.".to_owned(),
    }
}

/// Who is not logged in is sent to the log-in page, and comes back here.
#[get("/reports")]
fn reports(user: CurrentUser, served: &State<Served>) -> String {
    served.0.fetch_add(1, Ordering::Relaxed);
    format!("Reports for {}", user.email)
}

/// Who last gave the password more than five minutes ago is asked for it, and comes back here.
#[get("/reports/export")]
fn export(recent: RecentlyAuthenticated) -> String {
    format!("Everything about {}", recent.user.email)
}

/// Other users get the 403 page.
#[get("/statistics")]
fn statistics(_admin: Admin, served: &State<Served>) -> String {
    format!("{} reports served", served.0.load(Ordering::Relaxed))
}

/// Adds this site's routes and state to a Rocket that has hallpass.
pub fn extend(rocket: Rocket<Build>) -> Rocket<Build> {
    rocket.manage(Served::default()).mount("/", routes![home, reports, export, statistics])
}

#[launch]
fn launch() -> Rocket<Build> {
    extend(hallpass::rocket(hallpass::figment()))
}
