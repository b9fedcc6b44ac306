//! Editions of the safety rules. There are few; every instance caches those that apply.

use diesel::prelude::*;

use crate::{
    Live,
    code_literals::CodeDsl,
    conn::Conn,
    dialect::{RowLockDsl, on_backend},
    edition::edition_statements,
    prepared::PreparedDsl,
    schema::rule_edition,
    sql_types::At,
};
use domain::{
    edition::EditionState,
    ids::{RuleEditionId, StaffId},
    time::Timestamp,
};

/// An edition without its tables.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = rule_edition)]
pub struct RuleEditionRow {
    pub id: RuleEditionId,
    pub version: String,
    pub note: String,
    pub state: EditionState,
    pub proposed_by: StaffId,
    pub proposed_at: Timestamp,
    pub approved_by: Option<StaffId>,
    pub approved_at: Option<Timestamp>,
    pub effective_at: Option<Timestamp>,
    pub withdrawn_by: Option<StaffId>,
    pub withdrawn_at: Option<Timestamp>,
    pub reason: Option<String>,
}

/// An edition to be proposed.
#[derive(Debug, Clone, Copy)]
pub struct NewRuleEdition<'a> {
    pub id: RuleEditionId,
    pub version: &'a str,
    /// A JSON object with the CSV text of each table.
    pub tables: &'a str,
    pub note: &'a str,
    pub by: StaffId,
}

/// Adds a proposed edition; `false` when its version is taken.
pub fn edition_add(conn: &mut Conn, new: &NewRuleEdition<'_>, now: Timestamp) -> QueryResult<bool> {
    on_backend!(conn, c => diesel::insert_into(rule_edition::table)
        .values((
            rule_edition::id.eq(new.id),
            rule_edition::version.eq(new.version),
            rule_edition::tables.eq(new.tables),
            rule_edition::note.eq(new.note),
            rule_edition::state.eq(EditionState::Proposed),
            rule_edition::proposed_by.eq(new.by),
            rule_edition::proposed_at.eq(At(now)),
        ))
        .on_conflict_do_nothing()
        .execute(c))
    .map(|rows| rows == 1)
}

edition_statements!(rule_edition, RuleEditionRow, RuleEditionId, content tables);

/// The edition of this version.
pub fn edition_named(conn: &mut Conn, version: &str) -> QueryResult<Option<RuleEditionId>> {
    on_backend!(conn, c => rule_edition::table
        .filter(rule_edition::version.eq(version))
        .select(rule_edition::id)
        .first(c))
    .optional()
}

macro_rules! approved {
    () => {
        rule_edition::table.filter(rule_edition::state.eq_code(EditionState::Approved))
    };
}

/// The approved edition that applies at `now`. Of two with the same time the one that was approved later.
pub fn edition_in_force(conn: &mut Conn, now: Timestamp) -> QueryResult<Option<RuleEditionId>> {
    on_backend!(conn, c => approved!()
        .filter(rule_edition::effective_at.le(Some(At(now))))
        .order((rule_edition::effective_at.desc(), rule_edition::approved_at.desc()))
        .select(rule_edition::id)
        .first(c))
    .optional()
}

/// The approved editions that apply at `now` or later, with their tables, in the order in which they
/// take effect.
pub fn editions_effective(conn: &mut Conn, now: Timestamp) -> QueryResult<Vec<(RuleEditionRow, String)>> {
    let mut all: Vec<(RuleEditionRow, String)> = on_backend!(conn, c => approved!()
        .filter(rule_edition::effective_at.le(Some(At(now))))
        .order((rule_edition::effective_at.desc(), rule_edition::approved_at.desc()))
        .limit(1)
        .select((RuleEditionRow::as_select(), rule_edition::tables))
        .load(c))?;
    let later: Vec<(RuleEditionRow, String)> = on_backend!(conn, c => approved!()
        .filter(rule_edition::effective_at.gt(Some(At(now))))
        .order((rule_edition::effective_at, rule_edition::approved_at))
        .select((RuleEditionRow::as_select(), rule_edition::tables))
        .load(c))?;
    all.extend(later);
    Ok(all)
}
