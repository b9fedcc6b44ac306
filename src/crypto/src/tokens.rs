//! Access tokens: short-lived EdDSA JWTs, one kind per audience.
//!
//! A token for one audience is refused by every other: `aud` and `typ` differ,
//! and a role belongs to one audience only. Keys rotate: several are live at
//! once, and any of them verifies.

use std::{
    fmt,
    sync::{
        PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
};

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use chrono::{SubsecRound, TimeDelta, serde::ts_seconds};
use jsonwebtoken::EncodingKey;
use secrecy::{ExposeSecret, SecretSlice};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    CryptoError,
    jwt::{self, Expected},
    public_key::{Ed25519PublicKey, PublicKeys},
    random,
};
use domain::{
    ids::{CheckInId, DeviceId, EmployerId, HospitalId, SessionId, StationId},
    staff::role::Kind,
    time::Timestamp,
};

/// The longest lifetime of an access token. Source: the project's security checks, tokens: 5 minutes.
pub(crate) const LONGEST_LIFE: TimeDelta = TimeDelta::minutes(5);

domain::text_enum! {
    /// Which part of the service a token opens.
    pub enum Audience {
        /// A station screen.
        Station = "station",
        /// A worker's own phone, or a worker at a screen.
        Worker = "worker",
        /// The staff pages.
        Staff = "staff",
        /// The cabinet protocol.
        Cabinet = "cabinet",
    }
}

impl Audience {
    /// The token's `typ`, as its own media type (RFC 8725, section 3.11).
    const fn typ(self) -> &'static str {
        match self {
            Self::Station => "station-access+jwt",
            Self::Worker => "worker-access+jwt",
            Self::Staff => "staff-access+jwt",
            Self::Cabinet => "cabinet-access+jwt",
        }
    }

    /// The one audience of a role.
    pub const fn of(role: Role) -> Self {
        match role.kind() {
            Kind::Screen => Self::Station,
            Kind::CheckIn => Self::Worker,
            Kind::Cabinet => Self::Cabinet,
            Kind::Staff(_) => Self::Staff,
        }
    }
}

pub use domain::staff::role::Role;

/// The claims of an access token. Times are whole seconds on the wire.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Which installation issued it.
    #[serde(rename = "iss")]
    pub issuer: String,
    #[serde(rename = "aud")]
    pub audience: Audience,
    /// The id of the worker, station, cabinet or member of staff.
    #[serde(rename = "sub")]
    pub subject: String,
    #[serde(rename = "iat", with = "ts_seconds")]
    pub issued_at: Timestamp,
    #[serde(rename = "nbf", with = "ts_seconds")]
    pub not_before: Timestamp,
    #[serde(rename = "exp", with = "ts_seconds")]
    pub expires_at: Timestamp,
    #[serde(rename = "jti")]
    pub token_id: String,
    pub role: Role,
    /// The session of a member of staff.
    #[serde(rename = "sid", default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionId>,
    /// The session's version when the token was issued.
    #[serde(rename = "ver", default, skip_serializing_if = "Option::is_none")]
    pub session_version: Option<i64>,
    /// A worker's check-in.
    #[serde(rename = "cid", default, skip_serializing_if = "Option::is_none")]
    pub check_in: Option<CheckInId>,
    /// The station where the holder is.
    #[serde(rename = "sta", default, skip_serializing_if = "Option::is_none")]
    pub station: Option<StationId>,
    /// The hospital of a doctor.
    #[serde(rename = "hos", default, skip_serializing_if = "Option::is_none")]
    pub hospital: Option<HospitalId>,
    /// The employer of a safety officer.
    #[serde(rename = "emp", default, skip_serializing_if = "Option::is_none")]
    pub employer: Option<EmployerId>,
    /// The enrolled device that holds it.
    #[serde(rename = "dev", default, skip_serializing_if = "Option::is_none")]
    pub device: Option<DeviceId>,
    /// The epoch of that device.
    #[serde(rename = "epo", default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<i64>,
}

impl Claims {
    /// Claims of a new token that is valid from `now` for `life`, without any of
    /// the optional parts. `now` is truncated to the whole second.
    pub fn new(
        issuer: &str,
        role: Role,
        subject: impl fmt::Display,
        now: Timestamp,
        life: TimeDelta,
    ) -> Self {
        let now = now.trunc_subsecs(0);
        Self {
            issuer: issuer.to_owned(),
            audience: Audience::of(role),
            subject: subject.to_string(),
            issued_at: now,
            not_before: now,
            expires_at: now + life,
            token_id: random::token_128().expose_secret().to_owned(),
            role,
            session: None,
            session_version: None,
            check_in: None,
            station: None,
            hospital: None,
            employer: None,
            device: None,
            epoch: None,
        }
    }

    fn is_consistent(&self) -> bool {
        let life = self.expires_at.signed_duration_since(self.issued_at);
        Audience::of(self.role) == self.audience && life > TimeDelta::zero() && life <= LONGEST_LIFE
    }
}

/// The claims of a token that was verified. Only verification makes them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified(Claims);

impl std::ops::Deref for Verified {
    type Target = Claims;
    fn deref(&self) -> &Claims {
        &self.0
    }
}

/// Why a token was not accepted. Callers learn no more than this.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Not one of our tokens for this audience.
    #[error("the token is not valid")]
    Invalid,
    /// A valid token that has expired: the caller should refresh.
    #[error("the token has expired")]
    Expired,
}

/// One signing key of the service. Its id is its thumbprint, so two keys never
/// share an id, and an id cannot be given to another key.
#[derive(Debug, Clone)]
pub struct TokenKey {
    key_id: String,
    signs_from: Timestamp,
    public: Ed25519PublicKey,
    private: EncodingKey,
}

impl TokenKey {
    /// A new key that signs from `signs_from` on. Leave some minutes in which it
    /// is published and loaded by every instance but does not sign yet.
    ///
    /// # Errors
    /// [`CryptoError::OperationFailed`] if the backend fails.
    pub fn generate(signs_from: Timestamp) -> Result<Self, CryptoError> {
        let pair = Ed25519KeyPair::generate().map_err(|_| CryptoError::OperationFailed)?;
        let pkcs8 = pair.to_pkcs8().map_err(|_| CryptoError::OperationFailed)?;
        Self::from_pkcs8(pkcs8.as_ref(), signs_from)
    }

    /// A key as stored (sealed) in the database.
    ///
    /// # Errors
    /// [`CryptoError::KeyInvalid`] if it is not an Ed25519 key in PKCS#8.
    pub fn from_pkcs8(pkcs8: &[u8], signs_from: Timestamp) -> Result<Self, CryptoError> {
        let pair = Ed25519KeyPair::from_pkcs8(pkcs8).map_err(|_| CryptoError::KeyInvalid)?;
        let public = Ed25519PublicKey::from_bytes(pair.public_key().as_ref())?;
        let private = EncodingKey::from_ed_der(pkcs8);
        Ok(Self { key_id: public.thumbprint(), signs_from, public, private })
    }

    /// The private key as PKCS#8, to be sealed.
    pub fn to_pkcs8(&self) -> SecretSlice<u8> {
        self.private.as_bytes().to_vec().into()
    }

    /// The `kid` of the tokens it signs.
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    pub fn signs_from(&self) -> Timestamp {
        self.signs_from
    }

    pub fn public_key(&self) -> Ed25519PublicKey {
        self.public
    }

    pub(super) fn private(&self) -> &EncodingKey {
        &self.private
    }
}

/// All live signing keys of the service. They can be replaced while in use; a
/// replaced ring is leaked, because a caller may still hold a reference into it.
/// Replacements happen a few times a year.
#[derive(Debug)]
pub struct TokenKeys {
    ring: RwLock<&'static [TokenKey]>,
    generation: AtomicU64,
}

impl Clone for TokenKeys {
    fn clone(&self) -> Self {
        Self { ring: RwLock::new(self.ring()), generation: AtomicU64::new(self.generation()) }
    }
}

impl TokenKeys {
    /// # Errors
    /// [`CryptoError::KeyInvalid`] for an empty list or a duplicate.
    pub fn new(keys: Vec<TokenKey>) -> Result<Self, CryptoError> {
        Ok(Self { ring: RwLock::new(Self::ring_of(keys)?), generation: AtomicU64::new(0) })
    }

    /// Replaces the keys that sign and verify.
    ///
    /// # Errors
    /// As [`new`](Self::new); the old keys then stay in use.
    pub fn replace(&self, keys: Vec<TokenKey>) -> Result<(), CryptoError> {
        let fresh = Self::ring_of(keys)?;
        *self.ring.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        self.generation.fetch_add(1, Ordering::Release);
        Ok(())
    }

    /// How often the keys were replaced. A cache of verified tokens must be
    /// cleared when this has grown.
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    pub fn key_ids(&self) -> Vec<String> {
        self.ring().iter().map(|key| key.key_id.clone()).collect()
    }

    fn ring(&self) -> &'static [TokenKey] {
        *self.ring.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn ring_of(mut keys: Vec<TokenKey>) -> Result<&'static [TokenKey], CryptoError> {
        keys.sort_by(|a, b| (a.signs_from, &a.key_id).cmp(&(b.signs_from, &b.key_id)));
        let ids: std::collections::BTreeSet<_> = keys.iter().map(|key| &key.key_id).collect();
        if keys.is_empty() || ids.len() < keys.len() {
            return Err(CryptoError::KeyInvalid);
        }
        Ok(keys.leak())
    }

    /// The newest key whose `signs_from` is at or before `at`; the oldest if there is none.
    pub fn signing_key(&self, at: Timestamp) -> &TokenKey {
        let ring = self.ring();
        let newest = ring.iter().rev().find(|key| key.signs_from <= at);
        newest.or(ring.first()).expect("a ring is never empty")
    }

    /// Signs a token with the newest key that may sign at its issue time.
    ///
    /// # Errors
    /// [`CryptoError::OperationFailed`] for claims that would never verify: a
    /// role of another audience, or a lifetime above 5 minutes.
    pub fn issue(&self, claims: &Claims) -> Result<String, CryptoError> {
        if !claims.is_consistent() {
            return Err(CryptoError::OperationFailed);
        }
        let key = self.signing_key(claims.issued_at);
        jwt::encode(claims.audience.typ(), &key.key_id, &key.private, claims)
    }

    /// Checks a token for one audience of the installation `issuer`.
    ///
    /// # Errors
    /// [`TokenError::Expired`] if only the expiry has passed, else [`TokenError::Invalid`].
    pub fn verify(
        &self,
        token: &str,
        audience: Audience,
        issuer: &str,
        now: Timestamp,
    ) -> Result<Verified, TokenError> {
        let expected = Expected { typ: audience.typ(), issuer, audience: audience.as_str() };
        let claims: Claims = jwt::decode(token, &expected, |kid| {
            self.ring().iter().find(|key| key.key_id == kid).map(|key| key.public.decoding_key())
        })
        .map_err(|_| TokenError::Invalid)?;
        if !claims.is_consistent() {
            return Err(TokenError::Invalid);
        }
        match jwt::check_times(claims.not_before, claims.expires_at, now) {
            Ok(()) => Ok(Verified(claims)),
            Err(CryptoError::Expired) => Err(TokenError::Expired),
            Err(_) => Err(TokenError::Invalid),
        }
    }

    pub fn public_keys(&self) -> PublicKeys {
        self.ring().iter().map(|key| (key.key_id.clone(), key.public)).collect()
    }

    /// The JWKS document to serve.
    pub fn jwks(&self) -> Value {
        self.public_keys().to_jwks()
    }
}

#[cfg(test)]
#[path = "tokens_tests.rs"]
mod tests;
