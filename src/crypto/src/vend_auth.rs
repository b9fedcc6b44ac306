//! The signed permission that an attempt carries to its cabinet.
//!
//! It is no permission to run the motor: the cabinet asks START with it, and
//! only a GRANT for its own boot lets it vend. So the cabinet's wall clock
//! decides nothing here; `exp` rejects a START by the server's clock (source:
//! the cabinet protocol, "clock wrong").

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
/// that a partial vend is no special case. Anything but 1 cannot be read.
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

/// What a vend authorization says. Times are whole seconds on the wire.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VendAuthorization {
    /// Which installation issued it.
    #[serde(rename = "iss")]
    pub issuer: String,
    /// The one device that may ask START with it.
    #[serde(rename = "aud")]
    pub device: DeviceId,
    /// The attempt that it belongs to.
    #[serde(rename = "sub")]
    pub attempt: AttemptId,
    /// The epoch of the device; an older one may not start.
    pub epoch: i64,
    /// The pack that is owed.
    pub order_unit: OrderUnitId,
    /// The place in the cabinet.
    pub slot: String,
    /// The product that the slot holds.
    pub product_code: String,
    /// The lot that the slot holds.
    pub lot: String,
    /// Always one.
    pub quantity: OnePack,
    /// When it was made.
    #[serde(rename = "iat", with = "ts_seconds")]
    pub issued_at: Timestamp,
    /// When it begins to hold.
    #[serde(rename = "nbf", with = "ts_seconds")]
    pub not_before: Timestamp,
    /// When it ends. This never means "not vended".
    #[serde(rename = "exp", with = "ts_seconds")]
    pub expires_at: Timestamp,
}

impl VendAuthorization {
    /// Whether it holds at `now` by the server's clock, with 5 s of leeway.
    ///
    /// # Errors
    /// [`CryptoError::Expired`] or [`CryptoError::NotYetValid`].
    pub fn check_times(&self, now: Timestamp) -> Result<(), CryptoError> {
        jwt::check_times(self.not_before, self.expires_at, now)
    }
}

/// Signs an authorization with the server's key of the time it is issued.
///
/// # Errors
/// [`CryptoError::OperationFailed`] if it would never hold, or the backend fails.
pub fn issue(keys: &TokenKeys, authorization: &VendAuthorization) -> Result<String, CryptoError> {
    if authorization.expires_at <= authorization.not_before {
        return Err(CryptoError::OperationFailed);
    }
    let key = keys.signing_key(authorization.issued_at);
    jwt::encode(TYP, key.key_id(), key.private(), authorization)
}

/// Checks, at the cabinet, an authorization with the server's published keys:
/// signature, kind, issuer, that it is for this device and this epoch. Not its
/// times, see the head of this file.
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
        let (keys, said) = (ring(), authorization());
        let jws = issue(&keys, &said).unwrap();
        let served = PublicKeys::from_jwks(&keys.jwks()).unwrap();
        assert_eq!(verify(&served, &jws, ISSUER, said.device, 4), Ok(said.clone()));
        for (issuer, device, epoch) in [
            ("https://other.example", said.device, 4),
            (ISSUER, DeviceId::generate(), 4),
            (ISSUER, said.device, 3),
            (ISSUER, said.device, 5),
        ] {
            assert_eq!(verify(&served, &jws, issuer, device, epoch), Err(CryptoError::WrongAudience));
        }
        let foreign = ring().public_keys();
        assert_eq!(verify(&foreign, &jws, ISSUER, said.device, 4), Err(CryptoError::KeyUnknown));
        let known = keys.signing_key(at(0)).key_id().to_owned();
        let impostor = PublicKeys::from_iter([(known, ring().signing_key(at(0)).public_key())]);
        assert_eq!(verify(&impostor, &jws, ISSUER, said.device, 4), Err(CryptoError::SignatureInvalid));
    }

    #[test]
    fn the_server_judges_the_times() {
        let said = authorization();
        assert_eq!(said.check_times(at(-6)), Err(CryptoError::NotYetValid));
        assert_eq!(said.check_times(at(904)), Ok(()));
        assert_eq!(said.check_times(at(905)), Err(CryptoError::Expired));
        let never = VendAuthorization { expires_at: at(0), ..said };
        assert_eq!(issue(&ring(), &never), Err(CryptoError::OperationFailed));
    }

    #[test]
    fn claims_that_say_more_or_less_are_refused() {
        let (keys, said) = (ring(), authorization());
        let served = keys.public_keys();
        let good = serde_json::to_value(&said).unwrap();
        assert_eq!(good["quantity"], json!(1));
        let judge = |claims: &Value| verify(&served, &forge(&keys, TYP, claims), ISSUER, said.device, 4);
        assert!(judge(&good).is_ok());
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
            assert_eq!(judge(&claims), Err(CryptoError::Malformed), "{name} = {value}");
        }
        for name in good.as_object().unwrap().keys() {
            let mut claims = good.clone();
            claims.as_object_mut().unwrap().remove(name);
            assert!(judge(&claims).is_err(), "without {name}");
        }
    }

    #[test]
    fn it_is_no_access_token_and_the_reverse() {
        let (keys, said) = (ring(), authorization());
        let served = keys.public_keys();
        let jws = issue(&keys, &said).unwrap();
        for audience in Audience::ALL {
            assert!(keys.verify(&jws, *audience, ISSUER, at(1)).is_err());
        }
        let token = keys
            .issue(&Claims::new(ISSUER, Role::Cabinet, said.device, at(0), TimeDelta::minutes(5)))
            .unwrap();
        assert_eq!(verify(&served, &token, ISSUER, said.device, 4), Err(CryptoError::WrongKind));
        let good = serde_json::to_value(&said).unwrap();
        let found = verify(&served, &forge(&keys, "JWT", &good), ISSUER, said.device, 4);
        assert_eq!(found, Err(CryptoError::WrongKind));
    }

    #[test]
    fn every_changed_character_is_noticed() {
        let (keys, said) = (ring(), authorization());
        let (served, jws) = (keys.public_keys(), issue(&keys, &said).unwrap());
        for place in 0..jws.len() {
            let mut changed = jws.clone().into_bytes();
            changed[place] = if changed[place] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert!(verify(&served, &changed, ISSUER, said.device, 4).is_err(), "character {place}");
        }
    }
}
