//! Label use and amounts for the shipped formulary.

use chrono::NaiveDate;

use super::{Amount, LabelUse, check_amounts, label_use};
use crate::{
    formulary::{Formulary, Product, SaleClass},
    safety::{Profile, RuleSet, SafetyInput, Severity, Sex, check},
};

fn formulary() -> Formulary {
    Formulary::shipped().expect("shipped")
}

fn product_and_use<'f>(formulary: &'f Formulary, code: &str) -> (&'f Product, LabelUse) {
    let product = formulary.find(code).expect("shipped");
    (product, label_use(product, &RuleSet::standard(), false).expect("limited"))
}

#[test]
fn the_label_use_of_every_sellable_product_is_within_its_label() {
    let (formulary, rules) = (formulary(), RuleSet::standard());
    let healthy = Profile {
        age_years: Some(40),
        sex: Some(Sex::Male),
        systolic: Some(120),
        diastolic: Some(75),
        ..Profile::default()
    };
    for product in formulary.iter().filter(|one| one.class != SaleClass::Rx && one.prescribable()) {
        let label = label_use(product, &rules, false).expect("limited");
        let input = SafetyInput {
            on: NaiveDate::from_ymd_opt(2026, 11, 23).expect("a day"),
            lines: vec![label.line(&product.code)],
            taking: vec![],
            profile: healthy.clone(),
        };
        let report = check(&input, &formulary, &rules);
        let blocking: Vec<_> = report.findings.iter().filter(|one| one.severity == Severity::Block).collect();
        assert!(blocking.is_empty(), "{}: {label:?} {blocking:?}", product.code);
    }
    let units = |code: &str| {
        let (_, label) = product_and_use(&formulary, code);
        (label.dose_units_thousandths / 1000, label.times_per_day, label.days)
    };
    assert_eq!(units("PCM-T500"), (1, 4, 5));
    assert_eq!(units("IBU-T200"), (2, 3, 5));
    assert_eq!(units("IBU-SR300"), (1, 2, 5));
    assert_eq!(units("LOR-T10"), (1, 1, 3));
    assert_eq!(units("COLD-G"), (1, 3, 3));
    assert!(!product_and_use(&formulary, "PVI-S5").1.measured);
    let rules = RuleSet::standard();
    let fever = label_use(formulary.find("PCM-T500").expect("shipped"), &rules, true).expect("limited");
    assert_eq!(fever.days, 3);
}

#[test]
fn one_course_over_all_products_is_sold_and_a_first_pack_always() {
    let (formulary, rules) = (formulary(), RuleSet::standard());
    let over = |wanted: &[(&str, u32)], recent: &[(&str, u32)]| {
        let wanted: Vec<_> = wanted
            .iter()
            .map(|(code, packs)| {
                let (product, label) = product_and_use(&formulary, code);
                (Amount { product, packs: *packs }, label)
            })
            .collect();
        let recent: Vec<_> = recent
            .iter()
            .map(|(code, packs)| Amount { product: product_and_use(&formulary, code).0, packs: *packs })
            .collect();
        !check_amounts(&wanted, &recent, &rules).is_empty()
    };
    assert!(!over(&[("PCM-T500", 1)], &[]), "20 tablets are five days");
    assert!(over(&[("PCM-T500", 2)], &[]));
    assert!(over(&[("PCM-T500", 5)], &[]));
    assert!(over(&[("PCM-T500", 1)], &[("PCM-T500", 1)]));
    assert!(over(&[("PCM-C300", 1)], &[("PCM-T500", 1)]), "another product, the same drug");
    assert!(over(&[("PCM-T500", 1)], &[("COLD-G", 1)]));
    assert!(over(&[("PCM-C300", 2)], &[]), "24 capsules; 20 are five days");
    assert!(!over(&[("IBU-T200", 1)], &[]), "more than three days, but one pack");
    assert!(over(&[("IBU-T200", 1)], &[("IBU-SR300", 1)]));
    assert!(!over(&[("DIC-G1", 5)], &[]), "a week of gel");
    assert!(over(&[("DIC-G1", 5)], &[("DIC-G1", 1)]));
    assert!(over(&[("PVI-S5", 2)], &[]), "the label says no amount");
    assert!(!over(&[("IBU-T200", 1)], &[("PCM-T500", 1)]));
}
