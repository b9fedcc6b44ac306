//! Watches the queues: operators hear of a department where somebody waits and nobody who can serve them
//! is on call, or where somebody waits beyond the limit, by an alert and by mail. The alert ends by itself with its
//! cause.

use std::{collections::HashMap, sync::Arc};

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::{chain_of, heard, queue_of};
use crate::{
    Actor, AppState, Failure, Recipients, Tx,
    jobs::rounds::{self, Job},
    letter,
    page::{Rows, page},
};
use domain::{
    event::care::QueueAlertEvent,
    ids::QueueAlertId,
    letter::LetterKind,
    matching::{Department, DoctorsOnCall, Queue, QueueTrouble, queue_trouble},
};
use storage::{
    Conn,
    matching::{
        alert::{self as store, QueueAlertRow},
        load, queue,
    },
};

/// An alert that comes and goes is told by mail once in this time. Our default.
const TOLD_AGAIN_AFTER: TimeDelta = TimeDelta::hours(1);

/// A department whose queue is, or was, in trouble.
#[derive(Debug, Serialize, ToSchema)]
pub struct QueueAlertView {
    pub id: QueueAlertId,
    pub department: Department,
    /// What it was when the alert was raised.
    pub trouble: QueueTrouble,
    /// How many of those who waited it concerned when it was raised.
    #[schema(minimum = 0)]
    pub waiting: i64,
    /// Since when the first of them did.
    pub oldest_since: DateTime<Utc>,
    pub raised_at: DateTime<Utc>,
    /// When the trouble was over.
    pub ended_at: Option<DateTime<Utc>>,
}

page! {
    /// A page of alerts of queues.
    QueueAlertList of QueueAlertView, "Oldest first.", after QueueAlertId
}

/// Alerts of queues, oldest first.
///
/// # Errors
/// Faults of the storage.
pub fn list(
    conn: &mut Conn,
    open_only: bool,
    after: Option<QueueAlertId>,
    limit: u32,
) -> Result<QueueAlertList, Failure> {
    let page =
        Rows::read(limit, |most| store::queue_alerts_after(conn, open_only, after, most), |row| row.id)?;
    Ok(page.map(view).into())
}

fn view(row: QueueAlertRow) -> QueueAlertView {
    let QueueAlertRow { id, department, trouble, waiting, oldest_since, raised_at, ended_at } = row;
    QueueAlertView { id, department, trouble, waiting, oldest_since, raised_at, ended_at }
}

/// Raises and ends alerts of queues, and tells operators of them by mail: of the same trouble of a
/// department once an hour at most. Returns how many were raised or ended.
///
/// # Errors
/// The failure of one of them, after the others.
pub async fn watch_queues(app: &Arc<AppState>) -> Result<usize, Failure> {
    const RAISE: Job = Job::new("queue-alerts");
    const END: Job = Job::new("queue-alerts-over");
    const TELL: Job = Job::new("queue-letters");
    heard::look_where_waited(app).await?;
    let (fresh, over) = app.read(Actor::System, changes).await?;
    // First: a department has one open alert, also when its trouble is another one by now.
    let ended = rounds::each(app, END, over, |row| row.id, end).await;
    let raised = rounds::each(app, RAISE, fresh, |row| row.id, raise).await;
    let untold =
        |conn: &mut Conn, app: &AppState| Ok(store::queue_alerts_untold(conn, app.now() - TOLD_AGAIN_AFTER)?);
    let untold = app.read(Actor::System, untold).await?;
    let told = rounds::each(app, TELL, untold, |row| row.id, tell).await;
    raised.and(ended).and(told).outcome()
}

/// The alerts to be raised, and those whose trouble is over.
fn changes(conn: &mut Conn, app: &AppState) -> Result<(Vec<QueueAlertRow>, Vec<QueueAlertRow>), Failure> {
    let now = app.now();
    let on_call = DoctorsOnCall::new(load::on_call_all(conn, &app.silent_doctors.known(), now)?);
    let is_served =
        |queue: &Queue| !on_call.reach(queue, &chain_of(app, queue.department), true, &[]).is_empty();
    let mut troubled: HashMap<Department, QueueAlertRow> = HashMap::new();
    for (name, waiting, oldest) in queue::waiting_by_queue(conn)? {
        let Some((queue, oldest_since)) = queue_of(&name).zip(oldest) else { continue };
        let Some(trouble) = queue_trouble(oldest_since, is_served(&queue), now, &app.policy.matching) else {
            continue;
        };
        let row = QueueAlertRow {
            id: QueueAlertId::generate(),
            department: queue.department,
            trouble,
            waiting: 0,
            oldest_since,
            raised_at: now,
            ended_at: None,
        };
        let known = troubled.entry(queue.department).or_insert(row);
        known.trouble = known.trouble.min(trouble);
        known.waiting += waiting;
        known.oldest_since = known.oldest_since.min(oldest_since);
    }
    let (known, over): (Vec<_>, Vec<_>) = store::queue_alerts_open(conn)?
        .into_iter()
        .partition(|open| troubled.get(&open.department).is_some_and(|now| now.trouble == open.trouble));
    for open in known {
        troubled.remove(&open.department);
    }
    Ok((troubled.into_values().collect(), over))
}

fn raise(tx: &mut Tx<'_>, row: &QueueAlertRow) -> Result<usize, Failure> {
    // Another instance may have been faster.
    if !store::queue_alert_add(tx.conn, row)? {
        return Ok(0);
    }
    let event = QueueAlertEvent::Raised {
        department: row.department,
        trouble: row.trouble,
        waiting: row.waiting,
        oldest_since: row.oldest_since,
    };
    tx.record(row.id, event, Recipients::nobody())?;
    Ok(1)
}

/// Tells operators by mail.
fn tell(tx: &mut Tx<'_>, row: &QueueAlertRow) -> Result<usize, Failure> {
    // Another instance may have been faster.
    if !store::queue_alert_told(tx.conn, row.id, tx.now)? {
        return Ok(0);
    }
    let (department, trouble) = (tx.app.departments().label(row.department), row.trouble.label());
    let text = format!(
        "{} {}: {} ({}) / {} ({})\n\n{}",
        department.zh, department.en, trouble.zh, row.waiting, trouble.en, row.waiting, tx.app.public_url
    );
    letter::write_to_operators(tx, LetterKind::QueueTrouble, &text)?;
    Ok(0)
}

fn end(tx: &mut Tx<'_>, row: &QueueAlertRow) -> Result<usize, Failure> {
    if !store::queue_alert_end(tx.conn, row.id, tx.now)? {
        return Ok(0);
    }
    tx.record(row.id, QueueAlertEvent::Ended { department: row.department }, Recipients::nobody())?;
    Ok(1)
}
