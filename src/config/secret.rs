//! Master secrets, as settings bring them.

use std::fmt;

/// In bytes. 32 characters hold 128 bits even in hex.
const SECRET_MIN_LENGTH: usize = 32;

/// A value that never reaches a log or a page.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// None if the text is too short to be a master secret.
    pub fn parse(text: &str) -> Option<Self> {
        (text.len() >= SECRET_MIN_LENGTH).then(|| Self::new(text))
    }

    /// Of any length; the settings ask for 32 characters or more.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The value itself: for deriving keys, nothing else.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}
