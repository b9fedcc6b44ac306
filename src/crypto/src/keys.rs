//! One master secret, and a derived key for each purpose: a key that leaks
//! through one use opens nothing else, and only one secret has to be stored.

use std::fmt;

use aws_lc_rs::hkdf;
use data_encoding::BASE64;
use secrecy::{ExposeSecret, SecretBox, SecretString};

use super::{CryptoError, random, seal::SealKeyId};

/// The 32 bytes from which the server's keys are derived. It comes from the
/// configuration and is never stored with the data it protects.
pub struct MasterSecret(SecretBox<[u8; 32]>);

impl MasterSecret {
    pub fn generate() -> Self {
        Self(SecretBox::new(Box::new(random::bytes())))
    }

    /// Reads a secret from standard base64 (44 characters).
    ///
    /// # Errors
    /// [`CryptoError::KeyInvalid`] unless it is 32 bytes, and not one byte
    /// repeated (a placeholder that somebody forgot to replace).
    pub fn from_base64(text: &str) -> Result<Self, CryptoError> {
        let decoded = BASE64.decode(text.trim().as_bytes()).map_err(|_| CryptoError::KeyInvalid)?;
        let bytes: [u8; 32] = decoded.try_into().map_err(|_| CryptoError::KeyInvalid)?;
        if bytes.iter().all(|byte| *byte == bytes[0]) {
            return Err(CryptoError::KeyInvalid);
        }
        Ok(Self(SecretBox::new(Box::new(bytes))))
    }

    /// The secret as standard base64, to be put into the configuration.
    pub fn to_base64(&self) -> SecretString {
        BASE64.encode(self.0.expose_secret()).into()
    }

    pub(super) fn copy(&self) -> Self {
        Self(SecretBox::new(Box::new(*self.0.expose_secret())))
    }

    /// The key for one purpose (HKDF-SHA256, RFC 5869).
    pub fn derive(&self, purpose: Purpose) -> PurposeKey {
        let label = purpose.label();
        let info = [label.as_bytes()];
        let salt = hkdf::Salt::new(hkdf::HKDF_SHA256, b"waystation master secret v1");
        let mut key = [0; 32];
        salt.extract(self.0.expose_secret())
            .expand(&info, hkdf::HKDF_SHA256)
            .and_then(|okm| okm.fill(&mut key))
            .expect("HKDF-SHA256 always yields its own 32 bytes");
        PurposeKey(SecretBox::new(Box::new(key)))
    }
}

impl fmt::Debug for MasterSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterSecret([redacted])")
    }
}

/// What a derived key is for. The label is part of the derivation: changing
/// it makes everything sealed or digested under it unreadable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// Looking up sealed values by their digest.
    BlindIndex,
    /// PINs that workers type at a station.
    WorkerPin,
    /// PINs with which staff sign.
    StaffPin,
    /// Sealing fields, one key per id.
    Seal(SealKeyId),
    /// Signing the head of the audit chain, one key per number.
    Audit(u32),
    /// Certifying the keys with which doctors sign, one key per number.
    Prescriptions(u32),
}

impl Purpose {
    fn label(self) -> String {
        match self {
            Self::BlindIndex => "blind-index".into(),
            Self::WorkerPin => "worker-pin".into(),
            Self::StaffPin => "staff-pin".into(),
            Self::Seal(id) => format!("seal:{}", id.0),
            // Version 0.1.0 had one key of each, without a number.
            Self::Audit(1) => "audit".into(),
            Self::Prescriptions(1) => "prescriptions".into(),
            Self::Audit(number) => format!("audit:{number}"),
            Self::Prescriptions(number) => format!("prescriptions:{number}"),
        }
    }
}

/// A key for one purpose. Only this crate can read its bytes.
pub struct PurposeKey(SecretBox<[u8; 32]>);

impl PurposeKey {
    pub(super) fn expose(&self) -> &[u8; 32] {
        self.0.expose_secret()
    }
}

impl fmt::Debug for PurposeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PurposeKey([redacted])")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn each_purpose_has_its_own_stable_key() {
        let purposes = [
            Purpose::BlindIndex,
            Purpose::WorkerPin,
            Purpose::StaffPin,
            Purpose::Seal(SealKeyId(1)),
            Purpose::Seal(SealKeyId(2)),
            Purpose::Audit(1),
            Purpose::Audit(2),
            Purpose::Prescriptions(1),
            Purpose::Prescriptions(2),
        ];
        let master = MasterSecret::generate();
        let again = MasterSecret::from_base64(master.to_base64().expose_secret()).unwrap();
        let keys: HashSet<_> = purposes.iter().map(|p| *master.derive(*p).expose()).collect();
        assert_eq!(keys.len(), purposes.len());
        for purpose in purposes {
            assert_eq!(master.derive(purpose).expose(), again.derive(purpose).expose());
            assert_ne!(master.derive(purpose).expose(), MasterSecret::generate().derive(purpose).expose());
        }
    }

    #[test]
    fn a_derived_key_never_changes_between_releases() {
        // The bytes 0..=31. Fixed, because data sealed today must open after an upgrade.
        let master = MasterSecret::from_base64("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=").unwrap();
        let key = super::super::digest::hex(master.derive(Purpose::BlindIndex).expose());
        assert_eq!(key, "e68b3e046f927e8ebd78e741e7de9721e1c75c6f3a9eac37dc63e58a68b926d9");
    }

    #[test]
    fn weak_or_wrong_secrets_are_refused() {
        let zeros = BASE64.encode(&[0; 32]);
        let short = BASE64.encode(&random::bytes::<31>());
        let long = BASE64.encode(&random::bytes::<33>());
        for bad in ["", "not base64!", &zeros, &short, &long] {
            assert_eq!(MasterSecret::from_base64(bad).err(), Some(CryptoError::KeyInvalid));
        }
    }

    #[test]
    fn debug_is_redacted() {
        let master = MasterSecret::generate();
        assert_eq!(format!("{master:?}"), "MasterSecret([redacted])");
        assert_eq!(format!("{:?}", master.derive(Purpose::Audit(1))), "PurposeKey([redacted])");
    }
}
