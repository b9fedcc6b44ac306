//! Limits how much one person buys to one course, summed over all products with the ingredient,
//! at any station, whether paid, vended or only reserved.

use std::borrow::Cow;

use super::label_use::LabelUse;
use crate::{
    formulary::{Product, ingredient_zh},
    safety::{Finding, RuleSet, Severity},
    words::Bilingual,
};

const RULE: &str = "amount_over_course";
const SOURCE: &str = "Waystation clinical rules, doses: a maximum is per dose, per day and per course";

/// Packs of one product.
#[derive(Debug, Clone, Copy)]
pub struct Amount<'a> {
    pub product: &'a Product,
    pub packs: u32,
}

impl Amount<'_> {
    /// Total units in all packs, in thousandths.
    fn units(&self) -> i64 {
        i64::from(self.packs).saturating_mul(i64::from(self.product.units_per_pack)).saturating_mul(1000)
    }

    /// Micrograms of `ingredient` in all packs; 0 for a locally acting form.
    fn micrograms(&self, ingredient: &str) -> i64 {
        let matching = self.product.ingredients.iter().filter(|one| one.code.as_str() == ingredient);
        let per_unit = matching.map(|one| one.amount_ug).sum::<i64>();
        if self.product.form.is_local() { 0 } else { per_unit.saturating_mul(self.units() / 1000) }
    }
}

/// Checks that `wanted` and `recent` (what the same person got within the look-back window)
/// together do not exceed one course. A first pack is always sold, because a pack may be larger
/// than a course.
pub fn check_amounts(
    wanted: &[(Amount<'_>, LabelUse)],
    recent: &[Amount<'_>],
    rules: &RuleSet,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (at, (amount, label)) in wanted.iter().enumerate() {
        if over_by_pack(at, amount, label, wanted, recent) {
            findings.push(finding(&[at], &amount.product.generic_zh, &amount.product.generic_en));
        }
    }
    let codes = wanted.iter().flat_map(|(amount, _)| &amount.product.ingredients);
    let mut seen: Vec<&str> = Vec::new();
    for code in codes.map(|one| one.code.as_str()) {
        if !seen.contains(&code) {
            seen.push(code);
            if let Some(lines) = over_by_ingredient(code, wanted, recent, rules) {
                findings.push(finding(&lines, ingredient_zh(code), code));
            }
        }
    }
    findings
}

/// Whether there is more of one product than its course. If the label does not limit the amount
/// per day, a course is one pack. Our default.
fn over_by_pack(
    at: usize,
    amount: &Amount<'_>,
    label: &LabelUse,
    wanted: &[(Amount<'_>, LabelUse)],
    recent: &[Amount<'_>],
) -> bool {
    let same = |other: &&Amount<'_>| other.product.code == amount.product.code;
    let others = wanted.iter().enumerate().filter(|(other, _)| *other != at).map(|(_, (amount, _))| amount);
    let before: u32 =
        recent.iter().chain(others).filter(same).map(|one| one.packs).fold(0, u32::saturating_add);
    let packs = before.saturating_add(amount.packs);
    let course = label.day_units_thousandths().saturating_mul(i64::from(label.days));
    let total = Amount { product: amount.product, packs }.units();
    packs > 1 && (!label.measured || total > course)
}

/// The lines that contain the ingredient, if all products together exceed its course.
fn over_by_ingredient(
    code: &str,
    wanted: &[(Amount<'_>, LabelUse)],
    recent: &[Amount<'_>],
    rules: &RuleSet,
) -> Option<Vec<usize>> {
    let contains_it = |amount: &Amount<'_>| amount.micrograms(code) > 0;
    let lines: Vec<usize> =
        wanted.iter().enumerate().filter(|(_, (amount, _))| contains_it(amount)).map(|(at, _)| at).collect();
    let all = || wanted.iter().map(|(amount, _)| amount).chain(recent).filter(|amount| contains_it(amount));
    let total = all().map(|amount| amount.micrograms(code)).fold(0_i64, i64::saturating_add);
    let packs = all().map(|amount| amount.packs).fold(0_u32, u32::saturating_add);
    let day = |(amount, label): &(Amount<'_>, LabelUse)| {
        let unit = Amount { product: amount.product, packs: 1 };
        let per_unit = unit.micrograms(code) / i64::from(amount.product.units_per_pack.max(1));
        per_unit.saturating_mul(label.day_units_thousandths()) / 1000
    };
    let containing = || lines.iter().map(|at| &wanted[*at]);
    let days = containing().map(|(_, label)| i64::from(label.days)).max()?;
    let per_day = match rules.limit_of(code) {
        Some(limit) => limit.day_ug,
        None => containing().map(day).max()?,
    };
    (packs > 1 && total > per_day.saturating_mul(days)).then_some(lines)
}

fn finding(lines: &[usize], zh: &str, en: &str) -> Finding {
    Finding {
        rule: Cow::Borrowed(RULE),
        severity: Severity::Block,
        lines: lines.to_vec(),
        message: Bilingual::made(
            format!("{zh}：连同近日已买、已取或占用的，超过一个疗程的用量。请咨询医生。"),
            format!(
                "{en}: with what was bought, taken out or held lately, this is more than one course. Ask a doctor."
            ),
        ),
        source: Cow::Borrowed(SOURCE),
    }
}
