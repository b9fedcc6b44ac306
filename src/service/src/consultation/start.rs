//! A worker asks for a doctor.

use std::sync::Arc;

use base::telemetry::Chain;
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;

use super::{
    Loaded, red_flag,
    view::{ConsultationView, view},
};
use crate::{
    AppState, Failure, Tx, alert,
    caller::WorkerCaller,
    machine::Machine,
    matching::heard,
    network::{department, me},
    triage,
};
use domain::{
    consultation::{Consultation, ConsultationEvent, Medium},
    ids::ConsultationId,
    matching::{Department, Queue, ranked_since},
    prescription::EncounterLane,
    refusal::{Code, Refusal},
    spelling,
    triage::{SymptomFlag, TriageLevel},
};
use storage::consultation::{self as store, FullConsultation, NewConsultation, Queued};

/// What a worker asks for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StartInput {
    /// In the worker's own words, 1 to 2,000 characters.
    #[schema(value_type = spelling::Words)]
    pub complaint: String,
    /// Which department of the network; general practice if left out.
    pub department: Option<Department>,
    /// How to talk with the doctor; by text if left out.
    #[serde(default)]
    pub medium: Option<Medium>,
    /// The lane; the station must permit it.
    pub lane: EncounterLane,
    /// Signs that need a doctor at once.
    #[serde(default)]
    #[schema(max_items = 26)]
    pub symptoms: Vec<SymptomFlag>,
}

/// Looks at whether the doctors who may serve it are heard, for the estimate of [`start`]. A fault leaves
/// what was known before.
pub async fn prepare_start(app: &Arc<AppState>, input: &StartInput) {
    let department = input.department.unwrap_or(Department::GENERAL_PRACTICE);
    if let Err(failure) = heard::look(app, &[department]).await {
        tracing::warn!(error = %Chain(&failure), "not looked at who is heard");
    }
}

/// Creates a consultation and puts it into the queue.
///
/// # Errors
/// `ConsultationLive` with the state of the other one; `LaneNotPermitted`;
/// `ConsentMissing`; a bad field.
pub fn start(tx: &mut Tx<'_>, caller: WorkerCaller, input: &StartInput) -> Result<ConsultationView, Failure> {
    let complaint = input.complaint.trim();
    let department = input.department.unwrap_or(Department::GENERAL_PRACTICE);
    department::ensure(tx, "department", &[department])?;
    me::lock_consent_and_worker(tx, caller.worker).or_else(|missing| {
        // A lane that is not permitted is refused first.
        let lanes = storage::network::places::station_lanes(tx.conn, caller.station)?;
        ensure_lane(&lanes, input.lane).and(Err(missing))
    })?;
    let visit = caller.visit();
    let known = triage::known(tx.conn, tx.app, visit)?;
    ensure_lane(&known.facts.lanes, input.lane)?;
    if let Some(live) = &known.facts.live {
        let data = json!({"consultation_id": live.id});
        return Err(Refusal::new(Code::ConsultationLive).in_state(live.state).with_data(data).into());
    }
    let mut symptoms = input.symptoms.clone();
    symptoms.sort_unstable();
    symptoms.dedup();
    let triage = triage::of_request(tx.conn, tx.app, &known, &symptoms)?;
    let red_flags = triage.codes();
    let id = ConsultationId::generate();
    let event = ConsultationEvent::Requested {
        consultation: id,
        worker: caller.worker,
        at: tx.now,
        triage: Some(triage.level),
        medium: input.medium.unwrap_or_default(),
        department: Some(department),
    };
    let snapshot =
        Consultation::begin(&event).ok_or_else(|| Failure::inconsistent("a request that opens nothing"))?;
    let queue = Queue {
        department,
        level: triage.level,
        language: known.facts.worker.language,
        medium: snapshot.medium,
        district: known.facts.district.clone(),
    };
    let new = NewConsultation {
        check_in: caller.check_in,
        station: caller.station,
        lane: input.lane,
        department: queue.department,
        language: queue.language,
        complaint_sealed: tx.app.seal("consultation", "complaint_sealed", id, complaint)?,
        symptoms: serde_json::to_string(&symptoms)?,
        queued: Queued {
            queue: queue.name(),
            ranked_since: ranked_since(triage.level, tx.now, &tx.app.policy.matching),
        },
        red_flags: serde_json::to_string(&red_flags)?,
    };
    let overdue_since = tx.app.policy.matching.overdue_since(tx.now);
    let (row, ahead) = store::consultation_add(tx.conn, &snapshot, new, overdue_since)?;
    let active_at = known.facts.active_at;
    let here = Some((caller.station, active_at));
    let full = FullConsultation { row, offer: None, doctor: None, here, active_at, consents: true, ahead };
    let requested = Loaded { full, snapshot };
    requested.record(&event, tx)?;
    if triage.level == TriageLevel::Emergency {
        red_flag(tx, id, visit, None)?;
        alert::raise(tx, visit, Some(id), None, &red_flags)?;
    }
    // Asking for a doctor cancels a requested second measurement.
    triage::wait_for_second(tx, &known, None)?;
    view(tx.conn, tx.app, &requested)
}

fn ensure_lane(permitted: &[EncounterLane], lane: EncounterLane) -> Result<(), Failure> {
    if permitted.contains(&lane) { Ok(()) } else { Err(Code::LaneNotPermitted.into()) }
}
