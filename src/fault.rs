//! What is wrong with what was typed, field by field.

use unicode_normalization::UnicodeNormalization;

/// Every code, with what it means; what to do stands in the message.
pub const CODES: &[(&str, &str)] = &[
    ("required", "The field is empty. Fill it in."),
    ("missing", "The field is missing from the JSON object."),
    ("unknown", "There is no field of this name."),
    ("duplicate", "The field was sent more than once."),
    ("wrong_type", "The JSON value is of another type."),
    ("unreadable", "The form field is not UTF-8."),
    ("invalid", "This is no e-mail address."),
    ("too_short", "The password has too few characters."),
    ("too_long", "The text has too many characters."),
    ("control_character", "The text has characters that cannot be seen."),
    ("common", "The password is on the list of common ones."),
    ("site_name", "The password is made of the site's name."),
    ("own_data", "The password is made of the account's name or address."),
    ("repeated", "The password repeats a few characters."),
    ("sequence", "The password is a sequence of keys, letters or digits."),
    ("unchanged", "The new password is the present one."),
    ("wrong", "The password is not the account's."),
    ("refused", "Address or password is not right; which is not told."),
    ("taken", "There is an account with this address."),
    ("not_allowed", "The value is none of those that are allowed here."),
    ("out_of_range", "The number is too small or too large."),
    ("too_many", "There are as many already as are kept."),
];

/// Of a name, in code points after normalisation.
const NAME_MAX: usize = 100;

/// The field that stands for the whole form.
pub const WHOLE: &str = "form";

/// One thing that is wrong with one field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// As in the form and in JSON: `email`, `new_password`; `form` if it is the whole.
    pub field: &'static str,
    /// For machines; stays what it is.
    pub code: &'static str,
    /// For people: says what to do.
    pub message: String,
}

impl Fault {
    pub(crate) fn new(field: &'static str, code: &'static str, message: impl Into<String>) -> Self {
        debug_assert!(CODES.iter().any(|(known, _)| *known == code), "the code {code} is not in the table");
        Self { field, code, message: message.into() }
    }
}

/// Collects all faults of a form, so that nobody learns of them one by one.
#[derive(Default)]
pub(crate) struct Faults(Vec<Fault>);

impl Faults {
    pub fn add(&mut self, fault: Fault) {
        self.0.push(fault);
    }

    /// The field `name`, of a person or a thing: trimmed and in NFC. `if_missing` says what to enter there.
    pub fn name(&mut self, typed: &str, if_missing: &str) -> Option<String> {
        self.note(name(typed, if_missing))
    }

    pub fn note<T>(&mut self, outcome: Result<T, Fault>) -> Option<T> {
        outcome.map_err(|fault| self.add(fault)).ok()
    }

    pub fn list(self) -> Vec<Fault> {
        self.0
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// For logs and the command line: a line for each.
pub(crate) fn in_one_text(faults: &[Fault]) -> String {
    let lines: Vec<_> = faults.iter().map(|fault| format!("{}: {}", fault.field, fault.message)).collect();
    lines.join("\n")
}

fn name(typed: &str, if_missing: &str) -> Result<String, Fault> {
    let typed = typed.trim();
    let fault = |code, message: &str| Err(Fault::new("name", code, message));
    if typed.is_empty() {
        return fault("required", if_missing);
    }
    let too_long = || fault("too_long", &format!("Use at most {NAME_MAX} characters for the name."));
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
        let name = |typed: &str| name(typed, "");
        assert_eq!(name(" \u{2003}Rene\u{301} van der Bloom\t"), Ok("Ren\u{e9} van der Bloom".to_owned()));
        assert_eq!(name("x"), Ok("x".to_owned()));
        assert_eq!(name(&"ü".repeat(100)), Ok("ü".repeat(100)));
        assert_eq!(name(&"u\u{308}".repeat(100)), Ok("ü".repeat(100)));
    }

    #[test]
    fn a_name_must_be_there_short_and_visible() {
        let code = |typed: &str| name(typed, "").map_err(|fault| fault.code);
        assert_eq!(code(" \n "), Err("required"));
        assert_eq!(code(&"ü".repeat(101)), Err("too_long"));
        assert_eq!(code(&"x".repeat(5_000_000)), Err("too_long"));
        for typed in ["a\0b", "a\nb", "a\u{85}b", "a\u{202e}b"] {
            assert_eq!(code(typed), Err("control_character"), "{typed:?}");
        }
    }
}
