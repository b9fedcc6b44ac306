//! How long one worker may wait, from who is on call and who else waits for the same doctors.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use super::{
    department::Department,
    estimate::{LiveFigures, WaitRange, estimate_wait},
    on_call::{DoctorsOnCall, Reach},
    policy::MatchingPolicy,
    queue::{Chain, Queue},
    score::QueueKey,
};
use crate::{
    ids::{ConsultationId, StaffId},
    time::Timestamp,
    triage::TriageLevel,
};

/// One who waits.
#[derive(Debug, Clone, Copy)]
pub struct Waits<'a> {
    pub queue: &'a Queue,
    pub consultation: ConsultationId,
    pub waiting_since: Timestamp,
    /// A transfer begins the department's patience anew.
    pub in_department_since: Timestamp,
    /// How many of the same department rank before them.
    pub ahead: u32,
    /// Doctors who are not asked again.
    pub excluded: &'a [StaffId],
}

/// A wait, and by whom it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Forecast {
    /// The department that will probably serve them; their own if nobody is on call.
    pub department: Department,
    pub range: WaitRange,
}

/// Whether a search goes beyond doctors who are on call but full.
type Further = bool;

/// What waits depend on, as it was at one moment.
#[derive(Debug, Default)]
pub struct Outlook {
    on_call: DoctorsOnCall,
    chains: HashMap<Department, Chain>,
    /// Who waits in each queue, in the order of service.
    waiting: HashMap<Queue, Vec<QueueKey>>,
    /// How many asked within the last hour, by queue.
    requested: HashMap<Queue, u32>,
    mean_handling_s: f64,
    /// What was found already.
    reaches: Mutex<HashMap<(Queue, Further), Arc<Reach>>>,
}

impl Outlook {
    /// `waiting` as of `now`, `requested` within the hour before; `chains` of all their departments.
    pub fn new(
        on_call: DoctorsOnCall,
        chains: HashMap<Department, Chain>,
        waiting: impl IntoIterator<Item = (Queue, Timestamp, ConsultationId)>,
        requested: HashMap<Queue, u32>,
        mean_handling_s: f64,
        (now, policy): (Timestamp, &MatchingPolicy),
    ) -> Self {
        let mut queues: HashMap<Queue, Vec<QueueKey>> = HashMap::new();
        for (queue, since, consultation) in waiting {
            let key = queue.key(since, consultation, now, policy);
            queues.entry(queue).or_default().push(key);
        }
        queues.values_mut().for_each(|keys| keys.sort_unstable());
        Self { on_call, chains, waiting: queues, requested, mean_handling_s, reaches: Mutex::default() }
    }

    /// How long one may wait.
    pub fn wait(&self, one: &Waits<'_>, chain: &Chain, now: Timestamp, policy: &MatchingPolicy) -> Forecast {
        let patient_until = (one.in_department_since + chain.patience)
            .min(policy.overdue_at(one.in_department_since))
            .max(now);
        let patience_s = match one.queue.level {
            TriageLevel::Emergency => 0.0,
            _ => seconds(patient_until - now),
        };
        let near = self.range(
            one,
            &self.on_call.reach(one.queue, chain, patience_s <= 0.0, one.excluded),
            now,
            policy,
        );
        let department = near.0.unwrap_or(one.queue.department);
        let mut range = near.1;
        if patience_s > 0.0 {
            // Then all departments of the chain are asked.
            let all = self.on_call.reach(one.queue, chain, true, one.excluded);
            let (_, later) = self.range(one, &all, now, policy);
            if let (Some((from, to)), Some((later_from, later_to))) = (range.minutes, later.minutes) {
                let (least, most) = ((patience_s / 60.0).floor() as u32, (patience_s / 60.0).ceil() as u32);
                range.minutes = Some((from.min(least + later_from), to.min(most + later_to)));
            }
        }
        Forecast { department, range }
    }

    /// The range of a wait for these doctors.
    fn range(
        &self,
        one: &Waits<'_>,
        reach: &Reach,
        now: Timestamp,
        policy: &MatchingPolicy,
    ) -> (Option<Department>, WaitRange) {
        let own = one.queue.key(one.waiting_since, one.consultation, now, policy);
        // Of the same department, all and those who wait for the same doctors; then of others.
        let (mut all, mut same, mut others) = (0.0, 0.0, 0.0);
        for (queue, keys) in &self.waiting {
            let before = &keys[..keys.partition_point(|key| *key < own)];
            if before.is_empty() {
                continue;
            }
            let count = self.competing(queue, before, reach, now, policy);
            if queue.department == one.queue.department {
                all += before.len() as f64;
                same += count;
            } else {
                others += count;
            }
        }
        // What is counted now is newer than what was read.
        let part = if all > 0.0 { same / all } else { 1.0 };
        let ahead = (f64::from(one.ahead) * part + others).round() as u32;
        let arrivals: f64 = self
            .requested
            .iter()
            .map(|(queue, count)| f64::from(*count) * reach.part_of(&self.reach_of(queue, false)))
            .sum();
        let figures = LiveFigures {
            offered_erlangs: arrivals * self.mean_handling_s / 3600.0,
            places: reach.places,
            free: reach.free,
            mean_handling_s: self.mean_handling_s,
            ahead,
        };
        (reach.department, estimate_wait(&figures))
    }

    /// How many of those who rank before somebody will take a place of `reach`.
    fn competing(
        &self,
        queue: &Queue,
        before: &[QueueKey],
        reach: &Reach,
        now: Timestamp,
        policy: &MatchingPolicy,
    ) -> f64 {
        let Some(chain) = self.chains.get(&queue.department) else { return 0.0 };
        let impatient = |key: &QueueKey| {
            queue.level == TriageLevel::Emergency
                || key.waiting_since + chain.patience <= now
                || policy.overdue_at(key.waiting_since) <= now
        };
        // In one queue the oldest come first.
        let further = before.partition_point(impatient);
        let part = |count: usize, further: Further| match count {
            0 => 0.0,
            _ => count as f64 * reach.part_of(&self.reach_of(queue, further)),
        };
        part(further, true) + part(before.len() - further, false)
    }

    /// For whom the requests of a queue wait, found once.
    fn reach_of(&self, queue: &Queue, further: Further) -> Arc<Reach> {
        let mut known = self.reaches.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known.get(&(queue.clone(), further)) {
            return Arc::clone(known);
        }
        let reach = self.chains.get(&queue.department);
        let reach = Arc::new(
            reach.map_or_else(Reach::default, |chain| self.on_call.reach(queue, chain, further, &[])),
        );
        known.insert((queue.clone(), further), Arc::clone(&reach));
        reach
    }
}

fn seconds(span: chrono::TimeDelta) -> f64 {
    span.num_milliseconds() as f64 / 1000.0
}

#[cfg(test)]
#[path = "outlook_tests.rs"]
mod tests;
