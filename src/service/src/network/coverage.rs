//! How the roster covers departments over the next three days, whom gaps are told to, and how many
//! doctors a load needs.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use chrono::{DateTime, NaiveTime, TimeDelta, TimeZone, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::roster::scope::Scope;
use crate::{
    AppState, Failure, Tx,
    caller::StaffCaller,
    jobs::rounds::{self, Job},
    letter,
};
use domain::{
    ids::{CoverageGapId, HospitalId, StaffId},
    letter::LetterKind,
    matching::{
        Department, QueueForecast, StaffingQuestion,
        coverage::{Compared, Level, compare, gaps, levels},
        staffing,
    },
    network::roster::Span,
    refusal::{Code, Refusal},
    staff::role::Role,
    time::{Timestamp, shanghai},
    words::Bilingual,
};
use storage::{
    Conn,
    network::roster::coverage::{self as store, GapRow, ShiftCount},
};

/// How far coverage is shown.
const WINDOW: TimeDelta = TimeDelta::hours(72);
/// A gap is told of when it begins within this time.
const NOTICE: TimeDelta = TimeDelta::hours(24);
/// Gaps in one letter, at most: what does not fit is in the next one. Our default.
const GAPS_IN_A_LETTER: usize = 40;
const JOB: Job = Job::new("coverage-gaps");

/// Whose coverage is asked for.
#[derive(Debug, Clone, Copy, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct CoverageQuery {
    /// One hospital; without it, all that the caller sees.
    #[param(inline)]
    pub hospital_id: Option<HospitalId>,
}

/// How departments are covered.
#[derive(Debug, Serialize, ToSchema)]
pub struct CoverageView {
    /// Now.
    pub from: DateTime<Utc>,
    /// 72 hours later.
    pub until: DateTime<Utc>,
    /// By code: every department of the network; of a hospital those for which it has a doctor, also if
    /// no licence is valid now.
    pub departments: Vec<DepartmentCoverage>,
}

/// How one department is covered.
#[derive(Debug, Serialize, ToSchema)]
pub struct DepartmentCoverage {
    /// Its code.
    pub department: String,
    /// Doctors with a verified and valid licence, on shift or not.
    pub doctors: u32,
    /// The whole time in order; spans that follow each other differ.
    pub spans: Vec<CoverageSpan>,
    /// Where nobody is on shift.
    pub gaps: Vec<CoverageGap>,
}

/// So many doctors are on shift.
#[derive(Debug, Serialize, ToSchema)]
pub struct CoverageSpan {
    pub from: DateTime<Utc>,
    pub until: DateTime<Utc>,
    pub doctors: u32,
}

/// Nobody is on shift.
#[derive(Debug, Serialize, ToSchema)]
pub struct CoverageGap {
    pub from: DateTime<Utc>,
    pub until: DateTime<Utc>,
}

/// The coverage of the next 72 hours, from two statements.
///
/// # Errors
/// `NotFound` for a hospital that the caller does not see.
pub fn coverage(
    conn: &mut Conn,
    app: &AppState,
    caller: StaffCaller,
    query: CoverageQuery,
) -> Result<CoverageView, Failure> {
    let hospital = match (Scope::of(caller)?, query.hospital_id) {
        (Scope::Hospital(own), Some(asked)) if own != asked => return Err(Code::NotFound.into()),
        (Scope::Hospital(own), _) => Some(own),
        (Scope::Network, asked) => asked,
    };
    if let (Scope::Network, Some(asked)) = (Scope::of(caller)?, hospital) {
        storage::network::listing::hospital_code(conn, asked)?.ok_or(Code::NotFound)?;
    }
    let window = Span { from: app.now(), until: app.now() + WINDOW };
    let covered = Covered::read(conn, hospital, window)?;
    let groups = match hospital {
        Some(_) => covered.of(|_, department| department),
        None => covered.of_network(app),
    };
    let departments =
        groups.into_iter().map(|(department, one)| department_view(department, &one, window)).collect();
    Ok(CoverageView { from: window.from, until: window.until, departments })
}

fn department_view(department: Department, one: &One, window: Span) -> DepartmentCoverage {
    let levels = levels(window, &one.shifts);
    DepartmentCoverage {
        department: department.as_str().to_owned(),
        doctors: one.doctors,
        gaps: gaps(&levels).into_iter().map(|gap| CoverageGap { from: gap.from, until: gap.until }).collect(),
        spans: levels.into_iter().map(span).collect(),
    }
}

fn span(level: Level) -> CoverageSpan {
    CoverageSpan { from: level.span.from, until: level.span.until, doctors: level.doctors }
}

/// The shifts of a window, and the doctors there are.
struct Covered {
    shifts: Vec<ShiftCount>,
    doctors: Vec<(HospitalId, Department, i64)>,
}

/// What is known of one department, or of one hospital's.
#[derive(Default)]
struct One {
    doctors: u32,
    shifts: Vec<Level>,
}

impl Covered {
    fn read(conn: &mut Conn, hospital: Option<HospitalId>, window: Span) -> Result<Self, Failure> {
        let doctors = store::doctor_counts(conn, hospital, window.from)?;
        let shifts = store::shift_counts(conn, hospital, window)?;
        Ok(Self { shifts, doctors })
    }

    /// By department, in the order of their codes: all that the network has. Without doctors it has a gap
    /// from end to end.
    fn of_network(&self, app: &AppState) -> BTreeMap<Department, One> {
        let mut groups = self.of(|_, department| department);
        for record in app.departments().iter() {
            groups.entry(record.code).or_default();
        }
        groups
    }

    /// Grouped by a key, in its order. What has no doctors is left out: no hospital has them all.
    fn of<K: Ord>(&self, key: impl Fn(HospitalId, Department) -> K) -> BTreeMap<K, One> {
        let mut groups = BTreeMap::<K, One>::new();
        for (hospital, department, doctors) in &self.doctors {
            groups.entry(key(*hospital, *department)).or_default().doctors += count(*doctors);
        }
        for shift in &self.shifts {
            if let Some(one) = groups.get_mut(&key(shift.hospital, shift.department)) {
                one.shifts.extend(level(shift));
            }
        }
        groups
    }
}

fn count(rows: i64) -> u32 {
    u32::try_from(rows).unwrap_or(0)
}

/// The part of a shift in which the doctors' licences are valid.
fn level(shift: &ShiftCount) -> Option<Level> {
    let after = shift.licence_valid_until.succ_opt()?.and_time(NaiveTime::MIN);
    let ends = shanghai().from_local_datetime(&after).single()?.with_timezone(&Utc);
    let span = Span::new(shift.starts_at, shift.ends_at.min(ends))?;
    Some(Level { span, doctors: count(shift.doctors) })
}

/// Whose gap it is: the network's, or one hospital's.
type Whose = (Option<HospitalId>, Department);

/// Tells operators of gaps of the network, and coordinators of those of their hospital, which begin
/// within the next 24 hours: once for each extent of a gap. Of a hospital without a coordinator operators
/// hear how many gaps nobody there was told of.
///
/// # Errors
/// Faults of the storage; `Incomplete` when it failed, to be tried again by the next round.
pub async fn tell_of_gaps(app: &Arc<AppState>) -> Result<usize, Failure> {
    rounds::one(app, JOB, tell).await.outcome()
}

fn tell(tx: &mut Tx<'_>) -> Result<usize, Failure> {
    // Another instance that looks at the same time waits here, and then finds what was told.
    let seen_until = store::round_lock(tx.conn)?.map(|ran_at| ran_at + WINDOW);
    let window = Span { from: tx.now, until: tx.now + WINDOW };
    let covered = Covered::read(tx.conn, None, window)?;
    let mut told = HashMap::<Whose, Vec<GapRow>>::new();
    for row in store::gaps_told(tx.conn)? {
        told.entry((row.hospital, row.department)).or_default().push(row);
    }
    let network = covered.of_network(tx.app).into_iter().map(|(department, one)| ((None, department), one));
    let hospitals = covered.of(|hospital, department| (Some(hospital), department));
    let (mut news, mut kept) = (Vec::new(), Vec::new());
    let mut gone: Vec<CoverageGapId> = Vec::new();
    for (whose, one) in network.chain(hospitals) {
        let rows = told.remove(&whose).unwrap_or_default();
        let spans: Vec<Span> =
            rows.iter().map(|row| Span { from: row.starts_at, until: row.ends_at }).collect();
        let Compared { mut known, news: fresh } =
            compare(&gaps(&levels(window, &one.shifts)), &spans, tx.now + NOTICE, seen_until);
        // Time that has passed changes no row.
        for (row, span) in rows.iter().zip(&spans) {
            match known.iter().position(|one| window.common(*span) == Some(*one)) {
                Some(at) => drop(known.swap_remove(at)),
                None => gone.push(row.id),
            }
        }
        let of = |span| (whose.0, whose.1, span);
        kept.extend(known.into_iter().map(of));
        news.extend(fresh.into_iter().map(of));
    }
    // A hospital that has no doctor of a department any more.
    gone.extend(told.into_values().flatten().map(|row| row.id));
    store::gaps_remove(tx.conn, &gone)?;
    store::gaps_add(tx.conn, &kept, tx.now)?;
    store::round_ran(tx.conn, tx.now)?;
    if news.is_empty() {
        return Ok(0);
    }
    let readers = store::gap_readers(tx.conn)?;
    let unheard = unheard(tx.conn, &readers, &news)?;
    for (reader, role, hospital) in readers {
        let of = |whose| news.iter().filter(move |(of, ..)| *of == whose);
        let line = |(_, department, gap): &Fresh| line(&tx.app.departments().label(*department), *gap);
        let lines: Vec<String> = match (role, hospital) {
            (Role::Operator, _) => of(None).map(line).chain(unheard.iter().cloned()).collect(),
            (_, Some(hospital)) => of(Some(hospital)).map(line).collect(),
            (_, None) => Vec::new(),
        };
        write_to(tx, reader, &lines)?;
    }
    Ok(news.len())
}

/// A gap that must be told.
type Fresh = (Option<HospitalId>, Department, Span);

/// A line for each hospital with gaps that nobody reads of, because it has no coordinator.
fn unheard(
    conn: &mut Conn,
    readers: &[(StaffId, Role, Option<HospitalId>)],
    fresh: &[Fresh],
) -> Result<Vec<String>, Failure> {
    let mut gaps = HashMap::<HospitalId, usize>::new();
    for hospital in fresh.iter().filter_map(|(hospital, ..)| *hospital) {
        if !readers.iter().any(|(_, role, of)| *role == Role::Coordinator && *of == Some(hospital)) {
            *gaps.entry(hospital).or_default() += 1;
        }
    }
    if gaps.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<HospitalId> = gaps.keys().copied().collect();
    let named = store::hospital_names(conn, &ids)?;
    let line = |(id, zh, en): (HospitalId, String, String)| {
        let count = gaps.get(&id).copied().unwrap_or_default();
        format!(
            "{zh}：该院没有排班协调员，{count} 个空缺未通知任何人 / {en}: no coordinator, nobody there was told of \
             {count} gaps"
        )
    };
    Ok(named.into_iter().map(line).collect())
}

fn write_to(tx: &mut Tx<'_>, reader: StaffId, lines: &[String]) -> Result<(), Failure> {
    for part in lines.chunks(GAPS_IN_A_LETTER) {
        let text = format!("{}\n\n{}", part.join("\n"), tx.app.public_url);
        letter::write(tx, LetterKind::CoverageGap, reader, None, &text)?;
    }
    Ok(())
}

/// `皮肤科 dermatology: 2026-11-24 22:00 - 2026-11-25 07:00`, in local time.
fn line(department: &Bilingual, gap: Span) -> String {
    let local = |at: Timestamp| at.with_timezone(&shanghai()).format("%Y-%m-%d %H:%M");
    format!("{} {}: {} - {}", department.zh, department.en, local(gap.from), local(gap.until))
}

/// A question of staffing.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StaffingInput {
    /// Arrivals per second times mean handling time in seconds.
    #[schema(minimum = 0, maximum = 100_000)]
    pub offered_erlangs: f64,
    /// Consultations that are served at a time.
    #[schema(minimum = 1, maximum = 1_000_000)]
    pub doctors: i64,
    /// Mean seconds of a consultation.
    #[schema(minimum = 1, maximum = 86_400)]
    pub mean_handling_s: f64,
    /// Whoever is served within these seconds is served in time.
    #[schema(minimum = 0, maximum = 86_400)]
    pub target_s: f64,
    /// The wanted share of workers who are served in time.
    #[schema(minimum = 0, maximum = 0.9999)]
    pub service_level: Option<f64>,
}

/// The answer to a question of staffing, by Erlang C. Source: Erlang C, computed from the Erlang B
/// recursion.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub struct StaffingView {
    /// Whether the load is more than these doctors can ever serve: the queue grows without limit, and
    /// there are no other figures.
    pub overloaded: bool,
    /// Share of workers who have to wait.
    pub p_wait: Option<f64>,
    /// Mean wait of all workers, in seconds.
    pub mean_wait_s: Option<f64>,
    /// Share of workers who are served in time.
    pub service_level: Option<f64>,
    /// The fewest doctors that reach the wanted share; null when none was asked for.
    pub doctors_needed: Option<u32>,
}

/// Answers a question of staffing.
///
/// # Errors
/// `InvalidField` for figures that the schema should have refused.
pub fn estimate(input: &StaffingInput) -> Result<StaffingView, Failure> {
    let StaffingInput { offered_erlangs, doctors, mean_handling_s, target_s, service_level } = *input;
    let doctors = u32::try_from(doctors).map_err(|_| Refusal::out_of_range("doctors"))?;
    let question = StaffingQuestion { offered_erlangs, doctors, mean_handling_s, target_s, service_level };
    let answer = staffing(&question).ok_or_else(|| Refusal::out_of_range("offered_erlangs"))?;
    let figure = |of: fn(QueueForecast) -> f64| answer.forecast.map(of);
    Ok(StaffingView {
        overloaded: answer.forecast.is_none(),
        p_wait: figure(|forecast| forecast.p_wait),
        mean_wait_s: figure(|forecast| forecast.mean_wait_s),
        service_level: figure(|forecast| forecast.service_level),
        doctors_needed: answer.doctors_needed,
    })
}
