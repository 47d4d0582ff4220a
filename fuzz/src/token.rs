//! What a cookie holds, byte by byte. The corpus has genuine values: of all that the fuzzer makes of them, none but they
//! themselves may be taken for genuine.

use std::sync::LazyLock;

use hallpass::id::SessionId;
use hallpass::sessions::probe::Probes;
use hallpass::tokens::mac::Mac;
use serde_json::{Value, json};

use crate::keys::{ED25519, KEYS, NOW, SITE, Signer};

/// Values that are genuine, and always the same.
struct Genuine {
    access: String,
    refresh: String,
    mac: Mac,
    probes: Probes,
    session: SessionId,
    code: String,
}

static GENUINE: LazyLock<Genuine> = LazyLock::new(|| {
    let claims = |more: Value| {
        let mut claims =
            json!({"iss": SITE, "sub": "u", "sid": "s", "gen": 1, "iat": NOW, "exp": NOW + 900, "jti": "j"});
        claims.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        claims.to_string()
    };
    let header = |typ: &str, alg: &str, kid: &str| json!({"typ": typ, "alg": alg, "kid": kid}).to_string();
    let access = claims(json!({"aud": SITE, "nbf": NOW - 60, "auth_time": NOW, "scope": "read"}));
    let refresh = claims(json!({"aud": format!("{SITE}/api/auth/refresh")}));
    let mac = Mac::new(&KEYS.secret, "browser");
    let genuine = Genuine {
        access: KEYS.token(&header("at+jwt", "EdDSA", ED25519), &access, Signer::Ed25519),
        refresh: KEYS.token(&header("rt+jwt", "HS256", &KEYS.refresh_kid), &refresh, Signer::Refresh),
        code: mac.sign("b"),
        mac,
        probes: Probes::new(&KEYS.secret),
        session: SessionId::from_text("s"),
    };
    assert!(is_access(&genuine.access) && is_refresh(&genuine.refresh), "nothing here would ever be accepted");
    assert!(genuine.mac.verify("b", &genuine.code));
    let question = genuine.probes.ask(&genuine.session, NOW);
    assert!(genuine.probes.is_answer(&question, &genuine.session, NOW));
    genuine
});

pub fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let genuine = &*GENUINE;
    assert_eq!(is_access(&text), text == genuine.access, "an access token: {text}");
    assert_eq!(is_refresh(&text), text == genuine.refresh, "a refresh token: {text}");
    assert_eq!(genuine.mac.verify("b", &text), text == genuine.code, "a browser's code: {text}");
    // Questions are random: none of the corpus was ever asked.
    assert!(!genuine.probes.is_answer(&text, &genuine.session, NOW), "an answer: {text}");
}

fn is_access(text: &str) -> bool {
    KEYS.access.verify(&KEYS.set, text, NOW).is_ok()
}

fn is_refresh(text: &str) -> bool {
    KEYS.refresh.verify(text, NOW).is_ok()
}
