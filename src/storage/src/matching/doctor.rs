//! Doctors for the matching: presence, load, departments, shifts.

use std::collections::HashMap;

use chrono::NaiveDate;
use diesel::{
    prelude::*,
    sql_types::{Nullable, Text},
};

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
    consultation::Medium,
    ids::{HospitalId, StaffId},
    matching::{
        Candidate, Department, FreePlaces, HospitalShare, OverflowStep, Queue,
        presence::{AwayReason, Presence},
    },
    time::{Timestamp, civil_day},
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
    /// Consultations by text at once, at most.
    pub capacity: i32,
    pub presence: Presence,
    /// When the doctor last ended a consultation or changed presence.
    pub idle_since: Timestamp,
    /// Live consultations by text now, offers included.
    pub live: i32,
    /// No offers until then.
    pub wrap_up_until: Option<Timestamp>,
    /// Why they were made away, and since when; unknown for those who were away before version 0.3.0.
    pub away_because: Option<AwayReason>,
    pub away_since: Option<Timestamp>,
    /// Consultations by video at once, at most.
    pub video_capacity: i32,
    /// Live consultations by video now, offers included.
    pub live_video: i32,
}

pub fn doctor_fetch(conn: &mut Conn, id: StaffId) -> QueryResult<Option<DoctorRow>> {
    on_backend!(conn, c => doctor::table.find(id).select(DoctorRow::as_select()).first(c)).optional()
}

/// A doctor's duty, and how long it can last.
#[derive(Debug, Clone, Queryable)]
pub struct DutyRow {
    pub doctor: DoctorRow,
    /// When the present shift ends, if they are on one; of shifts that overlap the one that ends last.
    pub on_shift_until: Option<Timestamp>,
    /// The department that it is for; none is all of theirs.
    pub on_shift_for: Option<Department>,
    /// When they signed in last, of the sessions that were not ended.
    pub signed_in_at: Option<Timestamp>,
}

/// A doctor's duty; none once an authority has ended.
pub fn doctor_on_shift(
    conn: &mut Conn,
    live: Live,
    id: StaffId,
    now: Timestamp,
) -> QueryResult<Option<DutyRow>> {
    let signed_in_at = session::table
        .filter(session::staff_id.eq(doctor::staff_id))
        .filter(session::revoked_at.is_null())
        .order(session::created_at.desc())
        .select(session::created_at)
        .single_value();
    on_backend!(conn, c => doctor::table
        .left_join(shift::table.on(shift::staff_id
            .eq(doctor::staff_id)
            .and(shift::starts_at.le(At(now)))
            .and(shift::ends_at.gt(At(now)))))
        .filter(doctor::staff_id.eq(id))
        .filter(live)
        .order(shift::ends_at.desc())
        .select((
            DoctorRow::as_select(),
            shift::ends_at.nullable(),
            shift::department.nullable(),
            signed_in_at,
        ))
        .first(c))
    .optional()
}

/// Sets a doctor's duty status.
pub fn presence_set(conn: &mut Conn, id: StaffId, presence: Presence, now: Timestamp) -> QueryResult<bool> {
    diesel::update(doctor::table.find(id))
        .filter(doctor::presence.ne(presence))
        .set((
            doctor::presence.eq(presence),
            doctor::idle_since.eq(At(now)),
            doctor::away_because.eq(None::<AwayReason>),
            doctor::away_since.eq(None::<At>),
        ))
        .prepared()
        .execute(conn)
        .map(|rows| rows == 1)
}

/// Sets an available doctor to away.
pub fn presence_set_away(
    conn: &mut Conn,
    id: StaffId,
    because: AwayReason,
    now: Timestamp,
) -> QueryResult<bool> {
    diesel::update(doctor::table.find(id))
        .filter(doctor::presence.eq_code(Presence::Available))
        .set((
            doctor::presence.eq(Presence::Away),
            doctor::away_because.eq(Some(because)),
            doctor::away_since.eq(Some(At(now))),
        ))
        .prepared()
        .execute(conn)
        .map(|rows| rows == 1)
}

/// Takes one of a doctor's places for consultations by `medium`; `false` when none is free, or the
/// doctor is not available any more or wraps up another consultation.
pub fn capacity_take(conn: &mut Conn, id: StaffId, medium: Medium, now: Timestamp) -> QueryResult<bool> {
    let available = doctor::table
        .find(id)
        .filter(doctor::presence.eq_code(Presence::Available))
        .filter(doctor::wrap_up_until.is_null().or(doctor::wrap_up_until.le(Some(At(now)))));
    match medium {
        Medium::Text => diesel::update(available.filter(doctor::live.lt(doctor::capacity)))
            .set(doctor::live.eq(doctor::live + 1))
            .prepared()
            .execute(conn),
        Medium::Video => diesel::update(available.filter(doctor::live_video.lt(doctor::video_capacity)))
            .set(doctor::live_video.eq(doctor::live_video + 1))
            .prepared()
            .execute(conn),
    }
    .map(|rows| rows == 1)
}

/// Releases one of a doctor's places after an offer that came to nothing.
pub fn capacity_release(conn: &mut Conn, id: StaffId, medium: Medium) -> QueryResult<bool> {
    match medium {
        Medium::Text => diesel::update(doctor::table.find(id).filter(doctor::live.gt(0)))
            .set(doctor::live.eq(doctor::live - 1))
            .prepared()
            .execute(conn),
        Medium::Video => diesel::update(doctor::table.find(id).filter(doctor::live_video.gt(0)))
            .set(doctor::live_video.eq(doctor::live_video - 1))
            .prepared()
            .execute(conn),
    }
    .map(|rows| rows == 1)
}

/// Releases one of a doctor's places after a consultation: they are idle since `now`, and get no offers
/// until `wrap_up_until`, if it is given.
pub fn capacity_release_idle(
    conn: &mut Conn,
    id: StaffId,
    medium: Medium,
    wrap_up_until: Option<Timestamp>,
    now: Timestamp,
) -> QueryResult<bool> {
    let (wrap_up, idle) = (
        wrap_up_until.map(|until| doctor::wrap_up_until.eq(Some(At(until)))),
        doctor::idle_since.eq(At(now)),
    );
    match medium {
        Medium::Text => diesel::update(doctor::table.find(id).filter(doctor::live.gt(0)))
            .set((doctor::live.eq(doctor::live - 1), wrap_up, idle))
            .prepared()
            .execute(conn),
        Medium::Video => diesel::update(doctor::table.find(id).filter(doctor::live_video.gt(0)))
            .set((doctor::live_video.eq(doctor::live_video - 1), wrap_up, idle))
            .prepared()
            .execute(conn),
    }
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

diesel::define_sql_function! {
    /// The texts of all rows, `separator` between them.
    #[aggregate]
    fn string_agg(text: Text, separator: Text) -> NullableText;
}
type NullableText = Nullable<Text>;

/// The doctors on call who have a free place, of the given departments and with those of them; and
/// the shares of their hospitals, without open offers.
pub fn candidates(
    conn: &mut Conn,
    departments: &[Department],
    now: Timestamp,
) -> QueryResult<(Vec<Candidate>, Vec<HospitalShare>)> {
    type Row =
        ((StaffId, HospitalId, String, Timestamp), (i32, i32, i32, i32), (i64, i32, String), Option<String>);
    let places = |capacity: i32, live: i32| u32::try_from(capacity - live).unwrap_or(0);
    // A value of each doctor's row, and an outer join of their hospital: so the statement begins with the
    // partial index of those who are free, on both databases and whatever they know of its length. Most of a
    // department may be full.
    let served = || {
        doctor_department::table
            .filter(doctor_department::doctor_id.eq(doctor::staff_id))
            .filter(doctor_department::department.eq_any(padded(departments)))
            .filter(diesel::dsl::exists(shift_of!(now)))
            .select(string_agg(doctor_department::department, ";"))
            .single_value()
    };
    let rows: Vec<Row> = on_backend!(conn, c => doctor::table
        .left_join(hospital::table)
        .filter(on_duty!(now))
        .filter(doctor::live.lt(doctor::capacity).or(doctor::live_video.lt(doctor::video_capacity)))
        .filter(doctor::wrap_up_until.is_null().or(doctor::wrap_up_until.le(Some(At(now)))))
        .order(doctor::staff_id)
        .select((
            (doctor::staff_id, doctor::hospital_id, doctor::languages, doctor::idle_since),
            (doctor::live, doctor::capacity, doctor::live_video, doctor::video_capacity),
            (
                hospital::virtual_time.assume_not_null(),
                hospital::weight.assume_not_null(),
                hospital::district.assume_not_null(),
            ),
            served(),
        ))
        .prepared()
        .load(c))?;
    let mut found: Vec<Candidate> = Vec::new();
    let mut shares = HashMap::new();
    for ((doctor, hospital, spoken, idle_since), taken, (virtual_time, weight, district), served) in rows {
        let Some(served) = served else { continue };
        let (live, capacity, live_video, video_capacity) = taken;
        shares.entry(hospital).or_insert_with(|| HospitalShare {
            hospital,
            virtual_time,
            weight: u32::try_from(weight).unwrap_or(1),
            open_offers: 0,
        });
        found.push(Candidate {
            doctor,
            hospital,
            district,
            departments: served.split(';').filter_map(Department::parse).collect(),
            languages: languages(&spoken),
            places: FreePlaces { text: places(capacity, live), video: places(video_capacity, live_video) },
            busy: u32::try_from(live + live_video).unwrap_or(0),
            idle_since,
        });
    }
    Ok((found, shares.into_values().collect()))
}

/// Whether a doctor of this step who is none of `excluded` is on call, with free places or without, and
/// takes the queue's medium and language.
pub fn is_on_call(
    conn: &mut Conn,
    queue: &Queue,
    step: OverflowStep,
    excluded: &[StaffId],
    now: Timestamp,
) -> QueryResult<bool> {
    let spoken = format!("%;{};%", queue.language.as_str());
    let least_video = i32::from(queue.medium == Medium::Video);
    macro_rules! anybody {
        ($in_district:expr) => {
            on_backend!(conn, c => diesel::select(diesel::dsl::exists(
                doctor_department::table
                    .inner_join(doctor::table)
                    .filter(doctor_department::department.eq(step.department))
                    // A list, not a join, which SQLite makes after it has looked at each shift.
                    .filter(doctor::hospital_id.eq_any(
                        hospital::table.filter($in_district).select(hospital::id),
                    ))
                    .filter(";".into_sql::<Text>().concat(doctor::languages).concat(";").like(&spoken))
                    .filter(doctor::video_capacity.ge(least_video))
                    .filter(doctor::staff_id.ne_all(padded(excluded)))
                    .filter(on_call_each!(now)),
            ))
            .prepared()
            .get_result(c))
        };
    }
    if step.neighbouring {
        anybody!(hospital::district.ne(&queue.district))
    } else {
        anybody!(hospital::district.eq(&queue.district))
    }
}

pub(super) fn languages(stored: &str) -> Vec<Language> {
    stored.split(';').filter_map(Language::parse).collect()
}

/// Doctors with live consultations, and when each was last recorded as heard from.
pub fn doctors_busy(conn: &mut Conn) -> QueryResult<Vec<(StaffId, Option<Timestamp>)>> {
    on_backend!(conn, c => doctor::table
        .filter(doctor::live.gt(0).or(doctor::live_video.gt(0)))
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

/// A hospital's weight.
pub fn hospital_weight(conn: &mut Conn, id: HospitalId) -> QueryResult<i32> {
    on_backend!(conn, c => hospital::table.find(id).select(hospital::weight).first(c))
}

/// Advances a hospital's virtual time by one turn. One statement, because two of its doctors may accept
/// at the same time.
pub fn hospital_turn_take(conn: &mut Conn, id: HospitalId, turn: i64) -> QueryResult<()> {
    diesel::update(hospital::table.find(id))
        .set(hospital::virtual_time.eq(hospital::virtual_time + turn))
        .prepared()
        .execute(conn)
        .map(|_| ())
}

/// Advances a hospital's virtual time to a later one, which it missed while it was absent.
pub fn hospital_clock_advance(conn: &mut Conn, id: HospitalId, to: i64) -> QueryResult<bool> {
    diesel::update(hospital::table.find(id))
        .filter(hospital::virtual_time.lt(to))
        .set(hospital::virtual_time.eq(to))
        .prepared()
        .execute(conn)
        .map(|rows| rows == 1)
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

/// Doctors behind `after` who have consultations or accept offers although they have no live session:
/// signed out, disabled, or signed in before `oldest`.
pub fn doctors_signed_out(
    conn: &mut Conn,
    oldest: Timestamp,
    after: StaffId,
    limit: i64,
) -> QueryResult<Vec<StaffId>> {
    let signed_in = session::table
        .filter(session::staff_id.eq(doctor::staff_id))
        .filter(session::revoked_at.is_null())
        .filter(session::created_at.gt(At(oldest)));
    on_backend!(conn, c => doctor::table
        .filter(
            doctor::live
                .gt(0)
                .or(doctor::live_video.gt(0))
                .or(doctor::presence.eq_code(Presence::Available)),
        )
        .filter(diesel::dsl::not(diesel::dsl::exists(signed_in)))
        .filter(doctor::staff_id.gt(after))
        .order(doctor::staff_id)
        .limit(limit)
        .select(doctor::staff_id)
        .load(c))
}

/// A doctor's places, for the audit.
#[derive(Debug, Clone, Copy, Queryable, Selectable)]
#[diesel(table_name = doctor)]
pub struct Places {
    pub staff_id: StaffId,
    pub capacity: i32,
    pub video_capacity: i32,
}

/// The places of all doctors.
pub fn places_all(conn: &mut Conn) -> QueryResult<Vec<Places>> {
    on_backend!(conn, c => doctor::table.select(Places::as_select()).load(c))
}
