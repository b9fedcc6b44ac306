//! Properties of the shipped formulary.

use super::*;
use crate::safety::RuleSet;

fn shipped() -> Formulary {
    match Formulary::shipped() {
        Ok(formulary) => formulary,
        Err(problems) => panic!("{problems:#?}"),
    }
}

#[test]
fn it_has_the_size_that_the_clinical_rules_require() {
    let formulary = shipped();
    assert!(formulary.len() >= 90, "{}", formulary.len());
    let prescribable = formulary.iter().filter(|product| product.prescribable()).count();
    assert!(prescribable >= 80, "{prescribable}");
    assert!(formulary.iter().any(|product| !product.prescribable()));
}

#[test]
fn every_product_has_a_sourced_maximum_or_states_that_it_has_none() {
    for product in shipped().iter() {
        assert_eq!(
            product.prescribable(),
            !product.source.starts_with("no sourced maximum"),
            "{}",
            product.code
        );
        assert!(!product.source.to_lowercase().contains("ddd"), "{}", product.code);
        if product.prescribable() {
            assert!(
                !crate::formulary::is_our_own(&product.source),
                "{}: the rules page is no source",
                product.code
            );
            assert!(product.min_age_years.is_some(), "{}", product.code);
        }
    }
}

#[test]
fn the_rules_know_every_shipped_ingredient() {
    let rules = RuleSet::standard();
    for product in shipped().iter() {
        for one in &product.ingredients {
            assert!(rules.facts(one.code.as_str()).is_some(), "{}: {}", product.code, one.code);
        }
    }
}

#[test]
fn single_drugs_agree_with_their_strength() {
    for product in shipped().iter() {
        if let [only] = product.ingredients.as_slice() {
            assert_eq!(product.strength_ug.unwrap_or(only.amount_ug), only.amount_ug, "{}", product.code);
        } else {
            assert_eq!(product.strength_ug, None, "{}", product.code);
        }
    }
}

#[test]
fn the_table_of_the_clinical_rules_is_followed() {
    let formulary = shipped();
    for (code, mg) in [
        ("PCM-T500", 2000),
        ("IBU-T200", 1200),
        ("LOR-T10", 10),
        ("CET-T10", 10),
        ("OME-C20", 20),
        ("AMX-C500", 4000),
        ("AZI-T250", 500),
        ("SME-P3", 9000),
        ("AMB-T30", 90),
        ("MTF-T500", 2000),
        ("AML-T5", 10),
        ("SIM-T40", 40),
        ("CPM-T4", 12),
    ] {
        assert_eq!(
            formulary.find(code).and_then(|product| product.adult_max.day_ug),
            Some(mg * 1000),
            "{code}"
        );
    }
    let units = |code: &str| formulary.find(code).and_then(|product| product.adult_max.day_units_thousandths);
    assert_eq!((units("COLD-G"), units("PAA-C")), (Some(3000), Some(2000)));
    let tincture = formulary.find("HXZQ-T").expect("shipped");
    assert!(tincture.contains_alcohol && tincture.sedating);
    assert!(!formulary.find("HXZQ-C").expect("shipped").contains_alcohol);
    assert!(formulary.find("AMX-C500").expect("shipped").is_antimicrobial());
    assert!(!formulary.find("HC-CR1").expect("shipped").is_antimicrobial());
}

#[test]
fn search_finds_names_and_atc() {
    let formulary = shipped();
    let codes = |text: &str| {
        let found = formulary.search(text, None, usize::MAX - 1).products;
        found.into_iter().map(|product| product.code.as_str().to_owned()).collect::<Vec<_>>()
    };
    assert!(codes("布洛芬").contains(&"IBU-T200".to_owned()));
    assert!(codes("IBUPROFEN tab").contains(&"IBU-T200".to_owned()));
    assert!(codes("j01c").iter().all(|code| code.starts_with("AMX")));
    assert!(codes("no such drug").is_empty());
}

#[test]
fn problems_of_a_file_name_line_and_column() {
    let text = SHIPPED_CSV.replacen("PCM-T500", "two words", 1).replacen("otc_b", "otc_q", 1);
    let problems = Formulary::from_csv(&text).expect_err("bad");
    assert!(problems.iter().all(|problem| problem.line == 7), "{problems:?}");
    assert_eq!(problems.iter().map(|problem| problem.field.as_str()).collect::<Vec<_>>(), ["code", "class"]);
    let twice = SHIPPED_CSV.replacen("PCM-SR650", "PCM-T500", 1);
    assert_eq!(Formulary::from_csv(&twice).expect_err("twice")[0].field, "code");
    assert_eq!(
        Formulary::from_csv("code,colour\n").expect_err("columns").last().expect("one").field,
        "colour"
    );
    assert!(Formulary::from_csv("").is_err());
}
