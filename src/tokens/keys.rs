//! Key pairs of access tokens: made, sealed, opened, chosen.

use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, RsaKeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::{Jwk, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey};

use super::secret::MasterSecret;
use crate::clock::Seconds;
use crate::config::SigningAlgorithm;
use crate::id::random_text;

const SEALING: &str = "seal signing keys";
const NONCE_BYTES: usize = 12;

/// A key pair, ready for use.
#[derive(Clone)]
pub struct SigningKey {
    pub kid: String,
    pub algorithm: SigningAlgorithm,
    pub created_at: Seconds,
    /// Published before, used from then on until the next key's `signs_from`.
    pub signs_from: Seconds,
    pub(super) encoding: EncodingKey,
    pub(super) decoding: DecodingKey,
}

/// A key pair as it is stored.
#[derive(Clone, Debug)]
pub struct SealedKey {
    pub kid: String,
    pub algorithm: SigningAlgorithm,
    /// Nonce, then ciphertext of the PKCS#8 document, as base64url. The public half is derived from it when it is
    /// opened: who can write to the database cannot plant one.
    pub sealed_private_key: String,
    pub created_at: Seconds,
    pub signs_from: Seconds,
}

#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error("a key pair could not be made")]
    Generate,
    #[error(
        "the signing key {0} in the database cannot be opened with this master secret. \
         Use the secret that the database was made with (`secret` or `secret_file`). Nothing was changed"
    )]
    Open(String),
}

impl SigningAlgorithm {
    pub fn jwt(self) -> Algorithm {
        match self {
            Self::EdDsa => Algorithm::EdDSA,
            Self::Es256 => Algorithm::ES256,
            Self::Rs256 => Algorithm::RS256,
        }
    }
}

impl SealedKey {
    /// Makes a new key pair and seals it.
    pub fn generate(
        algorithm: SigningAlgorithm,
        secret: &MasterSecret,
        now: Seconds,
        signs_from: Seconds,
    ) -> Result<Self, KeyError> {
        let private_key = generate(algorithm).map_err(|_| KeyError::Generate)?;
        let kid = random_text::<9>();
        let sealed_private_key = seal(secret, &bound(algorithm, &kid), &private_key)?;
        Ok(Self { kid, algorithm, sealed_private_key, created_at: now, signs_from })
    }

    /// Opens a stored key pair; also returns it sealed anew if another secret than the first was needed.
    pub fn open(&self, secret: &MasterSecret) -> Result<(SigningKey, Option<Self>), KeyError> {
        let failed = || KeyError::Open(self.kid.clone());
        let bound = bound(self.algorithm, &self.kid);
        let sealed = URL_SAFE_NO_PAD.decode(&self.sealed_private_key).map_err(|_| failed())?;
        let opened = secret.derive(SEALING).iter().enumerate().find_map(|(place, key)| {
            let private_key = open_with(key, &bound, &sealed)?;
            Some((place, private_key))
        });
        let (place, private_key) = opened.ok_or_else(failed)?;
        let resealed = match place {
            0 => None,
            _ => Some(Self { sealed_private_key: seal(secret, &bound, &private_key)?, ..self.clone() }),
        };
        let encoding = match self.algorithm {
            SigningAlgorithm::EdDsa => EncodingKey::from_ed_der(&private_key),
            SigningAlgorithm::Es256 => EncodingKey::from_ec_der(&private_key),
            SigningAlgorithm::Rs256 => EncodingKey::from_rsa_der(pkcs1(&private_key).ok_or_else(failed)?),
        };
        let public_key = Jwk::from_encoding_key(&encoding, self.algorithm.jwt()).map_err(|_| failed())?;
        let decoding = DecodingKey::from_jwk(&public_key).map_err(|_| failed())?;
        let (created_at, signs_from) = (self.created_at, self.signs_from);
        let opened =
            SigningKey { kid: self.kid.clone(), algorithm: self.algorithm, created_at, signs_from, encoding, decoding };
        Ok((opened, resealed))
    }
}

/// A new private key as PKCS#8 (RFC 5208).
fn generate(algorithm: SigningAlgorithm) -> Result<Vec<u8>, Unspecified> {
    Ok(match algorithm {
        SigningAlgorithm::EdDsa => Ed25519KeyPair::generate()?.to_pkcs8v1()?.as_ref().to_vec(),
        SigningAlgorithm::Es256 => {
            EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)?.to_pkcs8v1()?.as_ref().to_vec()
        }
        SigningAlgorithm::Rs256 => {
            let private_key: Pkcs8V1Der = RsaKeyPair::generate(KeySize::Rsa2048)?.as_der()?;
            private_key.as_ref().to_vec()
        }
    })
}

/// What a sealed key is bound to: under another id or algorithm it does not open.
fn bound(algorithm: SigningAlgorithm, kid: &str) -> String {
    format!("{} {kid}", algorithm.as_str())
}

/// What jsonwebtoken signs with: PKCS#1. PKCS#8 is that in an octet string, after version and algorithm (RFC 5208
/// section 5); both lengths take two bytes in a key of 2048 bits.
fn pkcs1(pkcs8: &[u8]) -> Option<&[u8]> {
    const VERSION_AND_ALGORITHM: &[u8] = b"\x02\x01\x00\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00";
    let content = pkcs8.strip_prefix(b"\x30\x82")?.get(2..)?;
    content.strip_prefix(VERSION_AND_ALGORITHM)?.strip_prefix(b"\x04\x82")?.get(2..)
}

fn seal(secret: &MasterSecret, bound: &str, private_key: &[u8]) -> Result<String, KeyError> {
    let keys = secret.derive(SEALING);
    let key = keys.first().ok_or(KeyError::Generate)?;
    let key = RandomizedNonceKey::new(&AES_256_GCM, key).map_err(|_| KeyError::Generate)?;
    let mut sealed = private_key.to_vec();
    let nonce = key.seal_in_place_append_tag(Aad::from(bound), &mut sealed).map_err(|_| KeyError::Generate)?;
    Ok(URL_SAFE_NO_PAD.encode([&nonce.as_ref()[..], &sealed].concat()))
}

fn open_with(key: &[u8; 32], bound: &str, sealed: &[u8]) -> Option<Vec<u8>> {
    let (nonce, ciphertext) = sealed.split_at_checked(NONCE_BYTES)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
    let mut opened = ciphertext.to_vec();
    let length = RandomizedNonceKey::new(&AES_256_GCM, key)
        .ok()?
        .open_in_place(nonce, Aad::from(bound), &mut opened)
        .ok()?
        .len();
    opened.truncate(length);
    Some(opened)
}

impl SigningKey {
    /// The public half as a JWK (RFC 7517 section 4).
    pub fn jwk(&self) -> Option<Jwk> {
        let mut jwk = Jwk::from_encoding_key(&self.encoding, self.algorithm.jwt()).ok()?;
        jwk.common.key_id = Some(self.kid.clone());
        jwk.common.public_key_use = Some(PublicKeyUse::Signature);
        Some(jwk)
    }
}

/// The keys in force: one signs, all verify.
#[derive(Clone, Default)]
pub struct KeySet(Arc<Vec<SigningKey>>);

impl KeySet {
    pub fn new(mut keys: Vec<SigningKey>) -> Self {
        keys.sort_by(|a, b| (a.signs_from, &a.kid).cmp(&(b.signs_from, &b.kid)));
        Self(Arc::new(keys))
    }

    /// Oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &SigningKey> {
        self.0.iter()
    }

    /// The newest key whose time has come.
    pub fn current(&self, now: Seconds) -> Option<&SigningKey> {
        self.0.iter().rev().find(|key| key.signs_from <= now)
    }

    pub fn by_kid(&self, kid: &str) -> Option<&SigningKey> {
        self.0.iter().find(|key| key.kid == kid)
    }
}
