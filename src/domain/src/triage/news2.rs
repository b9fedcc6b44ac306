//! NEWS2, exactly by its table. Source: Royal College of Physicians, 2017; the project's clinical
//! rules, vitals (test vectors in `tests/facts/news2.json`).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    refusal::FieldProblem,
    vitals::{Acvpu, AssessmentContext, ReadingKind, ValidReading, range_message},
    words::Bilingual,
};

/// What NEWS2 looks at. All seven parts are mandatory for a total, oxygen
/// included: "nobody looked" is a missing part. Only the scale has a default (1).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct News2Input {
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
}

crate::text_enum! {
    /// The seven parts; the codes are the names of the input's fields.
    pub enum News2Part {
        /// Breaths a minute.
        RespiratoryRate = "respiratory_rate_per_min",
        /// Oxygen saturation.
        Spo2 = "spo2_percent",
        /// Air or oxygen.
        SupplementalOxygen = "supplemental_oxygen",
        /// Systolic pressure.
        Systolic = "systolic_mmhg",
        /// Heart beats a minute.
        HeartRate = "heart_rate_per_min",
        /// Temperature.
        Temperature = "temperature_tenths_c",
        /// Level of consciousness.
        Consciousness = "acvpu",
    }
}

crate::text_enum! {
    /// The band of a total.
    pub enum News2Band {
        /// 0-4.
        Low = "low",
        /// 0-4 with a single 3.
        LowMedium = "low_medium",
        /// 5-6.
        Medium = "medium",
        /// 7 and over.
        High = "high",
        /// A part is missing; never read as low.
        Incomplete = "incomplete",
    }
}

/// A score with its parts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct News2Score {
    /// The total; `None` (null) where a part is missing.
    pub total: Option<i64>,
    /// Whether any known part scores 3.
    pub any_single_three: bool,
    /// What the total means.
    pub band: News2Band,
    /// The sum of the known parts: a lower bound of the total.
    pub partial_total: i64,
    /// The parts that were not given, in the table's order.
    pub missing: Vec<News2Part>,
    /// The score of each known part.
    pub parts: BTreeMap<News2Part, i64>,
}

crate::text_enum! {
    /// Whether NEWS2 may be used for a person. Source: the project's clinical rules, vitals.
    pub enum Applicability {
        /// 16 or over, and not pregnant as far as known.
        Applicable = "applicable",
        /// Under 16: NEWS2 does not apply.
        UnderSixteen = "under_sixteen",
        /// Pregnant: NEWS2 does not apply.
        Pregnant = "pregnant",
    }
}

/// Whether NEWS2 applies to a person of `age` whole years. An unknown age counts as adult: workers
/// are adults, and leaving the score out would hide a red flag.
pub const fn applicability(age: Option<u32>, pregnant: bool) -> Applicability {
    if let Some(0..16) = age {
        Applicability::UnderSixteen
    } else if pregnant {
        Applicability::Pregnant
    } else {
        Applicability::Applicable
    }
}

impl News2Input {
    /// Builds the input from checked readings (the latest of each kind counts) and from what a
    /// person observed. HI and LO of a device score nothing: there is no number, and the part is
    /// missing.
    pub fn from_readings(readings: &[ValidReading], context: &AssessmentContext) -> Self {
        let latest = |kind| {
            let of_kind = readings.iter().filter(|reading| reading.kind == kind);
            of_kind.max_by_key(|reading| reading.measured_at).and_then(|reading| reading.value)
        };
        Self {
            respiratory_rate_per_min: latest(ReadingKind::RespiratoryRate),
            spo2_percent: latest(ReadingKind::Spo2),
            supplemental_oxygen: context.supplemental_oxygen,
            systolic_mmhg: latest(ReadingKind::BloodPressure),
            heart_rate_per_min: latest(ReadingKind::HeartRate),
            temperature_tenths_c: latest(ReadingKind::Temperature),
            acvpu: context.consciousness,
            spo2_scale: context.spo2_scale,
        }
    }

    fn problems(&self) -> Vec<FieldProblem> {
        let values = [
            (News2Part::RespiratoryRate, ReadingKind::RespiratoryRate, self.respiratory_rate_per_min),
            (News2Part::Spo2, ReadingKind::Spo2, self.spo2_percent),
            (News2Part::Systolic, ReadingKind::BloodPressure, self.systolic_mmhg),
            (News2Part::HeartRate, ReadingKind::HeartRate, self.heart_rate_per_min),
            (News2Part::Temperature, ReadingKind::Temperature, self.temperature_tenths_c),
        ];
        let mut problems = Vec::new();
        for (part, kind, value) in values {
            let range = kind.range();
            if value.is_some_and(|value| !range.allows(value)) {
                problems.push(FieldProblem {
                    field: part.as_str().into(),
                    code: "out_of_range".into(),
                    message: range_message(&range, range.min, range.max),
                });
            }
        }
        if !matches!(self.spo2_scale, None | Some(1 | 2)) {
            problems.push(FieldProblem {
                field: "spo2_scale".into(),
                code: "out_of_range".into(),
                message: Bilingual::fixed("血氧评分表只有 1 和 2。", "The SpO2 scale is 1 or 2."),
            });
        }
        problems
    }
}

/// Scores `input`. A missing part gives no total and the band `incomplete`. On scale 2 a saturation
/// of 93 or more cannot be scored without knowing the oxygen: it is then left out of `parts`, and
/// the oxygen is listed in `missing`.
///
/// # Errors
/// One problem per value outside its measuring range (`out_of_range`).
pub fn news2(input: &News2Input) -> Result<News2Score, Vec<FieldProblem>> {
    let problems = input.problems();
    if !problems.is_empty() {
        return Err(problems);
    }
    let mut parts = BTreeMap::new();
    let mut missing = Vec::new();
    for &part in News2Part::ALL {
        match part_score(part, input) {
            PartScore::Known(score) => drop(parts.insert(part, score)),
            PartScore::Missing => missing.push(part),
            PartScore::Unscorable => {}
        }
    }
    let partial_total = parts.values().sum();
    let any_single_three = parts.values().any(|&score| score == 3);
    let total = missing.is_empty().then_some(partial_total);
    let band = match total {
        None => News2Band::Incomplete,
        Some(7..) => News2Band::High,
        Some(5..) => News2Band::Medium,
        Some(_) if any_single_three => News2Band::LowMedium,
        Some(_) => News2Band::Low,
    };
    Ok(News2Score { total, any_single_three, band, partial_total, missing, parts })
}

enum PartScore {
    Known(i64),
    Missing,
    Unscorable,
}

fn part_score(part: News2Part, input: &News2Input) -> PartScore {
    let score = match part {
        News2Part::RespiratoryRate => input.respiratory_rate_per_min.map(respiratory_rate),
        News2Part::Spo2 => match (input.spo2_percent, input.spo2_scale, input.supplemental_oxygen) {
            (Some(spo2), Some(2), Some(oxygen)) => Some(spo2_scale_2(spo2, oxygen)),
            (Some(93..), Some(2), None) => return PartScore::Unscorable,
            (Some(spo2), Some(2), None) => Some(spo2_scale_2(spo2, false)),
            (spo2, _, _) => spo2.map(spo2_scale_1),
        },
        News2Part::SupplementalOxygen => input.supplemental_oxygen.map(|given| if given { 2 } else { 0 }),
        News2Part::Systolic => input.systolic_mmhg.map(systolic),
        News2Part::HeartRate => input.heart_rate_per_min.map(heart_rate),
        News2Part::Temperature => input.temperature_tenths_c.map(temperature),
        News2Part::Consciousness => input.acvpu.map(|acvpu| match acvpu {
            Acvpu::Alert => 0,
            Acvpu::Confused | Acvpu::Voice | Acvpu::Pain | Acvpu::Unresponsive => 3,
        }),
    };
    score.map_or(PartScore::Missing, PartScore::Known)
}

const fn respiratory_rate(per_min: i64) -> i64 {
    match per_min {
        ..=8 => 3,
        9..=11 => 1,
        12..=20 => 0,
        21..=24 => 2,
        25.. => 3,
    }
}

const fn spo2_scale_1(percent: i64) -> i64 {
    match percent {
        ..=91 => 3,
        92..=93 => 2,
        94..=95 => 1,
        96.. => 0,
    }
}

const fn spo2_scale_2(percent: i64, oxygen: bool) -> i64 {
    match (percent, oxygen) {
        (..=83, _) => 3,
        (84..=85, _) => 2,
        (86..=87, _) => 1,
        (88..=92, _) | (93.., false) => 0,
        (93..=94, true) => 1,
        (95..=96, true) => 2,
        (97.., true) => 3,
    }
}

const fn systolic(mmhg: i64) -> i64 {
    match mmhg {
        ..=90 => 3,
        91..=100 => 2,
        101..=110 => 1,
        111..=219 => 0,
        220.. => 3,
    }
}

const fn heart_rate(per_min: i64) -> i64 {
    match per_min {
        ..=40 => 3,
        41..=50 => 1,
        51..=90 => 0,
        91..=110 => 1,
        111..=130 => 2,
        131.. => 3,
    }
}

const fn temperature(tenths_c: i64) -> i64 {
    match tenths_c {
        ..=350 => 3,
        351..=360 => 1,
        361..=380 => 0,
        381..=390 => 1,
        391.. => 2,
    }
}

#[cfg(test)]
#[path = "news2_tests.rs"]
mod tests;
