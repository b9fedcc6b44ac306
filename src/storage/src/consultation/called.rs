//! Workers who left while they waited: who is to be called, and whom a screen calls.

use diesel::{prelude::*, sql_types::Text};

use super::ConsultationRow;
use crate::{
    Live,
    code_literals::CodeDsl,
    conn::Conn,
    dialect::on_backend,
    schema::{consultation, offer, worker},
};
use domain::{
    consultation::ConsultationState,
    ids::{ConsultationId, StationId},
    matching::Department,
    time::Timestamp,
    triage::TriageLevel,
};

diesel::alias!(consultation as other: Other);
diesel::define_sql_function! { fn replace(text: Text, from: Text, to: Text) -> Text; }

/// Whether a consultation waits, its worker is away, and nobody calls them yet.
macro_rules! away {
    () => {
        consultation::state
            .eq_code(ConsultationState::Waiting)
            .and(consultation::left_at.is_not_null())
            .and(consultation::called_at.is_null())
    };
}

/// The departments of those who are away and not called.
pub fn departments_away(conn: &mut Conn) -> QueryResult<Vec<Department>> {
    on_backend!(conn, c => consultation::table
        .filter(away!())
        .select(consultation::department)
        .distinct()
        .load(c))
}

/// Somebody who is away and not called.
#[derive(Debug, Clone, Queryable)]
pub struct AwayRow {
    pub id: ConsultationId,
    /// The name of their queue.
    pub queue: String,
    pub requested_at: Timestamp,
    pub transferred_at: Option<Timestamp>,
    /// They are an emergency, or have been passed over: since they left, a doctor was asked to see
    /// somebody of the same department, language, medium and district who ranks behind them.
    pub turn_came: bool,
    /// Nobody who is there has waited for longer in their queue.
    pub is_first: bool,
}

/// Those behind `after` who are away and not called.
pub fn away_after(conn: &mut Conn, after: ConsultationId, limit: i64) -> QueryResult<Vec<AwayRow>> {
    let present_before = || {
        other
            .filter(other.field(consultation::state).eq_code(ConsultationState::Waiting))
            .filter(other.field(consultation::left_at).is_null())
            .filter(other.field(consultation::department).eq(consultation::department))
            .filter(other.field(consultation::queue).eq(consultation::queue))
            .filter(other.field(consultation::requested_at).lt(consultation::requested_at))
    };
    // Language, medium and district are in the queue's name.
    let same_but_for_level = || {
        let level = |code| "/".into_sql::<Text>().concat(code).concat("/");
        let of_other = "/".into_sql::<Text>().concat(other.field(consultation::triage)).concat("/");
        replace(other.field(consultation::queue), of_other, level(consultation::triage))
            .eq(consultation::queue)
    };
    let served_before = || {
        let taken = [ConsultationState::Offered, ConsultationState::Active];
        other
            .inner_join(offer::table.on(other.field(consultation::offer_id).eq(offer::id.nullable())))
            .filter(other.field(consultation::state).eq_any_code(&taken))
            .filter(other.field(consultation::department).eq(consultation::department))
            .filter(other.field(consultation::ranked_since).gt(consultation::ranked_since))
            .filter(other.field(consultation::triage).ne_code(TriageLevel::Emergency))
            .filter(same_but_for_level())
            .filter(offer::created_at.nullable().gt(consultation::left_at))
    };
    on_backend!(conn, c => consultation::table
        .filter(away!())
        .filter(consultation::id.gt(after))
        .order(consultation::id)
        .limit(limit)
        .select((
            consultation::id,
            consultation::queue,
            consultation::requested_at,
            consultation::transferred_at,
            consultation::triage
                .eq_code(TriageLevel::Emergency)
                .or(diesel::dsl::exists(served_before())),
            diesel::dsl::not(diesel::dsl::exists(present_before())),
        ))
        .load(c))
}

/// The consultations whose workers this station's screen calls now, whoever was called first; each with
/// the worker's sealed name. Where a worker left is unknown if they did before version 0.3.0: then the
/// screen calls where they asked for a doctor. None once an authority has ended.
pub fn called_at(
    conn: &mut Conn,
    live: Live,
    station: StationId,
    limit: i64,
) -> QueryResult<Vec<(ConsultationRow, Vec<u8>)>> {
    on_backend!(conn, c => consultation::table
        .inner_join(worker::table)
        .filter(live)
        .filter(consultation::left_station_id.eq(Some(station)).or(
            consultation::left_station_id.is_null().and(consultation::station_id.eq(station)),
        ))
        .filter(consultation::state.eq_code(ConsultationState::Waiting))
        .filter(consultation::called_at.is_not_null())
        .order((consultation::called_at, consultation::id))
        .limit(limit)
        .select((ConsultationRow::as_select(), worker::name_sealed))
        .load(c))
}
