//! What worked cases are tried on: the shipped formulary with a trial product for each ingredient, on one
//! day, for one healthy man.

use chrono::NaiveDate;

use super::{Profile, RuleSet, Sex, SkinTest, SkinTestResult};
use crate::{
    formulary::{
        AdultMaximum, Excipient, Form, Formulary, Ingredient, IngredientCode, PackLabel, Product,
        ProductCode, SaleClass,
    },
    money::Fen,
    network::Job,
};

pub(super) fn day() -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, 11, 23).expect("a date")
}

/// A product whose label has such high limits that only the rules can object.
pub(super) fn product(code: &str, form: Form, ingredients: &[(&str, i64)]) -> Product {
    let ingredients: Vec<Ingredient> = ingredients
        .iter()
        .map(|(name, mg)| Ingredient {
            code: IngredientCode::parse(name).expect("code"),
            amount_ug: mg * 1000,
        })
        .collect();
    Product {
        code: ProductCode::parse(code).expect("code"),
        generic_zh: format!("试验 {code}"),
        generic_en: format!("Trial {code}"),
        atc: "-".into(),
        form,
        strength_ug: None,
        ingredients,
        units_per_pack: 10,
        price: Fen(1000),
        class: SaleClass::Rx,
        adult_max: AdultMaximum { times_per_day: Some(12), ..AdultMaximum::default() },
        min_age_years: Some(0),
        child_dose: None,
        contraindications: Vec::new(),
        sedating: false,
        contains_alcohol: false,
        excipients: Vec::new(),
        excipients_listed: false,
        label: PackLabel::default(),
        storage: "室温".into(),
        source: "trial label, section 1".into(),
        in_formulary: true,
    }
}

/// One single-ingredient tablet of 1 mg per known ingredient, coded `x-<ingredient>`, and a few
/// special cases.
pub(super) fn formulary() -> Formulary {
    let mut formulary = Formulary::shipped().expect("the shipped file is good");
    for facts in RuleSet::standard().ingredients() {
        formulary.put(product(
            &format!("x-{}", facts.code.replace('_', "-")),
            Form::Tablet,
            &[(&facts.code, 1)],
        ));
    }
    for (code, _) in RuleSet::standard()
        .tables()
        .limits
        .iter()
        .zip(RuleSet::standard().ingredients())
        .filter_map(|(limit, facts)| Some((facts.code.clone(), limit.as_ref()?.sustained_dose_ug?)))
    {
        formulary.put(product(
            &format!("x-slow-{}", code.replace('_', "-")),
            Form::SustainedReleaseTablet,
            &[(&code, 1)],
        ));
    }
    let mut tincture = product("x-tincture", Form::Tincture, &[("huoxiang_zhengqi", 0)]);
    tincture.contains_alcohol = true;
    formulary.put(tincture);
    formulary.put(product("x-penicillin-cream", Form::Cream, &[("benzylpenicillin", 1)]));
    formulary.put(product("x-gel", Form::Gel, &[("diclofenac", 10)]));
    formulary.put(product("x-spray", Form::NasalSpray, &[("naphazoline", 1)]));
    formulary.put(product("x-inhaler", Form::Inhaler, &[("salbutamol", 1)]));
    let mut with_egg = product("x-egg", Form::Tablet, &[("loratadine", 1)]);
    (with_egg.excipients, with_egg.excipients_listed) = (vec![Excipient::Egg], true);
    formulary.put(with_egg);
    let mut unstudied = product("x-unstudied", Form::Tablet, &[("loratadine", 1)]);
    unstudied.min_age_years = None;
    formulary.put(unstudied);
    formulary.put(product("x-odd", Form::Tablet, &[("unobtainium", 1)]));
    formulary.put(product("x-needle", Form::Injection, &[("paracetamol", 1)]));
    formulary
}

/// A healthy man of forty with every value measured.
pub(super) fn healthy() -> Profile {
    Profile {
        age_years: Some(40),
        weight_g: Some(70_000),
        sex: Some(Sex::Male),
        egfr: Some(100),
        creatinine_clearance: Some(100),
        breath_alcohol: Some(0),
        systolic: Some(120),
        diastolic: Some(75),
        job: Some(Job::Courier),
        skin_test: Some(SkinTest { result: SkinTestResult::Negative, minutes_ago: 60 }),
        ..Profile::default()
    }
}
