//! Canonical codes of ingredients. Files, people and old databases use many names for the same
//! ingredient: international, American, British and Chinese ones, pinyin, salts, trade forms.
//! All are mapped to one code, so that sums, ceilings, interactions and allergies apply under any
//! name. The table is `ingredients.csv`.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::parse::thousandths;
use super::script::simplified;

const TABLE_CSV: &str = include_str!("ingredients.csv");

/// One ingredient of the table.
#[derive(Debug, Clone)]
pub(crate) struct KnownIngredient {
    pub code: &'static str,
    /// Micrograms per dose and per day that no adult label exceeds; `None` if labels give no
    /// amount or the ingredient is not taken orally.
    pub ceiling_ug: Option<(i64, i64)>,
    /// ATC codes of the ingredient alone.
    pub atc: Vec<&'static str>,
    pub names: Vec<&'static str>,
}

struct Table {
    rows: Vec<KnownIngredient>,
    by_name: HashMap<&'static str, usize>,
    by_atc: HashMap<&'static str, usize>,
}

static TABLE: LazyLock<Table> = LazyLock::new(|| {
    let rows: Vec<KnownIngredient> = lines().filter_map(row).collect();
    let mut by_name: HashMap<&'static str, usize> =
        rows.iter().enumerate().map(|(at, one)| (one.code, at)).collect();
    let mut by_atc = HashMap::new();
    for (at, one) in rows.iter().enumerate() {
        for name in &one.names {
            by_name.entry(name).or_insert(at);
        }
        by_atc.extend(one.atc.iter().map(|atc| (*atc, at)));
    }
    Table { rows, by_name, by_atc }
});

fn lines() -> impl Iterator<Item = &'static str> {
    TABLE_CSV.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty()).skip(1)
}

/// Parses a line of the table; `None` if it is malformed, which a test excludes.
fn row(line: &'static str) -> Option<KnownIngredient> {
    let cells: Vec<&'static str> = line.split(',').collect();
    let [code, dose, day, atc, names] = cells.as_slice() else { return None };
    let ceiling_ug = match (*dose, *day) {
        ("-", "-") => None,
        (dose, day) => Some((thousandths(dose)?, thousandths(day)?)),
    };
    let list = |cell: &&'static str| cell.split(';').filter(|one| !one.is_empty()).collect();
    Some(KnownIngredient { code, ceiling_ug, atc: list(atc), names: list(names) })
}

/// The ingredient with the code or other name `text`.
pub(crate) fn known_ingredient(text: &str) -> Option<&'static KnownIngredient> {
    TABLE.by_name.get(canonical_ingredient(text)?).map(|at| &TABLE.rows[*at])
}

/// The Chinese name of the ingredient `code`, for texts that hold no English names.
pub(crate) fn ingredient_zh(code: &str) -> &str {
    known_ingredient_zh(code).unwrap_or("该成分")
}

/// The Chinese name of the ingredient `code`, if the table has one.
pub(crate) fn known_ingredient_zh(code: &str) -> Option<&'static str> {
    known_ingredient(code)?.names.iter().copied().find(|name| !name.is_ascii())
}

/// The code of the single ingredient that an ATC code stands for.
pub(crate) fn ingredient_of_atc(atc: &str) -> Option<&'static str> {
    TABLE.by_atc.get(atc).map(|at| TABLE.rows[*at].code)
}

/// Words for acids, bases, esters, hydrates and pharmacopoeias that are written with a name.
const SALTS: &[&str] = &[
    "acetate",
    "anhydrous",
    "arginine",
    "axetil",
    "base",
    "besilate",
    "besylate",
    "bitartrate",
    "bp",
    "bromide",
    "calcium",
    "chloride",
    "chp",
    "cilexetil",
    "citrate",
    "diethylamine",
    "diethylammonium",
    "dihydrate",
    "dihydrochloride",
    "disodium",
    "ep",
    "epolamine",
    "estolate",
    "ethylsuccinate",
    "fumarate",
    "gluconate",
    "hcl",
    "hemihydrate",
    "hydrate",
    "hydrobromide",
    "hydrochloride",
    "jp",
    "lactate",
    "lactobionate",
    "lysinate",
    "lysine",
    "magnesium",
    "maleate",
    "malate",
    "medoxomil",
    "mesilate",
    "mesylate",
    "micronised",
    "micronized",
    "monohydrate",
    "nitrate",
    "palmitate",
    "ph_eur",
    "phosphate",
    "pivoxil",
    "potassium",
    "proxetil",
    "sodium",
    "stearate",
    "succinate",
    "sulfate",
    "sulphate",
    "tartrate",
    "tosilate",
    "tosylate",
    "trihydrate",
    "trometamol",
    "tromethamine",
    "usp",
];

/// The same in Chinese, before a name.
const SALTS_ZH: &[&str] = &[
    "盐酸",
    "氢溴酸",
    "重酒石酸",
    "酒石酸",
    "马来酸",
    "富马酸",
    "枸橼酸",
    "柠檬酸",
    "琥珀酸",
    "苯磺酸",
    "甲磺酸",
    "甲苯磺酸",
    "硫酸",
    "磷酸",
    "硝酸",
    "醋酸",
    "丙酸",
    "糠酸",
    "精氨酸",
    "赖氨酸",
];

/// Forms, salts and filler words in Chinese, after a name.
const ENDINGS_ZH: &[&str] = &[
    // Marks the rows of a sample catalogue.
    "样例",
    "缓释",
    "控释",
    "肠溶",
    "分散",
    "咀嚼",
    "泡腾",
    "口腔崩解",
    "薄膜衣",
    "片",
    "软胶囊",
    "硬胶囊",
    "胶囊",
    "颗粒",
    "干混悬剂",
    "混悬液",
    "混悬滴剂",
    "口服溶液",
    "口服液",
    "糖浆",
    "滴剂",
    "滴眼液",
    "滴鼻液",
    "鼻喷雾剂",
    "喷雾剂",
    "气雾剂",
    "吸入剂",
    "眼膏",
    "乳膏",
    "软膏",
    "凝胶",
    "乳胶剂",
    "贴膏",
    "贴片",
    "贴",
    "栓",
    "洗剂",
    "搽剂",
    "溶液",
    "散",
    "丸",
    "注射液",
    "钠",
    "钾",
    "钙",
    "镁",
    "酯",
    "二乙胺",
    "二钠",
    "过敏",
    "类",
    "药",
];

/// The code of the ingredient that `text` names, in any spelling; `None` if it is not in the table.
pub(crate) fn canonical_ingredient(text: &str) -> Option<&'static str> {
    let found = |name: &str| TABLE.by_name.get(name).map(|at| TABLE.rows[*at].code);
    if let Some(code) = found(text) {
        return Some(code);
    }
    let normalized = simplified(text.trim()).replace([' ', '-', '\u{b7}', '\u{3000}'], "_");
    found(&normalized).or_else(|| {
        if normalized.is_ascii() {
            without_salts(&normalized, found)
        } else {
            without_form(&normalized, found)
        }
    })
}

fn without_salts(normalized: &str, found: impl Fn(&str) -> Option<&'static str>) -> Option<&'static str> {
    let mut words: &[&str] = &normalized.split('_').filter(|word| !word.is_empty()).collect::<Vec<_>>();
    loop {
        words = match words {
            [rest @ .., last] if SALTS.contains(last) => rest,
            [first, rest @ ..] if SALTS.contains(first) => rest,
            _ => return None,
        };
        if let Some(code) = found(&words.join("_")) {
            return Some(code);
        }
    }
}

fn without_form<T>(normalized: &str, found: impl Fn(&str) -> Option<T>) -> Option<T> {
    shorter_names(&normalized.replace('_', "")).find_map(found)
}

/// A Chinese name, then the name without its last word for a form or first word for a salt, and so on.
pub(crate) fn shorter_names(name: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(name), |rest| {
        let shorter = ENDINGS_ZH
            .iter()
            .find_map(|ending| rest.strip_suffix(ending))
            .or_else(|| SALTS_ZH.iter().find_map(|salt| rest.strip_prefix(salt)));
        shorter.filter(|rest| !rest.is_empty())
    })
}

/// A Chinese name without any word for its form or salt.
pub(crate) fn without_form_words(name: &str) -> &str {
    shorter_names(name).last().unwrap_or(name)
}

/// Every ingredient of the table.
pub(crate) fn known_ingredients() -> impl Iterator<Item = &'static KnownIngredient> {
    TABLE.rows.iter()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::{
        formulary::{Formulary, IngredientCode},
        safety::RuleSet,
    };

    #[test]
    fn every_line_is_a_row_and_every_name_is_unique() {
        assert_eq!(lines().count(), TABLE.rows.len());
        let mut words = HashSet::new();
        let mut atc = HashSet::new();
        for one in &TABLE.rows {
            assert_eq!(IngredientCode::parse(one.code).expect("a code").as_str(), one.code);
            for word in one.names.iter().chain([&one.code]) {
                assert!(words.insert(*word), "{word}");
                assert_eq!(simplified(word), *word, "as it is looked up");
            }
            assert!(one.atc.iter().all(|code| atc.insert(*code)), "{}", one.code);
            if let Some((dose, day)) = one.ceiling_ug {
                assert!(0 < dose && dose <= day, "{}", one.code);
            }
        }
    }

    #[test]
    fn all_ingredients_of_the_rules_and_the_shipped_formulary_are_known() {
        for facts in RuleSet::standard().ingredients() {
            assert_eq!(known_ingredient(&facts.code).map(|one| one.code), Some(facts.code.as_str()));
        }
        for product in Formulary::shipped().expect("shipped").iter() {
            for one in &product.ingredients {
                let known = known_ingredient(one.code.as_str()).expect("known");
                let oral = one.amount_ug > 0 && !product.form.is_local();
                assert!(known.ceiling_ug.is_some() || !oral, "{}: {}", product.code, one.code);
            }
        }
    }

    #[test]
    fn other_names_and_salts_give_the_same_code() {
        for (text, code) in [
            ("acetaminophen", "paracetamol"),
            ("apap", "paracetamol"),
            ("paracetamol_bp", "paracetamol"),
            ("Paracetamol", "paracetamol"),
            ("duiyixiananjifen", "paracetamol"),
            ("对乙酰氨基酚片", "paracetamol"),
            ("對乙醯氨基酚", "paracetamol"),
            ("epinephrine", "epinephrine"),
            ("adrenaline_tartrate", "epinephrine"),
            ("diclofenac_sodium", "diclofenac"),
            ("双氯芬酸钠缓释片", "diclofenac"),
            ("双氯芬酸二乙胺乳胶剂", "diclofenac"),
            ("盐酸西替利嗪片", "cetirizine"),
            ("glyburide", "glibenclamide"),
            ("albuterol_sulfate", "salbutamol"),
            ("sodium_valproate", "valproic_acid"),
            ("povidone-iodine", "povidone_iodine"),
            ("codeine_phosphate_hemihydrate", "codeine"),
        ] {
            assert_eq!(canonical_ingredient(text), Some(code), "{text}");
        }
        for text in ["unobtainium", "sodium", "potassium_iodide", "sample_tablet", "", "片", "复方"] {
            assert_eq!(canonical_ingredient(text), None, "{text}");
        }
    }
}
