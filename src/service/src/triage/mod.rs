//! How soon a doctor must see a worker, by everything known now: in a check-in, or in a
//! consultation with everything since it was requested. A level never falls by itself: after a red
//! flag was raised, a later normal reading does not take it back. A doctor who completes the
//! consultation does.

pub mod assess;
pub mod symptoms;

use std::sync::Arc;

use chrono::TimeDelta;
use serde::Serialize;
use utoipa::ToSchema;

use super::{Actor, AppState, Failure, Tx, caller::WorkerCaller, consultation, profile};
use crate::{
    alert,
    jobs::rounds::{self, Job},
};
use domain::{
    formulary::Condition,
    ids::{CheckInId, StationId, WorkerId},
    refusal::{Code, Refusal},
    time::{Timestamp, civil_day, months_since},
    triage::{
        Applicability, MeasureAgain, News2Input, News2Score, RedFlag, RedFlagCode, SymptomFlag, TimedReading,
        TriageFacts, TriageLevel, TriageReason, applicability, latest_of_each_kind, news2, triage,
    },
    vitals::{ValidReading, VitalFinding, assess_all},
};
use storage::{
    Conn,
    consultation::ConsultationRow,
    vitals::{self as store, CareSpan, Said},
};

/// For how long after its end a consultation settles the red flags that its doctor saw.
pub(super) const SEEN_BY_A_DOCTOR: TimeDelta = TimeDelta::days(1);

/// For how long a raised emergency counts, unless a doctor sees the worker earlier. Our default.
pub(super) const ALERT_COUNTS_FOR: TimeDelta = TimeDelta::hours(12);

/// For how long a reading of an earlier check-in counts: vital signs change. Our default.
const READING_COUNTS_FOR: TimeDelta = TimeDelta::hours(1);

/// What the readings of a check-in mean together.
#[derive(Debug, Serialize, ToSchema)]
pub struct TriageView {
    /// How soon a doctor must see the worker.
    pub level: TriageLevel,
    pub reasons: Vec<TriageReason>,
    /// Shown at once, with the emergency number.
    pub red_flags: Vec<RedFlag>,
    /// A single extreme that is measured once more before it raises an alert; it counts as an
    /// emergency when it is not measured again in time.
    pub measure_again: Option<MeasureAgain>,
    /// Whom to call; shown at once in an emergency and while `measure_again` is set.
    pub emergency_number: Option<String>,
    /// Signs that were ticked.
    pub symptoms: Vec<SymptomFlag>,
    /// The score; none where NEWS2 does not apply to this person.
    pub news2: Option<News2Score>,
    /// Whether NEWS2 applies to this person.
    pub news2_applicability: Applicability,
    /// What each reading means.
    pub findings: Vec<VitalFinding>,
    /// The version of the limits.
    pub limits_version: String,
}

impl TriageView {
    /// The codes of its red flags.
    pub(super) fn codes(&self) -> Vec<RedFlagCode> {
        self.red_flags.iter().map(|flag| flag.code).collect()
    }
}

/// The facts that are judged together.
pub(super) struct Case {
    /// The worker whose profile is used.
    pub worker: WorkerId,
    pub readings: Vec<TimedReading>,
    /// The reported symptoms and state.
    pub reported: Said,
    /// Whether a doctor was requested.
    pub asked: bool,
    /// Red flags that were raised earlier.
    pub earlier: Vec<RedFlagCode>,
}

/// The time span whose readings belong to a consultation.
///
/// # Errors
/// Faults of the storage.
pub(super) fn span_of(conn: &mut Conn, row: &ConsultationRow) -> Result<CareSpan, Failure> {
    let (since, _) = counts_since(conn, row.worker_id, row.requested_at)?;
    Ok(CareSpan { worker: row.worker_id, check_in: row.check_in_id, since, until: row.ended_at })
}

/// Since when readings and alerts count at `at`: for a fixed time, or since a doctor saw the
/// worker. Leaving a screen and coming back, here or elsewhere, hides nothing.
fn counts_since(conn: &mut Conn, worker: WorkerId, at: Timestamp) -> Result<(Timestamp, Timestamp), Failure> {
    let (measured, alarmed) = (at - READING_COUNTS_FOR, at - ALERT_COUNTS_FOR);
    let seen = storage::consultation::doctor_of_last_visit(conn, worker, alarmed, at)?;
    let seen = seen.map_or(alarmed, |(_, ended_at)| ended_at);
    Ok((measured.max(seen), seen))
}

/// The red flags of a consultation so far.
pub(super) fn flags_of(row: &ConsultationRow) -> Result<Vec<RedFlagCode>, Failure> {
    Ok(row.red_flags.as_deref().map(serde_json::from_str).transpose()?.unwrap_or_default())
}

fn case_of_check_in(conn: &mut Conn, app: &AppState, caller: WorkerCaller) -> Result<Case, Failure> {
    let WorkerCaller { worker, check_in, .. } = caller;
    let (since, alarmed_since) = counts_since(conn, worker, app.now())?;
    let mut earlier = Vec::new();
    for alert in storage::triage::recent::alerts_lately(conn, &[worker], alarmed_since)? {
        earlier.extend(alert::flags_of(&alert)?);
    }
    let rows = store::readings_of_care(conn, CareSpan { worker, check_in, since, until: None })?;
    Ok(Case {
        worker,
        readings: rows.iter().map(|row| row.to_timed()).collect(),
        reported: store::entered_in_check_in(conn, check_in)?,
        asked: false,
        earlier,
    })
}

fn case_of_consultation(conn: &mut Conn, row: &ConsultationRow) -> Result<Case, Failure> {
    let span = span_of(conn, row)?;
    let rows = store::readings_of_care(conn, span)?;
    let mut reported = store::entered_in_care(conn, span)?;
    let symptoms: Vec<SymptomFlag> = serde_json::from_str(&row.symptoms)?;
    reported.symptoms.extend(symptoms);
    Ok(Case {
        worker: row.worker_id,
        readings: rows.iter().map(|row| row.to_timed()).collect(),
        reported,
        asked: true,
        earlier: flags_of(row)?,
    })
}

/// The level of a case.
pub(super) fn judge(conn: &mut Conn, app: &AppState, mut case: Case) -> Result<TriageView, Failure> {
    let worker = storage::network::worker::worker_fetch(conn, case.worker)?.ok_or(Code::NotFound)?;
    let (_, profile) = profile::fetch(conn, app, case.worker)?;
    let today = civil_day(app.now());
    let born = profile::stated(&worker, &profile).birth_date;
    let months = born.and_then(|born| months_since(born, today));
    let pregnant = profile.pregnant == Some(true);
    let applicability = applicability(months.map(|months| months / 12), pregnant);
    let latest = latest_of_each_kind(&case.readings);
    let valid: Vec<ValidReading> = latest.iter().map(|known| known.reading.clone()).collect();
    let score = news2(&News2Input::from_readings(&valid, &case.reported.context)).map_err(Refusal::fields)?;
    let applies = applicability == Applicability::Applicable;
    // A question that was not asked is not answered "no".
    let diabetic = profile.conditions.as_ref().map(|known| known.contains(&Condition::Diabetes));
    let findings = assess_all(&valid, diabetic, &app.policy.vitals);
    case.reported.symptoms.sort_unstable();
    case.reported.symptoms.dedup();
    let limits = &app.policy.triage;
    let decision = triage(&TriageFacts {
        limits,
        news2: applies.then_some(&score),
        parts: Some(&score),
        age_months: months,
        pregnant,
        symptoms: &case.reported.symptoms,
        asked: case.asked,
        findings: &findings,
        latest: &latest,
        consciousness: case.reported.context.consciousness,
        earlier: &case.earlier,
        now: Some(app.now()),
    });
    Ok(TriageView {
        level: decision.level,
        reasons: decision.reasons,
        red_flags: decision.red_flags,
        measure_again: decision.measure_again,
        emergency_number: decision.emergency_number.map(str::to_owned),
        symptoms: case.reported.symptoms,
        news2: applies.then_some(score),
        news2_applicability: applicability,
        findings,
        limits_version: limits.version.to_string(),
    })
}

/// The triage of the caller: of the live consultation, or else of this check-in.
pub fn assess(conn: &mut Conn, app: &AppState, caller: WorkerCaller) -> Result<TriageView, Failure> {
    match storage::consultation::consultation_live_of(conn, caller.worker)? {
        Some(row) => of_consultation(conn, app, &row),
        None => {
            let case = case_of_check_in(conn, app, caller)?;
            judge(conn, app, case)
        }
    }
}

/// The triage of the caller, including symptoms with which consultations of this visit were
/// requested.
pub(super) fn assess_visit(
    conn: &mut Conn,
    app: &AppState,
    caller: WorkerCaller,
    symptoms: &[SymptomFlag],
) -> Result<TriageView, Failure> {
    let mut case = match storage::consultation::consultation_live_of(conn, caller.worker)? {
        Some(row) => case_of_consultation(conn, &row)?,
        None => case_of_check_in(conn, app, caller)?,
    };
    case.reported.symptoms.extend_from_slice(symptoms);
    judge(conn, app, case)
}

/// The triage at the time of a request for a doctor.
pub(super) fn of_request(
    conn: &mut Conn,
    app: &AppState,
    caller: WorkerCaller,
    symptoms: &[SymptomFlag],
) -> Result<TriageView, Failure> {
    let mut case = case_of_check_in(conn, app, caller)?;
    case.reported.symptoms.extend_from_slice(symptoms);
    case.asked = true;
    judge(conn, app, case)
}

/// The triage of a consultation, as of now or of its end.
pub(super) fn of_consultation(
    conn: &mut Conn,
    app: &AppState,
    row: &ConsultationRow,
) -> Result<TriageView, Failure> {
    let case = case_of_consultation(conn, row)?;
    let mut view = judge(conn, app, case)?;
    // Its level in the queue never falls.
    view.level = view.level.min(row.triage);
    Ok(view)
}

/// Locks the worker's row, so that a new fact and a concurrent request for a doctor see each other.
///
/// # Errors
/// `NotFound`.
pub(super) fn lock_worker(tx: &mut Tx<'_>, worker: WorkerId) -> Result<(), Failure> {
    storage::network::worker::worker_lock(tx.conn, worker)?.ok_or(Code::NotFound)?;
    Ok(())
}

/// Applies the consequences of a new fact, in its transaction: the live consultation rises in the
/// queue, the operators are alerted, an extreme waits for its second measurement. The caller has
/// locked the worker's row ([`lock_worker`]).
///
/// # Errors
/// Faults of the storage.
pub(super) fn apply_new_fact(tx: &mut Tx<'_>, caller: WorkerCaller) -> Result<TriageView, Failure> {
    if let Some(row) = consultation::lock_live_of(tx, caller.worker)? {
        let view = of_consultation(tx.conn, tx.app, &row)?;
        consultation::raise_triage(tx, caller, &row, &view)?;
        store::measure_again_set(tx.conn, caller.check_in, None)?;
        return Ok(view);
    }
    let case = case_of_check_in(tx.conn, tx.app, caller)?;
    let view = judge(tx.conn, tx.app, case)?;
    store::measure_again_set(tx.conn, caller.check_in, view.measure_again.as_ref().map(|again| again.until))?;
    if view.level == TriageLevel::Emergency {
        alert::raise(tx, caller, None, None, &view.codes())?;
    }
    Ok(view)
}

/// Raises alerts for extremes that were not measured again in time.
///
/// # Errors
/// Faults of the storage.
pub async fn alarm_unmeasured(app: &Arc<AppState>) -> Result<usize, Failure> {
    const JOB: Job = Job::new("unmeasured-extremes").ignore_refusals();
    let now = app.now();
    let due = app.read(Actor::System, move |conn, _| Ok(store::measure_again_due(conn, now, 100)?)).await?;
    rounds::each(app, JOB, due, |(check_in, ..)| *check_in, alarm).await.outcome()
}

fn alarm(
    tx: &mut Tx<'_>,
    &(check_in, worker, station): &(CheckInId, WorkerId, StationId),
) -> Result<usize, Failure> {
    let caller = WorkerCaller { worker, check_in, station, acts: false };
    // The check-in's row is locked first, as in every operation of its screen.
    store::measure_again_set(tx.conn, check_in, None)?;
    let judged = lock_worker(tx, worker).and_then(|()| apply_new_fact(tx, caller));
    if let Err(Failure::Refused(refusal)) = &judged {
        tracing::warn!(%refusal, "an extreme could not be judged");
    }
    judged.map(|_| 1)
}
