//! The test vectors, every boundary of the table, and the effect of a missing part.

use super::*;

fn healthy() -> News2Input {
    News2Input {
        respiratory_rate_per_min: Some(16),
        spo2_percent: Some(98),
        supplemental_oxygen: Some(false),
        systolic_mmhg: Some(120),
        heart_rate_per_min: Some(70),
        temperature_tenths_c: Some(370),
        acvpu: Some(Acvpu::Alert),
        spo2_scale: Some(1),
    }
}

fn total(input: &News2Input) -> i64 {
    news2(input).expect("in range").total.expect("complete")
}

#[test]
fn the_test_vectors_match() {
    let text = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/facts/news2.json"));
    let facts: serde_json::Value = serde_json::from_str(text).expect("JSON");
    let vectors = facts["vectors"].as_array().expect("a list");
    assert!(vectors.len() >= 13);
    for vector in vectors {
        let input: News2Input = serde_json::from_value(vector["input"].clone()).expect("an input");
        let output = serde_json::to_value(news2(&input).expect("in range")).expect("JSON");
        for field in ["total", "any_single_three", "band"] {
            if let Some(expected) = vector.get(field) {
                assert_eq!(&output[field], expected, "{field} of {vector}");
            }
        }
    }
}

/// Every value of the measuring range, scored by the table's own cells.
fn check_column(kind: ReadingKind, cells: &[(i64, i64)], set: impl Fn(i64) -> News2Input) {
    let range = kind.range();
    for value in range.min..=range.max {
        let &(_, expected) = cells.iter().rev().find(|(from, _)| *from <= value).expect("a cell");
        let input = set(value);
        let rest: i64 = if input.supplemental_oxygen == Some(true) { 2 } else { 0 };
        assert_eq!(total(&input), expected + rest, "{kind} {value}");
    }
}

#[test]
fn every_value_of_every_column() {
    let from = i64::MIN;
    check_column(ReadingKind::RespiratoryRate, &[(from, 3), (9, 1), (12, 0), (21, 2), (25, 3)], |value| {
        News2Input { respiratory_rate_per_min: Some(value), ..healthy() }
    });
    check_column(ReadingKind::Spo2, &[(from, 3), (92, 2), (94, 1), (96, 0)], |value| News2Input {
        spo2_percent: Some(value),
        ..healthy()
    });
    check_column(ReadingKind::Spo2, &[(from, 3), (84, 2), (86, 1), (88, 0)], |value| News2Input {
        spo2_percent: Some(value),
        spo2_scale: Some(2),
        ..healthy()
    });
    check_column(
        ReadingKind::Spo2,
        &[(from, 3), (84, 2), (86, 1), (88, 0), (93, 1), (95, 2), (97, 3)],
        |value| News2Input {
            spo2_percent: Some(value),
            spo2_scale: Some(2),
            supplemental_oxygen: Some(true),
            ..healthy()
        },
    );
    check_column(ReadingKind::BloodPressure, &[(from, 3), (91, 2), (101, 1), (111, 0), (220, 3)], |value| {
        News2Input { systolic_mmhg: Some(value), ..healthy() }
    });
    check_column(
        ReadingKind::HeartRate,
        &[(from, 3), (41, 1), (51, 0), (91, 1), (111, 2), (131, 3)],
        |value| News2Input { heart_rate_per_min: Some(value), ..healthy() },
    );
    check_column(ReadingKind::Temperature, &[(from, 3), (351, 1), (361, 0), (381, 1), (391, 2)], |value| {
        News2Input { temperature_tenths_c: Some(value), ..healthy() }
    });
}

#[test]
fn oxygen_and_consciousness() {
    assert_eq!(total(&News2Input { supplemental_oxygen: Some(true), ..healthy() }), 2);
    for &acvpu in Acvpu::ALL {
        let expected = if acvpu == Acvpu::Alert { 0 } else { 3 };
        assert_eq!(total(&News2Input { acvpu: Some(acvpu), ..healthy() }), expected);
    }
}

#[test]
fn the_bands_change_at_five_and_seven() {
    let band = |pulse, breaths, oxygen| {
        let input = News2Input {
            heart_rate_per_min: Some(pulse),
            respiratory_rate_per_min: Some(breaths),
            supplemental_oxygen: Some(oxygen),
            ..healthy()
        };
        let score = news2(&input).expect("in range");
        (score.total.expect("complete"), score.band)
    };
    assert_eq!(band(111, 21, false), (4, News2Band::Low));
    assert_eq!(band(131, 9, false), (4, News2Band::LowMedium));
    assert_eq!(band(131, 21, false), (5, News2Band::Medium));
    assert_eq!(band(111, 21, true), (6, News2Band::Medium));
    assert_eq!(band(131, 21, true), (7, News2Band::High));
}

#[test]
fn any_missing_part_is_incomplete_and_keeps_a_lower_bound() {
    let with_three = News2Input { heart_rate_per_min: Some(140), ..healthy() };
    for &part in News2Part::ALL {
        let mut input = serde_json::to_value(&with_three).expect("JSON");
        input.as_object_mut().expect("an object").remove(part.as_str()).expect("the code is the field name");
        let score = news2(&serde_json::from_value(input).expect("an input")).expect("in range");
        assert_eq!((score.total, score.band), (None, News2Band::Incomplete));
        assert_eq!(score.missing, [part]);
        assert!(!score.parts.contains_key(&part));
        assert_eq!(score.partial_total, if part == News2Part::HeartRate { 0 } else { 3 });
    }
    let nothing = news2(&News2Input::default()).expect("nothing is out of range");
    assert_eq!((nothing.total, nothing.band, nothing.missing.len()), (None, News2Band::Incomplete, 7));
}

#[test]
fn the_scale_is_one_where_absent() {
    let input = News2Input { spo2_scale: None, spo2_percent: Some(90), ..healthy() };
    assert_eq!(total(&input), 3);
}

#[test]
fn scale_two_without_knowing_the_oxygen() {
    let score = |spo2| {
        let input = News2Input {
            spo2_scale: Some(2),
            spo2_percent: Some(spo2),
            supplemental_oxygen: None,
            ..healthy()
        };
        news2(&input).expect("in range")
    };
    assert_eq!(score(92).parts.get(&News2Part::Spo2), Some(&0));
    assert_eq!(score(83).parts.get(&News2Part::Spo2), Some(&3));
    assert_eq!(score(97).parts.get(&News2Part::Spo2), None);
    assert_eq!(score(97).missing, [News2Part::SupplementalOxygen]);
}

#[test]
fn values_out_of_range_and_unknown_fields_are_refused() {
    let bad = News2Input {
        respiratory_rate_per_min: Some(0),
        spo2_percent: Some(101),
        systolic_mmhg: Some(-1),
        heart_rate_per_min: Some(i64::MAX),
        temperature_tenths_c: Some(37),
        spo2_scale: Some(3),
        ..healthy()
    };
    let problems = news2(&bad).expect_err("six problems");
    assert_eq!(problems.len(), 6);
    assert!(problems.iter().all(|problem| problem.code == "out_of_range"));
    assert!(problems[4].message.en.contains("250 to 450"));
    assert!(serde_json::from_str::<News2Input>(r#"{"pulse":70}"#).is_err());
    assert!(serde_json::from_str::<News2Input>(r#"{"acvpu":"X"}"#).is_err());
    assert!(serde_json::from_str::<News2Input>(r#"{"acvpu":null}"#).is_ok());
}

#[test]
fn the_parts_are_an_object_of_numbers() {
    let output = serde_json::to_value(news2(&healthy()).expect("in range")).expect("JSON");
    assert_eq!(output["parts"]["respiratory_rate_per_min"], 0);
    assert_eq!(output["missing"], serde_json::json!([]));
}

#[test]
fn does_not_apply_to_children_or_in_pregnancy() {
    assert_eq!(applicability(Some(15), false), Applicability::UnderSixteen);
    assert_eq!(applicability(Some(16), false), Applicability::Applicable);
    assert_eq!(applicability(Some(30), true), Applicability::Pregnant);
    assert_eq!(applicability(None, false), Applicability::Applicable);
}
