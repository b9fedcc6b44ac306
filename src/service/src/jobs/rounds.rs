//! A round of a job: handles the due items, each in its own transaction. An item whose row
//! is locked by another transaction, or that fails, is deferred to the next round and comes
//! last there; all others are handled. Locked rows cannot delay a round for long.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use futures_util::future::join_all;

use uuid::Uuid;

use crate::{Actor, AppState, Failure, Tx};
use base::telemetry::Chain;
use domain::ids::Id;
use storage::{Conn, events::AnyId};

/// How long a round waits for row locks in all. Our default.
const LOCK_BUDGET: Duration = Duration::from_secs(1);
/// The lock timeout per item once the budget is used up: normal transactions hold a row lock
/// for less. Our default.
const MIN_LOCK_TIMEOUT: Duration = Duration::from_millis(20);

/// How many due items are read at once.
pub(crate) const PAGE: i64 = 50;

/// The items deferred to the next round, by the name of the job.
#[derive(Debug, Default)]
pub(crate) struct Left(Mutex<HashMap<&'static str, HashSet<AnyId>>>);

impl Left {
    /// Moves the items deferred in the last round behind the others.
    fn sort<T>(&self, job: &'static str, due: &mut [T], id_of: impl Fn(&T) -> AnyId) {
        let left = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(left) = left.get(job) {
            due.sort_by_key(|item| left.contains(&id_of(item)));
        }
    }

    fn set(&self, job: &'static str, ids: HashSet<AnyId>) {
        let mut left = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if ids.is_empty() {
            left.remove(job);
        } else {
            left.insert(job, ids);
        }
    }
}

/// How a job handles its due items.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Job {
    name: &'static str,
    ignores_refusals: bool,
    concurrent: bool,
}

impl Job {
    /// Sequential; a refusal counts as a failure.
    pub(crate) const fn new(name: &'static str) -> Self {
        Self { name, ignores_refusals: false, concurrent: false }
    }

    /// Ignores refusals: they only show that another transaction changed the item first.
    pub(crate) const fn ignore_refusals(self) -> Self {
        Self { ignores_refusals: true, ..self }
    }

    /// Handles several items concurrently.
    pub(crate) const fn concurrent(self) -> Self {
        Self { concurrent: true, ..self }
    }
}

/// The result of a round.
#[derive(Debug, Default)]
pub(crate) struct Done {
    done: usize,
    left: HashSet<AnyId>,
    /// Writes outside the items that failed.
    failed: usize,
    /// A failure that concerns all items has ended the round.
    stopped: bool,
}

impl Done {
    /// Adds the result of a write outside the items, and logs its failure; returns whether the round
    /// can go on.
    pub(crate) fn note<T>(&mut self, job: Job, written: Result<T, Failure>) -> bool {
        let Err(failure) = written else { return true };
        tracing::warn!(job = job.name, error = %Chain(&failure), "not recorded");
        self.failed += 1;
        !failure.affects_all_callers()
    }

    /// Whether the item was deferred to the next round.
    pub(crate) fn was_deferred<K>(&self, id: Id<K>) -> bool {
        self.left.contains(&AnyId::from_uuid(id.uuid()))
    }

    /// Whether a failure that concerns all items has ended it.
    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped
    }

    /// The sum of both.
    pub(crate) fn and(mut self, other: Self) -> Self {
        self.done += other.done;
        self.left.extend(other.left);
        self.failed += other.failed;
        self.stopped |= other.stopped;
        self
    }

    /// The number of items done.
    ///
    /// # Errors
    /// `Incomplete` when an item failed; its failure is logged, and all others were handled.
    pub(crate) fn outcome(self) -> Result<usize, Failure> {
        match self.left.len() + self.failed {
            0 => Ok(self.done),
            left => Err(Failure::Incomplete(left)),
        }
    }
}

/// Runs `work`, which returns how much it did, for each due item.
pub(crate) async fn each<T, K, I, W>(app: &Arc<AppState>, job: Job, due: Vec<T>, id_of: I, work: W) -> Done
where
    T: Send + 'static,
    K: 'static,
    I: Fn(&T) -> Id<K>,
    W: Fn(&mut Tx<'_>, &T) -> Result<usize, Failure> + Send + Sync + 'static,
{
    let (counts, mut round) = walk(app, job, due, id_of, work).await;
    round.done = counts.into_iter().sum();
    round
}

/// As [`each`], for everything that is due, page by page in the order of `id_of`: `read` returns what is
/// due behind an item, [`PAGE`] at most. An item that stays due, because it is locked or refused or
/// fails, hides none behind it.
pub(crate) async fn every<T, K, I, R, W>(
    app: &Arc<AppState>,
    job: Job,
    id_of: I,
    read: R,
    work: W,
) -> Result<Done, Failure>
where
    T: Send + 'static,
    K: 'static,
    I: Fn(&T) -> Id<K>,
    R: Fn(&mut Conn, Id<K>) -> Result<Vec<T>, Failure> + Send + Sync + 'static,
    W: Fn(&mut Tx<'_>, &T) -> Result<usize, Failure> + Send + Sync + 'static,
{
    let (read, work) = (Arc::new(read), Arc::new(work));
    let (mut done, mut after) = (Done::default(), Id::from_uuid(Uuid::nil()));
    let mut lock_budget = LOCK_BUDGET;
    loop {
        let reader = Arc::clone(&read);
        let page = app.read(Actor::System, move |conn, _| reader(conn, after)).await?;
        let is_last = page.len() < PAGE as usize;
        after = page.iter().map(&id_of).max().unwrap_or(after);
        let (counts, mut of_page) = walk_within(&mut lock_budget, app, job, page, &id_of, &work).await;
        of_page.done = counts.into_iter().sum();
        done = done.and(of_page);
        if is_last || done.is_stopped() {
            app.left.set(job.name, done.left.clone());
            return Ok(done);
        }
    }
}

/// Runs `work` for each due item and returns the results of those that succeeded. A failure
/// that concerns all items, such as an unreachable database, ends the round.
pub(crate) async fn walk<T, K, R, I, W>(
    app: &Arc<AppState>,
    job: Job,
    due: Vec<T>,
    id_of: I,
    work: W,
) -> (Vec<R>, Done)
where
    T: Send + 'static,
    K: 'static,
    R: Send + 'static,
    I: Fn(&T) -> Id<K>,
    W: Fn(&mut Tx<'_>, &T) -> Result<R, Failure> + Send + Sync + 'static,
{
    let (results, round) = walk_within(&mut { LOCK_BUDGET }, app, job, due, id_of, &Arc::new(work)).await;
    app.left.set(job.name, round.left.clone());
    (results, round)
}

/// As [`walk`], with what is left of the round's lock budget.
async fn walk_within<T, K, R, I, W>(
    lock_budget: &mut Duration,
    app: &Arc<AppState>,
    job: Job,
    mut due: Vec<T>,
    id_of: I,
    work: &Arc<W>,
) -> (Vec<R>, Done)
where
    T: Send + 'static,
    K: 'static,
    R: Send + 'static,
    I: Fn(&T) -> Id<K>,
    W: Fn(&mut Tx<'_>, &T) -> Result<R, Failure> + Send + Sync + 'static,
{
    let any_id = |item: &T| AnyId::from_uuid(id_of(item).uuid());
    app.left.sort(job.name, &mut due, any_id);
    let width = if job.concurrent { app.store.write_concurrency() } else { 1 };
    let (mut results, mut round) = (Vec::new(), Done::default());
    let mut due = due.into_iter();
    loop {
        let began = Instant::now();
        let lock_timeout = Some(MIN_LOCK_TIMEOUT.max(*lock_budget));
        let batch = due.by_ref().take(width).map(|item| {
            let (id, work) = (any_id(&item), Arc::clone(work));
            let written = app.write_with_lock_timeout(lock_timeout, Actor::System, move |tx| work(tx, &item));
            async move { (id, written.await) }
        });
        let outcomes = join_all(batch.collect::<Vec<_>>()).await;
        if outcomes.is_empty() {
            break;
        }
        let (mut waited, mut stop) = (false, false);
        for (id, outcome) in outcomes {
            match outcome {
                Ok(result) => results.push(result),
                Err(Failure::Refused(refusal)) if job.ignores_refusals => {
                    tracing::debug!(job = job.name, %id, %refusal, "somebody was faster");
                }
                Err(failure) => {
                    tracing::warn!(job = job.name, %id, error = %Chain(&failure), "left for the next round");
                    (waited, stop) =
                        (waited || failure.is_lock_timeout(), stop || failure.affects_all_callers());
                    round.left.insert(id);
                }
            }
        }
        if stop {
            round.stopped = true;
            break;
        }
        if waited {
            *lock_budget = lock_budget.saturating_sub(began.elapsed());
        }
    }
    (results, round)
}

/// Runs a single piece of work with the same handling of locks and failures.
pub(crate) async fn one<W>(app: &Arc<AppState>, job: Job, work: W) -> Done
where
    W: Fn(&mut Tx<'_>) -> Result<usize, Failure> + Send + Sync + 'static,
{
    each(app, job, vec![AnyId::generate()], |id| *id, move |tx, _| work(tx)).await
}
