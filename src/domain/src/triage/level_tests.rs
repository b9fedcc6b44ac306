//! Levels, single signs, groups, and the second measurement.

use chrono::TimeZone;

use super::*;
use crate::{
    triage::{News2Input, TimedReading, latest_of_each_kind, news2},
    vitals::{AssessmentContext, Beyond, ValidReading, VitalRules, assess_all},
};

/// A person and their readings.
#[derive(Clone, Default)]
struct Person {
    months: Option<u32>,
    pregnant: bool,
    symptoms: Vec<SymptomFlag>,
    asked: bool,
    awake: Option<Acvpu>,
    earlier: Vec<RedFlagCode>,
    readings: Vec<TimedReading>,
}

fn at(seconds: i64) -> Timestamp {
    chrono::Utc.with_ymd_and_hms(2026, 11, 23, 8, 0, 0).single().expect("a time")
        + TimeDelta::seconds(seconds)
}

fn calm() -> Person {
    let person = Person { awake: Some(Acvpu::Alert), ..Person::default() };
    person
        .measured(ReadingKind::BloodPressure, 120, 0)
        .measured(ReadingKind::HeartRate, 70, 0)
        .measured(ReadingKind::Spo2, 98, 0)
        .measured(ReadingKind::Temperature, 368, 0)
        .measured(ReadingKind::RespiratoryRate, 16, 0)
}

impl Person {
    fn with(mut self, kind: ReadingKind, value: Option<i64>, beyond: Option<Beyond>, seconds: i64) -> Self {
        let second = (kind == ReadingKind::BloodPressure && value.is_some()).then_some(50);
        let (device, measured_at) = ("d".to_owned(), at(seconds));
        let reading = ValidReading { kind, value, beyond, second, device, measured_at, fasting: None };
        self.readings.push(TimedReading { reading, recorded_at: measured_at });
        self
    }

    fn measured(self, kind: ReadingKind, value: i64, seconds: i64) -> Self {
        self.with(kind, Some(value), None, seconds)
    }

    fn seen(&self, seconds: i64) -> TriageDecision {
        let limits = TriageLimits::default();
        let latest = latest_of_each_kind(&self.readings);
        let readings: Vec<ValidReading> = latest.iter().map(|known| known.reading.clone()).collect();
        let context = AssessmentContext {
            consciousness: self.awake,
            supplemental_oxygen: Some(false),
            spo2_scale: None,
        };
        let score = news2(&News2Input::from_readings(&readings, &context)).expect("in range");
        let holds = !self.pregnant && self.months.is_none_or(|months| months >= 192);
        triage(&TriageFacts {
            news2: holds.then_some(&score),
            parts: Some(&score),
            age_months: self.months,
            pregnant: self.pregnant,
            symptoms: &self.symptoms,
            asked: self.asked,
            findings: &assess_all(&readings, None, &VitalRules::default()),
            latest: &latest,
            consciousness: self.awake,
            earlier: &self.earlier,
            now: Some(at(seconds)),
            ..TriageFacts::nothing(&limits)
        })
    }

    fn codes(&self, seconds: i64) -> Vec<RedFlagCode> {
        self.seen(seconds).red_flags.into_iter().map(|flag| flag.code).collect()
    }
}

const EXTREMES: &[(ReadingKind, i64, i64, RedFlagCode)] = &[
    (ReadingKind::Temperature, 399, 400, RedFlagCode::TemperatureHigh),
    (ReadingKind::Temperature, 341, 340, RedFlagCode::TemperatureLow),
    (ReadingKind::Glucose, 30, 21, RedFlagCode::GlucoseLow),
    (ReadingKind::Spo2, 90, 89, RedFlagCode::OxygenLow),
    (ReadingKind::BloodPressure, 80, 79, RedFlagCode::PressureLow),
    (ReadingKind::HeartRate, 150, 151, RedFlagCode::HeartRateHigh),
    (ReadingKind::HeartRate, 35, 34, RedFlagCode::HeartRateLow),
    (ReadingKind::RespiratoryRate, 29, 30, RedFlagCode::BreathingFast),
    (ReadingKind::RespiratoryRate, 9, 8, RedFlagCode::BreathingSlow),
];

#[test]
fn routine_needs_everything_measured_and_nothing_found() {
    assert_eq!(calm().seen(1).level, TriageLevel::Routine);
    let mut unseen = calm();
    unseen.awake = None;
    assert_eq!(unseen.seen(1).level, TriageLevel::Standard);
    assert_eq!(calm().measured(ReadingKind::Temperature, 380, 1).seen(2).level, TriageLevel::Standard);
    assert_eq!(calm().measured(ReadingKind::HeartRate, 140, 1).seen(2).level, TriageLevel::Urgent);
    let limits = TriageLimits::default();
    assert_eq!(triage(&TriageFacts::nothing(&limits)).reasons, [TriageReason::News2Unknown]);
}

#[test]
fn every_single_sign_is_an_emergency_at_its_limit_when_a_doctor_is_requested() {
    for &(kind, within, beyond, code) in EXTREMES {
        let asking = Person { asked: true, ..calm() };
        assert_eq!(asking.clone().measured(kind, within, 1).codes(2), [], "{kind} {within}");
        let seen = asking.measured(kind, beyond, 1).seen(2);
        assert_eq!(seen.level, TriageLevel::Emergency, "{kind} {beyond}");
        assert!(seen.red_flags.iter().any(|flag| flag.code == code), "{kind} {beyond}: {seen:?}");
        assert_eq!(seen.emergency_number, Some("120"));
    }
}

#[test]
fn a_single_extreme_without_a_symptom_waits_three_minutes_for_its_second_measurement() {
    for &(kind, within, beyond, code) in EXTREMES {
        let once = calm().measured(kind, beyond, 10);
        let seen = once.seen(11);
        assert!(seen.red_flags.is_empty(), "{kind} {beyond}: {seen:?}");
        assert_eq!((seen.level, seen.emergency_number), (TriageLevel::Urgent, Some("120")));
        assert_eq!(seen.measure_again.map(|again| (again.kind, again.until)), Some((kind, at(190))));
        assert_eq!(once.seen(189).level, TriageLevel::Urgent);
        assert_eq!((once.seen(190).level, once.codes(190)), (TriageLevel::Emergency, vec![code]));
        // The second measurement decides at once.
        let twice = once.clone().measured(kind, beyond, 60);
        assert_eq!((twice.seen(61).level, twice.seen(61).measure_again), (TriageLevel::Emergency, None));
        let cleared = once.clone().measured(kind, within, 60).seen(500);
        assert_ne!(cleared.level, TriageLevel::Emergency, "{kind}");
        // A reading that was sent twice was not measured twice.
        assert!(once.clone().measured(kind, beyond, 10).seen(11).measure_again.is_some());
        // With a symptom no second measurement is needed.
        let fainted = Person { symptoms: vec![SymptomFlag::Fainting], ..once };
        assert!(fainted.codes(11).contains(&code));
    }
}

#[test]
fn two_extremes_or_two_threes_are_an_emergency_at_once() {
    let two = calm().measured(ReadingKind::Temperature, 410, 1).measured(ReadingKind::Glucose, 20, 1);
    assert_eq!(two.codes(2), [RedFlagCode::TemperatureHigh, RedFlagCode::GlucoseLow]);
    let threes = calm().measured(ReadingKind::HeartRate, 135, 1).measured(ReadingKind::BloodPressure, 90, 1);
    assert_eq!(threes.codes(2), [RedFlagCode::News2TwoThrees]);
    let extreme_and_three =
        calm().measured(ReadingKind::Spo2, 85, 1).measured(ReadingKind::HeartRate, 135, 1);
    assert!(extreme_and_three.codes(2).contains(&RedFlagCode::OxygenLow));
}

#[test]
fn hi_and_lo_of_a_device_are_extremes_without_a_number() {
    let meter = |word| Person { asked: true, ..calm() }.with(ReadingKind::Glucose, None, Some(word), 1);
    assert_eq!(meter(Beyond::High).codes(2), [RedFlagCode::GlucoseHigh]);
    assert_eq!(meter(Beyond::Low).codes(2), [RedFlagCode::GlucoseLow]);
    let cold = calm().with(ReadingKind::Temperature, None, Some(Beyond::Low), 1);
    assert!(cold.seen(2).measure_again.is_some());
    assert_eq!(cold.codes(181), [RedFlagCode::TemperatureLow]);
}

#[test]
fn confusion_and_what_needs_a_symptom() {
    for (acvpu, code) in [
        (Acvpu::Confused, RedFlagCode::NotAlert),
        (Acvpu::Voice, RedFlagCode::NotAlert),
        (Acvpu::Unresponsive, RedFlagCode::NotResponding),
    ] {
        assert_eq!(Person { awake: Some(acvpu), ..calm() }.codes(1), [code]);
    }
    let high = calm().measured(ReadingKind::BloodPressure, 225, 1);
    assert_eq!((high.codes(400), high.seen(400).level), (vec![], TriageLevel::Urgent));
    let headache = Person { symptoms: vec![SymptomFlag::WorstHeadache], ..high };
    assert!(headache.codes(2).contains(&RedFlagCode::PressureHigh));
    let low = calm().measured(ReadingKind::Glucose, 28, 1);
    assert_eq!(low.codes(400), []);
    assert!(Person { awake: Some(Acvpu::Confused), ..low }.codes(2).contains(&RedFlagCode::GlucoseLow));
}

#[test]
fn in_pregnancy_the_groups_limits_apply() {
    let pregnant = || Person { pregnant: true, ..calm() };
    assert_eq!(pregnant().codes(1), []);
    let shock = pregnant()
        .measured(ReadingKind::BloodPressure, 78, 1)
        .measured(ReadingKind::HeartRate, 150, 1)
        .measured(ReadingKind::RespiratoryRate, 32, 1);
    let wanted = [RedFlagCode::PressureLow, RedFlagCode::HeartRateHigh, RedFlagCode::BreathingFast];
    assert_eq!((shock.seen(2).level, shock.codes(2)), (TriageLevel::Emergency, wanted.to_vec()));
    for (kind, within, beyond, code) in [
        (ReadingKind::BloodPressure, 90, 89, RedFlagCode::PressureLow),
        (ReadingKind::BloodPressure, 159, 160, RedFlagCode::PressureHigh),
        (ReadingKind::HeartRate, 119, 120, RedFlagCode::HeartRateHigh),
        (ReadingKind::RespiratoryRate, 24, 25, RedFlagCode::BreathingFast),
        (ReadingKind::Spo2, 94, 93, RedFlagCode::OxygenLow),
    ] {
        assert_eq!(pregnant().measured(kind, within, 1).codes(400), [], "{kind}");
        assert_eq!(pregnant().measured(kind, beyond, 1).codes(400), [code], "{kind}");
    }
    let fever = pregnant().measured(ReadingKind::Temperature, 380, 1);
    assert_eq!(fever.codes(400), []);
    let fast = fever.clone().measured(ReadingKind::HeartRate, 115, 1);
    assert_eq!(fast.codes(2), [RedFlagCode::PregnancyFever]);
    let bleeding = Person { symptoms: vec![SymptomFlag::HeavyBleeding], ..pregnant() };
    assert_eq!(bleeding.codes(1), [RedFlagCode::HeavyBleeding, RedFlagCode::PregnancyBleeding]);
}

#[test]
fn in_pregnancy_one_warning_is_urgent_and_two_are_an_emergency() {
    let pregnant = || Person { pregnant: true, ..calm() };
    assert_ne!(pregnant().seen(1).reasons[0], TriageReason::GroupLimit);
    for (kind, low, high) in [
        (ReadingKind::BloodPressure, Some(100), Some(150)),
        (ReadingKind::HeartRate, Some(50), Some(100)),
        (ReadingKind::RespiratoryRate, Some(10), Some(21)),
        (ReadingKind::Spo2, Some(95), None),
        (ReadingKind::Temperature, Some(360), Some(380)),
    ] {
        for value in low.into_iter().chain(high) {
            let one = pregnant().measured(kind, value, 1);
            assert_eq!((one.seen(2).level, one.codes(400)), (TriageLevel::Urgent, vec![]), "{kind} {value}");
            let other =
                if kind == ReadingKind::HeartRate { ReadingKind::Spo2 } else { ReadingKind::HeartRate };
            let other_value = if other == ReadingKind::Spo2 { 95 } else { 102 };
            let two = one.measured(other, other_value, 1);
            assert_eq!(two.seen(2).level, TriageLevel::Emergency, "{kind} {value}");
        }
    }
    let all = pregnant()
        .measured(ReadingKind::BloodPressure, 158, 1)
        .measured(ReadingKind::HeartRate, 118, 1)
        .measured(ReadingKind::RespiratoryRate, 24, 1)
        .measured(ReadingKind::Spo2, 94, 1)
        .measured(ReadingKind::Temperature, 379, 1);
    assert_eq!((all.seen(2).level, all.codes(2)), (TriageLevel::Emergency, vec![RedFlagCode::GroupWarnings]));
}

#[test]
fn an_infants_fever_and_a_childs_warning_band_count() {
    let infant = |months| {
        let person = Person { months: Some(months), awake: Some(Acvpu::Alert), ..Person::default() };
        person.measured(ReadingKind::HeartRate, 140, 0).measured(ReadingKind::RespiratoryRate, 35, 0)
    };
    let fever = |months, tenths| infant(months).measured(ReadingKind::Temperature, tenths, 1).seen(2);
    for tenths in [380, 392] {
        let seen = fever(1, tenths);
        assert_eq!((seen.level, seen.measure_again), (TriageLevel::Emergency, None), "{tenths}");
    }
    assert_ne!(fever(1, 379).level, TriageLevel::Emergency);
    assert_eq!(fever(4, 390).level, TriageLevel::Urgent);
    assert_eq!(fever(4, 386).level, TriageLevel::Urgent);
    assert_eq!(fever(4, 380).level, TriageLevel::Standard);
    let breath = infant(14).measured(ReadingKind::RespiratoryRate, 58, 1);
    assert_eq!((breath.seen(2).level, breath.codes(400)), (TriageLevel::Urgent, vec![]));
    // A fever together with one of them is not a second sign, another sign is.
    let hot = breath.clone().measured(ReadingKind::Temperature, 392, 1);
    assert_eq!(hot.seen(2).level, TriageLevel::Urgent);
    let blue = breath.measured(ReadingKind::Spo2, 94, 1);
    assert_eq!(
        (blue.seen(2).level, blue.codes(2)),
        (TriageLevel::Emergency, vec![RedFlagCode::GroupWarnings])
    );
}

#[test]
fn a_childs_limits_are_those_of_its_age() {
    let child = |months| Person { months: Some(months), ..calm() };
    let fast = |months, rate| child(months).measured(ReadingKind::HeartRate, rate, 1).codes(400);
    // 165 is an emergency at six years and urgent at two.
    assert_eq!(fast(72, 165), [RedFlagCode::HeartRateHigh]);
    assert_eq!(fast(24, 165), []);
    let toddler = child(24).measured(ReadingKind::HeartRate, 165, 1).seen(2);
    assert_eq!(toddler.reasons[0], TriageReason::GroupLimit);
    let breathing = |months| child(months).measured(ReadingKind::RespiratoryRate, 35, 1).codes(400);
    assert_eq!(breathing(24), []);
    assert_eq!(breathing(170), [RedFlagCode::BreathingFast]);
    assert_eq!(
        child(24).measured(ReadingKind::Temperature, 401, 1).codes(400),
        [RedFlagCode::TemperatureHigh]
    );
    let blue = child(24).measured(ReadingKind::HeartRate, 110, 1).measured(ReadingKind::Spo2, 90, 1);
    assert_eq!(blue.codes(400), [RedFlagCode::OxygenLow]);
}

#[test]
fn a_normal_reading_later_hides_no_red_flag_that_was_raised() {
    let earlier = Person { earlier: vec![RedFlagCode::OxygenLow], asked: true, ..calm() };
    assert_eq!(
        (earlier.seen(1).level, earlier.codes(1)),
        (TriageLevel::Emergency, vec![RedFlagCode::OxygenLow])
    );
}

#[test]
fn without_a_later_check_an_extreme_counts_at_once() {
    let limits = TriageLimits::default();
    let latest = latest_of_each_kind(&calm().measured(ReadingKind::Temperature, 410, 1).readings);
    let seen = triage(&TriageFacts { latest: &latest, ..TriageFacts::nothing(&limits) });
    assert_eq!((seen.level, seen.measure_again), (TriageLevel::Emergency, None));
}

#[test]
fn weights_fall_with_the_level() {
    let weights = TriageWeights::default();
    assert!(TriageLevel::ALL.windows(2).all(|pair| weights.of(pair[0]) > weights.of(pair[1])));
}
