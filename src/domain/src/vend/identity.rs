//! How a cabinet identifies itself: its epoch, its boot, the hashes of its journal.

use std::fmt;

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{KnownFormat, ObjectBuilder, RefOr, Schema, SchemaFormat, Type},
};

use crate::spelling;

/// Increases by one when a cabinet is replaced or enrolled again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Epoch(pub i64);

impl PartialSchema for Epoch {
    fn schema() -> RefOr<Schema> {
        let whole = ObjectBuilder::new()
            .schema_type(Type::Integer)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)));
        whole.minimum(Some(1)).maximum(Some(9_007_199_254_740_991_i64)).into()
    }
}
impl ToSchema for Epoch {}

impl Epoch {
    /// The epoch of the first enrolment.
    pub const FIRST: Epoch = Epoch(1);

    /// The epoch after this one; `None` at the end of the 32-bit range.
    pub fn next(self) -> Option<Epoch> {
        self.0.checked_add(1).map(Epoch)
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

macro_rules! hex_bytes {
    ($(#[$doc:meta])* $name:ident, $bytes:literal, $spelling:ty, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(into = "String", try_from = "String")]
        pub struct $name([u8; $bytes]);

        impl $name {
            pub const fn from_bytes(bytes: [u8; $bytes]) -> Self {
                Self(bytes)
            }

            pub const fn bytes(&self) -> &[u8; $bytes] {
                &self.0
            }

            /// Parses lower-case hexadecimal; anything else is `None`.
            pub fn parse(text: &str) -> Option<Self> {
                HEXLOWER.decode(text.as_bytes()).ok()?.try_into().ok().map(Self)
            }
        }

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                <$spelling>::schema()
            }
        }
        impl ToSchema for $name {}

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&HEXLOWER.encode(&self.0))
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
        impl From<$name> for String {
            fn from(value: $name) -> String {
                value.to_string()
            }
        }
        impl TryFrom<String> for $name {
            type Error = &'static str;
            fn try_from(text: String) -> Result<Self, Self::Error> {
                Self::parse(&text).ok_or($what)
            }
        }
    };
}

hex_bytes!(
    /// 128 random bits that a cabinet draws at each start. A GRANT is bound to them.
    BootId,
    16,
    spelling::BootIdHex,
    "a boot id is 32 lower-case hexadecimal digits"
);
hex_bytes!(
    /// The SHA-256 of one journal entry, over its canonical bytes.
    JournalHash,
    32,
    spelling::HashHex,
    "a journal hash is 64 lower-case hexadecimal digits"
);

impl JournalHash {
    /// The previous hash in the first entry of an epoch.
    pub(crate) const GENESIS: JournalHash = JournalHash([0; 32]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_lower_case_hex_is_accepted() {
        let boot = BootId::from_bytes([0xab; 16]);
        assert_eq!(BootId::parse(&boot.to_string()), Some(boot));
        assert_eq!(BootId::parse(&boot.to_string().to_uppercase()), None);
        assert_eq!(BootId::parse("ab"), None);
        assert_eq!(serde_json::to_string(&boot).unwrap(), format!("\"{boot}\""));
        assert!(serde_json::from_str::<JournalHash>("\"00\"").is_err());
    }
}
