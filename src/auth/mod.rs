//! HTTP meets sessions and accounts: cookies, who asks, and forgery. Nothing else reads or writes a cookie.

pub mod bearer;
pub mod browser;
mod carrier;
#[doc(hidden)]
pub mod cookies;
mod cors;
#[doc(hidden)]
pub mod exchange;
pub mod forgery;
pub mod guards;
#[doc(hidden)]
pub mod overview;
#[doc(hidden)]
pub mod presented;
pub mod refusal;
pub mod return_to;
#[doc(hidden)]
pub mod rotation;
mod user;

use rocket::Request;
use rocket::fairing::AdHoc;
use rocket::http::{ContentType, Status};
use rocket::outcome::Outcome;
use rocket::request;

use crate::accounts::{Accounts, PasswordError, User};
use crate::audit::Client;
use crate::changes::Changes;
use crate::clock::Clock;
use crate::config::Config;
use crate::db::{self, Db, DbError};
use crate::id::BrowserId;
use crate::keyring::{Keyring, KeyringError};
use crate::personal_tokens::PersonalTokens;
use crate::sessions::{SessionError, Sessions, Tokens};
use browser::BrowserIds;
use cookies::Cookies;
use forgery::FormTokens;
use guards::MaybeUser;
use overview::Overviews;

/// The image by which a graphical browser confirms within one round trip that it has the new tokens.
pub const ACK: &str = "/session/ack";

/// Where the JSON API is mounted: it never redirects, and pages of other origins may be allowed to call it.
pub const API: &str = "/api";

/// Where programs refresh: the handler itself decides what becomes of the refresh token.
pub const REFRESH: &str = "/api/auth/refresh";

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
    pub changes: Changes,
    #[doc(hidden)]
    pub keyring: Keyring,
    overviews: Overviews,
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
    /// The database cannot be read.
    #[error(transparent)]
    Changes(DbError),
    /// Argon2 cannot work with the configured parameters.
    #[error(transparent)]
    Password(#[from] PasswordError),
}

impl Site {
    fn new(config: Config, clock: Clock, db: Db, keyring: Keyring) -> Result<Self, PasswordError> {
        let changes = Changes::new(&db, &clock);
        Ok(Self {
            sessions: Sessions::new(&db, &clock, &keyring, &changes, &config),
            personal_tokens: PersonalTokens::new(&db, &clock, &changes),
            accounts: Accounts::new(&config, db.clone(), clock.clone(), changes.clone())?,
            changes,
            overviews: Overviews::default(),
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
        let site = Self::new(config, clock, db, keyring)?;
        site.changes.listen().await.map_err(OpenError::Changes)?;
        Ok(site)
    }

    /// Logs a user in who has just proved who they are. The tokens are the caller's to hand out: by
    /// `Exchange::deliver` in the cookies of `browser`, which has an allowance of its own from then on; or, if there
    /// is none, in the body of the answer.
    ///
    /// # Errors
    /// The database did not answer, or [`SessionError::ProofOutdated`].
    pub async fn log_in(
        &self,
        user: &User,
        remember: bool,
        browser: Option<&BrowserId>,
        client: &Client,
    ) -> Result<Tokens, SessionError> {
        if let Some(browser) = browser {
            self.accounts.remember_browser(&user.id, browser).await?;
        }
        self.sessions.start(&user.id, user.password_changed_at, remember, browser, client).await
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
        let cors = match rocket.state::<Config>() {
            Some(config) => cors::ApiCors::new(config),
            None => return rocket,
        };
        // A page of a foreign origin is refused before its cookies are looked at.
        rocket.attach(cors).attach(rotation::Rotation).mount("/", rocket::routes![rotation::ask, ack])
    })
}

/// A transparent pixel. The request itself confirms, by the cookies that it carries.
#[rocket::get("/session/ack")]
fn ack(_visitor: MaybeUser) -> (ContentType, &'static [u8]) {
    (ContentType::GIF, include_bytes!("../../static/pixel.gif"))
}

/// Whether the request is for this path, as Rocket finds its route: `//api/%6de` is `/api/me`, but `/api%2Fme` is not.
pub(crate) fn is_for(request: &Request<'_>, path: &str) -> bool {
    request.uri().path().segments().eq(segments(path))
}

/// Whether the request is for this path or something below it.
pub(crate) fn is_below(request: &Request<'_>, folder: &str) -> bool {
    let mut given = request.uri().path().segments();
    segments(folder).all(|segment| given.next() == Some(segment))
}

fn segments(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').skip(1)
}

/// Whether a request is for the JSON API.
pub(crate) fn is_api(request: &Request<'_>) -> bool {
    is_below(request, API)
}
