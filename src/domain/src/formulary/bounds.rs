//! Plausibility bounds for maxima. They are no dosing advice: they only reject typing errors,
//! such as 20 g of paracetamol a day. The ceilings are in `ingredients.csv`.

use super::{
    codes::SaleClass,
    names::{ingredient_of_atc, ingredient_zh, known_ingredient},
    never::never,
    product::{Ingredient, Product},
};
use crate::{prescription::PrescribingPolicy, words::Bilingual};

/// An error in a row that prevents the product from being prescribed or sold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flaw {
    pub field: &'static str,
    /// A stable code: `never_list`, `implausible`, `unknown_ingredient`, `atc_mismatch`, `no_source`.
    pub code: &'static str,
    pub message: Bilingual,
}

/// The longest course that a label may state, in days: long-term supply is 12 weeks.
/// Source: the project's clinical rules, prescribing table.
const LONGEST_COURSE_DAYS: u32 = PrescribingPolicy::LONGEST_COURSE_DAYS;

/// The longest course, in days, of an over-the-counter drug that is not locally acting: labels
/// state 3 to 14 days. Our default.
const LONGEST_SELF_CARE_DAYS: u32 = 14;

/// The weight at which a child's dose is compared with the adult ceiling, in kilograms. Our default.
const CHILD_AS_ADULT_KG: i64 = 60;

/// The highest child's daily dose of any drug, in micrograms per kilogram: the highest in use are
/// osmotic laxatives, 1.5 g/kg. Our default.
const CHILD_MAX_UG_PER_KG: i64 = 1_500_000;

/// Maxima of `product` above the ceilings, by column, and what prevents the check: an unknown
/// ingredient has no ceiling. Locally acting forms are not compared with oral ceilings.
pub(super) fn implausible(product: &Product) -> Vec<Flaw> {
    let mut flaws = identity_flaws(product);
    flaws.extend(too_long(product));
    if product.form.is_local() {
        return flaws;
    }
    let most = &product.adult_max;
    let single = product.ingredients.len() == 1;
    for one in &product.ingredients {
        let Some(known) = known_ingredient(one.code.as_str()) else { continue };
        let claims = claims_a_maximum(product);
        let Some((dose_most, day_most)) = known.ceiling_ug else {
            if claims && one.amount_ug > 0 {
                flaws.push(no_ceiling(one));
            }
            continue;
        };
        if claims && one.amount_ug == 0 {
            flaws.push(no_amount(one));
        }
        let of_units = |units: Option<i64>| units.map(|units| scaled(one.amount_ug, units));
        let dose = most.dose_ug.filter(|_| single).or(of_units(most.dose_units_thousandths));
        let times = most.times_per_day.map(i64::from);
        let by_times = times.map(|times| dose.unwrap_or(one.amount_ug).saturating_mul(times));
        let day = most.day_ug.filter(|_| single);
        let child = product.child_dose;
        let at_adult_weight = |ug_per_kg: i64| ug_per_kg.saturating_mul(CHILD_AS_ADULT_KG);
        let child_most = day_most.min(at_adult_weight(CHILD_MAX_UG_PER_KG));
        let checks = [
            ("ingredients", Some(one.amount_ug), dose_most),
            ("max_dose_mg", most.dose_ug.filter(|_| single), dose_most),
            ("max_day_mg", day, day_most),
            ("max_dose_units", of_units(most.dose_units_thousandths), dose_most),
            ("max_day_units", of_units(most.day_units_thousandths), day_most),
            (
                "max_times",
                by_times.filter(|_| day.is_none() && most.day_units_thousandths.is_none()),
                day_most,
            ),
            ("child_mg_kg_dose", child.map(|child| at_adult_weight(child.ug_per_kg_dose)), child_most),
            ("child_mg_kg_day", child.map(|child| at_adult_weight(child.ug_per_kg_day)), child_most),
        ];
        for (field, amount, bound) in checks {
            let over = amount.is_some_and(|amount| amount > bound);
            if over && flaws.iter().all(|flaw| flaw.field != field) {
                flaws.push(too_much(field, one, bound));
            }
        }
    }
    flaws
}

/// Whether the row is meant to be prescribed or sold.
fn claims_a_maximum(product: &Product) -> bool {
    product.in_formulary && product.adult_max.limits_a_day()
}

/// Unknown ingredients, and an ATC code of another drug. Not reported for a product on the
/// never-list, which is refused for that reason.
fn identity_flaws(product: &Product) -> Vec<Flaw> {
    if !claims_a_maximum(product) {
        return Vec::new();
    }
    let unknown = product.ingredients.iter().filter(|one| known_ingredient(one.code.as_str()).is_none());
    let mut flaws: Vec<Flaw> = unknown.take(1).map(unknown_ingredient).collect();
    if let Some(meant) = ingredient_of_atc(&product.atc)
        && product.ingredients.iter().all(|one| one.code.as_str() != meant)
    {
        let message = Bilingual::made(
            format!("ATC 编码 {} 指 {meant}，但成分中没有它，请核对。", product.atc),
            format!("the ATC code {} means {meant}, and the ingredients do not name it", product.atc),
        );
        flaws.push(Flaw { field: "atc", code: "atc_mismatch", message });
    }
    if !flaws.is_empty() && never(product).is_some() {
        flaws.clear();
    }
    flaws
}

fn unknown_ingredient(one: &Ingredient) -> Flaw {
    let message = Bilingual::made(
        format!(
            "成分“{}”不在成分表中，其上限、相互作用和过敏均无法判断：请用国际通用名，或留空最大剂量（仅登记，不可开具）。",
            one.code
        ),
        format!(
            "\"{}\" is no known ingredient, so no ceiling, interaction or allergy can be judged: write the international \
             name, or leave the maxima empty (known only, not prescribable)",
            one.code
        ),
    );
    Flaw { field: "ingredients", code: "unknown_ingredient", message }
}

fn no_ceiling(one: &Ingredient) -> Flaw {
    let message = Bilingual::made(
        format!("没有{}口服含量的上限：中药复方请填 0 并按单位数限制。", ingredient_zh(one.code.as_str())),
        format!(
            "no amount of {} by mouth is known; a herbal compound has the amount 0 and is limited in units",
            one.code
        ),
    );
    Flaw { field: "ingredients", code: "implausible", message }
}

fn no_amount(one: &Ingredient) -> Flaw {
    let message = Bilingual::made(
        format!("须写明每单位含{}多少毫克。", ingredient_zh(one.code.as_str())),
        format!("say how many milligrams of {} a unit holds", one.code),
    );
    Flaw { field: "ingredients", code: "implausible", message }
}

/// A course longer than any supply.
fn too_long(product: &Product) -> Option<Flaw> {
    let self_care = product.class != SaleClass::Rx && !product.form.is_local();
    let most = if self_care { LONGEST_SELF_CARE_DAYS } else { LONGEST_COURSE_DAYS };
    let days = product.adult_max.days.filter(|days| *days > most)?;
    let message = Bilingual::made(
        format!("疗程 {days} 天过长：最多 {most} 天。"),
        format!("a course of {days} days is too long: at most {most} days"),
    );
    Some(Flaw { field: "max_days", code: "implausible", message })
}

fn too_much(field: &'static str, one: &Ingredient, bound: i64) -> Flaw {
    let mg = bound / 1000;
    let mg = if mg == 0 { format!("0.{bound:03}") } else { mg.to_string() };
    let message = Bilingual::made(
        format!("{}超过任何成人说明书的上限（{mg} 毫克），请核对。", ingredient_zh(one.code.as_str())),
        format!("{} is above what any adult label allows ({mg} mg); look it up again.", one.code),
    );
    Flaw { field, code: "implausible", message }
}

/// `amount` per unit times thousandths of a unit.
fn scaled(amount: i64, units_thousandths: i64) -> i64 {
    i64::try_from(i128::from(amount) * i128::from(units_thousandths) / 1000).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formulary::Formulary;

    #[test]
    fn a_typing_error_is_detected_in_every_column() {
        let formulary = Formulary::shipped().expect("shipped");
        let flaws = |change: &dyn Fn(&mut Product)| {
            let mut product = formulary.find("PCM-T500").expect("shipped").clone();
            change(&mut product);
            implausible(&product).into_iter().map(|flaw| flaw.field).collect::<Vec<_>>()
        };
        assert!(flaws(&|_| {}).is_empty());
        assert_eq!(flaws(&|p| p.adult_max.day_ug = Some(20_000_000)), ["max_day_mg"]);
        assert_eq!(flaws(&|p| p.adult_max.dose_ug = Some(1_500_000)), ["max_dose_mg"]);
        assert_eq!(flaws(&|p| p.adult_max.day_units_thousandths = Some(40_000)), ["max_day_units"]);
        assert_eq!(flaws(&|p| p.adult_max.dose_units_thousandths = Some(3_000)), ["max_dose_units"]);
        assert_eq!(
            flaws(&|p| {
                p.adult_max.day_ug = None;
                p.adult_max.times_per_day = Some(40);
            }),
            ["max_times"]
        );
        assert_eq!(flaws(&|p| p.ingredients[0].amount_ug = 5_000_000), ["ingredients"]);
        for product in formulary.iter() {
            assert_eq!(implausible(product), [], "{}", product.code);
        }
    }
}
