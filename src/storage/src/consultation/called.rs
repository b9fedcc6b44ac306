//! Workers who left while they waited: who is to be called, and whom a screen calls.

use diesel::prelude::*;

use super::ConsultationRow;
use crate::{
    Live,
    code_literals::CodeDsl,
    conn::Conn,
    dialect::on_backend,
    schema::{consultation, worker},
};
use domain::{
    consultation::ConsultationState,
    ids::{ConsultationId, StationId},
    triage::TriageLevel,
};

diesel::alias!(consultation as other: Other);

/// Consultations behind `after` whose worker left and would be next in their queue: nobody who is there
/// has waited for longer. An emergency is called at once.
pub fn consultations_to_call(
    conn: &mut Conn,
    after: ConsultationId,
    limit: i64,
) -> QueryResult<Vec<ConsultationId>> {
    let present_before = || {
        other
            .filter(other.field(consultation::state).eq_code(ConsultationState::Waiting))
            .filter(other.field(consultation::left_at).is_null())
            .filter(other.field(consultation::department).eq(consultation::department))
            .filter(other.field(consultation::queue).eq(consultation::queue))
            .filter(other.field(consultation::requested_at).lt(consultation::requested_at))
    };
    let next = diesel::dsl::not(diesel::dsl::exists(present_before()));
    on_backend!(conn, c => consultation::table
        .filter(consultation::state.eq_code(ConsultationState::Waiting))
        .filter(consultation::left_at.is_not_null())
        .filter(consultation::called_at.is_null())
        .filter(consultation::triage.eq_code(TriageLevel::Emergency).or(next))
        .filter(consultation::id.gt(after))
        .order(consultation::id)
        .limit(limit)
        .select(consultation::id)
        .load(c))
}

/// The consultations whose workers this station's screen calls now, whoever was called first; each with
/// the worker's sealed name. None once an authority has ended.
pub fn called_at(
    conn: &mut Conn,
    live: Live,
    station: StationId,
    limit: i64,
) -> QueryResult<Vec<(ConsultationRow, Vec<u8>)>> {
    on_backend!(conn, c => consultation::table
        .inner_join(worker::table)
        .filter(live)
        .filter(consultation::left_station_id.eq(Some(station)))
        .filter(consultation::state.eq_code(ConsultationState::Waiting))
        .filter(consultation::called_at.is_not_null())
        .order((consultation::called_at, consultation::id))
        .limit(limit)
        .select((ConsultationRow::as_select(), worker::name_sealed))
        .load(c))
}
