//! A token that says whatever the input says, and is signed all the same: who signs it, then header and claims, each on
//! a line. So the fuzzer gets past base64 and signature, to what is made of the content.

use hallpass::tokens::access::{AccessClaims, AccessError};
use hallpass::tokens::refresh::RefreshClaims;
use serde_json::{Value, json};

use crate::keys::{ED25519, ES256, KEYS, NOW, SITE, Signer};

pub fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let [signer, header, claims] = text.splitn(3, '\n').collect::<Vec<_>>()[..] else { return };
    let signer = match signer {
        "ed" => Signer::Ed25519,
        "es" => Signer::Es256,
        "refresh" => Signer::Refresh,
        "public" => Signer::PublicKey,
        "none" => Signer::Nobody,
        _ => return,
    };
    let token = KEYS.token(header, claims, signer);
    let said = Said { signer, header: parsed(header), claims: parsed(claims) };
    match KEYS.access.verify(&KEYS.set, &token, NOW) {
        Ok(verified) => said.makes_access_token(&verified, true),
        // Expiry is its only fault.
        Err(AccessError::Expired) => {
            let before = said.claims["exp"].as_i64().expect("a time") - 1;
            let verified = KEYS.access.verify(&KEYS.set, &token, before);
            // It may have had no time at all.
            assert!(verified.is_ok() || said.claims["nbf"].as_i64() > Some(before), "{verified:?} of {text}");
            verified.iter().for_each(|verified| said.makes_access_token(verified, false));
        }
        Err(_) => assert!(!said.is_plain_access_token(), "{text}"),
    }
    if let Ok(verified) = KEYS.refresh.verify(&token, NOW) {
        said.makes_refresh_token(&verified);
    }
}

struct Said {
    signer: Signer,
    header: Value,
    claims: Value,
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_default()
}

impl Said {
    fn makes_access_token(&self, verified: &AccessClaims, in_time: bool) {
        let (kid, algorithm) = match self.signer {
            Signer::Ed25519 => (ED25519, "EdDSA"),
            Signer::Es256 => (ES256, "ES256"),
            Signer::Refresh | Signer::PublicKey | Signer::Nobody => panic!("{:?} made an access token", self.signer),
        };
        self.has_header("at+jwt", algorithm, kid);
        // What was read is what stands there: no default, no second claim of the same name, no other type.
        let read = serde_json::to_value(verified).expect("JSON");
        for (name, value) in read.as_object().expect("claims") {
            assert_eq!(&self.claims[name], value, "{name}");
        }
        assert_eq!((verified.iss.as_str(), verified.aud.as_str()), (SITE, SITE));
        assert!(!in_time || (verified.nbf <= NOW && NOW < verified.exp));
    }

    fn makes_refresh_token(&self, verified: &RefreshClaims) {
        assert_eq!(self.signer, Signer::Refresh);
        self.has_header("rt+jwt", "HS256", &KEYS.refresh_kid);
        let read = serde_json::to_value(verified).expect("JSON");
        for (name, value) in read.as_object().expect("claims") {
            assert_eq!(&self.claims[name], value, "{name}");
        }
        assert_eq!((verified.iss.as_str(), verified.aud.as_str()), (SITE, "https://example.org/api/auth/refresh"));
        assert!(NOW < verified.exp);
    }

    fn has_header(&self, typ: &str, algorithm: &str, kid: &str) {
        assert_eq!(self.header["typ"], typ);
        assert_eq!(self.header["alg"], algorithm);
        assert_eq!(self.header["kid"], kid);
        assert_eq!(self.header["crit"], Value::Null);
    }

    /// Looks like those that hallpass issues: it must be accepted, or nothing here would ever be.
    fn is_plain_access_token(&self) -> bool {
        let is_mine =
            self.signer == Signer::Ed25519 && self.header == json!({"typ": "at+jwt", "alg": "EdDSA", "kid": ED25519});
        let claims = json!({
            "iss": SITE, "aud": SITE, "sub": "u", "sid": "s", "gen": 1, "iat": NOW, "nbf": NOW, "exp": NOW + 1,
            "jti": "j", "auth_time": NOW, "scope": "read"
        });
        is_mine && self.claims == claims
    }
}
