//! Gathers the input of the safety check. It reads every vend of a worker, whoever prescribed it; a
//! doctor sees only the finding. It stores nothing and decides nothing: the rules do.

use std::collections::HashMap;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::names::DrugNamesView;
use crate::{
    AppState, Failure,
    formulary::TwoLanguages,
    profile::{self, HealthProfile},
};
use domain::{
    formulary::ProductCode,
    ids::{OrderId, PrescriptionId, StationId, WorkerId},
    network::Job,
    order::UnitState,
    prescription::{PrescribingPolicy, StatedSkinTest},
    refusal::{Code, FieldProblem, Refusal},
    safety::{
        DraftLine, Profile, SafetyInput, SafetyReport, Severity, SkinTestResult, Taken, Verdict, check,
    },
    spelling,
    time::{Timestamp, civil_day},
    vitals::{Beyond, ReadingKind},
    words::Bilingual,
};
use storage::{
    Conn,
    network::worker::WorkerRow,
    safety::{self as store, Courses, NewestReading, PersonNow},
};

/// The readings that count.
const READ: &[ReadingKind] =
    &[ReadingKind::BloodPressure, ReadingKind::BreathAlcohol, ReadingKind::Weight, ReadingKind::Temperature];

/// A line as a doctor writes it.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LineInput {
    #[schema(value_type = spelling::ProductCode)]
    pub product_code: String,
    /// Thousandths of a unit at a time: 1000 is one tablet.
    #[schema(minimum = 1, maximum = 1_000_000, example = 1000)]
    pub dose_units_thousandths: i64,
    /// How often a day; the policy sets the maximum.
    #[schema(minimum = 1, example = 3)]
    pub times_per_day: u32,
    /// For how many days; the policy sets the maximum.
    #[schema(minimum = 1, example = 3)]
    pub days: u32,
}

/// A skin test for penicillins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SkinTestInput {
    pub result: SkinTestResult,
    /// When the result was read; not later than now.
    pub at: DateTime<Utc>,
}

impl SkinTestInput {
    /// # Errors
    /// A problem of `skin_test.at` for a time in the future.
    pub(crate) fn check(&self, now: Timestamp) -> Result<(), Refusal> {
        let words = Bilingual::fixed("皮试时间不得晚于现在", "the skin test cannot be later than now");
        if self.at > now { Err(Refusal::field("skin_test.at", "out_of_range", words)) } else { Ok(()) }
    }

    pub(crate) const fn stated(self) -> StatedSkinTest {
        StatedSkinTest { result: self.result, at: self.at }
    }
}

impl From<StatedSkinTest> for SkinTestInput {
    fn from(test: StatedSkinTest) -> Self {
        Self { result: test.result, at: test.at }
    }
}

/// One thing that a rule found.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct FindingView {
    /// The stable code of the rule.
    pub rule: String,
    /// How severe.
    pub severity: Severity,
    /// The lines it is about, counted from 0.
    pub lines: Vec<usize>,
    /// The sentence for people.
    pub message: TwoLanguages,
    /// Where the rule comes from.
    pub source: String,
}

/// What a check found.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct SafetyReportView {
    /// The overall result; `ok` does not guarantee safety.
    pub verdict: Verdict,
    /// The most severe first.
    pub findings: Vec<FindingView>,
    /// The version of the rules.
    pub ruleset_version: String,
    /// How the names of medicines and allergies were understood; in the answer to a check only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub names: Option<DrugNamesView>,
}

impl From<&SafetyReport> for SafetyReportView {
    fn from(report: &SafetyReport) -> Self {
        let findings = report.findings.iter().map(|finding| FindingView {
            rule: finding.rule.clone().into_owned(),
            severity: finding.severity,
            lines: finding.lines.clone(),
            message: TwoLanguages::from(&finding.message),
            source: finding.source.clone().into_owned(),
        });
        Self {
            verdict: report.verdict,
            findings: findings.collect(),
            ruleset_version: report.ruleset_version.clone(),
            names: None,
        }
    }
}

/// Runs the rules in force.
pub fn run(app: &AppState, input: &SafetyInput) -> SafetyReport {
    check(input, &app.formulary(), &app.rules())
}

/// As [`run`], for lines that would be new: what the formulary of `station`, or of the network, leaves out is
/// blocked. Lines that were signed are not asked again.
pub fn run_new(app: &AppState, input: &SafetyInput, station: Option<StationId>) -> SafetyReport {
    let formulary = app.formulary();
    let left_out = app.selection(station).findings(&input.lines, &formulary);
    let report = check(input, &formulary, &app.rules());
    if left_out.is_empty() { report } else { report.with(left_out) }
}

/// Converts lines of a request to the domain's type.
///
/// # Errors
/// One problem per product code that is none.
pub fn lines_of(inputs: &[LineInput]) -> Result<Vec<DraftLine>, Refusal> {
    let (mut lines, mut problems) = (Vec::with_capacity(inputs.len()), Vec::new());
    for (at, input) in inputs.iter().enumerate() {
        match ProductCode::parse(&input.product_code) {
            Some(product) => lines.push(DraftLine {
                product,
                dose_units_thousandths: input.dose_units_thousandths,
                times_per_day: input.times_per_day,
                days: input.days,
            }),
            None => problems.push(FieldProblem {
                field: format!("lines[{at}].product_code"),
                code: "bad_format".to_owned(),
                message: Bilingual::fixed("药品编码无效", "this is no product code"),
            }),
        }
    }
    if problems.is_empty() { Ok(lines) } else { Err(Refusal::fields(problems)) }
}

/// Whose facts a check reads, and which it leaves out.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Whose<'a> {
    /// Whose profile and readings.
    pub worker: WorkerId,
    /// Whose packs and prescriptions: the worker's, and at a sale those of
    /// everybody who counts as the same person.
    pub person: &'a [WorkerId],
    /// The prescription that the lines belong to; its own packs are left out.
    pub prescription: Option<PrescriptionId>,
    /// The order that the lines belong to; its own packs are left out.
    pub order: Option<OrderId>,
}

/// What a check reads of a worker: its input, and the rows that it comes from.
#[derive(Debug)]
pub struct Gathered {
    pub input: SafetyInput,
    pub worker: WorkerRow,
    /// What the worker states about themselves.
    pub profile: HealthProfile,
    /// The newest temperature that still counts.
    pub temperature: Option<NewestReading>,
}

/// The input of a check of `lines` for `worker`. `except` is the prescription that the lines belong
/// to; its own packs are left out.
///
/// # Errors
/// Faults of the storage; a stored code that cannot be parsed.
pub fn gather(
    conn: &mut Conn,
    app: &AppState,
    worker: WorkerId,
    lines: Vec<DraftLine>,
    except: Option<PrescriptionId>,
    now: Timestamp,
) -> Result<Gathered, Failure> {
    let whose = Whose { worker, person: &[worker], prescription: except, order: None };
    gather_for(conn, app, &whose, lines, now)
}

/// As [`gather`], for a person who may have several rows.
///
/// # Errors
/// As there.
pub(crate) fn gather_for(
    conn: &mut Conn,
    app: &AppState,
    whose: &Whose<'_>,
    lines: Vec<DraftLine>,
    now: Timestamp,
) -> Result<Gathered, Failure> {
    let reads = store::Whose { worker: whose.worker, person: whose.person, except: whose.prescription };
    let measured_since = now - TimeDelta::hours(i64::from(app.policy.prescribing.reading_hours));
    let taken_since = now - TimeDelta::days(i64::from(PrescribingPolicy::LONGEST_COURSE_DAYS) + 1);
    let found = store::person_now(conn, reads, READ, (measured_since, taken_since), now)?;
    let (PersonNow { worker: row, profile, newest }, courses) = found.ok_or(Code::NotFound)?;
    let known = profile::opened(app, whose.worker, profile.as_ref())?;
    // The rules ask whether a limit is reached. HI of a cuff or of a breath tester
    // reaches every limit that the device can measure; LO reaches none.
    let value_of = |kind: ReadingKind| -> Option<(i64, Option<i64>)> {
        let (value, second, beyond) = *newest.get(&kind)?;
        match beyond {
            Some(Beyond::High) if kind != ReadingKind::Weight => Some((kind.range().max, None)),
            Some(_) => None,
            None => value.map(|value| (value, second)),
        }
    };
    let pressure = value_of(ReadingKind::BloodPressure);
    let breath = value_of(ReadingKind::BreathAlcohol);
    let weight = value_of(ReadingKind::Weight);
    let mut taking = vended(courses, whose, now)?;
    let reported = known.known_medicines().iter().cloned();
    taking.extend(reported.map(|medicine| Taken::Reported { medicine, day_ug: None }));
    let who = profile::stated(&row, &known);
    let profile = Profile {
        birth_date: who.birth_date,
        age_years: None,
        // Scales read tenths of a kilogram, and so does the profile.
        weight_g: weight.map(|(value, _)| value).or(known.weight_kg_tenths).map(|tenths| tenths * 100),
        sex: who.sex,
        pregnant: known.pregnant,
        breastfeeding: known.breastfeeding,
        allergies: known.known_allergies().to_vec(),
        conditions: known.known_conditions().to_vec(),
        egfr: known.egfr,
        creatinine_clearance: known.creatinine_clearance,
        breath_alcohol: breath.map(|(micrograms, _)| blood_alcohol(micrograms)),
        systolic: pressure.map(|(systolic, _)| systolic),
        diastolic: pressure.and_then(|(_, diastolic)| diastolic),
        works_at_height: who.job == Some(Job::ConstructionAtHeight),
        job: who.job,
        temperature_tenths: value_of(ReadingKind::Temperature).map(|(tenths, _)| tenths),
        dehydrated: false,
        skin_test: None,
        diagnoses: Vec::new(),
    };
    let temperature = newest.get(&ReadingKind::Temperature).copied();
    let input = SafetyInput { on: civil_day(now), lines, taking, profile };
    Ok(Gathered { input, worker: row, profile: known, temperature })
}

/// Breath in micrograms a litre as blood in mg/100 mL: breath mg/L x 220 (source: the project's
/// clinical rules, vitals). Rounded up, so that a measured value never becomes 0.
fn blood_alcohol(micrograms: i64) -> i64 {
    (micrograms * 220 + 999) / 1000
}

/// Packs that were vended and are still being taken, packs that may still be vended, and lines of
/// other prescriptions in effect. A course counts once, however many packs it has.
fn vended(known: Courses, whose: &Whose<'_>, now: Timestamp) -> Result<Vec<Taken>, Failure> {
    let except = whose.prescription;
    let today = civil_day(now);
    let last_day = |from: NaiveDate, days: i32| from + TimeDelta::days(i64::from(days.max(1)) - 1);
    let mut courses: HashMap<_, Taken> = HashMap::new();
    for line in known.prescribed {
        let course = Taken::Vended {
            product: code_of(&line.product_code)?,
            units_per_day_thousandths: line
                .dose_units_thousandths
                .saturating_mul(i64::from(line.times_per_day)),
            until: last_day(today, line.days),
            in_doubt: false,
        };
        let key = (line.prescription_id.uuid(), Some(line.line_no), line.product_code);
        courses.insert(key, course);
    }
    // The newest pack of a course comes last and so determines how long it is taken.
    for unit in known.taken.into_iter().rev() {
        let from = unit.ended_at.filter(|_| unit.state == UnitState::Dispensed).map_or(today, civil_day);
        let ours = (except.is_some() && unit.prescription_id == except) || whose.order == Some(unit.order_id);
        if ours || last_day(from, unit.days) < today {
            continue;
        }
        let course = Taken::Vended {
            product: code_of(&unit.product_code)?,
            units_per_day_thousandths: unit.daily_units_thousandths,
            until: last_day(from, unit.days),
            in_doubt: unit.state == UnitState::InDoubt,
        };
        let source = unit.prescription_id.map_or(unit.order_id.uuid(), |id| id.uuid());
        courses.insert((source, unit.line_no, unit.product_code), course);
    }
    Ok(courses.into_values().collect())
}

fn code_of(text: &str) -> Result<ProductCode, Failure> {
    ProductCode::parse(text).ok_or_else(|| Failure::inconsistent(format!("a stored product code: {text}")))
}
