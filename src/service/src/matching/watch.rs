//! Watches the queues: operators hear of a department where nobody is on call while somebody waits, or
//! where somebody waits beyond the limit, by an alert and by mail. The alert ends by itself with its
//! cause.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

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
    matching::{Department, QueueTrouble, queue_trouble},
    staff::role::Role,
};
use storage::{
    Conn,
    matching::{
        alert::{self as store, QueueAlertRow},
        doctor, queue,
    },
    network::roster::coverage::gap_readers,
};

/// A department whose queue is, or was, in trouble.
#[derive(Debug, Serialize, ToSchema)]
pub struct QueueAlertView {
    pub id: QueueAlertId,
    pub department: Department,
    /// What it was when the alert was raised.
    pub trouble: QueueTrouble,
    /// How many waited when it was raised.
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

/// Raises and ends alerts of queues. Returns how many.
///
/// # Errors
/// The failure of one of them, after the others.
pub async fn watch_queues(app: &Arc<AppState>) -> Result<usize, Failure> {
    const RAISE: Job = Job::new("queue-alerts");
    const END: Job = Job::new("queue-alerts-over");
    let (fresh, over) = app.read(Actor::System, changes).await?;
    let raised = rounds::each(app, RAISE, fresh, |row| row.id, raise).await;
    let ended = rounds::each(app, END, over, |row| row.id, end).await;
    raised.and(ended).outcome()
}

/// The alerts to be raised, and those whose trouble is over.
fn changes(conn: &mut Conn, app: &AppState) -> Result<(Vec<QueueAlertRow>, Vec<QueueAlertRow>), Failure> {
    let (now, departments) = (app.now(), app.departments());
    let loads = doctor::loads(conn, now)?;
    let on_call: HashSet<Department> =
        loads.iter().filter(|load| load.places[0] > 0).map(|load| load.department).collect();
    let mut troubled = HashMap::new();
    for (department, waiting, oldest) in queue::waiting_by_department(conn)? {
        let Some(oldest_since) = oldest else { continue };
        let served = departments.chain(department).iter().any(|one| on_call.contains(one));
        if let Some(trouble) = queue_trouble(oldest_since, served, now, &app.policy.matching) {
            let id = QueueAlertId::generate();
            let row = QueueAlertRow {
                id,
                department,
                trouble,
                waiting,
                oldest_since,
                raised_at: now,
                ended_at: None,
            };
            troubled.insert(department, row);
        }
    }
    let (known, over): (Vec<_>, Vec<_>) =
        store::queue_alerts_open(conn)?.into_iter().partition(|open| troubled.contains_key(&open.department));
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
    let (department, trouble) = (tx.app.departments().label(row.department), row.trouble.label());
    let text = format!(
        "{} {}: {} ({}) / {} ({})\n\n{}",
        department.zh, department.en, trouble.zh, row.waiting, trouble.en, row.waiting, tx.app.public_url
    );
    for (reader, role, _) in gap_readers(tx.conn)? {
        if role == Role::Operator {
            letter::write(tx, LetterKind::QueueTrouble, reader, None, &text)?;
        }
    }
    Ok(1)
}

fn end(tx: &mut Tx<'_>, row: &QueueAlertRow) -> Result<usize, Failure> {
    if !store::queue_alert_end(tx.conn, row.id, tx.now)? {
        return Ok(0);
    }
    tx.record(row.id, QueueAlertEvent::Ended { department: row.department }, Recipients::nobody())?;
    Ok(1)
}
