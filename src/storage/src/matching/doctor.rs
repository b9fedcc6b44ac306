//! Doctors for the matching: presence, load, departments, shifts.

use chrono::NaiveDate;
use diesel::prelude::*;

use crate::{
    Live,
    code_literals::CodeDsl,
    conn::Conn,
    dialect::on_backend,
    prepared::{PreparedDsl, padded},
    schema::{doctor, doctor_department, hospital, matching_clock, session, shift},
    sql_types::At,
};
use domain::{
    ids::{HospitalId, StaffId},
    matching::{Candidate, Department, presence::Presence},
    time::Timestamp,
    words::Language,
};

/// A doctor's duty and load.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = doctor)]
pub struct DoctorRow {
    pub staff_id: StaffId,
    pub hospital_id: HospitalId,
    pub licence_verified_at: Option<Timestamp>,
    /// Last day of the licence.
    pub licence_valid_until: NaiveDate,
    pub practising_since: NaiveDate,
    /// Separated by `;`.
    pub languages: String,
    /// Consultations at once, at most.
    pub capacity: i32,
    pub presence: Presence,
    /// When the doctor last got a consultation or changed presence.
    pub idle_since: Timestamp,
    /// Live consultations now, offers included.
    pub live: i32,
}

pub fn doctor_fetch(conn: &mut Conn, id: StaffId) -> QueryResult<Option<DoctorRow>> {
    on_backend!(conn, c => doctor::table.find(id).select(DoctorRow::as_select()).first(c)).optional()
}

/// A doctor on duty, and when the present shift ends, if they are on one; none once an authority has
/// ended. Of shifts that overlap the one that ends last.
pub fn doctor_on_shift(
    conn: &mut Conn,
    live: Live,
    id: StaffId,
    now: Timestamp,
) -> QueryResult<Option<(DoctorRow, Option<Timestamp>)>> {
    on_backend!(conn, c => doctor::table
        .left_join(shift::table.on(shift::staff_id
            .eq(doctor::staff_id)
            .and(shift::starts_at.le(At(now)))
            .and(shift::ends_at.gt(At(now)))))
        .filter(doctor::staff_id.eq(id))
        .filter(live)
        .order(shift::ends_at.desc())
        .select((DoctorRow::as_select(), shift::ends_at.nullable()))
        .first(c))
    .optional()
}

/// Sets a doctor's duty status.
pub fn presence_set(conn: &mut Conn, id: StaffId, presence: Presence, now: Timestamp) -> QueryResult<bool> {
    diesel::update(doctor::table.find(id))
        .filter(doctor::presence.ne(presence))
        .set((doctor::presence.eq(presence), doctor::idle_since.eq(At(now))))
        .prepared()
        .execute(conn)
        .map(|rows| rows == 1)
}

/// Sets an available doctor to away.
pub fn presence_set_away(conn: &mut Conn, id: StaffId) -> QueryResult<bool> {
    diesel::update(doctor::table.find(id))
        .filter(doctor::presence.eq_code(Presence::Available))
        .set(doctor::presence.eq(Presence::Away))
        .prepared()
        .execute(conn)
        .map(|rows| rows == 1)
}

/// Takes one unit of a doctor's capacity; `false` when none is free, or the doctor is not available
/// any more.
pub fn capacity_take(conn: &mut Conn, id: StaffId, now: Timestamp) -> QueryResult<bool> {
    diesel::update(doctor::table.find(id))
        .filter(doctor::presence.eq_code(Presence::Available))
        .filter(doctor::live.lt(doctor::capacity))
        .set((doctor::live.eq(doctor::live + 1), doctor::idle_since.eq(At(now))))
        .prepared()
        .execute(conn)
        .map(|rows| rows == 1)
}

/// Releases one unit of a doctor's capacity.
pub fn capacity_release(conn: &mut Conn, id: StaffId) -> QueryResult<bool> {
    diesel::update(doctor::table.find(id))
        .filter(doctor::live.gt(0))
        .set(doctor::live.eq(doctor::live - 1))
        .prepared()
        .execute(conn)
        .map(|rows| rows == 1)
}

/// When the current shift of a member of staff ends; `None` when they are not on shift.
pub fn on_shift_until(conn: &mut Conn, id: StaffId, now: Timestamp) -> QueryResult<Option<Timestamp>> {
    on_backend!(conn, c => shift::table
        .filter(shift::staff_id.eq(id))
        .filter(shift::starts_at.le(At(now)))
        .filter(shift::ends_at.gt(At(now)))
        .order(shift::ends_at.desc())
        .select(shift::ends_at)
        .first(c))
    .optional()
}

/// A candidate, with the district of their hospital.
#[derive(Debug, Clone)]
pub struct LocatedCandidate {
    /// The hospital's district.
    pub district: String,
    pub weight: u32,
    pub candidate: Candidate,
}

/// Doctors who can take a consultation now: available, with free capacity, on shift. Longest idle
/// first; limited, so that the cost of an offer does not grow with the network.
pub fn candidates(conn: &mut Conn, now: Timestamp, limit: i64) -> QueryResult<Vec<LocatedCandidate>> {
    let rows: Vec<(DoctorRow, (i64, i32), String, Timestamp)> = on_backend!(conn, c => doctor::table
        .inner_join(hospital::table)
        .inner_join(shift::table.on(shift::staff_id.eq(doctor::staff_id)))
        .filter(doctor::presence.eq_code(Presence::Available))
        .filter(doctor::live.lt(doctor::capacity))
        .filter(doctor::licence_verified_at.is_not_null())
        .filter(shift::starts_at.le(At(now)))
        .filter(shift::ends_at.gt(At(now)))
        .order(doctor::idle_since)
        .limit(limit)
        .select((
            DoctorRow::as_select(),
            (hospital::virtual_time, hospital::weight),
            hospital::district,
            shift::ends_at,
        ))
        .load(c))?;
    let ids: Vec<StaffId> = rows.iter().map(|row| row.0.staff_id).collect();
    let departments: Vec<(StaffId, Department)> = on_backend!(conn, c => doctor_department::table
        .filter(doctor_department::doctor_id.eq_any(padded(&ids)))
        .select((doctor_department::doctor_id, doctor_department::department))
        .prepared()
        .load(c))?;
    Ok(rows
        .into_iter()
        .map(|(row, (virtual_time, weight), district, ends_at)| LocatedCandidate {
            district,
            weight: u32::try_from(weight).unwrap_or(1),
            candidate: Candidate {
                doctor: row.staff_id,
                hospital: row.hospital_id,
                neighbouring: false,
                departments: departments
                    .iter()
                    .filter(|(doctor, _)| *doctor == row.staff_id)
                    .map(|(_, department)| *department)
                    .collect(),
                languages: row.languages.split(';').filter_map(Language::parse).collect(),
                live: u32::try_from(row.live).unwrap_or(0),
                capacity: u32::try_from(row.capacity).unwrap_or(0),
                present: true,
                idle_since: row.idle_since,
                hospital_virtual_time: virtual_time,
                licence_valid_until: row.licence_valid_until,
                on_shift_until: ends_at,
            },
        })
        .collect())
}

/// Doctors with live consultations, and when each was last recorded as heard from.
pub fn doctors_busy(conn: &mut Conn) -> QueryResult<Vec<(StaffId, Option<Timestamp>)>> {
    on_backend!(conn, c => doctor::table
        .filter(doctor::live.gt(0))
        .select((doctor::staff_id, doctor::heard_at))
        .load(c))
}

/// Records when a doctor was heard from, unless a later time is recorded already.
pub fn doctor_heard(conn: &mut Conn, id: StaffId, at: Timestamp) -> QueryResult<()> {
    diesel::update(doctor::table.find(id))
        .filter(doctor::heard_at.is_null().or(doctor::heard_at.lt(Some(At(at)))))
        .set(doctor::heard_at.eq(Some(At(at))))
        .prepared()
        .execute(conn)
        .map(|_| ())
}

/// How many doctors take offers now.
pub fn doctors_available(conn: &mut Conn) -> QueryResult<i64> {
    on_backend!(conn, c => doctor::table
        .filter(doctor::presence.eq_code(Presence::Available))
        .count()
        .get_result(c))
}

/// A hospital's weight.
pub fn hospital_weight(conn: &mut Conn, id: HospitalId) -> QueryResult<i32> {
    on_backend!(conn, c => hospital::table.find(id).select(hospital::weight).first(c))
}

/// Advances a hospital's virtual time by one turn, which begins at the system's virtual time or later.
/// One statement, because two of its doctors may accept at the same time.
pub fn hospital_turn_take(conn: &mut Conn, id: HospitalId, turn: i64) -> QueryResult<()> {
    let clock =
        || matching_clock::table.select(matching_clock::virtual_time).single_value().assume_not_null();
    // Without a clock the comparison is not true.
    let begins =
        diesel::dsl::case_when(hospital::virtual_time.lt(clock()), clock()).otherwise(hospital::virtual_time);
    diesel::update(hospital::table.find(id))
        .set(hospital::virtual_time.eq(begins + turn))
        .prepared()
        .execute(conn)
        .map(|_| ())
}

/// The system's virtual time: where a new hospital starts.
pub fn matching_clock(conn: &mut Conn) -> QueryResult<i64> {
    on_backend!(conn, c => matching_clock::table.select(matching_clock::virtual_time).first(c))
        .optional()
        .map(|time| time.unwrap_or(0))
}

/// Advances the system's virtual time; never back.
pub fn matching_clock_advance(conn: &mut Conn, to: i64) -> QueryResult<bool> {
    diesel::update(matching_clock::table)
        .filter(matching_clock::virtual_time.lt(to))
        .set(matching_clock::virtual_time.eq(to))
        .prepared()
        .execute(conn)
        .map(|rows| rows == 1)
}

/// Doctors who have consultations or accept offers although they have no live session: signed out,
/// disabled, or signed in before `oldest`.
pub fn doctors_signed_out(conn: &mut Conn, oldest: Timestamp, limit: i64) -> QueryResult<Vec<StaffId>> {
    let signed_in = session::table
        .filter(session::staff_id.eq(doctor::staff_id))
        .filter(session::revoked_at.is_null())
        .filter(session::created_at.gt(At(oldest)));
    on_backend!(conn, c => doctor::table
        .filter(doctor::live.gt(0).or(doctor::presence.eq_code(Presence::Available)))
        .filter(diesel::dsl::not(diesel::dsl::exists(signed_in)))
        .limit(limit)
        .select(doctor::staff_id)
        .load(c))
}
