//! The pharmacist's review: the queue of signed prescriptions, and the approval or return of one. A
//! review checks the signature over the canonical bytes and runs the safety rules again; it never
//! changes a line.

pub mod record;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{AppState, Failure, HealthAccess, Part, Tx, caller::StaffCaller};
use crate::{
    machine::commit,
    prescription::{
        machine::Loaded,
        signature::{self, Trust},
        view::{PrescriptionView, Reader, view, views},
    },
    safety::facts,
    staff::signing,
};
use domain::{
    ids::{PrescriptionId, StaffId},
    prescription::{Command, PharmacistStanding, ReturnReason, rules},
    refusal::{Code, Refusal},
    spelling,
};
use storage::{
    Conn, Live,
    prescription::{self as store, LineRow},
};

/// The maximum number of prescriptions in one answer of the queue.
const QUEUE_PAGE: i64 = 50;

/// Signed prescriptions that wait for a pharmacist.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct ReviewQueue {
    /// The oldest first.
    pub items: Vec<PrescriptionView>,
}

/// A pharmacist's approval.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ApproveInput {
    /// The signing PIN.
    #[schema(value_type = spelling::SigningPin)]
    pub pin: String,
}

/// A pharmacist's return of a prescription to its doctor.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReturnInput {
    /// In words; the doctor reads it.
    #[schema(value_type = spelling::Reason)]
    pub reason: String,
    /// As a code; `other` where left out.
    pub code: Option<ReturnReason>,
}

/// The queue, the oldest first, without prescriptions that have expired meanwhile.
///
/// # Errors
/// Faults of the storage.
pub fn waiting(
    conn: &mut Conn,
    app: &AppState,
    shown: &mut HealthAccess,
    live: Live,
) -> Result<Option<ReviewQueue>, Failure> {
    let now = app.now();
    let rows = store::reviews_waiting(conn, live, now, QUEUE_PAGE)?;
    let items = views(app, shown, &rows, Reader::Pharmacist, now)?;
    Ok((!items.is_empty()).then_some(ReviewQueue { items }))
}

/// Approves a signed prescription. Approving it again is not an error for the pharmacist who did
/// it.
///
/// # Errors
/// `NotFound`, also for drafts; `StateMovedOn`; `OwnReview`; `RoleNotAllowed` without a verified,
/// valid licence; the refusals of
/// [`signing::ensure_signing`]; `PrescriptionSignatureInvalid` when the signature is invalid;
/// `SafetyBlocked` or `SafetyWarningsUnanswered` with findings that are new since the signature;
/// `PrescriptionExpired`.
pub fn approve(
    tx: &mut Tx<'_>,
    caller: StaffCaller,
    id: PrescriptionId,
    input: &ApproveInput,
) -> Result<PrescriptionView, Failure> {
    let (mut before, pharmacist, mut lines) = reviewable(tx, caller.staff, id)?;
    tx.shown.note(before.row.worker_id, Part::Prescription, id);
    let digest = before.digest().unwrap_or_default();
    let events = before.decide(tx.app, &Command::Approve { by: &pharmacist, digest })?;
    signing::ensure_signing(tx, caller, &input.pin)?;
    if events.is_empty() {
        return view(tx.app, &mut tx.shown, &before.row, &before.body, Reader::Pharmacist, tx.now);
    }
    if lines != before.body.rows(id)? {
        // They were read before the doctor's signature replaced them, or differ indeed.
        lines = store::lines_of(tx.conn, id)?;
    }
    if !signature::fits(tx.conn, tx.app, &before.row, &before.body, &lines, Trust::Now)? {
        return Err(Refusal::new(Code::PrescriptionSignatureInvalid).in_state(before.row.state).into());
    }
    let mut body = before.body.clone();
    let lines = body.draft.lines.clone();
    let mut checked = facts::gather(tx.conn, tx.app, before.row.worker_id, lines, Some(id), tx.now)?.input;
    body.draft.add_to(&mut checked, tx.now);
    body.report = facts::run(tx.app, &checked);
    rules::check_findings(&body.draft, &body.report, &tx.app.policy.prescribing)?;
    before.replace_body(tx.app, body)?;
    let after = commit(tx, &before, &events)?;
    view(tx.app, &mut tx.shown, &after.row, &after.body, Reader::Pharmacist, tx.now)
}

/// Returns a signed prescription to its doctor, who is notified and may edit and sign it again, or
/// withdraw it.
///
/// # Errors
/// `NotFound`, also for drafts; `StateMovedOn`; `OwnReview`.
pub fn send_back(
    tx: &mut Tx<'_>,
    caller: StaffCaller,
    id: PrescriptionId,
    input: &ReturnInput,
) -> Result<PrescriptionView, Failure> {
    let reason = input.reason.trim();
    let (mut before, pharmacist, _) = reviewable(tx, caller.staff, id)?;
    let command = Command::Return { by: &pharmacist, reason: input.code.unwrap_or(ReturnReason::Other) };
    let events = before.decide(tx.app, &command)?;
    if !events.is_empty() {
        before.give_reason(tx.app, reason)?;
    }
    let after = commit(tx, &before, &events)?;
    view(tx.app, &mut tx.shown, &after.row, &after.body, Reader::Pharmacist, tx.now)
}

/// A prescription that was signed, with its row locked; the licence of the pharmacist, as an operator
/// has recorded it; and the lines, unless they were replaced meanwhile.
fn reviewable(
    tx: &mut Tx<'_>,
    staff: StaffId,
    id: PrescriptionId,
) -> Result<(Loaded, PharmacistStanding, Vec<LineRow>), Failure> {
    let found = store::prescription_lock_for_review(tx.conn, id, staff)?;
    let signed = found.filter(|(row, ..)| row.signed_at.is_some());
    let (row, licence, lines) = signed.ok_or(Code::NotFound)?;
    let standing = PharmacistStanding {
        staff,
        licence_verified: licence.as_ref().is_some_and(|row| row.licence_verified_at.is_some()),
        licence_valid_until: licence.map(|row| row.licence_valid_until),
    };
    Ok((Loaded::open(tx.app, row, tx.now)?, standing, lines))
}
