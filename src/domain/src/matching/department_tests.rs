//! How codes are spelt, and what a department's record must hold.

use super::*;

#[test]
fn a_code_is_kept_as_it_is_spelt_and_nothing_else_is_a_code() {
    for code in ["a", "ent", "general_practice", "a1_", &"a".repeat(32)] {
        let department: Department = code.parse().expect("a code");
        assert_eq!((department.as_str(), department.to_string().as_str()), (code, code));
        let json = serde_json::to_string(&department).expect("JSON");
        assert_eq!(json, format!("\"{code}\""));
        assert_eq!(serde_json::from_str::<Department>(&json).expect("read again"), department);
    }
    for text in ["", "A", "1a", "_a", "a-b", "a b", "a\0", "内科", &"a".repeat(33)] {
        assert_eq!(Department::parse(text), None, "{text:?}");
        assert!(serde_json::from_value::<Department>(text.into()).is_err(), "{text:?}");
    }
}

#[test]
fn codes_are_ordered_as_their_texts() {
    let texts = ["a", "a1", "a_", "ab", "b"];
    let mut codes: Vec<Department> = texts.iter().rev().map(|text| text.parse().expect("a code")).collect();
    codes.sort();
    assert_eq!(codes.iter().map(Department::as_str).collect::<Vec<_>>(), texts);
}

#[test]
fn each_bad_field_of_a_record_is_named() {
    let code = |text: &str| Department::parse(text).expect("a code");
    let fine = DepartmentRecord {
        code: code("ent"),
        name_zh: "耳鼻喉科".into(),
        name_en: "ear, nose and throat".into(),
        patience_s: 300,
        overflow: vec![code("surgery"), Department::GENERAL_PRACTICE],
    };
    let found = |record: &DepartmentRecord| -> Vec<(String, String)> {
        let known = |one| [code("ent"), code("surgery"), Department::GENERAL_PRACTICE].contains(&one);
        let problems = record.check(known).err().map(|refusal| refusal.fields).unwrap_or_default();
        problems.into_iter().map(|problem| (problem.field, problem.code)).collect()
    };
    assert_eq!(found(&fine), []);
    let cases = [
        (DepartmentRecord { name_zh: " ".into(), ..fine.clone() }, "name_zh", "empty"),
        (DepartmentRecord { name_en: "x".repeat(61), ..fine.clone() }, "name_en", "too_long"),
        (DepartmentRecord { patience_s: -1, ..fine.clone() }, "patience_s", "out_of_range"),
        (DepartmentRecord { patience_s: 7_201, ..fine.clone() }, "patience_s", "out_of_range"),
        (DepartmentRecord { overflow: vec![code("ent")], ..fine.clone() }, "overflow", "self_reference"),
        (DepartmentRecord { overflow: vec![code("garage")], ..fine.clone() }, "overflow", "unknown_code"),
        (
            DepartmentRecord { overflow: vec![code("surgery"), code("surgery")], ..fine.clone() },
            "overflow",
            "duplicate",
        ),
    ];
    for (record, field, problem) in cases {
        assert_eq!(found(&record), [(field.to_owned(), problem.to_owned())], "{record:?}");
    }
    let many: Vec<Department> = (0..9).map(|number| code(&format!("d{number}"))).collect();
    let found = DepartmentRecord { overflow: many, ..fine }.check(|_| true).expect_err("too many").fields;
    assert_eq!(found[0].code, "too_many");
}
