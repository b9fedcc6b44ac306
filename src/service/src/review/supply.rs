//! Partial supply: what is sold out is dropped or reduced, by the doctor who signed or by a pharmacist
//! before the approval, and nobody signs again. The decision is in the sealed contents of the prescription,
//! beside what was signed; orders take no more than it allows.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{ensure_may_decide, pharmacist_standing};
use crate::{
    Failure, Part, Tx,
    caller::StaffCaller,
    machine::commit,
    prescription::{
        dispense::fulfil_if_done,
        machine::Loaded,
        view::{PrescriptionView, Reader, view},
    },
    safety::facts,
};
use domain::{
    ids::{PrescriptionId, StaffId},
    prescription::{Command, SupplyChange, SupplyDecider, SupplyLine, SupplyReason},
    refusal::{Code, Refusal},
    spelling,
    staff::role::Role,
};
use storage::prescription as store;

/// How much of a line is supplied.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SupplyInput {
    /// Which line, from 1.
    #[schema(minimum = 1, maximum = 100)]
    pub line_no: u32,
    /// Packs of it, at most as many as were prescribed; 0 drops the line.
    #[schema(minimum = 0, maximum = 1_000_000)]
    pub packs: u32,
    /// Why, in words; doctor and pharmacists read it.
    #[schema(value_type = spelling::Reason)]
    pub reason: String,
    /// Why, as a code, which the worker sees too; `sold_out` where left out.
    pub code: Option<SupplyReason>,
}

/// A decision as it is sealed with the prescription; one for a line at most.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct SupplyDecision {
    pub line_no: u32,
    pub packs: u32,
    by: StaffId,
    at: DateTime<Utc>,
    code: SupplyReason,
    reason: String,
}

/// How much of a line is supplied, other than was signed.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct SupplyView {
    /// 0 where the line was dropped.
    #[schema(minimum = 0)]
    pub packs: u32,
    pub code: SupplyReason,
    /// Who decided it.
    pub decided_by: StaffId,
    pub decided_at: DateTime<Utc>,
    /// Why, in words; not for the worker.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
}

impl SupplyView {
    pub(crate) fn of(decision: &SupplyDecision, reader: Reader) -> Self {
        Self {
            packs: decision.packs,
            code: decision.code,
            decided_by: decision.by,
            decided_at: decision.at,
            reason: (reader != Reader::Worker).then(|| decision.reason.clone()),
        }
    }
}

/// Decides how much of a line is supplied. What remains is checked again, and may not be blocked. A
/// prescription of which everything that is supplied was dispensed is fulfilled.
///
/// # Errors
/// `NotFound`, also for another doctor's; `StateMovedOn`; for pharmacists those of [`super::claim`];
/// `PrescriptionExpired`; `PrescribingRule` for `line_no` or `packs`; `UnitsExceeded` when more packs of
/// the line are reserved or dispensed; `SafetyBlocked`.
pub fn decide(
    tx: &mut Tx<'_>,
    caller: StaffCaller,
    id: PrescriptionId,
    input: &SupplyInput,
) -> Result<PrescriptionView, Failure> {
    // The packs are counted by a later statement than the lock: an order that took some was waited for.
    let mut before =
        Loaded::lock(tx, id)?.filter(|found| found.row.signed_at.is_some()).ok_or(Code::NotFound)?;
    let doctor = caller.role == Role::Doctor;
    if doctor && before.row.doctor_id != caller.staff {
        return Err(Code::NotFound.into());
    }
    let pharmacist = if doctor { None } else { Some(pharmacist_standing(tx.conn, caller.staff)?) };
    let (_, taken) = store::prescription_lock_with_taken(tx.conn, id)?.ok_or(Code::NotFound)?;
    let count = |packs: i64| u32::try_from(packs).unwrap_or(u32::MAX);
    let lines: Vec<SupplyLine> = taken
        .iter()
        .map(|(line, taken)| SupplyLine {
            prescribed: count(i64::from(line.packs)),
            supplied: before.body.packs_supplied(line),
            taken: count(*taken),
        })
        .collect();
    let by = pharmacist.as_ref().map_or(SupplyDecider::Doctor(caller.staff), SupplyDecider::Pharmacist);
    let code = input.code.unwrap_or(SupplyReason::SoldOut);
    let (line_no, packs) = (input.line_no, input.packs);
    let change = SupplyChange { by, line_no, packs, reason: code, lines: &lines };
    let events = before.decide(tx.app, &Command::Supply(change))?;
    tx.shown.note(before.row.worker_id, Part::Prescription, id);
    let reader = if doctor { Reader::Doctor } else { Reader::Pharmacist };
    if events.is_empty() {
        return view(tx.app, &mut tx.shown, &before.row, &before.body, reader, tx.now);
    }
    if !doctor {
        ensure_may_decide(tx, caller.staff, &before)?;
    }
    let mut body = before.body.clone();
    body.supply.retain(|decision| decision.line_no != line_no);
    let reason = input.reason.trim().to_owned();
    body.supply.push(SupplyDecision { line_no, packs, by: caller.staff, at: tx.now, code, reason });
    body.supply.sort_unstable_by_key(|decision| decision.line_no);
    before.replace_body(tx.app, body)?;
    ensure_rest_is_safe(tx, &before)?;
    let after = commit(tx, &before, &events)?;
    if fulfil_if_done(tx, id)? {
        let fulfilled = Loaded::lock(tx, id)?.ok_or(Code::NotFound)?;
        return view(tx.app, &mut tx.shown, &fulfilled.row, &fulfilled.body, reader, tx.now);
    }
    view(tx.app, &mut tx.shown, &after.row, &after.body, reader, tx.now)
}

/// Refuses a decision that leaves lines which are blocked by themselves.
fn ensure_rest_is_safe(tx: &mut Tx<'_>, found: &Loaded) -> Result<(), Failure> {
    let rows = found.body.rows(found.row.id)?;
    let supplied = rows.iter().map(|line| found.body.packs_supplied(line) > 0);
    let rest = found.body.draft.lines.iter().zip(supplied).filter(|(_, supplied)| *supplied);
    let rest = rest.map(|(line, _)| line.clone()).collect();
    let mut checked =
        facts::gather(tx.conn, tx.app, found.row.worker_id, rest, Some(found.row.id), tx.now)?.input;
    found.body.draft.add_to(&mut checked, tx.now);
    let report = facts::run(tx.app, &checked);
    if report.blocked() {
        let findings = serde_json::to_value(&report.findings)?;
        return Err(Refusal::new(Code::SafetyBlocked).with_data(findings).into());
    }
    Ok(())
}
