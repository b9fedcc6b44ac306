//! One round of the distributor: the most urgent requests, whichever queue they wait in, each with
//! the doctor who is chosen for it, as if all who wait were looked at in the order of their rank. It
//! looks at the fronts of queues only, and leaves a queue when its front finds nobody: nobody behind
//! it would.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap, VecDeque, hash_map::Entry},
};

use super::{
    choose::{Asked, Choice, OverflowStep, choose_doctor},
    department::Department,
    policy::MatchingPolicy,
    pool::{Clocks, Pool},
    queue::{Chain, Queue, Refused, Request},
    score::QueueKey,
};
use crate::{
    consultation::Medium,
    ids::{ConsultationId, StaffId},
    time::Timestamp,
    words::Language,
};

/// Most choices of a round. The next round goes on; until then newer emergencies would wait.
pub const ROUND: usize = 128;

/// The least id: no request of the same age ranks before it.
const FIRST: ConsultationId = ConsultationId::from_uuid(uuid::Uuid::nil());

/// What a round reads only when it needs it.
pub trait Source {
    type Error;

    /// The requests of a queue behind `after`, the oldest first and `limit` at most; none that was
    /// refused lately.
    ///
    /// # Errors
    /// Of the storage.
    fn front(
        &mut self,
        queue: &Queue,
        after: Option<(Timestamp, ConsultationId)>,
        limit: usize,
    ) -> Result<Vec<Request>, Self::Error>;

    /// Whether a doctor of this step who is none of `excluded` is on call, free or not, and takes the
    /// queue's medium and language.
    ///
    /// # Errors
    /// Of the storage.
    fn is_on_call(
        &mut self,
        queue: &Queue,
        step: OverflowStep,
        excluded: &[StaffId],
    ) -> Result<bool, Self::Error>;
}

/// What a round begins with.
#[derive(Debug)]
pub struct Scene {
    /// Each queue in which somebody waits, and since when the oldest does.
    pub queues: Vec<(Queue, Timestamp)>,
    /// Requests that were refused lately; the queues' fronts leave them out.
    pub refused: Vec<Refused>,
    /// Of every department of `queues` and `refused`.
    pub chains: HashMap<Department, Chain>,
    pub pool: Pool,
}

/// An offer to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Planned {
    pub consultation: ConsultationId,
    /// Number of its last offer.
    pub fence: i64,
    pub choice: Choice,
    pub clocks: Clocks,
}

/// A queue with the requests of its front that were read.
struct Front {
    queue: Queue,
    read: VecDeque<Request>,
    last: Option<(Timestamp, ConsultationId)>,
    /// Nobody waits behind those that were read.
    at_end: bool,
}

/// Where the next request of the merged order is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Front(usize),
    Refused(usize),
}

struct Round<'a, S: Source> {
    chains: HashMap<Department, Chain>,
    pool: Pool,
    source: &'a mut S,
    /// What was asked already, for requests that nobody refused.
    on_call: HashMap<(OverflowStep, String, Language, Medium), bool>,
    now: Timestamp,
    policy: &'a MatchingPolicy,
}

/// Plans the offers of one round, the most urgent first, [`ROUND`] at most.
///
/// # Errors
/// Those of the source.
pub fn distribute<S: Source>(
    scene: Scene,
    source: &mut S,
    now: Timestamp,
    policy: &MatchingPolicy,
) -> Result<Vec<Planned>, S::Error> {
    let Scene { queues, refused, chains, pool } = scene;
    let mut round = Round { chains, pool, source, on_call: HashMap::new(), now, policy };
    let mut next: BinaryHeap<Reverse<(QueueKey, Place)>> = BinaryHeap::new();
    let mut fronts = Vec::with_capacity(queues.len());
    for (queue, oldest) in queues {
        next.push(Reverse((queue.key(oldest, FIRST, now, policy), Place::Front(fronts.len()))));
        fronts.push(Front { queue, read: VecDeque::new(), last: None, at_end: false });
    }
    for (index, one) in refused.iter().enumerate() {
        let Request { waiting_since, consultation, .. } = one.request;
        let key = one.queue.key(waiting_since, consultation, now, policy);
        next.push(Reverse((key, Place::Refused(index))));
    }
    let mut planned = Vec::new();
    while planned.len() < ROUND
        && round.pool.places() > 0
        && let Some(Reverse((key, place))) = next.pop()
    {
        match place {
            Place::Refused(index) => {
                let Refused { queue, request, by } = &refused[index];
                planned.extend(round.serve(queue, request, by)?);
            }
            Place::Front(index) => {
                let front = &mut fronts[index];
                let served = match front.read.front() {
                    // What ranked here was only the age of its oldest.
                    None => round.could_serve(&front.queue, key.waiting_since)? && round.read(front)?,
                    Some(request) => match round.serve(&front.queue, request, &[])? {
                        Some(plan) => {
                            planned.push(plan);
                            front.read.pop_front();
                            !front.read.is_empty() || (!front.at_end && round.read(front)?)
                        }
                        None => false,
                    },
                };
                if served && let Some(request) = front.read.front() {
                    let key = front.queue.key(request.waiting_since, request.consultation, now, policy);
                    next.push(Reverse((key, place)));
                }
            }
        }
    }
    Ok(planned)
}

impl<S: Source> Round<'_, S> {
    /// Reads the next requests of a queue; returns whether there are any.
    fn read(&mut self, front: &mut Front) -> Result<bool, S::Error> {
        let limit = self.pool.places().min(ROUND);
        let read = self.source.front(&front.queue, front.last, limit)?;
        front.at_end = read.len() < limit;
        front.last = read.last().map(|request| (request.waiting_since, request.consultation)).or(front.last);
        front.read.extend(read);
        Ok(!front.read.is_empty())
    }

    /// Whether anybody is free for a request of this age that nobody refused.
    fn could_serve(&mut self, queue: &Queue, waiting_since: Timestamp) -> Result<bool, S::Error> {
        let asked = Request {
            consultation: FIRST,
            fence: 0,
            waiting_since,
            in_department_since: waiting_since,
            previous_doctor: None,
        };
        Ok(self.choose(queue, &asked, &[])?.is_some())
    }

    fn serve(
        &mut self,
        queue: &Queue,
        request: &Request,
        excluded: &[StaffId],
    ) -> Result<Option<Planned>, S::Error> {
        let chosen = self.choose(queue, request, excluded)?;
        let Request { consultation, fence, .. } = *request;
        Ok(chosen.map(|choice| {
            let clocks = self.pool.take(&choice, queue.medium);
            Planned { consultation, fence, choice, clocks }
        }))
    }

    fn choose(
        &mut self,
        queue: &Queue,
        request: &Request,
        excluded: &[StaffId],
    ) -> Result<Option<Choice>, S::Error> {
        let Self { chains, pool, source, on_call, now, policy } = self;
        let Some(chain) = chains.get(&queue.department) else { return Ok(None) };
        let is_on_call = |step| {
            if !excluded.is_empty() {
                return source.is_on_call(queue, step, excluded);
            }
            Ok(match on_call.entry((step, queue.district.clone(), queue.language, queue.medium)) {
                Entry::Occupied(known) => *known.get(),
                Entry::Vacant(unknown) => *unknown.insert(source.is_on_call(queue, step, &[])?),
            })
        };
        choose_doctor(&Asked::of(queue, chain, request, excluded), pool, is_on_call, *now, policy)
    }
}

#[cfg(test)]
#[path = "distribute_tests.rs"]
mod tests;
