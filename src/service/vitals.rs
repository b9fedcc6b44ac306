//! Readings of one check-in, and what they mean.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::{Failure, Hearers, House, Tx, caller::WorkerCaller, me};
use crate::{
    domain::{
        formulary::Condition,
        ids::{CheckInId, ReadingId},
        refusal::{Code, FieldProblem, Refusal},
        time::civil_day,
        triage::{
            Applicability, News2Input, News2Score, RedFlag, SymptomFlag, TriageFacts, TriageLevel,
            TriageReason, applicability, news2, triage,
        },
        vitals::{
            AssessmentContext, ReadingInput, ReadingKind, ValidReading, VitalFinding, VitalRules, assess_all,
            validate_all,
        },
        words::Bilingual,
    },
    storage::{
        Conn,
        readings::{self as store, ReadingPlace, ReadingRow},
        workers,
    },
};

/// At most this many readings in one request.
const MOST_AT_ONCE: usize = 20;

/// Readings as a station's devices measured them.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReadingsInput {
    /// 1 to 20 readings.
    #[schema(min_items = 1, max_items = 20)]
    pub readings: Vec<ReadingInput>,
    /// What NEWS2 needs beside readings; it replaces what was said before.
    pub context: Option<AssessmentContext>,
}

/// A stored reading.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ReadingView {
    /// Which reading.
    pub id: ReadingId,
    /// What was measured.
    pub kind: ReadingKind,
    /// The value, in `unit`.
    pub value: i64,
    /// The diastolic value of a blood pressure.
    pub second: Option<i64>,
    /// UCUM code; it says the scale.
    pub unit: String,
    /// The measuring device.
    pub device: String,
    /// For glucose.
    pub fasting: Option<bool>,
    /// When.
    pub measured_at: DateTime<Utc>,
    /// For people: `37.2 Cel`.
    pub display: String,
}

/// What the readings of a check-in mean together.
#[derive(Debug, Serialize, ToSchema)]
pub struct TriageView {
    /// How soon a doctor must see the worker.
    pub level: TriageLevel,
    /// Why.
    pub reasons: Vec<TriageReason>,
    /// Shown at once, with the emergency number.
    pub red_flags: Vec<RedFlag>,
    /// The score; none where NEWS2 does not hold for this person.
    pub news2: Option<News2Score>,
    /// Whether NEWS2 holds for this person.
    pub news2_applicability: Applicability,
    /// What each reading means.
    pub findings: Vec<VitalFinding>,
}

/// The stored readings, and what they mean with the earlier ones.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReadingsStored {
    /// The new ones.
    pub readings: Vec<ReadingView>,
    /// All of this check-in together.
    pub triage: TriageView,
}

/// All readings of a check-in.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReadingsView {
    /// Oldest first.
    pub items: Vec<ReadingView>,
}

/// Stores readings of the caller's check-in.
///
/// # Errors
/// One problem per bad field, with the allowed range; `ConsentMissing`.
pub fn record(
    tx: &mut Tx<'_>,
    caller: WorkerCaller,
    input: &ReadingsInput,
) -> Result<ReadingsStored, Failure> {
    let valid = check(input, tx)?;
    me::hold_care_consent(tx, caller.worker)?;
    let place = ReadingPlace { check_in: caller.check_in, worker: caller.worker, station: caller.station };
    let ids = store::readings_add(tx.conn, place, &valid, tx.now)?;
    if let Some(context) = &input.context {
        store::context_set(tx.conn, caller.check_in, context)?;
    }
    let kinds: Vec<ReadingKind> = valid.iter().map(|reading| reading.kind).collect();
    let payload = json!({"check_in": caller.check_in, "kinds": kinds});
    tx.record("check_in", caller.check_in, "readings.recorded", payload, Hearers::worker(caller.worker))?;
    let all = store::readings_of_check_in(tx.conn, caller.check_in)?;
    let new = all.iter().filter(|row| ids.contains(&row.id)).map(view).collect();
    Ok(ReadingsStored { readings: new, triage: assess(tx.conn, tx.house, caller, &[])? })
}

/// The readings of a check-in.
pub fn list(conn: &mut Conn, check_in: CheckInId) -> Result<ReadingsView, Failure> {
    let items = store::readings_of_check_in(conn, check_in)?.iter().map(view).collect();
    Ok(ReadingsView { items })
}

/// What the readings of the caller's check-in mean, with what the worker says.
pub fn assess(
    conn: &mut Conn,
    house: &House,
    caller: WorkerCaller,
    symptoms: &[SymptomFlag],
) -> Result<TriageView, Failure> {
    let worker = workers::worker_fetch(conn, caller.worker)?.ok_or(Code::NotFound)?;
    let context = store::context_fetch(conn, caller.check_in)?;
    let latest = latest_of_each_kind(store::readings_of_check_in(conn, caller.check_in)?);
    let today = civil_day(house.now());
    let age = worker.birth_date.and_then(|born| today.years_since(born));
    let (_, profile) = super::profile::fetch(conn, house, caller.worker)?;
    let applicability = applicability(age, profile.pregnant == Some(true));
    let score = match applicability {
        Applicability::Applicable => {
            Some(news2(&News2Input::from_readings(&latest, &context)).map_err(Refusal::fields)?)
        }
        Applicability::UnderSixteen | Applicability::Pregnant => None,
    };
    // Who was never asked has not said "no".
    let diabetic = profile.conditions.as_ref().map(|known| known.contains(&Condition::Diabetes));
    let findings = assess_all(&latest, diabetic, &VitalRules::default());
    let decision = triage(&TriageFacts {
        news2: score.as_ref(),
        symptoms,
        findings: &findings,
        consciousness: context.consciousness,
    });
    Ok(TriageView {
        level: decision.level,
        reasons: decision.reasons,
        red_flags: decision.red_flags,
        news2: score,
        news2_applicability: applicability,
        findings,
    })
}

/// Scores a set of readings without storing anything.
///
/// # Errors
/// One problem per value that is out of range.
pub fn score(input: &News2Input) -> Result<News2Score, Failure> {
    Ok(news2(input).map_err(Refusal::fields)?)
}

/// A reading as its reader sees it.
pub fn view(row: &ReadingRow) -> ReadingView {
    let range = row.kind.range();
    let shown = match row.second {
        Some(second) => format!("{}/{}", range.show(row.value), range.show(second)),
        None => range.show(row.value),
    };
    ReadingView {
        id: row.id,
        kind: row.kind,
        value: row.value,
        second: row.second,
        unit: row.unit.clone(),
        device: row.device.clone(),
        fasting: row.fasting,
        measured_at: row.measured_at,
        display: format!("{shown} {}", range.display_unit),
    }
}

fn check(input: &ReadingsInput, tx: &Tx<'_>) -> Result<Vec<ValidReading>, Failure> {
    if input.readings.is_empty() || input.readings.len() > MOST_AT_ONCE {
        let message = Bilingual::fixed("一次须提交 1 到 20 项测量", "send 1 to 20 readings at once");
        return Err(Refusal::field("readings", "out_of_range", message).into());
    }
    let mut problems: Vec<FieldProblem> = Vec::new();
    if let Some(scale) = input.context.and_then(|context| context.spo2_scale)
        && !(1..=2).contains(&scale)
    {
        problems.push(FieldProblem {
            field: "context.spo2_scale".to_owned(),
            code: "out_of_range".to_owned(),
            message: Bilingual::fixed("须为 1 或 2", "must be 1 or 2"),
        });
    }
    match validate_all(&input.readings, tx.now) {
        Ok(valid) if problems.is_empty() => Ok(valid),
        Ok(_) => Err(Refusal::fields(problems).into()),
        Err(more) => {
            problems.extend(more);
            Err(Refusal::fields(problems).into())
        }
    }
}

/// A later reading of the same kind replaces the earlier one.
fn latest_of_each_kind(rows: Vec<ReadingRow>) -> Vec<ValidReading> {
    let mut latest: Vec<ValidReading> = Vec::new();
    for row in rows {
        latest.retain(|known| known.kind != row.kind);
        latest.push(row.to_valid());
    }
    latest
}
