//! What a worker is asked at the screen, and what they answered.

use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::TriageView;
use crate::{Failure, Hearers, Tx, caller::WorkerCaller, network::me, triage};
use domain::{
    triage::{EMERGENCY_NUMBER, RedFlag, RedFlagCode, SUPPORT_NUMBER, SymptomFlag},
    words::Bilingual,
};
use storage::{consultation::consultation_live_of, vitals as store};

/// One symptom as it is asked.
#[derive(Debug, Serialize, ToSchema)]
pub struct SymptomView {
    /// Its code.
    pub code: SymptomFlag,
    /// The words to tick.
    pub label: Bilingual,
    /// What to do at once, and whom to call.
    pub first_aid: RedFlag,
}

/// All that a screen asks.
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
    /// Those that were ticked. They are added to what was said before in this
    /// check-in; only a doctor takes one back.
    #[schema(max_items = 26)]
    pub symptoms: Vec<SymptomFlag>,
}

/// What is asked at the screen.
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

/// Keeps what a worker ticked, and carries on what it means.
///
/// # Errors
/// `ConsentMissing`.
pub fn record(tx: &mut Tx<'_>, caller: WorkerCaller, input: &SymptomsInput) -> Result<TriageView, Failure> {
    me::hold_care_consent(tx, caller.worker)?;
    triage::hold_worker(tx, caller.worker)?;
    let mut all = store::said_in_check_in(tx.conn, caller.check_in)?.symptoms;
    all.extend_from_slice(&input.symptoms);
    all.sort_unstable();
    all.dedup();
    store::symptoms_set(tx.conn, caller.check_in, &all)?;
    let doctor = consultation_live_of(tx.conn, caller.worker)?.and_then(|row| row.doctor_id);
    let hearers = Hearers::both(caller.worker, doctor);
    tx.record("check_in", caller.check_in, "symptoms.recorded", json!({"count": all.len()}), hearers)?;
    triage::follow(tx, caller)
}
