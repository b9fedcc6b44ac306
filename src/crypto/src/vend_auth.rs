//! The signed permission that an attempt carries to its cabinet.
//!
//! It does not permit running the motor: the cabinet sends START with it, and
//! only a GRANT for its own boot lets it vend. So the cabinet's wall clock
//! decides nothing here; `exp` rejects a START by the server's clock. Source:
//! the cabinet protocol, "clock wrong".

use chrono::serde::ts_seconds;
use serde::{Deserialize, Serialize};

use super::{
    CryptoError,
    jwt::{self, Expected},
    public_key::PublicKeys,
    tokens::TokenKeys,
};
use domain::{
    ids::{AttemptId, DeviceId, OrderUnitId},
    time::Timestamp,
};

const TYP: &str = "vend-auth+jws";

/// The quantity of every vend authorization: one attempt per physical unit, so
/// that a partial vend is not a special case. Any other value than 1 is malformed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub struct OnePack;

impl From<OnePack> for u64 {
    fn from(_: OnePack) -> Self {
        1
    }
}
impl TryFrom<u64> for OnePack {
    type Error = CryptoError;
    fn try_from(quantity: u64) -> Result<Self, CryptoError> {
        (quantity == 1).then_some(Self).ok_or(CryptoError::Malformed)
    }
}

/// The claims of a vend authorization. Times are whole seconds on the wire.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VendAuthorization {
    /// Which installation issued it.
    #[serde(rename = "iss")]
    pub issuer: String,
    /// The only device that may send START with it.
    #[serde(rename = "aud")]
    pub device: DeviceId,
    #[serde(rename = "sub")]
    pub attempt: AttemptId,
    /// The epoch of the device; a device with an older one may not start.
    pub epoch: i64,
    /// The pack that is owed.
    pub order_unit: OrderUnitId,
    pub slot: String,
    pub product_code: String,
    pub lot: String,
    pub quantity: OnePack,
    #[serde(rename = "iat", with = "ts_seconds")]
    pub issued_at: Timestamp,
    #[serde(rename = "nbf", with = "ts_seconds")]
    pub not_before: Timestamp,
    /// Expiry by the server's clock. Expired never means "not vended".
    #[serde(rename = "exp", with = "ts_seconds")]
    pub expires_at: Timestamp,
}

/// Signs an authorization with the server key that signs at its issue time.
///
/// # Errors
/// [`CryptoError::OperationFailed`] if it would never be valid, or the backend fails.
pub fn issue(keys: &TokenKeys, authorization: &VendAuthorization) -> Result<String, CryptoError> {
    if authorization.expires_at <= authorization.not_before {
        return Err(CryptoError::OperationFailed);
    }
    let key = keys.signing_key(authorization.issued_at);
    jwt::encode(TYP, key.key_id(), key.private(), authorization)
}

/// Checks an authorization on the cabinet with the server's published keys:
/// signature, type, issuer, device and epoch. It does not check the times, see
/// the module documentation.
///
/// # Errors
/// [`CryptoError::WrongAudience`] for another installation, device or epoch;
/// [`CryptoError::KeyUnknown`] (fetch the keys again), [`CryptoError::WrongKind`],
/// [`CryptoError::SignatureInvalid`] or [`CryptoError::Malformed`].
pub fn verify(
    keys: &PublicKeys,
    jws: &str,
    issuer: &str,
    device: DeviceId,
    epoch: i64,
) -> Result<VendAuthorization, CryptoError> {
    let expected = Expected { typ: TYP, issuer, audience: &device.to_string() };
    let authorization: VendAuthorization =
        jwt::decode(jws, &expected, |kid| keys.get(kid).map(|key| key.decoding_key()))?;
    if authorization.epoch != epoch || authorization.device != device {
        return Err(CryptoError::WrongAudience);
    }
    Ok(authorization)
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, TimeDelta};
    use serde_json::{Value, json};

    use super::*;
    use crate::tokens::{Audience, Claims, Role, TokenKey};

    const ISSUER: &str = "https://waystation.example";

    fn at(seconds: i64) -> Timestamp {
        DateTime::from_timestamp(1_700_000_000 + seconds, 0).unwrap()
    }

    fn ring() -> TokenKeys {
        TokenKeys::new(vec![TokenKey::generate(at(0)).unwrap()]).unwrap()
    }

    fn authorization() -> VendAuthorization {
        VendAuthorization {
            issuer: ISSUER.into(),
            device: DeviceId::generate(),
            attempt: AttemptId::generate(),
            epoch: 4,
            order_unit: OrderUnitId::generate(),
            slot: "B07".into(),
            product_code: "ibuprofen-300".into(),
            lot: "L2611".into(),
            quantity: OnePack,
            issued_at: at(0),
            not_before: at(0),
            expires_at: at(900),
        }
    }

    fn forge(keys: &TokenKeys, typ: &str, claims: &Value) -> String {
        let key = keys.signing_key(at(0));
        jwt::encode(typ, key.key_id(), key.private(), claims).unwrap()
    }

    #[test]
    fn a_cabinet_reads_its_own_authorization_with_the_served_keys() {
        let (keys, authorized) = (ring(), authorization());
        let jws = issue(&keys, &authorized).unwrap();
        let served = PublicKeys::from_jwks(&keys.jwks()).unwrap();
        assert_eq!(verify(&served, &jws, ISSUER, authorized.device, 4), Ok(authorized.clone()));
        for (issuer, device, epoch) in [
            ("https://other.example", authorized.device, 4),
            (ISSUER, DeviceId::generate(), 4),
            (ISSUER, authorized.device, 3),
            (ISSUER, authorized.device, 5),
        ] {
            assert_eq!(verify(&served, &jws, issuer, device, epoch), Err(CryptoError::WrongAudience));
        }
        let foreign = ring().public_keys();
        assert_eq!(verify(&foreign, &jws, ISSUER, authorized.device, 4), Err(CryptoError::KeyUnknown));
        let known = keys.signing_key(at(0)).key_id().to_owned();
        let impostor = PublicKeys::from_iter([(known, ring().signing_key(at(0)).public_key())]);
        assert_eq!(verify(&impostor, &jws, ISSUER, authorized.device, 4), Err(CryptoError::SignatureInvalid));
    }

    #[test]
    fn one_that_is_never_valid_is_not_issued() {
        let authorized = authorization();
        let never = VendAuthorization { expires_at: at(0), ..authorized };
        assert_eq!(issue(&ring(), &never), Err(CryptoError::OperationFailed));
    }

    #[test]
    fn extra_missing_or_changed_claims_are_refused() {
        let (keys, authorized) = (ring(), authorization());
        let served = keys.public_keys();
        let good = serde_json::to_value(&authorized).unwrap();
        assert_eq!(good["quantity"], json!(1));
        let verdict =
            |claims: &Value| verify(&served, &forge(&keys, TYP, claims), ISSUER, authorized.device, 4);
        assert!(verdict(&good).is_ok());
        for (name, value) in [
            ("quantity", json!(2)),
            ("quantity", json!(0)),
            ("quantity", json!(-1)),
            ("quantity", json!("1")),
            ("slot", json!(7)),
            ("more", json!(true)),
        ] {
            let mut claims = good.clone();
            claims[name] = value.clone();
            assert_eq!(verdict(&claims), Err(CryptoError::Malformed), "{name} = {value}");
        }
        for name in good.as_object().unwrap().keys() {
            let mut claims = good.clone();
            claims.as_object_mut().unwrap().remove(name);
            assert!(verdict(&claims).is_err(), "without {name}");
        }
    }

    #[test]
    fn it_is_not_an_access_token_nor_the_reverse() {
        let (keys, authorized) = (ring(), authorization());
        let served = keys.public_keys();
        let jws = issue(&keys, &authorized).unwrap();
        for audience in Audience::ALL {
            assert!(keys.verify(&jws, *audience, ISSUER, at(1)).is_err());
        }
        let token = keys
            .issue(&Claims::new(ISSUER, Role::Cabinet, authorized.device, at(0), TimeDelta::minutes(5)))
            .unwrap();
        assert_eq!(verify(&served, &token, ISSUER, authorized.device, 4), Err(CryptoError::WrongKind));
        let good = serde_json::to_value(&authorized).unwrap();
        let found = verify(&served, &forge(&keys, "JWT", &good), ISSUER, authorized.device, 4);
        assert_eq!(found, Err(CryptoError::WrongKind));
    }

    #[test]
    fn every_changed_character_is_noticed() {
        let (keys, authorized) = (ring(), authorization());
        let (served, jws) = (keys.public_keys(), issue(&keys, &authorized).unwrap());
        for place in 0..jws.len() {
            let mut changed = jws.clone().into_bytes();
            changed[place] = if changed[place] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert!(verify(&served, &changed, ISSUER, authorized.device, 4).is_err(), "character {place}");
        }
    }
}
