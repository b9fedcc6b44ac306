//! Single signs: values that are an emergency by themselves, whatever the score is.

use super::{
    history::Latest,
    level::TriageFacts,
    limits::{ChildBand, PregnancyWarnings, Side, SignBounds},
    news2::{News2Band, News2Part, News2Score},
    red_flags::RedFlagCode,
    symptoms::SymptomFlag,
};
use crate::vitals::{Acvpu, Beyond, ReadingKind, ValidReading};

/// From this NEWS2 total, or lower bound of one, it is an emergency. Source: the project's clinical
/// rules, vitals.
const NEWS2_EMERGENCY_FROM: i64 = 7;

/// Score of a NEWS2 part from which it counts as another sign beside a fever in pregnancy. Our
/// default.
const ANOTHER_SIGN_FROM: i64 = 2;

/// The bounds of one kind of reading that lead to a red flag.
struct Rule {
    kind: ReadingKind,
    bounds: SignBounds,
    low: RedFlagCode,
    high: RedFlagCode,
}

const fn rule(kind: ReadingKind, bounds: SignBounds, low: RedFlagCode, high: RedFlagCode) -> Rule {
    Rule { kind, bounds, low, high }
}

impl Rule {
    /// The flag of a value, or of LO or HI: they cross every bound on their side.
    fn flag(&self, value: Option<i64>, beyond: Option<Beyond>) -> Option<RedFlagCode> {
        let side = match beyond {
            Some(Beyond::Low) => self.bounds.at_most.map(|_| Side::Low),
            Some(Beyond::High) => self.bounds.at_least.map(|_| Side::High),
            None => value.and_then(|value| self.bounds.crossed(value)),
        };
        side.map(|side| match side {
            Side::Low => self.low,
            Side::High => self.high,
        })
    }
}

/// The rules of the person's group (adult, pregnant, child).
fn rules(facts: &TriageFacts<'_>) -> Vec<Rule> {
    use ReadingKind::{BloodPressure, Glucose, HeartRate, RespiratoryRate, Spo2, Temperature};
    use RedFlagCode as Flag;
    let (limits, single) = (facts.limits, &facts.limits.single);
    let heart = |bounds| rule(HeartRate, bounds, Flag::HeartRateLow, Flag::HeartRateHigh);
    let pressure = |bounds| rule(BloodPressure, bounds, Flag::PressureLow, Flag::PressureHigh);
    let breathing = |bounds| rule(RespiratoryRate, bounds, Flag::BreathingSlow, Flag::BreathingFast);
    let oxygen = |bounds| rule(Spo2, bounds, Flag::OxygenLow, Flag::OxygenLow);
    let glucose = |bounds| rule(Glucose, bounds, Flag::GlucoseLow, Flag::GlucoseHigh);
    let mut rules = vec![
        rule(Temperature, single.temperature, Flag::TemperatureLow, Flag::TemperatureHigh),
        glucose(single.glucose),
        // A meter's HI has no number to compare with a limit.
        glucose(SignBounds { at_most: None, at_least: Some(i64::MAX) }),
        oxygen(single.spo2),
    ];
    if facts.symptomatic() {
        rules.extend([glucose(single.glucose_with_symptoms), pressure(single.systolic_with_symptoms)]);
    }
    if let Some(band) = facts.child() {
        rules.extend([heart(band.heart_rate), pressure(band.systolic)]);
        rules.extend([breathing(band.respiratory_rate), oxygen(band.spo2)]);
    } else {
        rules.extend([heart(single.heart_rate), pressure(single.systolic)]);
        rules.push(breathing(single.respiratory_rate));
    }
    if facts.pregnant {
        let group = &limits.pregnancy;
        rules.extend([heart(group.heart_rate), pressure(group.systolic)]);
        rules.extend([breathing(group.respiratory_rate), oxygen(group.spo2)]);
    }
    rules
}

/// The red flag of one measurement, if it is an emergency by itself.
fn flag_of(facts: &TriageFacts<'_>, rules: &[Rule], reading: &ValidReading) -> Option<RedFlagCode> {
    let of_kind = rules.iter().filter(|rule| rule.kind == reading.kind);
    let first = of_kind.filter_map(|rule| rule.flag(reading.value, reading.beyond)).next();
    let diastolic = reading.second.filter(|_| facts.pregnant && reading.kind == ReadingKind::BloodPressure);
    first.or_else(|| {
        let side = diastolic.and_then(|value| facts.limits.pregnancy.diastolic.crossed(value));
        side.map(|_| RedFlagCode::PressureHigh)
    })
}

/// A measurement that is an emergency by itself.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sign<'a> {
    pub code: RedFlagCode,
    pub latest: &'a Latest,
    /// Whether the measurement before it was an emergency by itself, too.
    pub confirmed: bool,
}

/// The emergencies among the latest readings.
pub(super) fn measured<'a>(facts: &TriageFacts<'a>) -> Vec<Sign<'a>> {
    let rules = rules(facts);
    let sign = |latest: &'a Latest| {
        let code = flag_of(facts, &rules, &latest.reading)?;
        let before = latest.previous.as_ref().and_then(|reading| flag_of(facts, &rules, reading));
        Some(Sign { code, latest, confirmed: before == Some(code) })
    };
    facts.latest.iter().filter_map(sign).collect()
}

/// The emergencies that do not depend on a single measurement.
pub(super) fn others(facts: &TriageFacts<'_>, signs: &[Sign<'_>]) -> Vec<RedFlagCode> {
    let mut codes: Vec<RedFlagCode> = facts.symptoms.iter().map(|&symptom| symptom.into()).collect();
    codes.extend(consciousness(facts.consciousness));
    if let Some(score) = facts.news2 {
        codes.extend(of_score(score));
    }
    if facts.pregnant && facts.symptoms.contains(&SymptomFlag::HeavyBleeding) {
        codes.push(RedFlagCode::PregnancyBleeding);
    }
    if fever_in_pregnancy(facts, !codes.is_empty() || !signs.is_empty()) {
        codes.push(RedFlagCode::PregnancyFever);
    }
    codes.extend(temperature_of_an_infant(facts));
    // Two extremes are an emergency by themselves; one waits for its second measurement.
    if codes.is_empty() && signs.len() < TOGETHER_FROM && warnings(facts).together >= TOGETHER_FROM {
        codes.push(RedFlagCode::GroupWarnings);
    }
    codes
}

/// New confusion, or less than alert.
const fn consciousness(acvpu: Option<Acvpu>) -> Option<RedFlagCode> {
    match acvpu {
        None | Some(Acvpu::Alert) => None,
        Some(Acvpu::Confused | Acvpu::Voice) => Some(RedFlagCode::NotAlert),
        Some(Acvpu::Pain | Acvpu::Unresponsive) => Some(RedFlagCode::NotResponding),
    }
}

fn of_score(score: &News2Score) -> Vec<RedFlagCode> {
    let mut codes = Vec::new();
    if score.partial_total >= NEWS2_EMERGENCY_FROM {
        codes.push(match score.band {
            News2Band::Incomplete => RedFlagCode::News2PartialHigh,
            News2Band::Low | News2Band::LowMedium | News2Band::Medium | News2Band::High => {
                RedFlagCode::News2High
            }
        });
    }
    if score.parts.values().filter(|&&part| part == 3).count() >= 2 {
        codes.push(RedFlagCode::News2TwoThrees);
    }
    codes
}

fn fever_in_pregnancy(facts: &TriageFacts<'_>, another_sign: bool) -> bool {
    let of_kind = facts.latest.iter().find(|latest| latest.reading.kind == ReadingKind::Temperature);
    let bounds = facts.limits.pregnancy.temperature_with_another_sign;
    let fever = of_kind
        .and_then(|latest| latest.reading.value)
        .is_some_and(|value| bounds.crossed(value) == Some(Side::High));
    // The score does not apply in pregnancy; its parts still show which signs are abnormal.
    let part = |(part, score): (&News2Part, &i64)| {
        *part != News2Part::Temperature && *part != News2Part::Consciousness && *score >= ANOTHER_SIGN_FROM
    };
    let abnormal = facts.parts.is_some_and(|score| score.parts.iter().any(part));
    facts.pregnant && fever && (another_sign || abnormal)
}

/// Readings in the warning band of the person's group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Warnings {
    /// Kinds for which a doctor must see the person soon.
    pub urgent: usize,
    /// Those of them that count towards `TOGETHER_FROM`. A child's fever does not: it raises heart
    /// and respiratory rate by itself.
    pub together: usize,
}

/// From this many on they are an emergency together. Source: the obstetric early warning chart
/// calls for two yellow signs as for one red. Our default for children.
pub(super) const TOGETHER_FROM: usize = 2;

/// Counts the readings in the warning band of the person's group.
pub(super) fn warnings(facts: &TriageFacts<'_>) -> Warnings {
    let mut found = Warnings::default();
    for latest in facts.latest {
        let reading = &latest.reading;
        let child = facts.child().is_some_and(|band| in_band(reading, child_bounds(band, reading.kind)));
        let pregnant = facts.pregnant && {
            let group = &facts.limits.pregnancy.warning;
            let second = reading.kind == ReadingKind::BloodPressure
                && reading.second.is_some_and(|value| group.diastolic.crossed(value).is_some());
            second || in_band(reading, pregnancy_bounds(group, reading.kind))
        };
        found.urgent += usize::from(child || pregnant);
        let fever_of_a_child = child && !pregnant && reading.kind == ReadingKind::Temperature;
        found.together += usize::from((child || pregnant) && !fever_of_a_child);
    }
    found
}

fn in_band(reading: &ValidReading, bounds: Option<SignBounds>) -> bool {
    bounds.is_some_and(|bounds| match reading.beyond {
        Some(Beyond::Low) => bounds.at_most.is_some(),
        Some(Beyond::High) => bounds.at_least.is_some(),
        None => reading.value.is_some_and(|value| bounds.crossed(value).is_some()),
    })
}

const fn child_bounds(band: &ChildBand, kind: ReadingKind) -> Option<SignBounds> {
    match kind {
        ReadingKind::HeartRate => Some(band.heart_rate_urgent),
        ReadingKind::BloodPressure => Some(band.systolic_urgent),
        ReadingKind::RespiratoryRate => Some(band.respiratory_rate_urgent),
        ReadingKind::Spo2 => Some(band.spo2_urgent),
        ReadingKind::Temperature => Some(band.temperature_urgent),
        ReadingKind::Glucose | ReadingKind::Weight | ReadingKind::BreathAlcohol => None,
    }
}

const fn pregnancy_bounds(group: &PregnancyWarnings, kind: ReadingKind) -> Option<SignBounds> {
    match kind {
        ReadingKind::HeartRate => Some(group.heart_rate),
        ReadingKind::BloodPressure => Some(group.systolic),
        ReadingKind::RespiratoryRate => Some(group.respiratory_rate),
        ReadingKind::Spo2 => Some(group.spo2),
        ReadingKind::Temperature => Some(group.temperature),
        ReadingKind::Glucose | ReadingKind::Weight | ReadingKind::BreathAlcohol => None,
    }
}

/// A temperature that is an emergency at this age, without a second measurement.
fn temperature_of_an_infant(facts: &TriageFacts<'_>) -> Option<RedFlagCode> {
    let bounds = facts.child()?.temperature;
    let of_kind = facts.latest.iter().find(|latest| latest.reading.kind == ReadingKind::Temperature)?;
    let rule =
        rule(ReadingKind::Temperature, bounds, RedFlagCode::TemperatureLow, RedFlagCode::TemperatureHigh);
    rule.flag(of_kind.reading.value, of_kind.reading.beyond)
}
