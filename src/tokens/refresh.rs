//! The refresh token: keeps a session going. A pure function of key, session and generation.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, decode, encode};
use serde::{Deserialize, Serialize};

use super::secret::MasterSecret;
use super::{InvalidToken, header, validation};
use crate::clock::Seconds;
use crate::id::{SessionId, UserId};

const TYP: &str = "rt+jwt";
const ALGORITHM: Algorithm = Algorithm::HS256;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefreshClaims {
    pub iss: String,
    pub aud: String,
    pub sub: UserId,
    pub sid: SessionId,
    #[serde(rename = "gen")]
    pub generation: i64,
    pub iat: Seconds,
    pub exp: Seconds,
    pub jti: String,
}

impl RefreshClaims {
    /// Whether the token was derived from this salt: a stolen signing secret alone does not make one.
    pub fn is_of(&self, salt: &str) -> bool {
        let expected = jti(salt, self.generation);
        aws_lc_rs::constant_time::verify_slices_are_equal(self.jti.as_bytes(), expected.as_bytes()).is_ok()
    }
}

/// What of a session goes into the refresh token of its newest generation.
#[derive(Clone, Debug)]
pub struct Grant<'a> {
    pub user: &'a UserId,
    pub session: &'a SessionId,
    pub salt: &'a str,
    pub generation: i64,
    pub issued_at: Seconds,
    pub expires_at: Seconds,
}

/// Issues and verifies the refresh tokens of one site. Nobody else ever verifies one, so it shares no key with
/// the access token and has an audience of its own.
#[derive(Clone)]
pub struct RefreshTokens {
    issuer: String,
    audience: String,
    keys: Vec<Key>,
}

#[derive(Clone)]
struct Key {
    kid: String,
    encoding: EncodingKey,
    decoding: DecodingKey,
}

impl RefreshTokens {
    pub fn new(issuer: &str, secret: &MasterSecret) -> Self {
        let key = |key: &[u8; 32]| Key {
            kid: jti(&URL_SAFE_NO_PAD.encode(key), -1)[..8].to_owned(),
            encoding: EncodingKey::from_secret(key),
            decoding: DecodingKey::from_secret(key),
        };
        let keys = secret.derive("sign refresh tokens").iter().map(key).collect();
        Self { issuer: issuer.to_owned(), audience: format!("{issuer}/api/auth/refresh"), keys }
    }

    /// The same arguments give the same bytes, on every node.
    pub fn issue(&self, grant: &Grant<'_>) -> Result<String, InvalidToken> {
        let key = self.keys.first().ok_or(InvalidToken)?;
        let mut header = Header::new(ALGORITHM);
        header.typ = Some(TYP.to_owned());
        header.kid = Some(key.kid.clone());
        let claims = RefreshClaims {
            iss: self.issuer.clone(),
            aud: self.audience.clone(),
            sub: grant.user.clone(),
            sid: grant.session.clone(),
            generation: grant.generation,
            iat: grant.issued_at,
            exp: grant.expires_at,
            jti: jti(grant.salt, grant.generation),
        };
        encode(&header, &claims, &key.encoding).map_err(|_| InvalidToken)
    }

    /// The claims of a genuine token that has not expired; whether its session is live is another question.
    pub fn verify(&self, token: &str, now: Seconds) -> Result<RefreshClaims, InvalidToken> {
        let kid = header(token, TYP)?.kid.ok_or(InvalidToken)?;
        let key = self.keys.iter().find(|key| key.kid == kid).ok_or(InvalidToken)?;
        let validation = validation(ALGORITHM, &self.issuer, &self.audience, &["iss", "aud", "sub", "exp"]);
        let claims = decode::<RefreshClaims>(token, &key.decoding, &validation).map_err(|_| InvalidToken)?.claims;
        if claims.exp <= now { Err(InvalidToken) } else { Ok(claims) }
    }
}

/// 256 bits that nobody can tell without the salt, which only the session's row holds.
fn jti(salt: &str, generation: i64) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, salt.as_bytes());
    URL_SAFE_NO_PAD.encode(hmac::sign(&key, &generation.to_be_bytes()))
}
