//! The pharmacist's review: the queue of signed prescriptions, and the approval or return of one. A
//! review checks the signature over the canonical bytes and runs the safety rules again; it never
//! changes a line.

pub mod record;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    AppState, Failure, HealthAccess, Part, Tx,
    caller::StaffCaller,
    prescription::{moved_on, reason_of, record},
};
use crate::{
    prescription::{
        dispense::signature_fits,
        view::{Body, PrescriptionView, Reader, fetch_view, machine_of, views},
    },
    safety::facts,
    staff::signing,
};
use domain::{
    ids::{PrescriptionId, StaffId},
    prescription::{Command, PharmacistStanding, PrescriptionState, ReturnReason, decide, rules},
    refusal::{Code, Refusal},
    spelling,
    time::{Timestamp, civil_day},
};
use storage::{
    Conn,
    prescription::{self as store, PrescriptionRow},
};

/// The maximum number of prescriptions in one answer of the queue.
const QUEUE_PAGE: i64 = 50;

/// Signed prescriptions that wait for a pharmacist.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
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
pub fn waiting(conn: &mut Conn, app: &AppState, shown: &mut HealthAccess) -> Result<ReviewQueue, Failure> {
    let now = app.now();
    // A poll that finds nothing is one statement.
    if store::reviews_waiting(conn, now, 1)?.is_empty() {
        return Ok(ReviewQueue { items: Vec::new() });
    }
    conn.snapshot(|conn| {
        let rows = store::reviews_waiting(conn, now, QUEUE_PAGE)?;
        Ok(ReviewQueue { items: views(conn, app, shown, &rows, Reader::Pharmacist, now)? })
    })
}

/// Approves a signed prescription. Approving it again is not an error for the pharmacist who did
/// it.
///
/// # Errors
/// `NotFound`, also for drafts; `StateMovedOn`; `OwnReview`; the refusals of
/// [`signing::ensure_signing`]; `PrescriptionSignatureInvalid` when the signature is invalid;
/// `SafetyBlocked` or `SafetyWarningsUnanswered` with findings that are new since the signature;
/// `PrescriptionExpired`.
pub fn approve(
    tx: &mut Tx<'_>,
    caller: StaffCaller,
    id: PrescriptionId,
    input: &ApproveInput,
) -> Result<PrescriptionView, Failure> {
    let row = reviewable(tx.conn, id)?;
    tx.shown.note(row.worker_id, Part::Prescription, id);
    let mut body = Body::open(tx.app, &row)?;
    let state_machine = machine_of(&row, &body);
    let pharmacist = standing(caller.staff, tx.now);
    let digest = body.digest.clone().unwrap_or_default();
    let command = Command::Approve { by: &pharmacist, digest: &digest };
    let events = decide(&state_machine, &command, tx.now, &tx.app.policy.prescribing)?;
    signing::ensure_signing(tx, caller, &input.pin)?;
    if events.is_empty() {
        return fetch_view(tx.conn, tx.app, &mut tx.shown, id, Reader::Pharmacist, tx.now);
    }
    if !signature_fits(tx.conn, tx.app, &row)? {
        return Err(Refusal::new(Code::PrescriptionSignatureInvalid).in_state(row.state).into());
    }
    let checked = facts::gather(tx.conn, tx.app, row.worker_id, body.draft.lines.clone(), Some(id), tx.now)?;
    body.report = facts::run(tx.app, &checked);
    rules::check_findings(&body.draft, &body.report, &tx.app.policy.prescribing)?;
    let sealed = body.seal(tx.app, id)?;
    let to = PrescriptionState::Approved;
    if !store::prescription_review(tx.conn, &row, to, caller.staff, &sealed, None, tx.now)? {
        return Err(moved_on(tx.conn, id)?.into());
    }
    record(tx, &row, &events)?;
    fetch_view(tx.conn, tx.app, &mut tx.shown, id, Reader::Pharmacist, tx.now)
}

/// Returns a signed prescription to its doctor, who is notified and may edit and sign it again, or
/// withdraw it.
///
/// # Errors
/// `NotFound`, also for drafts; `StateMovedOn`; `OwnReview`; a reason that is
/// too short or too long.
pub fn send_back(
    tx: &mut Tx<'_>,
    caller: StaffCaller,
    id: PrescriptionId,
    input: &ReturnInput,
) -> Result<PrescriptionView, Failure> {
    let reason = reason_of("reason", &input.reason)?;
    let row = reviewable(tx.conn, id)?;
    let body = Body::open(tx.app, &row)?;
    let pharmacist = standing(caller.staff, tx.now);
    let command = Command::Return { by: &pharmacist, reason: input.code.unwrap_or(ReturnReason::Other) };
    let events = decide(&machine_of(&row, &body), &command, tx.now, &tx.app.policy.prescribing)?;
    if !events.is_empty() {
        let reason_sealed = tx.app.seal("prescription", "reason_sealed", id, reason)?;
        let sealed = body.seal(tx.app, id)?;
        let to = PrescriptionState::Returned;
        if !store::prescription_review(
            tx.conn,
            &row,
            to,
            caller.staff,
            &sealed,
            Some(&reason_sealed),
            tx.now,
        )? {
            return Err(moved_on(tx.conn, id)?.into());
        }
        record(tx, &row, &events)?;
    }
    fetch_view(tx.conn, tx.app, &mut tx.shown, id, Reader::Pharmacist, tx.now)
}

fn reviewable(conn: &mut Conn, id: PrescriptionId) -> Result<PrescriptionRow, Failure> {
    match store::prescription_lock(conn, id)? {
        Some(row) if row.state != PrescriptionState::Draft => Ok(row),
        _ => Err(Code::NotFound.into()),
    }
}

/// An operator invites a pharmacist after checking the licence, and disables them when it lapses;
/// the sessions of a disabled pharmacist are not live. So a caller with this role has a valid
/// licence today.
fn standing(staff: StaffId, now: Timestamp) -> PharmacistStanding {
    PharmacistStanding { staff, licence_verified: true, licence_valid_until: Some(civil_day(now)) }
}
