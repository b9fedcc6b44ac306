//! What a child may take: by weight or age, as the product's row or the table of children's doses says,
//! and never more than an adult.

use super::{
    findings::Findings,
    input::{DraftLine, SafetyInput},
    items::per_thousand,
    report::Severity,
    rules::RuleSet,
};
use crate::{formulary::Product, words::Bilingual};

/// Which dosing applies to this worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dosing {
    Adult,
    /// By weight in grams, if known.
    Child(Option<i64>),
    Unknown,
}

impl Dosing {
    pub(super) fn of(input: &SafetyInput, rules: &RuleSet) -> Self {
        match input.profile.age_on(input.on) {
            None => Dosing::Unknown,
            Some(age) if age >= rules.thresholds.adult_dose_from_years => Dosing::Adult,
            Some(_) => Dosing::Child(input.profile.weight_g.filter(|grams| *grams > 0)),
        }
    }
}

/// What this child may take of a product with one ingredient.
#[derive(Debug, Clone)]
pub(super) struct ChildLimit {
    pub(super) dose_ug: Option<i64>,
    pub(super) day_ug: Option<i64>,
    source: String,
}

/// Why nothing is known of what this child may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoLimit {
    NoDose,
    WeightUnknown,
}

/// The limit of a product for this child.
pub(super) fn child_limit(
    product: &Product,
    dosing: &Dosing,
    input: &SafetyInput,
    rules: &RuleSet,
) -> Result<ChildLimit, NoLimit> {
    let (Dosing::Child(weight), [only]) = (*dosing, product.ingredients.as_slice()) else {
        return Err(NoLimit::NoDose);
    };
    if let Some(child) = product.child_dose {
        let grams = weight.ok_or(NoLimit::WeightUnknown)?;
        return Ok(ChildLimit {
            dose_ug: Some(per_kilogram(child.ug_per_kg_dose, grams)),
            day_ug: Some(per_kilogram(child.ug_per_kg_day, grams)),
            source: product.source.clone(),
        });
    }
    let age = input.profile.age_on(input.on).ok_or(NoLimit::NoDose)?;
    let rows = rules.number(only.code.as_str()).and_then(|number| rules.tables().child_doses.get(&number));
    let mut of_age = rows.into_iter().flatten().filter(|row| age >= row.from_years).peekable();
    of_age.peek().ok_or(NoLimit::NoDose)?;
    for row in of_age {
        let needs_weight = row.above_g.or(row.up_to_g).or(row.most_per_kg.0).or(row.most_per_kg.1).is_some();
        let grams = match weight {
            None if needs_weight => return Err(NoLimit::WeightUnknown),
            grams => grams.unwrap_or(0),
        };
        if row.above_g.is_some_and(|above| grams <= above) || row.up_to_g.is_some_and(|most| grams > most) {
            continue;
        }
        let least = |most: Option<i64>, per_kg: Option<i64>| {
            most.into_iter().chain(per_kg.map(|ug| per_kilogram(ug, grams))).min()
        };
        return Ok(ChildLimit {
            dose_ug: least(row.most.0, row.most_per_kg.0),
            day_ug: least(row.most.1, row.most_per_kg.1),
            source: rules.cite(row.source).to_owned(),
        });
    }
    Err(NoLimit::NoDose)
}

/// Below the age of adult dosing a line needs a child's dose, and often a weight.
pub(super) fn check_child(
    at: usize,
    line: &DraftLine,
    product: &Product,
    dosing: &Dosing,
    input: &SafetyInput,
    rules: &RuleSet,
    findings: &mut Findings,
) {
    if !matches!(dosing, Dosing::Child(_)) || product.form.is_local() {
        return;
    }
    let mut found = |rule: &'static str, severity, (zh, en): (&str, &str), source: &str| {
        let message = Bilingual::made(
            format!("{}：{zh}。", product.generic_zh),
            format!("{}: {en}.", product.generic_en),
        );
        findings.made(rule, severity, &[at], message, source);
    };
    let limit = match child_limit(product, dosing, input, rules) {
        Ok(limit) => limit,
        Err(NoLimit::NoDose) => {
            let texts = ("没有儿童剂量资料", "no child's dose is known");
            return found("child_dose_unknown", Severity::Unknown, texts, &product.source);
        }
        Err(NoLimit::WeightUnknown) => {
            let texts = ("儿童剂量需要体重", "a child's dose needs the weight");
            return found("child_weight_unknown", Severity::Unknown, texts, &product.source);
        }
    };
    let [only] = product.ingredients.as_slice() else { return };
    let dose = per_thousand(only.amount_ug, line.dose_units_thousandths);
    if limit.dose_ug.or(limit.day_ug).is_some_and(|most| dose > most) {
        let texts = ("单次剂量超过该儿童的上限", "the single dose is above the maximum for this child");
        found("max_dose", Severity::Block, texts, &limit.source);
    }
}

/// `ug` per kilogram for this weight, rounded down.
fn per_kilogram(ug: i64, grams: i64) -> i64 {
    i64::try_from(i128::from(ug) * i128::from(grams) / 1000).unwrap_or(i64::MAX)
}
