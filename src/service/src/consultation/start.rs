//! A worker asks for a doctor.

use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;

use super::{
    red_flag,
    view::{ConsultationView, of_worker},
};
use crate::{Failure, Recipients, Tx, alert, caller::WorkerCaller, network::me, triage};
use base::telemetry::metrics::Fact;
use coordination::Topic;
use domain::{
    consultation::{fold, request},
    ids::ConsultationId,
    matching::{Department, ranked_since},
    prescription::EncounterLane,
    refusal::{Code, Refusal},
    spelling,
    triage::{SymptomFlag, TriageLevel},
};
use storage::consultation::{self as store, NewConsultation};

/// What a worker asks for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StartInput {
    /// In the worker's own words, 1 to 2,000 characters.
    #[schema(value_type = spelling::Words)]
    pub complaint: String,
    /// Which department; general practice if left out.
    pub department: Option<Department>,
    /// The lane; the station must permit it.
    pub lane: EncounterLane,
    /// Signs that need a doctor at once.
    #[serde(default)]
    #[schema(max_items = 26)]
    pub symptoms: Vec<SymptomFlag>,
}

/// Creates a consultation and puts it into the queue.
///
/// # Errors
/// `ConsultationLive` with the state of the other one; `LaneNotPermitted`;
/// `ConsentMissing`; a bad field.
pub fn start(tx: &mut Tx<'_>, caller: WorkerCaller, input: &StartInput) -> Result<ConsultationView, Failure> {
    let complaint = input.complaint.trim();
    if !storage::network::places::station_lanes(tx.conn, caller.station)?.contains(&input.lane) {
        return Err(Code::LaneNotPermitted.into());
    }
    me::lock_care_consent(tx, caller.worker)?;
    triage::lock_worker(tx, caller.worker)?;
    if let Some(live) = store::consultation_live_of(tx.conn, caller.worker)? {
        let data = json!({"consultation_id": live.id});
        return Err(Refusal::new(Code::ConsultationLive).in_state(live.state).with_data(data).into());
    }
    let mut symptoms = input.symptoms.clone();
    symptoms.sort_unstable();
    symptoms.dedup();
    let triage = triage::of_request(tx.conn, tx.app, caller, &symptoms)?;
    let red_flags = triage.codes();
    let worker = storage::network::worker::worker_fetch(tx.conn, caller.worker)?.ok_or(Code::NotFound)?;
    let id = ConsultationId::generate();
    let event = request(id, caller.worker, triage.level, tx.now);
    let snapshot = fold(std::slice::from_ref(&event))
        .ok_or_else(|| Failure::inconsistent("a request that opens nothing"))?;
    store::consultation_add(
        tx.conn,
        &snapshot,
        &NewConsultation {
            check_in: caller.check_in,
            station: caller.station,
            lane: input.lane,
            department: input.department.unwrap_or(Department::GeneralPractice),
            language: worker.language,
            complaint_sealed: tx.app.seal("consultation", "complaint_sealed", id, complaint)?,
            symptoms: serde_json::to_string(&symptoms)?,
            triage: triage.level,
            ranked_since: ranked_since(triage.level, tx.now, &tx.app.policy.matching),
            red_flags: serde_json::to_string(&red_flags)?,
        },
    )?;
    tx.record(id, event, Recipients::worker(caller.worker))?;
    tx.count(Fact::Consultation("requested"));
    if triage.level == TriageLevel::Emergency {
        red_flag(tx, id, caller, None)?;
        alert::raise(tx, caller, Some(id), None, &red_flags)?;
    }
    // Asking for a doctor cancels a requested second measurement.
    storage::vitals::measure_again_set(tx.conn, caller.check_in, None)?;
    tx.wake(Topic::Matching);
    of_worker(tx.conn, tx.app, caller.worker, id)
}
