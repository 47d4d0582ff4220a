//! The HTML door: every page works by plain navigation, without scripts.

mod account;
mod answer;
mod assets;
mod confirm;
mod errors;
pub(crate) mod form;
mod health;
mod home;
mod login;
mod logout;
pub mod page;
mod personal_tokens;
mod register;
mod sessions;
mod setup;
mod well_known;
pub mod words;

use rocket::fairing::AdHoc;

/// Mounts the routes and catchers of this module.
pub fn stage() -> AdHoc {
    AdHoc::on_ignite("hallpass: pages", |rocket| async {
        let routes = [
            home::routes(),
            register::routes(),
            setup::routes(),
            login::routes(),
            logout::routes(),
            confirm::routes(),
            account::routes(),
            sessions::routes(),
            personal_tokens::routes(),
            assets::routes(),
            health::routes(),
            well_known::routes(),
        ];
        rocket.mount("/", routes.concat()).register("/", errors::catchers())
    })
}
