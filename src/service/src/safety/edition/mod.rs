//! Editions of the safety rules: proposed as tables, compared with the rules in force, approved by a
//! second person, in force from a time on. Every instance caches them with the catalogue
//! (`formulary::edition`); a decision keeps the version that it was made under.

mod command;
mod views;

use std::{collections::HashMap, sync::Arc};

use crate::{
    Actor, AppState, Failure, Recipients, Tx,
    caller::StaffCaller,
    edition::{EditionApproval, EditionWithdrawal, MOST_FAULTS, Progress, approval},
    formulary::edition,
    page::Rows,
    staff::already_exists,
};
pub use command::{FolderReport, Proposal, propose_by_command, try_folder};
use domain::{
    event::network::RuleEditionEvent,
    ids::{Id, RuleEditionId},
    refusal::{Code, FieldProblem, Refusal},
    safety::{self, RuleEditions, RuleFault, RuleSet, RuleTables},
    time::Timestamp,
};
use storage::{
    Conn, Live,
    events::NewEvent,
    safety::edition::{self as store, NewRuleEdition},
};
pub use views::{
    CaseChangeView, CellChangeView, FindingChangeView, RowChangeView, RuleCellView, RuleEditionDetail,
    RuleEditionInput, RuleEditionPage, RuleEditionReport, RuleEditionTrial, RuleEditionView, RuleFaultView,
    RuleSourceView, RuleTableView, RuleTablesInput, RuleView, WorkedCasesView,
};
use views::{cases_view, change_view, fault_view, rule_view, view};

/// At most this many worked cases are shown at once.
const MOST_CASES: usize = 200;

/// The texts of all tables by name, as stored.
type Texts = HashMap<String, String>;

/// A table that the program knows and the stored edition does not is the shipped one.
fn tables(texts: &Texts) -> RuleTables<'_> {
    let mut tables: RuleTables<'_> = RuleTables::SHIPPED;
    for (name, text) in texts {
        tables.replace(name, text);
    }
    tables
}

fn texts_of(stored: &str) -> Result<Texts, Failure> {
    Ok(serde_json::from_str(stored)?)
}

/// Those in force: an approved edition's, or none where the shipped ones are.
fn texts_in_force(conn: &mut Conn, now: Timestamp) -> Result<Texts, Failure> {
    let mut editions = store::editions_effective(conn, now)?.into_iter();
    let in_force = editions.next().filter(|(row, _)| row.effective_at.is_some_and(|from| from <= now));
    in_force.map_or_else(|| Ok(Texts::new()), |(_, stored)| texts_of(&stored))
}

fn with_input(in_force: &Texts, input: &RuleTablesInput) -> Result<Texts, Failure> {
    let given: HashMap<String, Option<String>> = serde_json::from_value(serde_json::to_value(input)?)?;
    Ok(with_given(in_force, given.into_iter().filter_map(|(name, text)| Some((name, text?)))))
}

fn with_given(in_force: &Texts, given: impl IntoIterator<Item = (String, String)>) -> Texts {
    let mut texts: Texts =
        tables(in_force).named().map(|(name, text)| (name.to_owned(), text.to_owned())).collect();
    texts.extend(given);
    texts
}

/// The editions that apply now or later, compiled. Compiling is the expensive part, so it is done when
/// the number of the catalogue's edition says that something changed.
///
/// # Errors
/// Faults of the storage; a stored edition that this program cannot read: no server begins with other
/// rules than those that were approved.
pub(crate) fn read(conn: &mut Conn, now: Timestamp) -> Result<RuleEditions, Failure> {
    let mut approved = Vec::new();
    for (row, stored) in store::editions_effective(conn, now)? {
        let texts = texts_of(&stored)?;
        let rules = RuleSet::from_tables(&tables(&texts)).map_err(|faults| {
            let first = faults.first().map(ToString::to_string).unwrap_or_default();
            Failure::inconsistent(format!("the edition {} of the safety rules: {first}", row.version))
        })?;
        approved.extend(row.effective_at.map(|from| (from, Arc::new(rules.kept()))));
    }
    Ok(RuleEditions::new(Arc::new(RuleSet::standard()), approved))
}

/// The editions that apply now or later and that this program cannot read, each by its version with its
/// faults.
///
/// # Errors
/// Faults of the storage.
pub fn unreadable(conn: &mut Conn, now: Timestamp) -> Result<Vec<(String, Vec<RuleFault>)>, Failure> {
    let mut found = Vec::new();
    for (row, stored) in store::editions_effective(conn, now)? {
        let texts = texts_of(&stored)?;
        found.extend(RuleSet::from_tables(&tables(&texts)).err().map(|faults| (row.version, faults)));
    }
    Ok(found)
}

/// Withdraws an edition from the command line, where no server can begin with it; `false` where there is
/// none of this version, or it is withdrawn already.
///
/// # Errors
/// Faults of the storage.
pub fn withdraw_by_command(
    conn: &mut Conn,
    version: &str,
    reason: &str,
    now: Timestamp,
) -> Result<bool, Failure> {
    let Some(id) = store::edition_named(conn, version)? else { return Ok(false) };
    if !store::edition_withdraw(conn, id, None, reason, now)? {
        return Ok(false);
    }
    storage::formulary::edition_advance(conn)?;
    let event = NewEvent {
        stream_id: Id::from_uuid(id.uuid()),
        event: RuleEditionEvent::Withdrawn { version: version.to_owned(), by: None }.into(),
        actor_role: Actor::System.role_name(),
        actor_id: None,
        worker_id: None,
        staff_id: None,
        at: now,
    };
    storage::events::events_append(conn, &[event])?;
    Ok(true)
}

/// Compares tables with those in force; stores nothing.
///
/// # Errors
/// Faults of the storage.
pub fn try_out(
    conn: &mut Conn,
    app: &AppState,
    input: &RuleTablesInput,
) -> Result<RuleEditionReport, Failure> {
    let in_force = texts_in_force(conn, app.now())?;
    let texts = with_input(&in_force, input)?;
    let (faults, changes, cases) = match RuleSet::from_tables(&tables(&texts)) {
        Ok(rules) => (Vec::new(), changes(&in_force, &texts), Some(cases(app, &rules))),
        Err(faults) => (faults, Vec::new(), None),
    };
    Ok(RuleEditionReport {
        compared_with: version_of(&in_force),
        faults: faults.into_iter().take(MOST_FAULTS).map(fault_view).collect(),
        changes,
        cases,
    })
}

/// Proposes an edition.
///
/// # Errors
/// One problem for each fault of a table, by line and column; `AlreadyExists` for a version that was used.
pub fn propose(
    tx: &mut Tx<'_>,
    caller: StaffCaller,
    input: &RuleEditionInput,
) -> Result<RuleEditionView, Failure> {
    let in_force = texts_in_force(tx.conn, tx.now)?;
    let texts = with_input(&in_force, &input.tables)?;
    let rules = RuleSet::from_tables(&tables(&texts)).map_err(|faults| {
        Refusal::fields(faults.into_iter().take(MOST_FAULTS).map(fault_problem).collect())
    })?;
    let (id, stored) = (RuleEditionId::generate(), serde_json::to_string(&texts)?);
    let (version, note) = (&rules.edition, &input.note);
    let new = NewRuleEdition { id, version, tables: &stored, note, by: caller.staff };
    let shipped = *version == RuleSet::standard().edition;
    if shipped || !store::edition_add(tx.conn, &new, tx.now)? {
        return Err(already_exists("tables.edition").into());
    }
    record(tx, id, RuleEditionEvent::Proposed { version: version.clone(), by: caller.staff })?;
    after(tx, id)
}

/// Approves a proposed edition: it applies from its time on. The tables are compiled again, by the
/// program that will use them.
///
/// # Errors
/// As [`approval`]; `NotFound`; `StateMovedOn` if this program cannot use its tables any more.
pub fn approve(
    tx: &mut Tx<'_>,
    caller: StaffCaller,
    id: RuleEditionId,
    input: &EditionApproval,
) -> Result<RuleEditionView, Failure> {
    let row = store::edition_lock(tx.conn, id)?.ok_or(Code::NotFound)?;
    let so_far = Progress { state: row.state, proposed_by: row.proposed_by, approved_by: row.approved_by };
    let Some(effective_at) = approval(tx, caller, so_far, input)? else { return after(tx, id) };
    let stored = store::edition_fetch(tx.conn, Live::of(None), id)?.map(|(_, tables)| tables);
    let texts = texts_of(&stored.unwrap_or_default())?;
    if let Err(faults) = RuleSet::from_tables(&tables(&texts)) {
        let faults = faults.into_iter().take(MOST_FAULTS).map(fault_problem).collect();
        return Err(Refusal::fields(faults).into());
    }
    if !store::edition_approve(tx.conn, id, caller.staff, effective_at, tx.now)? {
        return Err(Refusal::moved_on(row.state).into());
    }
    let event = RuleEditionEvent::Approved { version: row.version, by: caller.staff, effective_at };
    record(tx, id, event)?;
    edition::changed(tx)?;
    after(tx, id)
}

/// Withdraws an edition; of one in force, the rules that applied before it apply again.
///
/// # Errors
/// `NotFound`.
pub fn withdraw(
    tx: &mut Tx<'_>,
    caller: StaffCaller,
    id: RuleEditionId,
    input: &EditionWithdrawal,
) -> Result<RuleEditionView, Failure> {
    let row = store::edition_lock(tx.conn, id)?.ok_or(Code::NotFound)?;
    if store::edition_withdraw(tx.conn, id, Some(caller.staff), &input.reason, tx.now)? {
        record(tx, id, RuleEditionEvent::Withdrawn { version: row.version, by: Some(caller.staff) })?;
        edition::changed(tx)?;
    }
    after(tx, id)
}

/// One edition, with what it changes; none once an authority has ended.
///
/// # Errors
/// Faults of the storage.
pub fn fetch(
    conn: &mut Conn,
    app: &AppState,
    live: Live,
    id: RuleEditionId,
) -> Result<Option<RuleEditionDetail>, Failure> {
    let Some((row, stored)) = store::edition_fetch(conn, live, id)? else { return Ok(None) };
    let (in_force, texts) = (texts_in_force(conn, app.now())?, texts_of(&stored)?);
    let rules = (texts != in_force).then(|| RuleSet::from_tables(&tables(&texts)).ok()).flatten();
    Ok(Some(RuleEditionDetail {
        edition: view(row, store::edition_in_force(conn, app.now())?),
        compared_with: version_of(&in_force),
        changes: changes(&in_force, &texts),
        cases: rules.map(|rules| cases(app, &rules)),
    }))
}

/// The editions before `before`, the newest first.
///
/// # Errors
/// Faults of the storage.
pub fn list(
    conn: &mut Conn,
    app: &AppState,
    before: Option<RuleEditionId>,
    limit: u32,
) -> Result<RuleEditionPage, Failure> {
    let page = Rows::read(limit, |most| store::editions_list(conn, before, most), |row| row.id)?;
    let in_force = store::edition_in_force(conn, app.now())?;
    Ok(page.map(|row| view(row, in_force)).into())
}

/// The rules of one table in force.
///
/// # Errors
/// `NotFound` for a name that no table has.
pub fn table(conn: &mut Conn, app: &AppState, name: &str) -> Result<RuleTableView, Failure> {
    let found = all_tables(conn, app)?.into_iter().find(|table| table.table == name);
    Ok(found.ok_or(Code::NotFound)?)
}

/// The rules in force, table by table.
///
/// # Errors
/// Faults of the storage.
pub fn all_tables(conn: &mut Conn, app: &AppState) -> Result<Vec<RuleTableView>, Failure> {
    let texts = texts_in_force(conn, app.now())?;
    let (tables, version) = (tables(&texts), version_of(&texts));
    let mut all: Vec<RuleTableView> = tables
        .named()
        .map(|(name, csv)| RuleTableView {
            ruleset_version: version.clone(),
            table: name.to_owned(),
            rules: Vec::new(),
            csv: csv.to_owned(),
        })
        .collect();
    for rule in safety::listed(&tables) {
        if let Some(table) = all.iter_mut().find(|table| table.table == rule.table) {
            table.rules.push(rule_view(rule));
        }
    }
    Ok(all)
}

/// An edition as this transaction leaves it.
fn after(tx: &mut Tx<'_>, id: RuleEditionId) -> Result<RuleEditionView, Failure> {
    let row = store::edition_lock(tx.conn, id)?.ok_or(Code::NotFound)?;
    Ok(view(row, store::edition_in_force(tx.conn, tx.now)?))
}

fn record(tx: &mut Tx<'_>, id: RuleEditionId, event: RuleEditionEvent) -> Result<(), Failure> {
    tx.record(id, event, Recipients::nobody())
}

fn changes(in_force: &Texts, texts: &Texts) -> Vec<RowChangeView> {
    safety::changes(&tables(in_force), &tables(texts)).into_iter().map(change_view).collect()
}

/// What these rules change in the worked cases.
fn cases(app: &AppState, rules: &RuleSet) -> WorkedCasesView {
    cases_view(safety::run_worked_cases(&app.rules(), rules, MOST_CASES))
}

/// The version of these tables.
fn version_of(texts: &Texts) -> String {
    safety::version(&tables(texts))
}

fn fault_problem(fault: RuleFault) -> FieldProblem {
    let RuleFault { table, line, field, code, message } = fault;
    FieldProblem { field: format!("tables.{table}:{line}.{field}"), code: code.to_string(), message }
}

impl AppState {
    /// The safety rules in force; the returned value stays that edition.
    pub fn rules(&self) -> Arc<RuleSet> {
        self.edition.rules(self.now())
    }
}
