//! The doctors on call to whom a consultation can be handed on.

use std::collections::HashMap;

use diesel::{
    dsl::case_when,
    prelude::*,
    sql_types::{Integer, Text},
};

use crate::{
    code_literals::CodeDsl,
    conn::Conn,
    dialect::on_backend,
    prepared::{PreparedDsl, padded},
    schema::{doctor, doctor_department, hospital, shift, staff},
    sql_types::At,
};
use domain::{
    consultation::Medium,
    ids::{HospitalId, StaffId},
    matching::{Department, presence::Presence},
    time::{Timestamp, civil_day},
    words::Language,
};

/// What a doctor must be able to do.
#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    pub language: Language,
    pub medium: Medium,
    /// Of this department; none is of any.
    pub department: Option<Department>,
}

impl Wanted {
    fn spoken(self) -> String {
        format!("%;{};%", self.language.as_str())
    }

    fn least_video(self) -> i32 {
        i32::from(self.medium == Medium::Video)
    }
}

/// A doctor on call.
#[derive(Debug, Clone, Queryable)]
pub struct ColleagueRow {
    pub id: StaffId,
    pub name_zh: String,
    pub name_en: String,
    pub hospital_id: HospitalId,
    pub hospital_zh: String,
    pub hospital_en: String,
    /// Whether they have a free place for the medium and are not in wrap-up: 1 or 0.
    pub free: i32,
}

/// The doctors on call who can do this and are none of `excluded`: those who are free first, then those
/// who are idle the longest.
pub fn colleagues(
    conn: &mut Conn,
    wanted: Wanted,
    excluded: &[StaffId],
    now: Timestamp,
    limit: i64,
) -> QueryResult<Vec<ColleagueRow>> {
    let (spoken, least_video) = (wanted.spoken(), wanted.least_video());
    macro_rules! read {
        ($has_place:expr $(, $department:expr)?) => {{
            let serves = doctor_department::table
                .filter(doctor_department::doctor_id.eq(doctor::staff_id))
                $(.filter(doctor_department::department.eq($department)))?
                .filter(shift_of!(now).select(shift::ends_at).single_value().is_not_null())
                .select(doctor_department::doctor_id);
            let is_free = $has_place
                .and(doctor::wrap_up_until.is_null().or(doctor::wrap_up_until.le(Some(At(now))).assume_not_null()));
            let free = case_when(is_free, 1_i32.into_sql::<Integer>()).otherwise(0_i32.into_sql::<Integer>());
            on_backend!(conn, c => doctor::table
                .inner_join(hospital::table)
                .inner_join(staff::table.on(staff::id.eq(doctor::staff_id)))
                .filter(on_duty!(now))
                .filter(diesel::dsl::exists(serves))
                .filter(";".into_sql::<Text>().concat(doctor::languages).concat(";").like(&spoken))
                .filter(doctor::video_capacity.ge(least_video))
                .filter(doctor::staff_id.ne_all(padded(excluded)))
                .order((free.desc(), doctor::idle_since, doctor::staff_id))
                .limit(limit)
                .select((
                    doctor::staff_id,
                    staff::name_zh,
                    staff::name_en,
                    hospital::id,
                    hospital::name_zh,
                    hospital::name_en,
                    free,
                ))
                .load(c))
        }};
    }
    match (wanted.medium, wanted.department) {
        (Medium::Text, None) => read!(doctor::live.lt(doctor::capacity)),
        (Medium::Text, Some(of)) => read!(doctor::live.lt(doctor::capacity), of),
        (Medium::Video, None) => read!(doctor::live_video.lt(doctor::video_capacity)),
        (Medium::Video, Some(of)) => read!(doctor::live_video.lt(doctor::video_capacity), of),
    }
}

/// The departments that the present shifts of these doctors are for, in the order of their codes.
pub fn served_now(
    conn: &mut Conn,
    doctors: &[StaffId],
    now: Timestamp,
) -> QueryResult<HashMap<StaffId, Vec<Department>>> {
    let rows: Vec<(StaffId, Department)> = on_backend!(conn, c => doctor_department::table
        .inner_join(doctor::table)
        .filter(doctor_department::doctor_id.eq_any(padded(doctors)))
        .filter(on_call_each!(now))
        .order((doctor_department::doctor_id, doctor_department::department))
        .select((doctor_department::doctor_id, doctor_department::department))
        .prepared()
        .load(c))?;
    let mut served = HashMap::<StaffId, Vec<Department>>::new();
    for (doctor, department) in rows {
        served.entry(doctor).or_default().push(department);
    }
    Ok(served)
}

/// Whether a doctor of one of these departments who is none of `excluded` is on call, with free places or
/// without, and takes this medium and language.
pub fn is_anybody_on_call(
    conn: &mut Conn,
    departments: &[Department],
    wanted: Wanted,
    excluded: &[StaffId],
    now: Timestamp,
) -> QueryResult<bool> {
    let (spoken, least_video) = (wanted.spoken(), wanted.least_video());
    on_backend!(conn, c => diesel::select(diesel::dsl::exists(
        doctor_department::table
            .inner_join(doctor::table)
            .filter(doctor_department::department.eq_any(padded(departments)))
            .filter(";".into_sql::<Text>().concat(doctor::languages).concat(";").like(&spoken))
            .filter(doctor::video_capacity.ge(least_video))
            .filter(doctor::staff_id.ne_all(padded(excluded)))
            .filter(on_call_each!(now)),
    ))
    .prepared()
    .get_result(c))
}
