//! Partial supply: when a line is sold out, its doctor, or the pharmacist before the approval, decides how
//! many of its packs are supplied. The decision is beside the signed document, which stays as it was
//! signed; it can only take away from what was signed.

use serde_json::json;

use super::{
    event::Event,
    review,
    rules::PharmacistStanding,
    state::{Prescription, PrescriptionState},
};
use crate::{
    ids::StaffId,
    refusal::{Code, FieldProblem, Refusal},
    time::Timestamp,
    words::Bilingual,
};

crate::text_enum! {
    /// Why less of a line is supplied than was signed; free text is stored with the decision, not in the
    /// event.
    pub enum SupplyReason {
        /// The cabinet has no more of it.
        SoldOut = "sold_out",
        /// It is not needed any more.
        NotNeeded = "not_needed",
        /// Another reason, given as free text.
        Other = "other",
    }
}

/// Who decides how much is supplied.
#[derive(Debug, Clone, Copy)]
pub enum SupplyDecider<'a> {
    /// The doctor who signed; until everything is dispensed.
    Doctor(StaffId),
    /// A pharmacist who may review it; before the approval.
    Pharmacist(&'a PharmacistStanding),
}

/// The packs of one line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SupplyLine {
    /// As signed.
    pub prescribed: u32,
    /// As decided so far; `prescribed` where nothing was decided.
    pub supplied: u32,
    /// Dispensed, in doubt or reserved.
    pub taken: u32,
}

/// How many packs of a line are to be supplied.
#[derive(Debug, Clone, Copy)]
pub struct SupplyChange<'a> {
    pub by: SupplyDecider<'a>,
    /// From 1.
    pub line_no: u32,
    pub packs: u32,
    pub reason: SupplyReason,
    /// All lines, in their order.
    pub lines: &'a [SupplyLine],
}

pub(super) fn supply(
    prescription: &Prescription,
    change: &SupplyChange<'_>,
    now: Timestamp,
) -> Result<Vec<Event>, Refusal> {
    let by = may_decide(prescription, change.by, now)?;
    let at = change.line_no.checked_sub(1).and_then(|at| usize::try_from(at).ok());
    let Some((at, line)) = at.and_then(|at| Some((at, change.lines.get(at)?))) else {
        return Err(broken("line_no", "unknown", "处方没有这一行。", "The prescription has no such line."));
    };
    if change.packs == line.supplied {
        return Ok(Vec::new());
    }
    if change.packs > line.prescribed {
        let (zh, en) = ("不得多于处方数量。", "It is not more than was prescribed.");
        return Err(broken("packs", "out_of_range", zh, en));
    }
    if change.packs < line.taken {
        return Err(Refusal::new(Code::UnitsExceeded)
            .in_state(prescription.state)
            .with_data(json!({"packs_taken": line.taken})));
    }
    let others = change.lines.iter().enumerate().filter(|(other, _)| *other != at);
    if change.packs == 0 && others.map(|(_, other)| other.supplied).all(|packs| packs == 0) {
        let (zh, en) = (
            "至少要供应一种药品；否则请退回或撤销处方。",
            "Something must be supplied; otherwise return or withdraw the prescription.",
        );
        return Err(broken("packs", "nothing_left", zh, en));
    }
    Ok(vec![Event::SupplyDecided { by, line_no: change.line_no, packs: change.packs, reason: change.reason }])
}

fn may_decide(
    prescription: &Prescription,
    by: SupplyDecider<'_>,
    now: Timestamp,
) -> Result<StaffId, Refusal> {
    match by {
        SupplyDecider::Pharmacist(pharmacist) => {
            review::reviewable(prescription, pharmacist, now)?;
            Ok(pharmacist.staff)
        }
        SupplyDecider::Doctor(doctor) => {
            if doctor != prescription.prescriber {
                return Err(Refusal::new(Code::RoleNotAllowed));
            }
            match prescription.state {
                PrescriptionState::Signed | PrescriptionState::Approved => {}
                PrescriptionState::Draft
                | PrescriptionState::Returned
                | PrescriptionState::Fulfilled
                | PrescriptionState::Void
                | PrescriptionState::Expired => return Err(Refusal::moved_on(prescription.state)),
            }
            if prescription.valid_until.is_none_or(|until| now > until) {
                return Err(Refusal::new(Code::PrescriptionExpired).in_state(prescription.state));
            }
            Ok(doctor)
        }
    }
}

fn broken(field: &str, code: &str, zh: &'static str, en: &'static str) -> Refusal {
    let problem =
        FieldProblem { field: field.to_owned(), code: code.to_owned(), message: Bilingual::fixed(zh, en) };
    Refusal { fields: vec![problem], ..Refusal::new(Code::PrescribingRule) }
}
