//! The part of a worker's record that the doctor of a consultation may read. Each read is logged.

use chrono::TimeDelta;
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    attendance::{WorkerPresence, presence},
    transfer::{self, TransferView},
    view::{ConsultationView, known_with_earlier, view},
};
use crate::{
    AppState, Failure, HealthAccess, Part,
    caller::StaffCaller,
    profile::{self, HealthProfile},
    triage::{self, TriageView},
    vitals::{self, ReadingView},
};
use domain::{
    consultation::ConsultationState,
    ids::{ConsultationId, StaffId, WorkerId},
    network::{Job, Sex},
    prescription::PrescriptionState,
    refusal::Code,
    time::{Timestamp, civil_day},
    words::Language,
};
use storage::Conn;

/// Most earlier consultations in a record.
const MOST_EARLIER: i64 = 10;

/// Who the worker is, as far as care needs it.
#[derive(Debug, Serialize, ToSchema)]
pub struct WorkerBrief {
    pub id: WorkerId,
    /// Name.
    pub name: String,
    /// Sex, where known.
    pub sex: Option<Sex>,
    /// Whole years, where known.
    pub age: Option<u32>,
    /// Kind of work.
    pub job: Option<Job>,
    /// `birth_date` or `sex`, where the record and the profile contradict each other;
    /// the more careful value is shown and used until somebody corrects it.
    pub contradictions: Vec<String>,
    /// What the worker speaks.
    pub language: Language,
}

/// The worker's record as the doctor of a consultation sees it.
#[derive(Debug, Serialize, ToSchema)]
pub struct RecordView {
    pub worker: WorkerBrief,
    /// Whether they are present.
    pub presence: WorkerPresence,
    /// What the worker stated about their health.
    pub profile: HealthProfile,
    /// Readings of the check-in in which the doctor was asked for, and all that
    /// came in since, at any station.
    pub readings: Vec<ReadingView>,
    pub triage: TriageView,
    /// Up to 10 earlier consultations, newest first.
    pub previous: Vec<ConsultationView>,
    /// Who handed this consultation on and why, oldest first.
    pub transfers: Vec<TransferView>,
}

/// Reads the record.
///
/// # Errors
/// `NotFound` unless the consultation is the caller's or is offered to them;
/// `ConsentMissing` once the worker has withdrawn the consent to care.
pub fn read(
    conn: &mut Conn,
    app: &AppState,
    shown: &mut HealthAccess,
    caller: StaffCaller,
    id: ConsultationId,
) -> Result<RecordView, Failure> {
    let (known, earlier) = known_with_earlier(conn, caller.staff, id, MOST_EARLIER)?;
    let row = &known.full.row;
    if !in_care(conn, app, row.doctor_id, id, row.state, row.ended_at)? {
        return Err(Code::NotFound.into());
    }
    if !known.full.consents {
        return Err(Code::ConsentMissing.into());
    }
    let (worker, profile, seen) = triage::person_in_care(conn, app, row)?;
    let (triage, rows) = triage::of_person(conn, app, row, &worker, &profile, seen)?;
    let readings = rows.iter().map(vitals::view).collect();
    let previous = earlier.iter().map(|known| view(conn, app, known)).collect::<Result<_, _>>()?;
    let transfers = transfer::of(conn, app, &known)?;
    shown.note(row.worker_id, Part::Record, id);
    let today = civil_day(app.now());
    let who = profile::stated(&worker, &profile);
    let contradictions = worker.stated().contradictions(profile.stated());
    Ok(RecordView {
        worker: WorkerBrief {
            id: worker.id,
            name: app.open("worker", "name_sealed", worker.id, &worker.name_sealed)?,
            sex: who.sex,
            age: who.birth_date.and_then(|born| today.years_since(born)),
            job: who.job,
            contradictions: contradictions.into_iter().map(str::to_owned).collect(),
            language: worker.language,
        },
        presence: presence(app, &known),
        profile,
        readings,
        triage,
        previous,
        transfers,
    })
}

/// Whether the doctor of a consultation may still read the worker's data: until it ends,
/// during the policy's grace after it, and while a prescription was returned to them for
/// correction. What they wrote themselves they may always read.
pub(crate) fn in_care(
    conn: &mut Conn,
    app: &AppState,
    doctor: Option<StaffId>,
    id: ConsultationId,
    state: ConsultationState,
    ended_at: Option<Timestamp>,
) -> Result<bool, Failure> {
    match state {
        ConsultationState::Waiting | ConsultationState::Offered | ConsultationState::Active => Ok(true),
        ConsultationState::Completed | ConsultationState::Cancelled | ConsultationState::Unserved => {
            let grace = TimeDelta::minutes(app.policy.records.grace_minutes.into());
            if ended_at.is_some_and(|ended| app.now() < ended + grace) {
                return Ok(true);
            }
            let open = storage::prescription::prescription_open_of(conn, id)?;
            Ok(open.is_some_and(|open| {
                open.state == PrescriptionState::Returned && Some(open.doctor_id) == doctor
            }))
        }
    }
}
