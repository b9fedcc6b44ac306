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

use super::{
    AppState, Failure, Tx,
    caller::{Visit, WorkerCaller},
    consultation,
    profile::{self, HealthProfile},
};
use crate::{
    alert,
    jobs::rounds::{self, Job},
};
use domain::{
    formulary::Condition,
    ids::{CheckInId, StaffId, StationId, WorkerId},
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
    network::worker::WorkerRow,
    triage::facts::{VisitFacts, visit_facts, worker_and_last_visit},
    vitals::{self as store, CareSpan, ReadingRow, Said},
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

/// The worker of a consultation, their profile, and when a doctor saw them last before it, as far as
/// that settles earlier readings and alerts.
///
/// # Errors
/// `NotFound`.
pub(super) fn person_in_care(
    conn: &mut Conn,
    app: &AppState,
    row: &ConsultationRow,
) -> Result<(WorkerRow, HealthProfile, Option<Timestamp>), Failure> {
    let (since, until) = (row.requested_at - ALERT_COUNTS_FOR, row.requested_at);
    let found = worker_and_last_visit(conn, row.worker_id, since, until)?;
    let (worker, profile, seen) = found.ok_or(Code::NotFound)?;
    let profile = profile::opened(app, row.worker_id, profile.as_ref())?;
    Ok((worker, profile, seen))
}

/// The time span whose readings belong to a consultation, when a doctor saw the worker last at `seen`.
fn span_after(row: &ConsultationRow, seen: Option<Timestamp>) -> CareSpan {
    let (since, _) = counts_since(seen, row.requested_at);
    CareSpan { worker: row.worker_id, check_in: row.check_in_id, since, until: row.ended_at }
}

/// Since when readings and alerts count at `at`: for a fixed time, or since a doctor saw the
/// worker. Leaving a screen and coming back, here or elsewhere, hides nothing.
fn counts_since(seen: Option<Timestamp>, at: Timestamp) -> (Timestamp, Timestamp) {
    let (measured, alarmed) = (at - READING_COUNTS_FOR, at - ALERT_COUNTS_FOR);
    let seen = seen.filter(|seen| *seen > alarmed && *seen <= at).unwrap_or(alarmed);
    (measured.max(seen), seen)
}

/// The red flags of a consultation so far.
pub(super) fn flags_of(row: &ConsultationRow) -> Result<Vec<RedFlagCode>, Failure> {
    Ok(row.red_flags.as_deref().map(serde_json::from_str).transpose()?.unwrap_or_default())
}

/// What is known of a worker in a visit, apart from readings. A transaction that adds to it reads
/// it after it has locked the worker's row.
pub(super) struct Known {
    pub visit: Visit,
    pub facts: VisitFacts,
    pub profile: HealthProfile,
}

/// Reads what is known.
///
/// # Errors
/// `NotFound`.
pub(super) fn known(conn: &mut Conn, app: &AppState, visit: Visit) -> Result<Known, Failure> {
    let alarmed_since = app.now() - ALERT_COUNTS_FOR;
    let facts = visit_facts(conn, visit.check_in, alarmed_since)?.ok_or(Code::NotFound)?;
    let profile = profile::opened(app, visit.worker, facts.profile.as_ref())?;
    Ok(Known { visit, facts, profile })
}

impl Known {
    /// The version of the profile; 0 when it was never written.
    pub fn profile_version(&self) -> i64 {
        self.facts.profile.as_ref().map_or(0, |row| row.version)
    }

    /// The doctor of the live consultation.
    pub fn doctor(&self) -> Option<StaffId> {
        self.facts.live.as_ref().and_then(|row| row.doctor_id)
    }

    fn case(&self, conn: &mut Conn, app: &AppState) -> Result<Case, Failure> {
        match &self.facts.live {
            Some(row) => case_in(conn, row, span_after(row, self.facts.seen_at)),
            None => self.case_of_check_in(conn, app),
        }
    }

    fn case_of_check_in(&self, conn: &mut Conn, app: &AppState) -> Result<Case, Failure> {
        let Visit { worker, check_in, .. } = self.visit;
        let (since, alarmed_since) = counts_since(self.facts.seen_at, app.now());
        let mut earlier: Vec<RedFlagCode> = Vec::new();
        for (flags, _) in self.facts.alerts.iter().filter(|(_, raised_at)| *raised_at > alarmed_since) {
            earlier.extend(serde_json::from_str::<Vec<RedFlagCode>>(flags)?);
        }
        let rows = store::readings_of_care(conn, CareSpan { worker, check_in, since, until: None })?;
        Ok(Case {
            worker,
            readings: rows.iter().map(|row| row.to_timed()).collect(),
            reported: self.facts.entered.clone(),
            asked: false,
            earlier,
        })
    }

    /// The level of a case of this worker.
    fn judge(&self, app: &AppState, case: Case) -> Result<TriageView, Failure> {
        judge_person(app, &self.facts.worker, &self.profile, case)
    }

    /// The level of the live consultation, or else of the check-in; `more` are symptoms in addition to
    /// those that were reported there.
    pub fn triage(
        &self,
        conn: &mut Conn,
        app: &AppState,
        more: &[SymptomFlag],
    ) -> Result<TriageView, Failure> {
        let mut case = self.case(conn, app)?;
        case.reported.symptoms.extend_from_slice(more);
        self.judge(app, case)
    }
}

fn case_in(conn: &mut Conn, row: &ConsultationRow, span: CareSpan) -> Result<Case, Failure> {
    let rows = store::readings_of_care(conn, span)?;
    case_of(conn, row, span, &rows)
}

fn case_of(
    conn: &mut Conn,
    row: &ConsultationRow,
    span: CareSpan,
    readings: &[ReadingRow],
) -> Result<Case, Failure> {
    let mut reported = store::entered_in_care(conn, span)?;
    let symptoms: Vec<SymptomFlag> = serde_json::from_str(&row.symptoms)?;
    reported.symptoms.extend(symptoms);
    Ok(Case {
        worker: row.worker_id,
        readings: readings.iter().map(|row| row.to_timed()).collect(),
        reported,
        asked: true,
        earlier: flags_of(row)?,
    })
}

/// The level of a case.
pub(super) fn judge(conn: &mut Conn, app: &AppState, case: Case) -> Result<TriageView, Failure> {
    let (worker, profile) = profile::person(conn, app, case.worker)?;
    judge_person(app, &worker, &profile, case)
}

fn judge_person(
    app: &AppState,
    worker: &WorkerRow,
    profile: &HealthProfile,
    mut case: Case,
) -> Result<TriageView, Failure> {
    let today = civil_day(app.now());
    let born = profile::stated(worker, profile).birth_date;
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
    let known = known(conn, app, caller.visit())?;
    let mut view = known.triage(conn, app, &[])?;
    if let Some(row) = &known.facts.live {
        view.level = view.level.min(row.triage);
    }
    Ok(view)
}

/// The triage at the time of a request for a doctor.
pub(super) fn of_request(
    conn: &mut Conn,
    app: &AppState,
    known: &Known,
    symptoms: &[SymptomFlag],
) -> Result<TriageView, Failure> {
    let mut case = known.case_of_check_in(conn, app)?;
    case.reported.symptoms.extend_from_slice(symptoms);
    case.asked = true;
    known.judge(app, case)
}

/// The triage of a consultation, as of now or of its end.
pub(super) fn of_consultation(
    conn: &mut Conn,
    app: &AppState,
    row: &ConsultationRow,
) -> Result<TriageView, Failure> {
    let (worker, profile, seen) = person_in_care(conn, app, row)?;
    of_person(conn, app, row, &worker, &profile, seen).map(|(view, _)| view)
}

/// As [`of_consultation`], of a worker whom [`person_in_care`] read already; with the readings that
/// count.
pub(super) fn of_person(
    conn: &mut Conn,
    app: &AppState,
    row: &ConsultationRow,
    worker: &WorkerRow,
    profile: &HealthProfile,
    seen: Option<Timestamp>,
) -> Result<(TriageView, Vec<ReadingRow>), Failure> {
    let span = span_after(row, seen);
    let readings = store::readings_of_care(conn, span)?;
    let case = case_of(conn, row, span, &readings)?;
    let mut view = judge_person(app, worker, profile, case)?;
    // Its level in the queue never falls.
    view.level = view.level.min(row.triage);
    Ok((view, readings))
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
pub(super) fn apply_new_fact(tx: &mut Tx<'_>, known: &Known) -> Result<TriageView, Failure> {
    if let Some(row) = &known.facts.live {
        let case = known.case(tx.conn, tx.app)?;
        let mut view = known.judge(tx.app, case)?;
        view.level = view.level.min(row.triage);
        if consultation::raise_triage(tx, known.visit, row, &view)? {
            wait_for_second(tx, known, None)?;
            return Ok(view);
        }
    }
    let case = known.case_of_check_in(tx.conn, tx.app)?;
    let view = known.judge(tx.app, case)?;
    wait_for_second(tx, known, view.measure_again.as_ref().map(|again| again.until))?;
    if view.level == TriageLevel::Emergency {
        alert::raise(tx, known.visit, None, None, &view.codes())?;
    }
    Ok(view)
}

/// Stores by when an extreme of the check-in must be measured again, if that is new.
pub(super) fn wait_for_second(
    tx: &mut Tx<'_>,
    known: &Known,
    until: Option<Timestamp>,
) -> Result<(), Failure> {
    if until != known.facts.measure_again_by {
        store::measure_again_set(tx.conn, known.visit.check_in, until)?;
    }
    Ok(())
}

/// Raises alerts for extremes that were not measured again in time.
///
/// # Errors
/// Faults of the storage.
pub async fn alarm_unmeasured(app: &Arc<AppState>) -> Result<usize, Failure> {
    const JOB: Job = Job::new("unmeasured-extremes").ignore_refusals();
    let now = app.now();
    let due = move |conn: &mut Conn, after| Ok(store::measure_again_due(conn, now, after, rounds::PAGE)?);
    rounds::every(app, JOB, |(check_in, ..)| *check_in, due, alarm).await?.outcome()
}

fn alarm(
    tx: &mut Tx<'_>,
    &(check_in, worker, station): &(CheckInId, WorkerId, StationId),
) -> Result<usize, Failure> {
    let visit = Visit { worker, check_in, station };
    // The check-in's row is locked first, as in every operation of its screen.
    store::measure_again_set(tx.conn, check_in, None)?;
    let judged = lock_worker(tx, worker).and_then(|()| {
        let known = known(tx.conn, tx.app, visit)?;
        apply_new_fact(tx, &known)
    });
    if let Err(Failure::Refused(refusal)) = &judged {
        tracing::warn!(%refusal, "an extreme could not be judged");
    }
    judged.map(|_| 1)
}
