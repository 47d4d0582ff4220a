//! Log-in, sessions and accounts for the web: one binary to run, one crate to embed.
//!
//! A module uses only modules that stand to its right:
//! `cli → lib → {pages, upkeep} → auth → accounts → sessions → keyring → tokens → audit → http → db → config → …`
//!
//! ```no_run
//! use hallpass::CurrentUser;
//!
//! #[rocket::get("/reports")]
//! fn reports(user: CurrentUser) -> String {
//!     format!("Reports for {}", user.name)
//! }
//!
//! #[rocket::launch]
//! fn launch() -> _ {
//!     hallpass::rocket(hallpass::figment()).mount("/", rocket::routes![reports])
//! }
//! ```

pub mod accounts;
pub mod audit;
pub mod auth;
pub mod cli;
pub mod clock;
pub mod config;
pub mod db;
pub mod http;
pub mod id;
pub mod keyring;
mod named;
pub mod pages;
pub mod sessions;
pub mod tokens;
pub mod upkeep;

pub use auth::guards::{Admin, Anonymous, CurrentUser, MaybeUser, RecentlyAuthenticated};
pub use config::figment;

use figment::Figment;
use rocket::fairing::AdHoc;
use rocket::{Build, Rocket};

use auth::Site;
use clock::Clock;
use config::Config;

/// A Rocket with everything attached and mounted. Add routes of your own, then launch it.
///
/// Settings are read and the database is opened when it ignites; what is wrong with them is logged and ends the
/// launch.
pub fn rocket(figment: Figment) -> Rocket<Build> {
    rocket_at(figment, Clock::system())
}

/// The same, with a clock of the caller's: tests advance it.
pub fn rocket_at(figment: Figment, clock: Clock) -> Rocket<Build> {
    rocket::custom(figment)
        .attach(AdHoc::try_on_ignite("hallpass: open", |rocket| open(rocket, clock)))
        .attach(http::stage())
        .attach(auth::stage())
        .attach(pages::stage())
        .attach(upkeep::stage())
}

async fn open(rocket: Rocket<Build>, clock: Clock) -> rocket::fairing::Result {
    let config = match Config::read(rocket.figment()) {
        Ok(config) => config,
        Err(error) => return Err(not_opened(rocket, &error)),
    };
    match Site::open(config.clone(), clock).await {
        Ok(site) => Ok(rocket.manage(config).manage(site)),
        Err(error) => Err(not_opened(rocket, &error)),
    }
}

/// A program that embeds the crate may have nobody who listens to the log: the reason must be seen all the same.
fn not_opened(rocket: Rocket<Build>, error: &dyn std::error::Error) -> Rocket<Build> {
    match tracing::dispatcher::has_been_set() {
        true => tracing::error!("{error}"),
        false => eprintln!("hallpass: {error}"),
    }
    rocket
}
