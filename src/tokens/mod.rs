//! What the browser carries: issuing and verifying, nothing else. No SQL, no HTTP.

pub mod access;
pub mod keys;
pub mod mac;
pub mod refresh;
pub mod secret;

/// The token is not one of ours, or was tampered with, or is for another use: it says nothing about anybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a valid token")]
pub struct InvalidToken;

/// No token of ours comes near this size (each cookie is under 1 KiB): what is longer is not worth decoding.
pub const TOKEN_MAX_BYTES: usize = 1024;

/// The header fields that decide whether a token is looked at any further. Keys, addresses and certificates
/// that a header may bring (`jwk`, `jku`, `x5c` …) are never read (RFC 8725 section 3.10).
fn header(token: &str, typ: &str) -> Result<jsonwebtoken::Header, InvalidToken> {
    if token.len() > TOKEN_MAX_BYTES {
        return Err(InvalidToken);
    }
    let header = jsonwebtoken::decode_header(token).map_err(|_| InvalidToken)?;
    // An extension that must be understood, is not (RFC 7515 section 4.1.11).
    let understood = header.crit.is_none();
    if understood && header.typ.as_deref() == Some(typ) { Ok(header) } else { Err(InvalidToken) }
}

/// Everything but time is checked by the library; time by the caller, against our own clock and without leeway,
/// so that "expired" means that expiry is the only fault.
fn validation(
    algorithm: jsonwebtoken::Algorithm,
    issuer: &str,
    audience: &str,
    required: &[&str],
) -> jsonwebtoken::Validation {
    let mut validation = jsonwebtoken::Validation::new(algorithm);
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.set_issuer(&[issuer]);
    validation.set_audience(&[audience]);
    validation.set_required_spec_claims(required);
    validation
}
