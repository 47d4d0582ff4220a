//! The access token: who asks, for a quarter of an hour (RFC 9068).

use jsonwebtoken::{Header, decode, encode};
use serde::{Deserialize, Serialize};

use super::keys::KeySet;
use super::{InvalidToken, header, validation};
use crate::clock::Seconds;
use crate::id::{SessionId, UserId, random_text};

const TYP: &str = "at+jwt";

/// Nodes' clocks differ by a few seconds: a token is good on each from the moment that any of them issued it.
const CLOCK_SKEW_SECONDS: Seconds = 60;

/// The claims (RFC 9068 section 2.2), and `gen`, the generation of the refresh token issued with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessClaims {
    pub iss: String,
    pub aud: String,
    pub sub: UserId,
    pub sid: SessionId,
    #[serde(rename = "gen")]
    pub generation: i64,
    pub iat: Seconds,
    pub nbf: Seconds,
    pub exp: Seconds,
    pub jti: String,
    pub auth_time: Seconds,
    pub scope: String,
}

/// What an access token says of its holder.
#[derive(Clone, Debug)]
pub struct Grant<'a> {
    pub user: &'a UserId,
    pub session: &'a SessionId,
    pub generation: i64,
    /// When the user last proved who they are (OpenID Connect Core section 2).
    pub auth_time: Seconds,
    /// Space-separated (RFC 6749 section 3.3).
    pub scope: &'a str,
}

/// Why an access token gives no access.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccessError {
    #[error("not a valid access token")]
    Invalid,
    /// Genuine in every other respect.
    #[error("the access token has expired")]
    Expired,
    /// Perhaps genuine, but signed by a key that this process has not (yet) read.
    #[error("the access token is signed by an unknown key")]
    UnknownKey,
}

impl From<InvalidToken> for AccessError {
    fn from(_: InvalidToken) -> Self {
        Self::Invalid
    }
}

/// Issues and verifies the access tokens of one site.
#[derive(Clone, Debug)]
pub struct AccessTokens {
    issuer: String,
    ttl: Seconds,
}

impl AccessTokens {
    /// The site is both issuer and audience: hallpass's own pages and API consume the token.
    pub fn new(issuer: &str, ttl_seconds: Seconds) -> Self {
        Self { issuer: issuer.to_owned(), ttl: ttl_seconds }
    }

    /// Lifetime of a new token, in seconds.
    pub fn ttl_seconds(&self) -> Seconds {
        self.ttl
    }

    pub fn issue(&self, keys: &KeySet, grant: &Grant<'_>, now: Seconds) -> Result<String, InvalidToken> {
        let key = keys.current(now).ok_or(InvalidToken)?;
        let mut header = Header::new(key.algorithm.jwt());
        header.typ = Some(TYP.to_owned());
        header.kid = Some(key.kid.clone());
        let claims = AccessClaims {
            iss: self.issuer.clone(),
            aud: self.issuer.clone(),
            sub: grant.user.clone(),
            sid: grant.session.clone(),
            generation: grant.generation,
            iat: now,
            nbf: now - CLOCK_SKEW_SECONDS,
            exp: now + self.ttl,
            jti: random_text::<16>(),
            auth_time: grant.auth_time,
            scope: grant.scope.to_owned(),
        };
        encode(&header, &claims, &key.encoding).map_err(|_| InvalidToken)
    }

    /// The claims of a genuine token that is good now. `typ`, key, algorithm, signature, issuer, audience and
    /// required claims are checked first, time last.
    pub fn verify(&self, keys: &KeySet, token: &str, now: Seconds) -> Result<AccessClaims, AccessError> {
        let header = header(token, TYP)?;
        let kid = header.kid.ok_or(AccessError::Invalid)?;
        let key = keys.by_kid(&kid).ok_or(AccessError::UnknownKey)?;
        let required = ["iss", "aud", "sub", "exp", "nbf"];
        let validation = validation(key.algorithm.jwt(), &self.issuer, &self.issuer, &required);
        let claims =
            decode::<AccessClaims>(token, &key.decoding, &validation).map_err(|_| AccessError::Invalid)?.claims;
        if claims.nbf > now {
            return Err(AccessError::Invalid);
        }
        if claims.exp <= now { Err(AccessError::Expired) } else { Ok(claims) }
    }
}
