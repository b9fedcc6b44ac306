//! What a doctor may read of the worker in front of them. Reading is recorded.

use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use super::{
    attendance::{WorkerPresence, presence},
    view::{ConsultationView, list_for_worker, row_of_doctor},
};
use crate::{
    domain::{
        ids::{ConsultationId, WorkerId},
        network::{Job, Sex},
        refusal::Code,
        time::civil_day,
        words::Language,
    },
    service::{
        Failure, Hearers, Tx,
        caller::{StaffCaller, WorkerCaller},
        profile::{self, HealthProfile},
        vitals::{self, ReadingView, TriageView},
    },
    storage::{readings, workers},
};

/// Who the worker is, as far as care needs it.
#[derive(Debug, Serialize, ToSchema)]
pub struct WorkerBrief {
    /// Which worker.
    pub id: WorkerId,
    /// Name.
    pub name: String,
    /// Sex, where known.
    pub sex: Option<Sex>,
    /// Whole years, where known.
    pub age: Option<u32>,
    /// Kind of work.
    pub job: Option<Job>,
    /// What the worker speaks.
    pub language: Language,
}

/// The worker's record as the doctor of a consultation sees it.
#[derive(Debug, Serialize, ToSchema)]
pub struct RecordView {
    /// Who.
    pub worker: WorkerBrief,
    /// Whether they are there.
    pub presence: WorkerPresence,
    /// What the worker said of their health.
    pub profile: HealthProfile,
    /// Readings of this check-in.
    pub readings: Vec<ReadingView>,
    /// What they mean.
    pub triage: TriageView,
    /// Up to 10 earlier consultations, newest first.
    pub previous: Vec<ConsultationView>,
}

/// Reads the record, and writes down that it was read.
///
/// # Errors
/// `NotFound` unless the caller holds, held or is asked to take it.
pub fn read(tx: &mut Tx<'_>, caller: StaffCaller, id: ConsultationId) -> Result<RecordView, Failure> {
    let row = row_of_doctor(tx.conn, caller.staff, id)?;
    let worker = workers::worker_fetch(tx.conn, row.worker_id)?.ok_or(Code::NotFound)?;
    let place = WorkerCaller {
        worker: row.worker_id,
        check_in: row.check_in_id,
        station: row.station_id,
        acts: false,
    };
    let symptoms: Vec<_> = serde_json::from_str(&row.symptoms)?;
    let triage = vitals::assess(tx.conn, tx.house, place, &symptoms)?;
    let readings =
        readings::readings_of_check_in(tx.conn, row.check_in_id)?.iter().map(vitals::view).collect();
    let mut previous = list_for_worker(tx.conn, tx.house, row.worker_id, Some(id), 10)?.items;
    previous.retain(|known| known.id != id);
    let payload = json!({"consultation": id, "what": "record"});
    tx.record("worker", row.worker_id, "record.read", payload, Hearers::nobody())?;
    let today = civil_day(tx.now);
    Ok(RecordView {
        worker: WorkerBrief {
            id: worker.id,
            name: tx.house.open("worker", "name_sealed", worker.id, &worker.name_sealed)?,
            sex: worker.sex,
            age: worker.birth_date.and_then(|born| today.years_since(born)),
            job: worker.job,
            language: worker.language,
        },
        presence: presence(tx.conn, &row)?,
        profile: profile::fetch(tx.conn, tx.house, row.worker_id)?.1,
        readings,
        triage,
        previous,
    })
}
