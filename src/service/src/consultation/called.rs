//! Workers who left while they waited, and whose turn has come: the screen that they left calls them.

use std::{collections::HashSet, sync::Arc};

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    Actor, AppState, Failure,
    caller::StationCaller,
    check_in::greeting,
    jobs::rounds,
    matching::{heard, queue_of},
};
use domain::{
    consultation::{Medium, call_number},
    ids::{ConsultationId, StaffId},
    matching::{Candidate, Department, Queue, QueueKey},
    time::Timestamp,
};
use storage::{
    Conn, Live,
    consultation::called as store,
    matching::{
        doctor::candidates,
        load::{Service, services},
    },
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

/// Somebody who is away, first in their queue, and not yet passed over.
struct Next {
    key: QueueKey,
    queue: Queue,
    in_department_since: Timestamp,
}

fn turns(conn: &mut Conn, app: &AppState) -> Result<Vec<ConsultationId>, Failure> {
    let (now, policy) = (app.now(), &app.policy.matching);
    let (mut came, mut next) = (Vec::new(), Vec::new());
    let mut after = ConsultationId::from_uuid(Uuid::nil());
    loop {
        let page = store::away_after(conn, after, rounds::PAGE)?;
        let is_last = page.len() < rounds::PAGE as usize;
        for row in page {
            after = row.id;
            if row.turn_came {
                came.push(row.id);
            } else if let Some(queue) = queue_of(&row.queue).filter(|_| row.is_first) {
                next.push(Next {
                    key: QueueKey::of(queue.level, row.requested_at, row.id, now, policy),
                    queue,
                    in_department_since: row
                        .transferred_at
                        .map_or(row.requested_at, |at| at.max(row.requested_at)),
                });
            }
        }
        if is_last {
            break;
        }
    }
    if next.is_empty() {
        return Ok(came);
    }
    next.sort_by_key(|one| one.key);
    let mut free = Free::read(conn, app, &next, now)?;
    came.extend(next.iter().filter(|one| free.take(app, one, now)).map(|one| one.key.consultation));
    Ok(came)
}

/// The doctors who are free for whoever is next.
struct Free {
    services: Vec<Service>,
    doctors: Vec<Candidate>,
}

impl Free {
    fn read(conn: &mut Conn, app: &AppState, next: &[Next], now: Timestamp) -> Result<Self, Failure> {
        let known = app.departments();
        let reached: HashSet<Department> =
            next.iter().flat_map(|one| known.chain(one.queue.department)).collect();
        let reached: Vec<Department> = reached.into_iter().collect();
        let silent = app.silent_doctors.known();
        let services = services(conn, &silent, now)?;
        let silent: HashSet<StaffId> = silent.into_iter().collect();
        let (mut doctors, _) = candidates(conn, &reached, now)?;
        doctors.retain(|one| !silent.contains(&one.doctor));
        Ok(Self { services, doctors })
    }

    /// Takes the place that the distributor would give them, if there is one.
    fn take(&mut self, app: &AppState, next: &Next, now: Timestamp) -> bool {
        let (known, queue) = (app.departments(), &next.queue);
        let (chain, patience) = (known.chain(queue.department), known.patience(queue.department));
        let own_is_on_call = self.services.iter().any(|one| {
            one.department == queue.department
                && one.is_by(queue.medium)
                && one.languages.contains(&queue.language)
        });
        let limit = TimeDelta::seconds(i64::from(app.policy.matching.wait_limit_s));
        let waits_for_own = own_is_on_call && now < next.in_department_since + patience.min(limit);
        let searched = if waits_for_own { &chain[..1] } else { &chain[..] };
        let able = self.doctors.iter_mut().find(|one| {
            let places = match queue.medium {
                Medium::Text => one.places.text,
                Medium::Video => one.places.video,
            };
            places > 0
                && one.languages.contains(&queue.language)
                && one.departments.iter().any(|of| searched.contains(of))
        });
        let Some(doctor) = able else { return false };
        match queue.medium {
            Medium::Text => doctor.places.text -= 1,
            Medium::Video => doctor.places.video -= 1,
        }
        true
    }
}
