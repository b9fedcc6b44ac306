//! Parses a row into a [`Product`]: every bad field gets its own entry, and values that the
//! row does not state are not filled in.

use std::collections::HashMap;

use super::{
    codes::{Condition, Form, IngredientCode, ProductCode, SaleClass},
    product::{AdultMaximum, ChildDose, Excipient, Ingredient, Product},
};
use crate::{money::Fen, words::Bilingual};

/// The columns of a formulary file. Amounts are in milligrams or units, with at most three
/// decimals; lists are separated by `;`; an empty cell means unknown.
pub const COLUMNS: &[&str] = &[
    "code",
    "generic_zh",
    "generic_en",
    "atc",
    "form",
    "strength_mg",
    "ingredients",
    "units_per_pack",
    "price_fen",
    "class",
    "max_dose_mg",
    "max_day_mg",
    "max_dose_units",
    "max_day_units",
    "max_times",
    "max_days",
    "min_age",
    "child_mg_kg_dose",
    "child_mg_kg_day",
    "contraindications",
    "flags",
    "storage",
    "in_formulary",
    "source",
];

/// The columns that a file may leave out, besides [`super::LABEL_COLUMNS`]. Without a maximum a product is not prescribable.
pub const OPTIONAL: &[&str] = &[
    "strength_mg",
    "max_dose_mg",
    "max_day_mg",
    "max_dose_units",
    "max_day_units",
    "max_times",
    "max_days",
    "child_mg_kg_dose",
    "child_mg_kg_day",
];

/// The columns of free text. The others contain codes and numbers.
pub const TEXTS: &[&str] = &["generic_zh", "generic_en", "storage", "source"];

/// One bad cell of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldIssue {
    pub field: &'static str,
    /// A stable code: `invalid`, or that of a [`super::Flaw`].
    pub code: &'static str,
    pub message: Bilingual,
}

/// One bad cell of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowProblem {
    /// The line in the file, from 1.
    pub line: u64,
    /// The column, or `row` if the row cannot be split into columns.
    pub field: String,
    pub message: Bilingual,
}

/// `text` as thousandths: milligrams become micrograms, units thousandths of a unit.
/// At most three decimals, at most 10^9 before the point, never negative.
pub(crate) fn thousandths(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || whole.len() > 9 || fraction.len() > 3 || !digits(whole) || !digits(fraction) {
        return None;
    }
    if text.ends_with('.') {
        return None;
    }
    let mut value: i64 = whole.parse().ok()?;
    for place in 0..3 {
        let digit = fraction.as_bytes().get(place).map_or(0, |b| i64::from(b - b'0'));
        value = value * 10 + digit;
    }
    Some(value)
}

/// Parses the cells of one row and collects the issues.
struct Row<'a> {
    cells: &'a HashMap<&'a str, &'a str>,
    issues: Vec<FieldIssue>,
}

impl<'a> Row<'a> {
    fn cell(&self, field: &str) -> &'a str {
        self.cells.get(field).map_or("", |text| text.trim())
    }

    fn issue(&mut self, field: &'static str, zh: &str, en: &str) {
        let seen: String = self.cell(field).chars().take(60).collect();
        let message = Bilingual::made(format!("{zh}（现为“{seen}”）"), format!("{en} (found \"{seen}\")"));
        self.issues.push(FieldIssue { field, code: "invalid", message });
    }

    fn required(&mut self, field: &'static str, longest: usize) -> String {
        let text = self.cell(field);
        if text.is_empty() || text.chars().count() > longest {
            self.issue(
                field,
                &format!("必填，最多 {longest} 字"),
                &format!("needed, at most {longest} characters"),
            );
        }
        text.to_owned()
    }

    /// A text that may be left out.
    fn short(&mut self, field: &'static str, longest: usize) -> Option<String> {
        let text = self.cell(field);
        if text.chars().count() > longest {
            self.issue(field, &format!("最多 {longest} 字"), &format!("at most {longest} characters"));
        }
        (!text.is_empty()).then(|| text.to_owned())
    }

    fn parsed<T>(
        &mut self,
        field: &'static str,
        parse: impl Fn(&str) -> Option<T>,
        zh: &str,
        en: &str,
    ) -> Option<T> {
        let value = parse(self.cell(field));
        if value.is_none() {
            self.issue(field, zh, en);
        }
        value
    }

    fn optional<T>(
        &mut self,
        field: &'static str,
        parse: impl Fn(&str) -> Option<T>,
        zh: &str,
        en: &str,
    ) -> Option<T> {
        if self.cell(field).is_empty() { None } else { self.parsed(field, parse, zh, en) }
    }

    fn amount(&mut self, field: &'static str) -> Option<i64> {
        let positive = |text: &str| thousandths(text).filter(|value| *value > 0);
        self.optional(
            field,
            positive,
            "须为正数，最多三位小数",
            "a positive number with at most three decimals",
        )
    }

    fn count(&mut self, field: &'static str, most: u32) -> Option<u32> {
        let within = |text: &str| text.parse::<u32>().ok().filter(|value| *value <= most);
        self.optional(
            field,
            within,
            &format!("须为 0 到 {most} 的整数"),
            &format!("a whole number from 0 to {most}"),
        )
    }
}

fn ingredients(text: &str) -> Option<Vec<Ingredient>> {
    let list: Option<Vec<Ingredient>> = text
        .split(';')
        .map(|part| {
            let (code, amount) = part.trim().split_once(':').unwrap_or((part.trim(), "0"));
            Some(Ingredient { code: IngredientCode::parse(code)?, amount_ug: thousandths(amount)? })
        })
        .collect();
    list.filter(|list| {
        let codes: std::collections::HashSet<_> = list.iter().map(|one| &one.code).collect();
        !list.is_empty() && list.len() <= 30 && codes.len() == list.len()
    })
}

fn listed<T>(text: &str, parse: impl Fn(&str) -> Option<T>) -> Option<Vec<T>> {
    text.split(';').map(str::trim).filter(|part| !part.is_empty()).map(parse).collect()
}

fn atc(text: &str) -> Option<String> {
    let valid = text == "-"
        || ((3..=7).contains(&text.len())
            && text.starts_with(|c: char| c.is_ascii_uppercase())
            && text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit()));
    valid.then(|| text.to_owned())
}

fn yes_no(text: &str) -> Option<bool> {
    match text {
        "yes" => Some(true),
        "no" => Some(false),
        _ => None,
    }
}

impl Product {
    /// Parses one row given as column -> cell ([`COLUMNS`]). Used for the shipped file and
    /// for imports of whole catalogues.
    ///
    /// # Errors
    /// One [`FieldIssue`] per bad cell.
    pub fn from_fields(cells: &HashMap<&str, &str>) -> Result<Product, Vec<FieldIssue>> {
        let mut row = Row { cells, issues: Vec::new() };
        let code = row.parsed(
            "code",
            ProductCode::parse,
            "须为 2 到 40 个字母、数字或 -_.",
            "2 to 40 of A-Z a-z 0-9 - _ .",
        );
        let generic_zh = row.required("generic_zh", 80);
        let generic_en = row.required("generic_en", 120);
        let atc = row.parsed("atc", atc, "须为 ATC 编码或 -", "an ATC code, or - where there is none");
        let form = row.parsed("form", Form::parse, "未知剂型", "an unknown dosage form");
        let strength_ug = row.amount("strength_mg");
        let ingredients = row.parsed(
            "ingredients",
            ingredients,
            "须为 名称:毫克;…，不可重复",
            "name:milligrams;... without repeats",
        );
        let pack = |text: &str| text.parse::<u32>().ok().filter(|units| (1..=10_000).contains(units));
        let units_per_pack =
            row.parsed("units_per_pack", pack, "须为 1 到 10000 的整数", "a whole number from 1 to 10000");
        let fen =
            |text: &str| text.parse::<i64>().ok().filter(|fen| (0..=100_000_000).contains(fen)).map(Fen);
        let price = row.parsed("price_fen", fen, "须为非负整数（分）", "whole fen, not negative");
        let class = row.parsed("class", SaleClass::parse, "须为 rx、otc_a 或 otc_b", "rx, otc_a or otc_b");
        let adult_max = adult_maximum(&mut row);
        let min_age_years = row.count("min_age", 120);
        let child_dose = child_dose(&mut row);
        let contraindications = row.parsed(
            "contraindications",
            |text| listed(text, Condition::parse),
            "有未知的禁忌代码",
            "an unknown contraindication",
        );
        let flag = |part: &str| {
            let known = matches!(part, "sedating" | "alcohol" | "excipients_listed");
            (known || Excipient::parse(part).is_some()).then(|| part.to_owned())
        };
        let flags = row.parsed(
            "flags",
            |text| listed(text, flag),
            "只能是 sedating、alcohol、lactose、egg 或 excipients_listed",
            "only sedating, alcohol, lactose, egg or excipients_listed",
        );
        let in_formulary = row.parsed("in_formulary", yes_no, "须为 yes 或 no", "yes or no");
        let label = label_cells::label(&mut row);
        let source = row.required("source", 400);
        let storage = row.required("storage", 200);
        check_maximum(&mut row, &adult_max, ingredients.as_deref());
        match (
            code,
            atc,
            form,
            ingredients,
            units_per_pack,
            price,
            class,
            contraindications,
            flags,
            in_formulary,
        ) {
            (
                Some(code),
                Some(atc),
                Some(form),
                Some(ingredients),
                Some(units_per_pack),
                Some(price),
                Some(class),
                Some(contraindications),
                Some(flags),
                Some(in_formulary),
            ) if row.issues.is_empty() => check_product(Product {
                code,
                generic_zh,
                generic_en,
                atc,
                form,
                strength_ug,
                ingredients,
                units_per_pack,
                price,
                class,
                adult_max,
                min_age_years,
                child_dose,
                contraindications,
                sedating: flags.iter().any(|flag| flag == "sedating"),
                contains_alcohol: flags.iter().any(|flag| flag == "alcohol"),
                excipients: flags.iter().filter_map(|flag| Excipient::parse(flag)).collect(),
                excipients_listed: flags.iter().any(|flag| flag == "excipients_listed"),
                label,
                storage,
                source,
                in_formulary,
            }),
            _ => Err(row.issues),
        }
    }
}

/// Checks the row as a whole: not on the never-list, plausible, and with a source.
pub(super) fn check_product(product: Product) -> Result<Product, Vec<FieldIssue>> {
    let flaws = product.flaws();
    if flaws.is_empty() {
        return Ok(product);
    }
    Err(flaws
        .into_iter()
        .map(|flaw| FieldIssue { field: flaw.field, code: flaw.code, message: flaw.message })
        .collect())
}

fn adult_maximum(row: &mut Row<'_>) -> AdultMaximum {
    AdultMaximum {
        dose_ug: row.amount("max_dose_mg"),
        day_ug: row.amount("max_day_mg"),
        dose_units_thousandths: row.amount("max_dose_units"),
        day_units_thousandths: row.amount("max_day_units"),
        times_per_day: row.count("max_times", 48),
        days: row.count("max_days", 3650),
    }
}

/// A limit in milligrams needs a single ingredient, and a dose must not exceed the daily maximum.
fn check_maximum(row: &mut Row<'_>, max: &AdultMaximum, ingredients: Option<&[Ingredient]>) {
    let single = ingredients.is_some_and(|list| list.len() == 1);
    if (max.day_ug.is_some() || max.dose_ug.is_some()) && !single {
        row.issue(
            "max_day_mg",
            "复方按单位数限制，不按毫克",
            "a compound is limited in units, not in milligrams",
        );
    }
    if max.day_ug.is_some() && max.dose_ug > max.day_ug {
        row.issue("max_dose_mg", "单次上限超过每日上限", "a dose's maximum is above the day's");
    }
    if max.day_units_thousandths.is_some() && max.dose_units_thousandths > max.day_units_thousandths {
        row.issue("max_dose_units", "单次上限超过每日上限", "a dose's maximum is above the day's");
    }
}

/// A child's dose needs both the dose and the daily amount, or neither.
fn child_dose(row: &mut Row<'_>) -> Option<ChildDose> {
    match (row.amount("child_mg_kg_dose"), row.amount("child_mg_kg_day")) {
        (Some(ug_per_kg_dose), Some(ug_per_kg_day)) => Some(ChildDose { ug_per_kg_dose, ug_per_kg_day }),
        (None, None) => None,
        (Some(_), None) | (None, Some(_)) => {
            row.issue(
                "child_mg_kg_day",
                "儿童单次与每日剂量须同时填写",
                "a child's dose and day stand together",
            );
            None
        }
    }
}

#[path = "parse_label.rs"]
mod label_cells;

#[cfg(test)]
#[path = "parse_tests.rs"]
mod tests;
