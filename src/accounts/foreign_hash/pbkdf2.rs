//! PBKDF2, as the PHC string format, passlib, Django and Werkzeug write it.

use std::num::NonZeroU32;

use aws_lc_rs::pbkdf2;
use base64::Engine;

use super::{BASE64, HashFault, OUTPUT_MIN, Verdict, number, verdict};

/// Django 5.2 has a million.
pub const PBKDF2_ROUNDS_MAX: u32 = 5_000_000;

pub struct Pbkdf2 {
    algorithm: pbkdf2::Algorithm,
    rounds: NonZeroU32,
    salt: Vec<u8>,
    hash: Vec<u8>,
}

impl Pbkdf2 {
    /// `$pbkdf2-sha256$…`: with `i=1000,l=32` it is of the PHC string format, with a plain `1000` of passlib, which
    /// writes a dot for a plus sign.
    pub fn read_phc(name: &str, settings: &str, salt: &str, hash: &str) -> Result<Self, HashFault> {
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

    pub fn read(digest: &str, rounds: &str, salt: &[u8], hash: Option<Vec<u8>>) -> Result<Self, HashFault> {
        Self::checked(digest, rounds, salt, hash, None)
    }

    /// A hash that does not say how long it is has the digest's length: one that was cut off would be right, too.
    fn checked(
        digest: &str,
        rounds: &str,
        salt: &[u8],
        hash: Option<Vec<u8>>,
        length: Option<usize>,
    ) -> Result<Self, HashFault> {
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
        Ok(Self { algorithm, rounds, salt: salt.to_vec(), hash })
    }

    pub fn verify(&self, candidate: &str) -> Verdict {
        let compared = pbkdf2::verify(self.algorithm, self.rounds, &self.salt, candidate.as_bytes(), &self.hash);
        verdict(compared.is_ok())
    }
}
