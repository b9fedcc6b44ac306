//! Lists and single rows of the network: stations, hospitals, employers, workers.

use diesel::prelude::*;

use crate::{
    code_literals::CodeDsl,
    conn::Conn,
    dialect::on_backend,
    schema::{
        attempt, cabinet, consultation, doctor, employer, hospital, order_unit, reading, shift, station,
        worker,
    },
    sql_types::At,
};
use domain::{
    consultation::ConsultationState,
    ids::{CabinetId, EmployerId, HospitalId, StationId, WorkerId},
    matching::presence::Presence,
    order::UnitState,
    time::Timestamp,
    vend::AttemptState,
    vitals::{Beyond, FitnessReading, ReadingKind},
};

/// Declares a row type and its list function, by id.
macro_rules! listed {
    ($(#[$doc:meta])* $name:ident of $table:ident by $list:ident($id:ty) { $($field:ident: $type:ty),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Queryable, Selectable)]
        #[diesel(table_name = $table)]
        pub struct $name { $(pub $field: $type),+ }

        $(#[$doc])*
        /// By id; `after` is the last id of the page before.
        pub fn $list(conn: &mut Conn, after: Option<$id>, limit: i64) -> QueryResult<Vec<$name>> {
            on_backend!(conn, c => {
                let mut query = $table::table.into_boxed().order($table::id).limit(limit);
                if let Some(after) = after {
                    query = query.filter($table::id.gt(after));
                }
                query.select($name::as_select()).load(c)
            })
        }
    };
}

listed! {
    /// Stations.
    StationRow of station by station_list(StationId) {
        id: StationId, code: String, name_zh: String, name_en: String, district: String, latitude_e6: i32,
        longitude_e6: i32, encounter_lanes: String, created_at: Timestamp,
    }
}
listed! {
    /// Hospitals.
    HospitalRow of hospital by hospital_list(HospitalId) {
        id: HospitalId, code: String, name_zh: String, name_en: String, district: String, weight: i32,
        created_at: Timestamp,
    }
}
listed! {
    /// Employers.
    EmployerRow of employer by employer_list(EmployerId) {
        id: EmployerId, code: String, name_zh: String, name_en: String, created_at: Timestamp,
    }
}

pub fn station_fetch(conn: &mut Conn, id: StationId) -> QueryResult<Option<StationRow>> {
    on_backend!(conn, c => station::table.find(id).select(StationRow::as_select()).first(c)).optional()
}

/// The cabinets of these stations.
pub fn cabinets_of(conn: &mut Conn, stations: &[StationId]) -> QueryResult<Vec<(StationId, CabinetId)>> {
    on_backend!(conn, c => cabinet::table
        .filter(cabinet::station_id.eq_any(stations.iter().copied()))
        .select((cabinet::station_id, cabinet::id))
        .load(c))
}

/// The code of a hospital.
pub fn hospital_code(conn: &mut Conn, id: HospitalId) -> QueryResult<Option<String>> {
    on_backend!(conn, c => hospital::table.find(id).select(hospital::code).first(c)).optional()
}

/// The code of an employer.
pub fn employer_code(conn: &mut Conn, id: EmployerId) -> QueryResult<Option<String>> {
    on_backend!(conn, c => employer::table.find(id).select(employer::code).first(c)).optional()
}

/// Workers with this phone who were not merged into another.
pub fn workers_by_phone(conn: &mut Conn, phone_index: &[u8], limit: i64) -> QueryResult<Vec<WorkerId>> {
    on_backend!(conn, c => worker::table
        .filter(worker::phone_index.eq(phone_index))
        .filter(worker::merged_into.is_null())
        .order(worker::id)
        .limit(limit)
        .select(worker::id)
        .load(c))
}

/// The workers of an employer, by id.
pub fn workers_of_employer(
    conn: &mut Conn,
    employer_id: EmployerId,
    after: Option<WorkerId>,
    limit: i64,
) -> QueryResult<Vec<WorkerId>> {
    on_backend!(conn, c => {
        let mut query = worker::table
            .into_boxed()
            .filter(worker::employer_id.eq(employer_id))
            .filter(worker::merged_into.is_null())
            .order(worker::id)
            .limit(limit);
        if let Some(after) = after {
            query = query.filter(worker::id.gt(after));
        }
        query.select(worker::id).load(c)
    })
}

/// Blood pressures and breath tests of these workers since `since`, the oldest
/// first.
pub fn fitness_readings(
    conn: &mut Conn,
    workers: &[WorkerId],
    since: Timestamp,
) -> QueryResult<Vec<(WorkerId, FitnessReading)>> {
    type Row = (WorkerId, ReadingKind, Option<i64>, Option<i64>, Option<Beyond>, Timestamp);
    let rows: Vec<Row> = on_backend!(conn, c => reading::table
        .filter(reading::worker_id.eq_any(workers.iter().copied()))
        .filter(reading::kind.eq_any([ReadingKind::BloodPressure, ReadingKind::BreathAlcohol]))
        .filter(reading::measured_at.gt(At(since)))
        .order((reading::measured_at, reading::id))
        .select((
            reading::worker_id,
            reading::kind,
            reading::value,
            reading::second,
            reading::beyond,
            reading::measured_at,
        ))
        .load(c))?;
    let known = |(worker, kind, value, second, beyond, measured_at)| {
        (worker, FitnessReading { kind, value, second, beyond, measured_at })
    };
    Ok(rows.into_iter().map(known).collect())
}

/// Packs of these workers that were dispensed since `since`, and those in doubt: worker and product
/// code.
pub fn vended_since(
    conn: &mut Conn,
    workers: &[WorkerId],
    since: Timestamp,
) -> QueryResult<Vec<(WorkerId, String)>> {
    let out = order_unit::state.eq_code(UnitState::Dispensed).and(order_unit::ended_at.ge(Some(At(since))));
    on_backend!(conn, c => order_unit::table
        .filter(order_unit::worker_id.eq_any(workers.iter().copied()))
        .filter(order_unit::state.eq_code(UnitState::InDoubt).or(out.assume_not_null()))
        .select((order_unit::worker_id, order_unit::product_code))
        .load(c))
}

/// Counts over the network; those of today begin at the first instant of the civil day.
#[derive(Debug, Clone, Copy, Default)]
pub struct Figures {
    pub stations: i64,
    pub cabinets: i64,
    pub hospitals: i64,
    pub doctors_available: i64,
    pub doctors_on_shift: i64,
    pub waiting: i64,
    pub active: i64,
    pub completed_today: i64,
    pub vended_today: i64,
    pub in_doubt: i64,
}

/// Counts small tables and partial indexes; the caller should cache the result for a while.
pub fn figures(conn: &mut Conn, now: Timestamp, today: Timestamp) -> QueryResult<Figures> {
    let live = |conn: &mut Conn, state: ConsultationState| -> QueryResult<i64> {
        // The partial index covers live consultations only.
        let among = consultation::table.filter(consultation::state.of_code(ConsultationState::is_live));
        on_backend!(conn, c => among.filter(consultation::state.eq_code(state)).count().get_result(c))
    };
    Ok(Figures {
        stations: on_backend!(conn, c => station::table
            .filter(station::retired_at.is_null())
            .count()
            .get_result(c))?,
        cabinets: on_backend!(conn, c => cabinet::table.count().get_result(c))?,
        hospitals: on_backend!(conn, c => hospital::table.count().get_result(c))?,
        doctors_available: on_backend!(conn, c => doctor::table
            .filter(doctor::presence.eq_code(Presence::Available))
            .count()
            .get_result(c))?,
        doctors_on_shift: on_backend!(conn, c => doctor::table
            .inner_join(shift::table.on(shift::staff_id.eq(doctor::staff_id)))
            .filter(shift::starts_at.le(At(now)))
            .filter(shift::ends_at.gt(At(now)))
            .count()
            .get_result(c))?,
        waiting: live(conn, ConsultationState::Waiting)? + live(conn, ConsultationState::Offered)?,
        active: live(conn, ConsultationState::Active)?,
        completed_today: on_backend!(conn, c => consultation::table
            .filter(consultation::state.eq_code(ConsultationState::Completed))
            .filter(consultation::ended_at.ge(At(today)))
            .count()
            .get_result(c))?,
        vended_today: on_backend!(conn, c => attempt::table
            .filter(attempt::state.eq_code(AttemptState::Dispensed))
            .filter(attempt::ended_at.ge(At(today)))
            .count()
            .get_result(c))?,
        in_doubt: on_backend!(conn, c => attempt::table
            .filter(attempt::state.of_code(AttemptState::is_live))
            .filter(attempt::state.eq_code(AttemptState::InDoubt))
            .count()
            .get_result(c))?,
    })
}
