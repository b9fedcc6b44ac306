//! Workers who left while they waited, and whose turn has come: the screen that they left calls them.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    Actor, AppState, Failure,
    caller::StationCaller,
    check_in::greeting,
    jobs::rounds,
    matching::{chain_of, heard, queue_of},
};
use domain::{
    consultation::call_number,
    ids::{ConsultationId, StaffId},
    matching::{Chain, Department, OverflowStep, Pool, Queue, Request, Scene, Source, distribute},
    time::Timestamp,
};
use storage::{
    Conn, Live,
    consultation::called::{self as store, AwayRow},
    matching::doctor,
};

/// Most who are called at one screen.
const MOST: i64 = 20;

/// Somebody who is called. Others look at the screen: no name, and nothing of why they wait.
#[derive(Debug, Serialize, ToSchema)]
pub struct CalledView {
    /// The number that the worker saw with their consultation: three digits.
    pub call_number: String,
    /// The family name only.
    pub greeting: String,
    /// Since when.
    pub called_at: DateTime<Utc>,
    /// When they were called last. The call is repeated: announce it whenever this changes.
    pub last_called_at: DateTime<Utc>,
    /// Until when their place is held.
    pub held_until: DateTime<Utc>,
}

/// Who is called at a screen.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct CalledWorkersView {
    /// Whoever was called first.
    pub items: Vec<CalledView>,
}

/// The workers whom the caller's screen calls; none once an authority has ended.
///
/// # Errors
/// Faults of the storage.
pub fn called(
    conn: &mut Conn,
    app: &AppState,
    live: Live,
    caller: StationCaller,
) -> Result<Option<CalledWorkersView>, Failure> {
    let mut items = Vec::new();
    for (row, name_sealed) in store::called_at(conn, live, caller.station, MOST)? {
        let (now, policy) = (row.snapshot(None), &app.policy.matching);
        let Some((called_at, held_until)) = row.called_at.zip(now.held_until(policy)) else { continue };
        let last_called_at = now.last_called_at(app.now(), policy).unwrap_or(called_at);
        let name = app.open("worker", "name_sealed", row.worker_id, &name_sealed)?;
        items.push(CalledView {
            call_number: call_number(row.id),
            greeting: greeting(&name),
            called_at,
            last_called_at,
            held_until,
        });
    }
    Ok((!items.is_empty()).then_some(CalledWorkersView { items }))
}

/// The workers who are away and whose turn has come: an emergency; whoever was passed over; and whoever
/// would be offered to a doctor who is free now.
///
/// # Errors
/// Faults of the storage.
pub(super) async fn whose_turn_came(app: &Arc<AppState>) -> Result<Vec<ConsultationId>, Failure> {
    let departments = app.read(Actor::System, |conn, _| Ok(store::departments_away(conn)?)).await?;
    if departments.is_empty() {
        return Ok(Vec::new());
    }
    heard::look(app, &departments).await?;
    app.read(Actor::System, turns).await
}

fn turns(conn: &mut Conn, app: &AppState) -> Result<Vec<ConsultationId>, Failure> {
    let (mut came, mut next) = (Vec::new(), HashMap::<Queue, Vec<Request>>::new());
    let mut after = ConsultationId::from_uuid(Uuid::nil());
    loop {
        let page = store::away_after(conn, after, rounds::PAGE)?;
        let is_last = page.len() < rounds::PAGE as usize;
        for row in page {
            after = row.id;
            if row.turn_came {
                came.push(row.id);
            } else if let Some(queue) = queue_of(&row.queue).filter(|_| row.is_first) {
                next.entry(queue).or_default().push(request(&row));
            }
        }
        if is_last {
            break;
        }
    }
    if !next.is_empty() {
        came.extend(could_be_offered(conn, app, next)?);
    }
    Ok(came)
}

fn request(row: &AwayRow) -> Request {
    Request {
        consultation: row.id,
        fence: 0,
        waiting_since: row.requested_at,
        in_department_since: row.transferred_at.map_or(row.requested_at, |at| at.max(row.requested_at)),
        previous_doctor: None,
    }
}

/// Those whom the distributor would offer to a doctor now, if they were there.
fn could_be_offered(
    conn: &mut Conn,
    app: &AppState,
    mut waiting: HashMap<Queue, Vec<Request>>,
) -> Result<Vec<ConsultationId>, Failure> {
    let now = app.now();
    let chain = |queue: &Queue| (queue.department, chain_of(app, queue.department));
    let chains: HashMap<Department, Chain> = waiting.keys().map(chain).collect();
    let reached: HashSet<Department> =
        chains.values().flat_map(|chain| chain.departments.iter().copied()).collect();
    let reached: Vec<Department> = reached.into_iter().collect();
    let silent = app.silent_doctors.known();
    let (mut free, shares) = doctor::candidates(conn, &reached, now)?;
    free.retain(|one| !silent.contains(&one.doctor));
    let mut queues = Vec::with_capacity(waiting.len());
    for (queue, requests) in &mut waiting {
        requests.sort_unstable_by_key(|one| (one.waiting_since, one.consultation));
        queues.extend(requests.first().map(|oldest| (queue.clone(), oldest.waiting_since)));
    }
    let scene = Scene { queues, refused: Vec::new(), chains, pool: Pool::new(free, &shares, 0) };
    let planned = distribute(scene, &mut Away { conn, now, silent, waiting }, now, &app.policy.matching)?;
    Ok(planned.into_iter().map(|plan| plan.consultation).collect())
}

/// Those who are away, for the distributor.
struct Away<'a> {
    conn: &'a mut Conn,
    now: Timestamp,
    /// Doctors whom nobody heard lately.
    silent: Vec<StaffId>,
    /// The oldest first.
    waiting: HashMap<Queue, Vec<Request>>,
}

impl Source for Away<'_> {
    type Error = Failure;

    fn front(
        &mut self,
        queue: &Queue,
        after: Option<(Timestamp, ConsultationId)>,
        limit: usize,
    ) -> Result<Vec<Request>, Failure> {
        let behind = |one: &&Request| after.is_none_or(|after| (one.waiting_since, one.consultation) > after);
        let all = self.waiting.get(queue).into_iter().flatten();
        Ok(all.filter(behind).take(limit).cloned().collect())
    }

    fn is_on_call(
        &mut self,
        queue: &Queue,
        step: OverflowStep,
        excluded: &[StaffId],
    ) -> Result<bool, Failure> {
        let excluded = [&self.silent, excluded].concat();
        Ok(doctor::is_on_call(self.conn, queue, step, &excluded, self.now)?)
    }
}
