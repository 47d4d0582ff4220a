//! Identifiers, the random bytes that they are made of, and the hashes that stand for what must not be stored.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

/// Bytes from the system's generator: unpredictable, fit for secrets (ASVS 11.5.1).
pub fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes).expect("the system's random generator answers");
    bytes
}

/// `N` random bytes as unpadded base64url (RFC 4648 section 5).
pub fn random_text<const N: usize>() -> String {
    text(&random_bytes::<N>())
}

/// Bytes as unpadded base64url.
pub(crate) fn text(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// SHA-256 as unpadded base64url: finds a text again without telling it. Not for passwords, which can be guessed.
pub(crate) fn hashed(text: &str) -> String {
    self::text(digest::digest(&digest::SHA256, text.as_bytes()).as_ref())
}

/// How many random bytes make an identifier: 128 bits cannot be guessed (ASVS 7.2.3).
const ID_BYTES: usize = 16;

macro_rules! identifier {
    ($(#[$meaning:meta])* $name:ident) => {
        $(#[$meaning])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            /// A new random identifier of 128 bits.
            pub fn random() -> Self {
                Self(random_text::<ID_BYTES>().into())
            }

            /// An identifier that came from outside; it need not exist. One with a NUL in it, which PostgreSQL refuses
            /// to look for, becomes the empty one, which nothing has. The feed of changes takes it for everyone: announce
            /// only what was found.
            pub fn from_text(text: impl AsRef<str>) -> Self {
                let text = text.as_ref();
                Self(if text.contains('\0') { "" } else { text }.into())
            }

            /// The identifier as it stands in tokens, paths and tables.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

identifier! {
    /// An account; the `sub` claim.
    UserId
}
identifier! {
    /// A session, that is a family of refresh tokens; the `sid` claim.
    SessionId
}
identifier! {
    /// A personal access token: names it in pages and commands, and gives no access.
    PersonalTokenId
}
identifier! {
    /// A server of a site, from its start to its end.
    NodeId
}
identifier! {
    /// A browser, by its long-lived cookie; identifies no person.
    BrowserId
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_from_outside_can_be_looked_for_in_any_database() {
        assert_eq!(UserId::from_text("a\0b").as_str(), "");
        assert_eq!(UserId::from_text("a b\u{1f98a}").as_str(), "a b\u{1f98a}");
    }
}
