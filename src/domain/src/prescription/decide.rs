//! The state machine: one pure function of prescription, command and time. "Already done" is an
//! answer (`Ok` without events), not an error. Event payloads contain ids, codes and digests only,
//! never a name, a diagnosis or free text.

use super::{
    EncounterLane,
    draft::{PrescriptionDraft, SupplyKind},
    event::Event,
    partial::{self, SupplyChange},
    policy::PrescribingPolicy,
    review::{self, ReturnReason},
    rules::{self, DoctorStanding, PharmacistStanding},
    state::{Prescription, PrescriptionState},
    validity,
};
use crate::{
    formulary::Formulary,
    ids::{ReviewQuestionId, StaffId},
    refusal::{Code, Refusal},
    safety::{RuleSet, SafetyReport},
    time::{Timestamp, civil_day, to_micros},
};

crate::text_enum! {
    /// Why a prescription was withdrawn.
    pub enum VoidReason {
        /// The doctor withdrew it.
        DoctorWithdrew = "doctor_withdrew",
        /// The worker does not want it.
        WorkerDeclined = "worker_declined",
        /// A drug on it was recalled.
        Recalled = "recalled",
        /// Another prescription replaces it.
        Superseded = "superseded",
        /// The consultation ended before it was signed.
        ConsultationEnded = "consultation_ended",
    }
}

/// All inputs of a signature.
#[derive(Debug, Clone, Copy)]
pub struct Signing<'a> {
    /// The doctor who signs.
    pub doctor: &'a DoctorStanding,
    pub draft: &'a PrescriptionDraft,
    /// The worker's age in whole years, where known.
    pub age_years: Option<u32>,
    /// The safety check of exactly these lines, made now.
    pub report: &'a SafetyReport,
    pub formulary: &'a Formulary,
    /// The rules in force, for their lists of diagnoses.
    pub rules: &'a RuleSet,
    /// Civil days of validity including the issue day; `None` where the doctor was not asked yet.
    pub valid_days: Option<u32>,
    /// Digest of the document's canonical bytes, lower-case hex.
    pub digest: &'a str,
    /// The consultation is an emergency.
    pub emergency: bool,
}

/// A command to a prescription.
#[derive(Debug, Clone, Copy)]
pub enum Command<'a> {
    /// The doctor changes the draft, or edits a returned one again.
    Edit { by: StaffId },
    /// The doctor signs.
    Sign(Signing<'a>),
    /// A pharmacist takes it for review.
    Claim {
        by: &'a PharmacistStanding,
        on_shift: bool,
        /// When the claim expires.
        until: Timestamp,
    },
    /// The pharmacist who has it gives it back to the queue.
    Release { by: StaffId },
    /// It goes back to the queue when the claim has expired.
    ReleaseExpired,
    /// A pharmacist asks its doctor.
    Ask { by: &'a PharmacistStanding, question: ReviewQuestionId },
    /// Its doctor answers.
    Answer { by: StaffId, question: ReviewQuestionId },
    /// Its doctor or a pharmacist decides how much of a line is supplied.
    Supply(SupplyChange<'a>),
    /// A pharmacist approves the digest that they saw.
    Approve {
        by: &'a PharmacistStanding,
        /// The digest that the pharmacist reviewed.
        digest: &'a str,
        /// Whether they countersign; `None` where that is not asked for.
        countersigned: Option<bool>,
    },
    /// A pharmacist returns it to the doctor.
    Return { by: &'a PharmacistStanding, reason: ReturnReason },
    /// Withdraws it.
    Void {
        /// `None` for the service itself.
        by: Option<StaffId>,
        reason: VoidReason,
        /// Attempts that are live or in doubt; while there are any, it is not withdrawn.
        units_moving: u32,
    },
    /// Ends it after its validity.
    Expire {
        /// Attempts that are live or in doubt; while there are any, it is not ended.
        units_moving: u32,
    },
    /// Ends it when every unit was dispensed.
    Fulfil { units_prescribed: u32, units_dispensed: u32 },
}

/// The first event of a prescription that `doctor` writes in their consultation.
///
/// # Errors
/// `lane_no_prescription`, `doctor_not_eligible`.
pub fn draft(
    doctor: &DoctorStanding,
    lane: EncounterLane,
    now: Timestamp,
    policy: &PrescribingPolicy,
) -> Result<Event, Refusal> {
    rules::check_lane(lane)?;
    if !rules::doctor_eligible(doctor, civil_day(now), policy) {
        return Err(Refusal::new(Code::DoctorNotEligible));
    }
    Ok(Event::Drafted { consultation: doctor.consultation, prescriber: doctor.staff, revision: 0 })
}

/// Decides `command` at `now`; `Ok` without events means that it is already done.
///
/// # Errors
/// A [`Refusal`]: the state has changed, a rule is broken, or the actor is not allowed to do it.
pub fn decide(
    prescription: &Prescription,
    command: &Command<'_>,
    now: Timestamp,
    policy: &PrescribingPolicy,
) -> Result<Vec<Event>, Refusal> {
    match *command {
        Command::Edit { by } => edit(prescription, by),
        Command::Sign(signing) => sign(prescription, &signing, now, policy),
        Command::Claim { by, on_shift, until } => review::claim(prescription, by, on_shift, until, now),
        Command::Release { by } => review::release(prescription, by, now),
        Command::ReleaseExpired => Ok(review::release_expired(prescription, now)),
        Command::Ask { by, question } => review::ask(prescription, by, question, now),
        Command::Answer { by, question } => review::answer(prescription, by, question),
        Command::Supply(change) => partial::supply(prescription, &change, now),
        Command::Approve { by, digest, countersigned } => {
            review::approve(prescription, by, (digest, countersigned), now)
        }
        Command::Return { by, reason } => review::return_to_doctor(prescription, by, reason, now),
        Command::Void { by, reason, units_moving } => void(prescription, by, reason, units_moving),
        Command::Expire { units_moving } => expire(prescription, units_moving, now),
        Command::Fulfil { units_prescribed, units_dispensed } => {
            fulfil(prescription, units_prescribed, units_dispensed)
        }
    }
}

fn edit(prescription: &Prescription, by: StaffId) -> Result<Vec<Event>, Refusal> {
    if by != prescription.prescriber {
        return Err(Refusal::new(Code::RoleNotAllowed));
    }
    match prescription.state {
        PrescriptionState::Draft | PrescriptionState::Returned => {
            Ok(vec![Event::Edited { revision: prescription.revision.saturating_add(1) }])
        }
        PrescriptionState::Signed
        | PrescriptionState::Approved
        | PrescriptionState::Fulfilled
        | PrescriptionState::Void
        | PrescriptionState::Expired => Err(Refusal::moved_on(prescription.state)),
    }
}

fn sign(
    prescription: &Prescription,
    signing: &Signing<'_>,
    now: Timestamp,
    policy: &PrescribingPolicy,
) -> Result<Vec<Event>, Refusal> {
    match prescription.state {
        PrescriptionState::Draft => {}
        PrescriptionState::Signed | PrescriptionState::Approved | PrescriptionState::Fulfilled => {
            let same = prescription.digest.as_deref() == Some(signing.digest);
            let theirs = prescription.prescriber == signing.doctor.staff;
            return if same && theirs { Ok(Vec::new()) } else { Err(Refusal::moved_on(prescription.state)) };
        }
        PrescriptionState::Returned | PrescriptionState::Void | PrescriptionState::Expired => {
            return Err(Refusal::moved_on(prescription.state));
        }
    }
    rules::check_prescriber(prescription, signing.doctor, now, policy)?;
    rules::check_lane(signing.draft.lane)?;
    rules::check_findings(signing.draft, signing.report, policy)?;
    let problems =
        rules::check_draft(signing.draft, signing.age_years, signing.formulary, signing.rules, policy);
    rules::refuse_broken(problems)?;
    let valid_until = validity::decide(now, signing.valid_days, policy)?;
    let mut overridden: Vec<String> =
        signing.report.needing_reason().map(|finding| finding.rule.to_string()).collect();
    overridden.sort_unstable();
    overridden.dedup();
    Ok(vec![Event::Signed {
        prescriber: prescription.prescriber,
        consultation: prescription.consultation,
        lane: signing.draft.lane,
        supply: signing.draft.kind,
        digest: signing.digest.to_owned(),
        signed_at: to_micros(now),
        valid_until,
        issued_on: civil_day(now),
        ruleset_version: signing.report.ruleset_version.clone(),
        policy_version: policy.version.clone(),
        overridden,
        emergency: signing.emergency || signing.draft.kind == SupplyKind::Emergency,
    }])
}

fn void(
    prescription: &Prescription,
    by: Option<StaffId>,
    reason: VoidReason,
    units_moving: u32,
) -> Result<Vec<Event>, Refusal> {
    match prescription.state {
        PrescriptionState::Void => Ok(Vec::new()),
        PrescriptionState::Draft
        | PrescriptionState::Signed
        | PrescriptionState::Returned
        | PrescriptionState::Approved => {
            if units_moving > 0 {
                return Err(Refusal::new(Code::AttemptInDoubt).in_state(prescription.state));
            }
            Ok(vec![Event::Voided { by, reason }])
        }
        PrescriptionState::Fulfilled | PrescriptionState::Expired => {
            Err(Refusal::moved_on(prescription.state))
        }
    }
}

fn expire(prescription: &Prescription, units_moving: u32, now: Timestamp) -> Result<Vec<Event>, Refusal> {
    match prescription.state {
        PrescriptionState::Expired => Ok(Vec::new()),
        PrescriptionState::Signed | PrescriptionState::Returned | PrescriptionState::Approved => {
            match prescription.valid_until {
                Some(valid_until) if now > valid_until && units_moving == 0 => {
                    Ok(vec![Event::Expired { valid_until }])
                }
                Some(_) | None => Err(Refusal::moved_on(prescription.state)),
            }
        }
        PrescriptionState::Draft | PrescriptionState::Fulfilled | PrescriptionState::Void => {
            Err(Refusal::moved_on(prescription.state))
        }
    }
}

fn fulfil(prescription: &Prescription, prescribed: u32, dispensed: u32) -> Result<Vec<Event>, Refusal> {
    match prescription.state {
        PrescriptionState::Fulfilled => Ok(Vec::new()),
        PrescriptionState::Approved => {
            if dispensed > prescribed {
                return Err(Refusal::new(Code::UnitsExceeded).in_state(prescription.state));
            }
            if prescribed == 0 || dispensed < prescribed {
                return Err(Refusal::moved_on(prescription.state));
            }
            Ok(vec![Event::Fulfilled { units: dispensed }])
        }
        PrescriptionState::Draft
        | PrescriptionState::Signed
        | PrescriptionState::Returned
        | PrescriptionState::Void
        | PrescriptionState::Expired => Err(Refusal::moved_on(prescription.state)),
    }
}

#[cfg(test)]
#[path = "decide_tests.rs"]
mod tests;
