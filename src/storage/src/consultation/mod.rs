//! Consultations; their offers are in `matching::offer`. Each write repeats the state and the fence
//! that it was decided on; `false` means that another transaction changed it first.

/// Joins the consent to care, if it is in force, to a consultation.
macro_rules! consent_to_care {
    () => {
        $crate::schema::consent::table.on($crate::schema::consent::worker_id
            .eq($crate::schema::consultation::worker_id)
            .and($crate::schema::consent::purpose.eq(domain::network::ConsentPurpose::HealthCare.as_str()))
            .and($crate::schema::consent::withdrawn_at.is_null()))
    };
}
pub(crate) use consent_to_care;

pub mod full;
pub mod message;

use diesel::prelude::*;

use super::{
    code_literals::CodeDsl,
    conn::Conn,
    dialect::on_backend,
    prepared::PreparedDsl,
    schema::{check_in, consultation, offer, station},
    sql_types::At,
};
use domain::{
    consultation::{CancelReason, Consultation, ConsultationState, Offer},
    ids::{CheckInId, ConsultationId, HospitalId, OfferId, StaffId, StationId, WorkerId},
    matching::Department,
    prescription::EncounterLane,
    time::Timestamp,
    triage::TriageLevel,
    words::Language,
};

pub use crate::matching::offer::{
    OfferRow, offer_add, offer_is_of, offer_store, offers_expired, offers_refused,
};
pub use full::{FullConsultation, NewConsultation, consultation_add};

/// A consultation as stored.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = consultation)]
pub struct ConsultationRow {
    pub id: ConsultationId,
    pub worker_id: WorkerId,
    /// The check-in in which it was requested.
    pub check_in_id: CheckInId,
    pub station_id: StationId,
    pub lane: EncounterLane,
    /// The requested department, or general practice.
    pub department: Department,
    /// What the worker speaks.
    pub language: Language,
    pub state: ConsultationState,
    pub complaint_sealed: Vec<u8>,
    /// Symptom codes, as a JSON list.
    pub symptoms: String,
    pub triage: TriageLevel,
    /// Since when the worker waits.
    pub requested_at: Timestamp,
    /// The queue's sort key.
    pub ranked_since: Timestamp,
    /// When it last went back to the queue because its doctor was lost.
    pub requeued_at: Option<Timestamp>,
    /// Number of the last offer.
    pub fence: i64,
    /// The last offer.
    pub offer_id: Option<OfferId>,
    pub doctor_id: Option<StaffId>,
    pub hospital_id: Option<HospitalId>,
    pub accepted_at: Option<Timestamp>,
    pub ended_at: Option<Timestamp>,
    pub summary_sealed: Option<Vec<u8>>,
    /// Diagnoses, as a JSON list of code and name.
    pub diagnoses: Option<String>,
    /// 1 to 5.
    pub rating: Option<i32>,
    /// Codes of the red flags raised so far, as a JSON list.
    pub red_flags: Option<String>,
    /// While it is live: since then the worker is not checked in anywhere.
    pub left_at: Option<Timestamp>,
    pub cancel_reason: Option<CancelReason>,
}

impl ConsultationRow {
    /// What the domain decides on; `offer` is the last one.
    pub fn snapshot(&self, offer: Option<&OfferRow>) -> Consultation {
        Consultation {
            id: self.id,
            worker: self.worker_id,
            state: self.state,
            waiting_since: self.requested_at,
            requeued_at: self.requeued_at,
            offer: offer.map(|offer| Offer {
                id: offer.id,
                doctor: offer.doctor_id,
                hospital: offer.hospital_id,
                fence: offer.fence,
                expires_at: offer.expires_at,
                state: offer.state,
            }),
            fence: self.fence,
            doctor: self.doctor_id,
            hospital: self.hospital_id,
            accepted_at: self.accepted_at,
            ended_at: self.ended_at,
            cancel_reason: self.cancel_reason,
            left_at: self.left_at,
            rating: self.rating.and_then(|rating| u8::try_from(rating).ok()),
            triage: self.triage,
        }
    }
}

/// All consultations, for the audit.
pub fn snapshots_all(conn: &mut Conn) -> QueryResult<Vec<Consultation>> {
    let rows: Vec<(ConsultationRow, Option<OfferRow>)> = on_backend!(conn, c => consultation::table
        .left_join(offer::table.on(consultation::offer_id.eq(offer::id.nullable())))
        .select((ConsultationRow::as_select(), Option::<OfferRow>::as_select()))
        .load(c))?;
    Ok(rows.iter().map(|(row, last)| row.snapshot(last.as_ref())).collect())
}

pub fn consultation_fetch(conn: &mut Conn, id: ConsultationId) -> QueryResult<Option<ConsultationRow>> {
    on_backend!(conn, c => consultation::table.find(id).select(ConsultationRow::as_select()).first(c))
        .optional()
}

/// The worker's live consultation.
pub fn consultation_live_of(conn: &mut Conn, worker: WorkerId) -> QueryResult<Option<ConsultationRow>> {
    on_backend!(conn, c => consultation::table
        .filter(consultation::worker_id.eq(worker))
        .filter(consultation::state.of_code(ConsultationState::is_live))
        .select(ConsultationRow::as_select())
        .first(c))
    .optional()
}

/// Writes `after`, its sort key in the queue, and the doctor's summary and diagnoses as in `row`, if
/// the stored row still equals `before` in state, fence and rating.
pub fn consultation_store(
    conn: &mut Conn,
    before: &Consultation,
    after: &Consultation,
    row: &ConsultationRow,
    ranked_since: Timestamp,
) -> QueryResult<bool> {
    diesel::update(consultation::table.find(before.id))
        .filter(consultation::state.eq_code(before.state))
        .filter(consultation::fence.eq(before.fence))
        .filter(consultation::rating.is_null().or(consultation::rating.eq(before.rating.map(i32::from))))
        .set((
            consultation::state.eq(after.state),
            consultation::requeued_at.eq(after.requeued_at.map(At)),
            consultation::fence.eq(after.fence),
            consultation::offer_id.eq(after.offer.as_ref().map(|offer| offer.id)),
            consultation::doctor_id.eq(after.doctor),
            consultation::hospital_id.eq(after.hospital),
            consultation::accepted_at.eq(after.accepted_at.map(At)),
            consultation::ended_at.eq(after.ended_at.map(At)),
            consultation::cancel_reason.eq(after.cancel_reason),
            consultation::left_at.eq(after.left_at.map(At)),
            consultation::rating.eq(after.rating.map(i32::from)),
            consultation::triage.eq(after.triage),
            consultation::ranked_since.eq(At(ranked_since)),
            consultation::summary_sealed.eq(&row.summary_sealed),
            consultation::diagnoses.eq(&row.diagnoses),
        ))
        .prepared()
        .execute(conn)
        .map(|rows| rows == 1)
}

/// Writes the doctor's summary.
pub fn summary_set(
    conn: &mut Conn,
    id: ConsultationId,
    summary_sealed: &[u8],
    diagnoses: &str,
) -> QueryResult<()> {
    diesel::update(consultation::table.find(id))
        .set((
            consultation::summary_sealed.eq(Some(summary_sealed)),
            consultation::diagnoses.eq(Some(diagnoses)),
        ))
        .prepared()
        .execute(conn)
        .map(|_| ())
}

/// Writes the worker's comment on the rating.
pub fn rating_comment_set(conn: &mut Conn, id: ConsultationId, sealed: &[u8]) -> QueryResult<()> {
    diesel::update(consultation::table.find(id))
        .set(consultation::rating_sealed.eq(Some(sealed)))
        .prepared()
        .execute(conn)
        .map(|_| ())
}

/// A consultation at the front of the queue.
#[derive(Debug, Clone)]
pub struct Waiting {
    pub row: ConsultationRow,
    /// The district of its station.
    pub district: String,
    /// The doctor who saw the worker last, and when that consultation ended.
    pub last_visit: Option<(StaffId, Timestamp)>,
}

diesel::alias!(consultation as earlier: Earlier);

/// The front of the queue: up to `limit` emergencies and up to `limit` others, by their sort keys, in
/// no order. Without consultations whose worker has left. Earlier visits count since `visited_since`.
/// One statement.
pub fn consultations_waiting(
    conn: &mut Conn,
    visited_since: Timestamp,
    limit: i64,
) -> QueryResult<Vec<Waiting>> {
    macro_rules! last_visit {
        ($column:expr) => {
            earlier
                .filter(earlier.field(consultation::worker_id).eq(consultation::worker_id))
                .filter(earlier.field(consultation::state).eq_code(ConsultationState::Completed))
                .filter(earlier.field(consultation::ended_at).gt(Some(At(visited_since))))
                .filter(earlier.field(consultation::doctor_id).is_not_null())
                .order(earlier.field(consultation::id).desc())
                .limit(1)
                .select(earlier.field($column))
                .single_value()
        };
    }
    macro_rules! waiting {
        ($triage:expr, $order:expr) => {
            consultation::table
                .inner_join(station::table)
                .filter(consultation::state.eq_code(ConsultationState::Waiting))
                .filter(consultation::left_at.is_null())
                .filter($triage)
                .order($order)
                .limit(limit)
                .select((
                    ConsultationRow::as_select(),
                    station::district,
                    last_visit!(consultation::doctor_id),
                    last_visit!(consultation::ended_at),
                ))
        };
    }
    let emergency = TriageLevel::Emergency;
    let rows: Vec<(ConsultationRow, String, Option<StaffId>, Option<Timestamp>)> = on_backend!(conn, c =>
        waiting!(consultation::triage.eq_code(emergency), consultation::requested_at)
            .union_all(waiting!(consultation::triage.ne_code(emergency), consultation::ranked_since))
            .load(c))?;
    let waiting = |(row, district, doctor, at): (_, _, Option<StaffId>, Option<Timestamp>)| Waiting {
        row,
        district,
        last_visit: doctor.zip(at),
    };
    Ok(rows.into_iter().map(waiting).collect())
}

/// Waiting consultations that were requested before `before`.
pub fn consultations_unserved(
    conn: &mut Conn,
    before: Timestamp,
    limit: i64,
) -> QueryResult<Vec<ConsultationId>> {
    on_backend!(conn, c => consultation::table
        .filter(consultation::state.eq_code(ConsultationState::Waiting))
        .filter(consultation::requested_at.lt(At(before)))
        .limit(limit)
        .select(consultation::id)
        .load(c))
}

/// Live consultations whose `left_at` contradicts the check-ins of their worker: a check-in began
/// or ended at the same moment.
pub fn consultations_with_wrong_presence(
    conn: &mut Conn,
    limit: i64,
) -> QueryResult<Vec<(ConsultationId, WorkerId, Option<Timestamp>)>> {
    let present = || {
        check_in::table
            .filter(check_in::worker_id.eq(consultation::worker_id))
            .filter(check_in::ended_at.is_null())
    };
    let marked_here = consultation::left_at.is_null();
    let is_here = diesel::dsl::exists(present());
    let is_away = diesel::dsl::not(diesel::dsl::exists(present()));
    on_backend!(conn, c => consultation::table
        .filter(consultation::state.of_code(ConsultationState::is_live))
        .filter(marked_here.and(is_away).or(consultation::left_at.is_not_null().and(is_here)))
        .limit(limit)
        .select((consultation::id, consultation::worker_id, consultation::left_at))
        .load(c))
}

/// Waiting consultations whose worker left before `before` and did not return.
pub fn consultations_absent(
    conn: &mut Conn,
    before: Timestamp,
    limit: i64,
) -> QueryResult<Vec<ConsultationId>> {
    on_backend!(conn, c => consultation::table
        .filter(consultation::state.eq_code(ConsultationState::Waiting))
        .filter(consultation::left_at.le(Some(At(before))))
        .limit(limit)
        .select(consultation::id)
        .load(c))
}

/// Number of consultations requested since `since`.
pub fn consultations_since(conn: &mut Conn, since: Timestamp) -> QueryResult<i64> {
    on_backend!(conn, c => consultation::table
        .filter(consultation::requested_at.gt(At(since)))
        .count()
        .get_result(c))
}
