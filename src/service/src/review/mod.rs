//! The pharmacist's review: the queue of signed prescriptions, who takes one of it, and the approval or
//! return of one. A review checks the signature over the canonical bytes and runs the safety rules
//! again; it never changes a line.

pub mod figures;
pub(crate) mod question;
pub mod record;
pub(crate) mod supply;
pub mod watch;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{AppState, Failure, HealthAccess, Part, Tx, caller::StaffCaller};
use crate::{
    machine::commit,
    prescription::{
        machine::{Loaded, claim_of},
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
    staff::change::PharmacistDetails,
};

pub use question::{AnswerInput, AskInput, QuestionView, answer, ask};
pub use supply::{SupplyInput, SupplyView, decide as decide_supply};

/// The maximum number of prescriptions in one answer of the queue.
const QUEUE_PAGE: i64 = 50;

/// Signed prescriptions that wait for a pharmacist.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct ReviewQueue {
    /// Emergencies first, then the oldest.
    pub items: Vec<PrescriptionView>,
}

/// A pharmacist's approval.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ApproveInput {
    /// The signing PIN.
    #[schema(value_type = spelling::SigningPin)]
    pub pin: String,
    /// For long-term supply beyond the usual length: the pharmacist has looked at the doctor's assessment and
    /// countersigns.
    #[serde(default)]
    pub countersigned: bool,
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

/// The queue in its order, without prescriptions that have expired meanwhile. Where it is longer than a
/// page, those that the caller may decide about come first: what others have, or waits for an answer, hides
/// nobody.
///
/// # Errors
/// Faults of the storage.
pub fn waiting(
    conn: &mut Conn,
    app: &AppState,
    shown: &mut HealthAccess,
    live: Live,
    caller: StaffCaller,
) -> Result<Option<ReviewQueue>, Failure> {
    let now = app.now();
    let mut rows = storage::review::reviews_waiting(conn, live, now, QUEUE_PAGE)?;
    if rows.len() == QUEUE_PAGE as usize {
        let mut open = storage::review::reviews_open_to(conn, caller.staff, now, QUEUE_PAGE)?;
        rows.retain(|row| open.iter().all(|known| known.id != row.id));
        open.extend(rows);
        open.truncate(QUEUE_PAGE as usize);
        rows = open;
    }
    let items = views(app, shown, &rows, Reader::Pharmacist, now)?;
    Ok((!items.is_empty()).then_some(ReviewQueue { items }))
}

/// Who has a prescription for review, and until when.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ClaimView {
    pub prescription_id: PrescriptionId,
    /// None once it was given back.
    pub claimed_by: Option<StaffId>,
    pub claimed_until: Option<DateTime<Utc>>,
}

impl ClaimView {
    fn of(found: &Loaded) -> Self {
        let row = &found.row;
        Self { prescription_id: row.id, claimed_by: row.claimed_by, claimed_until: row.claim_until }
    }
}

/// Takes a signed prescription for review: until the claim expires nobody else decides about it. To take it
/// again is not an error for the pharmacist who has it, and does not make the time longer.
///
/// # Errors
/// `NotFound`, also for drafts; `StateMovedOn`; `OwnReview`; `RoleNotAllowed` without a verified, valid
/// licence; `ReviewClaimed` while another pharmacist has it; `PrescriptionExpired`; `QuestionOpen`;
/// `NotOnShift`.
pub fn claim(tx: &mut Tx<'_>, caller: StaffCaller, id: PrescriptionId) -> Result<ClaimView, Failure> {
    let (before, pharmacist, _) = reviewable(tx, caller.staff, id)?;
    let on_shift = is_on_shift(tx, caller.staff)?;
    let until = tx.app.policy.review.claim_until(tx.now);
    let events = before.decide(tx.app, &Command::Claim { by: &pharmacist, on_shift, until })?;
    Ok(ClaimView::of(&commit(tx, &before, &events)?))
}

/// Gives a prescription back to the queue, in its place there. To give back what one does not have is not an
/// error.
///
/// # Errors
/// `NotFound`, also for drafts; `StateMovedOn`; `ReviewClaimed` while another pharmacist has it.
pub fn release(tx: &mut Tx<'_>, caller: StaffCaller, id: PrescriptionId) -> Result<ClaimView, Failure> {
    let (before, _, _) = reviewable(tx, caller.staff, id)?;
    let events = before.decide(tx.app, &Command::Release { by: caller.staff })?;
    Ok(ClaimView::of(&commit(tx, &before, &events)?))
}

/// Approves a signed prescription. Approving it again is not an error for the pharmacist who did
/// it.
///
/// # Errors
/// `NotFound`, also for drafts; `StateMovedOn`; `OwnReview`; `RoleNotAllowed` without a verified,
/// valid licence; `ReviewClaimed`, `QuestionOpen`; `NotOnShift` where the policy demands a shift; the
/// refusals of [`signing::ensure_signing`]; `PrescriptionSignatureInvalid` when the signature is invalid;
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
    let asked = before.body.draft.needs_countersignature(&tx.app.policy.prescribing);
    let countersigned = asked.then_some(input.countersigned);
    let events = before.decide(tx.app, &Command::Approve { by: &pharmacist, digest, countersigned })?;
    signing::ensure_signing(tx, caller, &input.pin)?;
    if events.is_empty() {
        return view(tx.app, &mut tx.shown, &before.row, &before.body, Reader::Pharmacist, tx.now);
    }
    ensure_may_decide(tx, caller.staff, &before)?;
    if lines != before.body.rows(id)? {
        // They were read before the doctor's signature replaced them, or differ indeed.
        lines = store::lines_of(tx.conn, id)?;
    }
    if !signature::fits(tx.conn, tx.app, &before.row, &before.body, &lines, Trust::Now)? {
        return Err(Refusal::new(Code::PrescriptionSignatureInvalid).in_state(before.row.state).into());
    }
    let mut body = before.body.clone();
    body.countersigned = countersigned.unwrap_or_default();
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
/// `NotFound`, also for drafts; `StateMovedOn`; `OwnReview`; `RoleNotAllowed` without a verified, valid
/// licence; `ReviewClaimed`; `NotOnShift` where the policy demands a shift.
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
        ensure_may_decide(tx, caller.staff, &before)?;
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
    Ok((Loaded::open(tx.app, row, tx.now)?, standing(staff, licence), lines))
}

fn standing(staff: StaffId, licence: Option<PharmacistDetails>) -> PharmacistStanding {
    PharmacistStanding {
        staff,
        licence_verified: licence.as_ref().is_some_and(|row| row.licence_verified_at.is_some()),
        licence_valid_until: licence.map(|row| row.licence_valid_until),
    }
}

/// The licence of a pharmacist, as an operator has recorded it.
fn pharmacist_standing(conn: &mut Conn, staff: StaffId) -> Result<PharmacistStanding, Failure> {
    Ok(standing(staff, storage::staff::change::pharmacist_details(conn, staff)?))
}

/// Refuses a decision of a pharmacist who is not on shift, where the policy demands it and they have not
/// taken the prescription while they were.
fn ensure_may_decide(tx: &mut Tx<'_>, pharmacist: StaffId, found: &Loaded) -> Result<(), Failure> {
    let taken = claim_of(&found.row).is_some_and(|claim| claim.by == pharmacist && tx.now < claim.until);
    if taken || !tx.app.policy.review.decide_on_shift_only || is_on_shift(tx, pharmacist)? {
        return Ok(());
    }
    Err(Code::NotOnShift.into())
}

fn is_on_shift(tx: &mut Tx<'_>, staff: StaffId) -> Result<bool, Failure> {
    Ok(storage::matching::doctor::on_shift_until(tx.conn, staff, tx.now)?.is_some())
}
