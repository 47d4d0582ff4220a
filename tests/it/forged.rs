//! Tokens made without the site's keys, by every trick that some verifier has fallen for.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};

use crate::helpers::{Browser, TestApp};
use crate::tokens::{Named, cookies_of, decoded, is_worthless, part};

#[rocket::async_test]
async fn a_forged_token_gives_nothing() {
    for algorithm in ["EdDSA", "ES256", "RS256"] {
        let app = TestApp::with(&[("signing_algorithm", algorithm)]).await;
        let browser = app.registered().await;
        let jwks: Value = serde_json::from_str(&app.browser().get("/.well-known/jwks.json").await.body).expect("JSON");
        let forged = forgeries(&browser, &jwks);
        is_worthless(&app, &browser, forged).await;
    }
}

/// Without the site's keys: everything that has ever been accepted by somebody.
fn forgeries(browser: &Browser<'_>, jwks: &Value) -> Vec<Named> {
    let mut forged = Vec::new();
    let own = Ed25519KeyPair::generate().expect("a key pair");
    let public = own.public_key().as_ref().to_vec();
    for token in cookies_of(browser) {
        let (header, claims) = (decoded(&token, 0), decoded(&token, 1));
        let mut add = |what: &str, token: String| forged.push((what.to_owned(), token));
        let rest = &token[token.find('.').expect("a dot")..];
        let with = |key: &str, value: Value| {
            let mut header = header.clone();
            header[key] = value;
            header
        };
        for none in ["none", "None", "NONE", "nOnE", ""] {
            let header = part(&with("alg", json!(none)));
            add(none, format!("{header}.{}.", part(&claims)));
            add(none, format!("{header}{rest}"));
        }
        for (key, value) in [("sub", json!("somebody")), ("exp", json!(4_000_000_000_i64)), ("scope", json!("admin"))] {
            let mut changed = claims.clone();
            changed[key] = value;
            let [header, _, signature] = token.split('.').collect::<Vec<_>>()[..] else { panic!("three parts") };
            add(key, format!("{header}.{}.{signature}", part(&changed)));
        }
        for secret in public_key_bytes(jwks) {
            add("HS256 under the public key", hs256(&secret, &with("alg", json!("HS256")), &claims));
            let header = json!({"alg": "HS256", "typ": "at+jwt", "kid": jwks["keys"][0]["kid"]});
            add("HS256 under the public key, its kid", hs256(&secret, &header, &claims));
        }
        add("HS256 under nothing", hs256(b"", &with("alg", json!("HS256")), &claims));
        let x = URL_SAFE_NO_PAD.encode(&public);
        let jwk = json!({"kty": "OKP", "crv": "Ed25519", "x": x, "kid": "mine", "use": "sig"});
        let mut sign = |what: &str, mut header: Value| {
            header["alg"] = json!("EdDSA");
            let message = format!("{}.{}", part(&header), part(&claims));
            let signature = URL_SAFE_NO_PAD.encode(own.sign(message.as_bytes()));
            add(what, format!("{message}.{signature}"));
        };
        sign("the attacker's key under the site's kid", header.clone());
        sign("unknown kid", with("kid", json!("mine")));
        sign("kid of another type", with("kid", json!(1)));
        sign("kid null", with("kid", Value::Null));
        sign("kid as a path", with("kid", json!("../../../../dev/null")));
        sign("kid as SQL", with("kid", json!("x' union select 'AAAA")));
        sign("jwk", with("jwk", jwk.clone()));
        sign("jku", with("jku", json!("https://evil.example/jwks.json")));
        sign("x5c", with("x5c", json!([STANDARD.encode(&public)])));
        sign("x5u", with("x5u", json!("https://evil.example/cert.pem")));
        sign("crit", with("crit", json!(["exp"])));
        let mut missing = header.clone();
        missing.as_object_mut().expect("an object").remove("kid");
        sign("no kid", missing);
    }
    forged
}

/// The public key in every form that a careless verifier may take for a shared secret.
fn public_key_bytes(jwks: &Value) -> Vec<Vec<u8>> {
    let jwk = &jwks["keys"][0];
    let mut forms = vec![jwk.to_string().into_bytes(), jwks.to_string().into_bytes()];
    for name in ["x", "y", "n"] {
        if let Some(text) = jwk[name].as_str() {
            let raw = URL_SAFE_NO_PAD.decode(text).expect("base64url");
            forms.push(text.as_bytes().to_vec());
            forms.push(STANDARD.encode(&raw).into_bytes());
            if name == "x" && raw.len() == 32 && jwk["kty"] == "OKP" {
                let prefix = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
                let der = [&prefix[..], &raw].concat();
                let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(&der));
                forms.extend([der, pem.trim_end().as_bytes().to_vec(), pem.into_bytes()]);
            }
            forms.push(raw);
        }
    }
    forms
}

fn hs256(secret: &[u8], header: &Value, claims: &Value) -> String {
    let message = format!("{}.{}", part(header), part(claims));
    let key = EncodingKey::from_secret(secret);
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key, Algorithm::HS256).expect("signed");
    format!("{message}.{signature}")
}
