//! The signing keys of one kind: the current one signs, and signatures by earlier
//! ones still verify. Each is derived from the master secret by its number, so only
//! the numbers and their times have to be stored.

use std::sync::{Arc, PoisonError, RwLock};

use super::{
    CryptoError,
    keys::{MasterSecret, Purpose},
    signer::{Ed25519Signer, Signer, Verifier},
};
use domain::time::Timestamp;

/// A key's number and its times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RingKey {
    /// From 1.
    pub number: u32,
    /// It signs from this instant until the next key's `signs_from`.
    pub signs_from: Timestamp,
    /// Signatures dated at or after this instant are not accepted.
    pub retired_at: Option<Timestamp>,
}

impl RingKey {
    /// The first key of a kind; it has signed since the beginning.
    pub const FIRST: Self = Self { number: 1, signs_from: Timestamp::MIN_UTC, retired_at: None };
}

/// The keys of one kind. Clones share them.
#[derive(Debug, Clone)]
pub struct SignerRing(Arc<RwLock<Vec<(RingKey, Ed25519Signer)>>>);

impl SignerRing {
    /// Derives the keys; `purpose` maps each number to its purpose.
    ///
    /// # Errors
    /// [`CryptoError::KeyInvalid`] for an empty list.
    pub fn derive(
        master: &MasterSecret,
        purpose: fn(u32) -> Purpose,
        keys: &[RingKey],
    ) -> Result<Self, CryptoError> {
        Ok(Self(Arc::new(RwLock::new(derived(master, purpose, keys)?))))
    }

    /// Replaces all keys.
    ///
    /// # Errors
    /// As [`SignerRing::derive`].
    pub(super) fn replace(
        &self,
        master: &MasterSecret,
        purpose: fn(u32) -> Purpose,
        keys: &[RingKey],
    ) -> Result<(), CryptoError> {
        let fresh = derived(master, purpose, keys)?;
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(())
    }

    /// Numbers and times, ordered by number.
    pub fn keys(&self) -> Vec<RingKey> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).iter().map(|(key, _)| *key).collect()
    }

    /// The key that signs at `now`: the newest whose `signs_from` has passed.
    ///
    /// # Errors
    /// [`CryptoError::KeyUnknown`] when all are retired.
    pub fn signing(&self, now: Timestamp) -> Result<Ed25519Signer, CryptoError> {
        let ring = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let live = || ring.iter().filter(|(key, _)| key.retired_at.is_none());
        let due = live().rev().find(|(key, _)| key.signs_from <= now).or_else(|| live().next());
        due.map(|(_, signer)| signer.clone()).ok_or(CryptoError::KeyUnknown)
    }

    /// The key with this id, retired or not, and since when it signs.
    pub fn find(&self, key_id: &str) -> Option<(Timestamp, Ed25519Signer)> {
        let ring = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let (key, signer) = ring.iter().find(|(_, signer)| signer.key_id() == key_id)?;
        Some((key.signs_from, signer.clone()))
    }

    /// The key with this id, if it may verify a signature dated `at`.
    pub fn verifier(&self, key_id: &str, at: Timestamp) -> Option<Box<dyn Verifier>> {
        let ring = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let (_, signer) = ring.iter().find(|(key, signer)| {
            signer.key_id() == key_id && key.retired_at.is_none_or(|retired| at < retired)
        })?;
        Some(Box::new(signer.public_key()))
    }
}

fn derived(
    master: &MasterSecret,
    purpose: fn(u32) -> Purpose,
    keys: &[RingKey],
) -> Result<Vec<(RingKey, Ed25519Signer)>, CryptoError> {
    if keys.is_empty() {
        return Err(CryptoError::KeyInvalid);
    }
    let one =
        |key: &RingKey| Ok((*key, Ed25519Signer::from_purpose_key(&master.derive(purpose(key.number)))?));
    keys.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signer::{DetachedKind, sign_detached, verify_detached};

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_timestamp(seconds, 0).unwrap()
    }

    #[test]
    fn one_signs_and_earlier_ones_verify_until_they_are_retired() {
        let master = MasterSecret::generate();
        let second = RingKey { number: 2, signs_from: at(100), retired_at: None };
        let ring = SignerRing::derive(&master, Purpose::Audit, &[RingKey::FIRST, second]).unwrap();
        let sign =
            |now| sign_detached(&ring.signing(at(now)).unwrap(), DetachedKind::AuditHead, b"x").unwrap();
        let verifies = |jws: &str, dated: i64| {
            verify_detached(jws, DetachedKind::AuditHead, b"x", |kid| ring.verifier(kid, at(dated))).is_ok()
        };
        let (old, new) = (sign(99), sign(100));
        assert_ne!(ring.signing(at(99)).unwrap().key_id(), ring.signing(at(100)).unwrap().key_id());
        assert!(verifies(&old, 200) && verifies(&new, 200));
        let retired = RingKey { retired_at: Some(at(150)), ..RingKey::FIRST };
        ring.replace(&master, Purpose::Audit, &[retired, second]).unwrap();
        assert!(verifies(&old, 149) && !verifies(&old, 150) && verifies(&new, 151));
        // Other purposes have other keys of the same number.
        let other = SignerRing::derive(&master, Purpose::Prescriptions, &[RingKey::FIRST]).unwrap();
        assert!(
            verify_detached(&old, DetachedKind::AuditHead, b"x", |kid| other.verifier(kid, at(0))).is_err()
        );
        assert!(SignerRing::derive(&master, Purpose::Audit, &[]).is_err());
    }
}
