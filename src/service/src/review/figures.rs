//! The pharmacists' queue in figures: for operators and pharmacists how many wait and how many were reviewed
//! in time, for a worker how long it may take.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{AppState, Failure, prescription::machine::claim_of};
use domain::{
    prescription::PrescriptionState,
    review::{ReviewFigures, ReviewWaitBasis, estimate},
    time::Timestamp,
};
use storage::{
    Conn,
    prescription::PrescriptionRow,
    review::{self as store, Rounds, Waiting, WaitingFor},
};

/// The mean of fewer reviews than this tells nothing: then the policy's length is used. Our default.
const ENOUGH_REVIEWS: i64 = 5;

/// The pharmacists' queue.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReviewQueueFigures {
    /// Prescriptions that wait to be decided, with those below.
    #[schema(minimum = 0)]
    pub waiting: i64,
    /// Of these, emergencies.
    #[schema(minimum = 0)]
    pub emergencies: i64,
    /// Of these, taken by a pharmacist.
    #[schema(minimum = 0)]
    pub claimed: i64,
    /// Of these, waiting for the answer of their doctor.
    #[schema(minimum = 0)]
    pub question_open: i64,
    /// Of these, waiting longer than `target_s`.
    #[schema(minimum = 0)]
    pub late: i64,
    /// When the oldest of them was signed.
    pub oldest_since: Option<DateTime<Utc>>,
    /// Pharmacists on shift whose licence is verified and valid.
    #[schema(minimum = 0)]
    pub on_shift: i64,
    /// When the next one comes on shift.
    pub on_shift_from: Option<DateTime<Utc>>,
    /// Seconds from the signature within which a prescription is to be reviewed; the policy sets it.
    pub target_s: u32,
    /// Of the last hour.
    pub hour: ServiceLevel,
    /// Of the last 24 hours.
    pub day: ServiceLevel,
}

/// How many reviews were in time.
#[derive(Debug, Serialize, ToSchema)]
pub struct ServiceLevel {
    /// Decided by a pharmacist.
    #[schema(minimum = 0)]
    pub reviewed: i64,
    /// Of these, within the policy's seconds from the signature.
    #[schema(minimum = 0)]
    pub in_time: i64,
    /// Expired before anybody decided.
    #[schema(minimum = 0)]
    pub missed: i64,
    /// Share in time of all that were reviewed or missed; none where there were none.
    pub share_in_time: Option<f64>,
    /// Mean seconds from the claim to the decision; none where nobody claimed.
    pub mean_review_s: Option<f64>,
}

/// The wait of a worker's prescription for its review.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
pub struct ReviewWaitView {
    /// It is decided in so many minutes at the earliest; none without an estimate.
    pub from_minutes: Option<u32>,
    /// It is decided in so many minutes, most likely; none without an estimate.
    pub to_minutes: Option<u32>,
    pub basis: ReviewWaitBasis,
    /// If no pharmacist is on shift: when the next one is, if the roster tells. Compare it with `valid_until`.
    pub on_shift_from: Option<DateTime<Utc>>,
}

/// The figures of the queue.
///
/// # Errors
/// Faults of the storage.
pub fn of_queue(conn: &mut Conn, app: &AppState) -> Result<ReviewQueueFigures, Failure> {
    let (now, target_s) = (app.now(), app.policy.review.target_s);
    let free = store::waiting(conn, WaitingFor::Pharmacist, now)?;
    let claimed = store::waiting(conn, WaitingFor::Decision, now)?;
    let asked = store::waiting(conn, WaitingFor::Answer, now)?;
    let all = || free.iter().chain(&claimed).chain(&asked);
    let late = store::late(conn, now - TimeDelta::seconds(i64::from(target_s)), now)?;
    let mut level = |hours: i64| store::rounds(conn, now - TimeDelta::hours(hours)).map(service_level);
    let (hour, day) = (level(1)?, level(24)?);
    Ok(ReviewQueueFigures {
        waiting: all().map(|part| part.count).sum(),
        emergencies: all().filter(|part| part.rank == 0).map(|part| part.count).sum(),
        claimed: total(&claimed),
        question_open: total(&asked),
        late,
        oldest_since: all().filter_map(|part| part.oldest).min(),
        on_shift: store::on_shift(conn, now)?,
        on_shift_from: store::next_on_shift(conn, now)?,
        target_s,
        hour,
        day,
    })
}

pub(super) fn total(parts: &[Waiting]) -> i64 {
    parts.iter().map(|part| part.count).sum()
}

fn service_level(rounds: Rounds) -> ServiceLevel {
    let Rounds { reviewed, in_time, missed, measured, measured_s } = rounds;
    let share = |part: i64, whole: i64| (whole > 0).then(|| part as f64 / whole as f64);
    ServiceLevel {
        reviewed,
        in_time,
        missed,
        share_in_time: share(in_time, reviewed + missed),
        mean_review_s: share(measured_s, measured),
    }
}

/// How long the review of a prescription may take; none unless it waits for one.
///
/// # Errors
/// Faults of the storage.
pub(crate) fn wait_of(
    conn: &mut Conn,
    app: &AppState,
    row: &PrescriptionRow,
    now: Timestamp,
) -> Result<Option<ReviewWaitView>, Failure> {
    if row.state != PrescriptionState::Signed || row.valid_until.is_none_or(|until| until < now) {
        return Ok(None);
    }
    let count = |rows: i64| u32::try_from(rows).unwrap_or(u32::MAX);
    let policy = &app.policy.review;
    let rounds = store::rounds(conn, now - TimeDelta::hours(1))?;
    let mean_review_s = if rounds.measured < ENOUGH_REVIEWS {
        f64::from(policy.usual_review_s)
    } else {
        rounds.measured_s as f64 / rounds.measured as f64
    };
    let figures = ReviewFigures {
        question_open: row.question_id.is_some(),
        claimed: claim_of(row).is_some_and(|claim| now < claim.until),
        on_shift: count(store::on_shift(conn, now)?),
        under_review: count(total(&store::waiting(conn, WaitingFor::Decision, now)?)),
        ahead: count(store::ahead(conn, row, now)?),
        per_second: rounds.reviewed as f64 / 3600.0,
        mean_review_s,
    };
    let wait = estimate(&figures);
    let nobody = wait.basis == ReviewWaitBasis::NobodyOnShift;
    Ok(Some(ReviewWaitView {
        from_minutes: wait.minutes.map(|(from, _)| from),
        to_minutes: wait.minutes.map(|(_, to)| to),
        basis: wait.basis,
        on_shift_from: if nobody { store::next_on_shift(conn, now)? } else { None },
    }))
}
