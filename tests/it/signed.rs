//! Tokens whose signature is genuine and whose content is not: a key that leaked into another use, or a fault of ours.

use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use aws_lc_rs::signature::Ed25519KeyPair;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hallpass::config::{Secret, SigningAlgorithm};
use hallpass::tokens::access::{AccessError, AccessTokens};
use hallpass::tokens::keys::{KeySet, SealedKey};
use hallpass::tokens::secret::MasterSecret;
use jsonwebtoken::{Algorithm, EncodingKey};
use rocket::http::Method;
use serde_json::{Value, json};

use crate::helpers::TestApp;
use crate::tokens::decoded;

const SITE: &str = "https://example.org";
const NOW: i64 = 1_795_348_800;

/// A key of the site, and the private half that only the site has.
fn site_key() -> (KeySet, String, Ed25519KeyPair) {
    let secret = MasterSecret::new(&[Secret::new("a secret for tests of 32 characters")]);
    let sealed = SealedKey::generate(SigningAlgorithm::EdDsa, &secret, NOW, NOW).expect("a key");
    let bytes = URL_SAFE_NO_PAD.decode(&sealed.sealed_private_key).expect("base64url");
    let (nonce, ciphertext) = bytes.split_at(12);
    let mut opened = ciphertext.to_vec();
    let key = RandomizedNonceKey::new(&AES_256_GCM, &secret.derive("seal signing keys")[0]).expect("a key");
    let nonce = Nonce::try_assume_unique_for_key(nonce).expect("12 bytes");
    let private = key.open_in_place(nonce, Aad::from(format!("EdDSA {}", sealed.kid)), &mut opened).expect("opened");
    let pair = Ed25519KeyPair::from_pkcs8(private).expect("PKCS#8");
    let keys = KeySet::new(vec![sealed.open(&secret).expect("opened").0]);
    (keys, sealed.kid, pair)
}

fn claims() -> Value {
    json!({
        "iss": SITE, "aud": SITE, "sub": "u", "sid": "s", "gen": 1, "iat": NOW, "nbf": NOW - 60, "exp": NOW + 900,
        "jti": "j", "auth_time": NOW, "scope": "read write"
    })
}

fn with(mut object: Value, key: &str, value: Value) -> String {
    match value {
        Value::Null => drop(object.as_object_mut().expect("an object").remove(key)),
        value => object[key] = value,
    }
    object.to_string()
}

#[test]
fn a_genuine_signature_alone_makes_no_access_token() {
    let (keys, kid, pair) = site_key();
    let tokens = AccessTokens::new(SITE, 900);
    let verify = |header: &str, claims: &str| {
        let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        let signature = URL_SAFE_NO_PAD.encode(pair.sign(message.as_bytes()));
        tokens.verify(&keys, &format!("{message}.{signature}"), NOW).map(drop)
    };
    let header = json!({"typ": "at+jwt", "alg": "EdDSA", "kid": kid});
    let (plain_header, plain) = (header.to_string(), claims().to_string());
    assert_eq!(verify(&plain_header, &plain), Ok(()), "what differs below is what is refused");

    for (key, value) in [
        ("typ", json!("rt+jwt")),
        ("typ", json!("JWT")),
        ("typ", json!("application/at+jwt")),
        ("typ", Value::Null),
        ("alg", json!("none")),
        ("alg", json!("HS256")),
        ("alg", json!("ES256")),
        ("alg", Value::Null),
        ("kid", Value::Null),
        ("kid", json!(["a"])),
        ("crit", json!(["exp"])),
        ("crit", json!([])),
    ] {
        let header = with(header.clone(), key, value.clone());
        assert_eq!(verify(&header, &plain), Err(AccessError::Invalid), "{key}: {value}");
    }
    assert_eq!(verify(&with(header.clone(), "kid", json!("other")), &plain), Err(AccessError::UnknownKey));
    let doubled = plain_header.replacen('{', "{\"typ\":\"at+jwt\",", 1);
    assert_eq!(verify(&doubled, &plain), Err(AccessError::Invalid), "a header field twice");

    for (key, value) in [
        ("iss", json!("https://evil.example")),
        ("iss", json!("https://example.org/")),
        ("iss", Value::Null),
        ("iss", json!([SITE, "https://evil.example"])),
        ("aud", json!("https://example.org/api/auth/refresh")),
        ("aud", json!([SITE, "https://evil.example"])),
        ("aud", Value::Null),
        ("sub", Value::Null),
        ("sub", json!(1)),
        ("sid", Value::Null),
        ("gen", Value::Null),
        ("gen", json!("1")),
        ("exp", Value::Null),
        ("exp", json!("4000000000")),
        ("exp", json!(1e300)),
        ("nbf", Value::Null),
        ("nbf", json!(NOW + 1)),
        ("iat", Value::Null),
        ("auth_time", Value::Null),
    ] {
        let claims = with(claims(), key, value.clone());
        assert_eq!(verify(&plain_header, &claims), Err(AccessError::Invalid), "{key}: {value}");
    }
    for (key, value) in [("sub", json!("admin")), ("exp", json!(4_000_000_000_i64)), ("iss", json!(SITE))] {
        let doubled = plain.replacen('{', &format!("{{\"{key}\":{value},"), 1);
        assert_eq!(verify(&plain_header, &doubled), Err(AccessError::Invalid), "{key} twice");
    }
    for (exp, expected) in [(NOW + 1, Ok(())), (NOW, Err(AccessError::Expired)), (0, Err(AccessError::Expired))] {
        assert_eq!(verify(&plain_header, &with(claims(), "exp", json!(exp))), expected, "exp {exp}");
    }
    let both = with(serde_json::from_str(&with(claims(), "exp", json!(1))).unwrap(), "iss", json!("https://x.example"));
    assert_eq!(verify(&plain_header, &both), Err(AccessError::Invalid), "expired says that nothing else is wrong");
}

/// Whoever has stolen the secret, but not the database, has the key of refresh tokens and no session's salt.
#[rocket::async_test]
async fn a_stolen_secret_alone_makes_no_refresh_token() {
    let app = TestApp::start().await;
    let browser = app.registered().await;
    let genuine = browser.cookie("refresh_token").expect("logged in").to_owned();
    let key = EncodingKey::from_secret(&app.site().keyring.secret().derive("sign refresh tokens")[0]);
    let sign = |header: &str, claims: &str| {
        let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key, Algorithm::HS256).expect("signed");
        format!("{message}.{signature}")
    };
    let (header, claims) = (decoded(&genuine, 0), decoded(&genuine, 1));
    let status = async |token: &str| {
        let cookie = format!("refresh_token={token}");
        let page = app.browser().send(Method::Get, "/account", None, &[("Cookie", &cookie)]).await;
        (page.status, page.delivers())
    };
    let control = sign(&header.to_string(), &claims.to_string());
    assert_eq!(status(&control).await, (200, true), "what differs below is what is refused");
    let now = app.now();
    for (key, value) in [
        ("gen", json!(2)),
        ("gen", json!(-1)),
        ("gen", json!(i64::MAX)),
        ("gen", json!(u64::MAX)),
        ("jti", json!("")),
        ("jti", Value::Null),
        ("sid", json!("another")),
        ("sub", json!("another")),
        ("exp", json!(now)),
        ("exp", Value::Null),
        ("iss", json!("https://evil.example")),
        ("aud", claims["iss"].clone()),
        ("aud", Value::Null),
    ] {
        let token = sign(&header.to_string(), &with(claims.clone(), key, value.clone()));
        assert_eq!(status(&token).await, (303, false), "{key}: {value}");
    }
    for (key, value) in [
        ("typ", json!("at+jwt")),
        ("typ", Value::Null),
        ("kid", json!("another")),
        ("kid", Value::Null),
        ("crit", json!(["exp"])),
        ("alg", json!("HS512")),
        ("alg", json!("none")),
    ] {
        let token = sign(&with(header.clone(), key, value.clone()), &claims.to_string());
        assert_eq!(status(&token).await, (303, false), "{key}: {value}");
    }
    assert!(browser.clone().is_logged_in().await, "none of it has ended the session");
}
