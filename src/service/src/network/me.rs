//! A worker's own data and consents.

use std::collections::HashSet;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{AppState, Failure, Recipients, Tx, caller::WorkerCaller};
use domain::{
    event::worker::WorkerEvent,
    ids::{CheckInId, StationId, WorkerId},
    network::{ConsentPurpose, Job, Sex},
    refusal::Code,
    words::Language,
};
use storage::Conn;

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ConsentInput {
    pub purpose: ConsentPurpose,
}

/// The purposes consented to.
#[derive(Debug, Serialize, ToSchema)]
pub struct ConsentsView {
    /// Those in force.
    pub consents: Vec<String>,
}

/// A worker's own data.
#[derive(Debug, Serialize, ToSchema)]
pub struct MeView {
    pub id: WorkerId,
    /// Name.
    pub name: String,
    /// Day of birth, if known.
    pub birth_date: Option<NaiveDate>,
    /// Sex, if known.
    pub sex: Option<Sex>,
    /// Kind of work.
    pub job: Option<Job>,
    /// Language of the screen.
    pub language: Language,
    /// Purposes consented to.
    pub consents: Vec<String>,
    /// This check-in.
    pub check_in_id: CheckInId,
    /// At which station.
    pub station_id: StationId,
}

/// How long a worker counts as present at the screen.
#[derive(Debug, Serialize, ToSchema)]
pub struct PresenceView {
    /// The check-in ends after this many seconds without another sign of the worker.
    pub idle_seconds: u32,
}

/// The worker is still present. Every request of a worker records this already; there is nothing
/// else to do here.
pub fn stay(tx: &Tx<'_>) -> PresenceView {
    PresenceView { idle_seconds: tx.app.policy.check_in.idle_seconds }
}

pub fn fetch(conn: &mut Conn, app: &AppState, caller: WorkerCaller) -> Result<MeView, Failure> {
    let found = storage::network::worker::worker_with_consents(conn, caller.worker)?;
    let (worker, consents) = found.ok_or(Code::NotFound)?;
    Ok(MeView {
        id: worker.id,
        name: app.open("worker", "name_sealed", worker.id, &worker.name_sealed)?,
        birth_date: worker.birth_date,
        sex: worker.sex,
        job: worker.job,
        language: worker.language,
        consents,
        check_in_id: caller.check_in,
        station_id: caller.station,
    })
}

/// Consents to one purpose; idempotent.
pub fn grant(tx: &mut Tx<'_>, caller: WorkerCaller, input: &ConsentInput) -> Result<ConsentsView, Failure> {
    let purpose = input.purpose.as_str();
    if storage::network::worker::consent_grant(tx.conn, caller.worker, purpose, Some(caller.station), tx.now)?
    {
        let event = WorkerEvent::ConsentGranted { purpose: input.purpose };
        tx.record(caller.worker, event, Recipients::worker(caller.worker))?;
    }
    Ok(ConsentsView { consents: storage::network::worker::consents_live(tx.conn, caller.worker)? })
}

/// Withdraws the consent to one purpose; data that was stored lawfully stays stored.
pub fn withdraw(
    tx: &mut Tx<'_>,
    caller: WorkerCaller,
    input: &ConsentInput,
) -> Result<ConsentsView, Failure> {
    let purpose = input.purpose.as_str();
    if storage::network::worker::consent_withdraw(tx.conn, caller.worker, purpose, tx.now)? {
        let event = WorkerEvent::ConsentWithdrawn { purpose: input.purpose, why: None };
        tx.record(caller.worker, event, Recipients::worker(caller.worker))?;
    }
    Ok(ConsentsView { consents: storage::network::worker::consents_live(tx.conn, caller.worker)? })
}

/// Checks the consent to care and locks it until the end of this transaction, so that health data
/// is stored before a withdrawal or not at all.
///
/// # Errors
/// `ConsentMissing`.
pub(crate) fn lock_care_consent(tx: &mut Tx<'_>, worker: WorkerId) -> Result<(), Failure> {
    let consents =
        storage::network::worker::consent_lock(tx.conn, worker, ConsentPurpose::HealthCare.as_str())?;
    if consents { Ok(()) } else { Err(Code::ConsentMissing.into()) }
}

/// As [`lock_care_consent`], and locks the worker's row, so that a new fact and a concurrent request
/// for a doctor see each other.
///
/// # Errors
/// `ConsentMissing`.
pub(crate) fn lock_consent_and_worker(tx: &mut Tx<'_>, worker: WorkerId) -> Result<(), Failure> {
    let care = ConsentPurpose::HealthCare.as_str();
    let consents = storage::network::worker::consent_and_worker_lock(tx.conn, worker, care)?;
    if consents { Ok(()) } else { Err(Code::ConsentMissing.into()) }
}

/// Whether the worker consents to care now: checked for every response that shows staff any of
/// their health data.
///
/// # Errors
/// Faults of the storage.
pub(crate) fn consents_to_care(conn: &mut Conn, worker: WorkerId) -> Result<bool, Failure> {
    let live = storage::network::worker::consents_live(conn, worker)?;
    Ok(live.iter().any(|purpose| purpose == ConsentPurpose::HealthCare.as_str()))
}

/// Those of these workers who consent to care now.
///
/// # Errors
/// Faults of the storage.
pub(crate) fn consenting_to_care(conn: &mut Conn, people: &[WorkerId]) -> Result<HashSet<WorkerId>, Failure> {
    Ok(storage::network::worker::consents_in_force(conn, people, ConsentPurpose::HealthCare.as_str())?)
}

/// As [`consents_to_care`], but refuses without consent.
///
/// # Errors
/// `ConsentMissing`.
pub(crate) fn need_care_consent(conn: &mut Conn, worker: WorkerId) -> Result<(), Failure> {
    if consents_to_care(conn, worker)? { Ok(()) } else { Err(Code::ConsentMissing.into()) }
}
