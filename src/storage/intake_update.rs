//! What an import writes over rows that are known.

use chrono::NaiveDate;
use diesel::prelude::*;

use super::{
    conn::Conn,
    dialect::each,
    network::{NewDoctorDepartment, NewStation, doctor_departments_add},
    prepared::PreparedDsl,
    schema::{cabinet, doctor, doctor_department, employer, hospital, shift, staff, station, worker},
    sql_types::At,
};
use crate::domain::{
    ids::{CabinetId, EmployerId, HospitalId, StaffId, StationId, WorkerId},
    matching::Department,
    network::{Job, Sex},
    prescription::CabinetLane,
    role::Role,
    time::Timestamp,
    words::Language,
};

/// Names, place and lanes of a station.
pub fn station_update(conn: &mut Conn, id: StationId, row: &NewStation) -> QueryResult<()> {
    diesel::update(station::table.find(id))
        .set((
            station::name_zh.eq(row.name_zh.clone()),
            station::name_en.eq(row.name_en.clone()),
            station::district.eq(row.district.clone()),
            station::latitude_e6.eq(row.latitude_e6),
            station::longitude_e6.eq(row.longitude_e6),
            station::encounter_lanes.eq(row.encounter_lanes.clone()),
        ))
        .prepared()
        .execute(conn)
        .map(|_| ())
}

/// The lane of a cabinet.
pub fn cabinet_update(conn: &mut Conn, id: CabinetId, lane: CabinetLane) -> QueryResult<()> {
    diesel::update(cabinet::table.find(id)).set(cabinet::lane.eq(lane)).prepared().execute(conn).map(|_| ())
}

/// Names (Chinese, English), district and weight of a hospital.
pub fn hospital_update(
    conn: &mut Conn,
    id: HospitalId,
    names: (&str, &str),
    district: &str,
    weight: i32,
) -> QueryResult<()> {
    diesel::update(hospital::table.find(id))
        .set((
            hospital::name_zh.eq(names.0.to_owned()),
            hospital::name_en.eq(names.1.to_owned()),
            hospital::district.eq(district.to_owned()),
            hospital::weight.eq(weight),
        ))
        .prepared()
        .execute(conn)
        .map(|_| ())
}

/// Names (Chinese, English) of an employer.
pub fn employer_update(conn: &mut Conn, id: EmployerId, names: (&str, &str)) -> QueryResult<()> {
    diesel::update(employer::table.find(id))
        .set((employer::name_zh.eq(names.0.to_owned()), employer::name_en.eq(names.1.to_owned())))
        .prepared()
        .execute(conn)
        .map(|_| ())
}

/// What a file may change of a worker.
#[derive(Debug, Clone, AsChangeset)]
#[diesel(table_name = worker, treat_none_as_null = true)]
#[allow(missing_docs)]
pub struct WorkerChange {
    pub name_sealed: Vec<u8>,
    pub birth_date: Option<NaiveDate>,
    pub sex: Option<Sex>,
    pub job: Option<Job>,
    pub employer_id: Option<EmployerId>,
    pub language: Language,
}

/// Changes a worker.
pub fn worker_update(conn: &mut Conn, id: WorkerId, change: &WorkerChange) -> QueryResult<()> {
    diesel::update(worker::table.find(id)).set(change.clone()).prepared().execute(conn).map(|_| ())
}

/// The role of a member of staff.
pub fn staff_role(conn: &mut Conn, id: StaffId) -> QueryResult<Option<Role>> {
    each!(conn, c => staff::table.find(id).select(staff::role).first(c)).optional()
}

/// Names (Chinese, English), hospital and employer of a member of staff.
pub fn staff_update(
    conn: &mut Conn,
    id: StaffId,
    names: (&str, &str),
    places: (Option<HospitalId>, Option<EmployerId>),
) -> QueryResult<()> {
    diesel::update(staff::table.find(id))
        .set((
            staff::version.eq(staff::version + 1),
            staff::name_zh.eq(names.0.to_owned()),
            staff::name_en.eq(names.1.to_owned()),
            staff::hospital_id.eq(places.0),
            staff::employer_id.eq(places.1),
        ))
        .prepared()
        .execute(conn)
        .map(|_| ())
}

/// What is known of a doctor before a file changes it.
#[derive(Debug, Queryable)]
#[allow(missing_docs)]
pub struct DoctorKnown {
    pub licence_no: String,
    pub licence_verified_at: Option<Timestamp>,
    pub licence_valid_until: NaiveDate,
    pub live: i32,
}

/// The doctor as known.
pub fn doctor_known(conn: &mut Conn, id: StaffId) -> QueryResult<Option<DoctorKnown>> {
    each!(conn, c => doctor::table
        .find(id)
        .select((doctor::licence_no, doctor::licence_verified_at, doctor::licence_valid_until, doctor::live))
        .first(c))
    .optional()
}

/// What a file may change of a doctor.
#[derive(Debug, Clone, AsChangeset)]
#[diesel(table_name = doctor, treat_none_as_null = true)]
#[allow(missing_docs)]
pub struct DoctorChange {
    pub hospital_id: HospitalId,
    pub licence_no: String,
    pub licence_verified_at: Option<At>,
    pub licence_valid_until: NaiveDate,
    pub practising_since: NaiveDate,
    pub languages: String,
    pub capacity: i32,
}

/// Changes a doctor.
pub fn doctor_update(conn: &mut Conn, id: StaffId, change: &DoctorChange) -> QueryResult<()> {
    diesel::update(doctor::table.find(id)).set(change.clone()).prepared().execute(conn).map(|_| ())
}

/// The departments that a doctor serves.
pub fn doctor_departments_replace(
    conn: &mut Conn,
    doctor_id: StaffId,
    departments: &[Department],
) -> QueryResult<()> {
    each!(conn, c => diesel::delete(doctor_department::table.filter(doctor_department::doctor_id.eq(doctor_id)))
        .execute(c))?;
    let of = |department: &Department| NewDoctorDepartment { doctor_id, department: *department };
    doctor_departments_add(conn, &departments.iter().map(of).collect::<Vec<_>>())
}

/// The last instant of the shift that this member of staff begins at `starts_at`.
pub fn shift_update(
    conn: &mut Conn,
    staff_id: StaffId,
    starts_at: Timestamp,
    ends_at: Timestamp,
) -> QueryResult<()> {
    diesel::update(
        shift::table.filter(shift::staff_id.eq(staff_id)).filter(shift::starts_at.eq(At(starts_at))),
    )
    .set((shift::ends_at.eq(At(ends_at)), shift::version.eq(shift::version + 1)))
    .prepared()
    .execute(conn)
    .map(|_| ())
}
