//! The transaction of an operation.

pub(crate) mod run;

use super::{Actor, AppState, Failure};
use crate::{
    activity::{is_quiet, touch},
    health_access::{HealthAccess, RecordAccess},
};
use base::telemetry::metrics::Fact;
use coordination::Topic;
use domain::{
    consultation::ConsultationEvent,
    event::Event,
    ids::{Id, StaffId, WorkerId},
    prescription::Event as PrescriptionEvent,
    time::Timestamp,
};
use storage::{Conn, authority::Activity, events::NewEvent};

/// The people whom an event concerns. The event decides who of them hears of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Recipients {
    /// The worker whose record it is.
    pub worker: Option<WorkerId>,
    /// The member of staff it concerns.
    pub staff: Option<StaffId>,
}

impl Recipients {
    pub fn worker(worker: WorkerId) -> Self {
        Self { worker: Some(worker), staff: None }
    }
    pub fn both(worker: WorkerId, staff: Option<StaffId>) -> Self {
        Self { worker: Some(worker), staff }
    }
    pub fn staff(staff: StaffId) -> Self {
        Self { worker: None, staff: Some(staff) }
    }
    /// Only the network itself.
    pub fn nobody() -> Self {
        Self::default()
    }
}

/// What happens after the transaction is committed, and only then.
#[derive(Debug, Default)]
pub(super) struct AfterCommit {
    pub wakes: Vec<Topic>,
    /// The facts that metrics count.
    pub facts: Vec<Fact>,
    /// Accesses to health data that this transaction records.
    pub recorded: Vec<RecordAccess>,
    /// Whether the caller proved their presence by a PIN.
    pub proven: bool,
    /// Whether the operation ended the authority of its own caller.
    pub ended_own: bool,
    /// When the caller was last active, if this transaction has read or written it.
    pub activity: Option<Activity>,
}

/// An open transaction, with everything else that an operation needs.
pub struct Tx<'a> {
    /// The connection that is in the transaction.
    pub conn: &'a mut Conn,
    /// The instant of the whole transaction.
    pub now: Timestamp,
    /// Policy, keys, formulary.
    pub app: &'a AppState,
    pub actor: Actor,
    /// Records whose health data the operation shows.
    pub shown: HealthAccess,
    /// `None` in a try that has not looked at the caller's row.
    activity: Option<Activity>,
    /// Appended in the last step, as one set.
    events: Vec<NewEvent>,
    after: AfterCommit,
    commit_on_refusal: bool,
}

impl<'a> Tx<'a> {
    fn new(conn: &'a mut Conn, app: &'a AppState, actor: Actor, activity: Option<Activity>) -> Self {
        Self {
            conn,
            now: app.now(),
            app,
            actor,
            shown: HealthAccess::to(actor),
            activity,
            events: Vec::new(),
            after: AfterCommit::default(),
            commit_on_refusal: false,
        }
    }

    /// The activity times in the caller's row before this transaction changed it: a check of how
    /// long the caller was inactive must use these, never the row.
    ///
    /// # Errors
    /// The refusal once the caller's authority has ended.
    fn activity(&mut self) -> Result<Activity, Failure> {
        if let Some(activity) = self.activity {
            return Ok(activity);
        }
        let (activity, _) = self.actor.open(self.conn, self.now, None)?;
        Ok(*self.activity.insert(activity))
    }

    /// As [`Self::activity`], but what this instance knows of it when `enough`: the truth is at most
    /// later.
    fn activity_unless(&mut self, enough: impl Fn(Activity) -> bool) -> Result<Activity, Failure> {
        let known = self.actor.authority(self.now).and_then(|authority| self.app.activity.get(authority));
        match known {
            Some(known) if enough(known) => Ok(known),
            _ => self.activity(),
        }
    }

    /// Whether the caller was inactive for so long that only their PIN shows who is present.
    ///
    /// # Errors
    /// As [`Self::activity`].
    pub(crate) fn caller_is_quiet(&mut self) -> Result<bool, Failure> {
        let now = self.now;
        Ok(is_quiet(self.activity_unless(|known| !is_quiet(known, now))?, now))
    }

    /// Whether to write that the caller was active, and if so, whether certainly in person.
    ///
    /// # Errors
    /// As [`Self::activity`].
    fn touch_due(&mut self) -> Result<Option<bool>, Failure> {
        let (actor, proven, now) = (self.actor, self.after.proven, self.now);
        // Whatever was before.
        if touch(actor, Activity { active_at: Some(now), attended_at: Some(now) }, proven, now).is_some() {
            return Ok(Some(true));
        }
        // However long ago.
        if touch(actor, Activity::default(), proven, now).is_none() {
            return Ok(None);
        }
        let before = self.activity_unless(|known| touch(actor, known, proven, now).is_none())?;
        Ok(touch(actor, before, proven, now))
    }

    /// The caller has proven by a PIN that they are present.
    pub(crate) fn caller_is_proven(&mut self) {
        self.after.proven = true;
    }

    /// This operation ends the authority of its own caller, so the last step does not check it.
    /// Call it only after this transaction has changed the row.
    pub(crate) fn ends_own_authority(&mut self) {
        self.after.ended_own = true;
    }

    /// Counts `fact` after the commit.
    pub fn count(&mut self, fact: Fact) {
        self.after.facts.push(fact);
    }

    /// Wakes `topic` after the commit.
    pub fn wake(&mut self, topic: Topic) {
        self.after.wakes.push(topic);
    }

    /// Commits what was written so far even if the operation is refused: a refusal must not roll
    /// back the wrong tries that were counted.
    pub(crate) fn commit_on_refusal(&mut self) {
        self.commit_on_refusal = true;
    }

    pub(crate) fn commits_on_refusal(&self) -> bool {
        self.commit_on_refusal
    }

    /// Appends an event about `id` in the last step of this transaction, and wakes its hearers after
    /// the commit.
    pub fn record<K>(
        &mut self,
        id: Id<K>,
        event: impl Into<Event>,
        recipients: Recipients,
    ) -> Result<(), Failure> {
        let event = event.into();
        let hearers = event.hearers();
        let worker_id = recipients.worker.filter(|_| hearers.worker);
        let staff_id = recipients.staff.filter(|_| hearers.staff);
        // A poll for work is woken only by what adds to it, or ends the authority to have it.
        if matches!(event, Event::Consultation(ConsultationEvent::Offered { .. }) | Event::Session(_)) {
            self.after.wakes.extend(staff_id.map(Topic::Offers));
        }
        if matches!(
            event,
            Event::Prescription(
                PrescriptionEvent::Signed { .. }
                    | PrescriptionEvent::Released { .. }
                    | PrescriptionEvent::Answered { .. }
            )
        ) {
            self.after.wakes.push(Topic::ReviewQueue);
        }
        self.events.push(NewEvent {
            stream_id: Id::from_uuid(id.uuid()),
            event,
            actor_role: self.actor.role_name(),
            actor_id: self.actor.any_id(),
            worker_id,
            staff_id,
            at: self.now,
        });
        self.after.wakes.push(Topic::Operators);
        self.after.wakes.extend(hearers.pharmacists.then_some(Topic::Reviews));
        self.after.wakes.extend(worker_id.map(Topic::Worker));
        self.after.wakes.extend(staff_id.map(Topic::Staff));
        Ok(())
    }
}
