//! Password hashes that other systems made, in the notations in which they export them. One is good until its owner's
//! next log-in, which puts one of ours in its place.
//!
//! The notations are those of the PHC string format, passlib 1.7, Django 5 (`contrib/auth/hashers.py`) and Werkzeug 3
//! (`security.py`). None is ever part of a message: it may be somebody's password, put into the wrong column.
//!
//! What a check may cost is bounded for each family, so that no log-in takes a processor for more than some seconds or
//! the memory of the others. Each bound is a multiple of what these systems, OWASP or the algorithm's authors recommend.

mod argon2;
mod bcrypt;
mod pbkdf2;
mod scrypt;

use aws_lc_rs::constant_time;
use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use zeroize::Zeroizing;

use self::argon2::{ARGON2_MEMORY_KIB_ACCEPTED, ARGON2_PARALLELISM_ACCEPTED, ARGON2_WORK_ACCEPTED, Argon2};
use self::bcrypt::{BCRYPT_COST_MAX, Bcrypt, Before};
use self::pbkdf2::{PBKDF2_ROUNDS_MAX, Pbkdf2};
use self::scrypt::{SCRYPT_BLOCKS_MAX, SCRYPT_MEMORY_MAX, SCRYPT_WORK_MAX, Scrypt};
use super::hasher::{PasswordError, Verdict};
use super::password::normalised;

/// In bytes; the longest of those that are accepted, with a salt of 64 bytes, has some 200.
const TEXT_MAX: usize = 512;
/// In bytes. Of a shorter one, somebody finds a password sooner than the password.
const OUTPUT_MIN: usize = 16;

/// Some encoders leave bits of the last letter set that no decoder reads, some pad and some do not.
const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_allow_trailing_bits(true)
    .with_decode_padding_mode(DecodePaddingMode::Indifferent);
const BASE64: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);

/// Why a hash is not accepted; the text tells an operator what is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HashFault {
    #[error("The password hash is missing.")]
    Missing,
    #[error(
        "This is no hash that can be used here. Accepted are Argon2, bcrypt, scrypt and PBKDF2, written as in the README."
    )]
    Unknown,
    #[error("This hash is incomplete or damaged: it begins as one that is accepted, and goes on otherwise.")]
    Damaged,
    #[error("Checking this hash would cost too much. bcrypt is accepted with a cost of 4 to {BCRYPT_COST_MAX}.")]
    BcryptCost,
    #[error("Checking this hash would cost too much. PBKDF2 is accepted with 1 to {PBKDF2_ROUNDS_MAX} iterations.")]
    Pbkdf2Cost,
    #[error(
        "Checking this hash would cost too much. scrypt is accepted with 128·N·r of at most {} GiB, 128·r·p of at most {} MiB, and 128·N·r·p of at most {} GiB.",
        SCRYPT_MEMORY_MAX >> 30, SCRYPT_BLOCKS_MAX >> 20, SCRYPT_WORK_MAX >> 30
    )]
    ScryptCost,
    #[error(
        "Checking this hash would cost too much. Argon2 is accepted with at most {} GiB of memory, {} GiB in all passes together, and {ARGON2_PARALLELISM_ACCEPTED} lanes.",
        ARGON2_MEMORY_KIB_ACCEPTED >> 20, ARGON2_WORK_ACCEPTED >> 20
    )]
    Argon2Cost,
}

// None has room for any of the text.
const _: () = assert!(size_of::<HashFault>() == 1);

impl HashFault {
    /// The machine's word for it.
    pub fn code(self) -> &'static str {
        match self {
            Self::Missing => "required",
            Self::Unknown | Self::Damaged => "not_allowed",
            Self::BcryptCost | Self::Pbkdf2Cost | Self::ScryptCost | Self::Argon2Cost => "out_of_range",
        }
    }
}

/// Whether a hash can be taken over: not whether it is anybody's.
pub fn check(text: &str) -> Result<(), HashFault> {
    match StoredHash::read(text)? {
        StoredHash::Argon2(hash) if !hash.is_cheap() => Err(HashFault::Argon2Cost),
        _ => Ok(()),
    }
}

/// What somebody typed, in the forms in which it may have been hashed: in NFC by us, as it came by others.
pub struct Candidates {
    normalised: Option<Zeroizing<String>>,
    /// If that is another text, or one too long to be anybody's password here.
    as_typed: Option<Zeroizing<String>>,
}

impl Candidates {
    pub fn of(typed: &str) -> Self {
        let normalised = normalised(typed);
        let is_other = normalised.as_ref().is_none_or(|normalised| normalised.as_str() != typed);
        Self { normalised, as_typed: is_other.then(|| Zeroizing::new(typed.to_owned())) }
    }

    /// Compares each form with a stored hash. `argon2` does so for a PHC string of Argon2.
    ///
    /// # Errors
    /// `Failed` if the stored text is no hash, or one that would cost too much.
    pub fn verify(
        self,
        stored: &str,
        mut argon2: impl FnMut(&str, &str) -> Result<Verdict, PasswordError>,
    ) -> Result<Verdict, PasswordError> {
        let hash = StoredHash::read(stored).map_err(|error| {
            tracing::error!(%error, "a stored password hash cannot be checked");
            PasswordError::Failed
        })?;
        for candidate in [self.normalised, self.as_typed].into_iter().flatten() {
            let verdict = match &hash {
                // Also where it is as costly as ours, but in a notation of its own.
                StoredHash::Argon2(hash) => match argon2(&candidate, &hash.phc)? {
                    Verdict::Right { rehash } => Verdict::Right { rehash: rehash || hash.phc != stored },
                    Verdict::Wrong => Verdict::Wrong,
                },
                StoredHash::Bcrypt(hash) => hash.verify(&candidate),
                StoredHash::Scrypt(hash) => hash.verify(&candidate)?,
                StoredHash::Pbkdf2(hash) => hash.verify(&candidate),
            };
            if verdict != Verdict::Wrong {
                return Ok(verdict);
            }
        }
        Ok(Verdict::Wrong)
    }
}

enum StoredHash<'t> {
    Argon2(Argon2<'t>),
    Bcrypt(Bcrypt<'t>),
    Scrypt(Scrypt),
    Pbkdf2(Pbkdf2),
}

impl<'t> StoredHash<'t> {
    fn read(text: &'t str) -> Result<Self, HashFault> {
        if text.is_empty() {
            return Err(HashFault::Missing);
        }
        if text.len() > TEXT_MAX || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(HashFault::Unknown);
        }
        let parts: Vec<&str> = text.split('$').collect();
        match parts[..] {
            ["", "argon2id" | "argon2i" | "argon2d", ..] => Argon2::read(text).map(Self::Argon2),
            ["argon2", ..] => Argon2::read(&text["argon2".len()..]).map(Self::Argon2),
            ["", "2a" | "2b" | "2y", cost, rest] | ["bcrypt", "", "2a" | "2b" | "2y", cost, rest] => {
                Bcrypt::read(cost, rest, Before::Nothing).map(Self::Bcrypt)
            }
            ["bcrypt_sha256", "", "2a" | "2b" | "2y", cost, rest] => {
                Bcrypt::read(cost, rest, Before::Sha256InHex).map(Self::Bcrypt)
            }
            ["", "bcrypt-sha256", settings, salt, hash] => Bcrypt::read_passlib(settings, salt, hash).map(Self::Bcrypt),
            ["", "scrypt", settings, salt, hash] => Scrypt::read_phc(settings, salt, hash).map(Self::Scrypt),
            ["scrypt", n, salt, r, p, hash] => {
                Scrypt::read([n, r, p], salt, BASE64.decode(hash).ok()).map(Self::Scrypt)
            }
            ["", name, settings, salt, hash] if name.starts_with("pbkdf2") => {
                Pbkdf2::read_phc(name, settings, salt, hash).map(Self::Pbkdf2)
            }
            [name, rounds, salt, hash] if name.starts_with("pbkdf2_") => {
                let digest = &name["pbkdf2_".len()..];
                Pbkdf2::read(digest, rounds, salt.as_bytes(), BASE64.decode(hash).ok()).map(Self::Pbkdf2)
            }
            [method, salt, hash] => match method.split(':').collect::<Vec<_>>()[..] {
                ["scrypt", n, r, p] => Scrypt::read([n, r, p], salt, from_hex(hash)).map(Self::Scrypt),
                ["pbkdf2", digest, rounds] => {
                    Pbkdf2::read(digest, rounds, salt.as_bytes(), from_hex(hash)).map(Self::Pbkdf2)
                }
                _ => Err(unread(text)),
            },
            _ => Err(unread(text)),
        }
    }
}

/// What to say of a text that is of no notation.
fn unread(text: &str) -> HashFault {
    const BEGINNINGS: [&str; 12] = [
        "$argon2", "argon2$", "$2a$", "$2b$", "$2y$", "bcrypt$", "bcrypt_", "$bcrypt-", "$scrypt$", "scrypt",
        "$pbkdf2", "pbkdf2",
    ];
    match BEGINNINGS.iter().any(|beginning| text.starts_with(beginning)) {
        true => HashFault::Damaged,
        false => HashFault::Unknown,
    }
}

fn verdict(is_right: bool) -> Verdict {
    if is_right { Verdict::Right { rehash: true } } else { Verdict::Wrong }
}

fn are_equal(one: &[u8], other: &[u8]) -> bool {
    constant_time::verify_slices_are_equal(one, other).is_ok()
}

/// Digits alone: `parse` takes a plus sign, too.
fn number(text: &str) -> Option<u32> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let pair = |pair: &[u8]| u8::try_from(digit(pair[0])? * 16 + digit(*pair.get(1)?)?).ok();
    text.as_bytes().chunks(2).map(pair).collect()
}

#[cfg(test)]
mod tests;
