//! What a worker states about their own health: one sealed document with a version. An absent field
//! is unknown, never "no"; an empty list means that the question was asked and the answer was none.
//! An employer never sees it.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{AppState, Failure, Recipients, Tx, caller::WorkerCaller, triage};
use crate::{
    network::me,
    safety::names::{DrugNamesView, understood},
};
use domain::{
    event::care::HealthProfileEvent,
    formulary::Condition,
    ids::WorkerId,
    network::{Job, Sex, Stated},
    precondition::Expected,
    refusal::{Code, FieldProblem, Refusal},
    safety::means_none,
    spelling,
    time::{Timestamp, civil_day},
    words::Bilingual,
};
use storage::{
    Conn,
    network::worker::WorkerRow,
    profile::{self as store, ProfileRow},
};

/// The maximum number of entries in each list. Our default.
const MOST_ENTRIES: usize = 30;

/// The maximum number of characters in one entry. Our default.
const LONGEST_ENTRY: usize = spelling::ProfileEntry::MOST;

/// A birth date further back is a typing error, in years.
const OLDEST_YEARS: u32 = 120;

/// A health profile. Absent or null was never answered; an empty list means none.
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
    #[schema(value_type = Option<Vec<spelling::ProfileEntry>>, max_items = 30)]
    pub allergies: Option<Vec<String>>,
    /// Known conditions.
    #[schema(max_items = 30)]
    pub conditions: Option<Vec<Condition>>,
    /// What the worker takes, by international name or another text.
    #[schema(value_type = Option<Vec<spelling::ProfileEntry>>, max_items = 30)]
    pub medicines: Option<Vec<String>>,
    /// Estimated glomerular filtration rate, mL/min/1.73 m2.
    #[schema(minimum = 1, maximum = 250)]
    pub egfr: Option<i64>,
    /// Creatinine clearance, mL/min.
    #[schema(minimum = 1, maximum = 250)]
    pub creatinine_clearance: Option<i64>,
    /// Day of birth; where the worker's record has another, the later counts.
    pub birth_date: Option<NaiveDate>,
    /// Sex; where the worker's record has another, female counts.
    pub sex: Option<Sex>,
    /// Kind of work; counts where the worker's record has none, and at height.
    pub job: Option<Job>,
    /// How the medicines and allergies were understood, and what could have been meant by the others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub names: Option<DrugNamesView>,
}

/// The worker's personal data from their record and from their profile, the more cautious of both.
pub fn stated(row: &WorkerRow, profile: &HealthProfile) -> Stated {
    row.stated().with(profile.stated())
}

impl HealthProfile {
    /// The personal data that the worker stated.
    pub fn stated(&self) -> Stated {
        Stated { birth_date: self.birth_date, sex: self.sex, job: self.job }
    }

    /// The allergies on file; empty where there are none, and where the question was not asked.
    pub(crate) fn known_allergies(&self) -> &[String] {
        self.allergies.as_deref().unwrap_or_default()
    }

    /// The conditions on file; empty where there are none, and where the question was not asked.
    pub(crate) fn known_conditions(&self) -> &[Condition] {
        self.conditions.as_deref().unwrap_or_default()
    }

    /// The medicines on file; empty where there are none, and where the question was not asked.
    pub(crate) fn known_medicines(&self) -> &[String] {
        self.medicines.as_deref().unwrap_or_default()
    }
}

/// A health profile, as the worker states it. `None`, `NKDA`, `无`, `否认过敏` and the like in a list
/// mean none; the answer shows the list empty.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ProfileInput {
    /// Tenths of a kilogram.
    #[schema(minimum = 20, maximum = 3000)]
    pub weight_kg_tenths: Option<i64>,
    /// Pregnant now?
    pub pregnant: Option<bool>,
    /// Breast feeding now?
    pub breastfeeding: Option<bool>,
    /// Classes (`penicillins`, `nsaids`, ...), international names or other
    /// texts. Empty, or a word for none: no allergy. Null: not answered.
    #[schema(value_type = Option<Vec<spelling::ProfileEntry>>, max_items = 30)]
    pub allergies: Option<Vec<String>>,
    /// Known conditions, by the codes that the answer shows or by their everyday
    /// names in Chinese or English. Empty, or a word for none: no condition.
    /// Null: not answered.
    #[schema(value_type = Option<Vec<spelling::ConditionEntry>>, max_items = 30)]
    pub conditions: Option<Vec<String>>,
    /// What the worker takes, by international name or another text. Empty, or
    /// a word for none: nothing. Null: not answered.
    #[schema(value_type = Option<Vec<spelling::ProfileEntry>>, max_items = 30)]
    pub medicines: Option<Vec<String>>,
    /// Estimated glomerular filtration rate, mL/min/1.73 m2.
    #[schema(minimum = 1, maximum = 250)]
    pub egfr: Option<i64>,
    /// Creatinine clearance, mL/min.
    #[schema(minimum = 1, maximum = 250)]
    pub creatinine_clearance: Option<i64>,
    /// Day of birth; where the worker's record has another, the later counts.
    pub birth_date: Option<NaiveDate>,
    /// Sex; where the worker's record has another, female counts.
    pub sex: Option<Sex>,
    /// Kind of work; counts where the worker's record has none, and at height.
    pub job: Option<Job>,
}

/// The stored document. The older format had no `profile` member and contained every list, also one
/// whose question was not asked: an empty list there means unknown.
#[derive(Serialize, Deserialize)]
struct StoredProfile {
    profile: HealthProfile,
}

/// The JSON document of a profile.
///
/// # Errors
/// A fault if it cannot be written as JSON.
pub fn written(profile: &HealthProfile) -> Result<String, Failure> {
    Ok(serde_json::to_string(&StoredProfile { profile: profile.clone() })?)
}

/// Parses a document written by any version of this program.
///
/// # Errors
/// A fault if it is invalid.
pub fn read(document: &str) -> Result<HealthProfile, Failure> {
    let value: serde_json::Value = serde_json::from_str(document)?;
    if value.get("profile").is_some() {
        return Ok(serde_json::from_value::<StoredProfile>(value)?.profile);
    }
    let mut old: HealthProfile = serde_json::from_value(value)?;
    old.allergies = old.allergies.filter(|list| !list.is_empty()).map(without_none);
    old.medicines = old.medicines.filter(|list| !list.is_empty()).map(without_none);
    old.conditions = old.conditions.filter(|list| !list.is_empty());
    Ok(old)
}

/// An entry next to a word for none is the more cautious answer, so only the word for none is
/// dropped.
fn without_none(list: Vec<String>) -> Vec<String> {
    list.into_iter().filter(|entry| !means_none(entry)).collect()
}

/// A worker's profile with its version; version 0 means that it was never written.
///
/// # Errors
/// Faults of the storage.
pub fn fetch(conn: &mut Conn, app: &AppState, worker: WorkerId) -> Result<(i64, HealthProfile), Failure> {
    let row = store::profile_fetch(conn, worker)?;
    Ok((row.as_ref().map_or(0, |row| row.version), opened(app, worker, row.as_ref())?))
}

/// A profile as its worker sees it: with how its names were understood.
pub fn shown(app: &AppState, mut profile: HealthProfile) -> HealthProfile {
    let names = understood(app, profile.known_medicines(), profile.known_allergies());
    profile.names = Some(names).filter(|names| *names != DrugNamesView::default());
    profile
}

/// A worker and their profile.
///
/// # Errors
/// `NotFound`.
pub(crate) fn person(
    conn: &mut Conn,
    app: &AppState,
    worker: WorkerId,
) -> Result<(WorkerRow, HealthProfile), Failure> {
    let found = storage::triage::facts::worker_and_profile(conn, worker)?;
    let (row, profile) = found.ok_or(Code::NotFound)?;
    let profile = opened(app, worker, profile.as_ref())?;
    Ok((row, profile))
}

/// The profile in a row; nothing is known without one.
pub(crate) fn opened(
    app: &AppState,
    worker: WorkerId,
    row: Option<&ProfileRow>,
) -> Result<HealthProfile, Failure> {
    let Some(row) = row else { return Ok(HealthProfile::default()) };
    read(&app.open("health_profile", "body_sealed", worker, &row.body_sealed)?)
}

/// Replaces the whole profile if its version is the expected one.
///
/// # Errors
/// One problem per bad field, also for a list that contains none and something else;
/// `ConsentMissing`; `PreconditionFailed` when the profile was written in between.
pub fn put(
    tx: &mut Tx<'_>,
    caller: WorkerCaller,
    expected: &Expected,
    input: &ProfileInput,
) -> Result<(i64, HealthProfile), Failure> {
    let worker = caller.worker;
    let profile = normalised(input, tx.now)?;
    me::lock_consent_and_worker(tx, worker)?;
    let mut known = triage::known(tx.conn, tx.app, caller.visit())?;
    let sealed = tx.app.seal("health_profile", "body_sealed", worker, &written(&profile)?)?;
    let stored_version = |tx: &mut Tx<'_>| {
        Ok::<_, Failure>(store::profile_fetch(tx.conn, worker)?.map_or(0, |row| row.version))
    };
    let mut version = expected.resolve(known.profile_version())?;
    // Another writer may come in between; `*` then means their version.
    while !store::profile_put(tx.conn, worker, version, &sealed, tx.now)? {
        let newer = stored_version(tx)?;
        if newer <= version {
            return Err(Code::PreconditionFailed.into());
        }
        version = expected.resolve(newer)?;
    }
    let event = HealthProfileEvent::Updated { version: version + 1, merged_from: None };
    let recipients = Recipients::both(worker, known.doctor());
    tx.record(worker, event, recipients)?;
    // A pregnancy or an illness can make the same readings an emergency.
    known.profile = profile.clone();
    triage::apply_new_fact(tx, &known)?;
    Ok((version + 1, profile))
}

/// Checks and normalises the input.
fn normalised(input: &ProfileInput, now: Timestamp) -> Result<HealthProfile, Refusal> {
    let mut problems = problems(input, now);
    let mut list = |field: &str, list: &Option<Vec<String>>| -> Option<Vec<String>> {
        let entries = list.as_ref()?;
        let none = entries.iter().position(|entry| means_none(entry));
        if let Some(at) = none
            && !entries.iter().all(|entry| means_none(entry))
        {
            let message = Bilingual::fixed(
                "既写“无”又写了别的：请只填其一",
                "says none and names something as well: give one or the other",
            );
            problems.push(FieldProblem {
                field: format!("{field}[{at}]"),
                code: "contradictory".to_owned(),
                message,
            });
        }
        Some(without_none(entries.clone()))
    };
    let allergies = list("allergies", &input.allergies);
    let conditions = list("conditions", &input.conditions);
    let medicines = list("medicines", &input.medicines);
    let conditions = conditions.map(|list| {
        // Unknown ones are refused below.
        let mut known: Vec<Condition> = list.iter().filter_map(|text| Condition::named(text)).collect();
        known.sort_unstable();
        known.dedup();
        known
    });
    let has = |condition| conditions.as_ref().is_some_and(|list| list.contains(&condition));
    let mut either = |field: &str, answer: Option<bool>, condition| {
        if answer == Some(false) && has(condition) {
            let message = Bilingual::fixed(
                "此处答“否”，但疾病中写了“是”：请只填其一",
                "says no here, and the conditions say yes: give one or the other",
            );
            let (field, code) = (field.to_owned(), "contradictory".to_owned());
            problems.push(FieldProblem { field, code, message });
        }
        answer.or_else(|| has(condition).then_some(true))
    };
    // An entry among the conditions also answers the question.
    let pregnant = either("pregnant", input.pregnant, Condition::Pregnancy);
    let breastfeeding = either("breastfeeding", input.breastfeeding, Condition::BreastFeeding);
    if !problems.is_empty() {
        return Err(Refusal::fields(problems));
    }
    Ok(HealthProfile {
        weight_kg_tenths: input.weight_kg_tenths,
        pregnant,
        breastfeeding,
        allergies,
        conditions,
        medicines,
        egfr: input.egfr,
        creatinine_clearance: input.creatinine_clearance,
        birth_date: input.birth_date,
        sex: input.sex,
        job: input.job,
        names: None,
    })
}

fn problems(input: &ProfileInput, now: Timestamp) -> Vec<FieldProblem> {
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
    let none = Vec::new();
    let lists = [
        ("allergies", input.allergies.as_ref().unwrap_or(&none)),
        ("conditions", input.conditions.as_ref().unwrap_or(&none)),
        ("medicines", input.medicines.as_ref().unwrap_or(&none)),
    ];
    for (field, entries) in lists {
        if entries.len() > MOST_ENTRIES {
            let (zh, en) = (format!("最多 {MOST_ENTRIES} 项"), format!("at most {MOST_ENTRIES} entries"));
            bad(field.to_owned(), "too_many", zh, en);
        }
        for (at, entry) in entries.iter().enumerate() {
            let length = entry.trim().chars().count();
            if length == 0 || length > LONGEST_ENTRY || entry.chars().any(char::is_control) {
                let zh = format!("须为 1 至 {LONGEST_ENTRY} 个字符");
                let en = format!("must have 1 to {LONGEST_ENTRY} characters");
                bad(format!("{field}[{at}]"), "out_of_range", zh, en);
            } else if field == "conditions" && Condition::named(entry).is_none() && !means_none(entry) {
                let codes: Vec<&str> = Condition::ALL.iter().map(|known| known.as_str()).collect();
                let codes = codes.join(", ");
                let labels: Vec<&str> = Condition::ALL.iter().map(|known| known.label_zh()).collect();
                let zh = format!("不认识“{entry}”：请填“无”或以下之一：{}", labels.join("、"));
                bad(
                    format!("{field}[{at}]"),
                    "unknown_value",
                    zh,
                    format!("\"{entry}\" is not known: say none, or one of: {codes}"),
                );
            }
        }
    }
    let today = civil_day(now);
    if input
        .birth_date
        .is_some_and(|born| born > today || today.years_since(born).is_none_or(|years| years > OLDEST_YEARS))
    {
        let zh = format!("须在过去 {OLDEST_YEARS} 年内");
        bad(
            "birth_date".to_owned(),
            "out_of_range",
            zh,
            format!("must be within the last {OLDEST_YEARS} years"),
        );
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_list_in_an_old_document_means_unknown() {
        let old = r#"{"weight_kg_tenths":700,"pregnant":null,"breastfeeding":null,"allergies":["无"],
            "conditions":[],"medicines":["None","aspirin"],"egfr":null,"creatinine_clearance":null}"#;
        let profile = read(old).expect("read");
        assert_eq!((profile.allergies.as_deref(), profile.conditions.as_deref()), (Some(&[][..]), None));
        assert_eq!(profile.known_medicines(), ["aspirin"]);
        assert_eq!(read(&written(&profile).expect("written")).expect("read"), profile);
    }
}
