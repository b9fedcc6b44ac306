//! A slot of a cabinet: its number, and why it is closed.

use serde::{Deserialize, Serialize};

/// The number of a slot, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "i32", try_from = "i32")]
pub struct SlotNo(i32);

impl SlotNo {
    /// `None` below 1.
    pub const fn new(number: i32) -> Option<Self> {
        if number >= 1 { Some(Self(number)) } else { None }
    }

    pub const fn get(self) -> i32 {
        self.0
    }
}

impl utoipa::PartialSchema for SlotNo {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        utoipa::openapi::ObjectBuilder::new()
            .schema_type(utoipa::openapi::Type::Integer)
            .minimum(Some(1))
            .maximum(Some(i32::MAX))
            .into()
    }
}
impl utoipa::ToSchema for SlotNo {}

impl From<SlotNo> for i32 {
    fn from(slot: SlotNo) -> i32 {
        slot.0
    }
}
impl TryFrom<i32> for SlotNo {
    type Error = &'static str;
    fn try_from(number: i32) -> Result<Self, Self::Error> {
        Self::new(number).ok_or("a slot number is 1 or more")
    }
}
impl std::fmt::Display for SlotNo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

crate::text_enum! {
    /// Why a slot is closed for attempts.
    pub enum SlotClosedReason {
        /// An attempt from it is or was in doubt; closed until a blind count.
        InDoubt = "in_doubt",
        /// A pack is stuck in it.
        Jam = "jam",
        /// It was found empty although the stock figures show packs.
        Empty = "empty",
        Expired = "expired",
        Recalled = "recalled",
        /// A scan did not match; its content is quarantined.
        WrongSlot = "wrong_slot",
        /// An incident must be examined.
        Incident = "incident",
        /// The cabinet door was closed without a count.
        Uncounted = "uncounted",
        Operator = "operator",
    }
}
