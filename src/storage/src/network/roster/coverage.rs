//! How the roster covers departments: counts of shifts, doctors, and the gaps that were told of.

use chrono::NaiveDate;
use diesel::{
    dsl::{case_when, count, count_star},
    prelude::*,
    sql_types::Text,
};

use super::LOOK_BACK;
use crate::{
    code_literals::CodeDsl,
    conn::Conn,
    dialect::{RowLockDsl, on_backend},
    prepared::{PreparedDsl, padded},
    schema::{coverage_gap, coverage_round, doctor, doctor_department, hospital, shift, staff},
    sql_types::At,
};
use domain::{
    consultation::Medium,
    ids::{CoverageGapId, HospitalId, StaffId},
    matching::Department,
    network::roster::Span,
    staff::role::Role,
    time::{Timestamp, civil_day},
    words::Language,
};

diesel::allow_columns_to_appear_in_same_group_by_clause!(
    doctor::hospital_id,
    doctor_department::department,
    shift::starts_at,
    shift::ends_at,
    doctor::licence_valid_until,
);

/// Whether a shift is for the department of the row of `doctor_department`, or for all of the doctor's.
macro_rules! shift_serves {
    () => {
        shift::department.is_null().or(shift::department.eq(doctor_department::department.nullable()))
    };
}

/// So many doctors of one hospital and department have the same shift.
#[derive(Debug, Clone, Queryable)]
pub struct ShiftCount {
    pub hospital: HospitalId,
    pub department: Department,
    pub starts_at: Timestamp,
    pub ends_at: Timestamp,
    /// Last day of their licences.
    pub licence_valid_until: NaiveDate,
    pub doctors: i64,
}

/// The shifts in this span of doctors who may serve, counted by hospital, department and hours: of a
/// hospital, or of all.
pub fn shift_counts(
    conn: &mut Conn,
    hospital: Option<HospitalId>,
    window: Span,
) -> QueryResult<Vec<ShiftCount>> {
    macro_rules! counted {
        ($($filter:expr)?) => {
            on_backend!(conn, c => shift::table
                .inner_join(doctor::table.on(doctor::staff_id.eq(shift::staff_id)))
                .inner_join(doctor_department::table.on(doctor_department::doctor_id.eq(shift::staff_id)))
                .filter(shift::ends_at.gt(At(window.from)))
                .filter(shift::starts_at.lt(At(window.until)))
                .filter(shift::starts_at.gt(At(window.from - LOOK_BACK)))
                .filter(shift_serves!())
                .filter(doctor::licence_verified_at.is_not_null())
                .filter(doctor::released_licence_no.is_null())
                $(.filter($filter))?
                .group_by((
                    doctor::hospital_id,
                    doctor_department::department,
                    shift::starts_at,
                    shift::ends_at,
                    doctor::licence_valid_until,
                ))
                .select((
                    doctor::hospital_id,
                    doctor_department::department,
                    shift::starts_at,
                    shift::ends_at,
                    doctor::licence_valid_until,
                    count_star(),
                ))
                .load(c))
        };
    }
    match hospital {
        Some(hospital) => counted!(doctor::hospital_id.eq(hospital)),
        None => counted!(),
    }
}

/// How many doctors with a verified and valid licence each department of each hospital has: of a hospital,
/// or of all. A department whose doctors may not serve is there with none: its licences have lapsed, or
/// are still to be verified. A doctor who is disabled has released the licence.
pub fn doctor_counts(
    conn: &mut Conn,
    hospital: Option<HospitalId>,
    now: Timestamp,
) -> QueryResult<Vec<(HospitalId, Department, i64)>> {
    macro_rules! counted {
        ($($filter:expr)?) => {
            on_backend!(conn, c => doctor::table
                .inner_join(doctor_department::table)
                .filter(doctor::released_licence_no.is_null())
                $(.filter($filter))?
                .group_by((doctor::hospital_id, doctor_department::department))
                .select((
                    doctor::hospital_id,
                    doctor_department::department,
                    count(case_when(
                        doctor::licence_verified_at
                            .is_not_null()
                            .and(doctor::licence_valid_until.ge(civil_day(now))),
                        doctor::staff_id,
                    )),
                ))
                .load(c))
        };
    }
    match hospital {
        Some(hospital) => counted!(doctor::hospital_id.eq(hospital)),
        None => counted!(),
    }
}

/// When the next doctor of these departments who speaks the language and takes the medium comes on call:
/// the first start of a shift after `now` of one whose licence is verified and valid that day. It does not
/// tell whether somebody is on call now.
pub fn next_on_call(
    conn: &mut Conn,
    departments: &[Department],
    (language, medium): (Language, Medium),
    now: Timestamp,
) -> QueryResult<Option<Timestamp>> {
    /// Shifts that are looked at together.
    const PAGE: i64 = 100;
    let spoken = format!("%;{};%", language.as_str());
    let least_video = i32::from(medium == Medium::Video);
    let mut seen = 0;
    loop {
        let starts: Vec<(Timestamp, NaiveDate)> = on_backend!(conn, c => shift::table
            .inner_join(doctor::table.on(doctor::staff_id.eq(shift::staff_id)))
            .inner_join(doctor_department::table.on(doctor_department::doctor_id.eq(shift::staff_id)))
            .filter(doctor_department::department.eq_any(padded(departments)))
            .filter(shift_serves!())
            .filter(shift::starts_at.gt(At(now)))
            .filter(doctor::licence_verified_at.is_not_null())
            .filter(doctor::licence_valid_until.ge(civil_day(now)))
            .filter(doctor::released_licence_no.is_null())
            .filter(";".into_sql::<Text>().concat(doctor::languages).concat(";").like(&spoken))
            .filter(doctor::video_capacity.ge(least_video))
            .order(shift::starts_at)
            .limit(PAGE)
            .offset(seen)
            .select((shift::starts_at, doctor::licence_valid_until))
            .prepared()
            .load(c))?;
        if let Some((at, _)) = starts.iter().find(|(at, until)| *until >= civil_day(*at)) {
            return Ok(Some(*at));
        }
        if starts.len() < PAGE as usize {
            return Ok(None);
        }
        seen += PAGE;
    }
}

/// A gap that somebody was told of: of a hospital, or of the network.
#[derive(Debug, Clone, Queryable)]
pub struct GapRow {
    pub id: CoverageGapId,
    pub hospital: Option<HospitalId>,
    pub department: Department,
    pub starts_at: Timestamp,
    pub ends_at: Timestamp,
}

/// Locks the round that looks for gaps until the end of the transaction; returns when the last one ran.
pub fn round_lock(conn: &mut Conn) -> QueryResult<Option<Timestamp>> {
    on_backend!(conn, c => coverage_round::table
        .select(coverage_round::ran_at)
        .lock_for_no_key_update()
        .get_result(c))
}

/// Records that the round runs.
pub fn round_ran(conn: &mut Conn, now: Timestamp) -> QueryResult<()> {
    diesel::update(coverage_round::table)
        .set(coverage_round::ran_at.eq(Some(At(now))))
        .prepared()
        .execute(conn)
        .map(|_| ())
}

/// All gaps that somebody was told of.
pub fn gaps_told(conn: &mut Conn) -> QueryResult<Vec<GapRow>> {
    on_backend!(conn, c => coverage_gap::table
        .order((coverage_gap::starts_at, coverage_gap::id))
        .select((
            coverage_gap::id,
            coverage_gap::hospital_id,
            coverage_gap::department,
            coverage_gap::starts_at,
            coverage_gap::ends_at,
        ))
        .load(c))
}

/// Records gaps that somebody knows of.
pub fn gaps_add(
    conn: &mut Conn,
    gaps: &[(Option<HospitalId>, Department, Span)],
    now: Timestamp,
) -> QueryResult<()> {
    for part in gaps.chunks(500) {
        let rows: Vec<_> = part
            .iter()
            .map(|(hospital, department, span)| {
                (
                    coverage_gap::id.eq(CoverageGapId::generate()),
                    coverage_gap::hospital_id.eq(*hospital),
                    coverage_gap::department.eq(*department),
                    coverage_gap::starts_at.eq(At(span.from)),
                    coverage_gap::ends_at.eq(At(span.until)),
                    coverage_gap::told_at.eq(At(now)),
                )
            })
            .collect();
        on_backend!(conn, c => diesel::insert_into(coverage_gap::table).values(&rows).execute(c))?;
    }
    Ok(())
}

/// Forgets gaps that are over, were filled, or are recorded anew.
pub fn gaps_remove(conn: &mut Conn, ids: &[CoverageGapId]) -> QueryResult<()> {
    for part in ids.chunks(500) {
        let rows = coverage_gap::table.filter(coverage_gap::id.eq_any(padded(part)));
        diesel::delete(rows).prepared().execute(conn)?;
    }
    Ok(())
}

/// The names of these hospitals, Chinese and English.
pub fn hospital_names(conn: &mut Conn, ids: &[HospitalId]) -> QueryResult<Vec<(HospitalId, String, String)>> {
    on_backend!(conn, c => hospital::table
        .filter(hospital::id.eq_any(padded(ids)))
        .order(hospital::code)
        .select((hospital::id, hospital::name_zh, hospital::name_en))
        .load(c))
}

/// Who is told of gaps: operators, and coordinators with their hospital, who have accepted their
/// invitation.
pub fn gap_readers(conn: &mut Conn) -> QueryResult<Vec<(StaffId, Role, Option<HospitalId>)>> {
    on_backend!(conn, c => staff::table
        .filter(staff::role.eq_any_code(&[Role::Operator, Role::Coordinator]))
        .filter(staff::disabled_at.is_null())
        .filter(staff::password_hash.is_not_null())
        .order(staff::id)
        .select((staff::id, staff::role, staff::hospital_id))
        .load(c))
}
