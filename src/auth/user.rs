//! Who asks, and what the request proves it by.

use crate::clock::Seconds;
use crate::id::{PersonalTokenId, SessionId, UserId};
use crate::personal_tokens::{PersonalToken, Scope, Scopes};
use crate::sessions::{Owner, Session};

/// A logged-in user, whose account exists and is active and whose session has not been ended, as of this request; or a
/// program with a personal access token of theirs, which has the scope `read`, for unsafe methods `write` (else 403).
/// Anybody else is sent to the log-in page and comes back afterwards (forwards with 401). While the database is away
/// the request fails with 503.
#[derive(Clone, Debug)]
pub struct CurrentUser {
    /// Stays when everything else about the account changes: refer to the user by it.
    pub id: UserId,
    /// As typed at registration.
    pub email: String,
    /// To show; not unique.
    pub name: String,
    /// An administrator, who asks by a session or by a token with the scope `admin`.
    pub admin: bool,
    /// What the request proves it by.
    pub credential: Credential,
}

/// What a request proves by whose it is.
#[derive(Clone, Debug)]
pub enum Credential {
    /// The tokens of a session, in cookies or in the `Authorization` header.
    Session {
        /// The session that the request belongs to.
        id: SessionId,
        /// The token generation that the client stands at.
        generation: i64,
        /// When the user last proved who they are.
        auth_time: Seconds,
    },
    /// A personal access token in the `Authorization` header.
    PersonalToken {
        /// Names the token; gives no access.
        id: PersonalTokenId,
        /// What it may be used for.
        scopes: Scopes,
    },
}

impl CurrentUser {
    pub(super) fn of_session(session: &Session, generation: i64, auth_time: Seconds) -> Self {
        Self::new(&session.owner, Credential::Session { id: session.id.clone(), generation, auth_time })
    }

    pub(super) fn of_personal_token(token: &PersonalToken, owner: &Owner) -> Self {
        let scopes = token.scopes.clone();
        let admin = owner.admin && scopes.contains(Scope::Admin);
        Self { admin, ..Self::new(owner, Credential::PersonalToken { id: token.id.clone(), scopes }) }
    }

    fn new(owner: &Owner, credential: Credential) -> Self {
        Self {
            id: owner.id.clone(),
            email: owner.email.clone(),
            name: owner.name.clone(),
            admin: owner.admin,
            credential,
        }
    }

    /// The session that the request belongs to, if it belongs to one.
    pub fn session(&self) -> Option<&SessionId> {
        match &self.credential {
            Credential::Session { id, .. } => Some(id),
            Credential::PersonalToken { .. } => None,
        }
    }

    /// Whether what the request proves it by may be used for this: a session for everything.
    pub(super) fn may(&self, scope: Scope) -> bool {
        match &self.credential {
            Credential::Session { .. } => true,
            Credential::PersonalToken { scopes, .. } => scopes.contains(scope),
        }
    }
}
