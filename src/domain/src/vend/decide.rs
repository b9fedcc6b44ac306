//! The server's rules for one attempt. Time and silence never close it.

use chrono::TimeDelta;

use super::{
    attempt::{Attempt, AttemptState, DoubtCause, NotDispensedReason, VoidReason},
    event::{AttemptEvent, IncidentKind, Proof},
    identity::{BootId, Epoch},
};
use crate::{
    refusal::{Code, Refusal},
    stock::SlotClosedReason,
    time::Timestamp,
};

crate::text_enum! {
    /// The check of the pickup code that was typed at the hatch.
    pub enum PickupCheck {
        /// It is the order's code.
        Right = "right",
        /// It is not; the caller counts the try.
        Wrong = "wrong",
        /// Too many wrong codes before.
        Locked = "locked",
    }
}

/// The preconditions of START, read in START's own transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StartGate {
    /// The pickup code.
    pub pickup: PickupCheck,
    /// This boot has said hello, and no later boot has.
    pub boot_is_current: bool,
    /// The epoch is the cabinet's current one and its key is not revoked.
    pub epoch_is_current: bool,
    /// Every door is shut, and every slot was counted when it was shut.
    pub door_closed: bool,
    /// A tamper alarm is open.
    pub tampered: bool,
    /// The cabinet and the ledger do not differ in anything that must be reconciled first.
    pub reconciled: bool,
    /// The slot accepts attempts.
    pub slot_open: bool,
    /// The lot is neither expired nor recalled, and may be sold in this lane.
    pub lot_ok: bool,
    /// The order is paid and its prescription (if it needs one) is signed,
    /// approved and unexpired.
    pub prescription_ok: bool,
}

impl StartGate {
    /// All preconditions hold.
    #[cfg(test)]
    pub(crate) const CLEAR: StartGate = StartGate {
        pickup: PickupCheck::Right,
        boot_is_current: true,
        epoch_is_current: true,
        door_closed: true,
        tampered: false,
        reconciled: true,
        slot_open: true,
        lot_ok: true,
        prescription_ok: true,
    };

    /// The preconditions of every GRANT, including a repeated one: cabinet, slot and pickup code.
    fn check_cabinet_and_pickup_code(&self) -> Result<(), Refusal> {
        let refuse = |code| Err(Refusal::new(code));
        if !self.epoch_is_current {
            return refuse(Code::EpochRevoked);
        }
        if !self.boot_is_current {
            return refuse(Code::BootUnknown);
        }
        if self.tampered {
            return refuse(Code::CabinetTampered);
        }
        if !self.reconciled {
            return refuse(Code::CabinetNotReconciled);
        }
        if !self.door_closed {
            return refuse(Code::DoorOpen);
        }
        if !self.slot_open {
            return refuse(Code::CabinetClosed);
        }
        match self.pickup {
            PickupCheck::Right => Ok(()),
            PickupCheck::Wrong => refuse(Code::PickupCodeWrong),
            PickupCheck::Locked => refuse(Code::PickupCodeLocked),
        }
    }

    /// The additional preconditions when the attempt passes START: lot and prescription.
    fn check_lot_and_prescription(&self) -> Result<(), Refusal> {
        if !self.lot_ok {
            return Err(Refusal::new(Code::LotNotAllowed));
        }
        if !self.prescription_ok {
            return Err(Refusal::new(Code::PrescriptionExpired));
        }
        Ok(())
    }
}

/// What a cabinet's journal reports about one attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Evidence {
    /// A drop was sensed.
    Dispensed,
    /// The cabinet reports that nothing came out.
    NotDispensed {
        reason: NotDispensedReason,
        /// A sensor saw the hatch empty.
        hatch_empty_sensor: bool,
    },
    /// The cabinet does not know.
    Unknown,
    /// The cabinet will refuse every GRANT for this attempt.
    Abandoned,
}

/// A person's decision after a restart and a blind count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CountDecision {
    /// The pack is gone.
    Dispensed,
    /// The pack is still there.
    NotDispensed(NotDispensedReason),
}

/// The commands to an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// The cabinet asks for START.
    Start {
        boot: BootId,
        /// The epoch whose key signed the request.
        epoch: Epoch,
        /// The preconditions of START.
        gate: StartGate,
    },
    /// Withdraws it.
    Void { reason: VoidReason },
    /// The cabinet said hello with this boot.
    NewBoot {
        /// The boot that it is in.
        boot: BootId,
    },
    /// The cabinet restarted with a boot id that it had already used.
    SameBoot { boot: BootId },
    /// The cabinet was replaced or enrolled again.
    NewEpoch,
    /// The sweep found that nothing was received since START.
    Silence {
        /// How long a started attempt may be silent before it is in doubt.
        limit: TimeDelta,
    },
    /// An accepted journal entry concerns this attempt.
    JournalEvidence {
        /// The boot that wrote the entry (not the one that sent it).
        boot: BootId,
        /// The epoch of the journal.
        epoch: Epoch,
        evidence: Evidence,
    },
    /// A named person decides after a count.
    HumanCount {
        /// The cabinet was restarted after the doubt arose and before the count, so a GRANT in
        /// transit can no longer be used. The caller establishes this from a boot that was first
        /// seen after the doubt, never from "another boot" alone.
        cabinet_rebooted_after_doubt: bool,
        decision: CountDecision,
    },
}

/// Decides `command` for `attempt`. An empty result means that it is already done; for a repeated
/// START it means "the same GRANT again".
///
/// # Errors
/// A refusal changes nothing: void, in doubt, closed, expired, or what the gate reports.
pub fn decide(attempt: &Attempt, command: Command, now: Timestamp) -> Result<Vec<AttemptEvent>, Refusal> {
    match command {
        Command::Start { boot, epoch, gate } => start(attempt, boot, epoch, &gate, now),
        Command::Void { reason } => void(attempt, reason, now),
        Command::NewBoot { boot } => Ok(new_boot(attempt, boot)),
        Command::SameBoot { boot } => Ok(same_boot(attempt, boot)),
        Command::NewEpoch => Ok(new_epoch(attempt)),
        Command::Silence { limit } => Ok(silence(attempt, limit, now)),
        Command::JournalEvidence { boot, epoch, evidence } => {
            Ok(apply_journal_evidence(attempt, boot, epoch, evidence))
        }
        Command::HumanCount { cabinet_rebooted_after_doubt, decision } => {
            human_count(attempt, cabinet_rebooted_after_doubt, decision)
        }
    }
}

fn closed(attempt: &Attempt, code: Code) -> Refusal {
    Refusal::new(code).in_state(attempt.state)
}

fn start(
    attempt: &Attempt,
    boot: BootId,
    epoch: Epoch,
    gate: &StartGate,
    now: Timestamp,
) -> Result<Vec<AttemptEvent>, Refusal> {
    if epoch != attempt.epoch {
        return Err(Refusal::new(Code::EpochRevoked));
    }
    match attempt.state {
        AttemptState::Issued => {
            gate.check_cabinet_and_pickup_code()?;
            if now >= attempt.expires_at {
                return Err(closed(attempt, Code::AttemptVoid));
            }
            gate.check_lot_and_prescription()?;
            Ok(vec![AttemptEvent::Started { boot, epoch }])
        }
        // A restart in between may have lost an INTENT: never repeat the GRANT for another boot.
        AttemptState::Started if attempt.granted_boot == Some(boot) => {
            gate.check_cabinet_and_pickup_code()?;
            Ok(vec![])
        }
        AttemptState::Started | AttemptState::InDoubt => Err(closed(attempt, Code::AttemptInDoubt)),
        AttemptState::Voided => Err(closed(attempt, Code::AttemptVoid)),
        AttemptState::Dispensed | AttemptState::NotDispensed => Err(closed(attempt, Code::AttemptClosed)),
    }
}

fn void(attempt: &Attempt, reason: VoidReason, now: Timestamp) -> Result<Vec<AttemptEvent>, Refusal> {
    match attempt.state {
        AttemptState::Issued if reason == VoidReason::Expired && now < attempt.expires_at => {
            Err(Refusal::moved_on(attempt.state))
        }
        AttemptState::Issued => Ok(vec![AttemptEvent::Voided { reason }]),
        AttemptState::Voided => Ok(vec![]),
        AttemptState::Started => Err(Refusal::moved_on(attempt.state)),
        AttemptState::InDoubt => Err(closed(attempt, Code::AttemptInDoubt)),
        AttemptState::Dispensed | AttemptState::NotDispensed => Err(closed(attempt, Code::AttemptClosed)),
    }
}

fn doubt(attempt: &Attempt, cause: DoubtCause) -> Vec<AttemptEvent> {
    let reason = match cause {
        DoubtCause::Jam => SlotClosedReason::Jam,
        DoubtCause::NewBoot
        | DoubtCause::SameBoot
        | DoubtCause::NewEpoch
        | DoubtCause::Silence
        | DoubtCause::Unknown => SlotClosedReason::InDoubt,
    };
    vec![AttemptEvent::Doubted { cause }, AttemptEvent::SlotClosed { slot: attempt.slot, reason }]
}

fn new_boot(attempt: &Attempt, boot: BootId) -> Vec<AttemptEvent> {
    match attempt.state {
        AttemptState::Started if attempt.granted_boot != Some(boot) => doubt(attempt, DoubtCause::NewBoot),
        AttemptState::Started
        | AttemptState::Issued
        | AttemptState::Voided
        | AttemptState::Dispensed
        | AttemptState::NotDispensed
        | AttemptState::InDoubt => vec![],
    }
}

/// An attempt that is already in doubt loses its granted boot, too: evidence from the second boot
/// with that id must not count as evidence from the first, which had the GRANT.
fn same_boot(attempt: &Attempt, boot: BootId) -> Vec<AttemptEvent> {
    match attempt.state {
        AttemptState::Started | AttemptState::InDoubt if attempt.granted_boot == Some(boot) => {
            doubt(attempt, DoubtCause::SameBoot)
        }
        AttemptState::Started
        | AttemptState::InDoubt
        | AttemptState::Issued
        | AttemptState::Voided
        | AttemptState::Dispensed
        | AttemptState::NotDispensed => vec![],
    }
}

fn new_epoch(attempt: &Attempt) -> Vec<AttemptEvent> {
    match attempt.state {
        AttemptState::Issued => vec![AttemptEvent::Voided { reason: VoidReason::Replaced }],
        AttemptState::Started => doubt(attempt, DoubtCause::NewEpoch),
        AttemptState::Voided
        | AttemptState::Dispensed
        | AttemptState::NotDispensed
        | AttemptState::InDoubt => vec![],
    }
}

fn silence(attempt: &Attempt, limit: TimeDelta, now: Timestamp) -> Vec<AttemptEvent> {
    let over = attempt.started_at.is_some_and(|started| now >= started + limit);
    match attempt.state {
        AttemptState::Started if over => doubt(attempt, DoubtCause::Silence),
        AttemptState::Started
        | AttemptState::Issued
        | AttemptState::Voided
        | AttemptState::Dispensed
        | AttemptState::NotDispensed
        | AttemptState::InDoubt => vec![],
    }
}

/// What evidence proves, given the boot that START was granted to.
enum Conclusion {
    Vended,
    NotVended(NotDispensedReason),
    /// The motor ran or may have run.
    MaybeVended(DoubtCause),
    Inconclusive,
}

/// Only the boot that had the GRANT can know that its motor did not run: a later boot may have lost
/// the INTENT with its last journal write.
fn conclusion_from(attempt: &Attempt, boot: BootId, evidence: Evidence) -> Conclusion {
    let by_granted_boot = attempt.granted_boot == Some(boot);
    match evidence {
        Evidence::Dispensed => Conclusion::Vended,
        Evidence::Unknown => Conclusion::MaybeVended(DoubtCause::Unknown),
        Evidence::NotDispensed { reason: NotDispensedReason::Jam, hatch_empty_sensor }
            if !(hatch_empty_sensor && by_granted_boot) =>
        {
            Conclusion::MaybeVended(DoubtCause::Jam)
        }
        Evidence::NotDispensed { reason, .. } if by_granted_boot => Conclusion::NotVended(reason),
        Evidence::Abandoned if by_granted_boot => Conclusion::NotVended(NotDispensedReason::NotTried),
        Evidence::NotDispensed { .. } | Evidence::Abandoned => Conclusion::Inconclusive,
    }
}

fn apply_journal_evidence(
    attempt: &Attempt,
    boot: BootId,
    epoch: Epoch,
    evidence: Evidence,
) -> Vec<AttemptEvent> {
    let conclusion = conclusion_from(attempt, boot, evidence);
    if epoch != attempt.epoch {
        return match conclusion {
            Conclusion::Vended | Conclusion::MaybeVended(_) => incident(attempt, IncidentKind::Contradiction),
            Conclusion::NotVended(_) | Conclusion::Inconclusive => vec![],
        };
    }
    match (attempt.state, conclusion) {
        (AttemptState::Issued | AttemptState::Voided, Conclusion::Vended | Conclusion::MaybeVended(_)) => {
            incident(attempt, IncidentKind::VendWithoutStart)
        }
        // Withdrawing needs no proof: without START there is nothing to prove.
        (AttemptState::Issued, Conclusion::NotVended(_) | Conclusion::Inconclusive) => {
            let mut events = vec![AttemptEvent::Voided { reason: VoidReason::Declined }];
            events.extend(fault_of(evidence).map(|reason| slot_closed(attempt, reason)));
            events
        }
        (AttemptState::Started | AttemptState::InDoubt, Conclusion::Vended) => {
            vec![AttemptEvent::Dispensed { proof: Proof::Journal }]
        }
        (AttemptState::Started | AttemptState::InDoubt, Conclusion::NotVended(reason)) => {
            let mut events = vec![AttemptEvent::NotDispensed { reason, proof: Proof::Journal }];
            events.extend(fault_of(evidence).map(|reason| slot_closed(attempt, reason)));
            events
        }
        (AttemptState::Started, Conclusion::MaybeVended(cause)) => doubt(attempt, cause),
        (AttemptState::Dispensed, Conclusion::NotVended(_))
        | (AttemptState::NotDispensed, Conclusion::Vended) => incident(attempt, IncidentKind::Contradiction),
        (AttemptState::Started, Conclusion::Inconclusive)
        | (AttemptState::InDoubt, Conclusion::MaybeVended(_) | Conclusion::Inconclusive)
        | (
            AttemptState::Dispensed,
            Conclusion::Vended | Conclusion::MaybeVended(_) | Conclusion::Inconclusive,
        )
        | (
            AttemptState::NotDispensed,
            Conclusion::NotVended(_) | Conclusion::MaybeVended(_) | Conclusion::Inconclusive,
        )
        | (AttemptState::Voided, Conclusion::NotVended(_) | Conclusion::Inconclusive) => vec![],
    }
}

fn slot_closed(attempt: &Attempt, reason: SlotClosedReason) -> AttemptEvent {
    AttemptEvent::SlotClosed { slot: attempt.slot, reason }
}

fn incident(attempt: &Attempt, kind: IncidentKind) -> Vec<AttemptEvent> {
    vec![
        AttemptEvent::IncidentOpened { kind, slot: attempt.slot },
        slot_closed(attempt, SlotClosedReason::Incident),
    ]
}

/// A fault of the slot itself, which closes it until a person has looked.
fn fault_of(evidence: Evidence) -> Option<SlotClosedReason> {
    match evidence {
        Evidence::Dispensed | Evidence::Unknown | Evidence::Abandoned => None,
        Evidence::NotDispensed { reason, .. } => match reason {
            NotDispensedReason::Jam => Some(SlotClosedReason::Jam),
            NotDispensedReason::Empty => Some(SlotClosedReason::Empty),
            NotDispensedReason::Expired => Some(SlotClosedReason::Expired),
            NotDispensedReason::Recalled => Some(SlotClosedReason::Recalled),
            NotDispensedReason::WrongSlot => Some(SlotClosedReason::WrongSlot),
            NotDispensedReason::NotTried => None,
        },
    }
}

fn human_count(
    attempt: &Attempt,
    rebooted: bool,
    decision: CountDecision,
) -> Result<Vec<AttemptEvent>, Refusal> {
    match attempt.state {
        AttemptState::InDoubt if !rebooted => Err(closed(attempt, Code::CabinetNotRebooted)),
        AttemptState::InDoubt => Ok(vec![match decision {
            CountDecision::Dispensed => AttemptEvent::Dispensed { proof: Proof::HumanCount },
            CountDecision::NotDispensed(reason) => {
                AttemptEvent::NotDispensed { reason, proof: Proof::HumanCount }
            }
        }]),
        AttemptState::Issued | AttemptState::Started => Err(Refusal::moved_on(attempt.state)),
        AttemptState::Voided | AttemptState::Dispensed | AttemptState::NotDispensed => {
            Err(closed(attempt, Code::AttemptClosed))
        }
    }
}
