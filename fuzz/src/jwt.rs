//! A token that says whatever the input says, and is signed all the same: who signs it, then header and claims, each on
//! a line. So the fuzzer gets past base64 and signature, to what is made of the content.

use hallpass::tokens::access::{AccessClaims, AccessError};
use hallpass::tokens::refresh::RefreshClaims;
use serde::Serialize;
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
    let said = Said { signer, header: Part::read(header), claims: Part::read(claims) };
    match KEYS.access.verify(&KEYS.set, &token, NOW) {
        Ok(verified) => said.makes_access_token(&verified, true),
        // Expiry is its only fault.
        Err(AccessError::Expired) => {
            let Some(claims) = &said.claims.value else { return };
            let before = claims["exp"].as_i64().expect("a time") - 1;
            let verified = KEYS.access.verify(&KEYS.set, &token, before);
            // It may have had no time at all.
            assert!(verified.is_ok() || claims["nbf"].as_i64() > Some(before), "{verified:?} of {text}");
            verified.iter().for_each(|verified| said.makes_access_token(verified, false));
        }
        Err(_) => assert!(!said.is_plain_access_token(), "{text}"),
    }
    if let Ok(verified) = KEYS.refresh.verify(&token, NOW) {
        said.makes_refresh_token(&verified);
    }
}

struct Said<'t> {
    signer: Signer,
    header: Part<'t>,
    claims: Part<'t>,
}

struct Part<'t> {
    text: &'t str,
    /// None where serde passes over a claim that nobody asks for and that no value can hold, such as `1e999`.
    value: Option<Value>,
}

impl<'t> Part<'t> {
    fn read(text: &'t str) -> Self {
        Self { text, value: serde_json::from_str(text).ok() }
    }

    /// What was read is what stands there: no default, no second field of the same name, no other type.
    fn says<T: Serialize>(&self, read: T) {
        let Some(value) = &self.value else { return };
        let read = serde_json::to_value(read).expect("JSON");
        for (name, read) in read.as_object().expect("an object") {
            assert_eq!(&value[name], read, "{name}");
        }
    }

    /// Written any longer, it could have a field twice, which is refused.
    fn is(&self, expected: Value) -> bool {
        self.text.len() == expected.to_string().len() && self.value == Some(expected)
    }
}

impl Said<'_> {
    fn makes_access_token(&self, verified: &AccessClaims, in_time: bool) {
        let (kid, algorithm) = match self.signer {
            Signer::Ed25519 => (ED25519, "EdDSA"),
            Signer::Es256 => (ES256, "ES256"),
            Signer::Refresh | Signer::PublicKey | Signer::Nobody => panic!("{:?} made an access token", self.signer),
        };
        self.has_header("at+jwt", algorithm, kid);
        self.claims.says(verified);
        assert_eq!((verified.iss.as_str(), verified.aud.as_str()), (SITE, SITE));
        assert!(!in_time || (verified.nbf <= NOW && NOW < verified.exp));
    }

    fn makes_refresh_token(&self, verified: &RefreshClaims) {
        assert_eq!(self.signer, Signer::Refresh);
        self.has_header("rt+jwt", "HS256", &KEYS.refresh_kid);
        self.claims.says(verified);
        assert_eq!((verified.iss.as_str(), verified.aud.as_str()), (SITE, "https://example.org/api/auth/refresh"));
        assert!(NOW < verified.exp);
    }

    fn has_header(&self, typ: &str, algorithm: &str, kid: &str) {
        self.header.says(json!({"typ": typ, "kid": kid, "crit": null}));
        let said = self.header.value.as_ref().map(|header| &header["alg"]);
        // To serde, `{"EdDSA":null}` is `"EdDSA"`.
        assert!(said.is_none_or(|said| *said == algorithm || *said == json!({algorithm: null})), "{said:?}");
    }

    /// Looks like those that hallpass issues: it must be accepted, or nothing here would ever be.
    fn is_plain_access_token(&self) -> bool {
        let header = json!({"typ": "at+jwt", "alg": "EdDSA", "kid": ED25519});
        let claims = json!({
            "iss": SITE, "aud": SITE, "sub": "u", "sid": "s", "gen": 1, "iat": NOW, "nbf": NOW, "exp": NOW + 1,
            "jti": "j", "auth_time": NOW, "scope": "read"
        });
        self.signer == Signer::Ed25519 && self.header.is(header) && self.claims.is(claims)
    }
}
