//! A doctor writes, edits, signs and withdraws prescriptions. The server checks and refuses; it
//! never writes or completes a line. The pharmacist's part is in `review`, signing is in `sign`,
//! the use of a prescription by orders in `dispense`.

pub(crate) mod body;
pub mod dispense;
pub mod draft;
pub mod elsewhere;
pub(crate) mod machine;
pub mod paper;
pub mod sign;
pub(crate) mod signature;
pub mod view;

use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;

use super::{Actor, AppState, Failure, HealthAccess, Part, Tx, caller::StaffCaller};
use crate::{machine::commit, network::me, page::Rows, review::figures};
use body::Body;
use domain::{
    consultation::ConsultationState,
    ids::{ConsultationId, PrescriptionId, StaffId, WorkerId},
    order::UnitState,
    precondition::Expected,
    prescription::{self, Command, DoctorStanding, PrescriptionState, VoidReason},
    refusal::{Code, Refusal},
    spelling,
    staff::role::Role,
};
use draft::{PrescriptionInput, body_of};
use machine::Loaded;
use storage::{
    Conn, Live, StoreError,
    prescription::{
        self as store, ConsultationFacts, LicenceRow, OpenPrescription, PrescriptionFilter, PrescriptionRow,
    },
};
use view::{PrescriptionPage, PrescriptionView, Reader, view, views};

/// Why a prescription is withdrawn.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VoidInput {
    /// In words.
    #[schema(value_type = spelling::Reason)]
    pub reason: String,
    /// As a code; `doctor_withdrew` where left out.
    pub code: Option<VoidReason>,
}

/// Writes a draft in an active consultation of the caller.
///
/// # Errors
/// `NotFound` for another doctor's consultation; `StateMovedOn` for one that is
/// not active; `LaneNoPrescription`; `DoctorNotEligible`; `PrescriptionOpen`;
/// `InvalidField` or `PrescribingRule` with every broken field.
pub fn draft(
    tx: &mut Tx<'_>,
    caller: StaffCaller,
    consultation: ConsultationId,
    input: &PrescriptionInput,
) -> Result<PrescriptionView, Failure> {
    let (facts, licence) = lock_active(tx, caller.staff, consultation)?;
    let doctor = standing(caller.staff, consultation, licence, false);
    let drafted = prescription::draft(&doctor, facts.lane, tx.now, &tx.app.policy.prescribing)?;
    let id = PrescriptionId::generate();
    tx.shown.note(facts.worker_id, Part::Prescription, id);
    let body = body_of(tx, &facts, id, 0, input)?;
    let hospital = facts.hospital_id.or(caller.hospital).ok_or(Code::NotFound)?;
    let row = PrescriptionRow::draft(
        (id, consultation, facts.worker_id),
        (caller.staff, hospital),
        body.seal(tx.app, id)?,
        tx.now,
    );
    if !store::prescription_add(tx.conn, &row)? {
        let open = store::prescription_open_of(tx.conn, consultation)?;
        return Err(open.map_or(Refusal::new(Code::PrescriptionOpen), open_already).into());
    }
    store::lines_add(tx.conn, &body.rows(id)?)?;
    machine::record(tx, &row, &drafted)?;
    view(tx.app, &mut tx.shown, &row, &body, Reader::Doctor, tx.now)
}

/// Replaces the contents of a draft or of a returned prescription, by the doctor who wrote it.
///
/// # Errors
/// `NotFound`; `PreconditionFailed` when it was changed since it was read;
/// `StateMovedOn`; broken fields as in [`draft`].
pub fn edit(
    tx: &mut Tx<'_>,
    caller: StaffCaller,
    id: PrescriptionId,
    expected: &Expected,
    input: &PrescriptionInput,
) -> Result<(i64, PrescriptionView), Failure> {
    let Own { prescription: mut before, facts, consents, .. } = own(tx, caller.staff, id)?;
    let events = before.decide(tx.app, &Command::Edit { by: caller.staff })?;
    expected.resolve(before.row.version)?;
    let facts = of_author(facts)?;
    if !consents {
        return Err(without_consent(tx.conn, facts.worker_id));
    }
    tx.shown.note(before.row.worker_id, Part::Prescription, id);
    let mut body = body_of(tx, &facts, id, before.body.revision.saturating_add(1), input)?;
    body.questions.clone_from(&before.body.questions);
    let (old_lines, lines) = (before.body.rows(id)?, body.rows(id)?);
    before.replace_body(tx.app, body)?;
    let after = commit(tx, &before, &events)?;
    if lines != old_lines {
        store::lines_replace(tx.conn, id, &lines)?;
    }
    let view = view(tx.app, &mut tx.shown, &after.row, &after.body, Reader::Doctor, tx.now)?;
    Ok((view.version, view))
}

/// Withdraws a prescription of the caller, or of the doctor who had the caller's consultation
/// before. Withdrawing it again is not an error.
///
/// # Errors
/// `NotFound`; `StateMovedOn` with the state of a live order, or `redeemed` when a pack was
/// dispensed; `AttemptInDoubt` under a pack that may still come out.
pub fn void(
    tx: &mut Tx<'_>,
    caller: StaffCaller,
    id: PrescriptionId,
    input: &VoidInput,
) -> Result<PrescriptionView, Failure> {
    let reason = input.reason.trim();
    let before = Loaded::lock(tx, id)?.ok_or(Code::NotFound)?;
    if !is_theirs(tx.conn, caller.staff, &before.row)? {
        return Err(Code::NotFound.into());
    }
    let code = input.code.unwrap_or(VoidReason::DoctorWithdrew);
    let after = withdraw(tx, before, Some(caller.staff), code, reason)?;
    view(tx.app, &mut tx.shown, &after.row, &after.body, Reader::Doctor, tx.now)
}

/// Withdraws the unsigned prescription of a consultation that ends without its doctor, or, if it is that
/// of `leaving`, of one that goes from them to another doctor. What an earlier doctor corrects meanwhile
/// stays theirs. Called by the consultation's operations.
///
/// # Errors
/// Faults of the storage.
pub fn withdraw_unsigned_of(
    tx: &mut Tx<'_>,
    consultation: ConsultationId,
    leaving: Option<StaffId>,
) -> Result<bool, Failure> {
    let open = store::prescription_open_of(tx.conn, consultation)?;
    let Some(open) = open.filter(|open| leaving.is_none_or(|doctor| doctor == open.doctor_id)) else {
        return Ok(false);
    };
    match Loaded::lock(tx, open.id)? {
        Some(before)
            if matches!(before.row.state, PrescriptionState::Draft | PrescriptionState::Returned) =>
        {
            let reason = "the consultation went on without it";
            withdraw(tx, before, None, VoidReason::ConsultationEnded, reason)?;
            Ok(true)
        }
        _ => Ok(false),
    }
}

/// The refusal of the doctor who completes a consultation, if an open draft of theirs prevents it. What an
/// earlier doctor corrects prevents nothing. Call it after the conditional write that completes it:
/// [`draft`] locks the same row, so one of the two sees the other.
///
/// # Errors
/// Faults of the storage.
pub fn open_draft(
    conn: &mut Conn,
    consultation: ConsultationId,
    doctor: StaffId,
) -> Result<Option<Refusal>, Failure> {
    let open = store::prescription_open_of(conn, consultation)?;
    let prevents =
        |open: &OpenPrescription| open.state == PrescriptionState::Draft && open.doctor_id == doctor;
    Ok(open.filter(prevents).map(open_already))
}

/// One prescription with its version, for a worker, its doctor or a pharmacist.
///
/// # Errors
/// `NotFound`, also for another worker's or doctor's, and for a pharmacist who asks for a draft, or
/// for one that was withdrawn as a draft.
pub fn fetch(
    conn: &mut Conn,
    app: &AppState,
    shown: &mut HealthAccess,
    actor: Actor,
    id: PrescriptionId,
) -> Result<(i64, PrescriptionView), Failure> {
    let (reader, row) = readable(conn, actor, id)?;
    let body = Body::open(app, &row)?;
    let mut view = view(app, shown, &row, &body, reader, app.now())?;
    view.signature_valid = signature::shown(conn, app, &row, &body)?;
    if reader == Reader::Worker {
        view.review_wait = figures::wait_of(conn, app, &row, app.now())?;
    }
    Ok((view.version, view))
}

/// A prescription that `actor` may read.
///
/// # Errors
/// As [`fetch`].
fn readable(conn: &mut Conn, actor: Actor, id: PrescriptionId) -> Result<(Reader, PrescriptionRow), Failure> {
    let row = store::prescription_fetch(conn, id)?.ok_or(Code::NotFound)?;
    let (reader, filter) = reader_of(actor)?;
    let theirs = match filter {
        PrescriptionFilter::Worker(worker) => {
            storage::network::worker::worker_with_merged(conn, worker)?.contains(&row.worker_id)
        }
        PrescriptionFilter::Doctor(doctor) => is_theirs(conn, doctor, &row)?,
        PrescriptionFilter::Signed => row.signed_at.is_some(),
    };
    if !theirs {
        return Err(Code::NotFound.into());
    }
    if reader == Reader::Doctor {
        me::need_care_consent(conn, row.worker_id)?;
    }
    Ok((reader, row))
}

/// The caller's prescriptions, the newest first: a worker's; a doctor's own, of
/// people who consent to care; for a pharmacist all that are signed.
///
/// # Errors
/// Faults of the storage.
pub fn list(
    conn: &mut Conn,
    app: &AppState,
    shown: &mut HealthAccess,
    live: Live,
    actor: Actor,
    (after, limit): (Option<PrescriptionId>, u32),
) -> Result<Option<PrescriptionPage>, Failure> {
    let (reader, filter) = reader_of(actor)?;
    let read = |most| store::prescriptions_list(conn, live, filter, after, most);
    let page = Rows::read(limit, read, |row| row.id)?;
    if page.rows.is_empty() {
        return Ok(None);
    }
    let page = page.show(|mut rows| {
        if reader == Reader::Doctor {
            // Reviewers and dispensing still see what was signed.
            let people: Vec<WorkerId> = rows.iter().map(|row| row.worker_id).collect();
            let willing = me::consenting_to_care(conn, &people)?;
            rows.retain(|row| willing.contains(&row.worker_id));
        }
        views(app, shown, &rows, reader, app.now())
    })?;
    Ok(Some(page.into()))
}

/// The refusal of a write that changed no row: `NotFound` if the row is gone, else `StateMovedOn`.
pub(super) fn moved_on(conn: &mut Conn, id: PrescriptionId) -> Result<Refusal, Failure> {
    let row = store::prescription_fetch(conn, id)?.ok_or(Code::NotFound)?;
    Ok(Refusal::moved_on(row.state))
}

/// A prescription of a doctor as [`own`] locks it.
pub(crate) struct Own {
    pub prescription: Loaded,
    pub facts: ConsultationFacts,
    pub licence: Option<LicenceRow>,
    /// Whether the worker consents to care; the consent is locked, too.
    pub consents: bool,
}

/// A prescription of the doctor, with its row locked.
pub(crate) fn own(tx: &mut Tx<'_>, doctor: StaffId, id: PrescriptionId) -> Result<Own, Failure> {
    let found = store::prescription_lock_with_consultation(tx.conn, id)?;
    let own = found.filter(|((row, ..), _)| row.doctor_id == doctor);
    let ((row, facts, licence), consents) = own.ok_or(Code::NotFound)?;
    Ok(Own { prescription: Loaded::open(tx.app, row, tx.now)?, facts, licence, consents })
}

/// The refusal when no consent to care could be locked with another row. If there is one after all,
/// the statement had waited for a transaction that changed the consent or merged the worker: run again.
pub(crate) fn without_consent(conn: &mut Conn, worker: WorkerId) -> Failure {
    match me::consents_to_care(conn, worker) {
        Ok(true) => StoreError::Contended.into(),
        Ok(false) => Code::ConsentMissing.into(),
        Err(failure) => failure,
    }
}

/// An active consultation of the doctor and the consent to care of its worker, both locked; with the
/// doctor's licence.
fn lock_active(
    tx: &mut Tx<'_>,
    doctor: StaffId,
    id: ConsultationId,
) -> Result<(ConsultationFacts, Option<LicenceRow>), Failure> {
    let found = store::consultation_lock_with_consent(tx.conn, id, doctor)?;
    let consents = found.is_some();
    let (facts, licence) = match found {
        Some((facts, licence)) => (Some(facts), licence),
        // The other reasons to refuse come first.
        None => (store::consultation_facts(tx.conn, id)?, None),
    };
    let facts = facts.filter(|facts| facts.doctor_id == Some(doctor)).ok_or(Code::NotFound)?;
    if facts.state != ConsultationState::Active {
        return Err(Refusal::moved_on(facts.state).into());
    }
    if consents { Ok((facts, licence)) } else { Err(without_consent(tx.conn, facts.worker_id)) }
}

/// Whether the doctor wrote it, or took over the consultation from the doctor who wrote it: the new
/// doctor must see it, and may withdraw it to write another.
fn is_theirs(conn: &mut Conn, doctor: StaffId, row: &PrescriptionRow) -> Result<bool, Failure> {
    if row.doctor_id == doctor {
        return Ok(true);
    }
    let facts = store::consultation_facts(conn, row.consultation_id)?;
    Ok(facts.is_some_and(|facts| facts.doctor_id == Some(doctor) && facts.state == ConsultationState::Active))
}

/// The consultation of a prescription, for the doctor who wrote it. They answer for what they signed: when
/// a pharmacist returns it, they correct it, also after they completed the consultation, and while or
/// after another doctor has it. Whoever has it now may withdraw it and write one of their own. What they
/// had not signed was withdrawn when the consultation went on without them.
/// Source: who prescribes, in the project's clinical rules.
pub(super) fn of_author(facts: ConsultationFacts) -> Result<ConsultationFacts, Failure> {
    match facts.state {
        ConsultationState::Waiting
        | ConsultationState::Offered
        | ConsultationState::Active
        | ConsultationState::Completed => Ok(facts),
        ConsultationState::Cancelled | ConsultationState::Unserved => {
            Err(Refusal::moved_on(facts.state).into())
        }
    }
}

/// Names the open prescription, so that the doctor can take it up or withdraw it.
fn open_already(open: OpenPrescription) -> Refusal {
    let data = json!({"prescription_id": open.id});
    Refusal::new(Code::PrescriptionOpen).in_state(open.state).with_data(data)
}

pub(super) fn standing(
    staff: StaffId,
    consultation: ConsultationId,
    licence: Option<LicenceRow>,
    reauthenticated: bool,
) -> DoctorStanding {
    DoctorStanding {
        staff,
        consultation,
        licence_verified: licence.as_ref().is_some_and(|row| row.licence_verified_at.is_some()),
        licence_valid_until: licence.as_ref().map(|row| row.licence_valid_until),
        practising_since: licence.as_ref().map(|row| row.practising_since),
        reauthenticated,
    }
}

fn withdraw(
    tx: &mut Tx<'_>,
    mut before: Loaded,
    by: Option<StaffId>,
    reason: VoidReason,
    words: &str,
) -> Result<Loaded, Failure> {
    let units_moving = match before.row.state {
        PrescriptionState::Approved => unredeemed(tx.conn, before.row.id)?,
        // No order takes packs from any other: it is not in effect, or has ended.
        PrescriptionState::Draft
        | PrescriptionState::Signed
        | PrescriptionState::Returned
        | PrescriptionState::Fulfilled
        | PrescriptionState::Void
        | PrescriptionState::Expired => 0,
    };
    let events = before.decide(tx.app, &Command::Void { by, reason, units_moving })?;
    if !events.is_empty() {
        before.give_reason(tx.app, words)?;
    }
    commit(tx, &before, &events)
}

/// Refuses a withdrawal under a live order or after a pack was dispensed; returns the packs that may
/// still come out.
fn unredeemed(conn: &mut Conn, id: PrescriptionId) -> Result<u32, Failure> {
    if let Some((order, state)) = store::order_live_of(conn, id)? {
        return Err(Refusal::moved_on(state).with_data(json!({"order_id": order})).into());
    }
    let units = store::units_of(conn, id)?;
    if units.contains(&UnitState::Dispensed) {
        return Err(Refusal::moved_on("redeemed").into());
    }
    let moving = units.iter().filter(|state| matches!(state, UnitState::Authorised | UnitState::InDoubt));
    Ok(u32::try_from(moving.count()).unwrap_or(u32::MAX))
}

fn reader_of(actor: Actor) -> Result<(Reader, PrescriptionFilter), Failure> {
    match actor {
        Actor::Worker(worker) => Ok((Reader::Worker, PrescriptionFilter::Worker(worker.worker))),
        Actor::Staff(staff) if staff.role == Role::Doctor => {
            Ok((Reader::Doctor, PrescriptionFilter::Doctor(staff.staff)))
        }
        Actor::Staff(staff) if staff.role == Role::Pharmacist => {
            Ok((Reader::Pharmacist, PrescriptionFilter::Signed))
        }
        Actor::Staff(_) | Actor::System | Actor::Anyone | Actor::Station(_) | Actor::Cabinet(_) => {
            Err(Code::RoleNotAllowed.into())
        }
    }
}
