//! What is wrong with what was typed, field by field.

use unicode_normalization::UnicodeNormalization;

use super::email::{Email, EmailFault};
use super::password::{NewPassword, PasswordFault, Policy};

/// Of a person's name, in code points after normalisation.
pub const NAME_MAX: usize = 100;

/// One thing that is wrong with one field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// As in the form and in JSON: `email`, `new_password`.
    pub field: &'static str,
    /// For machines; stays what it is.
    pub code: &'static str,
    /// For people: says what to do.
    pub message: String,
}

impl Fault {
    pub(super) fn new(field: &'static str, code: &'static str, message: impl Into<String>) -> Self {
        Self { field, code, message: message.into() }
    }
}

/// Collects all faults of a form, so that nobody learns of them one by one.
#[derive(Default)]
pub(super) struct Faults(Vec<Fault>);

impl Faults {
    pub fn add(&mut self, fault: Fault) {
        self.0.push(fault);
    }

    pub fn email(&mut self, typed: &str) -> Option<Email> {
        self.note(Email::parse(typed).map_err(|fault: EmailFault| Fault::new("email", fault.code(), fault.to_string())))
    }

    /// Trimmed and in NFC.
    pub fn name(&mut self, typed: &str) -> Option<String> {
        self.note(name(typed))
    }

    pub fn new_password(
        &mut self,
        field: &'static str,
        policy: &Policy,
        password: &str,
        email: Option<&Email>,
        name: &str,
    ) -> Option<NewPassword> {
        let (local, key) = email.map_or(("", ""), |email| (email.local_part(), email.key()));
        let checked = policy.check(password, &[local, key, name]);
        self.note(checked.map_err(|fault: PasswordFault| Fault::new(field, fault.code(), fault.to_string())))
    }

    /// A password that was typed to prove something: whether it is good is not the question.
    pub fn required(&mut self, field: &'static str, password: &str) {
        if password.is_empty() {
            self.add(Fault::new(field, "required", "Enter your password."));
        }
    }

    pub fn list(self) -> Vec<Fault> {
        self.0
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn note<T>(&mut self, outcome: Result<T, Fault>) -> Option<T> {
        outcome.map_err(|fault| self.add(fault)).ok()
    }
}

fn name(typed: &str) -> Result<String, Fault> {
    let typed = typed.trim();
    let fault = |code, message: &str| Err(Fault::new("name", code, message));
    if typed.is_empty() {
        return fault("required", "Enter your name, as others should see it.");
    }
    let too_long = || fault("too_long", &format!("Use at most {NAME_MAX} characters for your name."));
    if typed.len() > NAME_MAX * 4 * 4 {
        return too_long();
    }
    let name: String = typed.nfc().collect();
    if name.chars().count() > NAME_MAX {
        return too_long();
    }
    if name.chars().any(|c| c.is_control() || is_order_override(c)) {
        return fault("control_character", "Leave out characters that cannot be seen, such as line breaks.");
    }
    Ok(name)
}

/// Turns the text that follows on the page around, or hides where it ends.
fn is_order_override(c: char) -> bool {
    matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}' | '\u{FEFF}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_trimmed_and_composed() {
        assert_eq!(name(" \u{2003}Rene\u{301} van der Bloom\t"), Ok("Ren\u{e9} van der Bloom".to_owned()));
        assert_eq!(name("x"), Ok("x".to_owned()));
        assert_eq!(name(&"ü".repeat(100)), Ok("ü".repeat(100)));
        assert_eq!(name(&"u\u{308}".repeat(100)), Ok("ü".repeat(100)));
    }

    #[test]
    fn a_name_must_be_there_short_and_visible() {
        let code = |typed: &str| name(typed).map_err(|fault| fault.code);
        assert_eq!(code(" \n "), Err("required"));
        assert_eq!(code(&"ü".repeat(101)), Err("too_long"));
        assert_eq!(code(&"x".repeat(5_000_000)), Err("too_long"));
        for typed in ["a\0b", "a\nb", "a\u{85}b", "a\u{202e}b"] {
            assert_eq!(code(typed), Err("control_character"), "{typed:?}");
        }
    }
}
