//! Compact JWTs: one strict encoder and decoder for every kind of token.
//!
//! The library's defaults require only `exp`, leave `nbf` unchecked, allow
//! 60 s of leeway and read the system's clock. Here all five claims are
//! required, the algorithm is pinned, and times are checked against a `now`
//! argument. A header can choose among known keys and nothing else: `jku`, `jwk`
//! and `x5u` are ignored; `crit` is refused, because no extension is supported.

use chrono::TimeDelta;
use jsonwebtoken::{
    Algorithm, DecodingKey, EncodingKey, Header, Validation, decode_header, errors::ErrorKind,
};
use serde::{Serialize, de::DeserializeOwned};

use super::CryptoError;
use domain::time::Timestamp;

/// How far clocks may differ. Source: the project's security checks, tokens: 5 s at most.
const LEEWAY: TimeDelta = TimeDelta::seconds(5);
/// Bytes; our tokens are far shorter.
const LONGEST_TOKEN: usize = 8192;

/// The type, issuer and audience that a token must have.
pub(super) struct Expected<'a> {
    pub typ: &'a str,
    pub issuer: &'a str,
    pub audience: &'a str,
}

pub(super) fn encode<T: Serialize>(
    typ: &str,
    key_id: &str,
    key: &EncodingKey,
    claims: &T,
) -> Result<String, CryptoError> {
    let mut header = Header::new(Algorithm::EdDSA);
    header.typ = Some(typ.to_owned());
    header.kid = Some(key_id.to_owned());
    jsonwebtoken::encode(&header, claims, key).map_err(|_| CryptoError::OperationFailed)
}

/// Checks everything except the times, which only the caller's claims type contains;
/// see [`check_times`].
pub(super) fn decode<T: DeserializeOwned>(
    token: &str,
    expected: &Expected<'_>,
    find_key: impl FnOnce(&str) -> Option<DecodingKey>,
) -> Result<T, CryptoError> {
    if token.len() > LONGEST_TOKEN {
        return Err(CryptoError::Malformed);
    }
    let header = decode_header(token).map_err(|_| CryptoError::Malformed)?;
    if header.crit.is_some() {
        return Err(CryptoError::Malformed);
    }
    if header.alg != Algorithm::EdDSA || header.typ.as_deref() != Some(expected.typ) {
        return Err(CryptoError::WrongKind);
    }
    let key = header.kid.as_deref().and_then(find_key).ok_or(CryptoError::KeyUnknown)?;
    let mut validation = Validation::new(Algorithm::EdDSA);
    validation.set_required_spec_claims(&["exp", "nbf", "iss", "aud", "sub"]);
    validation.set_issuer(&[expected.issuer]);
    validation.set_audience(&[expected.audience]);
    // Both would read the system's clock; `check_times` does it instead.
    validation.validate_exp = false;
    validation.validate_nbf = false;
    match jsonwebtoken::decode::<T>(token, &key, &validation) {
        Ok(data) => Ok(data.claims),
        Err(error) => Err(match error.kind() {
            ErrorKind::InvalidSignature => CryptoError::SignatureInvalid,
            ErrorKind::InvalidIssuer | ErrorKind::InvalidAudience => CryptoError::WrongAudience,
            _ => CryptoError::Malformed,
        }),
    }
}

/// RFC 7519, sections 4.1.4 and 4.1.5: not before `nbf`, and not on or after `exp`.
/// The leeway is applied to `now` only: it is our own value and cannot overflow.
pub(super) fn check_times(
    not_before: Timestamp,
    expires_at: Timestamp,
    now: Timestamp,
) -> Result<(), CryptoError> {
    if now - LEEWAY >= expires_at {
        return Err(CryptoError::Expired);
    }
    if now + LEEWAY < not_before {
        return Err(CryptoError::NotYetValid);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::tokens::TokenKey;

    /// The five claims are required even when the target type accepts any JSON.
    #[test]
    fn five_claims_are_required_whatever_the_type() {
        let key = TokenKey::generate(Timestamp::UNIX_EPOCH).unwrap();
        let expected = Expected { typ: "x+jwt", issuer: "i", audience: "a" };
        let check = |claims: &Value| {
            let token = encode("x+jwt", key.key_id(), key.private(), claims).unwrap();
            decode::<Value>(&token, &expected, |_| Some(key.public_key().decoding_key()))
        };
        let good = json!({ "iss": "i", "aud": "a", "sub": "s", "nbf": 1, "exp": 2 });
        assert_eq!(check(&good), Ok(good.clone()));
        for name in ["iss", "aud", "sub", "nbf", "exp"] {
            let mut claims = good.clone();
            claims.as_object_mut().unwrap().remove(name);
            assert_eq!(check(&claims), Err(CryptoError::Malformed), "without {name}");
        }
    }
}
