//! Passwords that are long and yet guessed early.
//!
//! One measure: what is left of a password when its predictable parts are taken out. Fewer than
//! [`LEFT_MIN`] characters that are less than half of it count for nothing.

use std::collections::HashSet;
use std::sync::LazyLock;

use unicode_normalization::UnicodeNormalization;

use super::password::PasswordFault;

/// Code points that must be left, as many as the shortest password that any policy admits.
const LEFT_MIN: usize = 8;
/// Three neighbours in a row are no accident when most of a password is made of them.
const RUN_MIN: usize = 3;
/// Stands where something was taken out; no password has it.
const GAP: char = '\0';

/// Neighbours on a line are what fingers and counting produce, in either direction.
const LINES: [&str; 29] = [
    "abcdefghijklmnopqrstuvwxyz",
    "01234567890",
    "1234567890-=",
    "!@#$%^&*()_+",
    "qwertyuiop[]",
    "asdfghjkl;'",
    "zxcvbnm,./",
    "qwertzuiopü+",
    "asdfghjklöä#",
    "yxcvbnm,.-",
    "azertyuiop",
    "qsdfghjklm",
    "wxcvbn",
    "йцукенгшщзхъ",
    "фывапролджэ",
    "ячсмитьбю",
    "1qaz",
    "2wsx",
    "3edc",
    "4rfv",
    "5tgb",
    "6yhn",
    "7ujm",
    "8ik,",
    "9ol.",
    "0p;/",
    "147",
    "258",
    "369",
];

static COMMON: LazyLock<HashSet<&str>> = LazyLock::new(|| listed().collect());

fn listed() -> impl Iterator<Item = &'static str> {
    include_str!("common_passwords.txt").lines().filter(|line| !line.starts_with('#'))
}

/// The first reason to refuse a password that is already in NFC and of good length.
pub(super) fn fault(password: &str, site_name: &str, own: &[&str]) -> Option<PasswordFault> {
    let password = folded(password);
    let chars: Vec<char> = password.chars().collect();
    if period(&chars).is_some_and(|length| length < LEFT_MIN) {
        return Some(PasswordFault::Repeated);
    }
    if is_little(outside_runs(&chars), chars.len()) {
        return Some(PasswordFault::Sequence);
    }
    if is_common(&password) {
        return Some(PasswordFault::Common);
    }
    if is_made_of(&password, words([site_name])) {
        return Some(PasswordFault::SiteName);
    }
    // Both together, too: neither the site's name nor one's own is a secret.
    is_made_of(&password, words(own.iter().copied().chain([site_name]))).then_some(PasswordFault::OwnData)
}

fn is_little(left: usize, of: usize) -> bool {
    left < LEFT_MIN && left * 2 < of
}

fn folded(text: &str) -> String {
    text.to_lowercase().nfc().collect()
}

/// The length of the shortest unit that the whole text repeats at least twice; the last time may be cut short.
fn period(chars: &[char]) -> Option<usize> {
    (1..=chars.len() / 2).find(|&length| chars[length..].iter().zip(chars).all(|(a, b)| a == b))
}

/// How many characters stand outside of runs along a line, or of one character.
fn outside_runs(chars: &[char]) -> usize {
    let (mut at, mut outside) = (0, 0);
    while at < chars.len() {
        let run = run_length(&chars[at..]);
        if run >= RUN_MIN {
            at += run;
        } else {
            outside += usize::from(chars[at] != GAP);
            at += 1;
        }
    }
    outside
}

/// How far the text goes on as it starts: along one line in one direction, or on one spot.
fn run_length(chars: &[char]) -> usize {
    let same = chars.iter().take_while(|c| **c == chars[0] && **c != GAP).count();
    let along = |line: &str| {
        let forward = line.char_indices().filter(|(_, c)| *c == chars[0]).map(|(at, _)| {
            let ahead = line[at..].chars().zip(chars).take_while(|(a, b)| a == *b).count();
            let back = line[..at].chars().rev().zip(&chars[1..]).take_while(|(a, b)| a == *b).count() + 1;
            ahead.max(back)
        });
        forward.max().unwrap_or(0)
    };
    LINES.iter().map(|line| along(line)).max().unwrap_or(0).max(same)
}

/// Listed, or listed with digits and signs around it, or a repetition of that.
fn is_common(password: &str) -> bool {
    let without_signs = password.trim_end_matches(|c: char| !c.is_alphanumeric());
    let without_end = password.trim_end_matches(|c: char| !c.is_alphabetic());
    let without_ends = password.trim_matches(|c: char| !c.is_alphabetic());
    [password, without_signs, without_end, without_ends].into_iter().any(|text| {
        let chars: Vec<char> = text.chars().collect();
        let unit = period(&chars).map(|length| chars[..length].iter().collect::<String>());
        COMMON.contains(text) || unit.is_some_and(|unit| COMMON.contains(unit.as_str()))
    })
}

/// Whether, without the words, little is left, or no letter.
fn is_made_of(password: &str, mut words: Vec<String>) -> bool {
    // The longest first: "annabelle" before "anna".
    words.sort_by_key(|word| std::cmp::Reverse(word.len()));
    let without = words.iter().fold(password.to_owned(), |text, word| text.replace(word.as_str(), "\0"));
    if without == password {
        return false;
    }
    let left: Vec<char> = without.chars().collect();
    !left.iter().any(|c| c.is_alphabetic()) || is_little(outside_runs(&left), password.chars().count())
}

/// Each text, its words, and its words run together. What is too short to mean somebody is left out.
fn words<'a>(texts: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let mut words = Vec::new();
    for text in texts.into_iter().map(folded) {
        let parts: Vec<&str> = text.split(|c: char| !c.is_alphanumeric()).filter(|part| !part.is_empty()).collect();
        words.push(parts.concat());
        words.extend(parts.into_iter().map(str::to_owned));
        words.push(text);
    }
    words.retain(|word| {
        let (length, is_latin) = (word.chars().count(), word.chars().all(|c| (c as u32) < 0x250));
        word.chars().any(char::is_alphabetic) && length >= if is_latin { 3 } else { 2 }
    });
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(password: &str) -> Option<PasswordFault> {
        super::fault(password, "Blue Lantern", &["anna.berg", "anna.berg@example.org", "Anna Berg"])
    }

    #[test]
    fn the_list_is_sorted_lowercase_and_has_no_entry_that_no_policy_admits() {
        let list: Vec<&str> = listed().collect();
        assert!(list.len() > 20_000);
        assert!(list.is_sorted());
        for entry in list {
            assert!(entry.chars().count() >= LEFT_MIN && folded(entry) == entry, "{entry}");
        }
    }

    #[test]
    fn common_passwords_are_refused_in_their_usual_disguises() {
        for password in [
            "Passwordpassword",
            "PASSWORD20251231",
            "password!",
            "iloveyou!!!!!!!!",
            "1q2w3e4r5t6y7u8i9o",
            "2024-sunshine-2024",
            "P@ssw0rdP@ssw0rd",
            "trustno1trustno1trustno1",
        ] {
            assert_eq!(fault(password), Some(PasswordFault::Common), "{password}");
        }
    }

    #[test]
    fn short_units_repeated_are_refused() {
        for password in [
            "aaaaaaaaaaaaaaa",
            "abcabcabcabcabc",
            "xK4xK4xK4xK4xK4x",
            "abababab",
            "НочьНочьНочьНочь",
            "               ",
        ] {
            assert_eq!(fault(password), Some(PasswordFault::Repeated), "{password}");
        }
    }

    #[test]
    fn rows_of_keyboard_alphabet_and_numbers_are_refused() {
        for password in [
            "123456789012345",
            "qwertyuiopasdfg",
            "987654321098765",
            "1qaz2wsx3edc4rfv",
            "abcdefghijklmno",
            "zyxwvutsrqponml",
            "qwertzuiopasdfg",
            "aaabbbcccdddeee",
            "йцукенгшщзфывап",
            "dragon123456789",
            "!@#$%^&*()qwerty",
            "abc12345",
        ] {
            assert_eq!(fault(password), Some(PasswordFault::Sequence), "{password}");
        }
    }

    #[test]
    fn the_sites_name_alone_is_refused() {
        for password in ["bluelanternbluelantern", "Blue Lantern 2025", "lantern-19841231", "BlueLantern!blue"] {
            assert_eq!(fault(password), Some(PasswordFault::SiteName), "{password}");
        }
    }

    #[test]
    fn the_owners_data_alone_is_refused() {
        for password in [
            "anna.berg@example.org",
            "AnnaBerg19850412",
            "berganna berganna",
            "anna&berganna&berg",
            "Anna Berg 123 xyz",
            "anna.berg@lantern",
        ] {
            assert_eq!(fault(password), Some(PasswordFault::OwnData), "{password}");
        }
        assert_eq!(super::fault("田中さん、田中です", "x", &["田中 さん"]), Some(PasswordFault::OwnData));
    }

    #[test]
    fn good_passwords_are_not_refused() {
        for password in [
            "correct horse battery",
            "my blue lantern is on the shelf",
            "anna likes seventeen cats",
            "Tr4-mq9 Xw2;vBe",
            "abcdefg is how it starts, surely",
            "the first student defends hijackers",
            "kV9#mQ2x-kV9#mQ2y",
            "12 monkeys 28 days",
            "bergamot and lemongrass",
            "w7#Kp2!z",
            "秘密の合言葉は長いほうがよいです",
            "x9!kanna",
        ] {
            assert_eq!(fault(password), None, "{password}");
        }
    }

    #[test]
    fn nothing_known_of_the_owner_refuses_nothing() {
        assert_eq!(super::fault("correct horse battery", "", &["", "a", "  "]), None);
    }
}
