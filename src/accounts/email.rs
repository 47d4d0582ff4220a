//! An e-mail address: as it was typed, and as it is compared.
//!
//! No library: those that follow RFC 5322 admit quoted local parts, comments and invisible characters, all of
//! which would have to be refused again here. What is left is a list of characters; domains are `idna`'s.

use std::fmt;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// Of the whole address with its domain in ASCII, in bytes: the path of RFC 5321 section 4.5.3.1.3 is 256 with `<>`.
pub const EMAIL_MAX: usize = 254;
/// Of the part before the `@`, in bytes of UTF-8 (RFC 5321 section 4.5.3.1.1).
pub const LOCAL_PART_MAX: usize = 64;
/// Longer input, in bytes, isn't looked at: no normalisation makes it short enough.
const TYPED_MAX: usize = 4 * EMAIL_MAX;

/// An address that mail can be sent to. Two are the same account's if their keys are equal.
#[derive(Clone, Debug)]
pub struct Email {
    typed: String,
    key: String,
    at: usize,
}

/// What is wrong with an address; the text tells the visitor what to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EmailFault {
    #[error("Enter your e-mail address.")]
    Missing,
    #[error("Enter an e-mail address such as name@example.org.")]
    Form,
    #[error("The part before the @ has a character that this site does not accept. Check it, or use another address.")]
    Local,
    #[error("Check the part after the @: it must be a domain such as example.org.")]
    Domain,
    #[error(
        "This e-mail address is too long. Use one of at most {EMAIL_MAX} characters, {LOCAL_PART_MAX} before the @."
    )]
    TooLong,
}

impl EmailFault {
    /// The machine's word for it.
    pub fn code(self) -> &'static str {
        match self {
            Self::Missing => "required",
            Self::Form | Self::Local | Self::Domain => "invalid",
            Self::TooLong => "too_long",
        }
    }
}

impl Email {
    /// Reads what a visitor typed. Whitespace around it is not part of it; whitespace inside is a fault.
    pub fn parse(text: &str) -> Result<Self, EmailFault> {
        let typed = text.trim();
        if typed.is_empty() {
            return Err(EmailFault::Missing);
        }
        if typed.len() > TYPED_MAX {
            return Err(EmailFault::TooLong);
        }
        let (local, domain) = typed.split_once('@').ok_or(EmailFault::Form)?;
        if local.is_empty() || domain.is_empty() || domain.contains('@') {
            return Err(EmailFault::Form);
        }
        let local = comparable(local);
        if !is_dot_atom(&local) {
            return Err(EmailFault::Local);
        }
        let domain = ascii_domain(domain).ok_or(EmailFault::Domain)?;
        let key = format!("{local}@{domain}");
        // Lowercasing can lengthen or shorten a letter: both forms must fit.
        if local.len() > LOCAL_PART_MAX || key.len() > EMAIL_MAX || typed.len() > EMAIL_MAX {
            return Err(EmailFault::TooLong);
        }
        Ok(Self { typed: typed.to_owned(), key, at: local.len() })
    }

    /// For showing, and for sending mail to.
    pub fn typed(&self) -> &str {
        &self.typed
    }

    /// For comparing: case, composition of letters and form of the domain make no difference.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The part of the key before the `@`.
    pub fn local_part(&self) -> &str {
        &self.key[..self.at]
    }
}

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.typed)
    }
}

/// RFC 5321 lets a host tell `Anna` from `anna`; none that people use does, and people type both.
fn comparable(local: &str) -> String {
    local.nfc().collect::<String>().to_lowercase().nfc().collect()
}

/// RFC 5322's dot-atom. Beyond ASCII letters, digits and their marks only: what cannot be seen (format characters,
/// bidirectional controls, spaces of all kinds) would make two accounts that look the same.
fn is_dot_atom(local: &str) -> bool {
    local
        .split('.')
        .all(|atom| !atom.is_empty() && atom.chars().all(is_atom_char) && !atom.starts_with(is_combining_mark))
}

fn is_atom_char(c: char) -> bool {
    if c.is_ascii() {
        c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c)
    } else {
        (c.is_alphanumeric() || is_combining_mark(c)) && !is_filler(c)
    }
}

/// Letters, marks and symbols to Unicode, and yet drawn as nothing.
fn is_filler(c: char) -> bool {
    matches!(c, '\u{034F}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}' | '\u{2800}' | '\u{3164}' | '\u{FFA0}'
        | '\u{1107F}' | '\u{13440}'..='\u{13442}' | '\u{16FE4}' | '\u{1D159}'
        | '\u{180B}'..='\u{180F}' | '\u{FE00}'..='\u{FE0F}' | '\u{E0100}'..='\u{E01EF}')
}

/// What UTS 46 drops from a domain without a word: it would be shown, and mailed to, but not compared.
fn is_dropped(c: char) -> bool {
    is_filler(c)
        || matches!(c, '\u{AD}' | '\u{200B}' | '\u{2060}'..='\u{2064}' | '\u{206A}'..='\u{206F}' | '\u{FEFF}'
            | '\u{1BCA0}'..='\u{1BCA3}' | '\u{1D173}'..='\u{1D17A}')
}

/// The domain in lower-case A-labels, by UTS 46 with STD3 rules, checked hyphens and DNS lengths.
fn ascii_domain(domain: &str) -> Option<String> {
    if domain.contains(is_dropped) {
        return None;
    }
    // UTS 46 maps before it composes: marks in another order would make another domain.
    let ascii = idna::domain_to_ascii_strict(&domain.nfc().collect::<String>()).ok()?;
    // STD3 rules refuse `=`, `<` and `>`, but not what a stroke makes of them: they would be shown as they were typed.
    if idna::domain_to_unicode(&ascii).0.contains(['\u{2260}', '\u{226E}', '\u{226F}']) {
        return None;
    }
    let (_, top) = ascii.rsplit_once('.')?;
    // No top-level domain is a number (RFC 3696 section 2): that would be an address of a machine.
    (!top.bytes().all(|byte| byte.is_ascii_digit())).then_some(ascii)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> String {
        Email::parse(text).map_or_else(|fault| format!("{fault:?}"), |email| email.key)
    }

    #[test]
    fn an_address_is_shown_as_typed_and_compared_without_case() {
        let email = Email::parse(" \t\u{2003}Anna.Berg+News@Example.ORG\r\n").expect("an address");
        assert_eq!(email.typed(), "Anna.Berg+News@Example.ORG");
        assert_eq!(email.key(), "anna.berg+news@example.org");
        assert_eq!(email.local_part(), "anna.berg+news");
    }

    #[test]
    fn the_same_domain_with_its_marks_in_another_order_is_one_address() {
        let typed = "anna@e\u{308}\u{308}\u{345}\u{318}n.example";
        assert_eq!(key(typed), key(&typed.nfc().collect::<String>()));
        assert_eq!(key(typed), key(&typed.nfd().collect::<String>()));
    }

    #[test]
    fn the_same_domain_in_unicode_and_punycode_is_one_address() {
        let one = "anna@xn--bcher-kva.example";
        for other in
            ["anna@bücher.example", "anna@BÜCHER.example", "anna@bu\u{308}cher.example", "anna@XN--BCHER-KVA.Example"]
        {
            assert_eq!(key(other), one, "{other}");
        }
        assert_eq!(key("anna@例え.テスト"), "anna@xn--r8jz45g.xn--zckzah");
        assert_eq!(key("anna@例え。テスト"), key("anna@例え.テスト"), "the ideographic full stop is a dot");
        assert_ne!(key("anna@strasse.example"), key("anna@straße.example"), "two domains since IDNA 2008");
    }

    #[test]
    fn composed_and_decomposed_letters_are_one_address() {
        assert_eq!(key("ren\u{e9}e@example.org"), key("rene\u{301}e@example.org"));
        assert_eq!(key("REN\u{c9}E@example.org"), key("rene\u{301}e@example.org"));
        assert_ne!(key("renee@example.org"), key("renée@example.org"));
    }

    #[test]
    fn a_key_is_its_own_key() {
        for typed in ["İstanbul@example.org", "ΟΔΟΣ@example.org", "Ǆ@example.org", "\u{1E9E}@bücher.example"] {
            assert_eq!(key(&key(typed)), key(typed), "{typed}");
        }
    }

    #[test]
    fn addresses_of_real_people_are_accepted() {
        for typed in [
            "a@b.co",
            "o'neil@example.org",
            "x_y-z@sub.example.museum",
            "почта@пример.рф",
            "संपर्क@डाटामेल.भारत",
            "1@1.example",
            "a/b=c?d{e}@example.org",
        ] {
            assert!(Email::parse(typed).is_ok(), "{typed}: {}", key(typed));
        }
    }

    #[test]
    fn hostile_or_broken_input_is_refused() {
        use EmailFault::*;
        let cases = [
            ("", Missing),
            ("  \u{a0} ", Missing),
            ("anna", Form),
            ("@example.org", Form),
            ("anna@", Form),
            ("a@b@example.org", Form),
            ("\"anna\"@example.org", Local),
            ("\"a@b\"@example.org", Form),
            ("anna(x)@example.org", Local),
            (".anna@example.org", Local),
            ("anna.@example.org", Local),
            ("an..na@example.org", Local),
            ("an na@example.org", Local),
            ("an\0na@example.org", Local),
            ("an\nna@example.org", Local),
            ("an\u{200b}na@example.org", Local),
            ("an\u{202e}na@example.org", Local),
            ("an\u{3164}na@example.org", Local),
            ("anna\u{fe0f}@example.org", Local),
            ("\u{301}anna@example.org", Local),
            ("Anna <anna@example.org>", Local),
            ("anna,berg@example.org", Local),
            ("anna;@example.org", Local),
            ("anna\\@example.org", Local),
            ("anna@localhost", Domain),
            ("anna@[127.0.0.1]", Domain),
            ("anna@127.0.0.1", Domain),
            ("anna@example.org.", Domain),
            ("anna@.org", Domain),
            ("anna@example..org", Domain),
            ("anna@-a.org", Domain),
            ("anna@a_b.org", Domain),
            ("anna@exam ple.org", Domain),
            ("anna@example.org\0", Domain),
            ("anna@example.org\r\nBcc: x", Domain),
            ("anna@example.org>", Domain),
            ("anna@xn--.org", Domain),
            ("anna@xn--zzzzzzzzzzz99999.org", Domain),
            ("anna@a\u{202e}b.org", Domain),
            ("anna@exam\u{ad}ple.org", Domain),
            ("anna@a<\u{338}b.org", Domain),
            ("anna@a>\u{31b}\u{338}b.org", Domain),
            ("anna@a\u{226f}b.org", Domain),
            ("anna@a<\u{206a}\u{338}b.org", Domain),
            ("anna@a\u{ff1c}\u{338}b.org", Domain),
            ("anna@xn--ab-tjv.org", Domain),
            ("anna@exam\u{206a}ple.org", Domain),
            ("anna@exam\u{2800}ple.org", Domain),
            ("anna@exam\u{1d173}ple.org", Domain),
            ("anna@example.org/x", Domain),
        ];
        for (typed, fault) in cases {
            assert_eq!(Email::parse(typed).err(), Some(fault), "{typed:?}");
        }
    }

    #[test]
    fn lengths_are_those_of_smtp() {
        let (local, label) = ("a".repeat(64), "b".repeat(63));
        // 64 + 1 + 63 + 1 + 63 + 1 + 61 = 254
        let longest = format!("{local}@{label}.{label}.{}", "c".repeat(61));
        assert_eq!(longest.len(), EMAIL_MAX);
        assert!(Email::parse(&longest).is_ok());
        assert_eq!(Email::parse(&format!("{longest}c")).err(), Some(EmailFault::TooLong));
        assert_eq!(Email::parse(&format!("a{local}@example.org")).err(), Some(EmailFault::TooLong));
        assert_eq!(Email::parse(&format!("{}@example.org", "é".repeat(33))).err(), Some(EmailFault::TooLong), "bytes");
        assert_eq!(Email::parse(&format!("a@{}b.org", "b".repeat(63))).err(), Some(EmailFault::Domain));
        assert_eq!(Email::parse(&"a".repeat(5_000_000)).err(), Some(EmailFault::TooLong));
    }
}
