//! What a token may be used for.

use std::fmt;

use crate::named::named;

named! {
    /// One thing that a token may be used for. None includes another.
    pub enum Scope {
        /// To look: requests of safe methods (RFC 9110 section 9.2.1).
        Read = "read",
        /// To change: requests of all other methods.
        Write = "write",
        /// To do what takes an administrator.
        Admin = "admin",
    }
}

/// A set of scopes, never empty. Prints as in OAuth, with a space between them (RFC 6749 section 3.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scopes(Vec<Scope>);

impl Scopes {
    /// In the order of [`Scope`], each once; none if none are given.
    pub fn of(given: &[Scope]) -> Option<Self> {
        let scopes: Vec<_> = Scope::ALL.iter().copied().filter(|scope| given.contains(scope)).collect();
        (!scopes.is_empty()).then_some(Self(scopes))
    }

    /// As printed. What a newer version added is left out; none if nothing else is there.
    pub(super) fn stored(text: &str) -> Option<Self> {
        let known: Vec<_> = text.split(' ').filter_map(|name| name.parse().ok()).collect();
        Self::of(&known)
    }

    /// Whether the token may be used for this.
    pub fn contains(&self, scope: Scope) -> bool {
        self.0.contains(&scope)
    }

    /// In the order of [`Scope`].
    pub fn iter(&self) -> impl Iterator<Item = Scope> {
        self.0.iter().copied()
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.iter().map(Scope::as_str).collect();
        f.write_str(&names.join(" "))
    }
}
