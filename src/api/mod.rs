//! The JSON door: what a page can do, a program can do under the same rules.
//!
//! It never redirects and never answers HTML, but for `/api/docs`. Errors are problem documents.

pub(crate) mod body;
pub mod code;
mod confirm;
mod csrf;
mod errors;
mod events;
mod login;
mod logout;
mod me;
mod methods;
pub mod openapi;
mod personal_tokens;
mod problem;
mod refresh;
mod sessions;
mod setup;
mod token_response;
mod users;

use rocket::fairing::AdHoc;

use crate::auth::{API, Site};

/// Mounts the routes and catchers of this module.
pub fn stage() -> AdHoc {
    AdHoc::on_ignite("hallpass: API", |rocket| async {
        let routes = [
            login::routes(),
            refresh::routes(),
            logout::routes(),
            confirm::routes(),
            csrf::routes(),
            me::routes(),
            sessions::routes(),
            events::routes(),
            personal_tokens::routes(),
            users::routes(),
            setup::routes(),
            openapi::routes(),
            methods::routes(),
        ];
        let document = rocket.state::<Site>().map(openapi::Document::new);
        let rocket = rocket.mount(API, routes.concat()).register(API, errors::catchers());
        match document {
            Some(document) => rocket.manage(document),
            // What it lacks, the log has told.
            None => rocket,
        }
    })
}
