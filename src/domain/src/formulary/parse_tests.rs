//! Parsing rows: exact amounts, and one entry per bad cell.

use super::*;

#[test]
fn thousandths_are_exact() {
    for (text, value) in [("0", 0), ("500", 500_000), ("0.25", 250), ("12.5", 12_500), ("0.001", 1)] {
        assert_eq!(thousandths(text), Some(value), "{text}");
    }
    for bad in ["", ".", "1.", ".5", "-1", "1e3", "0.0001", "1,5", "12345678901", "+1"] {
        assert_eq!(thousandths(bad), None, "{bad}");
    }
}

fn row() -> HashMap<&'static str, &'static str> {
    COLUMNS
        .iter()
        .copied()
        .zip([
            "PCM",
            "对乙酰氨基酚片",
            "Paracetamol tablets",
            "N02BE01",
            "tablet",
            "500",
            "paracetamol:500",
            "20",
            "900",
            "otc_b",
            "",
            "2000",
            "",
            "",
            "",
            "5",
            "12",
            "15",
            "60",
            "severe_liver_disease",
            "",
            "室温 / room",
            "yes",
            "a label, section 4.2",
        ])
        .collect()
}

#[test]
fn a_valid_row_is_parsed() {
    let product = Product::from_fields(&row()).expect("good");
    assert_eq!(product.adult_max.day_ug, Some(2_000_000));
    assert_eq!(product.child_dose, Some(ChildDose { ug_per_kg_dose: 15_000, ug_per_kg_day: 60_000 }));
    assert!(product.prescribable());
    let json = serde_json::to_string(&product).expect("json");
    assert_eq!(serde_json::from_str::<Product>(&json).expect("back"), product);
}

#[test]
fn every_bad_cell_has_its_own_entry() {
    let mut cells = row();
    for (field, text) in [
        ("code", "no spaces"),
        ("form", "potion"),
        ("max_day_mg", "lots"),
        ("class", "otc"),
        ("in_formulary", ""),
        ("contraindications", "boredom"),
        ("flags", "tasty"),
        ("source", ""),
        ("child_mg_kg_dose", ""),
    ] {
        cells.insert(field, text);
    }
    let mut fields: Vec<_> = Product::from_fields(&cells).expect_err("bad").iter().map(|i| i.field).collect();
    fields.sort_unstable();
    assert_eq!(
        fields,
        [
            "child_mg_kg_day",
            "class",
            "code",
            "contraindications",
            "flags",
            "form",
            "in_formulary",
            "max_day_mg",
            "source"
        ]
    );
}

#[test]
fn a_row_without_a_maximum_is_accepted_but_not_prescribable() {
    let mut cells = row();
    cells.insert("max_day_mg", "");
    let product = Product::from_fields(&cells).expect("accepted");
    assert!(!product.prescribable());
    cells.insert("max_times", "4");
    assert!(Product::from_fields(&cells).expect("by times").prescribable());
    cells.insert("form", "injection");
    assert_eq!(Product::from_fields(&cells).expect_err("never")[0].field, "form");
    cells.insert("in_formulary", "no");
    assert!(!Product::from_fields(&cells).expect("known").prescribable());
}

#[test]
fn compounds_are_not_limited_in_milligrams() {
    let mut cells = row();
    cells.insert("ingredients", "paracetamol:250;amantadine:100");
    let issues = Product::from_fields(&cells).expect_err("ambiguous");
    assert_eq!(issues[0].field, "max_day_mg");
    cells.insert("ingredients", "paracetamol:250;paracetamol:250");
    assert!(Product::from_fields(&cells).is_err());
}
