//! Why a guard turned a request away. The guard forwards with a status alone; the catcher of the mount point puts the
//! reason into words.

use std::sync::OnceLock;

use rocket::Request;

use super::exchange::{Caller, Exchange};
use crate::personal_tokens::Scope;

/// See the module's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// 401: nothing was sent that says who asks.
    Unauthenticated,
    /// 401: the access token is genuine but its time is over.
    Expired,
    /// 401: what was sent gives no access, and never will again.
    Invalid,
    /// 401: the cookies are not the newest; the browser may hold newer ones by now.
    Stale,
    /// 401: the user must prove again who they are.
    Reauthenticate,
    /// 403: only administrators may.
    NotAdmin,
    /// 403: the personal access token was not made for this.
    Scope(Scope),
    /// 403: what a personal access token may never do.
    SessionNeeded,
    /// 403: the request is not believed to come from a page that may make it.
    Forged(Forgery),
    /// 403: a page of another origin asks, which the setting `cors_origins` does not name.
    ForeignOrigin,
}

/// Why a submission is not believed to come from a page of this site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forgery {
    /// The browser says that another site made it.
    OtherSite,
    /// The browser sent no (genuine) browser cookie.
    NoCookie,
    /// The form token is missing, or of another browser.
    WrongToken,
}

impl Refusal {
    /// Why the request was turned away; none if no guard did that.
    pub fn of(request: &Request<'_>) -> Option<Self> {
        noted(request).get().copied()
    }

    /// Notes the first reason.
    pub(super) fn note(self, request: &Request<'_>) {
        let _ = noted(request).set(self);
    }

    /// Why a request that only a user may make was not taken for a user's.
    pub(super) fn not_a_user(request: &Request<'_>) -> Self {
        match Exchange::of(request).caller() {
            Caller::Rejected { expired: true } => Self::Expired,
            Caller::Rejected { expired: false } | Caller::Dead(_) => Self::Invalid,
            Caller::Refused { .. } | Caller::Asked(_) => Self::Stale,
            Caller::Anonymous | Caller::User(_) | Caller::Unknown => Self::Unauthenticated,
        }
    }
}

fn noted<'r>(request: &'r Request<'_>) -> &'r OnceLock<Refusal> {
    request.local_cache(OnceLock::new)
}
