//! The symptom questions at the screen, and the worker's answers.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::TriageView;
use crate::{Failure, Recipients, Tx, caller::WorkerCaller, network::me, triage};
use domain::{
    event::care::CheckInFact,
    triage::{EMERGENCY_NUMBER, RedFlag, RedFlagCode, SUPPORT_NUMBER, SymptomFlag},
    words::Bilingual,
};

/// One symptom to ask about.
#[derive(Debug, Serialize, ToSchema)]
pub struct SymptomView {
    pub code: SymptomFlag,
    /// The label to tick.
    pub label: Bilingual,
    /// What to do at once, and whom to call.
    pub first_aid: RedFlag,
}

/// All symptoms that a screen asks about.
#[derive(Debug, Serialize, ToSchema)]
pub struct SymptomList {
    /// In the order in which they are asked.
    pub items: Vec<SymptomView>,
    /// The emergency number.
    pub emergency_number: String,
    /// The line for psychological help.
    pub support_number: String,
}

/// Symptoms that a worker has.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SymptomsInput {
    /// Those that were ticked. They are added to those reported earlier in this check-in; only a
    /// doctor takes one back.
    #[schema(max_items = 26)]
    pub symptoms: Vec<SymptomFlag>,
}

/// All symptoms, with label and first aid.
pub fn asked() -> SymptomList {
    let items = SymptomFlag::ALL.iter().map(|&code| SymptomView {
        code,
        label: code.label(),
        first_aid: RedFlag::from(RedFlagCode::from(code)),
    });
    SymptomList {
        items: items.collect(),
        emergency_number: EMERGENCY_NUMBER.to_owned(),
        support_number: SUPPORT_NUMBER.to_owned(),
    }
}

/// Stores the ticked symptoms and applies their consequences.
///
/// # Errors
/// `ConsentMissing`.
pub fn record(tx: &mut Tx<'_>, caller: WorkerCaller, input: &SymptomsInput) -> Result<TriageView, Failure> {
    me::lock_consent_and_worker(tx, caller.worker)?;
    let mut known = triage::known(tx.conn, tx.app, caller.visit())?;
    let all = &mut known.facts.entered.symptoms;
    all.extend_from_slice(&input.symptoms);
    all.sort_unstable();
    all.dedup();
    storage::vitals::symptoms_set(tx.conn, caller.check_in, all)?;
    let event = CheckInFact::SymptomsRecorded { count: all.len() };
    let recipients = Recipients::both(caller.worker, known.doctor());
    tx.record(caller.check_in, event, recipients)?;
    triage::apply_new_fact(tx, &known)
}
