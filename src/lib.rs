//! Log-in, sessions and accounts for the web: one binary to run, one crate to embed.
//!
//! [`rocket()`] gives a Rocket with the pages, the cookies and the background work of hallpass. Add routes of your own
//! and put who may call them into their signatures: [`CurrentUser`], [`LoggedIn`], [`MaybeUser`],
//! [`Anonymous`], [`RecentlyAuthenticated`], [`Admin`]. What else handlers may need is in [`auth::Site`], Rocket's
//! state. The README has the settings, a complete example, and how to operate a site.
//!
//! Modules that stand in the source but not here may change with any version.
//!
//! A module uses only modules that stand to its right:
//! `cli → lib → api_docs → {pages, api, upkeep} → auth → accounts → personal_tokens → sessions → changes → keyring →
//! tokens → audit → nodes → leases → http → db → config → …`
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
#[doc(hidden)]
pub mod api;
mod api_docs;
#[doc(hidden)]
pub mod audit;
pub mod auth;
#[doc(hidden)]
pub mod changes;
pub mod cli;
pub mod clock;
pub mod config;
#[doc(hidden)]
pub mod db;
mod fault;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;
#[doc(hidden)]
pub mod http;
pub mod id;
#[doc(hidden)]
pub mod keyring;
#[doc(hidden)]
pub mod leases;
mod named;
#[doc(hidden)]
pub mod nodes;
#[doc(hidden)]
pub mod pages;
pub mod personal_tokens;
pub mod sessions;
#[doc(hidden)]
pub mod tokens;
#[doc(hidden)]
pub mod upkeep;

pub use auth::guards::{Admin, Anonymous, CurrentUser, LoggedIn, MaybeUser, RecentlyAuthenticated};
pub use config::figment;

use figment::Figment;
use rocket::fairing::AdHoc;
use rocket::{Build, Rocket};

use auth::Site;
use clock::Clock;
use config::Config;

/// A Rocket with everything attached and mounted. Add routes of your own, then launch it. Settings are read from the
/// figment that is given: only [`figment()`] has `HALLPASS_*` variables in it.
///
/// Settings are read and the database is opened when it ignites; what is wrong with them is logged and ends the
/// launch.
pub fn rocket(figment: Figment) -> Rocket<Build> {
    rocket_at(figment, Clock::system())
}

/// The same as [`rocket()`], with a clock of the caller's: tests advance it.
pub fn rocket_at(figment: Figment, clock: Clock) -> Rocket<Build> {
    rocket::custom(figment)
        .attach(AdHoc::try_on_ignite("hallpass: open", |rocket| open(rocket, clock)))
        .attach(http::stage())
        .attach(auth::stage())
        .attach(pages::stage())
        .attach(api::stage())
        .attach(api_docs::stage())
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
