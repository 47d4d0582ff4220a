//! bcrypt, as crypt(3), Django and passlib write it.

use aws_lc_rs::{digest, hmac};
use base64::Engine;
use base64::alphabet;
use base64::engine::GeneralPurpose;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::{HashFault, LENIENT, Verdict, are_equal, number};

/// Doubles with each: some 4 seconds.
pub const BCRYPT_COST_MAX: u32 = 16;

const BASE64: GeneralPurpose = GeneralPurpose::new(&alphabet::BCRYPT, LENIENT);

/// What is done to a password before bcrypt, which looks at 72 bytes of it.
pub enum Before<'t> {
    Nothing,
    /// Django's `bcrypt_sha256`.
    Sha256InHex,
    /// passlib's `bcrypt_sha256` before 1.7.3.
    Sha256InBase64,
    /// passlib's `bcrypt_sha256`; the key is the salt as it is written.
    HmacInBase64(&'t str),
}

pub struct Bcrypt<'t> {
    cost: u32,
    salt: [u8; 16],
    hash: [u8; 23],
    before: Before<'t>,
}

impl<'t> Bcrypt<'t> {
    pub fn read(cost: &str, rest: &str, before: Before<'t>) -> Result<Self, HashFault> {
        // It is ASCII: any place is between two letters.
        let (salt, hash) = rest.split_at_checked(22).ok_or(HashFault::Damaged)?;
        let bytes = |text: &str| BASE64.decode(text).map_err(|_| HashFault::Damaged);
        let salt = bytes(salt)?.try_into().map_err(|_| HashFault::Damaged)?;
        let hash = bytes(hash)?.try_into().map_err(|_| HashFault::Damaged)?;
        let cost = number(cost).ok_or(HashFault::Damaged)?;
        if !(4..=BCRYPT_COST_MAX).contains(&cost) {
            return Err(HashFault::BcryptCost);
        }
        Ok(Self { cost, salt, hash, before })
    }

    pub fn read_passlib(settings: &'t str, salt: &'t str, hash: &str) -> Result<Self, HashFault> {
        let (cost, before) = match settings.split(',').collect::<Vec<_>>()[..] {
            ["v=2", "t=2b", cost] => (cost.strip_prefix("r="), Before::HmacInBase64(salt)),
            ["2a" | "2b", cost] => (Some(cost), Before::Sha256InBase64),
            _ => (None, Before::Nothing),
        };
        let cost = cost.filter(|_| salt.len() == 22).ok_or(HashFault::Damaged)?;
        Self::read(cost, &format!("{salt}{hash}"), before)
    }

    pub fn verify(&self, candidate: &str) -> Verdict {
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
