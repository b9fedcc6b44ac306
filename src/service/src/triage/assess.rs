//! The triage rules for values that are not stored. There will be no second measurement, so a
//! single extreme counts at once.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{AppState, Failure};
use domain::{
    refusal::{FieldProblem, Refusal},
    triage::{
        Applicability, Latest, News2Band, News2Input, News2Part, RedFlag, SymptomFlag, TriageFacts,
        TriageLevel, TriageReason, applicability, news2, triage,
    },
    vitals::{Acvpu, Beyond, ReadingKind, ValidReading, VitalFinding, assess_all, range_message},
};

/// Values to judge. All seven parts of NEWS2 are mandatory for a total, oxygen included: "not
/// observed" is a missing part. Only the scale has a default (1).
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AssessInput {
    /// Breaths a minute.
    #[schema(minimum = 2, maximum = 80)]
    pub respiratory_rate_per_min: Option<i64>,
    /// Oxygen saturation in percent.
    #[schema(minimum = 35, maximum = 100)]
    pub spo2_percent: Option<i64>,
    /// Whether extra oxygen is given.
    pub supplemental_oxygen: Option<bool>,
    /// Systolic pressure in mmHg.
    #[schema(minimum = 40, maximum = 300)]
    pub systolic_mmhg: Option<i64>,
    /// Diastolic pressure in mmHg; no part of NEWS2.
    #[schema(minimum = 20, maximum = 200)]
    pub diastolic_mmhg: Option<i64>,
    /// Heart beats a minute.
    #[schema(minimum = 20, maximum = 300)]
    pub heart_rate_per_min: Option<i64>,
    /// Temperature in tenths of a degree Celsius.
    #[schema(minimum = 250, maximum = 450)]
    pub temperature_tenths_c: Option<i64>,
    /// How awake the person is.
    pub acvpu: Option<Acvpu>,
    /// 1, or 2 where a clinician set a target of 88-92 %; 1 where absent.
    #[schema(minimum = 1, maximum = 2)]
    pub spo2_scale: Option<i64>,
    /// Glucose in tenths of mmol/L; no part of NEWS2.
    #[schema(minimum = 6, maximum = 333)]
    pub glucose_tenths_mmol_l: Option<i64>,
    /// What the glucose meter shows instead of a number: HI (`high`) or LO (`low`).
    pub glucose_beyond: Option<Beyond>,
    /// Whole years; an unknown age counts as adult.
    #[schema(minimum = 0, maximum = 130)]
    pub age_years: Option<u32>,
    /// Whether the person is pregnant.
    pub pregnant: Option<bool>,
    /// Signs that were reported.
    #[schema(max_items = 26)]
    pub symptoms: Vec<SymptomFlag>,
}

/// What the values mean.
#[derive(Debug, Serialize, ToSchema)]
pub struct Assessment {
    /// NEWS2; none where a part is missing or where it does not apply.
    pub total: Option<i64>,
    /// Whether any known part scores 3.
    pub any_single_three: bool,
    /// What the total means; `incomplete` where there is none.
    pub band: News2Band,
    /// The sum of the known parts: a lower bound of the total.
    pub partial_total: i64,
    /// The parts that were not given, in the table's order.
    pub missing: Vec<News2Part>,
    /// The score of each known part.
    pub parts: BTreeMap<News2Part, i64>,
    /// Whether NEWS2 applies to this person; where it does not, the limits of their group apply.
    pub news2_applicability: Applicability,
    /// How soon a doctor must see the person.
    pub level: TriageLevel,
    pub reasons: Vec<TriageReason>,
    /// What to do at once.
    pub red_flags: Vec<RedFlag>,
    /// Whom to call at once.
    pub emergency_number: Option<String>,
    /// What each value means.
    pub findings: Vec<VitalFinding>,
    /// The version of the limits.
    pub limits_version: String,
}

/// Judges values without storing anything.
///
/// # Errors
/// One problem per value that is out of range.
pub fn assess(app: &AppState, input: &AssessInput) -> Result<Assessment, Failure> {
    let scored = News2Input {
        respiratory_rate_per_min: input.respiratory_rate_per_min,
        spo2_percent: input.spo2_percent,
        supplemental_oxygen: input.supplemental_oxygen,
        systolic_mmhg: input.systolic_mmhg,
        heart_rate_per_min: input.heart_rate_per_min,
        temperature_tenths_c: input.temperature_tenths_c,
        acvpu: input.acvpu,
        spo2_scale: input.spo2_scale,
    };
    let score = news2(&scored).map_err(Refusal::fields)?;
    let range = ReadingKind::Glucose.range();
    if input.glucose_tenths_mmol_l.is_some_and(|value| !range.allows(value)) {
        let problem = FieldProblem {
            field: "glucose_tenths_mmol_l".to_owned(),
            code: "out_of_range".to_owned(),
            message: range_message(&range, range.min, range.max),
        };
        return Err(Refusal::fields(vec![problem]).into());
    }
    let latest = latest(input, app.now());
    let valid: Vec<ValidReading> = latest.iter().map(|known| known.reading.clone()).collect();
    let findings = assess_all(&valid, None, &app.policy.vitals);
    let pregnant = input.pregnant == Some(true);
    let applicability = applicability(input.age_years, pregnant);
    let applies = applicability == Applicability::Applicable;
    let limits = &app.policy.triage;
    let decision = triage(&TriageFacts {
        news2: applies.then_some(&score),
        parts: Some(&score),
        age_months: input.age_years.map(|years| years.saturating_mul(12)),
        pregnant,
        symptoms: &input.symptoms,
        findings: &findings,
        latest: &latest,
        consciousness: input.acvpu,
        ..TriageFacts::nothing(limits)
    });
    Ok(Assessment {
        total: score.total.filter(|_| applies),
        any_single_three: score.any_single_three,
        band: if applies { score.band } else { News2Band::Incomplete },
        partial_total: score.partial_total,
        missing: score.missing,
        parts: score.parts,
        news2_applicability: applicability,
        level: decision.level,
        reasons: decision.reasons,
        red_flags: decision.red_flags,
        emergency_number: decision.emergency_number.map(str::to_owned),
        findings,
        limits_version: limits.version.to_string(),
    })
}

/// The values as readings that were measured now.
fn latest(input: &AssessInput, now: DateTime<Utc>) -> Vec<Latest> {
    let values = [
        (ReadingKind::RespiratoryRate, input.respiratory_rate_per_min, None, None),
        (ReadingKind::Spo2, input.spo2_percent, None, None),
        (ReadingKind::BloodPressure, input.systolic_mmhg, input.diastolic_mmhg, None),
        (ReadingKind::HeartRate, input.heart_rate_per_min, None, None),
        (ReadingKind::Temperature, input.temperature_tenths_c, None, None),
        (ReadingKind::Glucose, input.glucose_tenths_mmol_l, None, input.glucose_beyond),
    ];
    let reading = |(kind, value, second, beyond): (ReadingKind, Option<i64>, _, Option<Beyond>)| {
        (value.is_some() || beyond.is_some()).then(|| Latest {
            reading: ValidReading {
                kind,
                value: value.filter(|_| beyond.is_none()),
                beyond,
                second,
                device: String::new(),
                measured_at: now,
                fasting: None,
            },
            recorded_at: now,
            previous: None,
        })
    };
    values.into_iter().filter_map(reading).collect()
}
