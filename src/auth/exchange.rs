//! One request and its response: who asks, and which cookies the answer will carry.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use rocket::Request;
use rocket::outcome::Outcome;
use rocket::request::{self, FromRequest};

use super::user::CurrentUser;
use crate::id::BrowserId;
use crate::sessions::{Reason, Tokens};

/// Who asks.
#[derive(Clone, Debug)]
pub enum Caller {
    /// Nobody that we know of.
    Anonymous,
    /// Sent tokens that will never be good again.
    Dead(Option<Reason>),
    /// Sent a token that gives no access here, but may elsewhere.
    Refused {
        /// Genuine: log-out ends its session.
        refresh_token: String,
    },
    User(Arc<CurrentUser>),
    /// Is to repeat the request, with whatever cookies the browser holds now, at this address.
    Asked(String),
    /// The `Authorization` header gives no access.
    Rejected {
        /// It would have, until its time was over.
        expired: bool,
    },
    /// It cannot be told: the database is away.
    Unknown,
}

/// What the response does to the session's cookies. Written by the fairing, overruled by handlers.
#[derive(Clone, Debug)]
pub enum Delivery {
    Tokens(Box<Tokens>),
    /// The access token only.
    Access(Box<Tokens>),
    Clear,
}

/// Lives as long as the request. Cookies do not go through Rocket's jar: it drops them when a catcher answers.
#[derive(Debug, Default)]
pub struct Exchange {
    caller: OnceLock<Caller>,
    outgoing: Mutex<Outgoing>,
}

#[derive(Debug, Default)]
pub struct Outgoing {
    pub session: Option<Delivery>,
    pub browser: Option<BrowserId>,
    pub probe: Option<String>,
}

impl Exchange {
    pub fn of<'r>(request: &'r Request<'_>) -> &'r Self {
        request.local_cache(Self::default)
    }

    /// Settled once, by the fairing, before any guard runs.
    pub fn settle(&self, caller: Caller) {
        let _ = self.caller.set(caller);
    }

    pub fn caller(&self) -> &Caller {
        self.caller.get().unwrap_or(&Caller::Anonymous)
    }

    pub fn user(&self) -> Option<&Arc<CurrentUser>> {
        match self.caller() {
            Caller::User(user) => Some(user),
            _ => None,
        }
    }

    pub fn outgoing(&self) -> MutexGuard<'_, Outgoing> {
        self.outgoing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Delivers new tokens with this response.
    pub fn deliver(&self, tokens: Tokens) {
        self.outgoing().session = Some(Delivery::Tokens(Box::new(tokens)));
    }

    /// Delivers a new access token with this response, with the refresh token if that was being delivered anyway.
    pub fn renew_access(&self, renewed: Tokens) {
        let mut outgoing = self.outgoing();
        match &mut outgoing.session {
            Some(Delivery::Tokens(tokens)) => tokens.access = renewed.access,
            _ => outgoing.session = Some(Delivery::Access(Box::new(renewed))),
        }
    }

    /// Clears the session's cookies with this response.
    pub fn clear(&self) {
        self.outgoing().session = Some(Delivery::Clear);
    }

    /// Whether this response delivers tokens: its page should then confirm them.
    pub fn delivers(&self) -> bool {
        matches!(self.outgoing().session, Some(Delivery::Tokens(_)))
    }
}

#[rocket::async_trait]
impl<'r> FromRequest<'r> for &'r Exchange {
    type Error = ();

    async fn from_request(request: &'r Request<'_>) -> request::Outcome<Self, ()> {
        Outcome::Success(Exchange::of(request))
    }
}
