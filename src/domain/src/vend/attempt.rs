//! One authorised try to vend one order unit: the server's record.

use super::{
    event::AttemptEvent,
    identity::{BootId, Epoch},
};
use crate::{
    ids::{AttemptId, CabinetId, OrderUnitId},
    refusal::{Code, Refusal},
    stock::SlotNo,
    time::Timestamp,
};

/// How long a cabinet may act on a GRANT, on its own monotonic clock, in milliseconds. Our default:
/// safety does not depend on it.
#[cfg(test)]
pub(crate) const GRANT_TTL_MS: u32 = 30_000;

crate::text_enum! {
    /// The state of an attempt.
    pub enum AttemptState {
        /// Signed and offered to the cabinet; START has not been committed.
        Issued = "issued",
        /// START is committed: from here on only evidence closes it.
        Started = "started",
        /// Withdrawn before START.
        Voided = "voided",
        /// The pack came out.
        Dispensed = "dispensed",
        /// The pack did not come out, and that is proven.
        NotDispensed = "not_dispensed",
        /// The outcome is not known yet.
        InDoubt = "in_doubt",
    }
}

impl AttemptState {
    /// Has not ended; the other states never change again.
    pub const fn is_live(self) -> bool {
        match self {
            Self::Issued | Self::Started | Self::InDoubt => true,
            Self::Voided | Self::Dispensed | Self::NotDispensed => false,
        }
    }

    /// Started, and nothing has proven its outcome yet.
    pub const fn is_unresolved(self) -> bool {
        match self {
            Self::Started | Self::InDoubt => true,
            Self::Issued | Self::Voided | Self::Dispensed | Self::NotDispensed => false,
        }
    }

    /// While an attempt is in such a state, no new attempt for the same unit may be issued.
    pub const fn is_blocking(self) -> bool {
        match self {
            Self::Issued | Self::Started | Self::InDoubt | Self::Dispensed => true,
            Self::Voided | Self::NotDispensed => false,
        }
    }
}

crate::text_enum! {
    /// Why a pack did not come out.
    pub enum NotDispensedReason {
        /// The motor ran and the pack is stuck; proven only by the empty hatch.
        Jam = "jam",
        /// The slot was empty.
        Empty = "empty",
        /// The cabinet saw that the lot has expired.
        Expired = "expired",
        /// The cabinet had the lot marked as recalled.
        Recalled = "recalled",
        /// The slot holds another product or lot.
        WrongSlot = "wrong_slot",
        /// The motor was never started.
        NotTried = "not_tried",
    }
}

crate::text_enum! {
    /// The outcome of a started attempt.
    pub enum Outcome {
        /// The pack came out.
        Dispensed = "dispensed",
        Jam = "jam",
        Empty = "empty",
        Expired = "expired",
        Recalled = "recalled",
        WrongSlot = "wrong_slot",
        NotTried = "not_tried",
    }
}

impl From<NotDispensedReason> for Outcome {
    fn from(reason: NotDispensedReason) -> Self {
        match reason {
            NotDispensedReason::Jam => Outcome::Jam,
            NotDispensedReason::Empty => Outcome::Empty,
            NotDispensedReason::Expired => Outcome::Expired,
            NotDispensedReason::Recalled => Outcome::Recalled,
            NotDispensedReason::WrongSlot => Outcome::WrongSlot,
            NotDispensedReason::NotTried => Outcome::NotTried,
        }
    }
}

crate::text_enum! {
    /// Why an attempt was withdrawn before START.
    pub enum VoidReason as "AttemptVoidReason" {
        /// It expired, by the server's clock.
        Expired = "expired",
        /// The worker or the order withdrew it.
        Cancelled = "cancelled",
        /// Its lot was recalled.
        Recalled = "recalled",
        /// Its cabinet was replaced.
        Replaced = "replaced",
        /// The cabinet declined before it had asked for START.
        Declined = "declined",
        /// At START the safety check of the worker's record refused the drug.
        Unsafe = "unsafe",
        /// An event at its slot closed the slot until it is counted.
        SlotClosed = "slot_closed",
    }
}

crate::text_enum! {
    /// What put a started attempt in doubt.
    pub enum DoubtCause {
        /// The cabinet restarted.
        NewBoot = "new_boot",
        /// The cabinet was replaced.
        NewEpoch = "new_epoch",
        /// Nothing was heard for the policy's `silence_seconds`.
        Silence = "silence",
        /// The cabinet itself does not know.
        Unknown = "unknown",
        /// A jam without an empty-hatch sensor.
        Jam = "jam",
        /// The cabinet restarted and drew the same boot id again: nobody can tell which of the two
        /// boots an entry of the journal is from.
        SameBoot = "same_boot",
    }
}

/// The server's record of one attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempt {
    pub id: AttemptId,
    /// The one physical pack that it is for.
    pub order_unit: OrderUnitId,
    /// The cabinet that may carry it out.
    pub cabinet: CabinetId,
    /// The cabinet's epoch at issue.
    pub epoch: Epoch,
    /// The pack's slot.
    pub slot: SlotNo,
    pub state: AttemptState,
    /// From here on START is refused, by the server's clock.
    pub expires_at: Timestamp,
    /// The boot that START was granted to; `None` again once its id was drawn a second time.
    pub granted_boot: Option<BootId>,
    /// When START was committed.
    pub started_at: Option<Timestamp>,
    /// When it was first in doubt.
    pub doubted_at: Option<Timestamp>,
    pub ended_at: Option<Timestamp>,
    /// `None` while live, and when voided.
    pub outcome: Option<Outcome>,
}

impl Attempt {
    /// A new attempt in `issued`.
    pub fn issued(
        id: AttemptId,
        order_unit: OrderUnitId,
        (cabinet, epoch, slot): (CabinetId, Epoch, SlotNo),
        expires_at: Timestamp,
    ) -> Self {
        Self {
            id,
            order_unit,
            cabinet,
            epoch,
            slot,
            state: AttemptState::Issued,
            expires_at,
            granted_boot: None,
            started_at: None,
            doubted_at: None,
            ended_at: None,
            outcome: None,
        }
    }

    /// The record after `event`. State columns equal the fold of their events.
    #[must_use]
    pub fn after(mut self, event: &AttemptEvent, at: Timestamp) -> Self {
        match event {
            AttemptEvent::Issued { .. } => self.state = AttemptState::Issued,
            AttemptEvent::Started { boot, .. } => {
                self.state = AttemptState::Started;
                self.granted_boot = Some(*boot);
                self.started_at = Some(at);
            }
            AttemptEvent::Voided { .. } => {
                self.state = AttemptState::Voided;
                self.ended_at = Some(at);
            }
            AttemptEvent::Doubted { cause } => {
                self.state = AttemptState::InDoubt;
                self.doubted_at = Some(at);
                if *cause == DoubtCause::SameBoot {
                    self.granted_boot = None;
                }
            }
            AttemptEvent::Dispensed { .. } => {
                self.state = AttemptState::Dispensed;
                self.outcome = Some(Outcome::Dispensed);
                self.ended_at = Some(at);
            }
            AttemptEvent::NotDispensed { reason, .. } => {
                self.state = AttemptState::NotDispensed;
                self.outcome = Some((*reason).into());
                self.ended_at = Some(at);
            }
            AttemptEvent::IncidentOpened { .. } | AttemptEvent::SlotClosed { .. } => {}
        }
        self
    }
}

/// Whether another attempt may be issued for a unit whose attempts are in the states `earlier`.
///
/// An authorization that has expired but was not voided still blocks: its START may be committed by
/// an instance whose clock is slower.
///
/// # Errors
/// `attempt_in_doubt`, `attempt_closed` (it was dispensed) or `state_moved_on` (one is in
/// progress), each with the blocking state.
pub fn may_issue(earlier: impl IntoIterator<Item = AttemptState>) -> Result<(), Refusal> {
    for state in earlier {
        let code = match state {
            AttemptState::Voided | AttemptState::NotDispensed => continue,
            AttemptState::InDoubt => Code::AttemptInDoubt,
            AttemptState::Dispensed => Code::AttemptClosed,
            AttemptState::Issued | AttemptState::Started => Code::StateMovedOn,
        };
        return Err(Refusal::new(code).in_state(state));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocking_states_prevent_a_new_attempt() {
        for state in AttemptState::ALL.iter().copied() {
            assert_eq!(may_issue([state]).is_err(), state.is_blocking(), "{state}");
        }
        assert!(may_issue([AttemptState::Voided, AttemptState::InDoubt]).is_err());
    }
}
