//! scrypt, as the PHC string format, passlib, Django and Werkzeug write it.

use base64::Engine;
use zeroize::Zeroizing;

use super::{BASE64, HashFault, PasswordError, Verdict, are_equal, number, verdict};

/// In bytes, 128·N·r.
pub const SCRYPT_MEMORY_MAX: u64 = 1 << 30;
/// In bytes, 128·N·r·p.
pub const SCRYPT_WORK_MAX: u64 = 2 << 30;
/// In bytes, 128·r·p, which is memory besides.
pub const SCRYPT_BLOCKS_MAX: u64 = 16 << 20;

pub struct Scrypt {
    params: scrypt::Params,
    salt: Vec<u8>,
    hash: Vec<u8>,
}

impl Scrypt {
    /// `$scrypt$ln=16,r=8,p=1$…`, as the PHC string format and passlib have it.
    pub fn read_phc(settings: &str, salt: &str, hash: &str) -> Result<Self, HashFault> {
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
    pub fn read(costs: [&str; 3], salt: &str, hash: Option<Vec<u8>>) -> Result<Self, HashFault> {
        let [Some(n), Some(r), Some(p)] = costs.map(number) else { return Err(HashFault::Damaged) };
        Self::checked(n.into(), r, p, salt.as_bytes().to_vec(), hash.filter(|hash| hash.len() == 64))
    }

    /// `hash` is of its full length: one that was cut off on the way would be right, too.
    fn checked(n: u64, r: u32, p: u32, salt: Vec<u8>, hash: Option<Vec<u8>>) -> Result<Self, HashFault> {
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
        Ok(Self { params, salt, hash })
    }

    pub fn verify(&self, candidate: &str) -> Result<Verdict, PasswordError> {
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
