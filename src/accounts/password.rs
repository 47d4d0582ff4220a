//! What makes a password acceptable: its length, and that it isn't among the first to be guessed.
//!
//! No composition rules and no forced changes (NIST SP 800-63B-4 section 3.1.1.2, ASVS 6.2.5, 6.2.10).

use std::fmt;

use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

use super::predictable;

/// In code points after normalisation; ASVS 6.2.9 asks for 64 at the least.
pub const PASSWORD_MAX: usize = 256;

/// What this site asks of a new password.
#[derive(Clone, Debug)]
pub struct Policy {
    /// In code points.
    pub min_length: usize,
    /// May not make up a password (ASVS 6.2.11).
    pub site_name: String,
}

/// A password that the policy admits, in NFC; wiped from memory when dropped.
pub struct NewPassword(Zeroizing<String>);

/// Why a password is refused; the text tells the visitor what to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PasswordFault {
    #[error("Choose a password.")]
    Missing,
    #[error("Use at least {0} characters. A few words in a row are long and easy to remember.")]
    TooShort(usize),
    #[error("Use at most {PASSWORD_MAX} characters.")]
    TooLong,
    #[error("This password has a character that cannot be typed, such as a tab or a line break. Leave it out.")]
    ControlCharacter,
    #[error("This is one of the passwords that are tried first when somebody guesses. Choose another one.")]
    Common,
    #[error("This password is little more than the name of this site. Choose one that has nothing to do with it.")]
    SiteName,
    #[error("This password is little more than your name or e-mail address. Choose one that nobody can look up.")]
    OwnData,
    #[error("This password only repeats a few characters. Choose one that cannot be guessed from its beginning.")]
    Repeated,
    #[error(
        "This password is mostly a row of the keyboard, the alphabet or numbers. Choose one that has no such order."
    )]
    Sequence,
}

impl PasswordFault {
    /// The machine's word for it.
    pub fn code(self) -> &'static str {
        match self {
            Self::Missing => "required",
            Self::TooShort(_) => "too_short",
            Self::TooLong => "too_long",
            Self::ControlCharacter => "control_character",
            Self::Common => "common",
            Self::SiteName => "site_name",
            Self::OwnData => "own_data",
            Self::Repeated => "repeated",
            Self::Sequence => "sequence",
        }
    }
}

impl Policy {
    /// Admits a new password or says why not. `own` is what is known of its owner: address and name.
    ///
    /// Compared in NFC, never trimmed or cut (ASVS 6.2.8); spaces and every script count (ASVS 6.2.5).
    pub fn check(&self, password: &str, own: &[&str]) -> Result<NewPassword, PasswordFault> {
        if password.is_empty() {
            return Err(PasswordFault::Missing);
        }
        let password = normalised(password).ok_or(PasswordFault::TooLong)?;
        // NUL ends a string in some systems, and what follows would not count.
        if password.chars().any(char::is_control) {
            return Err(PasswordFault::ControlCharacter);
        }
        if password.chars().count() < self.min_length {
            return Err(PasswordFault::TooShort(self.min_length));
        }
        match predictable::fault(&password, &self.site_name, own) {
            Some(fault) => Err(fault),
            None => Ok(NewPassword(password)),
        }
    }
}

impl NewPassword {
    /// The password that somebody has just logged in with: whatever policy there is now, it is theirs.
    pub(super) fn known_to_be_right(candidate: &str) -> Option<Self> {
        normalised(candidate).map(Self)
    }

    pub(super) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for NewPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NewPassword(…)")
    }
}

/// In NFC; none if it is longer than any password.
pub(super) fn normalised(password: &str) -> Option<Zeroizing<String>> {
    // Composition shortens text, but never to less than a quarter but in made-up cases.
    if password.len() > PASSWORD_MAX * 4 * 4 {
        return None;
    }
    // Room for the longest outcome (UAX 15: three times the bytes), so that no copy is left behind by growing.
    let mut text = Zeroizing::new(String::with_capacity(password.len() * 3));
    text.extend(password.nfc());
    (text.chars().count() <= PASSWORD_MAX).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(min_length: usize) -> Policy {
        Policy { min_length, site_name: "Blue Lantern".to_owned() }
    }

    fn fault(password: &str) -> Option<PasswordFault> {
        policy(15).check(password, &["anna.berg", "anna.berg@example.org", "Anna Berg"]).err()
    }

    #[test]
    fn length_is_counted_in_code_points_after_composition() {
        assert_eq!(fault("kühle Quitten ß"), None);
        assert_eq!(fault("kühle Quitten "), Some(PasswordFault::TooShort(15)));
        let decomposed = "ku\u{308}hle Quitten ";
        assert_eq!(decomposed.chars().count(), 15);
        assert_eq!(fault(decomposed), Some(PasswordFault::TooShort(15)));
        let long = "Zug um Mitternacht 7 Bären ".repeat(10);
        let most: String = long.chars().take(256).collect();
        assert_eq!(fault(&most), None);
        assert_eq!(fault(&format!("{most}x")), Some(PasswordFault::TooLong));
        assert_eq!(fault(&"x".repeat(5_000_000)), Some(PasswordFault::TooLong));
        assert_eq!(fault(""), Some(PasswordFault::Missing));
    }

    #[test]
    fn the_shortest_length_is_the_policys() {
        assert!(policy(8).check("wV7 tüb4", &[]).is_ok());
        assert!(policy(9).check("wV7 tüb4", &[]).is_err());
    }

    #[test]
    fn every_script_and_spaces_are_kept_as_they_are() {
        for password in [
            " leading and trailing ",
            "秘密の合言葉は長いほうがよいです",
            "كلمة سر طويلة جدا هنا",
            "🦊🐢🦊🦉🐝🐍🐌🦋🐞🐜🦗🦂🐙🦑🦐",
        ] {
            let admitted = policy(15).check(password, &[]).map(|new| new.expose().to_owned());
            assert_eq!(admitted, Ok(password.to_owned()));
        }
        let composed = policy(15).check("cafe\u{301} mit vielen Worten", &[]).map(|new| new.expose().to_owned());
        assert_eq!(composed, Ok("caf\u{e9} mit vielen Worten".to_owned()));
    }

    #[test]
    fn control_characters_are_refused() {
        for password in
            ["before\0after is long", "line\nbreak is long", "tabs\tare not typed", "c1 \u{85} next line too"]
        {
            assert_eq!(fault(password), Some(PasswordFault::ControlCharacter), "{password:?}");
        }
    }

    #[test]
    fn a_password_is_never_printed() {
        let admitted = policy(15).check("kühle Quitten ß", &[]);
        assert_eq!(format!("{admitted:?}"), "Ok(NewPassword(…))");
    }
}
