//! The keys of a site, and tokens that are signed with them whatever they say.

use std::sync::LazyLock;

use aws_lc_rs::aead::{AES_256_GCM, Aad, RandomizedNonceKey};
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hallpass::config::{Secret, SigningAlgorithm};
use hallpass::id::{SessionId, UserId};
use hallpass::tokens::access::AccessTokens;
use hallpass::tokens::keys::{KeySet, SealedKey};
use hallpass::tokens::refresh::{self, RefreshTokens};
use hallpass::tokens::secret::MasterSecret;
use serde_json::Value;

pub const SITE: &str = "https://example.org";
pub const NOW: i64 = 1_795_348_800;
/// Key ids that the corpus can name.
pub const ED25519: &str = "ed";
pub const ES256: &str = "es";

pub static KEYS: LazyLock<Keys> = LazyLock::new(Keys::make);

/// Everything that verifies, and everything that signs.
pub struct Keys {
    pub access: AccessTokens,
    pub refresh: RefreshTokens,
    pub set: KeySet,
    pub refresh_kid: String,
    pub secret: MasterSecret,
    ed25519: Ed25519KeyPair,
    es256: EcdsaKeyPair,
    hs256: hmac::Key,
}

/// How a token is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signer {
    Ed25519,
    Es256,
    Refresh,
    /// The trick of a verifier that takes the algorithm from the header: the published key as a shared secret.
    PublicKey,
    Nobody,
}

impl Keys {
    fn make() -> Self {
        let secret = MasterSecret::new(&[Secret::new("a secret for fuzzing, of 32 characters")]);
        // Always the same, and so are its signatures: the corpus has tokens of its own.
        let ed25519 = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).expect("a key pair");
        let es256 = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key pair");
        let pkcs8 = [
            (ED25519, SigningAlgorithm::EdDsa, ed25519.to_pkcs8v1().expect("PKCS#8").as_ref().to_vec()),
            (ES256, SigningAlgorithm::Es256, es256.to_pkcs8v1().expect("PKCS#8").as_ref().to_vec()),
        ];
        let open = |(kid, algorithm, private): (_, _, Vec<u8>)| {
            seal(&secret, kid, algorithm, private).open(&secret).expect("opened").0
        };
        let set = KeySet::new(pkcs8.map(open).into());
        let refresh = RefreshTokens::new(SITE, &secret);
        let hs256 = hmac::Key::new(hmac::HMAC_SHA256, &secret.derive("sign refresh tokens")[0]);
        let refresh_kid = kid_of(&refresh);
        Self { access: AccessTokens::new(SITE, 900), refresh, set, refresh_kid, secret, ed25519, es256, hs256 }
    }

    pub fn token(&self, header: &str, claims: &str, signer: Signer) -> String {
        let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        let signed = message.as_bytes();
        let signature = match signer {
            Signer::Ed25519 => self.ed25519.sign(signed).as_ref().to_vec(),
            Signer::Es256 => self.es256.sign(&SystemRandom::new(), signed).expect("a signature").as_ref().to_vec(),
            Signer::Refresh => hmac::sign(&self.hs256, signed).as_ref().to_vec(),
            Signer::PublicKey => {
                let public = hmac::Key::new(hmac::HMAC_SHA256, self.ed25519.public_key().as_ref());
                hmac::sign(&public, signed).as_ref().to_vec()
            }
            Signer::Nobody => Vec::new(),
        };
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

/// As the database holds it. A key of hallpass's making would have another id each time.
fn seal(secret: &MasterSecret, kid: &str, algorithm: SigningAlgorithm, mut private: Vec<u8>) -> SealedKey {
    let key = RandomizedNonceKey::new(&AES_256_GCM, &secret.derive("seal signing keys")[0]).expect("a key");
    let bound = Aad::from(format!("{} {kid}", algorithm.as_str()));
    let nonce = key.seal_in_place_append_tag(bound, &mut private).expect("sealed");
    let sealed_private_key = URL_SAFE_NO_PAD.encode([&nonce.as_ref()[..], &private].concat());
    SealedKey { kid: kid.to_owned(), algorithm, sealed_private_key, created_at: NOW, signs_from: NOW }
}

fn kid_of(tokens: &RefreshTokens) -> String {
    let (user, session) = (UserId::from_text("u"), SessionId::from_text("s"));
    let grant =
        refresh::Grant { user: &user, session: &session, salt: "", generation: 1, issued_at: NOW, expires_at: NOW + 1 };
    let token = tokens.issue(&grant).expect("a token");
    let header = URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap_or_default()).expect("base64url");
    let header: Value = serde_json::from_slice(&header).expect("JSON");
    header["kid"].as_str().expect("a kid").to_owned()
}
