//! What the verbs on editions of the rules take and show.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{formulary::TwoLanguages, page::page};
use domain::{
    edition::EditionState,
    ids::{RuleEditionId, StaffId},
    safety::{
        CellChange, ListedRule, ListedSource, RowChange, RowChangeKind, RuleFault, RuleFaultCode, Standing,
    },
    spelling,
};
use storage::safety::edition::RuleEditionRow;

/// The tables of an edition, each as CSV in UTF-8. A table that is left out stays as it is in force.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RuleTablesInput {
    /// The version and the name of the edition; a version is used once.
    #[schema(max_length = 1000)]
    pub edition: String,
    #[schema(max_length = 200_000)]
    pub sources: Option<String>,
    #[schema(max_length = 200_000)]
    pub classes: Option<String>,
    #[schema(max_length = 200_000)]
    pub ingredients: Option<String>,
    #[schema(max_length = 200_000)]
    pub thresholds: Option<String>,
    #[schema(max_length = 200_000)]
    pub limits: Option<String>,
    #[schema(max_length = 200_000)]
    pub pairs: Option<String>,
    #[schema(max_length = 200_000)]
    pub people: Option<String>,
    #[schema(max_length = 200_000)]
    pub conditions: Option<String>,
    #[schema(max_length = 200_000)]
    pub allergies: Option<String>,
    #[schema(max_length = 200_000)]
    pub aliases: Option<String>,
    #[schema(max_length = 200_000)]
    pub diagnoses: Option<String>,
    #[schema(max_length = 200_000)]
    pub child_doses: Option<String>,
}

/// A new edition of the rules.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RuleEditionInput {
    pub tables: RuleTablesInput,
    /// Why: what it changes, and what was read.
    #[schema(value_type = spelling::NoteWords)]
    pub note: String,
}

/// An edition that is tried without being proposed.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RuleEditionTrial {
    pub tables: RuleTablesInput,
}

/// A fault of a table.
#[derive(Debug, Serialize, ToSchema)]
pub struct RuleFaultView {
    /// The name of the table.
    pub table: String,
    /// The line in the table, from 1.
    pub line: u64,
    /// The column, or `row`.
    pub field: String,
    pub code: RuleFaultCode,
    pub message: TwoLanguages,
}

/// One cell that differs.
#[derive(Debug, Serialize, ToSchema)]
pub struct CellChangeView {
    /// The column.
    pub field: String,
    /// Empty in a row that was added.
    pub before: String,
    /// Empty in a row that was removed.
    pub after: String,
}

/// A row of a table that differs.
#[derive(Debug, Serialize, ToSchema)]
pub struct RowChangeView {
    /// The name of the table.
    pub table: String,
    /// What names the row in its table.
    pub id: String,
    pub change: RowChangeKind,
    /// The cells that differ.
    pub cells: Vec<CellChangeView>,
}

/// What trying an edition shows.
#[derive(Debug, Serialize, ToSchema)]
pub struct RuleEditionReport {
    /// The version of the rules in force, with which it is compared.
    pub compared_with: String,
    /// An edition with faults cannot be proposed.
    pub faults: Vec<RuleFaultView>,
    /// What it changes; empty while there are faults.
    pub changes: Vec<RowChangeView>,
}

/// An edition of the rules.
#[derive(Debug, Serialize, ToSchema)]
pub struct RuleEditionView {
    pub id: RuleEditionId,
    /// As reports and decisions name it.
    pub ruleset_version: String,
    pub state: EditionState,
    /// Whether it applies now.
    pub in_force: bool,
    pub note: String,
    pub proposed_by: StaffId,
    pub proposed_at: DateTime<Utc>,
    pub approved_by: Option<StaffId>,
    pub approved_at: Option<DateTime<Utc>>,
    /// From when on it applies, once it is approved.
    pub effective_at: Option<DateTime<Utc>>,
    pub withdrawn_by: Option<StaffId>,
    pub withdrawn_at: Option<DateTime<Utc>>,
    /// Why it was withdrawn.
    pub reason: Option<String>,
}

/// An edition of the rules with what it changes of those in force.
#[derive(Debug, Serialize, ToSchema)]
pub struct RuleEditionDetail {
    #[serde(flatten)]
    pub edition: RuleEditionView,
    /// The version of the rules in force, with which it is compared.
    pub compared_with: String,
    pub changes: Vec<RowChangeView>,
}

page! {
    /// A page of editions.
    RuleEditionPage of RuleEditionView, "The newest first.", after RuleEditionId
}

/// A document that a rule cites.
#[derive(Debug, Serialize, ToSchema)]
pub struct RuleSourceView {
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

/// A column of a rule with its value.
#[derive(Debug, Serialize, ToSchema)]
pub struct RuleCellView {
    pub field: String,
    pub value: String,
}

/// One rule.
#[derive(Debug, Serialize, ToSchema)]
pub struct RuleView {
    /// What names it in its table; for pairs and people, the code of its finding.
    pub id: String,
    /// What it tells people, where it tells them something.
    pub says: Option<TwoLanguages>,
    pub cells: Vec<RuleCellView>,
    pub sources: Vec<RuleSourceView>,
    /// The worked cases in which it must be found, or must not be.
    pub cases: Vec<String>,
}

/// The rules of one table in force.
#[derive(Debug, Serialize, ToSchema)]
pub struct RuleTableView {
    /// The version of the rules in force.
    pub ruleset_version: String,
    pub table: String,
    pub rules: Vec<RuleView>,
    /// The table as CSV: change it and propose it as an edition.
    pub csv: String,
}

/// `in_force`: the edition that applies now, if it is not the shipped one.
pub(super) fn view(row: RuleEditionRow, in_force: Option<RuleEditionId>) -> RuleEditionView {
    RuleEditionView {
        id: row.id,
        in_force: in_force == Some(row.id),
        ruleset_version: row.version,
        state: row.state,
        note: row.note,
        proposed_by: row.proposed_by,
        proposed_at: row.proposed_at,
        approved_by: row.approved_by,
        approved_at: row.approved_at,
        effective_at: row.effective_at,
        withdrawn_by: row.withdrawn_by,
        withdrawn_at: row.withdrawn_at,
        reason: row.reason,
    }
}

pub(super) fn fault_view(fault: RuleFault) -> RuleFaultView {
    let RuleFault { table, line, field, code, message } = fault;
    RuleFaultView {
        table: table.to_owned(),
        line,
        field: field.to_owned(),
        code,
        message: TwoLanguages::from(&message),
    }
}

pub(super) fn change_view(change: RowChange) -> RowChangeView {
    let RowChange { table, id, kind, cells } = change;
    let cell = |CellChange { field, before, after }| CellChangeView { field, before, after };
    RowChangeView { table: table.to_owned(), id, change: kind, cells: cells.into_iter().map(cell).collect() }
}

pub(super) fn rule_view(rule: ListedRule) -> RuleView {
    let ListedRule { id, says, cells, sources, cases, .. } = rule;
    let source = |source: ListedSource| {
        let ListedSource { id, standing, title, publisher, section, year, excerpt } = source;
        RuleSourceView { id, standing, title, publisher, section, year, excerpt }
    };
    RuleView {
        id,
        says: says.as_ref().map(TwoLanguages::from),
        cells: cells.into_iter().map(|(field, value)| RuleCellView { field, value }).collect(),
        sources: sources.into_iter().map(source).collect(),
        cases,
    }
}
