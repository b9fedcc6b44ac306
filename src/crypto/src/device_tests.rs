//! Assertions and request signatures, genuine and forged.

use chrono::DateTime;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::signer::Signer;

const TOKEN_URL: &str = "https://waystation.example/cabinet/v1/token";
const PATH: &str = "/cabinet/v1/events?from=3";

fn at(seconds: i64) -> Timestamp {
    DateTime::from_timestamp(1_700_000_000 + seconds, 0).unwrap()
}

fn device() -> (DeviceKey, DeviceId) {
    (DeviceKey::generate().unwrap(), DeviceId::generate())
}

fn check(key: &DeviceKey, assertion: &str, now: i64) -> Result<Assertion, CryptoError> {
    verify_assertion(&key.public_key(), assertion, TOKEN_URL, at(now))
}

fn forge(key: &DeviceKey, header: &Value, claims: &Value) -> String {
    let part = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
    let message = format!("{}.{}", part(header), part(claims));
    let signature = key.signer.sign(message.as_bytes()).unwrap();
    format!("{message}.{}", BASE64URL_NOPAD.encode(&signature))
}

fn good_header(id: DeviceId) -> Value {
    json!({ "alg": "EdDSA", "typ": ASSERTION_TYP, "kid": id })
}

fn good_claims(id: DeviceId) -> Value {
    let now = at(0).timestamp();
    json!({ "iss": id, "sub": id, "aud": TOKEN_URL, "jti": "j", "iat": now, "nbf": now, "exp": now + 60 })
}

#[test]
fn an_assertion_names_its_device() {
    let (key, id) = device();
    let assertion = make_assertion(&key, id, TOKEN_URL, "first", at(0)).unwrap();
    assert_eq!(peek_device(&assertion), Ok(id));
    let expected = Assertion { device_id: id, jti: "first".into(), expires_at: at(60) };
    assert_eq!(check(&key, &assertion, 30), Ok(expected));
    assert!(check(&key, &forge(&key, &good_header(id), &good_claims(id)), 1).is_ok());
}

#[test]
fn an_assertion_is_bound_to_its_time_key_and_audience() {
    let (key, id) = device();
    let assertion = make_assertion(&key, id, TOKEN_URL, "first", at(0)).unwrap();
    assert!(check(&key, &assertion, 64).is_ok() && check(&key, &assertion, -5).is_ok());
    assert_eq!(check(&key, &assertion, 65), Err(CryptoError::Expired));
    assert_eq!(check(&key, &assertion, -6), Err(CryptoError::NotYetValid));
    assert_eq!(check(&device().0, &assertion, 1), Err(CryptoError::SignatureInvalid));
    let elsewhere = verify_assertion(&key.public_key(), &assertion, "https://other.example", at(1));
    assert_eq!(elsewhere, Err(CryptoError::WrongAudience));
}

#[test]
fn forged_assertions_are_refused() {
    let (key, id) = device();
    let now = at(0).timestamp();
    for (name, value, error) in [
        ("exp", json!(now + 61), CryptoError::Expired),
        ("iat", json!(now - 1), CryptoError::Expired),
        ("iat", json!(now + 40), CryptoError::NotYetValid),
        ("nbf", json!(now + 40), CryptoError::NotYetValid),
        ("sub", json!(DeviceId::generate()), CryptoError::WrongAudience),
        ("iss", json!(DeviceId::generate()), CryptoError::WrongAudience),
        ("jti", json!(""), CryptoError::Malformed),
        ("jti", json!("x".repeat(65)), CryptoError::Malformed),
        ("nbf", Value::Null, CryptoError::Malformed),
        ("exp", json!(i64::MAX), CryptoError::Malformed),
    ] {
        let mut claims = good_claims(id);
        claims[name] = value.clone();
        let assertion = forge(&key, &good_header(id), &claims);
        assert_eq!(check(&key, &assertion, 1), Err(error), "{name} = {value}");
    }
    for (name, value, error) in [
        ("typ", json!("JWT"), CryptoError::WrongKind),
        ("typ", json!("cabinet-access+jwt"), CryptoError::WrongKind),
        ("alg", json!("HS256"), CryptoError::WrongKind),
        ("alg", json!("none"), CryptoError::Malformed),
        ("crit", json!(["exp"]), CryptoError::Malformed),
        ("kid", json!(DeviceId::generate()), CryptoError::WrongAudience),
        ("kid", json!("x"), CryptoError::KeyUnknown),
        ("kid", Value::Null, CryptoError::KeyUnknown),
    ] {
        let mut header = good_header(id);
        header[name] = value.clone();
        let assertion = forge(&key, &header, &good_claims(id));
        assert_eq!(check(&key, &assertion, 1), Err(error), "{name} = {value}");
    }
}

#[test]
fn a_request_signature_covers_method_path_and_body() {
    let (key, id) = device();
    let public = key.public_key();
    let signed = sign_request(&key, id, "POST", PATH, b"{}").unwrap();
    assert_eq!(peek_device(&signed), Ok(id));
    assert_eq!(verify_request(&public, &signed, "POST", PATH, b"{}"), Ok(id));
    for (method, path, body) in [
        ("PUT", PATH, &b"{}"[..]),
        ("post", PATH, b"{}"),
        ("POST", "/cabinet/v1/events?from=4", b"{}"),
        ("POST", "/cabinet/v1/events", b"{}"),
        ("POST", PATH, b"{ }"),
        ("POST", PATH, b""),
    ] {
        let found = verify_request(&public, &signed, method, path, body);
        assert_eq!(found, Err(CryptoError::SignatureInvalid), "{method} {path}");
    }
    let foreign = device().0.public_key();
    assert_eq!(verify_request(&foreign, &signed, "POST", PATH, b"{}"), Err(CryptoError::SignatureInvalid));
}

#[test]
fn a_signature_cannot_be_given_to_another_device() {
    let (key, id) = device();
    let signed = sign_request(&key, id, "POST", PATH, b"{}").unwrap();
    let mine = BASE64URL_NOPAD.decode(signed.split_once("..").unwrap().0.as_bytes()).unwrap();
    let theirs = String::from_utf8(mine).unwrap().replace(&id.to_string(), &DeviceId::generate().to_string());
    let signature = signed.split_once("..").unwrap().1;
    let moved = format!("{}..{signature}", BASE64URL_NOPAD.encode(theirs.as_bytes()));
    let found = verify_request(&key.public_key(), &moved, "POST", PATH, b"{}");
    assert_eq!(found, Err(CryptoError::SignatureInvalid));
}

#[test]
fn line_breaks_and_blanks_cannot_shift_the_parts() {
    let (key, id) = device();
    for (method, path) in [("POST\n/a", "/b"), ("POST", "/a\nb"), ("POST", "/a b"), ("", "/a"), ("POST", "")]
    {
        assert_eq!(sign_request(&key, id, method, path, b""), Err(CryptoError::Malformed));
        let found = verify_request(&key.public_key(), "a..b", method, path, b"");
        assert_eq!(found, Err(CryptoError::Malformed));
    }
}

#[test]
fn an_assertion_is_not_a_request_signature_nor_the_reverse() {
    let (key, id) = device();
    let assertion = make_assertion(&key, id, TOKEN_URL, "first", at(0)).unwrap();
    assert!(verify_request(&key.public_key(), &assertion, "POST", PATH, b"{}").is_err());
    let signed = sign_request(&key, id, "POST", PATH, b"{}").unwrap();
    assert_eq!(check(&key, &signed, 1), Err(CryptoError::WrongKind));
}

#[test]
fn keys_read_back_and_stay_out_of_debug() {
    let (key, _) = device();
    let stored = key.to_base64();
    let again = DeviceKey::from_base64(stored.expose_secret()).unwrap();
    assert_eq!(again.public_key(), key.public_key());
    assert_eq!(key.public_key().to_string().len(), 43);
    assert!(format!("{key:?}").starts_with("DeviceKey([redacted], public "));
    for bad in ["", "AAAA", "not base64"] {
        assert_eq!(DeviceKey::from_base64(bad).err(), Some(CryptoError::KeyInvalid));
    }
}

#[test]
fn only_the_canonical_form_of_an_id_is_accepted() {
    let id = DeviceId::generate();
    let peeked = |kid: String| {
        peek_device(&format!("{}.x", BASE64URL_NOPAD.encode(json!({ "kid": kid }).to_string().as_bytes())))
    };
    assert_eq!(peeked(id.to_string()), Ok(id));
    for other in [id.to_string().to_uppercase(), format!("{{{id}}}"), id.to_string().replace('-', "")] {
        // An id without letters reads the same in capitals.
        if other != id.to_string() {
            assert_eq!(peeked(other), Err(CryptoError::KeyUnknown));
        }
    }
}

proptest! {
    #[test]
    fn garbage_never_panics(text in ".{0,120}") {
        let key = DeviceKey::generate().unwrap();
        prop_assert!(peek_device(&text).is_err());
        prop_assert!(check(&key, &text, 1).is_err());
        prop_assert!(verify_request(&key.public_key(), &text, "POST", PATH, b"").is_err());
    }
}

#[test]
fn a_seed_is_a_key_and_is_stored_like_any_other() {
    let key = DeviceKey::from_seed(&[7; 32]).unwrap();
    assert_eq!(key.public_key(), DeviceKey::from_seed(&[7; 32]).unwrap().public_key());
    assert_ne!(key.public_key(), DeviceKey::from_seed(&[8; 32]).unwrap().public_key());
    let stored = DeviceKey::from_base64(key.to_base64().expose_secret()).unwrap();
    assert_eq!(stored.public_key(), key.public_key());
}

#[test]
fn the_stored_key_is_pkcs8_version_1_and_reads_back() {
    let key = DeviceKey::from_seed(&[7; 32]).unwrap();
    let text = key.to_base64();
    assert!(text.expose_secret().starts_with("MC4CAQAwBQYDK2VwBCIEIAcHBwcH"), "{}", text.expose_secret());
    assert_eq!(DeviceKey::from_base64(text.expose_secret()).unwrap().public_key(), key.public_key());
}
