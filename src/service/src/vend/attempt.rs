//! How decisions about an attempt are carried out: its row, its slot, and an incident. What follows
//! for its pack is in `closing.rs`.

use serde_json::json;

use super::{domain_attempt, incident};
use crate::{
    Failure, Recipients, Tx,
    machine::{Machine, commit},
    stock::LoadedSlot,
};
use base::telemetry::metrics::Fact;
use coordination::Topic;
use domain::{
    ids::WorkerId,
    refusal::{Code, Refusal},
    time::Timestamp,
    vend::{Attempt, AttemptEvent},
};
use storage::vend::attempt::{self as store, AttemptRow};

/// An attempt whose cabinet is locked.
#[derive(Debug, Clone)]
pub(crate) struct LoadedAttempt {
    pub row: AttemptRow,
    attempt: Attempt,
    worker: WorkerId,
    now: Timestamp,
}

impl LoadedAttempt {
    /// # Errors
    /// Stored values that cannot be read.
    pub fn new(tx: &Tx<'_>, row: AttemptRow, worker: WorkerId) -> Result<Self, Failure> {
        Ok(Self { attempt: domain_attempt(&row)?, row, worker, now: tx.now })
    }

    /// The domain's view of it.
    pub fn attempt(&self) -> &Attempt {
        &self.attempt
    }

    /// Adds new attempts.
    ///
    /// # Errors
    /// Faults of the storage.
    pub fn issue(tx: &mut Tx<'_>, all: &[Self]) -> Result<(), Failure> {
        let rows: Vec<&AttemptRow> = all.iter().map(|one| &one.row).collect();
        store::attempts_add(tx.conn, &rows, tx.now)?;
        for one in all {
            let Attempt { order_unit, cabinet, epoch, slot, expires_at, .. } = one.attempt;
            one.record(&AttemptEvent::Issued { order_unit, cabinet, epoch, slot, expires_at }, tx)?;
        }
        Ok(())
    }

    /// Carries out what was decided on the attempt.
    ///
    /// # Errors
    /// `StateMovedOn` when it changed after the decision.
    pub fn commit(&mut self, tx: &mut Tx<'_>, events: &[AttemptEvent]) -> Result<(), Failure> {
        *self = commit(tx, self, events)?;
        events.iter().for_each(|event| count(tx, event));
        Ok(())
    }

    /// What the events do besides changing the attempt itself.
    fn consequence(&self, event: &AttemptEvent, tx: &mut Tx<'_>) -> Result<(), Failure> {
        let row = &self.row;
        match event {
            AttemptEvent::Voided { .. } => tx.wake(Topic::Cabinet(row.cabinet_id)),
            AttemptEvent::IncidentOpened { kind, slot } => {
                let detail = json!({"attempt_state": row.state});
                incident::open(tx, row.cabinet_id, *kind, Some(slot.get()), Some(row.id), detail)?;
            }
            AttemptEvent::SlotClosed { slot, reason } => {
                if let Some(slot) = storage::stock::slot_fetch(tx.conn, row.cabinet_id, slot.get())? {
                    LoadedSlot::new(tx, slot.row)?.close_by_attempt(tx, *reason)?;
                }
            }
            AttemptEvent::Issued { .. }
            | AttemptEvent::Started { .. }
            | AttemptEvent::Doubted { .. }
            | AttemptEvent::Dispensed { .. }
            | AttemptEvent::NotDispensed { .. } => {}
        }
        Ok(())
    }
}

impl Machine for LoadedAttempt {
    type Event = AttemptEvent;

    fn apply(&mut self, event: &AttemptEvent) {
        self.attempt = self.attempt.after(event, self.now);
        self.row.state = self.attempt.state;
        self.row.started_at = self.attempt.started_at;
        self.row.boot_id = self.attempt.granted_boot.map(|boot| boot.to_string());
        self.row.doubted_at = self.attempt.doubted_at;
        self.row.ended_at = self.attempt.ended_at;
        self.row.outcome = self.attempt.outcome;
    }

    fn write(&self, after: &Self, events: &[AttemptEvent], tx: &mut Tx<'_>) -> Result<bool, Failure> {
        let changed = self.attempt != after.attempt;
        if changed && !store::attempt_replace(tx.conn, self.row.state, &after.row)? {
            return Ok(false);
        }
        for event in events {
            self.consequence(event, tx)?;
        }
        Ok(true)
    }

    fn record(&self, event: &AttemptEvent, tx: &mut Tx<'_>) -> Result<(), Failure> {
        tx.record(self.row.id, *event, Recipients::worker(self.worker))
    }

    fn moved_on(&self, tx: &mut Tx<'_>) -> Result<Refusal, Failure> {
        Ok(match store::attempt_fetch(tx.conn, self.row.id)? {
            Some(row) => Refusal::moved_on(row.state),
            None => Refusal::new(Code::NotFound),
        })
    }
}

/// Counts an event in the metrics.
fn count(tx: &mut Tx<'_>, event: &AttemptEvent) {
    let vend = |outcome, reason| Fact::Vend { outcome, reason };
    match event {
        AttemptEvent::Dispensed { .. } => tx.count(vend("dispensed", "")),
        AttemptEvent::NotDispensed { reason, .. } => tx.count(vend("not_dispensed", reason.as_str())),
        AttemptEvent::Doubted { cause } => tx.count(vend("in_doubt", cause.as_str())),
        AttemptEvent::Voided { reason } => tx.count(vend("voided", reason.as_str())),
        AttemptEvent::Issued { .. }
        | AttemptEvent::Started { .. }
        | AttemptEvent::IncidentOpened { .. }
        | AttemptEvent::SlotClosed { .. } => {}
    }
}
