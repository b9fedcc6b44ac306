//! A slot of a cabinet: its number, and whether it is closed for attempts and why.

use serde::{Deserialize, Serialize};

use crate::event::cabinet::CabinetEvent;

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

/// A slot, as far as attempts are concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slot {
    pub number: SlotNo,
    /// `None` while it is open.
    pub closed: Option<SlotClosedReason>,
}

/// A command on a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SlotCommand {
    /// Takes no more attempts.
    Close(SlotClosedReason),
    /// Another lot was loaded, which may be vended.
    Refilled,
    /// The incident at it was closed.
    Examined,
    /// Its packs were counted blindly, and the stock record was set to that.
    Counted {
        /// Why its lot must not be vended.
        fault: Option<SlotClosedReason>,
    },
}

/// What happened to a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SlotEvent {
    Closed {
        slot: SlotNo,
        reason: SlotClosedReason,
    },
    /// It stays closed, for another reason.
    Reclosed {
        slot: SlotNo,
        was: SlotClosedReason,
        reason: SlotClosedReason,
    },
    Opened {
        slot: SlotNo,
        was: SlotClosedReason,
    },
}

impl From<SlotEvent> for CabinetEvent {
    fn from(event: SlotEvent) -> Self {
        match event {
            SlotEvent::Closed { slot, reason } => Self::SlotClosed { slot, reason },
            SlotEvent::Reclosed { slot, was, reason } => Self::SlotReclosed { slot, was, reason },
            SlotEvent::Opened { slot, was } => Self::SlotOpened { slot, was },
        }
    }
}

impl Slot {
    /// The event that results from `command`; `None` if nothing changes.
    pub fn decide(&self, command: SlotCommand) -> Option<SlotEvent> {
        let slot = self.number;
        match (command, self.closed) {
            (SlotCommand::Close(reason), None) => Some(SlotEvent::Closed { slot, reason }),
            // The first reason stays: it is the cause.
            (SlotCommand::Close(_), Some(_)) => None,
            (SlotCommand::Refilled | SlotCommand::Examined | SlotCommand::Counted { .. }, None) => None,
            (SlotCommand::Refilled, Some(was)) => {
                let reason = SlotClosedReason::Uncounted;
                was.was_its_lot().then_some(SlotEvent::Reclosed { slot, was, reason })
            }
            (SlotCommand::Examined, Some(was)) => {
                let reason = SlotClosedReason::Uncounted;
                (was == SlotClosedReason::Incident).then_some(SlotEvent::Reclosed { slot, was, reason })
            }
            (SlotCommand::Counted { fault }, Some(was)) => was.ends_with_a_count().then_some(match fault {
                Some(reason) => SlotEvent::Reclosed { slot, was, reason },
                None => SlotEvent::Opened { slot, was },
            }),
        }
    }

    /// The slot after `event`. State columns equal the fold of their events; the first reason stays
    /// here, too, because an attempt's event may repeat that its slot is closed.
    pub fn apply(&mut self, event: &SlotEvent) {
        self.closed = match event {
            SlotEvent::Closed { reason, .. } => self.closed.or(Some(*reason)),
            SlotEvent::Reclosed { reason, .. } => Some(*reason),
            SlotEvent::Opened { .. } => None,
        };
    }
}

impl SlotClosedReason {
    /// Closed because of the lot that was in it: another lot ends that.
    const fn was_its_lot(self) -> bool {
        match self {
            Self::WrongSlot | Self::Expired | Self::Recalled => true,
            Self::InDoubt | Self::Jam | Self::Empty | Self::Incident | Self::Uncounted | Self::Operator => {
                false
            }
        }
    }

    /// Closed until somebody has counted.
    const fn ends_with_a_count(self) -> bool {
        match self {
            Self::InDoubt | Self::Jam | Self::Empty | Self::Uncounted => true,
            Self::Expired | Self::Recalled | Self::WrongSlot | Self::Incident | Self::Operator => false,
        }
    }
}
