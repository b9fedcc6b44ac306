//! Preview of a merge: both workers as operators see them, the fields that differ, and the
//! contradictions.

use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::{card, facts, worker_fetch};
use crate::{
    Failure, Part, Tx,
    network::{WorkerSummary, identity},
    profile::HealthProfile,
};
use domain::{
    ids::WorkerId,
    network::Sex,
    refusal::{Code, Refusal},
    words::Bilingual,
};
use storage::network::{merge as store, worker::WorkerRow};

domain::text_enum! {
    /// A field that cannot differ within one person: either one value is wrong, or these are
    /// two people.
    pub enum Contradiction {
        BirthDate = "birth_date",
        Sex = "sex",
        /// Both have identity documents, and not the same.
        Document = "document",
        /// A pregnancy, or breast feeding, and the male sex.
        Pregnancy = "pregnancy",
    }
}

/// The target of a merge preview.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct MergeQuery {
    /// The worker into whom the record would be merged.
    #[param(inline)]
    pub into: WorkerId,
}

/// What a merge would do. Names of health fields, never their values: an operator decides whether
/// two records are one person's, not about their health.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct MergePreview {
    /// The worker whose record would be merged.
    pub from: WorkerSummary,
    /// The worker who remains.
    pub into: WorkerSummary,
    /// Names of the fields in which the two differ.
    pub differs: Vec<String>,
    /// Names of the fields that change for the worker who remains.
    pub changes: Vec<String>,
    /// The contradictions; a merge must accept each of these by name.
    pub contradictions: Vec<Contradiction>,
    /// Whether the card of the merged record replaces the stopped card of the worker who
    /// remains.
    pub card_comes_over: bool,
    /// Whether a second operator must approve.
    pub approval_needed: bool,
    /// What is running for either worker and must end first.
    pub running: Option<String>,
}

/// Previews a merge; the read is logged.
///
/// # Errors
/// `NotFound`.
pub fn merge_preview(tx: &mut Tx<'_>, from: WorkerId, into: WorkerId) -> Result<MergePreview, Failure> {
    let source = storage::network::worker::worker_fetch(tx.conn, from)?.ok_or(Code::NotFound)?;
    let target = storage::network::worker::worker_fetch(tx.conn, into)?.ok_or(Code::NotFound)?;
    let (theirs, own) = (facts::profile_of(tx, from)?, facts::profile_of(tx, into)?);
    let (theirs, own) = (theirs.map(|(_, profile)| profile), own.map(|(_, profile)| profile));
    let none = HealthProfile::default();
    let merged = facts::merged_profile(own.as_ref(), theirs.as_ref());
    let (theirs, own) = (theirs.as_ref().unwrap_or(&none), own.as_ref().unwrap_or(&none));
    let mut differs: Vec<String> = Vec::new();
    let (one, other) = (worker_fetch(tx, from)?, worker_fetch(tx, into)?);
    for (name, differ) in [
        ("name", one.name != other.name),
        ("phone", source.phone_index != target.phone_index),
        ("birth_date", source.birth_date != target.birth_date),
        ("sex", source.sex != target.sex),
        ("job", source.job != target.job),
        ("employer", source.employer_id != target.employer_id),
        ("language", source.language != target.language),
    ] {
        differs.extend(differ.then(|| name.to_owned()));
    }
    for name in facts::fields_that_differ(theirs, own) {
        if !differs.iter().any(|known| known == name) {
            differs.push(name.to_owned());
        }
    }
    let changed = facts::fields_that_differ(own, merged.as_ref().unwrap_or(&none));
    let mut running = store::checked_in(tx.conn, from)?.then_some("checked_in");
    for who in [from, into] {
        running = running.or(store::running(tx.conn, who)?);
    }
    let known = identity::standing(tx.conn, &source)?;
    let contradictions = contradictions(tx, &source, &target)?;
    // Log it: a part of the health record was compared, though none of it is shown.
    for who in [from, into] {
        tx.shown.note(who, Part::Record, who);
    }
    Ok(MergePreview {
        from: one,
        into: other,
        differs,
        changes: changed.into_iter().map(str::to_owned).collect(),
        contradictions,
        card_comes_over: card::comes_over(&source, &target),
        approval_needed: known != domain::network::Identified::Unchecked,
        running: running.map(str::to_owned),
    })
}

fn contradictions(
    tx: &mut Tx<'_>,
    source: &WorkerRow,
    target: &WorkerRow,
) -> Result<Vec<Contradiction>, Failure> {
    let mut found = Vec::new();
    // Registration data and profile of the same worker may differ too.
    let mut statements = vec![source.stated(), target.stated()];
    let mut expecting = false;
    for who in [source.id, target.id] {
        if let Some((_, profile)) = facts::profile_of(tx, who)? {
            expecting |= profile.pregnant == Some(true) || profile.breastfeeding == Some(true);
            statements.push(profile.stated());
        }
    }
    let contradicts = |name: &str| {
        let mut pairs = statements
            .iter()
            .enumerate()
            .flat_map(|(at, one)| statements[..at].iter().map(move |other| one.contradictions(*other)));
        pairs.any(|names| names.contains(&name))
    };
    if contradicts("birth_date") {
        found.push(Contradiction::BirthDate);
    }
    if contradicts("sex") {
        found.push(Contradiction::Sex);
    }
    if expecting && statements.iter().any(|one| one.sex == Some(Sex::Male)) {
        found.push(Contradiction::Pregnancy);
    }
    if identity::residents_differ(tx.conn, source.id, target.id)? {
        found.push(Contradiction::Document);
    }
    Ok(found)
}

/// Checks that the operator has accepted all contradictions.
pub(super) fn check_accepted(
    tx: &mut Tx<'_>,
    source: &WorkerRow,
    target: &WorkerRow,
    accepted: &[Contradiction],
) -> Result<(), Failure> {
    let missing: Vec<Contradiction> = contradictions(tx, source, target)?
        .into_iter()
        .filter(|contradiction| !accepted.contains(contradiction))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = missing.iter().map(|one| one.as_str()).collect();
    let names = names.join(", ");
    let message = Bilingual::made(
        format!("两份档案在以下方面互相矛盾，请核对后写入 accept：{names}"),
        format!("The two records contradict each other; look, and name these in accept: {names}"),
    );
    Err(Refusal::field("accept", "contradiction", message)
        .with_data(json!({"contradictions": missing}))
        .into())
}
