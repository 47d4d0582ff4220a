//! A password hash of another system, as an import brings it.

use hallpass::fuzzing::check_foreign_hash;

const TEXT_MAX: usize = 512;

pub fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if check_foreign_hash(&text).is_ok() {
        assert!(text.len() <= TEXT_MAX && text.bytes().all(|byte| byte.is_ascii_graphic()), "{text:?}");
        assert!(costs_are_bounded(&text), "{text:?}");
        one_that_was_cut_off_is_refused(&text);
    }
}

/// By the largest number before the salt: a cost is one, whatever notation it is in.
fn costs_are_bounded(text: &str) -> bool {
    let largest = |parts: usize| {
        let parts = text.split('$').take(parts).flat_map(|part| part.split([':', ',', '=']));
        parts.filter_map(|part| part.parse::<u64>().ok()).max().unwrap_or(0)
    };
    match text.split_inclusive(['$', ':', '_']).next() {
        Some("pbkdf2:") => largest(1) <= 5_000_000,
        Some("pbkdf2_") => largest(2) <= 5_000_000,
        Some("scrypt:") => largest(1) <= 1 << 30,
        Some("scrypt$") => largest(2) <= 1 << 30,
        Some("bcrypt$" | "bcrypt_") => largest(4) <= 16,
        _ if text.starts_with("$pbkdf2") => largest(3) <= 5_000_000,
        _ if text.starts_with("$2") || text.starts_with("$bcrypt") => largest(3) <= 16,
        _ if text.starts_with("$scrypt$") => largest(3) <= 1 << 24,
        _ => true,
    }
}

/// A hash that lost its end would be right for every password whose hash begins as it does.
fn one_that_was_cut_off_is_refused(text: &str) {
    // Argon2's notation does not say how long the hash is.
    if text.starts_with("$argon2") || text.starts_with("argon2$") {
        return;
    }
    let unpadded = text.trim_end_matches('=');
    for lost in 1..=4 {
        let cut = &unpadded[..unpadded.len() - lost];
        assert!(check_foreign_hash(cut).is_err(), "{cut:?} of {text:?}");
    }
}
