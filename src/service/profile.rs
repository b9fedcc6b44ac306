//! What a worker says of their own health: one sealed document with a version.
//! A field that is absent is unknown, never "no". An employer never sees it.

use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::{Failure, Hearers, House, Tx, me};
use crate::{
    domain::{
        formulary::Condition,
        ids::WorkerId,
        precondition::Expected,
        refusal::{Code, FieldProblem, Refusal},
        spelling,
        words::Bilingual,
    },
    storage::{Conn, profiles as store},
};

/// Entries in each list at most. [P]
const MOST_ENTRIES: usize = 30;

/// Characters in one entry at most. [P]
const LONGEST_ENTRY: usize = 80;

/// A health profile; absent means unknown.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HealthProfile {
    /// Tenths of a kilogram.
    #[schema(minimum = 20, maximum = 3000)]
    pub weight_kg_tenths: Option<i64>,
    /// Pregnant now?
    pub pregnant: Option<bool>,
    /// Breast feeding now?
    pub breastfeeding: Option<bool>,
    /// Classes (`penicillins`, `nsaids`, ...), international names or other texts.
    #[schema(value_type = Vec<spelling::ProfileEntry>, max_items = 30)]
    pub allergies: Vec<String>,
    /// Known conditions.
    #[schema(max_items = 30)]
    pub conditions: Vec<Condition>,
    /// What the worker takes, by international name or another text.
    #[schema(value_type = Vec<spelling::ProfileEntry>, max_items = 30)]
    pub medicines: Vec<String>,
    /// Estimated glomerular filtration rate, mL/min/1.73 m2.
    #[schema(minimum = 1, maximum = 250)]
    pub egfr: Option<i64>,
    /// Creatinine clearance, mL/min.
    #[schema(minimum = 1, maximum = 250)]
    pub creatinine_clearance: Option<i64>,
}

/// A worker's profile with its version; version 0 is one that was never written.
///
/// # Errors
/// What the storage said.
pub fn fetch(conn: &mut Conn, house: &House, worker: WorkerId) -> Result<(i64, HealthProfile), Failure> {
    match store::profile_fetch(conn, worker)? {
        None => Ok((0, HealthProfile::default())),
        Some(row) => {
            let body = house.open("health_profile", "body_sealed", worker, &row.body_sealed)?;
            Ok((row.version, serde_json::from_str(&body)?))
        }
    }
}

/// Writes the whole profile over the version that its writer saw.
///
/// # Errors
/// One problem per bad field; `ConsentMissing`; `PreconditionFailed` when the
/// profile was written in between.
pub fn put(
    tx: &mut Tx<'_>,
    worker: WorkerId,
    expected: &Expected,
    input: HealthProfile,
) -> Result<(i64, HealthProfile), Failure> {
    let problems = problems(&input);
    if !problems.is_empty() {
        return Err(Refusal::fields(problems).into());
    }
    me::hold_care_consent(tx, worker)?;
    let sealed = tx.house.seal("health_profile", "body_sealed", worker, &serde_json::to_string(&input)?)?;
    let stands = |tx: &mut Tx<'_>| {
        Ok::<_, Failure>(store::profile_fetch(tx.conn, worker)?.map_or(0, |row| row.version))
    };
    let current = stands(tx)?;
    let mut version = expected.resolve(current)?;
    // Another writer may come in between; `*` then means their version.
    while !store::profile_put(tx.conn, worker, version, &sealed, tx.now)? {
        let newer = stands(tx)?;
        if newer <= version {
            return Err(Code::PreconditionFailed.into());
        }
        version = expected.resolve(newer)?;
    }
    let payload = json!({"version": version + 1});
    tx.record("health_profile", worker, "profile.updated", payload, Hearers::worker(worker))?;
    Ok((version + 1, input))
}

fn problems(input: &HealthProfile) -> Vec<FieldProblem> {
    let mut problems = Vec::new();
    let mut bad = |field: String, code: &str, zh: String, en: String| {
        problems.push(FieldProblem { field, code: code.to_owned(), message: Bilingual::made(zh, en) });
    };
    let numbers = [
        ("weight_kg_tenths", input.weight_kg_tenths, 20, 3000),
        ("egfr", input.egfr, 1, 250),
        ("creatinine_clearance", input.creatinine_clearance, 1, 250),
    ];
    for (field, value, least, most) in numbers {
        if value.is_some_and(|value| value < least || value > most) {
            let (zh, en) = (format!("须为 {least} 至 {most}"), format!("must be {least} to {most}"));
            bad(field.to_owned(), "out_of_range", zh, en);
        }
    }
    let counts = [
        ("allergies", input.allergies.len()),
        ("conditions", input.conditions.len()),
        ("medicines", input.medicines.len()),
    ];
    for (field, count) in counts {
        if count > MOST_ENTRIES {
            let (zh, en) = (format!("最多 {MOST_ENTRIES} 项"), format!("at most {MOST_ENTRIES} entries"));
            bad(field.to_owned(), "too_many", zh, en);
        }
    }
    for (field, entries) in [("allergies", &input.allergies), ("medicines", &input.medicines)] {
        for (at, entry) in entries.iter().enumerate() {
            let length = entry.trim().chars().count();
            if length == 0 || length > LONGEST_ENTRY || entry.chars().any(char::is_control) {
                let zh = format!("须为 1 至 {LONGEST_ENTRY} 个字符");
                let en = format!("must have 1 to {LONGEST_ENTRY} characters");
                bad(format!("{field}[{at}]"), "out_of_range", zh, en);
            }
        }
    }
    problems
}
