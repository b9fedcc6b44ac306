//! Parses the rows of each table. Every bad cell is a fault of its own; a row with a fault is left out.

use std::collections::{HashMap, HashSet};

use super::{
    fault::RuleFaultCode::{Duplicate, Invalid, Missing, NoSource, UnknownName},
    names::Names,
    reader::{Faults, Row, read},
};
use crate::{
    formulary::{Condition, is_our_own, known_ingredient, names_a_source, thousandths},
    safety::{
        classes::ClassId,
        report::Severity,
        rows::{
            ChildDoseRule, Class, ConditionRule, Flagged, IngredientFacts, IngredientLimit, PairKnowledge,
            PairRule, PeopleRule, Says, Source, Standing, When,
        },
        thresholds::Thresholds,
    },
};

/// The longest excerpt of a document, in characters.
const LONGEST_EXCERPT: usize = 200;

/// A positive amount of milligrams, as micrograms.
fn milligrams(text: &str) -> Option<i64> {
    thousandths(text).filter(|ug| *ug > 0)
}

/// A whole number of at least one.
fn count(text: &str) -> Option<u32> {
    text.parse().ok().filter(|count| *count > 0)
}

fn yes_no(text: &str) -> Option<bool> {
    match text {
        "yes" => Some(true),
        "no" => Some(false),
        _ => None,
    }
}

/// A stable id: lower-case letters, digits and `_`.
pub(super) fn id(row: &Row, field: &'static str, faults: &mut Faults) -> String {
    let valid = |text: &str| {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
        (text.len() <= 60 && text.bytes().all(plain)).then(|| text.to_owned())
    };
    row.parsed(field, valid, faults).unwrap_or_default()
}

pub(super) fn edition(text: &str, faults: &mut Faults) -> String {
    let rows = read("edition", text, &["version", "zh", "en"], faults);
    for more in rows.iter().skip(1) {
        faults.cell(more, "version", Duplicate, "一版只有一个版本号", "an edition has one version");
    }
    let Some(row) = rows.first() else { return String::new() };
    row.required("zh", faults);
    row.required("en", faults);
    let valid = |text: &str| {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-._".contains(&b);
        ((1..=60).contains(&text.len()) && text.bytes().all(plain)).then(|| text.to_owned())
    };
    row.parsed("version", valid, faults).unwrap_or_default()
}

pub(super) fn sources(text: &str, faults: &mut Faults) -> Vec<Source> {
    const COLUMNS: &[&str] = &["id", "standing", "title", "publisher", "section", "year", "excerpt"];
    let mut sources = Vec::new();
    for row in read("sources", text, COLUMNS, faults) {
        let id = id(&row, "id", faults);
        let (title, publisher) = (row.required("title", faults), row.required("publisher", faults));
        let year = |text: &str| text.parse::<u16>().ok().filter(|year| (1950..=2100).contains(year));
        row.optional("year", year, faults);
        let standing = row.parsed("standing", Standing::parse, faults);
        let section = row.cell("section");
        let place = if section.is_empty() { title.to_owned() } else { format!("{title}, {section}") };
        let (excerpt, shown) = (row.cell("excerpt"), row.cell("excerpt").chars().count());
        if shown > LONGEST_EXCERPT {
            faults.cell(&row, "excerpt", Invalid, "摘录最多 200 字", "an excerpt has at most 200 characters");
        }
        match standing {
            Some(Standing::Read) => {
                if excerpt.is_empty() {
                    faults.cell(&row, "excerpt", NoSource, "须摘录所读原文", "quote what was read");
                }
                row.required("section", faults);
                if is_our_own(&place) || is_our_own(publisher) || !names_a_source(&place) {
                    faults.cell(
                        &row,
                        "title",
                        NoSource,
                        "须为可查阅的说明书、指南等及其章节",
                        "name a label, a guideline or the like, and the section",
                    );
                }
            }
            Some(Standing::Unconfirmed | Standing::Default) if !excerpt.is_empty() => {
                faults.cell(
                    &row,
                    "standing",
                    Invalid,
                    "未读原文者不得有摘录",
                    "what was not read has no excerpt",
                );
            }
            Some(Standing::Unconfirmed | Standing::Default) | None => {}
        }
        let year =
            if row.cell("year").is_empty() { String::new() } else { format!(", {}", row.cell("year")) };
        let cite = match standing {
            Some(Standing::Read) => format!("{place} ({publisher}{year})"),
            Some(Standing::Unconfirmed) => format!("{title}; not confirmed against a label"),
            Some(Standing::Default) | None => title.to_owned(),
        };
        sources.push(Source { id, standing: standing.unwrap_or(Standing::Default), cite: cite.into() });
    }
    sources
}

pub(super) fn thresholds(text: &str, names: &Names<'_>, faults: &mut Faults) -> Thresholds {
    let (mut thresholds, mut found, mut last_age) = (Thresholds::default(), HashSet::new(), 1);
    for row in read("thresholds", text, &["id", "value", "unit", "source", "zh", "en"], faults) {
        let id = id(&row, "id", faults);
        row.required("unit", faults);
        names.sources(&row, faults);
        row.sentence(&names.words, faults);
        let value = row.parsed("value", |text| text.parse::<i64>().ok().filter(|value| *value >= 0), faults);
        if !Thresholds::IDS.contains(&id.as_str()) {
            faults.cell(&row, "id", UnknownName, "引擎没有此数值", "the engine reads no such number");
        } else if value.is_some_and(|value| thresholds.set(&id, value).is_none()) {
            faults.cell(&row, "value", Invalid, "数值过大", "the number is too large");
        }
        if id == "may_be_pregnant_to_years" {
            last_age = row.line;
        }
        found.insert(id);
    }
    for id in Thresholds::IDS.iter().filter(|id| !found.contains(**id)) {
        faults.at(("thresholds", 1), "id", Missing, format!("缺少 {id}"), format!("there is no row {id}"));
    }
    let (from, to) = (thresholds.may_be_pregnant_from_years, thresholds.may_be_pregnant_to_years);
    if from > to {
        faults.at(
            ("thresholds", last_age),
            "value",
            Invalid,
            "妊娠年龄区间为空",
            "no age is within the bounds for pregnancy",
        );
    }
    thresholds
}

/// The names of the classes, which their own rows may use.
pub(super) fn class_ids(text: &str) -> HashMap<String, ClassId> {
    let rows = read("classes", text, CLASS_COLUMNS, &mut Faults::default());
    let numbered = rows.iter().enumerate();
    numbered.filter_map(|(at, row)| Some((row.cell("id").to_owned(), ClassId::of_row(at)?))).collect()
}

const CLASS_COLUMNS: &[&str] = &["id", "zh", "en", "flags", "applied_as", "cross_reacts", "source"];

pub(super) fn classes(text: &str, names: &Names<'_>, faults: &mut Faults) -> (Vec<Class>, Flagged) {
    let (mut classes, mut flagged) = (Vec::new(), Flagged::default());
    for (at, row) in read("classes", text, CLASS_COLUMNS, faults).into_iter().enumerate() {
        let (id, shown) = (id(&row, "id", faults), row.sentence(&names.words, faults));
        names.sources(&row, faults);
        let Some(number) = ClassId::of_row(at) else {
            faults.cell(&row, "id", Invalid, "药物分类过多", "there are too many classes");
            break;
        };
        for flag in row.list("flags") {
            let set = match flag {
                "one_at_a_time" => &mut flagged.one_at_a_time,
                "shared_allergy" => &mut flagged.shared_allergy,
                "sedating" => &mut flagged.sedating,
                "raises_pressure" => &mut flagged.raises_pressure,
                "not_absorbed" => &mut flagged.not_absorbed,
                "never" => &mut flagged.never,
                "excipient" => &mut flagged.excipient,
                "of_product" => &mut flagged.of_product,
                _ => {
                    faults.cell(&row, "flags", UnknownName, "未知标记", "an unknown flag");
                    continue;
                }
            };
            set.add(number);
        }
        let applied_as = (!row.cell("applied_as").is_empty())
            .then(|| names.class(&row, "applied_as", row.cell("applied_as"), faults))
            .flatten();
        classes.push(Class {
            id,
            shown,
            applied_as,
            cross_reacts: names.classes(&row, "cross_reacts", faults),
            line: row.line,
        });
    }
    (classes, flagged)
}

pub(super) const INGREDIENT_COLUMNS: &[&str] = &["code", "classes", "pairs", "low_day_mg", "low_classes"];

pub(super) fn ingredients(text: &str, names: &Names<'_>, faults: &mut Faults) -> Vec<IngredientFacts> {
    let mut ingredients = Vec::new();
    for row in read("ingredients", text, INGREDIENT_COLUMNS, faults) {
        let code = id(&row, "code", faults);
        if known_ingredient(&code).is_none_or(|known| known.code != code) {
            let (zh, en) = ("成分表没有此成分", "the table of ingredients of the formulary has no such code");
            faults.cell(&row, "code", UnknownName, zh, en);
        }
        let pairs = |text: &str| match text {
            "covered" => Some(PairKnowledge::Covered),
            "partial" => Some(PairKnowledge::Partial),
            _ => None,
        };
        let pairs = row.parsed("pairs", pairs, faults).unwrap_or(PairKnowledge::Partial);
        let low_day = row.optional("low_day_mg", milligrams, faults);
        let low_classes = names.classes(&row, "low_classes", faults);
        if low_day.is_none() && !low_classes.is_empty() {
            faults.cell(
                &row,
                "low_day_mg",
                Missing,
                "须与 low_classes 一并填写",
                "stands together with low_classes",
            );
        }
        ingredients.push(IngredientFacts {
            code,
            classes: names.classes(&row, "classes", faults),
            pairs,
            low_dose: low_day.map(|ug| (ug, low_classes)),
            line: row.line,
        });
    }
    ingredients
}

const LIMIT_COLUMNS: &[&str] = &[
    "ingredient",
    "dose_mg",
    "sustained_dose_mg",
    "usual_times",
    "day_mg",
    "days",
    "fever_days",
    "only_one_product",
    "source",
];

/// The limits by ingredient number, with their lines.
pub(super) fn limits(text: &str, names: &Names<'_>, faults: &mut Faults) -> Vec<(u16, u64, IngredientLimit)> {
    let mut limits = Vec::new();
    for row in read("limits", text, LIMIT_COLUMNS, faults) {
        let number = names.ingredient(&row, "ingredient", row.cell("ingredient"), faults);
        let source = names.sources(&row, faults);
        if !names.all_read(&row) {
            let (zh, en) = ("最大剂量须有读过的来源", "a maximum needs a source that somebody read");
            faults.cell(&row, "source", NoSource, zh, en);
        }
        let day_ug = row.parsed("day_mg", milligrams, faults);
        let limit = IngredientLimit {
            code: row.cell("ingredient").to_owned(),
            day_ug: day_ug.unwrap_or(0),
            dose_ug: row.optional("dose_mg", milligrams, faults),
            sustained_dose_ug: row.optional("sustained_dose_mg", milligrams, faults),
            usual_times: row.optional("usual_times", count, faults),
            days: row.optional("days", count, faults),
            fever_days: row.optional("fever_days", count, faults),
            only_one_product: row.parsed("only_one_product", yes_no, faults).unwrap_or(true),
            source,
        };
        for (field, dose) in [("dose_mg", limit.dose_ug), ("sustained_dose_mg", limit.sustained_dose_ug)] {
            if dose.is_some_and(|dose| dose > limit.day_ug) {
                faults.cell(
                    &row,
                    field,
                    Invalid,
                    "单次上限超过每日上限",
                    "a dose's maximum is above the day's",
                );
            }
        }
        if limit.fever_days.is_some() && limit.days.is_some() && limit.fever_days > limit.days {
            faults.cell(
                &row,
                "fever_days",
                Invalid,
                "退热天数超过疗程",
                "more days for fever than for any reason",
            );
        }
        if let (Some(number), Some(_)) = (number, day_ug) {
            limits.push((number, row.line, limit));
        }
    }
    limits
}

fn says(row: &Row, names: &Names<'_>, faults: &mut Faults) -> Option<Says> {
    let severity = row.parsed("severity", Severity::parse, faults);
    let (id, sentence) = (id(row, "id", faults), row.sentence(&names.words, faults));
    let source = names.sources(row, faults);
    Some(Says { id: id.into(), severity: severity?, sentence, source, line: row.line })
}

pub(super) fn pairs(text: &str, names: &Names<'_>, faults: &mut Faults) -> Vec<PairRule> {
    const COLUMNS: &[&str] = &["id", "left", "right", "when", "severity", "source", "zh", "en"];
    let mut pairs = Vec::new();
    for row in read("pairs", text, COLUMNS, faults) {
        let (left, right) = (names.side(&row, "left", faults), names.side(&row, "right", faults));
        let when = row.parsed("when", |text| when(text, names), faults);
        if let (Some(left), Some(right), Some(when), Some(says)) =
            (left, right, when, says(&row, names, faults))
        {
            pairs.push(PairRule { left, right, when, says });
        }
    }
    pairs
}

fn when(text: &str, names: &Names<'_>) -> Option<When> {
    match text.split_once(':').unwrap_or((text, "")) {
        ("always", "") => Some(When::Always),
        ("at_height", "") => Some(When::AtHeight),
        ("not_at_height", "") => Some(When::NotAtHeight),
        ("kidney_or_dehydrated", "") => Some(When::KidneyOrDehydrated),
        ("breath_positive", "") => Some(When::BreathPositive),
        ("left_above_day_mg", mg) => milligrams(mg).map(When::LeftAboveDayUg),
        ("with", class) => names.class_named(class).map(When::With),
        _ => None,
    }
}

pub(super) fn people(text: &str, names: &Names<'_>, faults: &mut Faults) -> Vec<PeopleRule> {
    const COLUMNS: &[&str] =
        &["id", "who", "test", "above_day_mg", "severity", "missing", "source", "zh", "en"];
    let mut people = Vec::new();
    for row in read("people", text, COLUMNS, faults) {
        let who = names.side(&row, "who", faults);
        let test = row.parsed("test", |text| names.test(text), faults);
        let above_day_ug = row.optional("above_day_mg", milligrams, faults);
        let missing = row.optional("missing", Severity::parse, faults);
        if let (Some(who), Some(test), Some(says)) = (who, test, says(&row, names, faults)) {
            people.push(PeopleRule { who, test, above_day_ug, missing, says });
        }
    }
    people
}

pub(super) fn conditions(text: &str, names: &Names<'_>, faults: &mut Faults) -> Vec<ConditionRule> {
    let mut rules = Vec::new();
    for row in read("conditions", text, &["id", "condition", "fact", "severity", "source"], faults) {
        id(&row, "id", faults);
        names.sources(&row, faults);
        let condition = row.parsed("condition", Condition::parse, faults);
        let fact = row.parsed("fact", |text| names.test(text), faults);
        let severity = row.parsed("severity", Severity::parse, faults);
        if let (Some(condition), Some(fact), Some(severity)) = (condition, fact, severity) {
            rules.push(ConditionRule { condition, fact, severity, line: row.line });
        }
    }
    rules
}

/// What children may take, by ingredient number.
pub(super) fn child_doses(
    text: &str,
    names: &Names<'_>,
    faults: &mut Faults,
) -> HashMap<u16, Vec<ChildDoseRule>> {
    const COLUMNS: &[&str] = &[
        "id",
        "ingredient",
        "from_years",
        "above_kg",
        "up_to_kg",
        "dose_mg",
        "day_mg",
        "kg_dose_mg",
        "kg_day_mg",
        "source",
    ];
    let mut rules: HashMap<u16, Vec<ChildDoseRule>> = HashMap::new();
    for row in read("child_doses", text, COLUMNS, faults) {
        id(&row, "id", faults);
        let number = names.ingredient(&row, "ingredient", row.cell("ingredient"), faults);
        let source = names.sources(&row, faults);
        if !names.all_read(&row) {
            let (zh, en) = ("最大剂量须有读过的来源", "a maximum needs a source that somebody read");
            faults.cell(&row, "source", NoSource, zh, en);
        }
        let years = |text: &str| text.parse::<u32>().ok().filter(|years| *years < 18);
        let rule = ChildDoseRule {
            from_years: row.parsed("from_years", years, faults).unwrap_or(18),
            // Grams are thousandths of a kilogram, as micrograms are of a milligram.
            above_g: row.optional("above_kg", milligrams, faults),
            up_to_g: row.optional("up_to_kg", milligrams, faults),
            most: (row.optional("dose_mg", milligrams, faults), row.optional("day_mg", milligrams, faults)),
            most_per_kg: (
                row.optional("kg_dose_mg", milligrams, faults),
                row.optional("kg_day_mg", milligrams, faults),
            ),
            source,
        };
        if rule.most.1.or(rule.most_per_kg.1).is_none() {
            faults.cell(&row, "day_mg", Missing, "须有每日上限", "a maximum of a day is needed");
        }
        if let (Some(above), Some(up_to)) = (rule.above_g, rule.up_to_g)
            && above >= up_to
        {
            faults.cell(&row, "up_to_kg", Invalid, "体重区间为空", "no weight is within the bounds");
        }
        if let Some(number) = number {
            rules.entry(number).or_default().push(rule);
        }
    }
    rules
}
