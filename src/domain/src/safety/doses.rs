//! Dose checks: each line against its own label, each ingredient summed over everything taken, and
//! duplicate therapy.

use super::{
    child_doses::{Dosing, check_child, child_limit},
    findings::Findings,
    input::{DraftLine, SafetyInput},
    items::{Item, Items, Origin, per_thousand},
    report::Severity,
    rows::IngredientLimit,
    rules::RuleSet,
};
use crate::{
    formulary::{Condition, Form, Product, Standing, ingredient_zh},
    words::Bilingual,
};

const CLINICAL_RULES: &str = "Waystation clinical rules, prescribing and drugs tables";

/// Runs all dose checks.
pub(super) fn check_doses(input: &SafetyInput, items: &Items<'_>, rules: &RuleSet, findings: &mut Findings) {
    let dosing = Dosing::of(input, rules);
    for (at, (line, product)) in input.lines.iter().zip(&items.products).enumerate() {
        if line.dose_units_thousandths <= 0 || line.times_per_day == 0 || line.days == 0 {
            let message =
                Bilingual::fixed("剂量、次数和天数须大于零。", "Dose, times and days must be above zero.");
            findings.fixed("line_invalid", Severity::Block, &[at], message, CLINICAL_RULES);
        }
        if let (Some(product), Some(standing)) = (product, items.standings[at]) {
            check_prescribable(at, product, standing, findings);
            check_age(at, product, input, rules, findings);
            check_label(at, line, product, findings);
            check_whole(at, line, product, standing, findings);
            check_single(at, line, product, (items, standing.slow), rules, findings);
            check_child(at, line, product, &dosing, input, rules, findings);
        }
    }
    check_sums(input, items, dosing, rules, findings);
    check_duplicates(input, items, rules, findings);
}

fn check_prescribable(at: usize, product: &Product, standing: &Standing, findings: &mut Findings) {
    if product.form == Form::Injection {
        let message = Bilingual::fixed("此处不得开具注射剂。", "Injections are never prescribed here.");
        findings.fixed("never_injection", Severity::Block, &[at], message, CLINICAL_RULES);
    } else if !product.in_formulary {
        let message = Bilingual::made(
            format!("{} 不在处方集内。", product.generic_zh),
            format!("{} is not in the formulary.", product.generic_en),
        );
        findings.made("not_in_formulary", Severity::Block, &[at], message, CLINICAL_RULES);
    } else if !standing.sourced {
        let message = Bilingual::made(
            format!("{} 没有已核对来源的最大剂量，不可开具。", product.generic_zh),
            format!("{} has no sourced maximum dose and cannot be prescribed.", product.generic_en),
        );
        findings.made("no_sourced_maximum", Severity::Block, &[at], message, CLINICAL_RULES);
    }
    for flaw in &standing.implausible {
        findings.made("implausible_maximum", Severity::Block, &[at], flaw.message.clone(), CLINICAL_RULES);
    }
}

fn check_age(at: usize, product: &Product, input: &SafetyInput, rules: &RuleSet, findings: &mut Findings) {
    let Some(age) = input.profile.age_on(input.on) else { return };
    match product.min_age_years {
        Some(youngest) if age < youngest => {
            let message = Bilingual::made(
                format!("{} 不用于 {youngest} 岁以下。", product.generic_zh),
                format!("{} is not for anyone under {youngest}.", product.generic_en),
            );
            findings.made("age_minimum", Severity::Block, &[at], message, &product.source);
        }
        None if age < rules.thresholds.adult_from_years => {
            let message = Bilingual::made(
                format!("{} 没有年龄资料。", product.generic_zh),
                format!("Nothing is known of {} below adult age.", product.generic_en),
            );
            findings.made("age_unstudied", Severity::Unknown, &[at], message, &product.source);
        }
        Some(_) | None => {}
    }
}

/// Checks the line against its product's own label.
fn check_label(at: usize, line: &DraftLine, product: &Product, findings: &mut Findings) {
    let most = &product.adult_max;
    let dose = line.dose_units_thousandths;
    let mut over = |over: bool, rule: &'static str, zh: &str, en: &str| {
        if over {
            let message = Bilingual::made(
                format!("{}：{zh}。", product.generic_zh),
                format!("{}: {en}.", product.generic_en),
            );
            findings.made(rule, Severity::Block, &[at], message, &product.source);
        }
    };
    over(
        most.dose_units_thousandths.is_some_and(|most| dose > most),
        "max_units_dose",
        "单次用量超过上限",
        "more units at a time than the maximum",
    );
    over(
        most.day_units_thousandths.is_some_and(|most| line.day_units_thousandths() > most),
        "max_units_day",
        "每日用量超过上限",
        "more units a day than the maximum",
    );
    over(
        most.times_per_day.is_some_and(|most| line.times_per_day > most),
        "max_times",
        "每日次数超过上限",
        "more times a day than the maximum",
    );
    over(
        most.days.is_some_and(|most| line.days > most),
        "max_days",
        "用药天数超过上限",
        "more days than the maximum",
    );
    if let (Some(most), [only]) = (most.dose_ug, product.ingredients.as_slice()) {
        over(
            per_thousand(only.amount_ug, dose) > most,
            "max_dose",
            "单次剂量超过上限",
            "the single dose is above the maximum",
        );
    }
}

/// Capsules and tablets with a release of their own are not divided.
fn check_whole(at: usize, line: &DraftLine, product: &Product, standing: &Standing, findings: &mut Findings) {
    if line.dose_units_thousandths % 1000 != 0 && standing.whole {
        let message = Bilingual::made(
            format!("{}须整粒（片）吞服，不得掰开。", product.generic_zh),
            format!("{} is swallowed whole and never divided.", product.generic_en),
        );
        findings.made("not_divisible", Severity::Block, &[at], message, CLINICAL_RULES);
    }
}

/// One dose of each ingredient against its limit across products. Where neither label nor rule
/// states a dose, it is the day's maximum divided by the usual times.
fn check_single(
    at: usize,
    line: &DraftLine,
    product: &Product,
    (items, slow): (&Items<'_>, bool),
    rules: &RuleSet,
    findings: &mut Findings,
) {
    if product.form.is_local() {
        return;
    }
    let single = product.ingredients.len() == 1;
    let label_states =
        product.adult_max.dose_ug.is_some() || product.adult_max.dose_units_thousandths.is_some();
    // The items of a line are its ingredients, in their order.
    for (one, item) in product.ingredients.iter().zip(items.of_line(at)) {
        let limit = item.ingredient.and_then(|number| rules.limit(number));
        let stated = limit.and_then(|limit| if slow { limit.sustained_dose_ug } else { limit.dose_ug });
        let label_day = product.adult_max.day_ug.filter(|_| single);
        let day = limit.map(|limit| limit.day_ug).into_iter().chain(label_day).min();
        let times = limit.and_then(|limit| limit.usual_times).or(product.adult_max.times_per_day);
        let share = || Some(day? / i64::from(times?.max(1))).filter(|_| !label_states && !slow);
        let dose = per_thousand(one.amount_ug, line.dose_units_thousandths);
        if stated.or_else(share).is_some_and(|most| dose > most) {
            let message = Bilingual::made(
                format!("{}：{}单次剂量超过上限。", product.generic_zh, ingredient_zh(one.code.as_str())),
                format!("{}: the single dose of {} is above the maximum.", product.generic_en, one.code),
            );
            let source = limit.map_or(product.source.as_str(), |limit| rules.cite(limit.source));
            findings.made("max_dose", Severity::Block, &[at], message, source);
        } else if !label_states && !slow && times.is_none() && day.is_some_and(|day| dose > day / 2) {
            let message = Bilingual::made(
                format!("{}：一次用量超过全日上限的一半，且说明书未载单次剂量。", product.generic_zh),
                format!(
                    "{}: more than half of a day's maximum at once, and no single dose is known.",
                    product.generic_en
                ),
            );
            findings.made("whole_day_at_once", Severity::Warn, &[at], message, &product.source);
        }
    }
}

/// Checks each ingredient, summed over everything that is taken.
fn check_sums(
    input: &SafetyInput,
    items: &Items<'_>,
    dosing: Dosing,
    rules: &RuleSet,
    findings: &mut Findings,
) {
    let prescribed: Vec<&Item<'_>> =
        items.prescribed().filter(|item| !item.local && item.day_ug.is_some()).collect();
    for (at, first) in prescribed.iter().enumerate() {
        let Some(ingredient) = first.ingredient else { continue };
        if prescribed[..at].iter().any(|before| before.ingredient == Some(ingredient)) {
            continue;
        }
        let same: Vec<&Item<'_>> =
            items.all().iter().filter(|item| item.ingredient == Some(ingredient) && item.counts()).collect();
        let limit = rules.limit(ingredient);
        check_sum(&same, limit, &dosing, input, rules, findings);
        if let Some(limit) = limit {
            check_course(input, &same, limit, rules, findings);
            if limit.only_one_product && sources(&same) > 1 {
                let message = Bilingual::made(
                    format!("不得同时使用两种含{}的药品。", ingredient_zh(&limit.code)),
                    format!("No second product with {} at the same time.", limit.code),
                );
                findings.made(
                    "second_product",
                    Severity::Block,
                    &lines(&same),
                    message,
                    rules.cite(limit.source),
                );
            }
        }
    }
}

fn lines(items: &[&Item<'_>]) -> Vec<usize> {
    items.iter().filter_map(|item| item.line()).collect()
}

fn sources(items: &[&Item<'_>]) -> usize {
    let mut seen: Vec<Origin> = Vec::with_capacity(items.len());
    for item in items {
        if !seen.contains(&item.origin) {
            seen.push(item.origin);
        }
    }
    seen.len()
}

/// The label's daily maximum of a product that contains this ingredient alone.
fn label_limit(item: &Item<'_>, dosing: &Dosing, input: &SafetyInput, rules: &RuleSet) -> Option<i64> {
    let product = item.product.filter(|product| product.ingredients.len() == 1)?;
    let adult = product.adult_max.day_ug;
    match dosing {
        Dosing::Child(_) => {
            let child = child_limit(product, dosing, input, rules).ok().and_then(|limit| limit.day_ug);
            adult.into_iter().chain(child).min()
        }
        Dosing::Adult | Dosing::Unknown => adult,
    }
}

fn check_sum(
    same: &[&Item<'_>],
    limit: Option<&IngredientLimit>,
    dosing: &Dosing,
    input: &SafetyInput,
    rules: &RuleSet,
    findings: &mut Findings,
) {
    let total = same.iter().filter_map(|item| item.day_ug).fold(0i64, i64::saturating_add);
    let by_label = same.iter().filter_map(|item| label_limit(item, dosing, input, rules)).min();
    let by_rule = limit.map(|limit| limit.day_ug);
    let most = match (by_label, by_rule) {
        (Some(label), Some(rule)) => Some(label.min(rule)),
        (label, rule) => label.or(rule),
    };
    let name = same.iter().find_map(|item| item.product).map_or("", |product| product.generic_en.as_str());
    let source = limit.map_or("product label, as cited in the formulary", |limit| rules.cite(limit.source));
    if let Some(most) = most.filter(|most| total > *most) {
        let message = Bilingual::made(
            format!("每日总量 {} 毫克，超过上限 {} 毫克。", milligrams(total), milligrams(most)),
            format!(
                "{name}: {} mg a day in all, above the maximum of {} mg.",
                milligrams(total),
                milligrams(most)
            ),
        );
        findings.made("max_day", Severity::Block, &lines(same), message, source);
    }
    let unknown_dose = same.iter().any(|item| item.day_ug.is_none());
    if unknown_dose {
        let message = Bilingual::made(
            "正在服用同一成分，但剂量不明，无法计算总量。".to_owned(),
            format!("{name}: the same ingredient is taken already at an unknown dose; the sum is unknown."),
        );
        findings.made("sum_unknown", Severity::Unknown, &lines(same), message, CLINICAL_RULES);
    }
}

/// Micrograms as milligrams, without floating point.
fn milligrams(ug: i64) -> String {
    let fraction = format!("{:03}", (ug % 1000).abs());
    match fraction.trim_end_matches('0') {
        "" => format!("{}", ug / 1000),
        digits => format!("{}.{digits}", ug / 1000),
    }
}

fn check_course(
    input: &SafetyInput,
    same: &[&Item<'_>],
    limit: &IngredientLimit,
    rules: &RuleSet,
    findings: &mut Findings,
) {
    // A measured fever counts as one that was stated.
    let measured = input.profile.temperature_tenths;
    let fever = input.profile.has(Condition::Fever)
        || measured.is_some_and(|tenths| tenths >= rules.thresholds.fever_from_tenths);
    let most = match (limit.days, limit.fever_days.filter(|_| fever)) {
        (Some(days), Some(fever_days)) => Some(days.min(fever_days)),
        (days, fever_days) => days.or(fever_days),
    };
    let Some(most) = most else { return };
    for at in lines(same) {
        if input.lines.get(at).is_some_and(|line| line.days > most) {
            let message = Bilingual::made(
                format!("{}最多连用 {most} 天。", ingredient_zh(&limit.code)),
                format!("{} is for {most} days at most.", limit.code),
            );
            findings.made("max_days", Severity::Block, &[at], message, rules.cite(limit.source));
        }
    }
}

/// Finds the same product, the same ingredient or the same kind of drug more than once.
fn check_duplicates(input: &SafetyInput, items: &Items<'_>, rules: &RuleSet, findings: &mut Findings) {
    for (at, line) in input.lines.iter().enumerate() {
        for (before, other) in input.lines[..at].iter().enumerate() {
            if line.product == other.product {
                let message = Bilingual::fixed("同一药品开了两行。", "The same product stands on two lines.");
                findings.fixed("duplicate_line", Severity::Block, &[before, at], message, CLINICAL_RULES);
            }
        }
    }
    for (at, one) in items.all().iter().enumerate() {
        for other in &items.all()[..at] {
            let both: Vec<usize> = one.line().into_iter().chain(other.line()).collect();
            if one.origin == other.origin || both.is_empty() || !one.counts() || !other.counts() {
                continue;
            }
            let alcohol = one.ingredient == rules.tables().ethanol;
            if one.ingredient.is_some() && one.ingredient == other.ingredient && !alcohol {
                let message = Bilingual::fixed("同一成分重复用药。", "The same ingredient is taken twice.");
                findings.fixed("duplicate_ingredient", Severity::Warn, &both, message, CLINICAL_RULES);
            } else if one.classes.and(rules.tables().flagged.one_at_a_time).meets(other.classes) {
                let message = Bilingual::fixed("同类药物重复用药。", "Two drugs of the same kind are taken.");
                findings.fixed("duplicate_class", Severity::Warn, &both, message, CLINICAL_RULES);
            }
        }
    }
}
