//! Sealing (authenticated encryption of) single fields of a row: names, phones,
//! identity numbers.
//!
//! An attacker who can write to the database but lacks the key must not be able
//! to move a sealed value to another row, column, table or network, so the place
//! is part of the authenticated data. Several keys are live at once: the newest
//! seals, all open.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, PoisonError, RwLock},
};

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, Nonce, RandomizedNonceKey};

use super::{
    CryptoError,
    keys::{MasterSecret, Purpose, PurposeKey},
};
use domain::ids::Id;

const VERSION: u8 = 1;
const KEY_ID_AT: usize = 1;
const NONCE_AT: usize = 5;
const TEXT_AT: usize = 17;
const TAG_LENGTH: usize = 16;

/// The id of a sealing key; the highest number is the newest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SealKeyId(pub u32);

/// Where a sealed value is stored; it opens at no other place.
#[derive(Debug, Clone)]
pub struct FieldPlace<'a> {
    network: &'a str,
    table: &'a str,
    column: &'a str,
    row: Vec<u8>,
}

impl<'a> FieldPlace<'a> {
    /// A column of the row with an entity's id.
    pub fn of<K>(network: &'a str, table: &'a str, column: &'a str, row: Id<K>) -> Self {
        Self { network, table, column, row: row.uuid().into_bytes().to_vec() }
    }

    /// A column of a row whose key is a text, such as a key id.
    pub fn of_text(network: &'a str, table: &'a str, column: &'a str, row: &str) -> Self {
        Self { network, table, column, row: row.as_bytes().to_vec() }
    }

    /// Each part is prefixed with its length, so that no two places encode alike.
    fn associated_data(&self, header: &[u8]) -> Vec<u8> {
        let parts =
            [header, self.network.as_bytes(), self.table.as_bytes(), self.column.as_bytes(), &self.row];
        let mut data = Vec::with_capacity(128);
        for part in parts {
            data.extend_from_slice(&(part.len() as u64).to_be_bytes());
            data.extend_from_slice(part);
        }
        data
    }
}

/// Seals and opens fields with AES-256-GCM-SIV.
///
/// The SIV mode was chosen over plain GCM because nonces are random and a key
/// is used for years: a repeated nonce then reveals only whether two values are
/// equal, while with plain GCM it reveals the key stream.
///
/// A sealed value is: version (1 byte), key id (4, big endian), nonce (12),
/// ciphertext and tag (as long as the text, plus 16).
///
/// Its keys can be replaced while it is in use.
pub struct FieldSealer(RwLock<Arc<Ring>>);

struct Ring {
    keys: BTreeMap<SealKeyId, RandomizedNonceKey>,
    current: SealKeyId,
}

impl Ring {
    fn of(given: impl IntoIterator<Item = (SealKeyId, PurposeKey)>) -> Result<Self, CryptoError> {
        let mut keys = BTreeMap::new();
        for (id, key) in given {
            let key = RandomizedNonceKey::new(&AES_256_GCM_SIV, key.expose())
                .map_err(|_| CryptoError::KeyInvalid)?;
            if keys.insert(id, key).is_some() {
                return Err(CryptoError::KeyInvalid);
            }
        }
        let current = *keys.keys().next_back().ok_or(CryptoError::KeyInvalid)?;
        Ok(Self { keys, current })
    }
}

impl FieldSealer {
    /// A sealer over the keys with these ids, derived from `master`.
    ///
    /// # Errors
    /// [`CryptoError::KeyInvalid`] for an empty list or a duplicate id.
    pub fn new(master: &MasterSecret, ids: &[SealKeyId]) -> Result<Self, CryptoError> {
        Self::from_keys(ids.iter().map(|id| (*id, master.derive(Purpose::Seal(*id)))))
    }

    /// A sealer over given keys: when two master secrets are live at once, or for
    /// another purpose than fields (saved answers).
    ///
    /// # Errors
    /// [`CryptoError::KeyInvalid`] for an empty list or a duplicate id.
    pub(crate) fn from_keys(
        given: impl IntoIterator<Item = (SealKeyId, PurposeKey)>,
    ) -> Result<Self, CryptoError> {
        Ok(Self(RwLock::new(Arc::new(Ring::of(given)?))))
    }

    fn ring(&self) -> Arc<Ring> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Replaces the keys: all of `given` open, and `current` seals.
    ///
    /// # Errors
    /// [`CryptoError::KeyInvalid`] for an empty list, a duplicate id, or a
    /// `current` that is not in the list.
    pub fn replace(
        &self,
        given: impl IntoIterator<Item = (SealKeyId, PurposeKey)>,
        current: SealKeyId,
    ) -> Result<(), CryptoError> {
        let mut ring = Ring::of(given)?;
        if !ring.keys.contains_key(&current) {
            return Err(CryptoError::KeyInvalid);
        }
        ring.current = current;
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(ring);
        Ok(())
    }

    /// Chooses the key that seals. It need not be the newest: that one may be
    /// meant for later.
    ///
    /// # Errors
    /// [`CryptoError::KeyUnknown`] for an unknown key.
    pub fn choose(&self, current: SealKeyId) -> Result<(), CryptoError> {
        let mut ring = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if !ring.keys.contains_key(&current) {
            return Err(CryptoError::KeyUnknown);
        }
        // A ring that is still being set up is not shared.
        match Arc::get_mut(&mut ring) {
            Some(ring) => ring.current = current,
            None => return Err(CryptoError::OperationFailed),
        }
        Ok(())
    }

    /// The key that seals now.
    pub fn current(&self) -> SealKeyId {
        self.ring().current
    }

    /// The keys that open.
    pub fn ids(&self) -> Vec<SealKeyId> {
        self.ring().keys.keys().copied().collect()
    }

    /// The prefix of every value that this key sealed.
    pub fn header(id: SealKeyId) -> [u8; 5] {
        let mut header = [VERSION; 5];
        header[KEY_ID_AT..NONCE_AT].copy_from_slice(&id.0.to_be_bytes());
        header
    }

    /// Seals `plain` for this place with the current key. Sealing the same text
    /// twice gives two different values.
    ///
    /// # Errors
    /// [`CryptoError::OperationFailed`] if the backend fails (a text of many gigabytes).
    pub fn seal(&self, place: &FieldPlace<'_>, plain: &[u8]) -> Result<Vec<u8>, CryptoError> {
        let ring = self.ring();
        let key = ring.keys.get(&ring.current).ok_or(CryptoError::KeyUnknown)?;
        let header = Self::header(ring.current).to_vec();
        let aad = Aad::from(place.associated_data(&header));
        let mut text = plain.to_vec();
        let nonce = key.seal_in_place_append_tag(aad, &mut text).map_err(|_| CryptoError::OperationFailed)?;
        let mut sealed = header;
        sealed.extend_from_slice(nonce.as_ref());
        sealed.append(&mut text);
        Ok(sealed)
    }

    /// Opens a value that was sealed for this place, by any live key.
    ///
    /// # Errors
    /// [`CryptoError::Malformed`] if it is not a sealed value, [`CryptoError::KeyUnknown`]
    /// if its key is not live, [`CryptoError::OpenFailed`] if it was changed or moved.
    pub fn open(&self, place: &FieldPlace<'_>, sealed: &[u8]) -> Result<Vec<u8>, CryptoError> {
        let id = sealed_with(sealed)?;
        let ring = self.ring();
        let key = ring.keys.get(&id).ok_or(CryptoError::KeyUnknown)?;
        let nonce = Nonce::try_assume_unique_for_key(&sealed[NONCE_AT..TEXT_AT])
            .map_err(|_| CryptoError::Malformed)?;
        let aad = Aad::from(place.associated_data(&sealed[..NONCE_AT]));
        let mut text = sealed[TEXT_AT..].to_vec();
        let length = key.open_in_place(nonce, aad, &mut text).map_err(|_| CryptoError::OpenFailed)?.len();
        text.truncate(length);
        Ok(text)
    }

    /// [`seal`](Self::seal) for text.
    ///
    /// # Errors
    /// As `seal`.
    pub fn seal_text(&self, place: &FieldPlace<'_>, plain: &str) -> Result<Vec<u8>, CryptoError> {
        self.seal(place, plain.as_bytes())
    }

    /// [`open`](Self::open) for text.
    ///
    /// # Errors
    /// As `open`, and [`CryptoError::Malformed`] if the opened bytes are not UTF-8.
    pub fn open_text(&self, place: &FieldPlace<'_>, sealed: &[u8]) -> Result<String, CryptoError> {
        String::from_utf8(self.open(place, sealed)?).map_err(|_| CryptoError::Malformed)
    }
}

impl fmt::Debug for FieldSealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FieldSealer").field("keys", &self.ring().keys.keys()).finish_non_exhaustive()
    }
}

/// The key that a value was sealed with, read from its header without authentication.
///
/// # Errors
/// [`CryptoError::Malformed`] if it is not a sealed value.
pub fn sealed_with(sealed: &[u8]) -> Result<SealKeyId, CryptoError> {
    if sealed.len() < TEXT_AT + TAG_LENGTH || sealed[0] != VERSION {
        return Err(CryptoError::Malformed);
    }
    let id: [u8; 4] = sealed[KEY_ID_AT..NONCE_AT].try_into().map_err(|_| CryptoError::Malformed)?;
    Ok(SealKeyId(u32::from_be_bytes(id)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use domain::ids::{StaffId, WorkerId};

    fn place(row: WorkerId) -> FieldPlace<'static> {
        FieldPlace::of("shenzhen", "worker", "name", row)
    }

    #[test]
    fn a_value_opens_only_where_it_was_sealed() {
        let sealer = FieldSealer::new(&MasterSecret::generate(), &[SealKeyId(1)]).unwrap();
        let row = WorkerId::generate();
        let sealed = sealer.seal_text(&place(row), "张伟").unwrap();
        assert_eq!(sealer.open_text(&place(row), &sealed).unwrap(), "张伟");
        let elsewhere = [
            place(WorkerId::generate()),
            FieldPlace::of("shenzhen", "staff", "name", StaffId::from_uuid(row.uuid())),
            FieldPlace::of("shenzhen", "worker", "phone", row),
            FieldPlace::of("guangzhou", "worker", "name", row),
            FieldPlace::of("shenzhenw", "orker", "name", row),
            FieldPlace::of_text("shenzhen", "worker", "name", &row.to_string()),
        ];
        for other in elsewhere {
            assert_eq!(sealer.open(&other, &sealed), Err(CryptoError::OpenFailed), "{other:?}");
        }
    }

    #[test]
    fn keys_rotate_without_losing_a_value() {
        let master = MasterSecret::generate();
        let row = WorkerId::generate();
        let old = FieldSealer::new(&master, &[SealKeyId(1)]).unwrap();
        let sealed_old = old.seal_text(&place(row), "name").unwrap();
        assert_eq!(sealed_with(&sealed_old), Ok(SealKeyId(1)));

        // Both live, in whatever order they are listed: the highest id seals.
        let both = FieldSealer::new(&master, &[SealKeyId(2), SealKeyId(1)]).unwrap();
        assert_eq!(both.current(), SealKeyId(2));
        let plain = both.open(&place(row), &sealed_old).unwrap();
        let sealed_new = both.seal(&place(row), &plain).unwrap();
        assert_eq!(sealed_with(&sealed_new), Ok(SealKeyId(2)));

        // The old key is gone: what was sealed again opens, the rest does not.
        let new = FieldSealer::new(&master, &[SealKeyId(2)]).unwrap();
        assert_eq!(new.open_text(&place(row), &sealed_new).unwrap(), "name");
        assert_eq!(new.open(&place(row), &sealed_old), Err(CryptoError::KeyUnknown));
    }

    #[test]
    fn another_master_secret_opens_nothing() {
        let row = WorkerId::generate();
        let [mine, theirs] =
            [(); 2].map(|()| FieldSealer::new(&MasterSecret::generate(), &[SealKeyId(1)]).unwrap());
        let sealed = mine.seal_text(&place(row), "name").unwrap();
        assert_eq!(theirs.open(&place(row), &sealed), Err(CryptoError::OpenFailed));
    }

    #[test]
    fn every_changed_byte_is_noticed() {
        let master = MasterSecret::generate();
        let sealer = FieldSealer::new(&master, &[SealKeyId(0), SealKeyId(1)]).unwrap();
        let row = WorkerId::generate();
        let sealed = sealer.seal_text(&place(row), "name").unwrap();
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(sealer.open(&place(row), &changed).is_err(), "byte {at}");
        }
        for length in 0..sealed.len() {
            assert!(sealer.open(&place(row), &sealed[..length]).is_err(), "length {length}");
        }
    }

    #[test]
    fn equal_texts_do_not_look_equal() {
        let sealer = FieldSealer::new(&MasterSecret::generate(), &[SealKeyId(1)]).unwrap();
        let at = place(WorkerId::generate());
        assert_ne!(sealer.seal(&at, b"same").unwrap(), sealer.seal(&at, b"same").unwrap());
    }

    #[test]
    fn no_key_and_double_ids_are_refused() {
        let master = MasterSecret::generate();
        for ids in [&[][..], &[SealKeyId(1), SealKeyId(1)]] {
            assert_eq!(FieldSealer::new(&master, ids).err(), Some(CryptoError::KeyInvalid));
        }
    }

    #[test]
    fn debug_shows_ids_only() {
        let sealer = FieldSealer::new(&MasterSecret::generate(), &[SealKeyId(3)]).unwrap();
        assert_eq!(format!("{sealer:?}"), "FieldSealer { keys: [SealKeyId(3)], .. }");
    }

    proptest! {
        #[test]
        fn any_bytes_come_back(plain in proptest::collection::vec(any::<u8>(), 0..300)) {
            let sealer = FieldSealer::new(&MasterSecret::generate(), &[SealKeyId(9)]).unwrap();
            let at = FieldPlace::of_text("n", "token_key", "secret", "kid");
            let sealed = sealer.seal(&at, &plain).unwrap();
            prop_assert_eq!(sealed.len(), TEXT_AT + plain.len() + TAG_LENGTH);
            prop_assert_eq!(sealer.open(&at, &sealed).unwrap(), plain);
        }

        #[test]
        fn opening_garbage_never_panics(sealed in proptest::collection::vec(any::<u8>(), 0..80)) {
            let sealer = FieldSealer::new(&MasterSecret::generate(), &[SealKeyId(9)]).unwrap();
            prop_assert!(sealer.open(&FieldPlace::of_text("n", "t", "c", "r"), &sealed).is_err());
        }
    }
}
