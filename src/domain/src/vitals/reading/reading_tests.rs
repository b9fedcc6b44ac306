//! Units, ranges, second values and times, each at its limits.

use super::*;
use chrono::TimeZone;

fn now() -> Timestamp {
    chrono::Utc.with_ymd_and_hms(2026, 11, 23, 8, 0, 0).single().expect("a real time")
}

fn input(kind: ReadingKind, value: i64) -> ReadingInput {
    let second = (kind == ReadingKind::BloodPressure).then_some(40);
    let unit = kind.range().unit.to_owned();
    let device = "bp-1".into();
    let value = Some(value);
    ReadingInput { kind, value, beyond: None, second, unit, device, measured_at: None, fasting: None }
}

fn beyond(kind: ReadingKind, beyond: Beyond) -> ReadingInput {
    ReadingInput { value: None, second: None, beyond: Some(beyond), ..input(kind, 0) }
}

fn codes(input: &ReadingInput) -> Vec<(String, String)> {
    match validate(input, 3, now()) {
        Ok(_) => Vec::new(),
        Err(problems) => problems.into_iter().map(|p| (p.field, p.code)).collect(),
    }
}

fn one(field: &str, code: &str) -> Vec<(String, String)> {
    vec![(format!("readings[3].{field}"), code.to_owned())]
}

#[test]
fn every_kind_takes_its_limits_and_refuses_one_beyond() {
    for &kind in ReadingKind::ALL {
        let range = kind.range();
        let low = if kind == ReadingKind::BloodPressure { 41 } else { range.min };
        assert_eq!(codes(&input(kind, low)), []);
        assert_eq!(codes(&input(kind, range.max)), []);
        assert_eq!(codes(&input(kind, range.max + 1)), one("value", "out_of_range"), "{kind}");
        assert!(codes(&input(kind, range.min - 1)).contains(&one("value", "out_of_range")[0]), "{kind}");
        assert!(!codes(&input(kind, i64::MIN)).is_empty() && !codes(&input(kind, i64::MAX)).is_empty());
    }
}

#[test]
fn a_refused_value_names_the_allowed_range() {
    let problems = validate(&input(ReadingKind::Temperature, 37), 0, now()).expect_err("3.7 degrees");
    assert_eq!(problems[0].message.en, "The allowed range is 250 to 450 dCel = 25.0 - 45.0 Cel.");
    assert!(problems[0].message.zh.contains("25.0 - 45.0"));
}

#[test]
fn the_unit_is_the_kinds_own() {
    for unit in ["Cel", "celsius", "", "dcel"] {
        let wrong = ReadingInput { unit: unit.into(), ..input(ReadingKind::Temperature, 370) };
        assert_eq!(codes(&wrong), one("unit", "wrong_unit"));
    }
}

#[test]
fn the_diastolic_belongs_to_blood_pressure_and_lies_below() {
    let pressure = input(ReadingKind::BloodPressure, 120);
    assert_eq!(codes(&ReadingInput { second: None, ..pressure.clone() }), one("second", "missing"));
    let not_below = one("second", "not_below_systolic");
    assert_eq!(codes(&ReadingInput { second: Some(120), ..pressure.clone() }), not_below);
    assert_eq!(codes(&ReadingInput { second: Some(119), ..pressure.clone() }), []);
    assert_eq!(codes(&ReadingInput { second: Some(19), ..pressure }), one("second", "out_of_range"));
    let pulse = ReadingInput { second: Some(1), ..input(ReadingKind::HeartRate, 70) };
    assert_eq!(codes(&pulse), one("second", "not_applicable"));
}

#[test]
fn fasting_belongs_to_glucose() {
    let fasted = |kind, value| ReadingInput { fasting: Some(true), ..input(kind, value) };
    assert_eq!(codes(&fasted(ReadingKind::Glucose, 70)), []);
    assert_eq!(codes(&fasted(ReadingKind::Weight, 700)), one("fasting", "not_applicable"));
}

#[test]
fn the_time_is_now_or_up_to_fifteen_minutes_ago() {
    let at = |seconds| ReadingInput {
        measured_at: Some(now() + TimeDelta::seconds(seconds)),
        ..input(ReadingKind::HeartRate, 70)
    };
    assert_eq!(codes(&at(6)), one("measured_at", "in_the_future"));
    assert_eq!(validate(&at(5), 0, now()).expect("within the tolerance").measured_at, now());
    assert_eq!(codes(&at(-900)), []);
    assert_eq!(codes(&at(-901)), one("measured_at", "too_old"));
    assert_eq!(validate(&at(-60), 0, now()).expect("recent").measured_at, now() - TimeDelta::seconds(60));
}

#[test]
fn all_problems_of_all_readings_come_at_once() {
    let mut bad = input(ReadingKind::HeartRate, 0);
    bad.unit = "bpm".into();
    bad.device = " ".into();
    let problems = validate_all(&[bad, input(ReadingKind::Spo2, 101)], now()).expect_err("four problems");
    let fields: Vec<_> = problems.iter().map(|p| p.field.as_str()).collect();
    assert_eq!(fields, ["readings[0].unit", "readings[0].value", "readings[0].device", "readings[1].value"]);
}

#[test]
fn values_show_exactly() {
    assert_eq!(ReadingKind::BreathAlcohol.range().show(91), "0.091");
    assert_eq!(ReadingKind::Temperature.range().show(-5), "-0.5");
    assert_eq!(ReadingKind::HeartRate.range().show(70), "70");
}

#[test]
fn unknown_fields_are_refused() {
    let text = r#"{"kind":"spo2","value":98,"unit":"%","device":"o","colour":"red"}"#;
    assert!(serde_json::from_str::<ReadingInput>(text).is_err());
    assert!(serde_json::from_str::<ReadingInput>(&text.replace(r#","colour":"red""#, "")).is_ok());
}

#[test]
fn hi_and_lo_are_readings_without_a_number() {
    for &kind in ReadingKind::ALL {
        for &beyond_value in Beyond::ALL {
            let wanted =
                if kind.beyond().contains(&beyond_value) { vec![] } else { one("beyond", "not_applicable") };
            assert_eq!(codes(&beyond(kind, beyond_value)), wanted, "{kind} {beyond_value}");
        }
    }
    let high = beyond(ReadingKind::Glucose, Beyond::High);
    assert_eq!(validate(&high, 0, now()).expect("a reading").value, None);
    assert_eq!(codes(&ReadingInput { value: Some(333), ..high.clone() }), one("beyond", "not_applicable"));
    assert_eq!(codes(&ReadingInput { beyond: None, ..high }), one("value", "missing_field"));
    let cuff = ReadingInput { second: Some(80), ..beyond(ReadingKind::BloodPressure, Beyond::High) };
    assert_eq!(codes(&cuff), one("second", "not_applicable"));
}

#[test]
fn units_are_shown_as_people_read_them() {
    let shown = |kind: ReadingKind, value, second| {
        let text = kind.shown(Some(value), second, None);
        (text.zh.into_owned(), text.en.into_owned())
    };
    let same = |text: &str| (text.to_owned(), text.to_owned());
    assert_eq!(shown(ReadingKind::BloodPressure, 118, Some(76)), same("118/76 mmHg"));
    assert_eq!(shown(ReadingKind::Temperature, 372, None), same("37.2 ℃"));
    assert_eq!(shown(ReadingKind::Spo2, 98, None), same("98%"));
    assert_eq!(shown(ReadingKind::HeartRate, 72, None), ("72 次/分".into(), "72 beats/min".into()));
    assert_eq!(ReadingKind::Glucose.shown(None, None, Some(Beyond::Low)).zh, "LO");
}
