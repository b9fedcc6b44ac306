//! All keys of a running server, derived or loaded once.

use std::fmt;

use data_encoding::BASE64URL_NOPAD;

use super::{
    CryptoError,
    blind::BlindIndex,
    keys::{MasterSecret, Purpose},
    pin::PinHasher,
    seal::{FieldSealer, SealKeyId},
    signer_ring::{RingKey, SignerRing},
    tokens::{Audience, TokenError, TokenKeys, Verified},
};
use domain::time::Timestamp;

/// The keys that the services use.
pub struct Keyring {
    /// Seals names, phones, free text and saved answers.
    pub sealer: FieldSealer,
    /// Looks up sealed values by a keyed digest.
    pub blind: BlindIndex,
    /// PINs of workers.
    pub worker_pins: PinHasher,
    /// Signing PINs of doctors and pharmacists.
    pub staff_pins: PinHasher,
    /// Issues and verifies access tokens and vend authorizations.
    pub tokens: TokenKeys,
    /// Issues doctors' certificates, and verifies what it signed itself until version 0.3.
    pub prescriptions: SignerRing,
    /// Signs the head of the audit chain.
    pub audit: SignerRing,
    /// Kept so that later sealing keys can be derived from it.
    master: MasterSecret,
}

impl Keyring {
    /// Derives the keys that come from the master secret; token keys are passed
    /// in, because they are stored and rotate on their own.
    ///
    /// # Errors
    /// When a key cannot be made from its bytes.
    pub fn new(
        master: &MasterSecret,
        seal_keys: &[SealKeyId],
        tokens: TokenKeys,
    ) -> Result<Self, CryptoError> {
        Ok(Self {
            sealer: FieldSealer::new(master, seal_keys)?,
            blind: BlindIndex::new(&master.derive(Purpose::BlindIndex)),
            worker_pins: PinHasher::new(&master.derive(Purpose::WorkerPin)),
            staff_pins: PinHasher::new(&master.derive(Purpose::StaffPin)),
            prescriptions: SignerRing::derive(master, Purpose::Prescriptions, &[RingKey::FIRST])?,
            audit: SignerRing::derive(master, Purpose::Audit, &[RingKey::FIRST])?,
            tokens,
            master: master.copy(),
        })
    }

    /// Replaces the sealing keys: all of `ids` open, and `current` seals.
    ///
    /// # Errors
    /// [`CryptoError::KeyInvalid`] for an empty list, a duplicate, or a current
    /// key that is not in the list.
    pub fn use_sealing_keys(&self, ids: &[SealKeyId], current: SealKeyId) -> Result<(), CryptoError> {
        self.sealer.replace(ids.iter().map(|id| (*id, self.master.derive(Purpose::Seal(*id)))), current)
    }

    /// Replaces the keys that sign and verify prescriptions.
    ///
    /// # Errors
    /// [`CryptoError::KeyInvalid`] for an empty list.
    pub fn use_prescription_keys(&self, keys: &[RingKey]) -> Result<(), CryptoError> {
        self.prescriptions.replace(&self.master, Purpose::Prescriptions, keys)
    }

    /// Replaces the keys that sign and verify the head of the audit chain.
    ///
    /// # Errors
    /// [`CryptoError::KeyInvalid`] for an empty list.
    pub fn use_audit_keys(&self, keys: &[RingKey]) -> Result<(), CryptoError> {
        self.audit.replace(&self.master, Purpose::Audit, keys)
    }

    /// Verifies an access token for whichever audience it claims. The claim is
    /// trusted only once the signature and `typ` are valid for that audience.
    ///
    /// # Errors
    /// `Invalid` or `Expired`.
    pub fn verify_access(&self, token: &str, issuer: &str, now: Timestamp) -> Result<Verified, TokenError> {
        let audience = claimed_audience(token).ok_or(TokenError::Invalid)?;
        self.tokens.verify(token, audience, issuer, now)
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keyring(redacted)")
    }
}

fn claimed_audience(token: &str) -> Option<Audience> {
    #[derive(serde::Deserialize)]
    struct Claimed {
        aud: String,
    }
    let payload = token.split('.').nth(1)?;
    let bytes = BASE64URL_NOPAD.decode(payload.as_bytes()).ok()?;
    let claimed: Claimed = serde_json::from_slice(&bytes).ok()?;
    Audience::ALL.iter().copied().find(|audience| audience.as_str() == claimed.aud)
}
