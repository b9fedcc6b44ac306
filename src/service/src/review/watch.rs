//! Watches the pharmacists' queue: operators hear of prescriptions that wait while no pharmacist is on shift,
//! or beyond the limit, by an alert and by mail. A letter that the limit forbids now is written later, if the
//! alert is still open. The alert ends by itself with its cause. Claims that have
//! expired end here, too.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::figures::total;
use crate::{
    Actor, AppState, Failure, Recipients, Tx,
    jobs::rounds::{self, Job},
    letter,
    machine::commit,
    page::{Rows, page},
    prescription::machine::Loaded,
};
use domain::{
    event::care::ReviewAlertEvent,
    ids::{PrescriptionId, ReviewAlertId},
    letter::LetterKind,
    prescription::Command,
    review::{ReviewTrouble, review_trouble},
    time::{Timestamp, shanghai},
};
use storage::{
    Conn,
    review::{
        self as queue, WaitingFor,
        alert::{self as store, ReviewAlertRow},
    },
};

/// The pharmacists' queue is, or was, in trouble.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReviewAlertView {
    pub id: ReviewAlertId,
    pub trouble: ReviewTrouble,
    /// How many prescriptions waited for a pharmacist when it was raised.
    #[schema(minimum = 0)]
    pub waiting: i64,
    /// Since when the first of them did.
    pub oldest_since: DateTime<Utc>,
    /// With nobody on shift: when the next pharmacist was to come.
    pub on_shift_from: Option<DateTime<Utc>>,
    pub raised_at: DateTime<Utc>,
    /// When the trouble was over.
    pub ended_at: Option<DateTime<Utc>>,
}

page! {
    /// A page of alerts of the pharmacists' queue.
    ReviewAlertList of ReviewAlertView, "Oldest first.", after ReviewAlertId
}

/// Alerts of the pharmacists' queue, oldest first.
///
/// # Errors
/// Faults of the storage.
pub fn list(
    conn: &mut Conn,
    open_only: bool,
    after: Option<ReviewAlertId>,
    limit: u32,
) -> Result<ReviewAlertList, Failure> {
    let page =
        Rows::read(limit, |most| store::review_alerts_after(conn, open_only, after, most), |row| row.id)?;
    Ok(page.map(view).into())
}

fn view(row: ReviewAlertRow) -> ReviewAlertView {
    let ReviewAlertRow { id, trouble, waiting, oldest_since, on_shift_from, told_at: _, raised_at, ended_at } =
        row;
    ReviewAlertView { id, trouble, waiting, oldest_since, on_shift_from, raised_at, ended_at }
}

/// Raises and ends alerts of the queue. Returns how many.
///
/// # Errors
/// The failure of one of them, after the others.
pub async fn watch_queue(app: &Arc<AppState>) -> Result<usize, Failure> {
    const RAISE: Job = Job::new("review-alerts");
    const END: Job = Job::new("review-alerts-over");
    const TELL: Job = Job::new("review-letters");
    let (fresh, over) = app.read(Actor::System, changes).await?;
    let ended = rounds::each(app, END, over, |row| row.id, end).await;
    let raised = rounds::each(app, RAISE, fresh, |row| row.id, raise).await;
    let untold = app.read(Actor::System, |conn, _| Ok(store::review_alerts_untold(conn)?)).await?;
    let told = rounds::each(app, TELL, untold, |row| row.id, tell).await;
    ended.and(raised).and(told).outcome()
}

/// The alert to be raised, and those whose trouble is over.
fn changes(conn: &mut Conn, app: &AppState) -> Result<(Vec<ReviewAlertRow>, Vec<ReviewAlertRow>), Failure> {
    let (now, open) = (app.now(), store::review_alerts_open(conn)?);
    let waiting = queue::waiting(conn, WaitingFor::Pharmacist, now)?;
    let Some(oldest_since) = waiting.iter().filter_map(|part| part.oldest).min() else {
        return Ok((Vec::new(), open));
    };
    let on_shift = u32::try_from(queue::on_shift(conn, now)?).unwrap_or(u32::MAX);
    let trouble = review_trouble(oldest_since, on_shift, now, &app.policy.review);
    let (known, over): (Vec<_>, Vec<_>) = open.into_iter().partition(|row| Some(row.trouble) == trouble);
    let Some(trouble) = trouble.filter(|_| known.is_empty()) else { return Ok((Vec::new(), over)) };
    let on_shift_from = match trouble {
        ReviewTrouble::NobodyOnShift => queue::next_on_shift(conn, now)?,
        ReviewTrouble::Overdue => None,
    };
    let fresh = ReviewAlertRow {
        id: ReviewAlertId::generate(),
        trouble,
        waiting: total(&waiting),
        oldest_since,
        on_shift_from,
        told_at: None,
        raised_at: now,
        ended_at: None,
    };
    Ok((vec![fresh], over))
}

fn raise(tx: &mut Tx<'_>, row: &ReviewAlertRow) -> Result<usize, Failure> {
    // Another instance may have been faster.
    if !store::review_alert_add(tx.conn, row)? {
        return Ok(0);
    }
    let event = ReviewAlertEvent::Raised {
        trouble: row.trouble,
        waiting: row.waiting,
        oldest_since: row.oldest_since,
        on_shift_from: row.on_shift_from,
    };
    tx.record(row.id, event, Recipients::nobody())?;
    Ok(1)
}

/// Tells operators by mail, unless they were told of as many alerts within the hour as the policy allows.
fn tell(tx: &mut Tx<'_>, row: &ReviewAlertRow) -> Result<usize, Failure> {
    let told = store::review_alerts_told(tx.conn, tx.now - TimeDelta::hours(1))?;
    // Another instance may have been faster.
    if told >= i64::from(tx.app.policy.review.letters_per_hour)
        || !store::review_alert_told(tx.conn, row.id, tx.now)?
    {
        return Ok(0);
    }
    let text = letter_text(row, &tx.app.public_url);
    letter::write_to_operators(tx, LetterKind::QueueTrouble, &text)?;
    Ok(0)
}

fn letter_text(row: &ReviewAlertRow, url: &str) -> String {
    let label = row.trouble.label();
    let next = row.on_shift_from.map(|at: Timestamp| {
        let local = at.with_timezone(&shanghai()).format("%Y-%m-%d %H:%M");
        format!("下一班 / next shift: {local}\n")
    });
    format!(
        "{} ({}) / {} ({})\n{}\n{url}",
        label.zh,
        row.waiting,
        label.en,
        row.waiting,
        next.unwrap_or_default()
    )
}

fn end(tx: &mut Tx<'_>, row: &ReviewAlertRow) -> Result<usize, Failure> {
    if !store::review_alert_end(tx.conn, row.id, tx.now)? {
        return Ok(0);
    }
    tx.record(row.id, ReviewAlertEvent::Ended {}, Recipients::nobody())?;
    Ok(1)
}

/// Ends claims that have expired: the prescriptions go back to the queue, with their place in it. Returns
/// how many.
///
/// # Errors
/// The failure of one of them, after the others.
pub async fn release_expired(app: &Arc<AppState>) -> Result<usize, Failure> {
    const JOB: Job = Job::new("review-claims");
    let now = app.now();
    let due = move |conn: &mut Conn, after| Ok(queue::claims_due(conn, now, after, rounds::PAGE)?);
    rounds::every(app, JOB, |id| *id, due, |tx, id| release(tx, *id)).await?.outcome()
}

fn release(tx: &mut Tx<'_>, id: PrescriptionId) -> Result<usize, Failure> {
    let Some(before) = Loaded::lock(tx, id)? else { return Ok(0) };
    let events = before.decide(tx.app, &Command::ReleaseExpired)?;
    commit(tx, &before, &events)?;
    Ok(events.len())
}
