use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

/// What a token says, unverified: for looking at, as a consumer's debugger would.
pub fn claims(token: &str) -> Value {
    let body = token.split('.').nth(1).expect("a token has three parts");
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(body).expect("base64url")).expect("JSON")
}

/// The generation of an access or refresh token.
pub fn generation(token: &str) -> i64 {
    claims(token)["gen"].as_i64().expect("a generation")
}
