//! Invalid tokens: each is a valid one with one change, signed again with the
//! server's own key unless the signature is what is wrong.

use aws_lc_rs::signature::Ed25519KeyPair;
use data_encoding::BASE64URL_NOPAD as BASE64;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::harness::TestApp;
use crypto::tokens::TokenKey;
use domain::{refusal::Code, staff::role::Role};

fn part(token: &str, at: usize) -> Value {
    let text = token.split('.').nth(at).expect("a part");
    serde_json::from_slice(&BASE64.decode(text.as_bytes()).expect("base64url")).expect("JSON")
}

fn signed(key: &TokenKey, header: &Value, claims: &Value) -> String {
    let text = [header, claims].map(|part| BASE64.encode(part.to_string().as_bytes())).join(".");
    let pair = Ed25519KeyPair::from_pkcs8(key.to_pkcs8().expose_secret()).expect("a key");
    format!("{text}.{}", BASE64.encode(pair.sign(text.as_bytes()).as_ref()))
}

/// What is wrong with it, the token, and how it is refused.
pub type BadToken = (&'static str, String, Code);

/// The invalid tokens for a role, made from its valid token.
pub fn bad_tokens(app: &TestApp, good: &str, role: Role) -> Vec<BadToken> {
    let (header, claims) = (part(good, 0), part(good, 1));
    let own = app.state.keys.tokens.signing_key(app.now());
    let stranger = TokenKey::generate(app.now()).expect("a key");
    let header_with = |name: &str, value: Value| {
        let mut header = header.clone();
        header[name] = value;
        signed(own, &header, &claims)
    };
    let claims_with = |changes: &[(&str, Value)]| {
        let mut claims = claims.clone();
        for (name, value) in changes {
            claims[*name] = value.clone();
        }
        signed(own, &header, &claims)
    };
    let other_audience = if role == Role::Worker { "staff" } else { "worker" };
    let (iat, past) = (claims["iat"].as_i64().expect("a time"), app.now().timestamp() - 10_000);
    assert!(iat > past);
    let unsigned = {
        let plain = json!({"alg": "none", "typ": header["typ"]});
        let text = [&plain, &claims].map(|part| BASE64.encode(part.to_string().as_bytes())).join(".");
        format!("{text}.")
    };
    let invalid = Code::TokenInvalid;
    vec![
        (
            "expired",
            claims_with(&[("iat", json!(past)), ("nbf", json!(past)), ("exp", json!(past + 300))]),
            Code::TokenExpired,
        ),
        ("of another audience", claims_with(&[("aud", json!(other_audience))]), invalid),
        ("of another kind", header_with("typ", json!("vend-auth+jws")), invalid),
        ("of another network", claims_with(&[("iss", json!("elsewhere"))]), invalid),
        ("not to be used yet", claims_with(&[("nbf", json!(iat + 250))]), invalid),
        ("for ever", claims_with(&[("exp", json!(iat + 1_000_000))]), invalid),
        ("of nobody", claims_with(&[("sub", json!("nobody"))]), invalid),
        ("of a stranger's key", signed(&stranger, &header, &claims), invalid),
        ("of an unknown key", header_with("kid", json!("unknown")), invalid),
        ("not signed", unsigned, invalid),
        ("cut short", good[..good.len() - 4].to_owned(), invalid),
        ("no token at all", "x".to_owned(), invalid),
    ]
}
