//! The rules of an edition as people read them: every row with what it says, its sources, and the
//! worked cases that exercise it.

use std::collections::HashMap;

use super::{
    RuleTables,
    changes::{Cells, rows},
};
use crate::{
    safety::{cases::CASES_CSV, rows::Standing},
    words::Bilingual,
};

/// A document that a rule cites.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedSource {
    pub id: String,
    /// Whether somebody read it.
    pub standing: Standing,
    pub title: String,
    pub publisher: String,
    pub section: String,
    /// Of the copy that was read; empty where it shows none.
    pub year: String,
    /// At most 200 characters of it.
    pub excerpt: String,
}

/// One row of a rule table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedRule {
    /// The name of the table.
    pub table: &'static str,
    /// What names the row in its table. Pairs and people: the code of the finding.
    pub id: String,
    /// What it says, where its table has sentences.
    pub says: Option<Bilingual>,
    /// The other columns with a value, in the order of the table.
    pub cells: Vec<(String, String)>,
    pub sources: Vec<ListedSource>,
    /// The ids of the worked cases in which it must be found or must be silent.
    pub cases: Vec<String>,
}

/// The version of an edition that was found free of faults.
pub fn version(tables: &RuleTables<'_>) -> String {
    let row = rows(tables.edition).into_iter().next();
    row.and_then(|row| row.into_iter().next()).map(|(_, version)| version).unwrap_or_default()
}

/// Columns that are shown in another way than as a cell.
const APART: [&str; 3] = ["zh", "en", "source"];

/// Every rule of an edition that was found free of faults, by table, in the order of its rows.
pub fn listed(tables: &RuleTables<'_>) -> Vec<ListedRule> {
    let sources: HashMap<String, ListedSource> =
        rows(tables.sources).iter().filter_map(source).map(|source| (source.id.clone(), source)).collect();
    let cases = cases_by_rule();
    let rules = tables.named().filter(|(table, _)| !["edition", "sources"].contains(table));
    let of_table = |(table, text)| rows(text).into_iter().map(move |row| (table, row)).collect::<Vec<_>>();
    rules.flat_map(of_table).map(|(table, row)| rule(table, &row, &sources, &cases)).collect()
}

fn rule(
    table: &'static str,
    row: &Cells,
    sources: &HashMap<String, ListedSource>,
    cases: &HashMap<String, Vec<String>>,
) -> ListedRule {
    let id = row.first().map(|(_, id)| id.clone()).unwrap_or_default();
    let (zh, en) = (cell(row, "zh"), cell(row, "en"));
    let cited = cell(row, "source").split(';').map(str::trim);
    let shown = row.iter().skip(1).filter(|(name, text)| !text.is_empty() && !APART.contains(&name.as_str()));
    ListedRule {
        table,
        says: (!zh.is_empty()).then(|| Bilingual::made(zh, en)),
        cells: shown.cloned().collect(),
        sources: cited.filter_map(|source| sources.get(source).cloned()).collect(),
        cases: cases.get(&id).cloned().unwrap_or_default(),
        id,
    }
}

fn cell<'r>(row: &'r Cells, column: &str) -> &'r str {
    row.iter().find(|(name, _)| name == column).map_or("", |(_, text)| text.as_str())
}

fn source(row: &Cells) -> Option<ListedSource> {
    let of = |column| cell(row, column).to_owned();
    Some(ListedSource {
        id: of("id"),
        standing: Standing::parse(cell(row, "standing"))?,
        title: of("title"),
        publisher: of("publisher"),
        section: of("section"),
        year: of("year"),
        excerpt: of("excerpt"),
    })
}

/// The cases that name a rule's finding, whether it must be found or must be silent.
fn cases_by_rule() -> HashMap<String, Vec<String>> {
    let mut by_rule: HashMap<String, Vec<String>> = HashMap::new();
    for case in rows(CASES_CSV) {
        let (found, silent) = (cell(&case, "expect"), cell(&case, "silent"));
        for rule in found.split(';').chain(silent.split(';')) {
            let rule = rule.split_once('=').map_or(rule, |(rule, _)| rule).trim();
            if !rule.is_empty() {
                by_rule.entry(rule.to_owned()).or_default().push(cell(&case, "id").to_owned());
            }
        }
    }
    by_rule
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pair_and_person_rule_is_shown_with_its_words_sources_and_cases() {
        let all = listed(&RuleTables::SHIPPED);
        for table in ["pairs", "people"] {
            let rules: Vec<_> = all.iter().filter(|rule| rule.table == table).collect();
            assert!(rules.len() > 100, "{table}: {}", rules.len());
            for rule in rules {
                assert!(rule.says.is_some() && !rule.sources.is_empty(), "{rule:?}");
                assert!(rule.cases.len() >= 2, "{}: {:?}", rule.id, rule.cases);
            }
        }
        let paracetamol = all.iter().find(|rule| rule.table == "limits" && rule.id == "paracetamol");
        let cells = &paracetamol.expect("it has a limit").cells;
        assert!(cells.contains(&("day_mg".to_owned(), "2000".to_owned())), "{cells:?}");
    }
}
