//! Attacks on token verification, and key rotation.

use aws_lc_rs::hmac;
use chrono::{DateTime, TimeDelta};
use data_encoding::BASE64URL_NOPAD;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use domain::ids::{StaffId, WorkerId};

const ISSUER: &str = "https://waystation.example";

fn at(seconds: i64) -> Timestamp {
    DateTime::from_timestamp(1_700_000_000 + seconds, 0).unwrap()
}

fn key(signs_from: i64) -> TokenKey {
    TokenKey::generate(at(signs_from)).unwrap()
}

fn ring() -> TokenKeys {
    TokenKeys::new(vec![key(0)]).unwrap()
}

fn claims(role: Role) -> Claims {
    Claims::new(ISSUER, role, StaffId::generate(), at(0), TimeDelta::minutes(5))
}

fn verify(keys: &TokenKeys, token: &str, now: i64) -> Result<Claims, TokenError> {
    keys.verify(token, Audience::Staff, ISSUER, at(now)).map(|verified| (*verified).clone())
}

fn part(value: &Value) -> String {
    BASE64URL_NOPAD.encode(value.to_string().as_bytes())
}

/// Signs any header and payload with the ring's own key.
fn forge(keys: &TokenKeys, header: &Value, payload: &Value) -> String {
    let message = format!("{}.{}", part(header), part(payload));
    let pair = Ed25519KeyPair::from_pkcs8(keys.ring()[0].private.as_bytes()).unwrap();
    let signature = BASE64URL_NOPAD.encode(pair.sign(message.as_bytes()).as_ref());
    format!("{message}.{signature}")
}

fn good_header(keys: &TokenKeys) -> Value {
    json!({ "alg": "EdDSA", "typ": "staff-access+jwt", "kid": keys.ring()[0].key_id })
}

fn good_payload() -> Value {
    serde_json::to_value(claims(Role::Doctor)).unwrap()
}

#[test]
fn a_token_returns_the_claims_it_was_issued_with() {
    let keys = ring();
    let mut issued = claims(Role::Doctor);
    issued.session = Some(SessionId::generate());
    issued.session_version = Some(7);
    issued.hospital = Some(HospitalId::generate());
    let token = keys.issue(&issued).unwrap();
    assert_eq!(verify(&keys, &token, 10), Ok(issued));

    let mut issued = Claims::new(ISSUER, Role::Worker, WorkerId::generate(), at(0), TimeDelta::minutes(1));
    issued.check_in = Some(CheckInId::generate());
    issued.station = Some(StationId::generate());
    issued.employer = Some(EmployerId::generate());
    issued.device = Some(DeviceId::generate());
    issued.epoch = Some(3);
    let token = keys.issue(&issued).unwrap();
    assert_eq!(*keys.verify(&token, Audience::Worker, ISSUER, at(10)).unwrap(), issued);
}

#[test]
fn every_role_is_valid_for_its_own_audience_only() {
    let keys = ring();
    for role in Role::ALL {
        let token = keys.issue(&claims(*role)).unwrap();
        for audience in Audience::ALL {
            let accepted = keys.verify(&token, *audience, ISSUER, at(1)).is_ok();
            assert_eq!(accepted, Audience::of(*role) == *audience, "{role} at {audience}");
        }
    }
}

#[test]
fn times_are_checked_with_five_seconds_of_leeway() {
    let keys = ring();
    let token = keys.issue(&claims(Role::Doctor)).unwrap();
    assert_eq!(verify(&keys, &token, -6), Err(TokenError::Invalid), "nbf");
    assert!(verify(&keys, &token, -5).is_ok());
    assert!(verify(&keys, &token, 304).is_ok());
    assert_eq!(verify(&keys, &token, 305), Err(TokenError::Expired));
    assert_eq!(verify(&keys, &token, 3_000_000_000), Err(TokenError::Expired));
}

#[test]
fn a_long_life_is_neither_issued_nor_accepted() {
    let keys = ring();
    let mut long = claims(Role::Doctor);
    long.expires_at = at(301);
    assert_eq!(keys.issue(&long), Err(CryptoError::OperationFailed));
    let token = forge(&keys, &good_header(&keys), &serde_json::to_value(&long).unwrap());
    assert_eq!(verify(&keys, &token, 1), Err(TokenError::Invalid));
    let mut none = claims(Role::Doctor);
    none.expires_at = at(0);
    assert_eq!(keys.issue(&none), Err(CryptoError::OperationFailed));
}

#[test]
fn another_issuer_and_another_service_are_refused() {
    let keys = ring();
    let token = keys.issue(&claims(Role::Doctor)).unwrap();
    assert_eq!(
        keys.verify(&token, Audience::Staff, "https://other.example", at(1)),
        Err(TokenError::Invalid)
    );
    assert_eq!(verify(&ring(), &token, 1), Err(TokenError::Invalid), "unknown key");
}

#[test]
fn a_foreign_key_under_a_known_id_is_refused() {
    let (keys, foreign) = (ring(), ring());
    let token = forge(&foreign, &good_header(&keys), &good_payload());
    assert_eq!(verify(&keys, &token, 1), Err(TokenError::Invalid));
    // One live key's signature under the other live key's id.
    let both = TokenKeys::new(vec![keys.ring()[0].clone(), foreign.ring()[0].clone()]).unwrap();
    assert_eq!(verify(&both, &token, 1), Err(TokenError::Invalid));
    assert!(verify(&both, &forge(&foreign, &good_header(&foreign), &good_payload()), 1).is_ok());
}

#[test]
fn every_changed_character_is_noticed() {
    let keys = ring();
    let token = keys.issue(&claims(Role::Doctor)).unwrap();
    for place in 0..token.len() {
        let mut changed = token.clone().into_bytes();
        changed[place] = if changed[place] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).unwrap();
        assert_eq!(verify(&keys, &changed, 1), Err(TokenError::Invalid), "character {place}");
    }
}

#[test]
fn algorithm_none_is_refused() {
    let keys = ring();
    for alg in ["none", "None", "NONE", ""] {
        let mut header = good_header(&keys);
        header["alg"] = json!(alg);
        let unsigned = format!("{}.{}.", part(&header), part(&good_payload()));
        assert_eq!(verify(&keys, &unsigned, 1), Err(TokenError::Invalid), "{alg}");
        assert_eq!(verify(&keys, &forge(&keys, &header, &good_payload()), 1), Err(TokenError::Invalid));
    }
    let stripped = forge(&keys, &good_header(&keys), &good_payload());
    let stripped = &stripped[..=stripped.rfind('.').unwrap()];
    assert_eq!(verify(&keys, stripped, 1), Err(TokenError::Invalid));
}

#[test]
fn the_public_key_is_not_accepted_as_an_hmac_secret() {
    let keys = ring();
    let mut header = good_header(&keys);
    header["alg"] = json!("HS256");
    let message = format!("{}.{}", part(&header), part(&good_payload()));
    let public = keys.ring()[0].public;
    for secret in [public.as_bytes().as_slice(), public.to_string().as_bytes()] {
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), message.as_bytes());
        let token = format!("{message}.{}", BASE64URL_NOPAD.encode(tag.as_ref()));
        assert_eq!(verify(&keys, &token, 1), Err(TokenError::Invalid));
    }
}

#[test]
fn a_header_cannot_bring_its_own_key() {
    let (keys, attacker) = (ring(), ring());
    let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "x": attacker.ring()[0].public.to_string() });
    let brought = [
        ("jwk", jwk),
        ("jku", json!("https://attacker.example/keys")),
        ("x5u", json!("https://attacker.example/cert")),
    ];
    for (name, value) in brought {
        let mut header = good_header(&keys);
        header[name] = value;
        let token = forge(&attacker, &header, &good_payload());
        assert_eq!(verify(&keys, &token, 1), Err(TokenError::Invalid), "{name}");
        // The member is ignored: our own signature stays valid.
        assert!(verify(&keys, &forge(&keys, &header, &good_payload()), 1).is_ok(), "{name}");
        header["kid"] = json!("unknown");
        let token = forge(&attacker, &header, &good_payload());
        assert_eq!(verify(&keys, &token, 1), Err(TokenError::Invalid), "{name} with unknown kid");
    }
}

#[test]
fn odd_headers_are_refused() {
    let keys = ring();
    let with = |name: &str, value: Value| {
        let mut header = good_header(&keys);
        header[name] = value;
        forge(&keys, &header, &good_payload())
    };
    assert!(verify(&keys, &with("cty", json!("x")), 1).is_ok());
    for (name, value) in [
        ("crit", json!(["exp"])),
        ("crit", json!([])),
        ("typ", json!("JWT")),
        ("typ", json!("worker-access+jwt")),
        ("typ", Value::Null),
        ("kid", Value::Null),
        ("kid", json!("")),
        ("kid", json!("../../etc/passwd")),
        ("kid", json!(["a"])),
    ] {
        let token = with(name, value.clone());
        assert_eq!(verify(&keys, &token, 1), Err(TokenError::Invalid), "{name} = {value}");
    }
}

#[test]
fn required_claims_must_be_there_and_of_their_type() {
    let keys = ring();
    let verdict = |payload: &Value| verify(&keys, &forge(&keys, &good_header(&keys), payload), 1);
    assert!(verdict(&good_payload()).is_ok());
    for name in ["exp", "nbf", "iss", "aud", "sub", "iat", "jti", "role"] {
        let mut payload = good_payload();
        payload.as_object_mut().unwrap().remove(name);
        assert_eq!(verdict(&payload), Err(TokenError::Invalid), "without {name}");
        payload[name] = Value::Null;
        assert_eq!(verdict(&payload), Err(TokenError::Invalid), "{name} null");
    }
    for (name, value) in [
        ("exp", json!("1700000300")),
        ("exp", json!(1.7e9)),
        ("exp", json!(i64::MAX)),
        ("exp", json!(u64::MAX)),
        ("nbf", json!("1700000000")),
        ("nbf", json!(-1.5)),
        ("iat", json!(i64::MIN)),
        ("aud", json!(["staff", "worker"])),
        ("aud", json!("worker")),
        ("iss", json!([ISSUER])),
        ("role", json!("admin")),
        ("role", json!("worker")),
        ("sid", json!("not-an-id")),
    ] {
        let mut payload = good_payload();
        payload[name] = value.clone();
        assert_eq!(verdict(&payload), Err(TokenError::Invalid), "{name} = {value}");
    }
}

#[test]
fn a_role_of_another_audience_is_not_issued() {
    let mut mixed = claims(Role::Doctor);
    mixed.role = Role::Worker;
    assert_eq!(ring().issue(&mixed), Err(CryptoError::OperationFailed));
}

#[test]
fn rotation_loses_no_token_and_ends_the_old_key() {
    let (old, new) = (key(0), key(600));
    let before = TokenKeys::new(vec![old.clone()]).unwrap();
    let early = before.issue(&claims(Role::Doctor)).unwrap();

    // The new key is published ahead: it verifies at once and signs from its time on.
    let both = TokenKeys::new(vec![new.clone(), old.clone()]).unwrap();
    assert_eq!(both.signing_key(at(599)).key_id(), old.key_id());
    assert_eq!(both.signing_key(at(600)).key_id(), new.key_id());
    assert_eq!(both.signing_key(at(-1)).key_id(), old.key_id(), "never without a key");
    assert!(verify(&both, &early, 1).is_ok());
    let late = Claims::new(ISSUER, Role::Doctor, "x", at(600), TimeDelta::minutes(5));
    let late = both.issue(&late).unwrap();
    assert!(verify(&both, &late, 601).is_ok());
    let served = PublicKeys::from_jwks(&both.jwks()).unwrap();
    assert!(served.get(old.key_id()).is_some() && served.get(new.key_id()).is_some());

    let after = TokenKeys::new(vec![new]).unwrap();
    assert!(verify(&after, &late, 601).is_ok());
    assert_eq!(verify(&after, &early, 1), Err(TokenError::Invalid));
}

#[test]
fn keys_read_back_and_stay_out_of_debug_and_jwks() {
    let key = key(0);
    let pkcs8 = key.to_pkcs8();
    let again = TokenKey::from_pkcs8(pkcs8.expose_secret(), key.signs_from()).unwrap();
    assert_eq!((again.key_id(), again.public_key()), (key.key_id(), key.public_key()));
    let token = TokenKeys::new(vec![again]).unwrap().issue(&claims(Role::Doctor)).unwrap();
    assert!(verify(&TokenKeys::new(vec![key.clone()]).unwrap(), &token, 1).is_ok());
    assert!(TokenKey::from_pkcs8(b"rubbish", at(0)).is_err());

    let ring = TokenKeys::new(vec![key]).unwrap();
    // PKCS#8 v2 starts with 16 bytes of structure, then the 32-byte seed.
    let seed = &pkcs8.expose_secret()[16..48];
    for shown in [format!("{ring:?}"), ring.jwks().to_string()] {
        assert!(!shown.contains(&BASE64URL_NOPAD.encode(seed)) && !shown.contains(&format!("{seed:?}")));
        assert!(!shown.contains("\"d\""));
    }
}

#[test]
fn a_ring_is_neither_empty_nor_has_duplicates() {
    let key = key(0);
    for keys in [vec![], vec![key.clone(), key]] {
        assert_eq!(TokenKeys::new(keys).err(), Some(CryptoError::KeyInvalid));
    }
}

proptest! {
    #[test]
    fn garbage_is_invalid_and_never_panics(text in "[A-Za-z0-9_.-]{0,120}", odd in ".{0,40}") {
        let keys = ring();
        prop_assert_eq!(verify(&keys, &text, 1), Err(TokenError::Invalid));
        prop_assert_eq!(verify(&keys, &odd, 1), Err(TokenError::Invalid));
    }
}
