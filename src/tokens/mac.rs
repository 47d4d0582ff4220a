//! Short values that only we can have made: browser ids, form tokens, probes.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::secret::MasterSecret;

/// HMAC-SHA256 under a key of its own for each purpose.
#[derive(Clone)]
pub struct Mac(Vec<hmac::Key>);

impl Mac {
    pub fn new(secret: &MasterSecret, purpose: &str) -> Self {
        Self(secret.derive(purpose).iter().map(|key| hmac::Key::new(hmac::HMAC_SHA256, key)).collect())
    }

    /// The code of a text, as unpadded base64url.
    pub fn sign(&self, text: &str) -> String {
        self.0.first().map(|key| URL_SAFE_NO_PAD.encode(hmac::sign(key, text.as_bytes()))).unwrap_or_default()
    }

    /// Whether `code` is the code of `text` under any of the secrets; takes the same time for every wrong one.
    pub fn verify(&self, text: &str, code: &str) -> bool {
        let Ok(code) = URL_SAFE_NO_PAD.decode(code) else { return false };
        self.0.iter().any(|key| hmac::verify(key, text.as_bytes(), &code).is_ok())
    }
}
