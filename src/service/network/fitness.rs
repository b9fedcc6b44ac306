//! Whether an employer's people may work at height. Never tells why.

use std::collections::HashMap;

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Page;
use crate::{
    domain::{ids::WorkerId, refusal::Code, vitals::ReadingKind},
    service::{Failure, House, Part, Shown, caller::StaffCaller},
    storage::{Conn, directory as store},
};

/// Whether one worker may work at height now. Never why.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct FitnessItem {
    /// Who.
    pub worker_id: WorkerId,
    /// `fit` or `hold`.
    pub fit: String,
}

/// Blood pressure from which nobody works at height, mmHg.
/// Source: house rules, fitness for work at height [P].
const HOLD_FROM: (i64, i64) = (160, 100);

/// The fitness of an employer's own people, from the newest blood pressure and
/// breath test of the last 24 hours: hold at 160/100 and over, and at any
/// alcohol. No reading is shown. Source: house rules, fitness for work at height [P].
pub fn fitness(
    conn: &mut Conn,
    house: &House,
    shown: &mut Shown,
    caller: StaffCaller,
    after: Option<WorkerId>,
    limit: i64,
) -> Result<Page<FitnessItem>, Failure> {
    let employer = caller.employer.ok_or(Code::RoleNotAllowed)?;
    let people = store::workers_of_employer(conn, employer, after, limit)?;
    for worker in &people {
        shown.note(*worker, Part::Fitness, *worker);
    }
    let mut holds: HashMap<(WorkerId, bool), bool> = HashMap::new();
    for (worker, kind, value, second) in
        store::fitness_readings(conn, &people, house.now() - TimeDelta::hours(24))?
    {
        let alcohol = kind == ReadingKind::BreathAlcohol;
        let hold =
            if alcohol { value > 0 } else { value >= HOLD_FROM.0 || second.unwrap_or(0) >= HOLD_FROM.1 };
        // The newest of each kind stands: they come oldest first.
        holds.insert((worker, alcohol), hold);
    }
    let held = |worker| [true, false].iter().any(|kind| holds.get(&(worker, *kind)) == Some(&true));
    let item =
        |worker_id| FitnessItem { worker_id, fit: if held(worker_id) { "hold" } else { "fit" }.to_owned() };
    Ok(Page::of(people.into_iter().map(item).collect(), limit, |item| item.worker_id.uuid()))
}
