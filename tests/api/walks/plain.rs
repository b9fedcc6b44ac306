//! A plain distributor that reads everybody who waits and everybody who is on call, and looks at each
//! of them: what the distributor must offer.

use std::collections::HashMap;

use chrono::TimeDelta;
use diesel::prelude::*;

use crate::support::TestApp;
use domain::{
    consultation::{ConsultationState, Medium, OfferState},
    ids::{ConsultationId, HospitalId, StaffId},
    matching::{Department, MatchingPolicy, presence::Presence},
    time::{Timestamp, civil_day},
    triage::TriageLevel,
    words::Language,
};
use storage::{
    Conn, on_backend,
    schema::{consultation, doctor, doctor_department, hospital, matching_clock, offer, shift, station},
};

/// What a turn costs a hospital of weight 1.
const TURN: i64 = 1_000_000;

struct Doctor {
    id: StaffId,
    hospital: HospitalId,
    district: String,
    departments: Vec<Department>,
    languages: String,
    /// Places for text and for video.
    free: [i32; 2],
    /// Consultations that they have.
    busy: i32,
    idle_since: Timestamp,
}

struct Waiting {
    id: ConsultationId,
    department: Department,
    language: Language,
    /// Which places it needs.
    medium: usize,
    district: String,
    level: TriageLevel,
    since: Timestamp,
    /// A transfer begins the patience anew.
    in_department_since: Timestamp,
    refused_by: Vec<StaffId>,
    previous: Option<StaffId>,
}

/// The open offers: which consultation was put to which doctor.
pub fn open_offers(app: &TestApp) -> Vec<(ConsultationId, StaffId)> {
    let mut conn = app.connection();
    on_backend!(&mut conn, c => offer::table
        .filter(offer::state.eq(OfferState::Open))
        .select((offer::consultation_id, offer::doctor_id))
        .load(c))
    .expect("offers")
}

/// The offers that are due now.
pub fn due(app: &TestApp) -> Vec<(ConsultationId, StaffId)> {
    let (mut conn, now, policy) = (app.connection(), app.now(), &app.state.policy.matching);
    let (clock, mut hospitals) = hospitals(&mut conn);
    let mut doctors = on_call(&mut conn, now);
    let mut waiting = waiting(&mut conn, now, policy);
    waiting.sort_by_key(|one| rank(one, now, policy));
    let mut offers = Vec::new();
    let free = doctors.iter().filter(|known| known.free.iter().any(|places| *places > 0));
    let least_weight = free.map(|known| hospitals[&known.hospital].weight).min().unwrap_or(1);
    for one in &waiting {
        let Some(index) = choose(one, &doctors, &hospitals, (clock, least_weight), now, policy) else {
            continue;
        };
        let chosen = &mut doctors[index];
        chosen.free[one.medium] -= 1;
        chosen.busy += 1;
        hospitals.get_mut(&chosen.hospital).expect("a hospital").chosen += 1;
        offers.push((one.id, chosen.id));
    }
    offers.sort_unstable();
    offers
}

/// Who waits for each department, in the order in which they are served.
pub fn order(app: &TestApp) -> HashMap<Department, Vec<ConsultationId>> {
    let (mut conn, now, policy) = (app.connection(), app.now(), &app.state.policy.matching);
    let mut all = waiting(&mut conn, now, policy);
    all.sort_by_key(|one| rank(one, now, policy));
    let mut order: HashMap<Department, Vec<ConsultationId>> = HashMap::new();
    for one in all {
        order.entry(one.department).or_default().push(one.id);
    }
    order
}

/// Emergencies, then those who waited too long, then all others; the most points first.
fn rank(one: &Waiting, now: Timestamp, policy: &MatchingPolicy) -> (u8, i64, Timestamp, ConsultationId) {
    let waited_s = (now - one.since).num_seconds().max(0);
    let class = match one.level {
        TriageLevel::Emergency => 0,
        TriageLevel::Urgent | TriageLevel::Standard | TriageLevel::Routine => {
            if waited_s >= i64::from(policy.wait_limit_s) { 1 } else { 2 }
        }
    };
    let points =
        i64::from(policy.weights.of(one.level)) * 60 + waited_s * i64::from(policy.ageing_points_per_minute);
    (class, -points, one.since, one.id)
}

fn choose(
    one: &Waiting,
    doctors: &[Doctor],
    hospitals: &HashMap<HospitalId, Turns>,
    (clock, least_weight): (i64, i64),
    now: Timestamp,
    policy: &MatchingPolicy,
) -> Option<usize> {
    let waited_s = (now - one.in_department_since).num_seconds();
    // Every department of the sample network has our default patience, and general practice as its
    // only overflow.
    let goes_on =
        one.level == TriageLevel::Emergency || waited_s >= 300 || waited_s >= i64::from(policy.wait_limit_s);
    let mut departments = vec![one.department];
    if one.department != Department::GENERAL_PRACTICE {
        departments.push(Department::GENERAL_PRACTICE);
    }
    // An emergency is rather seen by somebody who does not speak the language than by nobody.
    let languages: &[bool] = if one.level == TriageLevel::Emergency { &[false, true] } else { &[false] };
    let steps = languages.iter().flat_map(|any| [(*any, false), (*any, true)]);
    for (any_language, neighbouring) in steps {
        for department in &departments {
            let able: Vec<usize> = (0..doctors.len())
                .filter(|index| {
                    let known = &doctors[*index];
                    known.departments.contains(department)
                        && (known.district != one.district) == neighbouring
                        && (any_language
                            || known.languages.split(';').any(|code| code == one.language.as_str()))
                        && !one.refused_by.contains(&known.id)
                })
                .collect();
            let free: Vec<usize> =
                able.iter().copied().filter(|index| doctors[*index].free[one.medium] > 0).collect();
            let same = free.iter().copied().find(|index| Some(doctors[*index].id) == one.previous);
            let fair = free.iter().copied().min_by_key(|index| {
                let known = &doctors[*index];
                let time = hospitals[&known.hospital].time(clock, least_weight);
                (time, known.hospital, known.busy, known.idle_since, known.id)
            });
            if same.is_some() || fair.is_some() {
                return same.or(fair);
            }
            if !able.is_empty() && !goes_on {
                return None;
            }
        }
    }
    None
}

/// A hospital's share.
struct Turns {
    virtual_time: i64,
    weight: i64,
    open_offers: i64,
    /// The choices of this round.
    chosen: i64,
}

impl Turns {
    fn time(&self, clock: i64, least_weight: i64) -> i64 {
        let turn = TURN / self.weight;
        (self.virtual_time + self.open_offers * turn).max(clock - TURN / least_weight) + self.chosen * turn
    }
}

fn hospitals(conn: &mut Conn) -> (i64, HashMap<HospitalId, Turns>) {
    let clock: i64 =
        on_backend!(conn, c => matching_clock::table.select(matching_clock::virtual_time).first(c))
            .expect("the clock");
    let rows: Vec<(HospitalId, i64, i32)> = on_backend!(conn, c => hospital::table
        .select((hospital::id, hospital::virtual_time, hospital::weight))
        .load(c))
    .expect("hospitals");
    let open: Vec<HospitalId> = on_backend!(conn, c => offer::table
        .filter(offer::state.eq(OfferState::Open))
        .select(offer::hospital_id)
        .load(c))
    .expect("offers");
    let turns = |id| open.iter().filter(|of| **of == id).count() as i64;
    let share = |(id, virtual_time, weight): (HospitalId, i64, i32)| {
        (id, Turns { virtual_time, weight: i64::from(weight), open_offers: turns(id), chosen: 0 })
    };
    (clock, rows.into_iter().map(share).collect())
}

fn on_call(conn: &mut Conn, now: Timestamp) -> Vec<Doctor> {
    type Places = (i32, i32, i32, i32);
    type Row = (StaffId, HospitalId, String, Places, Timestamp, Option<Timestamp>, chrono::NaiveDate);
    let rows: Vec<Row> = on_backend!(conn, c => doctor::table
        .filter(doctor::presence.eq(Presence::Available))
        .select((
            doctor::staff_id,
            doctor::hospital_id,
            doctor::languages,
            (doctor::capacity, doctor::live, doctor::video_capacity, doctor::live_video),
            doctor::idle_since,
            doctor::licence_verified_at,
            doctor::licence_valid_until,
        ))
        .load(c))
    .expect("doctors");
    let shifts: Vec<(StaffId, Timestamp, Timestamp, Option<Department>)> =
        on_backend!(conn, c => shift::table
        .select((shift::staff_id, shift::starts_at, shift::ends_at, shift::department))
        .load(c))
        .expect("shifts");
    let places: Vec<(HospitalId, String)> =
        on_backend!(conn, c => hospital::table.select((hospital::id, hospital::district)).load(c))
            .expect("hospitals");
    let departments: Vec<(StaffId, Department)> = on_backend!(conn, c => doctor_department::table
        .select((doctor_department::doctor_id, doctor_department::department))
        .load(c))
    .expect("departments");
    // Whoever is on a shift for one department serves that one only.
    let served = |id| -> Vec<Department> {
        let present: Vec<Option<Department>> = shifts
            .iter()
            .filter(|(of, from, to, _)| *of == id && *from <= now && now < *to)
            .map(|shift| shift.3)
            .collect();
        let own = departments.iter().filter(|(of, _)| *of == id).map(|(_, one)| *one);
        own.filter(|one| present.iter().any(|of| of.is_none_or(|of| of == *one))).collect()
    };
    rows.into_iter()
        .filter(|row| row.5.is_some() && row.6 >= civil_day(now) && !served(row.0).is_empty())
        .map(|(id, hospital, languages, (text, live, video, live_video), idle_since, ..)| Doctor {
            id,
            hospital,
            district: places.iter().find(|(of, _)| *of == hospital).expect("a hospital").1.clone(),
            departments: served(id),
            languages,
            free: [text - live, video - live_video],
            busy: live + live_video,
            idle_since,
        })
        .collect()
}

fn waiting(conn: &mut Conn, now: Timestamp, policy: &MatchingPolicy) -> Vec<Waiting> {
    type Row = (
        ConsultationId,
        (domain::ids::WorkerId, Department, Language, TriageLevel, Medium),
        (Timestamp, Option<Timestamp>, Option<Timestamp>, Option<domain::ids::OfferId>),
        String,
    );
    let rows: Vec<Row> = on_backend!(conn, c => consultation::table
        .inner_join(station::table)
        .filter(consultation::state.eq(ConsultationState::Waiting))
        .filter(consultation::left_at.is_null())
        .select((
            consultation::id,
            (
                consultation::worker_id,
                consultation::department,
                consultation::language,
                consultation::triage,
                consultation::medium,
            ),
            (
                consultation::requested_at,
                consultation::requeued_at,
                consultation::transferred_at,
                consultation::offer_id,
            ),
            station::district,
        ))
        .load(c))
    .expect("who waits");
    type Offered = (domain::ids::OfferId, ConsultationId, StaffId, OfferState, Option<Timestamp>);
    let offers: Vec<Offered> = on_backend!(conn, c => offer::table
        .select((offer::id, offer::consultation_id, offer::doctor_id, offer::state, offer::answered_at))
        .load(c))
    .expect("offers");
    type Seen = (domain::ids::WorkerId, Option<StaffId>, Option<Timestamp>, ConsultationId);
    let seen: Vec<Seen> = on_backend!(conn, c => consultation::table
        .filter(consultation::state.eq(ConsultationState::Completed))
        .select((
            consultation::worker_id,
            consultation::doctor_id,
            consultation::ended_at,
            consultation::id,
        ))
        .load(c))
    .expect("visits");
    let since = now - TimeDelta::days(i64::from(policy.continuity_days));
    rows.into_iter()
        .map(
            |(
                id,
                (worker, department, language, level, medium),
                (requested_at, requeued_at, transferred_at, last),
                district,
            )| {
                let lost = offers
                    .iter()
                    .find(|one| Some(one.0) == last && one.3 == OfferState::Withdrawn)
                    .filter(|one| requeued_at.is_some() && one.4 == requeued_at)
                    .map(|one| one.2);
                let visits = seen.iter().filter(|one| one.0 == worker && one.2.is_some_and(|at| at > since));
                let last_visit = visits.max_by_key(|one| one.3).and_then(|one| one.1);
                let refused = offers.iter().filter(|one| {
                    one.1 == id
                        && matches!(one.3, OfferState::Declined | OfferState::Expired)
                        && one.4.is_some_and(|at| {
                            let by_transfer = Some(at) == transferred_at && at > now - TimeDelta::minutes(15);
                            at > now - TimeDelta::minutes(2) || by_transfer
                        })
                });
                Waiting {
                    id,
                    department,
                    language,
                    medium: usize::from(medium == Medium::Video),
                    district,
                    level,
                    since: requested_at,
                    in_department_since: transferred_at.unwrap_or(requested_at),
                    refused_by: refused.map(|one| one.2).collect(),
                    previous: lost.or(last_visit),
                }
            },
        )
        .collect()
}
