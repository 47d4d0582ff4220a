//! HTTP meets sessions and accounts: cookies, who asks, and forgery. Nothing else reads or writes a cookie.

pub mod browser;
mod carrier;
#[doc(hidden)]
pub mod cookies;
#[doc(hidden)]
pub mod exchange;
pub mod forgery;
pub mod guards;
pub mod return_to;
#[doc(hidden)]
pub mod rotation;

use rocket::Request;
use rocket::fairing::AdHoc;
use rocket::http::{ContentType, Status};
use rocket::outcome::Outcome;
use rocket::request;

use crate::accounts::{Accounts, PasswordError, User};
use crate::audit::Client;
use crate::clock::Clock;
use crate::config::Config;
use crate::db::{self, Db};
use crate::id::BrowserId;
use crate::keyring::{Keyring, KeyringError};
use crate::personal_tokens::PersonalTokens;
use crate::sessions::{SessionError, Sessions};
use browser::BrowserIds;
use cookies::Cookies;
use exchange::Exchange;
use forgery::FormTokens;
use guards::MaybeUser;

/// The image by which a graphical browser confirms within one round trip that it has the new tokens.
pub const ACK: &str = "/session/ack";

/// Everything that requests share. Rocket's state: a handler of a site that embeds hallpass asks for `&State<Site>`.
#[derive(Clone)]
pub struct Site {
    /// The settings in force.
    pub config: Config,
    /// What every time of the site is read from.
    pub clock: Clock,
    #[doc(hidden)]
    pub db: Db,
    #[doc(hidden)]
    pub keyring: Keyring,
    /// To list and end sessions.
    pub sessions: Sessions,
    /// To make, check and revoke the tokens of programs that cannot log in.
    pub personal_tokens: PersonalTokens,
    /// To find and manage accounts.
    pub accounts: Accounts,
    #[doc(hidden)]
    pub cookies: Cookies,
    #[doc(hidden)]
    pub browser_ids: BrowserIds,
    /// Issues what forms carry against forgery.
    pub form_tokens: FormTokens,
}

/// The site cannot be opened; each message says what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The database cannot be opened or migrated.
    #[error(transparent)]
    Db(#[from] db::OpenError),
    /// The master secret or a signing key cannot be read.
    #[error(transparent)]
    Keyring(#[from] KeyringError),
    /// Argon2 cannot work with the configured parameters.
    #[error(transparent)]
    Password(#[from] PasswordError),
}

impl Site {
    fn new(config: Config, clock: Clock, db: Db, keyring: Keyring) -> Result<Self, PasswordError> {
        Ok(Self {
            sessions: Sessions::new(&db, &clock, &keyring, &config),
            personal_tokens: PersonalTokens::new(&db, &clock),
            accounts: Accounts::new(&config, db.clone(), clock.clone())?,
            cookies: Cookies::new(&config.public_url),
            browser_ids: BrowserIds::new(keyring.secret()),
            form_tokens: FormTokens::new(keyring.secret()),
            config,
            clock,
            db,
            keyring,
        })
    }

    /// Opens the database, brings it to this version, and reads the keys.
    ///
    /// # Errors
    /// The first thing that stands in the way, in words for the operator; nothing that is stored has been changed.
    pub async fn open(config: Config, clock: Clock) -> Result<Self, OpenError> {
        let db = Db::open(&config).await?;
        db.migrate().await?;
        let keyring = Keyring::open(&db, &clock, &config).await?;
        Ok(Self::new(config, clock, db, keyring)?)
    }

    /// Logs a user in who has just proved who they are: a session, its cookies, and a browser that is known now.
    ///
    /// # Errors
    /// The database did not answer, or [`SessionError::ProofOutdated`]; no cookie is set then.
    pub async fn log_in(
        &self,
        user: &User,
        remember: bool,
        browser: &BrowserId,
        client: &Client,
        exchange: &Exchange,
    ) -> Result<(), SessionError> {
        self.accounts.remember_browser(&user.id, browser).await?;
        let tokens = self.sessions.start(&user.id, user.password_changed_at, remember, browser, client).await?;
        exchange.deliver(tokens);
        Ok(())
    }

    /// The site that a request is for.
    pub fn of<'r>(request: &'r Request<'_>) -> request::Outcome<&'r Self, ()> {
        match request.rocket().state::<Self>() {
            Some(site) => Outcome::Success(site),
            None => Outcome::Error((Status::InternalServerError, ())),
        }
    }
}

/// Attaches the fairing and mounts the routes of this module.
pub fn stage() -> AdHoc {
    AdHoc::on_ignite("hallpass: auth", |rocket| async {
        rocket.attach(rotation::Rotation).mount("/", rocket::routes![rotation::ask, ack])
    })
}

/// A transparent pixel. The request itself confirms, by the cookies that it carries.
#[rocket::get("/session/ack")]
fn ack(_visitor: MaybeUser) -> (ContentType, &'static [u8]) {
    (ContentType::GIF, include_bytes!("../../static/pixel.gif"))
}
