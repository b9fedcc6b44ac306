//! Blind index: looking up a sealed value by a keyed digest stored next to it,
//! without opening any.
//!
//! A plain hash of a phone number can be reversed by trying all numbers, so the
//! digest needs a key that is not in the database.

use aws_lc_rs::hmac;

use super::keys::PurposeKey;
use domain::network::{Phone, phone::half_width};

domain::text_enum! {
    /// The fields that can be looked up while sealed. The field's code is part
    /// of the digest: the same digits as card and as phone give unrelated digests.
    pub enum BlindField {
        /// The number of a worker's union or work card.
        CardNumber = "card_number",
        /// A telephone number in its normalised form.
        Phone = "phone",
        /// A telephone number and the name of its holder.
        PhoneAndName = "phone_and_name",
        /// The kind and number of a document, and the name in it.
        DocumentAndName = "document_and_name",
        /// A resident identity number; its last place may be an X.
        IdentityNumber = "identity_number",
        /// An e-mail address.
        Email = "email",
        /// A code that was typed at a cabinet's hatch.
        PickupCode = "pickup_code",
        /// A signed prescription, by which anybody who holds its paper may ask whether it is valid.
        PrescriptionCheck = "prescription_check",
        /// A device that a member of staff has signed in from.
        KnownDevice = "known_device",
    }
}

impl BlindField {
    /// The normalised form of a typed value: full-width characters, blanks,
    /// hyphens and letter case do not matter.
    pub(crate) fn normalise(self, typed: &str) -> String {
        let half_width = typed.chars().map(half_width);
        match self {
            Self::CardNumber | Self::IdentityNumber => {
                half_width.filter(|c| c.is_alphanumeric()).flat_map(char::to_uppercase).collect()
            }
            // An invalid number is looked up by its digits alone.
            Self::Phone => match Phone::parse(typed) {
                Some(phone) => phone.as_str().to_owned(),
                None => half_width.filter(char::is_ascii_digit).collect(),
            },
            // Built from parts that are normalised already.
            Self::PhoneAndName | Self::DocumentAndName | Self::KnownDevice | Self::PrescriptionCheck => {
                typed.to_owned()
            }
            Self::PickupCode => half_width.filter(char::is_ascii_digit).collect(),
            Self::Email => half_width.filter(|c| !c.is_whitespace()).flat_map(char::to_lowercase).collect(),
        }
    }
}

/// Makes the digests by which sealed values are found.
pub struct BlindIndex(hmac::Key);

impl BlindIndex {
    /// An index under the key derived for [`Purpose::BlindIndex`](super::keys::Purpose::BlindIndex).
    pub fn new(key: &PurposeKey) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key.expose()))
    }

    /// The digest of a typed value; normalises it first.
    pub fn of(&self, field: BlindField, typed: &str) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(field.as_str().as_bytes());
        context.update(&[0]);
        context.update(field.normalise(typed).as_bytes());
        let mut out = [0; 32];
        out.copy_from_slice(context.sign().as_ref());
        out
    }
}

impl std::fmt::Debug for BlindIndex {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("BlindIndex([redacted])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::{MasterSecret, Purpose};

    fn index() -> BlindIndex {
        BlindIndex::new(&MasterSecret::generate().derive(Purpose::BlindIndex))
    }

    #[test]
    fn spellings_of_one_value_have_one_digest() {
        let same: [(BlindField, &[&str]); 4] = [
            (
                BlindField::Phone,
                &[
                    "13800138000",
                    "138 0013 8000",
                    "+86 138-0013-8000",
                    "008613800138000",
                    "１３８００１３８０００",
                ],
            ),
            (BlindField::CardNumber, &["AB12-3456", "ab123456", " ＡＢ１２ 3456 "]),
            (BlindField::IdentityNumber, &["11010519491231002X", "11010519491231002x"]),
            (BlindField::Email, &["Li@Example.org", " li@example.org "]),
        ];
        let index = index();
        for (field, spellings) in same {
            for spelling in spellings {
                assert_eq!(index.of(field, spelling), index.of(field, spellings[0]), "{spelling}");
            }
        }
    }

    #[test]
    fn values_fields_and_keys_give_distinct_digests() {
        let index = index();
        let digest = index.of(BlindField::Phone, "13800138000");
        assert_ne!(digest, index.of(BlindField::Phone, "13800138001"));
        assert_ne!(digest, index.of(BlindField::CardNumber, "13800138000"));
        assert_ne!(digest, super::tests::index().of(BlindField::Phone, "13800138000"));
        assert_ne!(index.of(BlindField::Phone, "8612345"), index.of(BlindField::Phone, "12345"));
    }
}
