//! Editions from a folder of tables, on the command line: tried out, and proposed. They need the approval
//! of a second person as those of the API do.

use std::collections::HashMap;

use super::{MOST_CASES, Texts, tables, texts_in_force, version_of, with_given};
use crate::{Actor, Failure};
use domain::{
    event::network::RuleEditionEvent,
    ids::{Id, RuleEditionId, StaffId},
    safety::{self, CasesRun, RowChange, RuleFault, RuleSet},
    staff::role::Role,
    time::Timestamp,
};
use storage::{
    Conn,
    events::NewEvent,
    safety::edition::{self as store, NewRuleEdition},
    staff as staff_store,
};

/// What a folder of tables would change.
#[derive(Debug)]
pub struct FolderReport {
    /// The version of the rules in force.
    pub compared_with: String,
    pub faults: Vec<RuleFault>,
    /// Empty while there are faults.
    pub changes: Vec<RowChange>,
    /// `None` while there are faults.
    pub cases: Option<CasesRun>,
}

/// What became of a proposal.
#[derive(Debug)]
pub enum Proposal {
    Added(RuleEditionId, String),
    Faults(Vec<RuleFault>),
    /// The version was used before.
    VersionUsed(String),
    /// Nobody with this address may propose rules.
    NobodyMay,
}

/// Compares the tables of a folder, by name, with the rules in force; stores nothing.
///
/// # Errors
/// Faults of the storage; rules in force that this program cannot read.
pub fn try_folder(
    conn: &mut Conn,
    given: HashMap<String, String>,
    now: Timestamp,
) -> Result<FolderReport, Failure> {
    let in_force = texts_in_force(conn, now)?;
    let texts = with_given(&in_force, given);
    let (mut report, after) = match RuleSet::from_tables(&tables(&texts)) {
        Ok(after) => (report(&in_force, Vec::new()), after),
        Err(faults) => return Ok(report(&in_force, faults)),
    };
    let before = RuleSet::from_tables(&tables(&in_force))
        .map_err(|_| Failure::inconsistent("this program cannot read the rules in force"))?;
    report.changes = safety::changes(&tables(&in_force), &tables(&texts));
    report.cases = Some(safety::run_worked_cases(&before, &after, MOST_CASES));
    Ok(report)
}

fn report(in_force: &Texts, faults: Vec<RuleFault>) -> FolderReport {
    FolderReport { compared_with: version_of(in_force), faults, changes: Vec::new(), cases: None }
}

/// Proposes the tables of a folder in the name of a member of staff.
///
/// # Errors
/// Faults of the storage.
pub fn propose_by_command(
    conn: &mut Conn,
    given: HashMap<String, String>,
    (email, note): (&str, &str),
    now: Timestamp,
) -> Result<Proposal, Failure> {
    let Some(by) = proposer(conn, email)? else { return Ok(Proposal::NobodyMay) };
    let in_force = texts_in_force(conn, now)?;
    let texts = with_given(&in_force, given);
    let version = match RuleSet::from_tables(&tables(&texts)) {
        Ok(rules) => rules.edition,
        Err(faults) => return Ok(Proposal::Faults(faults)),
    };
    let (id, stored) = (RuleEditionId::generate(), serde_json::to_string(&texts)?);
    let new = NewRuleEdition { id, version: &version, tables: &stored, note, by };
    if version == RuleSet::standard().edition || !store::edition_add(conn, &new, now)? {
        return Ok(Proposal::VersionUsed(version));
    }
    let event = NewEvent {
        stream_id: Id::from_uuid(id.uuid()),
        event: RuleEditionEvent::Proposed { version: version.clone(), by }.into(),
        // The command line asks nobody who they are.
        actor_role: Actor::System.role_name(),
        actor_id: None,
        worker_id: None,
        staff_id: None,
        at: now,
    };
    storage::events::events_append(conn, &[event])?;
    Ok(Proposal::Added(id, version))
}

/// The member of staff with this address, if they may propose rules.
fn proposer(conn: &mut Conn, email: &str) -> Result<Option<StaffId>, Failure> {
    let found = staff_store::staff_by_email(conn, email)?;
    let may = |role| [Role::Operator, Role::Pharmacist].contains(&role);
    Ok(found.filter(|staff| staff.disabled_at.is_none() && may(staff.role)).map(|staff| staff.id))
}
