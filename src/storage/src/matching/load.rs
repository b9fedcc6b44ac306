//! What the doctors on call can take, department by department. `silent` are those whom nobody heard
//! lately: they count as nobody.

use diesel::prelude::*;

use super::doctor::languages;
use crate::{
    code_literals::CodeDsl,
    conn::Conn,
    dialect::on_backend,
    prepared::{PreparedDsl, padded},
    schema::{doctor, doctor_department, shift},
    sql_types::At,
};
use domain::{
    consultation::Medium,
    ids::StaffId,
    matching::{Department, presence::Presence},
    time::{Timestamp, civil_day},
    words::Language,
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

/// What some doctor on call can do, with free places or without.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    pub department: Department,
    pub languages: Vec<Language>,
    video: bool,
}

impl Service {
    /// Whether it is for those who want to talk by this medium.
    pub fn is_by(&self, medium: Medium) -> bool {
        match medium {
            Medium::Text => true,
            Medium::Video => self.video,
        }
    }
}

/// The services of all departments, each once.
pub fn services(conn: &mut Conn, silent: &[StaffId], now: Timestamp) -> QueryResult<Vec<Service>> {
    let rows: Vec<(Department, String, i32)> = on_backend!(conn, c => doctor_department::table
        .inner_join(doctor::table)
        .filter(on_call!(now))
        .filter(doctor::staff_id.ne_all(padded(silent)))
        .select((doctor_department::department, doctor::languages, doctor::video_capacity))
        .distinct()
        .prepared()
        .load(c))?;
    let service = |(department, spoken, video_capacity): (Department, String, i32)| Service {
        department,
        languages: languages(&spoken),
        video: video_capacity > 0,
    };
    Ok(rows.into_iter().map(service).collect())
}

/// The load of one department.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DepartmentLoad {
    pub department: Department,
    /// Sum of the capacities of its doctors on call, for text and for video.
    pub places: [i64; 2],
    /// How many of these are taken.
    pub taken: [i64; 2],
}

/// The load of each department that has doctors on call. A doctor of two departments counts in both.
pub fn loads(conn: &mut Conn, silent: &[StaffId], now: Timestamp) -> QueryResult<Vec<DepartmentLoad>> {
    type Sums = (Option<i64>, Option<i64>);
    let rows: Vec<(Department, Sums, Sums)> = on_backend!(conn, c => doctor_department::table
        .inner_join(doctor::table)
        .filter(on_call!(now))
        .filter(doctor::staff_id.ne_all(padded(silent)))
        .group_by(doctor_department::department)
        .select((
            doctor_department::department,
            (diesel::dsl::sum(doctor::capacity), diesel::dsl::sum(doctor::video_capacity)),
            (diesel::dsl::sum(doctor::live), diesel::dsl::sum(doctor::live_video)),
        ))
        .prepared()
        .load(c))?;
    let both = |(text, video): Sums| [text.unwrap_or(0), video.unwrap_or(0)];
    let load =
        |(department, places, taken)| DepartmentLoad { department, places: both(places), taken: both(taken) };
    Ok(rows.into_iter().map(load).collect())
}
