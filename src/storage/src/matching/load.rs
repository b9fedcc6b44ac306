//! Who is on call. `silent` are those whom nobody heard lately: they count as nobody.

use diesel::prelude::*;

use super::doctor::languages;
use crate::{
    code_literals::CodeDsl,
    conn::Conn,
    dialect::on_backend,
    prepared::{PreparedDsl, padded},
    schema::{doctor, doctor_department, hospital, shift},
    sql_types::At,
};
use domain::{
    ids::StaffId,
    matching::{Department, DoctorOnCall, FreePlaces, presence::Presence},
    time::{Timestamp, civil_day},
};

/// The doctors of these departments who are on call, with free places or without.
pub fn on_call_of(conn: &mut Conn, departments: &[Department], now: Timestamp) -> QueryResult<Vec<StaffId>> {
    on_backend!(conn, c => doctor_department::table
        .inner_join(doctor::table)
        .filter(doctor_department::department.eq_any(padded(departments)))
        .filter(on_call!(now))
        .select(doctor::staff_id)
        .distinct()
        .prepared()
        .load(c))
}

/// All doctors on call, with what they can take. While one wraps a consultation up, no place is free.
pub fn on_call_all(conn: &mut Conn, silent: &[StaffId], now: Timestamp) -> QueryResult<Vec<DoctorOnCall>> {
    type Row = ((StaffId, String, String, Department), (i32, i32, i32, i32), Option<Timestamp>);
    let rows: Vec<Row> = on_backend!(conn, c => doctor_department::table
        .inner_join(doctor::table.inner_join(hospital::table))
        .filter(on_call!(now))
        .filter(doctor::staff_id.ne_all(padded(silent)))
        .order(doctor::staff_id)
        .select((
            (doctor::staff_id, hospital::district, doctor::languages, doctor_department::department),
            (doctor::capacity, doctor::live, doctor::video_capacity, doctor::live_video),
            doctor::wrap_up_until,
        ))
        .prepared()
        .load(c))?;
    let count = |number: i32| u32::try_from(number).unwrap_or(0);
    let mut found: Vec<DoctorOnCall> = Vec::new();
    for ((doctor, district, spoken, department), taken, wrap_up_until) in rows {
        if let Some(known) = found.last_mut().filter(|known| known.doctor == doctor) {
            known.departments.push(department);
            continue;
        }
        let (capacity, live, video_capacity, live_video) = taken;
        let free = |all: i32, taken: i32| match wrap_up_until {
            Some(until) if until > now => 0,
            _ => count(all - taken),
        };
        found.push(DoctorOnCall {
            doctor,
            district,
            departments: vec![department],
            languages: languages(&spoken),
            places: FreePlaces { text: count(capacity), video: count(video_capacity) },
            free: FreePlaces { text: free(capacity, live), video: free(video_capacity, live_video) },
        });
    }
    Ok(found)
}
