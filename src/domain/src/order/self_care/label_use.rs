//! The use of a product according to its label. No doctor set a dose, so the maximum that the
//! label allows is assumed.

use crate::{
    formulary::{DoseUnit, Form, Ingredient, Product, ProductCode},
    safety::{DraftLine, IngredientLimit, RuleSet},
};

/// Days of a course if neither the label nor a rule states them. Our default.
const USUAL_DAYS: u32 = 3;

/// Doses per day if the label states none. Our default.
const USUAL_TIMES: u32 = 3;

/// The use of a product according to its label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LabelUse {
    /// Units per dose, in thousandths.
    pub dose_units_thousandths: i64,
    pub times_per_day: u32,
    /// Maximum days of use without seeing a doctor.
    pub days: u32,
    /// Whether the label limits the amount per day. A cream is often limited in times only.
    pub measured: bool,
}

impl LabelUse {
    /// This use as a draft line for the safety check.
    pub fn line(&self, product: &ProductCode) -> DraftLine {
        DraftLine {
            product: product.clone(),
            dose_units_thousandths: self.dose_units_thousandths,
            times_per_day: self.times_per_day,
            days: self.days,
        }
    }

    /// Units per day, in thousandths.
    pub fn day_units_thousandths(&self) -> i64 {
        self.dose_units_thousandths.saturating_mul(i64::from(self.times_per_day))
    }
}

/// The maximum dose, times and days that label and rules allow. `None` if no daily maximum is
/// known, because then nothing can be checked. `fever`: the product is taken for fever.
pub fn label_use(product: &Product, rules: &RuleSet, fever: bool) -> Option<LabelUse> {
    let most = &product.adult_max;
    if !most.limits_a_day() {
        return None;
    }
    let single = match product.ingredients.as_slice() {
        [only] if only.amount_ug > 0 => Some(only),
        _ => None,
    };
    let in_units = |ug: Option<i64>| Some(ug?.saturating_mul(1000) / single?.amount_ug);
    let local = product.form.is_local();
    let limited = || product.ingredients.iter().filter(move |one| !local && one.amount_ug > 0);
    let by_rule = limited()
        .filter_map(|one| {
            Some(rules.limit_of(one.code.as_str())?.day_ug.saturating_mul(1000) / one.amount_ug)
        })
        .min();
    let day = [most.day_units_thousandths, in_units(most.day_ug), by_rule].into_iter().flatten().min();
    let usual = |one: &Ingredient| rules.limit_of(one.code.as_str()).filter(|_| !local);
    let slow = product.released_slowly();
    let stated =
        |one| usual(one).and_then(|limit| if slow { limit.sustained_dose_ug } else { limit.dose_ug });
    let by_kind = limited().filter_map(|one| Some(stated(one)?.saturating_mul(1000) / one.amount_ug)).min();
    let dose = [most.dose_units_thousandths, in_units(most.dose_ug), by_kind].into_iter().flatten().min();
    let times = most.times_per_day.unwrap_or_else(|| usual_times(product, usual));
    let (dose, times) = round_dose(product.form, dose, day, times.max(1));
    Some(LabelUse {
        dose_units_thousandths: dose,
        times_per_day: times,
        days: days(product, rules, fever),
        measured: day.is_some() || most.dose_units_thousandths.is_some(),
    })
}

fn usual_times<'r>(product: &Product, usual: impl Fn(&Ingredient) -> Option<&'r IngredientLimit>) -> u32 {
    if product.released_slowly() {
        return 2;
    }
    let times = product.ingredients.iter().filter_map(|one| usual(one)?.usual_times);
    times.min().unwrap_or(USUAL_TIMES)
}

/// Rounds to whole units for forms that cannot be divided, and limits the times per day to the
/// daily maximum.
fn round_dose(form: Form, dose: Option<i64>, day: Option<i64>, times: u32) -> (i64, u32) {
    let share = day.map(|day| day / i64::from(times));
    let dose = match (dose, share) {
        (Some(dose), Some(share)) => dose.min(share),
        (dose, share) => dose.or(share).unwrap_or(1000),
    };
    let divisible = matches!(form.unit(), DoseUnit::Millilitre | DoseUnit::Gram);
    let dose = if divisible { dose.max(1) } else { (dose / 1000 * 1000).max(1000) };
    let dose = day.map_or(dose, |day| dose.min(day.max(1)));
    let fits = day.map_or(times, |day| u32::try_from(day / dose).unwrap_or(u32::MAX));
    (dose, times.min(fits).max(1))
}

/// The smaller of the days on the label and the days in the rules for its ingredients.
fn days(product: &Product, rules: &RuleSet, fever: bool) -> u32 {
    let by_rule = |limit: &IngredientLimit| match limit.fever_days.filter(|_| fever) {
        Some(fever_days) => Some(limit.days.map_or(fever_days, |days| days.min(fever_days))),
        None => limit.days,
    };
    let limits = product.ingredients.iter().filter_map(|one| rules.limit_of(one.code.as_str()));
    let ruled = limits.filter_map(by_rule).min();
    let days = match (product.adult_max.days, ruled) {
        (Some(label), Some(rule)) => label.min(rule),
        (label, rule) => label.or(rule).unwrap_or(USUAL_DAYS),
    };
    days.max(1)
}
