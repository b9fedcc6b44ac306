//! Offers: one consultation put to one doctor, with an expiry and a fence.

use diesel::prelude::*;

use crate::{
    code_literals::CodeDsl,
    conn::Conn,
    consultation::ConsultationRow,
    dialect::on_backend,
    prepared::PreparedDsl,
    schema::{consultation, offer},
    sql_types::At,
};
use domain::{
    consultation::{Offer, OfferState},
    ids::{ConsultationId, HospitalId, OfferId, StaffId},
    time::Timestamp,
};

/// An offer as stored.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = offer)]
pub struct OfferRow {
    pub id: OfferId,
    pub consultation_id: ConsultationId,
    pub doctor_id: StaffId,
    pub hospital_id: HospitalId,
    /// Its number among the consultation's offers.
    pub fence: i64,
    pub state: OfferState,
    pub created_at: Timestamp,
    /// When it ends without an answer.
    pub expires_at: Timestamp,
}

pub fn offer_add(
    conn: &mut Conn,
    consultation_id: ConsultationId,
    new: &Offer,
    now: Timestamp,
) -> QueryResult<()> {
    on_backend!(conn, c => diesel::insert_into(offer::table)
        .values((
            offer::id.eq(new.id),
            offer::consultation_id.eq(consultation_id),
            offer::doctor_id.eq(new.doctor),
            offer::hospital_id.eq(new.hospital),
            offer::fence.eq(new.fence),
            offer::state.eq(OfferState::Open),
            offer::created_at.eq(At(now)),
            offer::expires_at.eq(At(new.expires_at)),
        ))
        .execute(c))
    .map(|_| ())
}

/// Withdraws an accepted offer; `false` when it is not accepted. Otherwise the next doctor could
/// not accept: a consultation has one accepted offer at most.
pub fn offer_take_back(conn: &mut Conn, id: OfferId) -> QueryResult<bool> {
    diesel::update(offer::table.find(id))
        .filter(offer::state.eq_code(OfferState::Accepted))
        .set(offer::state.eq(OfferState::Withdrawn))
        .prepared()
        .execute(conn)
        .map(|rows| rows == 1)
}

/// Ends an open offer; `false` when it is not open any more.
pub fn offer_end(conn: &mut Conn, id: OfferId, state: OfferState, now: Timestamp) -> QueryResult<bool> {
    diesel::update(offer::table.find(id))
        .filter(offer::state.eq_code(OfferState::Open))
        .set((offer::state.eq(state), offer::answered_at.eq(Some(At(now)))))
        .prepared()
        .execute(conn)
        .map(|rows| rows == 1)
}

pub fn offer_fetch(conn: &mut Conn, id: OfferId) -> QueryResult<Option<OfferRow>> {
    on_backend!(conn, c => offer::table.find(id).select(OfferRow::as_select()).first(c)).optional()
}

/// A doctor's open offers, oldest first.
pub fn offers_open_of(conn: &mut Conn, doctor: StaffId) -> QueryResult<Vec<OfferRow>> {
    on_backend!(conn, c => offer::table
        .filter(offer::doctor_id.eq(doctor))
        .filter(offer::state.eq_code(OfferState::Open))
        .order(offer::id)
        .limit(100)
        .select(OfferRow::as_select())
        .load(c))
}

/// A doctor's open offers with their consultations, oldest first.
pub fn offers_open_with_consultations(
    conn: &mut Conn,
    doctor: StaffId,
) -> QueryResult<Vec<(OfferRow, ConsultationRow)>> {
    on_backend!(conn, c => offer::table
        .inner_join(consultation::table)
        .filter(offer::doctor_id.eq(doctor))
        .filter(offer::state.eq_code(OfferState::Open))
        .order(offer::id)
        .limit(100)
        .select((OfferRow::as_select(), ConsultationRow::as_select()))
        .load(c))
}

/// How many offers are open, by hospital.
pub fn offers_open_by_hospital(conn: &mut Conn) -> QueryResult<Vec<(HospitalId, i64)>> {
    on_backend!(conn, c => offer::table
        .filter(offer::state.eq_code(OfferState::Open))
        .group_by(offer::hospital_id)
        .select((offer::hospital_id, diesel::dsl::count_star()))
        .load(c))
}

/// Open offers that have expired.
pub fn offers_expired(conn: &mut Conn, now: Timestamp, limit: i64) -> QueryResult<Vec<OfferRow>> {
    on_backend!(conn, c => offer::table
        .filter(offer::state.eq_code(OfferState::Open))
        .filter(offer::expires_at.le(At(now)))
        .order(offer::expires_at)
        .limit(limit)
        .select(OfferRow::as_select())
        .load(c))
}

/// Doctors who declined this consultation or let the offer expire since `since`: it is not offered
/// to them again at once.
pub fn offers_refused(conn: &mut Conn, id: ConsultationId, since: Timestamp) -> QueryResult<Vec<StaffId>> {
    on_backend!(conn, c => offer::table
        .filter(offer::consultation_id.eq(id))
        .filter(offer::state.eq_any_code(&[OfferState::Declined, OfferState::Expired]))
        .filter(offer::answered_at.gt(Some(At(since))))
        .select(offer::doctor_id)
        .load(c))
}
