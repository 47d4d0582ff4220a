//! Password hashes: Argon2id in PHC strings (RFC 9106, ASVS 11.4.2), computed on a bounded pool.

use std::sync::Arc;
use std::thread::available_parallelism;

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{ARGON2ID_IDENT, Algorithm, Argon2, Params, Version};

use super::foreign_hash::Candidates;
use super::line::Asker;
use super::memory::Memory;
use super::password::NewPassword;
use super::pool::Pool;
use crate::config::Config;
use crate::id::random_bytes;

/// Requests that may wait for a turn, of strangers and of the known each: at some 30 ms a turn on one processor, two
/// seconds, or four while both lines are full. Who would wait longer is better told to come back.
const QUEUE: usize = 64;
/// Bytes; RFC 9106 section 3.1 recommends 16 for passwords.
const SALT: usize = 16;

/// Why no answer about a password can be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// Too many wait already; nothing has been done.
    #[error("too many passwords are being checked at the moment")]
    Busy,
    /// Logged where it happened.
    #[error("the password could not be processed")]
    Failed,
}

/// What comparing a password with a stored hash shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Wrong,
    Right {
        /// The stored hash was made with other parameters than new ones are.
        rehash: bool,
    },
}

/// Hashes and verifies with the configured parameters; clones share one pool.
#[derive(Clone, Debug)]
pub struct Hasher {
    argon2: Argon2<'static>,
    pool: Pool,
    asker: Asker,
    /// As if of a password that nobody has: what the unknown are compared with.
    dummy: Arc<str>,
}

impl Hasher {
    /// Starts the threads.
    ///
    /// # Errors
    /// If the parameters cannot be used, for lack of memory for instance.
    pub fn new(config: &Config) -> Result<Self, PasswordError> {
        let params = Params::new(config.argon2_memory_kib, config.argon2_iterations, config.argon2_parallelism, None)
            .map_err(failed)?;
        // One processor stays free for everybody who isn't logging in.
        let at_once = available_parallelism().map_or(1, |all| all.get().saturating_sub(1).max(1));
        Self::with(params, Pool::new(at_once, QUEUE).map_err(failed)?)
    }

    fn with(params: Params, pool: Pool) -> Result<Self, PasswordError> {
        // Shows now what would otherwise fail each log-in.
        Memory::check(params.block_count()).map_err(failed)?;
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        // Random octets are the hash of no password that anybody could find, and cost the start no work.
        let dummy = phc(&argon2, &random_bytes::<SALT>(), &random_bytes::<{ Params::DEFAULT_OUTPUT_LEN }>())?.into();
        Ok(Self { argon2, pool, asker: Asker::operator(), dummy })
    }

    /// The same for others: who waits for whom depends on who asks. At first it is the operator.
    pub fn on_behalf_of(&self, asker: Asker) -> Self {
        Self { asker, ..self.clone() }
    }

    /// Whether the next call would be answered `Busy`. It may be otherwise a moment later.
    pub fn is_busy(&self) -> bool {
        !self.pool.has_place(&self.asker)
    }

    /// The PHC string of a new password, under a new random salt.
    pub async fn hash(&self, password: NewPassword) -> Result<String, PasswordError> {
        let argon2 = self.argon2.clone();
        self.pool.run(&self.asker, move |memory| hash(&argon2, password.expose(), memory)).await?
    }

    /// Compares what somebody typed with a stored hash: in NFC, and then as it was typed if that is something else,
    /// for the hashes that other systems made.
    ///
    /// # Errors
    /// `Failed` if the stored text isn't a hash that this site can check.
    pub async fn verify(&self, candidate: &str, stored: &str) -> Result<Verdict, PasswordError> {
        let candidates = Candidates::of(candidate);
        let (argon2, stored) = (self.argon2.clone(), stored.to_owned());
        let work = move |memory: &mut Memory| {
            candidates.verify(&stored, |candidate, phc| verify(&argon2, candidate, phc, memory))
        };
        self.pool.run(&self.asker, work).await?
    }

    /// Does the work of [`Hasher::verify`] where there is nothing to compare with, so that the time that an answer
    /// takes doesn't tell whether an account exists (ASVS 6.3.8).
    pub async fn verify_nothing(&self, candidate: &str) -> Result<(), PasswordError> {
        self.verify(candidate, &self.dummy).await.map(drop)
    }

    /// From now on every call that comes this far is answered `Busy`: shows who does and who doesn't.
    #[cfg(test)]
    pub(super) fn close(&self) {
        self.pool.close();
    }
}

fn failed(error: impl std::fmt::Display) -> PasswordError {
    tracing::error!(%error, "argon2");
    PasswordError::Failed
}

fn hash(argon2: &Argon2<'_>, password: &str, memory: &mut Memory) -> Result<String, PasswordError> {
    let (salt, mut output) = (random_bytes::<SALT>(), [0; Params::DEFAULT_OUTPUT_LEN]);
    fill(argon2, password, &salt, &mut output, memory)?;
    phc(argon2, &salt, &output)
}

fn verify(argon2: &Argon2<'_>, candidate: &str, stored: &str, memory: &mut Memory) -> Result<Verdict, PasswordError> {
    let stored = PasswordHash::new(stored).map_err(failed)?;
    match is_hash_of(&stored, candidate, memory)? {
        true => Ok(Verdict::Right { rehash: !is_current(argon2, &stored) }),
        false => Ok(Verdict::Wrong),
    }
}

/// What argon2's `PasswordVerifier` does, but in memory that is there already.
fn is_hash_of(stored: &PasswordHash, password: &str, memory: &mut Memory) -> Result<bool, PasswordError> {
    let (Some(salt), Some(expected)) = (&stored.salt, &stored.hash) else {
        return Err(failed("a stored hash lacks its salt or its output"));
    };
    let algorithm = Algorithm::try_from(stored.algorithm.as_str()).map_err(failed)?;
    let version = stored.version.map_or(Ok(Version::default()), Version::try_from).map_err(failed)?;
    let argon2 = Argon2::new(algorithm, version, Params::try_from(stored).map_err(failed)?);
    let mut output = [0; Output::MAX_LENGTH];
    let output = &mut output[..expected.len()];
    fill(&argon2, password, salt, output, memory)?;
    // Outputs are compared in constant time.
    Ok(Output::new(output).map_err(failed)? == *expected)
}

fn fill(
    argon2: &Argon2<'_>,
    password: &str,
    salt: &[u8],
    output: &mut [u8],
    memory: &mut Memory,
) -> Result<(), PasswordError> {
    let blocks = memory.blocks(argon2.params().block_count()).map_err(failed)?;
    argon2.hash_password_into_with_memory(password.as_bytes(), salt, output, blocks).map_err(failed)
}

fn phc(argon2: &Argon2<'_>, salt: &[u8], output: &[u8]) -> Result<String, PasswordError> {
    let hash = PasswordHash {
        algorithm: ARGON2ID_IDENT,
        version: Some(Version::V0x13.into()),
        params: ParamsString::try_from(argon2.params()).map_err(failed)?,
        salt: Some(Salt::new(salt).map_err(failed)?),
        hash: Some(Output::new(output).map_err(failed)?),
    };
    Ok(hash.to_string())
}

fn is_current(argon2: &Argon2<'_>, stored: &PasswordHash) -> bool {
    let costs = |params: &Params| (params.m_cost(), params.t_cost(), params.p_cost());
    stored.algorithm == ARGON2ID_IDENT
        && stored.version == Some(Version::V0x13.into())
        && Params::try_from(stored).is_ok_and(|params| costs(&params) == costs(argon2.params()))
        && stored.hash.as_ref().is_some_and(|output| output.len() == Params::DEFAULT_OUTPUT_LEN)
        && stored.salt.as_ref().is_some_and(|salt| salt.len() >= SALT)
}

#[cfg(test)]
mod tests {
    use argon2::password_hash::PasswordHasher;

    use super::super::password::Policy;
    use super::*;

    fn hasher(memory_kib: u32) -> Hasher {
        let params = Params::new(memory_kib, 1, 1, None).expect("parameters");
        Hasher::with(params, Pool::new(2, 8).expect("threads")).expect("a hasher")
    }

    /// By argon2's own words, not this module's.
    fn foreign(argon2: &Argon2<'_>, password: &str) -> String {
        let hash: PasswordHash =
            argon2.hash_password_with_salt(password.as_bytes(), b"sixteen octets..").expect("a hash");
        hash.to_string()
    }

    fn new(password: &str) -> NewPassword {
        Policy { min_length: 8, site_name: String::new() }.check(password, &[]).expect("a good password")
    }

    #[tokio::test]
    async fn a_password_is_right_in_each_of_its_unicode_forms_and_nothing_else_is() {
        let hasher = hasher(8);
        let stored = hasher.hash(new("kühle Quitten")).await.expect("a hash");
        assert!(stored.starts_with("$argon2id$v=19$m=8,t=1,p=1$"), "{stored}");
        let right = Verdict::Right { rehash: false };
        assert_eq!(hasher.verify("kühle Quitten", &stored).await, Ok(right));
        assert_eq!(hasher.verify("ku\u{308}hle Quitten", &stored).await, Ok(right));
        let long = "x".repeat(10_000);
        for wrong in ["", "Kühle Quitten", "kühle Quitten ", "kühle Quitten\0", long.as_str()] {
            assert_eq!(hasher.verify(wrong, &stored).await, Ok(Verdict::Wrong), "{wrong:?}");
        }
    }

    #[tokio::test]
    async fn each_hash_has_a_salt_of_its_own() {
        let hasher = hasher(8);
        let (one, two) = (hasher.hash(new("kühle Quitten")).await, hasher.hash(new("kühle Quitten")).await);
        assert_ne!(one.expect("a hash"), two.expect("a hash"));
    }

    #[tokio::test]
    async fn a_hash_of_other_parameters_algorithm_or_version_is_right_and_to_be_renewed() {
        let hasher = hasher(8);
        let rehash = Ok(Verdict::Right { rehash: true });
        let others = [
            (Algorithm::Argon2id, Version::V0x13, Params::new(16, 1, 1, None)),
            (Algorithm::Argon2id, Version::V0x13, Params::new(8, 2, 1, None)),
            (Algorithm::Argon2id, Version::V0x13, Params::new(16, 1, 2, None)),
            (Algorithm::Argon2id, Version::V0x13, Params::new(8, 1, 1, Some(16))),
            (Algorithm::Argon2id, Version::V0x10, Params::new(8, 1, 1, None)),
            (Algorithm::Argon2i, Version::V0x13, Params::new(8, 1, 1, None)),
        ];
        for (algorithm, version, params) in others {
            let other = Argon2::new(algorithm, version, params.expect("parameters"));
            let stored = foreign(&other, "kühle Quitten");
            assert_eq!(hasher.verify("kühle Quitten", &stored).await, rehash, "{stored}");
            assert_eq!(hasher.verify("kühle Quitte", &stored).await, Ok(Verdict::Wrong), "{stored}");
        }
    }

    #[tokio::test]
    async fn an_overlong_candidate_is_wrong_even_for_the_hash_of_nothing() {
        let hasher = hasher(8);
        let stored = foreign(&hasher.argon2, "");
        assert_eq!(hasher.verify(&"x".repeat(257), &stored).await, Ok(Verdict::Wrong));
    }

    #[tokio::test]
    async fn a_broken_hash_is_an_error_not_a_panic() {
        for stored in [
            "",
            "x",
            "$argon2id$",
            "$scrypt$ln=1$c2FsdHNhbHQ$aGFzaA",
            "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHRzYWx0c2FsdA",
        ] {
            assert_ne!(
                hasher(8).verify("kühle Quitten", stored).await,
                Ok(Verdict::Right { rehash: false }),
                "{stored}"
            );
            assert_ne!(
                hasher(8).verify("kühle Quitten", stored).await,
                Ok(Verdict::Right { rehash: true }),
                "{stored}"
            );
        }
        assert_eq!(hasher(8).verify("x", "x").await, Err(PasswordError::Failed));
    }

    #[tokio::test]
    async fn nothing_takes_the_same_work_as_an_account() {
        let hasher = hasher(8);
        assert!(hasher.verify_nothing("kühle Quitten").await.is_ok());
        let parsed = PasswordHash::new(&hasher.dummy).expect("a PHC string");
        assert!(is_current(&hasher.argon2, &parsed));
    }
}
