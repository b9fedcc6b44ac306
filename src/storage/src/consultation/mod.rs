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

pub mod called;
pub mod full;
pub mod message;
pub mod transfer;

use diesel::prelude::*;

use super::{
    code_literals::CodeDsl,
    conn::Conn,
    dialect::on_backend,
    prepared::PreparedDsl,
    schema::{check_in, consultation, offer},
    sql_types::At,
};
use domain::{
    consultation::{CancelReason, Consultation, ConsultationState, Medium, Offer},
    ids::{CheckInId, ConsultationId, HospitalId, OfferId, StaffId, StationId, WorkerId},
    matching::Department,
    prescription::EncounterLane,
    time::Timestamp,
    triage::TriageLevel,
    words::Language,
};

pub use crate::matching::offer::{
    OfferRow, offer_add, offer_is_of, offer_store, offers_expired, offers_off_duty,
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
    /// The one that was requested, or that it was transferred to last.
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
    /// Its rank in its department.
    pub ranked_since: Timestamp,
    /// The name of its queue.
    pub queue: String,
    /// When it last went back to the queue because its doctor was lost or transferred it.
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
    pub medium: Medium,
    /// When its doctor last transferred it.
    pub transferred_at: Option<Timestamp>,
    /// Whose screen the worker left.
    pub left_station_id: Option<StationId>,
    /// Since when that screen calls them.
    pub called_at: Option<Timestamp>,
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
            left_station: self.left_station_id,
            called_at: self.called_at,
            rating: self.rating.and_then(|rating| u8::try_from(rating).ok()),
            triage: self.triage,
            medium: self.medium,
            department: self.department,
            transferred_at: self.transferred_at,
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

/// Where a consultation waits.
#[derive(Debug)]
pub struct Queued {
    /// The name of the queue.
    pub queue: String,
    /// The rank in the department.
    pub ranked_since: Timestamp,
}

/// Writes `after`, where it waits, and the doctor's summary and diagnoses as in `row`, if the stored
/// row still equals `before` in state, fence and rating.
pub fn consultation_store(
    conn: &mut Conn,
    before: &Consultation,
    after: &Consultation,
    row: &ConsultationRow,
    queued: &Queued,
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
            consultation::left_station_id.eq(after.left_station),
            consultation::called_at.eq(after.called_at.map(At)),
            consultation::rating.eq(after.rating.map(i32::from)),
            consultation::triage.eq(after.triage),
            consultation::ranked_since.eq(At(queued.ranked_since)),
            consultation::queue.eq(&queued.queue),
            consultation::department.eq(after.department),
            consultation::transferred_at.eq(after.transferred_at.map(At)),
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

/// Waiting consultations behind `after` that have had no doctor since `before`.
pub fn consultations_unserved(
    conn: &mut Conn,
    before: Timestamp,
    after: ConsultationId,
    limit: i64,
) -> QueryResult<Vec<ConsultationId>> {
    on_backend!(conn, c => consultation::table
        .filter(consultation::state.eq_code(ConsultationState::Waiting))
        .filter(consultation::requested_at.lt(At(before)))
        .filter(consultation::requeued_at.is_null().or(consultation::requeued_at.lt(Some(At(before)))))
        .filter(consultation::id.gt(after))
        .order(consultation::id)
        .limit(limit)
        .select(consultation::id)
        .load(c))
}

/// Live consultations behind `after` whose `left_at` contradicts the check-ins of their worker: a check-in began
/// or ended at the same moment.
pub fn consultations_with_wrong_presence(
    conn: &mut Conn,
    after: ConsultationId,
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
        .filter(consultation::id.gt(after))
        .order(consultation::id)
        .limit(limit)
        .select((consultation::id, consultation::worker_id, consultation::left_at))
        .load(c))
}

/// Waiting consultations behind `after` whose worker left before `before` and did not return, and that
/// have had no doctor since. Whoever was called since then is still waited for.
pub fn consultations_absent(
    conn: &mut Conn,
    before: Timestamp,
    after: ConsultationId,
    limit: i64,
) -> QueryResult<Vec<ConsultationId>> {
    on_backend!(conn, c => consultation::table
        .filter(consultation::state.eq_code(ConsultationState::Waiting))
        .filter(consultation::left_at.le(Some(At(before))))
        .filter(consultation::requeued_at.is_null().or(consultation::requeued_at.le(Some(At(before)))))
        .filter(consultation::called_at.is_null().or(consultation::called_at.le(Some(At(before)))))
        .filter(consultation::id.gt(after))
        .order(consultation::id)
        .limit(limit)
        .select(consultation::id)
        .load(c))
}

/// How many consultations of each queue were requested since `since`.
pub fn requested_since(conn: &mut Conn, since: Timestamp) -> QueryResult<Vec<(String, i64)>> {
    on_backend!(conn, c => consultation::table
        .filter(consultation::requested_at.gt(At(since)))
        .group_by(consultation::queue)
        .select((consultation::queue, diesel::dsl::count_star()))
        .load(c))
}
