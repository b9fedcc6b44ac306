//! Prescriptions and their lines, and related rows: the consultation, the doctor's licence, the
//! orders against a prescription.

use chrono::NaiveDate;
use diesel::prelude::*;

use super::{
    code_literals::CodeDsl,
    conn::Conn,
    dialect::{RowLockDsl, insert_few, on_backend},
    prepared::{PreparedDsl, padded},
    schema::{consultation, doctor, order_unit, orders, prescription, prescription_line},
    sql_types::At,
};
use domain::{
    consultation::ConsultationState,
    ids::{ConsultationId, HospitalId, OrderId, PrescriptionId, StaffId, WorkerId},
    order::{OrderState, UnitState},
    prescription::{EXPIRING, EncounterLane, LIVE, PrescriptionState},
    time::Timestamp,
};

/// A prescription as stored: body, canonical bytes and reason sealed.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = prescription)]
pub struct PrescriptionRow {
    pub id: PrescriptionId,
    pub consultation_id: ConsultationId,
    pub worker_id: WorkerId,
    pub doctor_id: StaffId,
    pub hospital_id: HospitalId,
    pub state: PrescriptionState,
    /// Incremented with every write.
    pub version: i64,
    /// The sealed draft, as JSON.
    pub body_sealed: Vec<u8>,
    /// The sealed bytes that were signed.
    pub canonical_sealed: Option<Vec<u8>>,
    /// The detached signature over them.
    pub signature: Option<String>,
    pub signed_at: Option<Timestamp>,
    /// The last instant of its validity.
    pub valid_until: Option<Timestamp>,
    /// The pharmacist who reviewed it last.
    pub reviewed_by: Option<StaffId>,
    pub reviewed_at: Option<Timestamp>,
    /// Sealed reason for the return or withdrawal.
    pub reason_sealed: Option<Vec<u8>>,
    pub created_at: Timestamp,
    pub ended_at: Option<Timestamp>,
}

#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = prescription_line)]
pub struct LineRow {
    pub prescription_id: PrescriptionId,
    /// From 1.
    pub line_no: i32,
    pub product_code: String,
    /// Thousandths of a unit at a time.
    pub dose_units_thousandths: i64,
    pub times_per_day: i32,
    pub days: i32,
    pub packs: i32,
}

/// Facts of a consultation that a prescription depends on.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = consultation)]
pub struct ConsultationFacts {
    pub worker_id: WorkerId,
    pub doctor_id: Option<StaffId>,
    /// That doctor's hospital.
    pub hospital_id: Option<HospitalId>,
    pub lane: EncounterLane,
    pub state: ConsultationState,
    pub ended_at: Option<Timestamp>,
}

/// A doctor's licence.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = doctor)]
pub struct LicenceRow {
    /// When it was checked against the register.
    pub licence_verified_at: Option<Timestamp>,
    /// Last day of the licence.
    pub licence_valid_until: NaiveDate,
    pub practising_since: NaiveDate,
}

/// A new draft to be inserted.
#[derive(Debug)]
pub struct NewPrescription {
    pub id: PrescriptionId,
    pub consultation_id: ConsultationId,
    pub worker_id: WorkerId,
    pub doctor_id: StaffId,
    pub hospital_id: HospitalId,
    pub body_sealed: Vec<u8>,
    pub created_at: Timestamp,
}

/// Columns that the doctor's signature sets.
#[derive(Debug)]
pub struct SignedParts {
    /// The sealed draft with its reasons.
    pub body_sealed: Vec<u8>,
    /// The sealed bytes that were signed.
    pub canonical_sealed: Vec<u8>,
    /// The signature over them.
    pub signature: String,
    pub signed_at: Timestamp,
    /// The last instant of its validity.
    pub valid_until: Timestamp,
}

/// Filter of a list of prescriptions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PrescriptionFilter {
    /// Those of one worker.
    Worker(WorkerId),
    /// Those of one doctor.
    Doctor(StaffId),
    /// All that were ever signed: for pharmacists.
    Signed,
}

/// The facts of a consultation.
pub fn consultation_facts(conn: &mut Conn, id: ConsultationId) -> QueryResult<Option<ConsultationFacts>> {
    on_backend!(conn, c => consultation::table.find(id).select(ConsultationFacts::as_select()).first(c))
        .optional()
}

/// Locks an active consultation of `doctor` until the end of the transaction, by an update without
/// a change; `false` when it is not one. Completing it waits, and then sees what was written
/// meanwhile.
pub fn consultation_lock_if_active(
    conn: &mut Conn,
    id: ConsultationId,
    doctor: StaffId,
) -> QueryResult<bool> {
    diesel::update(consultation::table.find(id))
        .filter(consultation::state.eq_code(ConsultationState::Active))
        .filter(consultation::doctor_id.eq(Some(doctor)))
        .set(consultation::doctor_id.eq(Some(doctor)))
        .prepared()
        .execute(conn)
        .map(|rows| rows == 1)
}

/// A doctor's licence.
pub fn licence_fetch(conn: &mut Conn, staff: StaffId) -> QueryResult<Option<LicenceRow>> {
    on_backend!(conn, c => doctor::table.find(staff).select(LicenceRow::as_select()).first(c)).optional()
}

/// Adds a draft, version 1; `false` when the consultation has an open one.
pub fn prescription_add(conn: &mut Conn, new: &NewPrescription) -> QueryResult<bool> {
    on_backend!(conn, c => diesel::insert_into(prescription::table)
        .values((
            prescription::id.eq(new.id),
            prescription::consultation_id.eq(new.consultation_id),
            prescription::worker_id.eq(new.worker_id),
            prescription::doctor_id.eq(new.doctor_id),
            prescription::hospital_id.eq(new.hospital_id),
            prescription::state.eq(PrescriptionState::Draft),
            prescription::version.eq(1_i64),
            prescription::body_sealed.eq(&new.body_sealed),
            prescription::created_at.eq(At(new.created_at)),
        ))
        .on_conflict_do_nothing()
        .execute(c))
    .map(|rows| rows == 1)
}

/// Replaces the lines of a prescription.
pub fn lines_replace(conn: &mut Conn, id: PrescriptionId, rows: &[LineRow]) -> QueryResult<()> {
    on_backend!(conn, c => diesel::delete(prescription_line::table.filter(prescription_line::prescription_id.eq(id)))
        .execute(c))?;
    insert_few!(conn, prescription_line::table, rows).map(|_| ())
}

pub fn prescription_fetch(conn: &mut Conn, id: PrescriptionId) -> QueryResult<Option<PrescriptionRow>> {
    on_backend!(conn, c => prescription::table.find(id).select(PrescriptionRow::as_select()).first(c))
        .optional()
}

/// A prescription, with its row locked for update.
pub fn prescription_lock(conn: &mut Conn, id: PrescriptionId) -> QueryResult<Option<PrescriptionRow>> {
    on_backend!(conn, c => prescription::table.find(id).select(PrescriptionRow::as_select()).lock_for_no_key_update().get_result(c))
        .optional()
}

/// The lines of one prescription, in their order.
pub fn lines_of(conn: &mut Conn, id: PrescriptionId) -> QueryResult<Vec<LineRow>> {
    on_backend!(conn, c => prescription_line::table
        .filter(prescription_line::prescription_id.eq(id))
        .order(prescription_line::line_no)
        .select(LineRow::as_select())
        .load(c))
}

/// The lines of several prescriptions, each in its order.
pub fn lines_of_all(conn: &mut Conn, ids: &[PrescriptionId]) -> QueryResult<Vec<LineRow>> {
    on_backend!(conn, c => prescription_line::table
        .filter(prescription_line::prescription_id.eq_any(padded(ids)))
        .order((prescription_line::prescription_id, prescription_line::line_no))
        .select(LineRow::as_select())
        .prepared()
        .load(c))
}

/// The open prescription of a consultation.
pub fn prescription_open_of(conn: &mut Conn, id: ConsultationId) -> QueryResult<Option<PrescriptionRow>> {
    on_backend!(conn, c => prescription::table
        .filter(prescription::consultation_id.eq(id))
        .filter(prescription::state.eq_any_code(LIVE))
        .select(PrescriptionRow::as_select())
        .first(c))
    .optional()
}

/// Prescriptions that match the filter, the newest first, older than `before`.
pub fn prescriptions_list(
    conn: &mut Conn,
    filter: PrescriptionFilter,
    before: Option<PrescriptionId>,
    limit: i64,
) -> QueryResult<Vec<PrescriptionRow>> {
    let before = before.unwrap_or(PrescriptionId::from_uuid(uuid::Uuid::max()));
    let workers = match filter {
        PrescriptionFilter::Worker(worker) => {
            padded(&crate::network::worker::worker_with_merged(conn, worker)?)
        }
        PrescriptionFilter::Doctor(_) | PrescriptionFilter::Signed => Vec::new(),
    };
    on_backend!(conn, c => {
        let base = prescription::table
            .filter(prescription::id.lt(before))
            .order(prescription::id.desc())
            .limit(limit)
            .select(PrescriptionRow::as_select());
        match filter {
            PrescriptionFilter::Worker(_) => base.filter(prescription::worker_id.eq_any(workers)).prepared().load(c),
            PrescriptionFilter::Doctor(doctor) => base.filter(prescription::doctor_id.eq(doctor)).load(c),
            PrescriptionFilter::Signed => base.filter(prescription::state.ne_code(PrescriptionState::Draft)).load(c),
        }
    })
}

/// Signed prescriptions that are still valid, the oldest first.
pub fn reviews_waiting(conn: &mut Conn, now: Timestamp, limit: i64) -> QueryResult<Vec<PrescriptionRow>> {
    on_backend!(conn, c => prescription::table
        .filter(prescription::state.eq_code(PrescriptionState::Signed))
        .filter(prescription::valid_until.ge(Some(At(now))))
        .order((prescription::signed_at, prescription::id))
        .limit(limit)
        .select(PrescriptionRow::as_select())
        .load(c))
}

/// Replaces the draft of this version; `false` when the version is another, or it is neither a
/// draft nor returned.
pub fn prescription_edit(
    conn: &mut Conn,
    id: PrescriptionId,
    version: i64,
    body_sealed: &[u8],
) -> QueryResult<bool> {
    diesel::update(prescription::table.find(id))
        .filter(prescription::version.eq(version))
        .filter(prescription::state.eq_any_code(&[PrescriptionState::Draft, PrescriptionState::Returned]))
        .set((
            prescription::state.eq(PrescriptionState::Draft),
            prescription::version.eq(version + 1),
            prescription::body_sealed.eq(body_sealed),
            prescription::canonical_sealed.eq(None::<Vec<u8>>),
            prescription::signature.eq(None::<String>),
            prescription::signed_at.eq(None::<At>),
            prescription::valid_until.eq(None::<At>),
            prescription::reviewed_by.eq(None::<StaffId>),
            prescription::reviewed_at.eq(None::<At>),
            prescription::reason_sealed.eq(None::<Vec<u8>>),
        ))
        .prepared()
        .execute(conn)
        .map(|rows| rows == 1)
}

/// Signs this version of a draft.
pub fn prescription_sign(
    conn: &mut Conn,
    id: PrescriptionId,
    version: i64,
    parts: &SignedParts,
) -> QueryResult<bool> {
    diesel::update(prescription::table.find(id))
        .filter(prescription::version.eq(version))
        .filter(prescription::state.eq_code(PrescriptionState::Draft))
        .set((
            prescription::state.eq(PrescriptionState::Signed),
            prescription::version.eq(version + 1),
            prescription::body_sealed.eq(&parts.body_sealed),
            prescription::canonical_sealed.eq(Some(&parts.canonical_sealed)),
            prescription::signature.eq(Some(&parts.signature)),
            prescription::signed_at.eq(Some(At(parts.signed_at))),
            prescription::valid_until.eq(Some(At(parts.valid_until))),
        ))
        .prepared()
        .execute(conn)
        .map(|rows| rows == 1)
}

/// Records the review of a signed prescription; `body_sealed` includes the result of the safety
/// check at the review.
pub fn prescription_review(
    conn: &mut Conn,
    row: &PrescriptionRow,
    to: PrescriptionState,
    reviewer: StaffId,
    body_sealed: &[u8],
    reason_sealed: Option<&[u8]>,
    now: Timestamp,
) -> QueryResult<bool> {
    diesel::update(prescription::table.find(row.id))
        .filter(prescription::version.eq(row.version))
        .filter(prescription::state.eq_code(PrescriptionState::Signed))
        .filter(prescription::doctor_id.ne(reviewer))
        .set((
            prescription::state.eq(to),
            prescription::version.eq(row.version + 1),
            prescription::body_sealed.eq(body_sealed),
            prescription::reviewed_by.eq(Some(reviewer)),
            prescription::reviewed_at.eq(Some(At(now))),
            prescription::reason_sealed.eq(reason_sealed),
        ))
        .prepared()
        .execute(conn)
        .map(|rows| rows == 1)
}

/// Ends a prescription that is in one of the states `from`.
pub fn prescription_end(
    conn: &mut Conn,
    row: &PrescriptionRow,
    from: &[PrescriptionState],
    to: PrescriptionState,
    reason_sealed: Option<&[u8]>,
    now: Timestamp,
) -> QueryResult<bool> {
    diesel::update(prescription::table.find(row.id))
        .filter(prescription::version.eq(row.version))
        .filter(prescription::state.eq_any_code(from))
        .set((
            prescription::state.eq(to),
            prescription::version.eq(row.version + 1),
            prescription::reason_sealed.eq(reason_sealed.or(row.reason_sealed.as_deref())),
            prescription::ended_at.eq(Some(At(now))),
        ))
        .prepared()
        .execute(conn)
        .map(|rows| rows == 1)
}

/// Locks this version until the end of the transaction, by an update without a change, so that an
/// order and the end of its prescription are serialised.
pub fn prescription_lock_version(conn: &mut Conn, row: &PrescriptionRow) -> QueryResult<bool> {
    diesel::update(prescription::table.find(row.id))
        .filter(prescription::version.eq(row.version))
        .set(prescription::version.eq(row.version))
        .prepared()
        .execute(conn)
        .map(|rows| rows == 1)
}

/// Prescriptions that have expired, the longest expired first. One with a pack authorised or in
/// doubt is left out.
pub fn prescriptions_due(conn: &mut Conn, now: Timestamp, limit: i64) -> QueryResult<Vec<PrescriptionRow>> {
    let in_progress = order_unit::table
        .filter(order_unit::prescription_id.eq(prescription::id.nullable()))
        .filter(order_unit::state.eq_any_code(&[UnitState::Authorised, UnitState::InDoubt]));
    on_backend!(conn, c => prescription::table
        .filter(prescription::state.eq_any_code(EXPIRING))
        .filter(prescription::valid_until.lt(Some(At(now))))
        .filter(diesel::dsl::not(diesel::dsl::exists(in_progress)))
        .order(prescription::valid_until)
        .limit(limit)
        .select(PrescriptionRow::as_select())
        .load(c))
}

/// The live order of a prescription.
pub fn order_live_of(conn: &mut Conn, id: PrescriptionId) -> QueryResult<Option<(OrderId, OrderState)>> {
    on_backend!(conn, c => orders::table
        .filter(orders::prescription_id.eq(Some(id)))
        .filter(orders::state.is_code(OrderState::is_live))
        .select((orders::id, orders::state))
        .first(c))
    .optional()
}

/// Line and state of every pack that was ever reserved for a prescription.
pub fn units_of(conn: &mut Conn, id: PrescriptionId) -> QueryResult<Vec<(Option<i32>, UnitState)>> {
    on_backend!(conn, c => order_unit::table
        .filter(order_unit::prescription_id.eq(Some(id)))
        .select((order_unit::line_no, order_unit::state))
        .load(c))
}
