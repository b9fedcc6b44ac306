//! Every access to a health record by somebody else is recorded. Code that puts health data
//! together takes a [`HealthAccess`] and notes in it whose data it shows; only [`AppState::read_health`]
//! and the write transactions create one, and they write the noted accesses to the event log before
//! the caller gets the answer. What cannot be recorded is not shown.
//!
//! Workers' access to their own records is not recorded: the record is theirs, and the log contains
//! when they were checked in.
//!
//! The same access is recorded at most once in [`REPEATED_AFTER`], so that an open page that polls
//! costs no query and no write.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use chrono::TimeDelta;
use moka::sync::Cache;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot::{self, error::TryRecvError};

use super::{Actor, AppState, Failure};
use coordination::Topic;
pub use domain::event::record::Part;
use domain::{
    event::record::RecordEvent,
    ids::{Id, WorkerId},
    refusal::Refusal,
    time::Timestamp,
};
use storage::{
    Conn, Live,
    audit::health_read as store,
    events::{AnyId, NewEvent},
};

/// Accesses of one reader to one part of one record within this time are recorded once. Our
/// default: 10 minutes.
pub(crate) const REPEATED_AFTER: TimeDelta = TimeDelta::minutes(10);

/// One access to a part of a health record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct RecordAccess {
    /// The worker; for an event stream, its reader.
    subject: AnyId,
    part: Part,
    /// The consultation, prescription, ... that was shown.
    about: AnyId,
}

/// Collects whose health data a reader is shown.
#[derive(Debug)]
pub struct HealthAccess {
    reader: Actor,
    accesses: Vec<RecordAccess>,
}

impl HealthAccess {
    pub(super) fn to(reader: Actor) -> Self {
        Self { reader, accesses: Vec::new() }
    }

    /// Notes that this part of the worker's record is shown: the part that
    /// `about` names.
    pub fn note<K>(&mut self, worker: WorkerId, part: Part, about: Id<K>) {
        self.add(RecordAccess {
            subject: Id::from_uuid(worker.uuid()),
            part,
            about: Id::from_uuid(about.uuid()),
        });
    }

    /// Notes that the reader follows events that name workers.
    pub fn note_stream(&mut self) {
        if let Some(reader) = self.reader.any_id() {
            self.add(RecordAccess { subject: reader, part: Part::Events, about: reader });
        }
    }

    fn add(&mut self, access: RecordAccess) {
        // Background jobs show data to nobody.
        let somebody_else = matches!(self.reader, Actor::Staff(_) | Actor::Station(_) | Actor::Cabinet(_));
        let known = |known: &RecordAccess| known.subject == access.subject && known.part == access.part;
        if somebody_else && !self.accesses.iter().any(known) {
            self.accesses.push(access);
        }
    }

    /// What was noted until now.
    pub(super) fn noted(&self) -> Vec<RecordAccess> {
        self.accesses.clone()
    }

    pub(super) fn take(&mut self) -> Vec<RecordAccess> {
        std::mem::take(&mut self.accesses)
    }

    pub(super) fn extend(&mut self, accesses: Vec<RecordAccess>) {
        for access in accesses {
            self.add(access);
        }
    }
}

/// When this instance last knew an access to be recorded, so that an open page that polls costs no
/// query for it.
pub(crate) struct RecordedAccesses(Cache<(AnyId, AnyId, Part), Timestamp>);

impl Default for RecordedAccesses {
    fn default() -> Self {
        // An evicted entry costs one more query.
        Self(Cache::new(200_000))
    }
}

impl RecordedAccesses {
    fn is_known(&self, reader: AnyId, access: &RecordAccess, now: Timestamp) -> bool {
        let recorded = self.0.get(&(reader, access.subject, access.part));
        recorded.is_some_and(|at| at > now - REPEATED_AFTER)
    }

    /// Notes that an access is in the committed log.
    pub(crate) fn note(&self, reader: AnyId, access: &RecordAccess, at: Timestamp) {
        self.0.insert((reader, access.subject, access.part), at);
    }
}

/// The event that records an access.
fn event_of(reader: Actor, access: RecordAccess, now: Timestamp) -> NewEvent {
    NewEvent {
        stream_id: access.subject,
        event: RecordEvent::Read { what: access.part, id: Some(access.about) }.into(),
        actor_role: reader.role_name(),
        actor_id: reader.any_id(),
        worker_id: None,
        staff_id: None,
        at: now,
    }
}

/// Notes accesses in this transaction, and returns those that are new with the events that record
/// them.
pub(super) fn record(
    conn: &mut Conn,
    app: &AppState,
    reader: Actor,
    accesses: Vec<RecordAccess>,
    now: Timestamp,
) -> Result<Vec<(RecordAccess, NewEvent)>, Failure> {
    let Some(reader_id) = reader.any_id() else { return Ok(Vec::new()) };
    let mut recorded = Vec::new();
    for access in accesses {
        let read = (reader_id, access.subject, access.part.as_str());
        if !app.recorded_accesses.is_known(reader_id, &access, now)
            && store::read_note(conn, read, now - REPEATED_AFTER, now)?
        {
            recorded.push((access, event_of(reader, access, now)));
        }
    }
    Ok(recorded)
}

/// Accesses of reads that wait to be recorded. Whoever has the turn records all that have come in
/// meanwhile in one commit: several people often look at one record at the same moment, and each
/// commit of its own would wait for the other's version of the record's log.
#[derive(Default)]
pub(crate) struct AccessQueue {
    waiting: Mutex<Vec<Waiting>>,
    turn: tokio::sync::Mutex<()>,
}

struct Waiting {
    reader: Actor,
    accesses: Vec<RecordAccess>,
    /// Is dropped when recording has failed.
    recorded: oneshot::Sender<()>,
}

impl AccessQueue {
    fn push(&self, reader: Actor, accesses: Vec<RecordAccess>) -> oneshot::Receiver<()> {
        let (recorded, outcome) = oneshot::channel();
        self.waiting().push(Waiting { reader, accesses, recorded });
        outcome
    }

    /// What waits, but that of callers who have gone away: they are shown nothing.
    fn take(&self) -> Vec<Waiting> {
        let mut waiting = std::mem::take(&mut *self.waiting());
        waiting.retain(|one| !one.recorded.is_closed());
        waiting
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, Vec<Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The outcome of a read, and its accesses that are not recorded yet.
type Noted<T> = (Result<T, Box<Refusal>>, Vec<RecordAccess>);

fn noted<T>(
    conn: &mut Conn,
    app: &AppState,
    actor: Actor,
    work: impl FnOnce(&mut Conn, &AppState, &mut HealthAccess) -> Result<T, Failure>,
) -> Result<Noted<T>, Failure> {
    actor.ensure_live(conn, app.now())?;
    let mut shown = HealthAccess::to(actor);
    let outcome = match work(conn, app, &mut shown) {
        // A refusal may reveal a record, too.
        Err(Failure::Refused(refusal)) => Err(refusal),
        outcome => Ok(outcome?),
    };
    Ok((outcome, shown.take()))
}

impl AppState {
    /// Runs a read that shows health data, after checking the caller's authority, and records whose
    /// data it was before it returns the answer. All its statements see the same state of the
    /// database.
    ///
    /// # Errors
    /// Those of `work`; faults of the storage, also when recording fails.
    pub async fn read_health<T: Send + 'static>(
        self: &Arc<Self>,
        actor: Actor,
        work: impl Fn(&mut Conn, &AppState, &mut HealthAccess) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let app = Arc::clone(self);
        let read = self.store.read_snapshot(move |conn| noted(conn, &app, actor, &work));
        let (outcome, accesses) = read.await?;
        self.record_accesses(actor, accesses).await?;
        outcome.map_err(Failure::Refused)
    }

    /// As [`AppState::read_health`], for a poll ([`AppState::poll`]).
    ///
    /// # Errors
    /// As there.
    pub async fn poll_health<T: Send + 'static>(
        self: &Arc<Self>,
        actor: Actor,
        work: impl Fn(&mut Conn, &AppState, &mut HealthAccess, Live) -> Result<Option<T>, Failure>
        + Send
        + 'static,
    ) -> Result<Option<T>, Failure> {
        let found = self.poll(actor, move |conn, app, live| {
            let mut shown = HealthAccess::to(actor);
            let outcome = match work(conn, app, &mut shown, live) {
                Ok(None) => return Ok(None),
                Ok(Some(found)) => Ok(found),
                // A refusal may reveal a record, too.
                Err(Failure::Refused(refusal)) => {
                    actor.ensure_live(conn, app.now())?;
                    Err(refusal)
                }
                Err(failure) => return Err(failure),
            };
            Ok(Some((outcome, shown.take())))
        });
        let Some((outcome, accesses)) = found.await? else { return Ok(None) };
        self.record_accesses(actor, accesses).await?;
        outcome.map(Some).map_err(Failure::Refused)
    }

    /// [`AppState::poll_health`] for a worker, whose own data one statement shows. For others consents and
    /// prescriptions decide as well: [`AppState::read_health`].
    ///
    /// # Errors
    /// As there.
    pub async fn poll_own_or_read_health<T: Send + 'static>(
        self: &Arc<Self>,
        actor: Actor,
        work: impl Fn(&mut Conn, &AppState, &mut HealthAccess, Live) -> Result<Option<T>, Failure>
        + Send
        + 'static,
    ) -> Result<Option<T>, Failure> {
        match actor {
            Actor::Worker(_) => self.poll_health(actor, work).await,
            _ => {
                self.read_health(actor, move |conn, app, shown| work(conn, app, shown, Live::always())).await
            }
        }
    }

    /// Records accesses, but those that are known to be recorded. Returns after the commit.
    pub(super) async fn record_accesses(
        self: &Arc<Self>,
        reader: Actor,
        mut accesses: Vec<RecordAccess>,
    ) -> Result<(), Failure> {
        let Some(reader_id) = reader.any_id() else { return Ok(()) };
        let now = self.now();
        accesses.retain(|access| !self.recorded_accesses.is_known(reader_id, access, now));
        if accesses.is_empty() {
            return Ok(());
        }
        let mut outcome = self.access_queue.push(reader, accesses.clone());
        let _turn = self.access_queue.turn.lock().await;
        match outcome.try_recv() {
            Ok(()) => return Ok(()),
            Err(TryRecvError::Empty) => {}
            // Whoever had the turn failed, or has gone away.
            Err(TryRecvError::Closed) => outcome = self.access_queue.push(reader, accesses),
        }
        let batch = self.access_queue.take();
        self.record_at_once(&batch).await?;
        // Until here it kept the own entry in the queue.
        drop(outcome);
        for waiting in batch {
            // Nobody waits who has gone away.
            let _gone = waiting.recorded.send(());
        }
        Ok(())
    }

    async fn record_at_once(self: &Arc<Self>, batch: &[Waiting]) -> Result<(), Failure> {
        let now = self.now();
        let mut new = HashMap::new();
        for Waiting { reader, accesses, .. } in batch {
            let Some(reader_id) = reader.any_id() else { continue };
            for access in accesses {
                new.entry((reader_id, access.subject, access.part.as_str())).or_insert((*reader, *access));
            }
        }
        let (reads, accesses): (Vec<_>, Vec<_>) = new.clone().into_iter().unzip();
        let recorded = self.store.write_statement(move |conn| {
            let event = |(reader, access): &(Actor, RecordAccess)| event_of(*reader, *access, now);
            let events: Vec<_> = accesses.iter().map(event).collect();
            Ok::<_, Failure>(store::reads_record(conn, &reads, &events, now - REPEATED_AFTER, now)?)
        });
        let recorded = recorded.await?;
        for (reader, subject, part) in &recorded {
            if let Some((_, access)) = new.get(&(*reader, *subject, part.as_str())) {
                self.recorded_accesses.note(*reader, access, now);
            }
        }
        if !recorded.is_empty() {
            self.wake(vec![Topic::Operators]);
        }
        Ok(())
    }
}
