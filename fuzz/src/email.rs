//! What was typed as an e-mail address.

use hallpass::fuzzing::{self, EMAIL_MAX, Email, LOCAL_PART_MAX};
use unicode_normalization::UnicodeNormalization;

pub fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let email = match fuzzing::email(&text) {
        Ok(email) => email,
        Err(fault) => return assert!(!is_ordinary(&text), "{text:?}: {fault}"),
    };
    assert_eq!(email.typed(), text.trim());
    mail_can_be_sent(email.typed());
    mail_can_be_sent(email.key());
    key_is_one(&email);
}

fn mail_can_be_sent(address: &str) {
    assert!(address.len() <= EMAIL_MAX, "{address:?}");
    assert_eq!(address.matches('@').count(), 1, "{address:?}");
    let is_hidden =
        |c: char| c.is_control() || c.is_whitespace() || "\u{200b}\u{200e}\u{202e}\u{2066}\u{feff}".contains(c);
    assert!(!address.contains(is_hidden), "{address:?}");
    assert!(!address.contains(['"', '<', '>', '(', ')', ',', ';', ':', '\\', '[', ']']), "{address:?}");
}

fn key_is_one(email: &Email) {
    let (local, domain) = email.key().split_once('@').expect("an @");
    assert_eq!(local, email.local_part());
    assert!(local.len() <= LOCAL_PART_MAX);
    assert!(domain.is_ascii() && domain.contains('.') && domain == domain.to_ascii_lowercase(), "{domain:?}");
    assert_eq!(key_of(email.key()), Ok(email.key().to_owned()), "a key is its own key");
    let typed = email.typed();
    let ways: [(&str, String); 4] = [
        ("composed", typed.nfc().collect()),
        ("decomposed", typed.nfd().collect()),
        ("in capitals", typed.to_ascii_uppercase()),
        ("between blanks", format!("\u{2003} {typed}\r\n")),
    ];
    for (way, other) in ways {
        match key_of(&other) {
            // Decomposed, it takes more bytes.
            Err("too_long") if other.len() > typed.len() => {}
            key => assert_eq!(key, Ok(email.key().to_owned()), "{typed:?} {way} is another address"),
        }
    }
}

fn key_of(text: &str) -> Result<String, &'static str> {
    fuzzing::email(text).map(|email| email.key().to_owned())
}

/// Most of the world's addresses: none of them may be refused.
fn is_ordinary(text: &str) -> bool {
    let is_plain = |text: &str| (1..=20).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_lowercase());
    text.split_once('@').is_some_and(|(local, domain)| {
        is_plain(local) && domain.split_once('.').is_some_and(|(name, top)| is_plain(name) && is_plain(top))
    })
}
