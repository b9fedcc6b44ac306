//! A round of a job: what is due, item by item, each in a transaction of its own.
//! Whose row somebody holds, or what fails by itself, is left for the next round
//! and comes last there; all others go on. Whatever is held, a round ends soon.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use futures_util::future::join_all;

use crate::{Actor, AppState, Failure, Tx};
use domain::ids::Id;
use storage::events::AnyId;

/// How long a round waits for held rows in all. Our default.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long it waits for each when that is used up: nobody who is at work holds a
/// row for longer. Our default.
const HURRIED: Duration = Duration::from_millis(20);

/// What jobs left for their next rounds, by the name of the job.
#[derive(Debug, Default)]
pub(crate) struct Left(Mutex<HashMap<&'static str, HashSet<AnyId>>>);

impl Left {
    /// Puts what was left in the last round behind the rest.
    fn sort<T>(&self, job: &'static str, due: &mut [T], id_of: impl Fn(&T) -> AnyId) {
        let left = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(left) = left.get(job) {
            due.sort_by_key(|item| left.contains(&id_of(item)));
        }
    }

    fn keep(&self, job: &'static str, ids: HashSet<AnyId>) {
        let mut left = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if ids.is_empty() {
            left.remove(job);
        } else {
            left.insert(job, ids);
        }
    }
}

/// How a job goes through what is due.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Job {
    name: &'static str,
    overtaken: bool,
    side_by_side: bool,
}

impl Job {
    /// One item after the other; a refusal is a fault.
    pub(crate) const fn new(name: &'static str) -> Self {
        Self { name, overtaken: false, side_by_side: false }
    }

    /// A refusal only says that somebody was faster.
    pub(crate) const fn may_be_overtaken(self) -> Self {
        Self { overtaken: true, ..self }
    }

    /// Several items at once.
    pub(crate) const fn side_by_side(self) -> Self {
        Self { side_by_side: true, ..self }
    }
}

/// How a round went.
#[derive(Debug, Default)]
pub(crate) struct Done {
    done: usize,
    left: HashSet<AnyId>,
    failure: Option<Failure>,
}

impl Done {
    /// Notes what was written beside the items; says whether the round can go on.
    pub(crate) fn note<T>(&mut self, written: Result<T, Failure>) -> bool {
        let Err(failure) = written else { return true };
        let goes_on = !failure.concerns_all();
        self.fail(failure);
        goes_on
    }

    /// Something failed. A row that is held tells less than any other failure.
    fn fail(&mut self, failure: Failure) {
        if self.failure.as_ref().is_none_or(|known| known.is_held_row() && !failure.is_held_row()) {
            self.failure = Some(failure);
        }
    }

    /// Whether it was left for the next round.
    pub(crate) fn has_left<K>(&self, id: Id<K>) -> bool {
        self.left.contains(&AnyId::from_uuid(id.uuid()))
    }

    /// Both together.
    pub(crate) fn and(mut self, other: Self) -> Self {
        self.done += other.done;
        self.left.extend(other.left);
        if let Some(failure) = other.failure {
            self.fail(failure);
        }
        self
    }

    /// How much was done.
    ///
    /// # Errors
    /// What an item failed with, although all others were done.
    pub(crate) fn outcome(self) -> Result<usize, Failure> {
        match self.failure {
            Some(failure) => Err(failure),
            None => Ok(self.done),
        }
    }
}

/// Does `work`, which tells how much it did, for each that is due.
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

/// Does `work` for each that is due, and gives what came of those that it was done
/// for. What concerns everybody, as a database that is out of reach, ends the round.
pub(crate) async fn walk<T, K, R, I, W>(
    app: &Arc<AppState>,
    job: Job,
    mut due: Vec<T>,
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
    let any_id = |item: &T| AnyId::from_uuid(id_of(item).uuid());
    app.left.sort(job.name, &mut due, any_id);
    let (work, width) = (Arc::new(work), if job.side_by_side { app.store.side_by_side() } else { 1 });
    let (mut results, mut round, mut patience) = (Vec::new(), Done::default(), PATIENCE);
    let mut due = due.into_iter();
    loop {
        let began = Instant::now();
        let only = Some(patience.max(HURRIED));
        let together = due.by_ref().take(width).map(|item| {
            let (id, work) = (any_id(&item), Arc::clone(&work));
            let written = app.write_waiting(only, Actor::System, move |tx| work(tx, &item));
            async move { (id, written.await) }
        });
        let outcomes = join_all(together.collect::<Vec<_>>()).await;
        if outcomes.is_empty() {
            break;
        }
        let (mut waited, mut over) = (false, false);
        for (id, outcome) in outcomes {
            match outcome {
                Ok(result) => results.push(result),
                Err(Failure::Refused(refusal)) if job.overtaken => {
                    tracing::debug!(job = job.name, %id, %refusal, "somebody was faster");
                }
                Err(failure) => {
                    tracing::warn!(job = job.name, %id, %failure, "left for the next round");
                    (waited, over) = (waited || failure.is_held_row(), over || failure.concerns_all());
                    round.left.insert(id);
                    round.fail(failure);
                }
            }
        }
        if over {
            break;
        }
        if waited {
            patience = patience.saturating_sub(began.elapsed());
        }
    }
    app.left.keep(job.name, round.left.clone());
    (results, round)
}

/// Does one thing of a round, in the same way.
pub(crate) async fn one<W>(app: &Arc<AppState>, job: Job, work: W) -> Done
where
    W: Fn(&mut Tx<'_>) -> Result<usize, Failure> + Send + Sync + 'static,
{
    each(app, job, vec![AnyId::generate()], |id| *id, move |tx, _| work(tx)).await
}
