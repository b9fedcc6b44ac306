//! Fitness for work at height, before each shift. A person who was not measured is not fit: "not
//! checked" is a state of its own.

use std::borrow::Cow;

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use super::{Beyond, reading::ReadingKind};
use crate::{bounds::Bounds, time::Timestamp, words::Bilingual};

/// The limits, as data. An employer's deployment sets them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FitnessRules {
    /// Changes whenever a value changes.
    pub version: Cow<'static, str>,
    /// Where the values come from.
    pub source: Cow<'static, str>,
    /// For how many hours a check before a shift is valid.
    pub check_holds_h: u32,
    /// Systolic or diastolic pressure (mmHg) from which nobody works at height.
    pub hold_from: (i64, i64),
    /// Whether a breath test is part of the check.
    pub breath_test_needed: bool,
    /// Minutes after a positive breath test within which a retest does not count.
    pub retest_after_min: u32,
    /// Hours without work at height after a sedating drug was vended.
    pub sedating_hold_h: u32,
}

impl Default for FitnessRules {
    fn default() -> Self {
        Self {
            version: Cow::Borrowed("2026-11"),
            source: Cow::Borrowed(
                "Waystation clinical rules, fitness for work at height: 160/100, any alcohol after the retest, sedating \
                 drugs by their labels (two sources agree). Our default: a check holds 12 hours, one shift; 24 hours after \
                 a sedating drug; a deployment's clinicians and the employer confirm",
            ),
            check_holds_h: 12,
            hold_from: (160, 100),
            breath_test_needed: false,
            retest_after_min: 20,
            sedating_hold_h: 24,
        }
    }
}

impl FitnessRules {
    /// Checks the values.
    pub fn check(&self, bounds: &mut Bounds<'_>) {
        let Self {
            version: _,
            source,
            check_holds_h,
            hold_from: (systolic, diastolic),
            breath_test_needed: _,
            retest_after_min,
            sedating_hold_h,
        } = self;
        bounds.must("source", !source.trim().is_empty(), "it must name the source of the values");
        bounds.within("check_holds_h", *check_holds_h, 1..=24);
        bounds.within("hold_from", *systolic, 120..=180);
        bounds.within("hold_from", *diastolic, 80..=120);
        bounds.within("retest_after_min", *retest_after_min, 0..=60);
        bounds.within("sedating_hold_h", *sedating_hold_h, 1..=168);
    }
}

crate::text_enum! {
    /// What an employer may learn of one worker.
    pub enum Fitness {
        /// Measured before this shift, and nothing speaks against it.
        Fit = "fit",
        /// No work at height now.
        Hold = "hold",
        /// Nobody measured before this shift.
        NotChecked = "not_checked",
        /// The worker does not consent to informing the employer.
        NoConsent = "no_consent",
    }
}

impl Fitness {
    /// What to do next; never why.
    pub const fn next(self) -> Option<Bilingual> {
        match self {
            Self::Fit => None,
            Self::Hold => Some(Bilingual::fixed(
                "暂不登高作业；请本人到驿站复测或咨询医生。",
                "No work at height for now; the worker may measure again or see a doctor at a station.",
            )),
            Self::NotChecked => Some(Bilingual::fixed(
                "本班次前尚未测量；请本人到驿站测量后再登高作业。",
                "Not measured before this shift; measure at a station before work at height.",
            )),
            Self::NoConsent => Some(Bilingual::fixed(
                "本人未同意告知用人单位；请按单位自己的办法确认。",
                "The worker does not consent to this being told; use the employer's own procedure.",
            )),
        }
    }
}

/// One measurement that fitness depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FitnessReading {
    /// Blood pressure or breath alcohol; other kinds are ignored.
    pub kind: ReadingKind,
    /// The value, in the kind's unit.
    pub value: Option<i64>,
    /// The diastolic pressure.
    pub second: Option<i64>,
    /// What the device showed instead of a number.
    pub beyond: Option<Beyond>,
    pub measured_at: Timestamp,
}

/// Assesses the readings of one worker, oldest first, and whether a sedating drug was vended within
/// its hold period. The newest blood pressure counts; a breath test of 0 clears an earlier positive
/// one only after the observed wait.
pub fn fitness(readings: &[FitnessReading], sedated: bool, rules: &FitnessRules, now: Timestamp) -> Fitness {
    let since = now - TimeDelta::hours(i64::from(rules.check_holds_h));
    let checked = || readings.iter().filter(move |reading| reading.measured_at > since);
    let pressure = checked().rfind(|reading| reading.kind == ReadingKind::BloodPressure);
    let breath = checked().filter(|reading| reading.kind == ReadingKind::BreathAlcohol);
    let wait = TimeDelta::minutes(i64::from(rules.retest_after_min));
    let (mut tested, mut positive_at) = (false, None);
    for test in breath {
        tested = true;
        if test.beyond.is_some() || test.value.is_some_and(|value| value > 0) {
            positive_at = Some(test.measured_at);
        } else if positive_at.is_some_and(|at| test.measured_at >= at + wait) {
            positive_at = None;
        }
    }
    let (systolic, diastolic) = rules.hold_from;
    let high = pressure.is_some_and(|reading| {
        reading.beyond.is_some()
            || reading.value.is_some_and(|value| value >= systolic)
            || reading.second.is_some_and(|second| second >= diastolic)
    });
    if high || positive_at.is_some() || sedated {
        Fitness::Hold
    } else if pressure.is_none() || (rules.breath_test_needed && !tested) {
        Fitness::NotChecked
    } else {
        Fitness::Fit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minutes: i64) -> Timestamp {
        chrono::DateTime::from_timestamp(1_795_000_000, 0).expect("a time") + TimeDelta::minutes(minutes)
    }

    fn reading(kind: ReadingKind, value: i64, second: Option<i64>, minutes: i64) -> FitnessReading {
        FitnessReading { kind, value: Some(value), second, beyond: None, measured_at: at(minutes) }
    }

    fn pressure(systolic: i64, diastolic: i64, minutes: i64) -> FitnessReading {
        reading(ReadingKind::BloodPressure, systolic, Some(diastolic), minutes)
    }

    fn breath(value: i64, minutes: i64) -> FitnessReading {
        reading(ReadingKind::BreathAlcohol, value, None, minutes)
    }

    fn judged(readings: &[FitnessReading], minutes: i64) -> Fitness {
        fitness(readings, false, &FitnessRules::default(), at(minutes))
    }

    #[test]
    fn without_a_reading_before_the_shift_it_is_not_checked() {
        assert_eq!(judged(&[], 0), Fitness::NotChecked);
        assert_eq!(judged(&[breath(0, 0)], 1), Fitness::NotChecked);
        let checked = [pressure(120, 80, 0)];
        assert_eq!(judged(&checked, 719), Fitness::Fit);
        assert_eq!(judged(&checked, 720), Fitness::NotChecked);
        let rules = FitnessRules { breath_test_needed: true, ..FitnessRules::default() };
        assert_eq!(fitness(&checked, false, &rules, at(1)), Fitness::NotChecked);
    }

    #[test]
    fn pressure_alcohol_and_sedation_hold() {
        assert_eq!(judged(&[pressure(160, 80, 0)], 1), Fitness::Hold);
        assert_eq!(judged(&[pressure(159, 100, 0)], 1), Fitness::Hold);
        assert_eq!(judged(&[pressure(165, 102, 0), pressure(150, 95, 5)], 6), Fitness::Fit);
        let beyond = FitnessReading { value: None, beyond: Some(Beyond::High), ..pressure(0, 0, 0) };
        assert_eq!(judged(&[beyond], 1), Fitness::Hold);
        assert_eq!(fitness(&[pressure(120, 80, 0)], true, &FitnessRules::default(), at(1)), Fitness::Hold);
        let drunk =
            |rest: &[FitnessReading]| judged(&[&[pressure(120, 80, 0), breath(90, 0)], rest].concat(), 40);
        assert_eq!(drunk(&[]), Fitness::Hold);
        assert_eq!(drunk(&[breath(0, 5)]), Fitness::Hold);
        assert_eq!(drunk(&[breath(0, 20)]), Fitness::Fit);
        assert_eq!(drunk(&[breath(10, 20)]), Fitness::Hold);
    }
}
