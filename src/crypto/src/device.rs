//! What an enrolled device signs with its own Ed25519 key: client assertions,
//! with which it gets access tokens, and each of its POSTs.
//!
//! A signature here proves who sent what. Replay is prevented elsewhere: for a
//! journal by its `seq`, for an assertion by its `jti`, both in the database; for
//! a screen's request by the idempotency key and access token it is bound to.

use std::fmt;

use chrono::{SubsecRound, TimeDelta, serde::ts_seconds};
use data_encoding::{BASE64, BASE64URL_NOPAD};
use jsonwebtoken::EncodingKey;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use super::{
    CryptoError, digest,
    jwt::{self, Expected},
    public_key::Ed25519PublicKey,
    signer::{DetachedKind, Ed25519Signer, sign_detached, verify_detached},
};
use domain::{ids::DeviceId, time::Timestamp};

/// The longest lifetime of a client assertion.
pub(crate) const LONGEST_ASSERTION: TimeDelta = TimeDelta::seconds(60);
const ASSERTION_TYP: &str = "client-auth+jwt";
/// The first line of the bytes that a cabinet signs.
const REQUEST: &str = "waystation-request-v1";

/// A device's own key, generated on the device and never sent anywhere.
#[derive(Clone)]
pub struct DeviceKey {
    signer: Ed25519Signer,
    private: EncodingKey,
}

impl DeviceKey {
    /// # Errors
    /// [`CryptoError::OperationFailed`] if the backend fails.
    pub fn generate() -> Result<Self, CryptoError> {
        Self::from_signer(Ed25519Signer::generate()?)
    }

    /// The key of a 32-byte seed: for sample devices, whose keys two machines
    /// derive from the same seed. A real device generates its own.
    ///
    /// # Errors
    /// [`CryptoError::KeyInvalid`] if the backend refuses the seed.
    pub fn from_seed(seed: &[u8; 32]) -> Result<Self, CryptoError> {
        Self::from_signer(Ed25519Signer::from_seed(seed)?)
    }

    /// A key as stored by the device: PKCS#8 in standard base64.
    ///
    /// # Errors
    /// [`CryptoError::KeyInvalid`] if it is not a key in this form.
    pub fn from_base64(text: &str) -> Result<Self, CryptoError> {
        let pkcs8 = BASE64.decode(text.trim().as_bytes()).map_err(|_| CryptoError::KeyInvalid)?;
        match pkcs8.strip_prefix(&PKCS8_V1) {
            Some(seed) => Self::from_seed(seed.try_into().map_err(|_| CryptoError::KeyInvalid)?),
            None => Self::from_signer(Ed25519Signer::from_pkcs8(&pkcs8)?),
        }
    }

    /// The key for the device to store: PKCS#8 (RFC 8410, version 1, which
    /// common tools read) in standard base64.
    pub fn to_base64(&self) -> SecretString {
        let inner = self.private.as_bytes();
        let seed = inner.get(PKCS8_V1.len()..PKCS8_V1.len() + 32).unwrap_or_default();
        BASE64.encode(&[&PKCS8_V1, seed].concat()).into()
    }

    /// The key that the device registers when it enrols.
    pub fn public_key(&self) -> Ed25519PublicKey {
        self.signer.public_key()
    }

    fn from_signer(signer: Ed25519Signer) -> Result<Self, CryptoError> {
        let private = EncodingKey::from_ed_der(signer.to_pkcs8()?.expose_secret());
        Ok(Self { signer, private })
    }
}

impl fmt::Debug for DeviceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DeviceKey([redacted], public {})", self.public_key())
    }
}

/// The bytes before the 32-byte Ed25519 seed in PKCS#8, version 1.
const PKCS8_V1: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

/// A verified client assertion. The caller stores `jti` until `expires_at` and
/// refuses it a second time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assertion {
    pub device_id: DeviceId,
    pub jti: String,
    pub expires_at: Timestamp,
}

#[derive(Serialize, Deserialize)]
struct AssertionClaims {
    iss: String,
    sub: String,
    aud: String,
    jti: String,
    #[serde(with = "ts_seconds")]
    iat: Timestamp,
    #[serde(with = "ts_seconds")]
    nbf: Timestamp,
    #[serde(with = "ts_seconds")]
    exp: Timestamp,
}

/// Makes a client assertion (`private_key_jwt`, RFC 7523) that is valid for 60 s.
///
/// # Errors
/// [`CryptoError::OperationFailed`] if the backend fails.
pub fn make_assertion(
    key: &DeviceKey,
    device_id: DeviceId,
    audience_url: &str,
    jti: &str,
    now: Timestamp,
) -> Result<String, CryptoError> {
    let (name, now) = (device_id.to_string(), now.trunc_subsecs(0));
    let claims = AssertionClaims {
        iss: name.clone(),
        sub: name.clone(),
        aud: audience_url.to_owned(),
        jti: jti.to_owned(),
        iat: now,
        nbf: now,
        exp: now + LONGEST_ASSERTION,
    };
    jwt::encode(ASSERTION_TYP, &name, &key.private, &claims)
}

/// Checks a client assertion with the key of the device that [`peek_device`]
/// returned.
///
/// # Errors
/// [`CryptoError::Expired`], also for a lifetime above 60 s; [`CryptoError::NotYetValid`];
/// [`CryptoError::WrongAudience`] if `iss`, `sub` and `kid` are not one device or
/// `aud` is another; [`CryptoError::SignatureInvalid`], [`CryptoError::WrongKind`],
/// [`CryptoError::KeyUnknown`] (no `kid`) or [`CryptoError::Malformed`].
pub fn verify_assertion(
    public_key: &Ed25519PublicKey,
    assertion: &str,
    audience_url: &str,
    now: Timestamp,
) -> Result<Assertion, CryptoError> {
    let device_id = peek_device(assertion)?;
    let expected = Expected { typ: ASSERTION_TYP, issuer: &device_id.to_string(), audience: audience_url };
    let claims: AssertionClaims = jwt::decode(assertion, &expected, |_| Some(public_key.decoding_key()))?;
    if claims.sub != claims.iss {
        return Err(CryptoError::WrongAudience);
    }
    if claims.jti.is_empty() || claims.jti.len() > 64 {
        return Err(CryptoError::Malformed);
    }
    jwt::check_times(claims.nbf, claims.exp, now)?;
    jwt::check_times(claims.iat, claims.exp, now)?;
    if claims.exp.signed_duration_since(claims.iat) > LONGEST_ASSERTION {
        return Err(CryptoError::Expired);
    }
    Ok(Assertion { device_id, jti: claims.jti, expires_at: claims.exp })
}

/// Signs a request: a detached JWS over method, path and the body's digest, to be
/// sent in a header. `path` is the path with its query, exactly as sent.
///
/// # Errors
/// [`CryptoError::Malformed`] for a method or path with blanks or control characters.
pub fn sign_request(
    key: &DeviceKey,
    device_id: DeviceId,
    method: &str,
    path: &str,
    body: &[u8],
) -> Result<String, CryptoError> {
    let signer = key.signer.clone().named(device_id.to_string());
    sign_detached(&signer, DetachedKind::Request, &canonical_request(REQUEST, method, path, body)?)
}

/// Checks a request's signature with the key of the device that [`peek_device`]
/// returned, and returns that device.
///
/// # Errors
/// As [`verify_detached`].
pub fn verify_request(
    public_key: &Ed25519PublicKey,
    header_value: &str,
    method: &str,
    path: &str,
    body: &[u8],
) -> Result<DeviceId, CryptoError> {
    let bytes = canonical_request(REQUEST, method, path, body)?;
    let key = *public_key;
    let name = verify_detached(header_value, DetachedKind::Request, &bytes, |_| Some(Box::new(key)))?;
    parse_device_id(&name)
}

/// The parts of a station screen's request that its signature covers.
///
/// A screen has no journal whose `seq` could prevent a replay, and its clock may
/// be wrong. So the signature covers the idempotency key, with which a repeated
/// request does nothing and gets the first answer, and the access token, with
/// which the signature expires after five minutes: long before the key is
/// deleted. Replaying a recorded request has no further effect.
#[derive(Debug, Clone, Copy)]
pub struct BoundRequest<'r> {
    pub method: &'r str,
    /// The path with its query, exactly as sent.
    pub path: &'r str,
    /// The body as sent.
    pub body: &'r [u8],
    /// The access token as sent, without `Bearer `.
    pub access_token: &'r str,
    /// The value of `Idempotency-Key` as sent; empty without one.
    pub idempotency_key: &'r [u8],
}

impl BoundRequest<'_> {
    fn canonical(&self) -> Result<Vec<u8>, CryptoError> {
        let plain = canonical_request("waystation-request-v2", self.method, self.path, self.body)?;
        let token = digest::hex(&digest::sha256(self.access_token.as_bytes()));
        let key = digest::hex(&digest::sha256(self.idempotency_key));
        Ok([&plain[..], format!("\n{token}\n{key}").as_bytes()].concat())
    }
}

/// Signs a screen's request; the result is sent in a header.
///
/// # Errors
/// As [`sign_request`].
pub fn sign_bound_request(
    key: &DeviceKey,
    device_id: DeviceId,
    request: &BoundRequest<'_>,
) -> Result<String, CryptoError> {
    let signer = key.signer.clone().named(device_id.to_string());
    sign_detached(&signer, DetachedKind::Request, &request.canonical()?)
}

/// Checks the signature of a screen's request, and returns the device that signed.
///
/// # Errors
/// As [`verify_detached`].
pub fn verify_bound_request(
    public_key: &Ed25519PublicKey,
    header_value: &str,
    request: &BoundRequest<'_>,
) -> Result<DeviceId, CryptoError> {
    let (bytes, key) = (request.canonical()?, *public_key);
    let name = verify_detached(header_value, DetachedKind::Request, &bytes, |_| Some(Box::new(key)))?;
    parse_device_id(&name)
}

/// The device that an assertion or a request's signature claims to come from.
/// UNVERIFIED: only for looking up the key to verify with.
///
/// # Errors
/// [`CryptoError::Malformed`] if there is no readable header,
/// [`CryptoError::KeyUnknown`] if its `kid` is not a device id.
pub fn peek_device(text: &str) -> Result<DeviceId, CryptoError> {
    #[derive(Deserialize)]
    struct Peeked {
        kid: Option<String>,
    }
    let (header, _) = text.split_once('.').ok_or(CryptoError::Malformed)?;
    if header.len() > 1024 {
        return Err(CryptoError::Malformed);
    }
    let json = BASE64URL_NOPAD.decode(header.as_bytes()).map_err(|_| CryptoError::Malformed)?;
    let peeked: Peeked = serde_json::from_slice(&json).map_err(|_| CryptoError::Malformed)?;
    parse_device_id(&peeked.kid.ok_or(CryptoError::KeyUnknown)?)
}

/// Only the canonical form of an id is accepted.
fn parse_device_id(text: &str) -> Result<DeviceId, CryptoError> {
    let id: DeviceId = text.parse().map_err(|_| CryptoError::KeyUnknown)?;
    (id.to_string() == text).then_some(id).ok_or(CryptoError::KeyUnknown)
}

/// The bytes that are signed. Line breaks in a part are refused, because they
/// could make one request read like another.
fn canonical_request(kind: &str, method: &str, path: &str, body: &[u8]) -> Result<Vec<u8>, CryptoError> {
    let is_plain = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
    if !is_plain(method) || !is_plain(path) {
        return Err(CryptoError::Malformed);
    }
    let digest = digest::hex(&digest::sha256(body));
    Ok(format!("{kind}\n{method}\n{path}\n{digest}").into_bytes())
}

#[cfg(test)]
#[path = "device_tests.rs"]
mod tests;
