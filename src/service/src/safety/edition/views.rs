//! What the verbs on editions of the rules take and show.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{formulary::TwoLanguages, page::page};
use domain::{
    edition::EditionState,
    ids::{RuleEditionId, StaffId},
    safety::{
        CaseChange, CasesRun, CellChange, FindingChange, ListedRule, ListedSource, RowChange, RowChangeKind,
        RuleFault, RuleFaultCode, Severity, Standing, Verdict,
    },
    spelling,
    words::Bilingual,
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
    #[schema(max_length = 200_000)]
    pub ailments: Option<String>,
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

/// The finding of one rule in a worked case, before and after.
#[derive(Debug, Serialize, ToSchema)]
pub struct FindingChangeView {
    /// The code of the rule.
    pub rule: String,
    /// Left out where it is not found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Severity>,
    /// Left out where it is not found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Severity>,
}

/// A worked case whose findings an edition changes.
#[derive(Debug, Serialize, ToSchema)]
pub struct CaseChangeView {
    /// Its id in the table of cases; variants of one case have one id.
    pub id: String,
    /// Who, what is prescribed and what is taken, as the table of cases writes it.
    pub situation: String,
    /// The verdict of the whole check under the rules in force.
    pub before: Verdict,
    pub after: Verdict,
    /// The rules whose findings differ.
    pub findings: Vec<FindingChangeView>,
    /// Whether what the case's author expects still holds.
    pub holds: bool,
}

/// What the worked cases that ship with the program show of an edition.
#[derive(Debug, Serialize, ToSchema)]
pub struct WorkedCasesView {
    /// Number of cases that were run under both editions.
    pub cases_run: u32,
    /// Number of cases whose findings differ.
    pub cases_changed: u32,
    /// Number of cases that are blocked under the rules in force and would not be any more.
    pub blocks_lost: u32,
    /// Stands where blocks are lost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warning: Option<TwoLanguages>,
    /// The first 200 of them: those that lose a block before all others.
    pub changes: Vec<CaseChangeView>,
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
    /// What it changes in the worked cases; left out while there are faults.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cases: Option<WorkedCasesView>,
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
    /// What it changes in the worked cases; left out where it is in force already, or this program cannot read
    /// it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cases: Option<WorkedCasesView>,
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

pub(super) fn cases_view(run: CasesRun) -> WorkedCasesView {
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let finding = |FindingChange { rule, before, after }| FindingChangeView { rule, before, after };
    let change = |one: CaseChange| CaseChangeView {
        id: one.id,
        situation: one.situation,
        before: one.before,
        after: one.after,
        findings: one.findings.into_iter().map(finding).collect(),
        holds: one.holds,
    };
    let lost = run.blocks_lost;
    let warning = (lost > 0).then(|| {
        Bilingual::made(
            format!("注意：{lost} 个病例现被拦截，按此版本将不再拦截。"),
            format!("Take care: {lost} cases that are blocked now would not be blocked any more."),
        )
    });
    WorkedCasesView {
        cases_run: count(run.run),
        cases_changed: count(run.changed),
        blocks_lost: count(lost),
        warning: warning.as_ref().map(TwoLanguages::from),
        changes: run.changes.into_iter().map(change).collect(),
    }
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
