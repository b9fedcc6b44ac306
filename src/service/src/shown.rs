//! Every reading of a health record by somebody else is recorded. Whatever puts
//! health data together takes a [`Shown`] and notes in it whose data it shows;
//! only the frames of a read ([`AppState::read_health`]) and of a write hand one out,
//! and they write what was noted into the event log before anybody gets the
//! answer. What cannot be recorded is not shown.
//!
//! Workers' readings of their own records are not recorded: the record is theirs,
//! and the log says when they were checked in.
//!
//! The same reading is written at most once in [`REPEATED_AFTER`], so that an open
//! page that polls costs one read by key each time and no write.

use std::{collections::HashSet, sync::Arc};

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Actor, AppState, Failure};
use coordination::Topic;
use domain::{
    ids::{Id, WorkerId},
    time::Timestamp,
};
use storage::{
    Conn,
    audit::health_read as store,
    events::{AnyId, NewEvent},
};

/// One reader, one record and one part of it make one event in this time.
/// Our default: 10 minutes.
pub const REPEATED_AFTER: TimeDelta = TimeDelta::minutes(10);

/// The kind of the event that records a reading.
const READ: &str = "record.read";

domain::text_enum! {
    /// Which part of a health record was shown.
    pub enum Part as "HealthRecordPart" {
        /// Profile, readings and earlier consultations.
        Record = "record",
        /// Name, day of birth and the like.
        Identity = "identity",
        /// Complaint, signs, summary and diagnoses of a consultation.
        Consultation = "consultation",
        /// What was said in a consultation.
        Messages = "messages",
        /// An offer, with the complaint.
        Offer = "offer",
        /// A prescription, with the findings about the worker.
        Prescription = "prescription",
        /// What the safety rules find for the worker.
        SafetyCheck = "safety_check",
        /// Whether the worker may work at height.
        Fitness = "fitness",
        /// That the worker has, or may have, a pack of a recalled lot.
        Recall = "recall",
        /// A stream of events that name workers.
        Events = "events",
    }
}

/// One reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct Reading {
    /// The worker; of a stream its reader.
    subject: AnyId,
    part: Part,
    /// Which consultation, prescription, ...
    about: AnyId,
}

/// Whose health data a reader is shown.
#[derive(Debug)]
pub struct Shown {
    reader: Actor,
    readings: Vec<Reading>,
}

impl Shown {
    /// Nothing so far.
    pub(super) fn to(reader: Actor) -> Self {
        Self { reader, readings: Vec::new() }
    }

    /// Notes that this part of the worker's record is shown: the part that
    /// `about` names.
    pub fn note<K>(&mut self, worker: WorkerId, part: Part, about: Id<K>) {
        self.add(Reading { subject: Id::from_uuid(worker.uuid()), part, about: Id::from_uuid(about.uuid()) });
    }

    /// Notes that the reader follows events that name workers.
    pub fn note_stream(&mut self) {
        if let Some(reader) = self.reader.any_id() {
            self.add(Reading { subject: reader, part: Part::Events, about: reader });
        }
    }

    fn add(&mut self, reading: Reading) {
        // The network's own jobs show nobody anything.
        let somebody_else = matches!(self.reader, Actor::Staff(_) | Actor::Station(_) | Actor::Cabinet(_));
        let known = |known: &Reading| known.subject == reading.subject && known.part == reading.part;
        if somebody_else && !self.readings.iter().any(known) {
            self.readings.push(reading);
        }
    }

    pub(super) fn take(&mut self) -> Vec<Reading> {
        std::mem::take(&mut self.readings)
    }

    pub(super) fn extend(&mut self, readings: Vec<Reading>) {
        for reading in readings {
            self.add(reading);
        }
    }
}

/// The readings that were not recorded lately.
pub(super) fn unrecorded(
    conn: &mut Conn,
    reader: Actor,
    readings: Vec<Reading>,
    now: Timestamp,
) -> Result<Vec<Reading>, Failure> {
    let Some(reader) = reader.any_id().filter(|_| !readings.is_empty()) else { return Ok(Vec::new()) };
    let subjects: Vec<AnyId> =
        readings.iter().map(|reading| reading.subject).collect::<HashSet<_>>().into_iter().collect();
    let known: HashSet<(AnyId, String)> =
        store::reads_since(conn, reader, &subjects, now - REPEATED_AFTER)?.into_iter().collect();
    let fresh = |reading: &Reading| !known.contains(&(reading.subject, reading.part.as_str().to_owned()));
    Ok(readings.into_iter().filter(fresh).collect())
}

/// Writes readings into the event log; tells how many were new.
pub(super) fn record(
    conn: &mut Conn,
    reader: Actor,
    readings: &[Reading],
    now: Timestamp,
) -> Result<usize, Failure> {
    let Some(reader_id) = reader.any_id() else { return Ok(0) };
    let mut recorded = 0;
    for reading in readings {
        let part = reading.part.as_str();
        if !store::read_note(conn, reader_id, reading.subject, part, now - REPEATED_AFTER, now)? {
            continue;
        }
        let stream = if reading.part == Part::Events { "staff" } else { "worker" };
        storage::events::event_append(
            conn,
            &NewEvent {
                stream,
                stream_id: reading.subject,
                kind: READ.to_owned(),
                payload: json!({"what": reading.part, "id": reading.about}),
                actor_role: reader.role_name(),
                actor_id: Some(reader_id),
                worker_id: None,
                staff_id: None,
                at: now,
            },
        )?;
        recorded += 1;
    }
    Ok(recorded)
}

impl AppState {
    /// Runs a read that shows health data to a caller whose authority holds, and
    /// records whose it was before it gives the answer.
    ///
    /// # Errors
    /// Those of `work`; faults of the storage, also when recording fails.
    pub async fn read_health<T: Send + 'static>(
        self: &Arc<Self>,
        actor: Actor,
        work: impl Fn(&mut Conn, &AppState, &mut Shown) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let app = Arc::clone(self);
        let (outcome, fresh) = self
            .store
            .read(move |conn| {
                actor.ensure_live(conn, app.now())?;
                let mut shown = Shown::to(actor);
                let outcome = match work(conn, &app, &mut shown) {
                    // A refusal may tell of a record, too.
                    Err(Failure::Refused(refusal)) => Err(refusal),
                    outcome => Ok(outcome?),
                };
                let fresh = unrecorded(conn, actor, shown.take(), app.now())?;
                Ok::<_, Failure>((outcome, fresh))
            })
            .await?;
        self.record_readings(actor, fresh).await?;
        outcome.map_err(Failure::Refused)
    }

    /// Records readings in a transaction of their own.
    pub(super) async fn record_readings(&self, actor: Actor, fresh: Vec<Reading>) -> Result<(), Failure> {
        if fresh.is_empty() {
            return Ok(());
        }
        let now = self.now();
        let recorded = self.store.write(move |conn| record(conn, actor, &fresh, now)).await?;
        if recorded > 0 {
            self.wake(vec![Topic::Operators]);
        }
        Ok(())
    }
}
