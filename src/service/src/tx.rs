//! The transaction that a verb works in.

use serde_json::Value;

use super::{
    Actor, AppState, Failure,
    caller::{Seen, Standing},
    shown::{Reading, Shown},
};
use base::telemetry::figures::Fact;
use coordination::Topic;
use domain::{
    ids::{Id, StaffId, WorkerId},
    time::Timestamp,
};
use storage::{Conn, events::NewEvent};

/// Who should hear of an event, beside the operators.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Hearers {
    /// The worker whose record it is.
    pub worker: Option<WorkerId>,
    /// The member of staff it concerns.
    pub staff: Option<StaffId>,
}

impl Hearers {
    /// One worker.
    pub fn worker(worker: WorkerId) -> Self {
        Self { worker: Some(worker), staff: None }
    }
    /// One worker and one member of staff.
    pub fn both(worker: WorkerId, staff: Option<StaffId>) -> Self {
        Self { worker: Some(worker), staff }
    }
    /// One member of staff.
    pub fn staff(staff: StaffId) -> Self {
        Self { worker: None, staff: Some(staff) }
    }
    /// Only the operators.
    pub fn nobody() -> Self {
        Self::default()
    }
}

/// What follows once the transaction is committed, and never otherwise.
#[derive(Debug, Default)]
pub(super) struct AfterCommit {
    /// Who is woken.
    pub woken: Vec<Topic>,
    /// What is counted.
    pub facts: Vec<Fact>,
    /// Whose health data is shown; recorded before the commit.
    pub readings: Vec<Reading>,
    /// Whether the caller proved to be there.
    pub proven: bool,
    /// Whether the verb ended the authority of its own caller.
    pub ended_own: bool,
}

/// An open transaction, with all that a verb needs beside the database.
pub struct Tx<'a> {
    /// The connection that is in the transaction.
    pub conn: &'a mut Conn,
    /// The instant of the whole transaction.
    pub now: Timestamp,
    /// Policy, keys, formulary.
    pub app: &'a AppState,
    /// Who acts.
    pub actor: Actor,
    /// Whose health data the verb shows.
    pub shown: Shown,
    standing: Standing,
    after: AfterCommit,
    keep_on_refusal: bool,
}

impl AfterCommit {
    /// What was seen of the caller.
    pub(super) fn seen(&self, standing: Standing) -> Seen {
        Seen { standing, proven: self.proven }
    }
}

impl<'a> Tx<'a> {
    pub(super) fn new(conn: &'a mut Conn, app: &'a AppState, actor: Actor, standing: Standing) -> Self {
        let shown = Shown::to(actor);
        let after = AfterCommit::default();
        Self { conn, now: app.now(), app, actor, shown, standing, after, keep_on_refusal: false }
    }

    pub(super) fn finish(mut self) -> (AfterCommit, bool) {
        self.after.readings = self.shown.take();
        (self.after, self.keep_on_refusal)
    }

    /// What the caller's row said before this transaction touched it: a check of
    /// how long somebody was silent must look at this, and never at the row.
    pub fn standing(&self) -> Standing {
        self.standing
    }

    /// The caller has proven that it is them who sit there.
    pub fn caller_is_proven(&mut self) {
        self.after.proven = true;
    }

    /// This verb ends the authority of its own caller: what follows is not held
    /// against them. Only after the row was changed by this transaction itself.
    pub fn ends_own_authority(&mut self) {
        self.after.ended_own = true;
    }

    /// Takes over what follows from a part of this transaction.
    pub(super) fn follow(&mut self, part: AfterCommit) {
        self.after.woken.extend(part.woken);
        self.after.facts.extend(part.facts);
        self.shown.extend(part.readings);
        self.after.proven |= part.proven;
        self.after.ended_own |= part.ended_own;
    }

    /// Counts `fact` after the commit.
    pub fn count(&mut self, fact: Fact) {
        self.after.facts.push(fact);
    }

    /// Wakes `topic` after the commit.
    pub fn wake(&mut self, topic: Topic) {
        self.after.woken.push(topic);
    }

    /// What was written so far stays even if the verb refuses: counted wrong
    /// tries must not be undone by the refusal they lead to.
    pub fn keep_on_refusal(&mut self) {
        self.keep_on_refusal = true;
    }

    /// Logs a change in this transaction, and wakes its hearers after it.
    pub fn record<K>(
        &mut self,
        stream: &'static str,
        id: Id<K>,
        kind: &str,
        payload: Value,
        hearers: Hearers,
    ) -> Result<(), Failure> {
        storage::events::event_append(
            self.conn,
            &NewEvent {
                stream,
                stream_id: Id::from_uuid(id.uuid()),
                kind: kind.to_owned(),
                payload,
                actor_role: self.actor.role_name(),
                actor_id: self.actor.any_id(),
                worker_id: hearers.worker,
                staff_id: hearers.staff,
                at: self.now,
            },
        )?;
        // Operators hear of everything.
        self.after.woken.push(Topic::Operators);
        if stream == "prescription" {
            self.after.woken.push(Topic::Reviews);
        }
        self.after.woken.extend(hearers.worker.map(Topic::Worker));
        self.after.woken.extend(hearers.staff.map(Topic::Staff));
        Ok(())
    }
}
