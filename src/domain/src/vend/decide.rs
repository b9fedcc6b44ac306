//! The server's rules for one attempt. Time and silence never close it.

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
    /// What became of the pickup code that was typed at the hatch.
    pub enum PickupCheck {
        /// It is the order's code.
        Right = "right",
        /// It is not; the caller counts the try.
        Wrong = "wrong",
        /// Too many wrong ones before.
        Locked = "locked",
    }
}

/// What START depends on, read in START's own transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StartGate {
    /// The pickup code.
    pub pickup: PickupCheck,
    /// The cabinet has said hello with this boot, and with none after it.
    pub boot_is_current: bool,
    /// The epoch is the cabinet's present one and its key is not revoked.
    pub epoch_is_current: bool,
    /// Every door is shut, and every slot was counted when it was.
    pub door_closed: bool,
    /// A tamper alarm stands.
    pub tampered: bool,
    /// The cabinet and the books do not differ in anything that must be
    /// reconciled first.
    pub reconciled: bool,
    /// The slot takes attempts.
    pub slot_open: bool,
    /// The lot is neither expired nor recalled, and may be sold in this lane.
    pub lot_ok: bool,
    /// The order is paid and its prescription (if it needs one) is signed,
    /// approved and unexpired.
    pub prescription_ok: bool,
}

impl StartGate {
    /// Nothing stands in the way.
    pub const CLEAR: StartGate = StartGate {
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

    /// What must hold whenever a GRANT is handed out, the repeated one too.
    fn machine_and_person(&self) -> Result<(), Refusal> {
        let no = |code| Err(Refusal::new(code));
        if !self.epoch_is_current {
            return no(Code::EpochRevoked);
        }
        if !self.boot_is_current {
            return no(Code::BootUnknown);
        }
        if self.tampered {
            return no(Code::CabinetTampered);
        }
        if !self.reconciled {
            return no(Code::CabinetNotReconciled);
        }
        if !self.door_closed {
            return no(Code::DoorOpen);
        }
        if !self.slot_open {
            return no(Code::CabinetClosed);
        }
        match self.pickup {
            PickupCheck::Right => Ok(()),
            PickupCheck::Wrong => no(Code::PickupCodeWrong),
            PickupCheck::Locked => no(Code::PickupCodeLocked),
        }
    }

    /// What must hold when the attempt passes START.
    fn medicine(&self) -> Result<(), Refusal> {
        if !self.lot_ok {
            return Err(Refusal::new(Code::LotNotAllowed));
        }
        if !self.prescription_ok {
            return Err(Refusal::new(Code::PrescriptionExpired));
        }
        Ok(())
    }
}

/// What a cabinet's journal says about one attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Evidence {
    /// A drop was sensed.
    Dispensed,
    /// The cabinet says that nothing came out.
    NotDispensed {
        /// Why.
        reason: NotDispensedReason,
        /// A sensor saw the hatch empty.
        hatch_empty_sensor: bool,
    },
    /// The cabinet does not know.
    Unknown,
    /// The cabinet will refuse every GRANT for this attempt.
    Abandoned,
}

/// A person's finding after a restart and a blind count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CountDecision {
    /// The pack is gone.
    Dispensed,
    /// The pack is still there.
    NotDispensed(NotDispensedReason),
}

/// What may be asked of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// The cabinet asks to go ahead.
    Start {
        /// The boot that asks.
        boot: BootId,
        /// The epoch whose key signed the request.
        epoch: Epoch,
        /// What START depends on.
        gate: StartGate,
    },
    /// Withdraw it.
    Void {
        /// Why.
        reason: VoidReason,
    },
    /// The cabinet said hello with this boot.
    NewBoot {
        /// The boot it is in.
        boot: BootId,
    },
    /// The cabinet restarted under an id that it had drawn before.
    SameBoot {
        /// Which.
        boot: BootId,
    },
    /// The cabinet was replaced or enrolled again.
    NewEpoch,
    /// The sweep found that nothing was heard since START.
    Silence,
    /// An accepted journal entry speaks of this attempt.
    JournalEvidence {
        /// The boot that wrote the entry (not the one that sent it).
        boot: BootId,
        /// The epoch of the journal.
        epoch: Epoch,
        /// What it says.
        evidence: Evidence,
    },
    /// A named person decides after a count.
    HumanCount {
        /// The cabinet was restarted after the doubt arose and before the count: a
        /// GRANT on its way is dead then. The caller establishes it from a boot that
        /// was first heard of after the doubt, never from "another boot" alone.
        cabinet_rebooted_after_doubt: bool,
        /// What was found.
        decision: CountDecision,
    },
}

/// What follows from `command` for `attempt`. An empty answer means that it is
/// already so; for a repeated START it means "the same GRANT again".
///
/// # Errors
/// A refusal changes nothing: void, in doubt, closed, expired, or what the gate says.
pub fn decide(attempt: &Attempt, command: Command, now: Timestamp) -> Result<Vec<AttemptEvent>, Refusal> {
    match command {
        Command::Start { boot, epoch, gate } => start(attempt, boot, epoch, &gate, now),
        Command::Void { reason } => void(attempt, reason, now),
        Command::NewBoot { boot } => Ok(new_boot(attempt, boot)),
        Command::SameBoot { boot } => Ok(same_boot(attempt, boot)),
        Command::NewEpoch => Ok(new_epoch(attempt)),
        Command::Silence => Ok(silence(attempt, now)),
        Command::JournalEvidence { boot, epoch, evidence } => Ok(weigh(attempt, boot, epoch, evidence)),
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
            gate.machine_and_person()?;
            if now >= attempt.expires_at {
                return Err(closed(attempt, Code::AttemptVoid));
            }
            gate.medicine()?;
            Ok(vec![AttemptEvent::Started { boot, epoch }])
        }
        // A restart in between may have lost an INTENT: never across boots.
        AttemptState::Started if attempt.granted_boot == Some(boot) => {
            gate.machine_and_person()?;
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

/// An attempt in doubt loses its boot, too: what the second boot of that name
/// says must not count as the word of the first, which held the GRANT.
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

fn silence(attempt: &Attempt, now: Timestamp) -> Vec<AttemptEvent> {
    match attempt.state {
        AttemptState::Started if attempt.doubtful_from().is_some_and(|from| now >= from) => {
            doubt(attempt, DoubtCause::Silence)
        }
        AttemptState::Started
        | AttemptState::Issued
        | AttemptState::Voided
        | AttemptState::Dispensed
        | AttemptState::NotDispensed
        | AttemptState::InDoubt => vec![],
    }
}

/// What a piece of evidence is worth against the boot that START was granted to.
enum Worth {
    Vended,
    NotVended(NotDispensedReason),
    /// The motor ran or may have.
    Perhaps(DoubtCause),
    Nothing,
}

/// Only the boot that held the GRANT can know that its motor stayed still: a later
/// boot may have lost the INTENT with its last journal write.
fn worth(attempt: &Attempt, boot: BootId, evidence: Evidence) -> Worth {
    let by_holder = attempt.granted_boot == Some(boot);
    match evidence {
        Evidence::Dispensed => Worth::Vended,
        Evidence::Unknown => Worth::Perhaps(DoubtCause::Unknown),
        Evidence::NotDispensed { reason: NotDispensedReason::Jam, hatch_empty_sensor }
            if !(hatch_empty_sensor && by_holder) =>
        {
            Worth::Perhaps(DoubtCause::Jam)
        }
        Evidence::NotDispensed { reason, .. } if by_holder => Worth::NotVended(reason),
        Evidence::Abandoned if by_holder => Worth::NotVended(NotDispensedReason::NotTried),
        Evidence::NotDispensed { .. } | Evidence::Abandoned => Worth::Nothing,
    }
}

fn weigh(attempt: &Attempt, boot: BootId, epoch: Epoch, evidence: Evidence) -> Vec<AttemptEvent> {
    let worth = worth(attempt, boot, evidence);
    if epoch != attempt.epoch {
        return match worth {
            Worth::Vended | Worth::Perhaps(_) => incident(attempt, IncidentKind::Contradiction),
            Worth::NotVended(_) | Worth::Nothing => vec![],
        };
    }
    match (attempt.state, worth) {
        (AttemptState::Issued | AttemptState::Voided, Worth::Vended | Worth::Perhaps(_)) => {
            incident(attempt, IncidentKind::VendWithoutStart)
        }
        // Withdrawing needs no proof: without START there is nothing to prove.
        (AttemptState::Issued, Worth::NotVended(_) | Worth::Nothing) => {
            let mut events = vec![AttemptEvent::Voided { reason: VoidReason::Declined }];
            events.extend(fault_of(evidence).map(|reason| slot_closed(attempt, reason)));
            events
        }
        (AttemptState::Started | AttemptState::InDoubt, Worth::Vended) => {
            vec![AttemptEvent::Dispensed { proof: Proof::Journal }]
        }
        (AttemptState::Started | AttemptState::InDoubt, Worth::NotVended(reason)) => {
            let mut events = vec![AttemptEvent::NotDispensed { reason, proof: Proof::Journal }];
            events.extend(fault_of(evidence).map(|reason| slot_closed(attempt, reason)));
            events
        }
        (AttemptState::Started, Worth::Perhaps(cause)) => doubt(attempt, cause),
        (AttemptState::Dispensed, Worth::NotVended(_)) | (AttemptState::NotDispensed, Worth::Vended) => {
            incident(attempt, IncidentKind::Contradiction)
        }
        (AttemptState::Started, Worth::Nothing)
        | (AttemptState::InDoubt, Worth::Perhaps(_) | Worth::Nothing)
        | (AttemptState::Dispensed, Worth::Vended | Worth::Perhaps(_) | Worth::Nothing)
        | (AttemptState::NotDispensed, Worth::NotVended(_) | Worth::Perhaps(_) | Worth::Nothing)
        | (AttemptState::Voided, Worth::NotVended(_) | Worth::Nothing) => vec![],
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

/// A fault of the slot itself, which bars it until somebody has looked.
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
