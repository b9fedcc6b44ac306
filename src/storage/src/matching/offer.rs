//! Offers: one consultation put to one doctor, with an expiry and a fence.

use std::collections::HashMap;

use diesel::prelude::*;

use crate::{
    code_literals::CodeDsl,
    conn::Conn,
    dialect::on_backend,
    prepared::PreparedDsl,
    schema::{doctor, matching_clock, offer},
    sql_types::{At, Nullable, Uuid},
};
use domain::{
    consultation::{Offer, OfferState},
    ids::{ConsultationId, HospitalId, OfferId, StaffId},
    matching::presence::Presence,
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
            offer::state.eq(new.state),
            offer::created_at.eq(At(now)),
            offer::expires_at.eq(At(new.expires_at)),
        ))
        .execute(c))
    .map(|_| ())
}

/// Writes the state of `after`, if the row still has that of `before`. The time of the answer is
/// when the offer stopped being open, or when its doctor lost what they had accepted: to a transfer, after
/// which they are not asked again, or with their line, after which they are asked first.
pub fn offer_store(conn: &mut Conn, before: &Offer, after: &Offer, now: Timestamp) -> QueryResult<bool> {
    let row = diesel::update(offer::table.find(before.id)).filter(offer::state.eq_code(before.state));
    let state = offer::state.eq(after.state);
    let answered_at = offer::answered_at.eq(Some(At(now)));
    match (before.state, after.state) {
        (OfferState::Open, _) | (OfferState::Accepted, OfferState::Declined | OfferState::Withdrawn) => {
            row.set((state, answered_at)).prepared().execute(conn)
        }
        (OfferState::Accepted | OfferState::Declined | OfferState::Expired | OfferState::Withdrawn, _) => {
            row.set(state).prepared().execute(conn)
        }
    }
    .map(|rows| rows == 1)
}

/// Whether the offer was put to this doctor.
pub fn offer_is_of(conn: &mut Conn, id: OfferId, doctor: StaffId) -> QueryResult<bool> {
    let own = offer::table.find(id).filter(offer::doctor_id.eq(doctor));
    on_backend!(conn, c => diesel::select(diesel::dsl::exists(own)).get_result(c))
}

/// The system's virtual time, and how many offers are open, by hospital. One statement.
pub fn clock_and_open_offers(conn: &mut Conn) -> QueryResult<(i64, HashMap<HospitalId, i64>)> {
    let clock = matching_clock::table
        .select((None::<HospitalId>.into_sql::<Nullable<Uuid>>(), matching_clock::virtual_time));
    let open = || {
        offer::table
            .filter(offer::state.eq_code(OfferState::Open))
            .group_by(offer::hospital_id)
            .select((offer::hospital_id.nullable(), diesel::dsl::count_star()))
    };
    let rows: Vec<(Option<HospitalId>, i64)> = on_backend!(conn, c => clock.union_all(open()).load(c))?;
    let (mut system, mut open) = (0, HashMap::new());
    for (hospital, number) in rows {
        if let Some(hospital) = hospital {
            open.insert(hospital, number);
        } else {
            system = number;
        }
    }
    Ok((system, open))
}

/// Open offers behind `after` to doctors who are off duty.
pub fn offers_off_duty(conn: &mut Conn, after: OfferId, limit: i64) -> QueryResult<Vec<OfferRow>> {
    on_backend!(conn, c => offer::table
        .inner_join(doctor::table.on(doctor::staff_id.eq(offer::doctor_id)))
        .filter(offer::state.eq_code(OfferState::Open))
        .filter(doctor::presence.eq_code(Presence::Off))
        .filter(offer::id.gt(after))
        .order(offer::id)
        .limit(limit)
        .select(OfferRow::as_select())
        .load(c))
}

/// Open offers behind `after` that have expired.
pub fn offers_expired(
    conn: &mut Conn,
    now: Timestamp,
    after: OfferId,
    limit: i64,
) -> QueryResult<Vec<OfferRow>> {
    on_backend!(conn, c => offer::table
        .filter(offer::state.eq_code(OfferState::Open))
        .filter(offer::expires_at.le(At(now)))
        .filter(offer::id.gt(after))
        .order(offer::id)
        .limit(limit)
        .select(OfferRow::as_select())
        .load(c))
}
