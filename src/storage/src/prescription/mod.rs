//! Prescriptions and their lines, and related rows: the consultation, the doctor's licence, the
//! orders against a prescription.

mod list;
mod taken;

use chrono::NaiveDate;
use diesel::prelude::*;

use crate::{
    code_literals::CodeDsl,
    conn::Conn,
    consultation::consent_to_care,
    dialect::{RowLockDsl, change_both, insert_few, on_backend},
    prepared::PreparedDsl,
    review::{RoundRow, round_insert},
    schema::{consent, consultation, doctor, order_unit, pharmacist, prescription, prescription_line},
    sql_types::At,
    staff::change::PharmacistDetails,
};
use domain::{
    consultation::ConsultationState,
    ids::{
        ConsentId, ConsultationId, HospitalId, PrescriptionId, ReviewQuestionId, StaffId, StationId, WorkerId,
    },
    matching::Department,
    order::UnitState,
    prescription::{EXPIRING, EncounterLane, LIVE, PrescriptionState},
    time::Timestamp,
    triage::TriageLevel,
};

pub use list::{PrescriptionFilter, prescriptions_list};
pub use taken::{
    WithTaken, order_live_of, prescription_lock_with_fulfilment, prescription_lock_with_taken, units_of,
};

/// A prescription as stored: contents and reason sealed.
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
    /// The sealed contents.
    pub body_sealed: Vec<u8>,
    /// The sealed bytes that were signed; `None` for those of versions 0.2 and 0.3, which follow from
    /// the row.
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
    /// The pharmacist who has it for review, since when, and until when.
    pub claimed_by: Option<StaffId>,
    pub claimed_at: Option<Timestamp>,
    pub claim_until: Option<Timestamp>,
    /// The question that its doctor has not answered yet.
    pub question_id: Option<ReviewQuestionId>,
    /// 0 for an emergency, else 1: its order in the queue, before its age.
    pub review_rank: i32,
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
    /// Where it began.
    pub station_id: StationId,
    pub doctor_id: Option<StaffId>,
    /// That doctor's hospital.
    pub hospital_id: Option<HospitalId>,
    pub lane: EncounterLane,
    pub department: Department,
    pub triage: TriageLevel,
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

impl PrescriptionRow {
    /// A new draft, version 1.
    pub fn draft(
        (id, consultation_id, worker_id): (PrescriptionId, ConsultationId, WorkerId),
        (doctor_id, hospital_id): (StaffId, HospitalId),
        body_sealed: Vec<u8>,
        created_at: Timestamp,
    ) -> Self {
        Self {
            id,
            consultation_id,
            worker_id,
            doctor_id,
            hospital_id,
            state: PrescriptionState::Draft,
            version: 1,
            body_sealed,
            canonical_sealed: None,
            signature: None,
            signed_at: None,
            valid_until: None,
            reviewed_by: None,
            reviewed_at: None,
            reason_sealed: None,
            created_at,
            ended_at: None,
            claimed_by: None,
            claimed_at: None,
            claim_until: None,
            question_id: None,
            review_rank: 1,
        }
    }
}

/// The facts of a consultation.
pub fn consultation_facts(conn: &mut Conn, id: ConsultationId) -> QueryResult<Option<ConsultationFacts>> {
    on_backend!(conn, c => consultation::table.find(id).select(ConsultationFacts::as_select()).first(c))
        .optional()
}

/// The facts of a consultation, and whether its worker consents to care now.
pub fn consultation_and_consent(
    conn: &mut Conn,
    id: ConsultationId,
) -> QueryResult<Option<(ConsultationFacts, bool)>> {
    let found: Option<(ConsultationFacts, Option<ConsentId>)> = on_backend!(conn, c => consultation::table
        .left_join(consent_to_care!())
        .filter(consultation::id.eq(id))
        .select((ConsultationFacts::as_select(), consent::id.nullable()))
        .first(c))
    .optional()?;
    Ok(found.map(|(facts, consent)| (facts, consent.is_some())))
}

/// The facts of a consultation whose worker consents to care, and the licence of `doctor_id`; `None`
/// without that consent. Locks both rows: a withdrawal of the consent waits; completing the
/// consultation waits, and then sees what was written meanwhile.
pub fn consultation_lock_with_consent(
    conn: &mut Conn,
    id: ConsultationId,
    doctor_id: StaffId,
) -> QueryResult<Option<(ConsultationFacts, Option<LicenceRow>)>> {
    on_backend!(conn, c => consultation::table
        .inner_join(consent_to_care!())
        .left_join(doctor::table.on(doctor::staff_id.eq(doctor_id)))
        .filter(consultation::id.eq(id))
        .select((ConsultationFacts::as_select(), Option::<LicenceRow>::as_select()))
        .lock_consent_and_consultation()
        .get_result(c))
    .optional()
}

/// Adds a draft; `false` when the consultation has an open one.
pub fn prescription_add(conn: &mut Conn, row: &PrescriptionRow) -> QueryResult<bool> {
    on_backend!(conn, c => diesel::insert_into(prescription::table)
        .values((
            prescription::id.eq(row.id),
            prescription::consultation_id.eq(row.consultation_id),
            prescription::worker_id.eq(row.worker_id),
            prescription::doctor_id.eq(row.doctor_id),
            prescription::hospital_id.eq(row.hospital_id),
            prescription::state.eq(row.state),
            prescription::version.eq(row.version),
            prescription::body_sealed.eq(&row.body_sealed),
            prescription::created_at.eq(At(row.created_at)),
        ))
        .on_conflict_do_nothing()
        .execute(c))
    .map(|rows| rows == 1)
}

/// Adds the lines of a new prescription.
pub fn lines_add(conn: &mut Conn, rows: &[LineRow]) -> QueryResult<()> {
    insert_few!(conn, prescription_line::table, rows).map(|_| ())
}

/// Replaces the lines of a prescription.
pub fn lines_replace(conn: &mut Conn, id: PrescriptionId, rows: &[LineRow]) -> QueryResult<()> {
    on_backend!(conn, c => diesel::delete(prescription_line::table.filter(prescription_line::prescription_id.eq(id)))
        .execute(c))?;
    lines_add(conn, rows)
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

/// A prescription with the facts of its consultation, and the licence of its doctor.
pub type InConsultation = (PrescriptionRow, ConsultationFacts, Option<LicenceRow>);

/// As [`prescription_lock`], with the facts of its consultation and the licence of its doctor: when it
/// has waited for the row, these are as they were before; nothing locks them anyway. The consent to
/// care is locked, too, and a withdrawal waits; `false` without it.
pub fn prescription_lock_with_consultation(
    conn: &mut Conn,
    id: PrescriptionId,
) -> QueryResult<Option<(InConsultation, bool)>> {
    macro_rules! in_consultation {
        () => {
            prescription::table
                .inner_join(consultation::table)
                .left_join(doctor::table.on(doctor::staff_id.eq(prescription::doctor_id)))
                .filter(prescription::id.eq(id))
                .select((
                    PrescriptionRow::as_select(),
                    ConsultationFacts::as_select(),
                    Option::<LicenceRow>::as_select(),
                ))
        };
    }
    let consented: Option<InConsultation> = on_backend!(conn, c => in_consultation!()
        .inner_join(consent_to_care!())
        .lock_consent_and_prescription()
        .get_result(c))
    .optional()?;
    if let Some(found) = consented {
        return Ok(Some((found, true)));
    }
    let found: Option<InConsultation> =
        on_backend!(conn, c => in_consultation!().lock_prescription().get_result(c)).optional()?;
    Ok(found.map(|found| (found, false)))
}

/// A prescription, the licence of a pharmacist, and its lines in their order.
pub type ForReview = (PrescriptionRow, Option<PharmacistDetails>, Vec<LineRow>);

/// As [`prescription_lock`], with the licence of a pharmacist and the lines in their order. When it has
/// waited for the row, the lines are those of before.
pub fn prescription_lock_for_review(
    conn: &mut Conn,
    id: PrescriptionId,
    pharmacist_id: StaffId,
) -> QueryResult<Option<ForReview>> {
    let rows: Vec<(PrescriptionRow, Option<PharmacistDetails>, LineRow)> = on_backend!(conn, c => prescription::table
        .inner_join(prescription_line::table)
        .left_join(pharmacist::table.on(pharmacist::staff_id.eq(pharmacist_id)))
        .filter(prescription::id.eq(id))
        .order(prescription_line::line_no)
        .select((
            PrescriptionRow::as_select(),
            Option::<PharmacistDetails>::as_select(),
            LineRow::as_select(),
        ))
        .lock_prescription()
        .get_results(c))?;
    let mut found = None;
    let mut lines = Vec::with_capacity(rows.len());
    for (row, licence, line) in rows {
        lines.push(line);
        found = Some((row, licence));
    }
    Ok(found.map(|(row, licence)| (row, licence, lines)))
}

/// The lines of one prescription, in their order.
pub fn lines_of(conn: &mut Conn, id: PrescriptionId) -> QueryResult<Vec<LineRow>> {
    on_backend!(conn, c => prescription_line::table
        .filter(prescription_line::prescription_id.eq(id))
        .order(prescription_line::line_no)
        .select(LineRow::as_select())
        .load(c))
}

/// A prescription with its lines, in their order, of one moment.
pub fn prescription_with_lines(
    conn: &mut Conn,
    id: PrescriptionId,
) -> QueryResult<Option<(PrescriptionRow, Vec<LineRow>)>> {
    let rows: Vec<(PrescriptionRow, LineRow)> = on_backend!(conn, c => prescription::table
        .inner_join(prescription_line::table)
        .filter(prescription::id.eq(id))
        .order(prescription_line::line_no)
        .select((PrescriptionRow::as_select(), LineRow::as_select()))
        .load(c))?;
    let (mut whole, lines): (Vec<PrescriptionRow>, Vec<LineRow>) = rows.into_iter().unzip();
    Ok(whole.pop().map(|row| (row, lines)))
}

/// A prescription that keeps its consultation from having another one.
#[derive(Debug, Clone, Copy, Queryable, Selectable)]
#[diesel(table_name = prescription)]
pub struct OpenPrescription {
    pub id: PrescriptionId,
    /// Who wrote it: maybe a doctor who had the consultation before.
    pub doctor_id: StaffId,
    pub state: PrescriptionState,
}

/// The open prescription of a consultation.
pub fn prescription_open_of(conn: &mut Conn, id: ConsultationId) -> QueryResult<Option<OpenPrescription>> {
    on_backend!(conn, c => prescription::table
        .filter(prescription::consultation_id.eq(id))
        .filter(prescription::state.eq_any_code(LIVE))
        .select(OpenPrescription::as_select())
        .first(c))
    .optional()
}

/// Writes `after` over `before`, and `round` beside it; `false` when version or state of the row are
/// others by now.
pub fn prescription_write(
    conn: &mut Conn,
    before: &PrescriptionRow,
    after: &PrescriptionRow,
    round: Option<&RoundRow>,
) -> QueryResult<bool> {
    macro_rules! written {
        () => {
            diesel::update(prescription::table.find(before.id))
                .filter(prescription::version.eq(before.version))
                .filter(prescription::state.eq_code(before.state))
                .set((
                    (
                        prescription::state.eq(after.state),
                        prescription::version.eq(after.version),
                        prescription::body_sealed.eq(&after.body_sealed),
                        prescription::canonical_sealed.eq(&after.canonical_sealed),
                        prescription::signature.eq(&after.signature),
                        prescription::signed_at.eq(after.signed_at.map(At)),
                        prescription::valid_until.eq(after.valid_until.map(At)),
                        prescription::reviewed_by.eq(after.reviewed_by),
                        prescription::reviewed_at.eq(after.reviewed_at.map(At)),
                        prescription::reason_sealed.eq(&after.reason_sealed),
                        prescription::ended_at.eq(after.ended_at.map(At)),
                    ),
                    (
                        prescription::claimed_by.eq(after.claimed_by),
                        prescription::claimed_at.eq(after.claimed_at.map(At)),
                        prescription::claim_until.eq(after.claim_until.map(At)),
                        prescription::question_id.eq(after.question_id),
                        prescription::review_rank.eq(after.review_rank),
                    ),
                ))
        };
    }
    let Some(round) = round else {
        return written!().prepared().execute(conn).map(|rows| rows == 1);
    };
    // Where the row is another by now, the transaction is rolled back, and the round with it.
    let (rows, _) = change_both(conn, written!(), round_insert!(round))?;
    Ok(rows == 1)
}

/// Prescriptions behind `after` that have expired. One with a pack authorised or in doubt is left out.
pub fn prescriptions_due(
    conn: &mut Conn,
    now: Timestamp,
    after: PrescriptionId,
    limit: i64,
) -> QueryResult<Vec<PrescriptionId>> {
    let in_progress = order_unit::table
        .filter(order_unit::prescription_id.eq(prescription::id.nullable()))
        .filter(order_unit::state.eq_any_code(&[UnitState::Authorised, UnitState::InDoubt]));
    on_backend!(conn, c => prescription::table
        .filter(prescription::state.eq_any_code(EXPIRING))
        .filter(prescription::valid_until.lt(Some(At(now))))
        .filter(diesel::dsl::not(diesel::dsl::exists(in_progress)))
        .filter(prescription::id.gt(after))
        .order(prescription::id)
        .limit(limit)
        .select(prescription::id)
        .load(c))
}
