//! The safety rules in force as one HTML page in Chinese and English, laid out for printing on A4. It
//! loads no other files.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use service::safety::edition::{RuleSourceView, RuleTableView, RuleView};

const STYLE: &str = include_str!("../report/report.css");

/// So many of a rule's worked cases are named; the others are counted.
const NAMED_CASES: usize = 6;

pub fn page(tables: &[RuleTableView]) -> Markup {
    let edition = tables.first().map_or("", |table| table.ruleset_version.as_str());
    let shown = || tables.iter().filter(|table| !table.rules.is_empty());
    html! {
        (DOCTYPE)
        html lang="zh-CN" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "用药安全规则 · Safety rules · " (edition) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header {
                    h1 { "用药安全规则" small { "Safety rules" } }
                    p.meta { "版本 Edition " code { (edition) } }
                    nav { @for table in shown() { a href={ "#" (table.table) } { (title(&table.table)) } " · " } }
                }
                @for table in shown() { (of_table(table)) }
            }
        }
    }
}

fn of_table(table: &RuleTableView) -> Markup {
    html! {
        h2 id=(table.table) { (title(&table.table)) small { (table.rules.len()) " 条 rules" } }
        table {
            thead { tr { th { "规则 Rule" } th { "内容 What it says" } th { "依据 Sources" } th { "案例 Cases" } } }
            tbody { @for rule in &table.rules { (row(rule)) } }
        }
    }
}

fn row(rule: &RuleView) -> Markup {
    let more = rule.cases.len().saturating_sub(NAMED_CASES);
    html! {
        tr {
            td { code { (rule.id) } }
            td {
                @if let Some(says) = &rule.says { p { (says.zh) br; small { (says.en) } } }
                @for cell in &rule.cells { div { small { (cell.field) } " " (cell.value) } }
            }
            td { @for source in &rule.sources { (cited(source)) } }
            td {
                @for case in rule.cases.iter().take(NAMED_CASES) { div { small { (case) } } }
                @if more > 0 { div { small { "另 " (more) " 例 more" } } }
            }
        }
    }
}

fn cited(source: &RuleSourceView) -> Markup {
    let parts = [&source.title, &source.section, &source.publisher, &source.year];
    let parts: Vec<&str> = parts.into_iter().map(String::as_str).filter(|part| !part.is_empty()).collect();
    html! {
        div {
            (parts.join("，")) " " small { "[" (source.standing) "]" }
            @if !source.excerpt.is_empty() { br; small { "“" (source.excerpt) "”" } }
        }
    }
}

/// The title of a table in both languages; its name for one without.
fn title(table: &str) -> String {
    let (zh, en) = match table {
        "classes" => ("药物类别", "classes"),
        "ingredients" => ("成分", "ingredients"),
        "thresholds" => ("界值", "thresholds"),
        "limits" => ("限量", "limits"),
        "pairs" => ("相互作用", "interactions"),
        "people" => ("人群", "people"),
        "conditions" => ("禁忌情形", "conditions"),
        "allergies" => ("过敏", "allergies"),
        "aliases" => ("别名", "aliases"),
        "diagnoses" => ("诊断", "diagnoses"),
        "ailments" => ("病种", "ailments"),
        "child_doses" => ("儿童剂量", "doses of children"),
        other => return other.to_owned(),
    };
    format!("{zh} {en}")
}
