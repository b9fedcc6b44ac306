//! A doctor writes, edits, signs and withdraws prescriptions. The server checks and refuses; it
//! never writes or completes a line. The pharmacist's part is in `review`, signing is in `sign`,
//! the use of a prescription by orders in `dispense`.

pub mod dispense;
pub mod draft;
pub mod sign;
pub mod view;

use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;

use super::{Actor, AppState, Failure, HealthAccess, Part, Recipients, Tx, caller::StaffCaller};
use crate::{network::me, page::Rows};
use domain::{
    consultation::ConsultationState,
    ids::{ConsultationId, PrescriptionId, StaffId, WorkerId},
    order::UnitState,
    precondition::Expected,
    prescription::{Command, DoctorStanding, Event, LIVE, PrescriptionState, VoidReason, decide, rules},
    refusal::{Code, Refusal},
    spelling,
    staff::role::Role,
    time::civil_day,
    words::Bilingual,
};
use draft::{LONGEST_REASON, PrescriptionInput, body_of};
use storage::{
    Conn,
    prescription::{self as store, ConsultationFacts, NewPrescription, PrescriptionFilter, PrescriptionRow},
};
use view::{Body, PrescriptionPage, PrescriptionView, Reader, fetch_view, machine_of, views};

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
    let facts = own_consultation(tx.conn, caller.staff, consultation)?;
    if !store::consultation_lock_if_active(tx.conn, consultation, caller.staff)? {
        return Err(Refusal::moved_on(facts.state).into());
    }
    me::lock_care_consent(tx, facts.worker_id)?;
    rules::check_lane(facts.lane)?;
    let doctor = standing(tx.conn, caller.staff, consultation, false)?;
    if !rules::doctor_eligible(&doctor, civil_day(tx.now), &tx.app.policy.prescribing) {
        return Err(Code::DoctorNotEligible.into());
    }
    let id = PrescriptionId::generate();
    tx.shown.note(facts.worker_id, Part::Prescription, id);
    let body = body_of(tx, &facts, id, 0, input)?;
    let hospital = facts.hospital_id.or(caller.hospital).ok_or(Code::NotFound)?;
    let new = NewPrescription {
        id,
        consultation_id: consultation,
        worker_id: facts.worker_id,
        doctor_id: caller.staff,
        hospital_id: hospital,
        body_sealed: body.seal(tx.app, id)?,
        created_at: tx.now,
    };
    if !store::prescription_add(tx.conn, &new)? {
        return Err(open_already(tx.conn, consultation)?.into());
    }
    store::lines_replace(tx.conn, id, &body.rows(id)?)?;
    let event = Event::Drafted { consultation, prescriber: caller.staff, revision: 0 };
    let recipients = Recipients::both(facts.worker_id, Some(caller.staff));
    tx.record(id, event, recipients)?;
    fetch_view(tx.conn, tx.app, &mut tx.shown, id, Reader::Doctor, tx.now)
}

/// Replaces the contents of a draft or of a returned prescription.
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
    let row = own(tx.conn, caller.staff, id)?;
    let old = Body::open(tx.app, &row)?;
    let machine = machine_of(&row, &old);
    let command = Command::EditDraft { by: caller.staff };
    let events = decide(&machine, &command, tx.now, &tx.app.policy.prescribing)?;
    let version = expected.resolve(row.version)?;
    let facts = own_consultation(tx.conn, caller.staff, row.consultation_id)?;
    me::lock_care_consent(tx, facts.worker_id)?;
    tx.shown.note(row.worker_id, Part::Prescription, id);
    let body = body_of(tx, &facts, id, old.revision.saturating_add(1), input)?;
    if !store::prescription_edit(tx.conn, id, version, &body.seal(tx.app, id)?)? {
        return Err(Code::PreconditionFailed.into());
    }
    store::lines_replace(tx.conn, id, &body.rows(id)?)?;
    record(tx, &row, &events)?;
    let view = fetch_view(tx.conn, tx.app, &mut tx.shown, id, Reader::Doctor, tx.now)?;
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
    let reason = reason_of("reason", &input.reason)?;
    let row = store::prescription_lock(tx.conn, id)?.ok_or(Code::NotFound)?;
    if !is_theirs(tx.conn, caller.staff, &row)? {
        return Err(Code::NotFound.into());
    }
    withdraw(tx, &row, Some(caller.staff), input.code.unwrap_or(VoidReason::DoctorWithdrew), reason)?;
    fetch_view(tx.conn, tx.app, &mut tx.shown, id, Reader::Doctor, tx.now)
}

/// Withdraws the unsigned prescription of a consultation that ends without its doctor or goes to
/// another one. Called by the consultation's operations.
///
/// # Errors
/// Faults of the storage.
pub fn withdraw_unsigned_of(tx: &mut Tx<'_>, consultation: ConsultationId) -> Result<bool, Failure> {
    match store::prescription_open_of(tx.conn, consultation)? {
        Some(row) if matches!(row.state, PrescriptionState::Draft | PrescriptionState::Returned) => {
            withdraw(tx, &row, None, VoidReason::ConsultationEnded, "the consultation went on without it")?;
            Ok(true)
        }
        _ => Ok(false),
    }
}

/// Whether an open draft prevents completing a consultation. Call it after the conditional write
/// that completes it: [`draft`] locks the same row, so one of the two sees the other.
///
/// # Errors
/// Faults of the storage.
pub fn has_open_draft(conn: &mut Conn, consultation: ConsultationId) -> Result<bool, Failure> {
    let open = store::prescription_open_of(conn, consultation)?;
    Ok(open.is_some_and(|row| row.state == PrescriptionState::Draft))
}

/// One prescription with its version, for a worker, its doctor or a pharmacist.
///
/// # Errors
/// `NotFound`, also for another worker's or doctor's, and for a draft that a
/// pharmacist asks for.
pub fn fetch(
    conn: &mut Conn,
    app: &AppState,
    shown: &mut HealthAccess,
    actor: Actor,
    id: PrescriptionId,
) -> Result<(i64, PrescriptionView), Failure> {
    let row = store::prescription_fetch(conn, id)?.ok_or(Code::NotFound)?;
    let (reader, filter) = reader_of(actor)?;
    let theirs = match filter {
        PrescriptionFilter::Worker(worker) => {
            storage::network::worker::worker_with_merged(conn, worker)?.contains(&row.worker_id)
        }
        PrescriptionFilter::Doctor(doctor) => is_theirs(conn, doctor, &row)?,
        PrescriptionFilter::Signed => row.state != PrescriptionState::Draft,
    };
    if !theirs {
        return Err(Code::NotFound.into());
    }
    if reader == Reader::Doctor {
        me::need_care_consent(conn, row.worker_id)?;
    }
    let view = fetch_view(conn, app, shown, id, reader, app.now())?;
    Ok((view.version, view))
}

/// The caller's prescriptions, the newest first: a worker's; a doctor's own, of
/// people who consent to care; for a pharmacist all but drafts.
///
/// # Errors
/// Faults of the storage.
pub fn list(
    conn: &mut Conn,
    app: &AppState,
    shown: &mut HealthAccess,
    actor: Actor,
    after: Option<PrescriptionId>,
    limit: u32,
) -> Result<PrescriptionPage, Failure> {
    let (reader, filter) = reader_of(actor)?;
    let page = Rows::read(limit, |most| store::prescriptions_list(conn, filter, after, most), |row| row.id)?;
    let page = page.show(|mut rows| {
        if reader == Reader::Doctor {
            // Reviewers and dispensing still see what was signed.
            let people: Vec<WorkerId> = rows.iter().map(|row| row.worker_id).collect();
            let willing = me::consenting_to_care(conn, &people)?;
            rows.retain(|row| willing.contains(&row.worker_id));
        }
        views(conn, app, shown, &rows, reader, app.now())
    })?;
    Ok(page.into())
}

/// Records the events that the state machine decided: codes, ids and digests.
pub(super) fn record(tx: &mut Tx<'_>, row: &PrescriptionRow, events: &[Event]) -> Result<(), Failure> {
    for event in events {
        let recipients = Recipients::both(row.worker_id, Some(row.doctor_id));
        tx.record(row.id, event.clone(), recipients)?;
    }
    Ok(())
}

/// The refusal of a write that changed no row: `NotFound` if the row is gone, else `StateMovedOn`.
pub(super) fn moved_on(conn: &mut Conn, id: PrescriptionId) -> Result<Refusal, Failure> {
    let row = store::prescription_fetch(conn, id)?.ok_or(Code::NotFound)?;
    Ok(Refusal::moved_on(row.state))
}

/// A written reason without surrounding white space.
pub(super) fn reason_of<'t>(field: &str, text: &'t str) -> Result<&'t str, Refusal> {
    let text = text.trim();
    if (4..=LONGEST_REASON).contains(&text.chars().count()) {
        return Ok(text);
    }
    let message = Bilingual::fixed("理由须为 4 至 500 个字符", "a reason has 4 to 500 characters");
    Err(Refusal::field(field, "out_of_range", message))
}

/// A prescription of the doctor, with its row locked.
pub(super) fn own(conn: &mut Conn, doctor: StaffId, id: PrescriptionId) -> Result<PrescriptionRow, Failure> {
    match store::prescription_lock(conn, id)? {
        Some(row) if row.doctor_id == doctor => Ok(row),
        _ => Err(Code::NotFound.into()),
    }
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

/// A consultation that the doctor has or had: a prescription that was returned after the
/// consultation was completed is still corrected by its doctor.
pub(super) fn own_consultation(
    conn: &mut Conn,
    doctor: StaffId,
    id: ConsultationId,
) -> Result<ConsultationFacts, Failure> {
    let facts = store::consultation_facts(conn, id)?
        .filter(|facts| facts.doctor_id == Some(doctor))
        .ok_or(Code::NotFound)?;
    match facts.state {
        ConsultationState::Active | ConsultationState::Completed => Ok(facts),
        ConsultationState::Waiting
        | ConsultationState::Offered
        | ConsultationState::Cancelled
        | ConsultationState::Unserved => Err(Refusal::moved_on(facts.state).into()),
    }
}

fn open_already(conn: &mut Conn, consultation: ConsultationId) -> Result<Refusal, Failure> {
    let refusal = Refusal::new(Code::PrescriptionOpen);
    Ok(match store::prescription_open_of(conn, consultation)? {
        Some(row) => refusal.in_state(row.state).with_data(json!({"prescription_id": row.id})),
        None => refusal,
    })
}

pub(super) fn standing(
    conn: &mut Conn,
    staff: StaffId,
    consultation: ConsultationId,
    reauthenticated: bool,
) -> Result<DoctorStanding, Failure> {
    let licence = store::licence_fetch(conn, staff)?;
    Ok(DoctorStanding {
        staff,
        consultation,
        licence_verified: licence.as_ref().is_some_and(|row| row.licence_verified_at.is_some()),
        licence_valid_until: licence.as_ref().map(|row| row.licence_valid_until),
        practising_since: licence.as_ref().map(|row| row.practising_since),
        reauthenticated,
    })
}

fn withdraw(
    tx: &mut Tx<'_>,
    row: &PrescriptionRow,
    by: Option<StaffId>,
    code: VoidReason,
    reason: &str,
) -> Result<(), Failure> {
    if !store::prescription_lock_version(tx.conn, row)? {
        return Err(moved_on(tx.conn, row.id)?.into());
    }
    if row.state.is_live()
        && let Some((order, state)) = store::order_live_of(tx.conn, row.id)?
    {
        return Err(Refusal::moved_on(state).with_data(json!({"order_id": order})).into());
    }
    let units = store::units_of(tx.conn, row.id)?;
    if row.state.is_live() && units.iter().any(|(_, state)| *state == UnitState::Dispensed) {
        return Err(Refusal::moved_on("redeemed").into());
    }
    let moving = |state: &UnitState| matches!(state, UnitState::Authorised | UnitState::InDoubt);
    let units_moving =
        u32::try_from(units.iter().filter(|(_, state)| moving(state)).count()).unwrap_or(u32::MAX);
    let body = Body::open(tx.app, row)?;
    let command = Command::Void { by, reason: code, units_moving };
    let events = decide(&machine_of(row, &body), &command, tx.now, &tx.app.policy.prescribing)?;
    if events.is_empty() {
        return Ok(());
    }
    let sealed = tx.app.seal("prescription", "reason_sealed", row.id, reason)?;
    if !store::prescription_end(tx.conn, row, LIVE, PrescriptionState::Void, Some(&sealed), tx.now)? {
        return Err(moved_on(tx.conn, row.id)?.into());
    }
    record(tx, row, &events)
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
