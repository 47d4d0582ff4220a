//! Password hashes that other systems made, in the notations in which they export them. One is good until its owner's
//! next log-in, which puts one of ours in its place.
//!
//! The notations are those of the PHC string format, passlib 1.7, Django 5 (`contrib/auth/hashers.py`) and Werkzeug 3
//! (`security.py`). None is ever part of a message: it may be somebody's password, put into the wrong column.

use std::borrow::Cow;
use std::num::NonZeroU32;

use argon2::Params;
use argon2::password_hash::phc::PasswordHash;
use aws_lc_rs::{constant_time, digest, hmac, pbkdf2};
use base64::Engine;
use base64::alphabet;
use base64::engine::general_purpose::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use zeroize::Zeroizing;

use super::hasher::{PasswordError, Verdict};
use super::password::normalised;
use crate::config::{ARGON2_ITERATIONS_MAX, ARGON2_MEMORY_KIB_MAX};

/// In bytes; the longest of those that are accepted, with a salt of 64 bytes, has some 200.
const TEXT_MAX: usize = 512;
/// In bytes. Of a shorter one, somebody finds a password sooner than the password.
const OUTPUT_MIN: usize = 16;

// What a check may cost, so that no log-in takes a processor for more than some seconds or the memory of the others.
// Each is a multiple of what the systems above, OWASP or the algorithm's authors recommend.

/// Doubles with each: some 4 seconds.
const BCRYPT_COST_MAX: u32 = 16;
/// Django 5.2 has a million.
const PBKDF2_ROUNDS_MAX: u32 = 5_000_000;
/// In bytes, 128·N·r.
const SCRYPT_MEMORY_MAX: u64 = 1 << 30;
/// In bytes, 128·N·r·p.
const SCRYPT_WORK_MAX: u64 = 2 << 30;
/// In bytes, 128·r·p, which is memory besides.
const SCRYPT_BLOCKS_MAX: u64 = 16 << 20;
/// The first recommendation of RFC 9106.
const ARGON2_MEMORY_KIB_ACCEPTED: u32 = 2 << 20;
/// In KiB, of all passes together.
const ARGON2_WORK_ACCEPTED: u64 = 4 << 20;
const ARGON2_PARALLELISM_ACCEPTED: u32 = 64;

/// Some encoders leave bits of the last letter set that no decoder reads, some pad and some do not.
const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_allow_trailing_bits(true)
    .with_decode_padding_mode(DecodePaddingMode::Indifferent);
const BASE64: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const BCRYPT64: GeneralPurpose = GeneralPurpose::new(&alphabet::BCRYPT, LENIENT);

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
        "Checking this hash would cost too much. scrypt is accepted with 128·N·r of at most 1 GiB, 128·r·p of at most 16 MiB, and 128·N·r·p of at most 2 GiB."
    )]
    ScryptCost,
    #[error(
        "Checking this hash would cost too much. Argon2 is accepted with at most 2 GiB of memory, 4 GiB in all passes together, and 64 lanes."
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
    let StoredHash::Argon2(phc) = StoredHash::read(text)? else { return Ok(()) };
    let params = argon2_params(&phc).ok_or(HashFault::Damaged)?;
    let is_cheap = params.m_cost() <= ARGON2_MEMORY_KIB_ACCEPTED
        && u64::from(params.m_cost()) * u64::from(params.t_cost()) <= ARGON2_WORK_ACCEPTED
        && params.p_cost() <= ARGON2_PARALLELISM_ACCEPTED;
    if is_cheap { Ok(()) } else { Err(HashFault::Argon2Cost) }
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
                StoredHash::Argon2(phc) => match argon2(&candidate, phc)? {
                    Verdict::Right { rehash } => Verdict::Right { rehash: rehash || phc != stored },
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
    /// As a PHC string that names its version.
    Argon2(Cow<'t, str>),
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
            ["", "argon2id" | "argon2i" | "argon2d", ..] => argon2(text),
            ["argon2", ..] => argon2(&text["argon2".len()..]),
            ["", "2a" | "2b" | "2y", cost, rest] | ["bcrypt", "", "2a" | "2b" | "2y", cost, rest] => {
                Bcrypt::read(cost, rest, Before::Nothing)
            }
            ["bcrypt_sha256", "", "2a" | "2b" | "2y", cost, rest] => Bcrypt::read(cost, rest, Before::Sha256InHex),
            ["", "bcrypt-sha256", settings, salt, hash] => Bcrypt::read_passlib(settings, salt, hash),
            ["", "scrypt", settings, salt, hash] => Scrypt::read_phc(settings, salt, hash),
            ["scrypt", n, salt, r, p, hash] => Scrypt::read([n, r, p], salt, BASE64.decode(hash).ok()),
            ["", name, settings, salt, hash] if name.starts_with("pbkdf2") => {
                Pbkdf2::read_phc(name, settings, salt, hash)
            }
            [name, rounds, salt, hash] if name.starts_with("pbkdf2_") => {
                Pbkdf2::read(&name["pbkdf2_".len()..], rounds, salt.as_bytes(), BASE64.decode(hash).ok())
            }
            [method, salt, hash] => match method.split(':').collect::<Vec<_>>()[..] {
                ["scrypt", n, r, p] => Scrypt::read([n, r, p], salt, from_hex(hash)),
                ["pbkdf2", digest, rounds] => Pbkdf2::read(digest, rounds, salt.as_bytes(), from_hex(hash)),
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

fn argon2(text: &str) -> Result<StoredHash<'_>, HashFault> {
    // Before version 1.3 the notation did not name the version; the crate takes what names none for the newest.
    let phc = match text.split_once("$m=") {
        Some((before, rest)) if !before.contains("$v=") => Cow::Owned(format!("{before}$v=16$m={rest}")),
        _ => Cow::Borrowed(text),
    };
    let params = argon2_params(&phc).ok_or(HashFault::Damaged)?;
    // What this site's own settings may say, and some accounts may still have when they say it no more.
    if params.m_cost() > ARGON2_MEMORY_KIB_MAX || params.t_cost() > ARGON2_ITERATIONS_MAX {
        return Err(HashFault::Argon2Cost);
    }
    Ok(StoredHash::Argon2(phc))
}

/// None unless all that a check needs is there.
fn argon2_params(phc: &str) -> Option<Params> {
    let hash = PasswordHash::new(phc).ok()?;
    let has = |wanted: &str| hash.params.iter().any(|(name, _)| name.as_str() == wanted);
    let is_whole = ["argon2id", "argon2i", "argon2d"].contains(&hash.algorithm.as_str())
        && matches!(hash.version, Some(16 | 19))
        && ["m", "t", "p"].into_iter().all(has)
        && hash.salt.is_some()
        && hash.hash.is_some_and(|output| output.len() >= OUTPUT_MIN);
    if is_whole { Params::try_from(&hash).ok() } else { None }
}

/// What is done to a password before bcrypt, which looks at 72 bytes of it.
enum Before<'t> {
    Nothing,
    /// Django's `bcrypt_sha256`.
    Sha256InHex,
    /// passlib's `bcrypt_sha256` before 1.7.3.
    Sha256InBase64,
    /// passlib's `bcrypt_sha256`; the key is the salt as it is written.
    HmacInBase64(&'t str),
}

struct Bcrypt<'t> {
    cost: u32,
    salt: [u8; 16],
    hash: [u8; 23],
    before: Before<'t>,
}

impl<'t> Bcrypt<'t> {
    fn read(cost: &str, rest: &str, before: Before<'t>) -> Result<StoredHash<'t>, HashFault> {
        // It is ASCII: any place is between two letters.
        let (salt, hash) = rest.split_at_checked(22).ok_or(HashFault::Damaged)?;
        let bytes = |text: &str| BCRYPT64.decode(text).map_err(|_| HashFault::Damaged);
        let salt = bytes(salt)?.try_into().map_err(|_| HashFault::Damaged)?;
        let hash = bytes(hash)?.try_into().map_err(|_| HashFault::Damaged)?;
        let cost = number(cost).ok_or(HashFault::Damaged)?;
        if !(4..=BCRYPT_COST_MAX).contains(&cost) {
            return Err(HashFault::BcryptCost);
        }
        Ok(StoredHash::Bcrypt(Self { cost, salt, hash, before }))
    }

    fn read_passlib(settings: &'t str, salt: &'t str, hash: &str) -> Result<StoredHash<'t>, HashFault> {
        let (cost, before) = match settings.split(',').collect::<Vec<_>>()[..] {
            ["v=2", "t=2b", cost] => (cost.strip_prefix("r="), Before::HmacInBase64(salt)),
            ["2a" | "2b", cost] => (Some(cost), Before::Sha256InBase64),
            _ => (None, Before::Nothing),
        };
        let cost = cost.filter(|_| salt.len() == 22).ok_or(HashFault::Damaged)?;
        Self::read(cost, &format!("{salt}{hash}"), before)
    }

    fn verify(&self, candidate: &str) -> Verdict {
        let candidate = candidate.as_bytes();
        let sha256 = |text: &[u8]| digest::digest(&digest::SHA256, text);
        let password = Zeroizing::new(match self.before {
            Before::Nothing => candidate.to_vec(),
            Before::Sha256InHex => {
                sha256(candidate).as_ref().iter().map(|byte| format!("{byte:02x}")).collect::<String>().into_bytes()
            }
            Before::Sha256InBase64 => STANDARD.encode(sha256(candidate)).into_bytes(),
            Before::HmacInBase64(salt) => {
                let key = hmac::Key::new(hmac::HMAC_SHA256, salt.as_bytes());
                STANDARD.encode(hmac::sign(&key, candidate)).into_bytes()
            }
        });
        // A string of C: it ends at the first NUL, which counts as one of its bytes if there is room for it.
        let length = password.iter().position(|byte| *byte == 0).unwrap_or(password.len()).min(72);
        let mut key = Zeroizing::new([0; 72]);
        key[..length].copy_from_slice(&password[..length]);
        let computed = bcrypt::bcrypt(self.cost, self.salt, &key[..(length + 1).min(72)]);
        if !are_equal(&computed[..23], &self.hash) {
            return Verdict::Wrong;
        }
        // What was cut off has not been compared: hashed with it, a slip in there would lock the owner out.
        Verdict::Right { rehash: length == password.len() }
    }
}

struct Scrypt {
    params: scrypt::Params,
    salt: Vec<u8>,
    hash: Vec<u8>,
}

impl Scrypt {
    /// `$scrypt$ln=16,r=8,p=1$…`, as the PHC string format and passlib have it.
    fn read_phc(settings: &str, salt: &str, hash: &str) -> Result<StoredHash<'static>, HashFault> {
        let settings: Vec<_> = settings.split(',').map(|setting| setting.split_once('=')).collect();
        let [Some(("ln", ln)), Some(("r", r)), Some(("p", p))] = settings[..] else { return Err(HashFault::Damaged) };
        let (ln, r, p) = (number(ln), number(r), number(p));
        let (Some(ln), Some(r), Some(p), Ok(salt)) = (ln, r, p, BASE64.decode(salt)) else {
            return Err(HashFault::Damaged);
        };
        let n = 1_u64.checked_shl(ln).ok_or(HashFault::ScryptCost)?;
        let hash = BASE64.decode(hash).ok().filter(|hash| matches!(hash.len(), 32 | 64));
        Self::checked(n, r, p, salt, hash)
    }

    /// Django and Werkzeug write N itself, and the salt as it is.
    fn read(costs: [&str; 3], salt: &str, hash: Option<Vec<u8>>) -> Result<StoredHash<'static>, HashFault> {
        let [Some(n), Some(r), Some(p)] = costs.map(number) else { return Err(HashFault::Damaged) };
        Self::checked(n.into(), r, p, salt.as_bytes().to_vec(), hash.filter(|hash| hash.len() == 64))
    }

    /// `hash` is of its full length: one that was cut off on the way would be right, too.
    fn checked(n: u64, r: u32, p: u32, salt: Vec<u8>, hash: Option<Vec<u8>>) -> Result<StoredHash<'static>, HashFault> {
        let hash = hash.ok_or(HashFault::Damaged)?;
        if n < 2 || !n.is_power_of_two() || r == 0 || p == 0 {
            return Err(HashFault::Damaged);
        }
        let (memory, blocks) = (n.saturating_mul(128 * u64::from(r)), (128 * u64::from(r)).saturating_mul(p.into()));
        let work = memory.saturating_mul(p.into());
        if memory > SCRYPT_MEMORY_MAX || blocks > SCRYPT_BLOCKS_MAX || work > SCRYPT_WORK_MAX {
            return Err(HashFault::ScryptCost);
        }
        let log_n = u8::try_from(n.ilog2()).map_err(|_| HashFault::ScryptCost)?;
        let params = scrypt::Params::new(log_n, r, p).map_err(|_| HashFault::Damaged)?;
        Ok(StoredHash::Scrypt(Self { params, salt, hash }))
    }

    fn verify(&self, candidate: &str) -> Result<Verdict, PasswordError> {
        let memory = 128 * u64::from(self.params.r()) * (self.params.n() + u64::from(self.params.p()));
        // The crate's own request for it would end the program where there is less.
        let room = usize::try_from(memory).is_ok_and(|memory| Vec::<u8>::new().try_reserve_exact(memory).is_ok());
        let mut computed = Zeroizing::new(vec![0; self.hash.len()]);
        if !room || scrypt::scrypt(candidate.as_bytes(), &self.salt, &self.params, &mut computed).is_err() {
            tracing::error!(memory, "there is not enough memory to check a password with scrypt");
            return Err(PasswordError::Failed);
        }
        Ok(verdict(are_equal(&computed, &self.hash)))
    }
}

struct Pbkdf2 {
    algorithm: pbkdf2::Algorithm,
    rounds: NonZeroU32,
    salt: Vec<u8>,
    hash: Vec<u8>,
}

impl Pbkdf2 {
    /// `$pbkdf2-sha256$…`: with `i=1000,l=32` it is of the PHC string format, with a plain `1000` of passlib, which
    /// writes a dot for a plus sign.
    fn read_phc(name: &str, settings: &str, salt: &str, hash: &str) -> Result<StoredHash<'static>, HashFault> {
        let digest = match name {
            "pbkdf2" => "sha1",
            other => other.strip_prefix("pbkdf2-").ok_or(HashFault::Damaged)?,
        };
        let bytes = |text: &str| BASE64.decode(text.replace('.', "+")).ok();
        let (salt, hash) = (bytes(salt).ok_or(HashFault::Damaged)?, bytes(hash));
        let (rounds, length) = match settings.split_once(',') {
            Some((rounds, length)) => (rounds, Some(length)),
            None => (settings, None),
        };
        let length = match length.map(|length| length.strip_prefix("l=").and_then(number)) {
            Some(None) => return Err(HashFault::Damaged),
            Some(Some(length)) => Some(length as usize),
            None => None,
        };
        Self::checked(digest, rounds.strip_prefix("i=").unwrap_or(rounds), &salt, hash, length)
    }

    fn read(digest: &str, rounds: &str, salt: &[u8], hash: Option<Vec<u8>>) -> Result<StoredHash<'static>, HashFault> {
        Self::checked(digest, rounds, salt, hash, None)
    }

    /// A hash that does not say how long it is has the digest's length: one that was cut off would be right, too.
    fn checked(
        digest: &str,
        rounds: &str,
        salt: &[u8],
        hash: Option<Vec<u8>>,
        length: Option<usize>,
    ) -> Result<StoredHash<'static>, HashFault> {
        let (algorithm, digest_length) = match digest {
            "sha1" => (pbkdf2::PBKDF2_HMAC_SHA1, 20),
            "sha256" => (pbkdf2::PBKDF2_HMAC_SHA256, 32),
            "sha512" => (pbkdf2::PBKDF2_HMAC_SHA512, 64),
            _ => return Err(HashFault::Unknown),
        };
        let length = length.unwrap_or(digest_length);
        let hash = hash.filter(|hash| hash.len() == length && (OUTPUT_MIN..=64).contains(&length));
        let hash = hash.ok_or(HashFault::Damaged)?;
        let is_number = !rounds.is_empty() && rounds.bytes().all(|byte| byte.is_ascii_digit());
        let Some(rounds) = number(rounds).filter(|rounds| *rounds <= PBKDF2_ROUNDS_MAX).and_then(NonZeroU32::new)
        else {
            return Err(if is_number { HashFault::Pbkdf2Cost } else { HashFault::Damaged });
        };
        Ok(StoredHash::Pbkdf2(Self { algorithm, rounds, salt: salt.to_vec(), hash }))
    }

    fn verify(&self, candidate: &str) -> Verdict {
        let compared = pbkdf2::verify(self.algorithm, self.rounds, &self.salt, candidate.as_bytes(), &self.hash);
        verdict(compared.is_ok())
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
#[path = "foreign_hash_tests.rs"]
mod tests;
