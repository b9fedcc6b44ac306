//! The cabinet's side of an attempt: the simulated cabinet runs it, and it is a reference for
//! firmware.
//!
//! The state machine decides; the caller acts. Every function returns steps that the caller carries
//! out in order: a `Write` must be durable on disk before the next step begins. What is not written
//! is lost in a power cut, and `boot` rebuilds the state from the journal alone.

use std::collections::BTreeMap;

use super::{
    attempt::NotDispensedReason,
    identity::BootId,
    journal::{Body, SlotCount},
    messages::Grant,
};
use crate::{
    ids::{AttemptId, StaffId},
    stock::SlotNo,
};

/// What a verified vend authorization permits: signature, audience (this device), epoch and the
/// quantity of one were checked before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permission {
    pub attempt: AttemptId,
    pub slot: SlotNo,
    /// The lot that the slot should hold.
    pub lot_no: String,
}

/// One step for the caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Append to the journal and wait until it is on disk.
    Write(Body),
    /// Ask the server for START.
    AskStart {
        attempt: AttemptId,
        /// The GRANT will be bound to this boot.
        boot: BootId,
    },
    /// Run the motor of this slot once.
    RunMotor { attempt: AttemptId, slot: SlotNo },
}

/// The sensors' readings after the motor stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sensed {
    /// The light curtain detected something falling.
    pub drop: bool,
    /// The hatch sensor reports for certain that the hatch is empty.
    pub hatch_empty: bool,
}

/// Progress of one attempt at this cabinet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stage {
    /// Permitted; nothing has moved. START may be requested, repeatedly.
    Pending {
        /// When this boot last requested START, in milliseconds since the boot began.
        asked_at_ms: Option<i64>,
    },
    /// Given up: every GRANT is refused.
    GivenUp,
    /// The motor may run, once, in this boot.
    Running,
    /// The motor has run or may have run; it never runs again for this attempt.
    Spent,
}

/// One attempt at this cabinet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    pub stage: Stage,
    /// `None` when only the journal still contains the attempt.
    pub permission: Option<Permission>,
}

/// The cabinet's in-memory state in one boot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CabinetSide {
    boot: BootId,
    door_open: bool,
    jobs: BTreeMap<AttemptId, Job>,
}

/// What the journal contains about one attempt.
#[derive(Default)]
struct Trace {
    intent: bool,
    drop_sensed: bool,
    settled: bool,
    given_up: bool,
}

impl CabinetSide {
    /// Starts with a new boot id and the contents of the journal.
    ///
    /// An INTENT without an outcome never runs the motor: the returned steps report the sensor's
    /// evidence, or `unknown`.
    pub fn boot<'a>(boot: BootId, journal: impl IntoIterator<Item = &'a Body>) -> (Self, Vec<Step>) {
        let (mut traces, mut door_open) = (BTreeMap::<AttemptId, (Trace, String)>::new(), false);
        for body in journal {
            match body {
                Body::DoorOpen { .. } => door_open = true,
                Body::DoorClose {} => door_open = false,
                _other => {}
            }
            let Some(attempt) = body.attempt() else { continue };
            let (trace, lot) = traces.entry(attempt).or_default();
            match body {
                Body::Intent { lot_no, .. } => {
                    trace.intent = true;
                    lot.clone_from(lot_no);
                }
                Body::Motor { .. } => trace.intent = true,
                Body::DropSensed { .. } => trace.drop_sensed = true,
                Body::Dispensed { .. } | Body::Unknown { .. } => trace.settled = true,
                // Before INTENT it is a refusal, after it an outcome.
                Body::NotDispensed { .. } if trace.intent => trace.settled = true,
                Body::NotDispensed { .. } | Body::Abandoned { .. } => trace.given_up = true,
                _other => {}
            }
        }
        let mut side = Self { boot, door_open, jobs: BTreeMap::new() };
        let mut steps = Vec::new();
        for (attempt, (trace, lot_no)) in traces {
            let moved = trace.intent || trace.drop_sensed || trace.settled;
            let stage = match (moved, trace.given_up) {
                (true, _) => Stage::Spent,
                (false, true) => Stage::GivenUp,
                (false, false) => continue,
            };
            if moved && !trace.settled {
                steps.push(Step::Write(if trace.drop_sensed {
                    Body::Dispensed { attempt, lot_no, serial: None }
                } else {
                    Body::Unknown { attempt }
                }));
            }
            side.jobs.insert(attempt, Job { stage, permission: None });
        }
        (side, steps)
    }

    /// The current boot.
    pub fn boot_id(&self) -> BootId {
        self.boot
    }

    /// A door is open, or was shut without a full count.
    pub fn door_is_open(&self) -> bool {
        self.door_open
    }

    /// The cabinet's state of an attempt.
    pub fn job(&self, attempt: AttemptId) -> Option<&Job> {
        self.jobs.get(&attempt)
    }

    /// Attempts whose motor was started in this boot and whose outcome is not written.
    pub fn running(&self) -> impl Iterator<Item = AttemptId> + '_ {
        self.jobs.iter().filter(|(_, job)| job.stage == Stage::Running).map(|(id, _)| *id)
    }

    /// Accepts a vend authorization. Delivery may happen twice: a known attempt keeps its stage.
    /// Returns whether it was new.
    pub fn authorize(&mut self, permission: Permission) -> bool {
        let id = permission.attempt;
        if self.jobs.contains_key(&id) {
            return false;
        }
        self.jobs
            .insert(id, Job { stage: Stage::Pending { asked_at_ms: None }, permission: Some(permission) });
        true
    }

    /// The server withdrew it. Only a job that has not moved is removed.
    pub fn void(&mut self, attempt: AttemptId) {
        if matches!(self.jobs.get(&attempt), Some(Job { stage: Stage::Pending { .. }, .. })) {
            self.jobs.remove(&attempt);
        }
    }

    /// The worker typed the pickup code: request START. Nothing is requested while a door is open
    /// or another pack is being vended.
    pub fn ask_start(&mut self, attempt: AttemptId, mono_ms: i64) -> Vec<Step> {
        if self.door_open || self.running().next().is_some() {
            return vec![];
        }
        let boot = self.boot;
        match self.stage_mut(attempt) {
            Some(Stage::Pending { asked_at_ms }) => {
                *asked_at_ms = Some(mono_ms);
                vec![Step::AskStart { attempt, boot }]
            }
            Some(Stage::GivenUp | Stage::Running | Stage::Spent) | None => vec![],
        }
    }

    /// A GRANT arrived. The motor runs only if it is for this boot, was requested by this boot, and
    /// is in time on the monotonic clock since the request. A GRANT that is late (or finds a door
    /// open) is given up.
    pub fn grant(&mut self, attempt: AttemptId, grant: &Grant, mono_ms: i64) -> Vec<Step> {
        let (own_boot, door_open) = (self.boot, self.door_open);
        if grant.boot_id != own_boot || self.running().next().is_some() {
            return vec![];
        }
        let Some(job) = self.jobs.get_mut(&attempt) else { return vec![] };
        let (Stage::Pending { asked_at_ms: Some(asked) }, Some(permission)) = (&job.stage, &job.permission)
        else {
            return vec![];
        };
        let late = mono_ms.saturating_sub(*asked) > i64::from(grant.ttl_ms);
        if late || door_open {
            job.stage = Stage::GivenUp;
            return vec![Step::Write(Body::Abandoned { attempt })];
        }
        let (slot, lot_no) = (permission.slot, permission.lot_no.clone());
        job.stage = Stage::Running;
        vec![Step::Write(Body::Intent { attempt, slot, lot_no }), Step::RunMotor { attempt, slot }]
    }

    /// The motor has stopped. No drop and an empty hatch is a proven jam; no drop without that
    /// proof is a jam that the server keeps in doubt.
    pub fn sensed(&mut self, attempt: AttemptId, sensed: Sensed, serial: Option<String>) -> Vec<Step> {
        let Some(job) = self.jobs.get_mut(&attempt) else { return vec![] };
        let (Stage::Running, Some(permission)) = (&job.stage, &job.permission) else { return vec![] };
        let lot_no = permission.lot_no.clone();
        job.stage = Stage::Spent;
        if sensed.drop {
            let outcome = Body::Dispensed { attempt, lot_no, serial };
            return vec![Step::Write(Body::DropSensed { attempt }), Step::Write(outcome)];
        }
        let reason = NotDispensedReason::Jam;
        vec![Step::Write(Body::NotDispensed { attempt, reason, hatch_empty: sensed.hatch_empty })]
    }

    /// The worker walked away: durably refuse every GRANT from now on.
    pub fn abandon(&mut self, attempt: AttemptId) -> Vec<Step> {
        self.give_up(attempt, Body::Abandoned { attempt })
    }

    /// A check of the slot before the motor ran found it empty, expired, recalled or wrong.
    pub fn decline(&mut self, attempt: AttemptId, reason: NotDispensedReason) -> Vec<Step> {
        match reason {
            // A jam needs a motor that ran.
            NotDispensedReason::Jam => vec![],
            NotDispensedReason::NotTried => self.abandon(attempt),
            NotDispensedReason::Empty
            | NotDispensedReason::Expired
            | NotDispensedReason::Recalled
            | NotDispensedReason::WrongSlot => {
                self.give_up(attempt, Body::NotDispensed { attempt, reason, hatch_empty: false })
            }
        }
    }

    /// A restocker opened a door.
    pub fn open_door(&mut self, who: StaffId) -> Vec<Step> {
        self.door_open = true;
        vec![Step::Write(Body::DoorOpen { who })]
    }

    /// The door was shut: it counts as closed only with a count for each of `slots`.
    ///
    /// # Errors
    /// The slots that were not counted; the door still counts as open.
    pub fn close_door(&mut self, slots: &[SlotNo], counts: &[SlotCount]) -> Result<Vec<Step>, Vec<SlotNo>> {
        let uncounted = super::journal::uncounted(slots, counts);
        if !uncounted.is_empty() {
            return Err(uncounted);
        }
        self.door_open = false;
        let mut steps: Vec<Step> =
            counts.iter().map(|c| Step::Write(Body::Count { slot: c.slot, n: c.n })).collect();
        steps.push(Step::Write(Body::DoorClose {}));
        Ok(steps)
    }

    fn stage_mut(&mut self, attempt: AttemptId) -> Option<&mut Stage> {
        self.jobs.get_mut(&attempt).map(|job| &mut job.stage)
    }

    fn give_up(&mut self, attempt: AttemptId, body: Body) -> Vec<Step> {
        match self.stage_mut(attempt) {
            Some(stage @ Stage::Pending { .. }) => {
                *stage = Stage::GivenUp;
                vec![Step::Write(body)]
            }
            Some(Stage::GivenUp | Stage::Running | Stage::Spent) | None => vec![],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TTL: u32 = 1000;
    fn boot_no(n: u8) -> BootId {
        BootId::from_bytes([n; 16])
    }
    fn pending(attempt: AttemptId) -> CabinetSide {
        let (mut side, steps) = CabinetSide::boot(boot_no(1), []);
        assert!(steps.is_empty());
        let slot = SlotNo::new(3).unwrap();
        assert!(side.authorize(Permission { attempt, slot, lot_no: "L1".into() }));
        side
    }
    fn grant(boot: u8) -> Grant {
        Grant { boot_id: boot_no(boot), ttl_ms: TTL }
    }
    fn written(steps: &[Step]) -> Vec<Body> {
        steps.iter().filter_map(|s| if let Step::Write(b) = s { Some(b.clone()) } else { None }).collect()
    }

    #[test]
    fn the_intent_is_written_before_the_motor_and_the_motor_runs_once() {
        let attempt = AttemptId::generate();
        let mut side = pending(attempt);
        assert!(side.grant(attempt, &grant(1), 0).is_empty(), "nobody asked");
        assert_eq!(side.ask_start(attempt, 5).len(), 1);
        assert!(side.grant(attempt, &grant(2), 6).is_empty(), "another boot's");
        let steps = side.grant(attempt, &grant(1), 5 + i64::from(TTL));
        assert!(matches!(steps[..], [Step::Write(Body::Intent { .. }), Step::RunMotor { .. }]));
        assert!(side.grant(attempt, &grant(1), 7).is_empty(), "twice");
        let drop = Sensed { drop: true, hatch_empty: false };
        assert_eq!(side.sensed(attempt, drop, None).len(), 2);
        assert!(side.sensed(attempt, drop, None).is_empty());
        assert!(side.ask_start(attempt, 9).is_empty());
    }

    #[test]
    fn a_late_grant_is_abandoned_and_stays_so_over_a_restart() {
        let attempt = AttemptId::generate();
        let mut side = pending(attempt);
        side.ask_start(attempt, 5);
        let steps = side.grant(attempt, &grant(1), 6 + i64::from(TTL));
        assert_eq!(written(&steps), [Body::Abandoned { attempt }]);
        assert!(side.ask_start(attempt, 9).is_empty() && side.grant(attempt, &grant(1), 9).is_empty());
        let (mut again, steps) = CabinetSide::boot(boot_no(2), &written(&steps));
        assert!(steps.is_empty() && again.ask_start(attempt, 0).is_empty());
    }

    #[test]
    fn a_restart_reports_what_the_sensor_saw_or_that_it_does_not_know() {
        let attempt = AttemptId::generate();
        let slot = SlotNo::new(3).unwrap();
        let intent = Body::Intent { attempt, slot, lot_no: "L1".into() };
        let (side, steps) = CabinetSide::boot(boot_no(2), [&intent]);
        assert_eq!(written(&steps), [Body::Unknown { attempt }]);
        assert_eq!(side.job(attempt).map(|j| &j.stage), Some(&Stage::Spent));
        let (_, steps) = CabinetSide::boot(boot_no(2), [&intent, &Body::DropSensed { attempt }]);
        assert_eq!(written(&steps), [Body::Dispensed { attempt, lot_no: "L1".into(), serial: None }]);
        let (_, steps) = CabinetSide::boot(boot_no(2), [&intent, &Body::Unknown { attempt }]);
        assert!(steps.is_empty());
    }

    #[test]
    fn a_door_needs_every_count_and_stops_start() {
        let attempt = AttemptId::generate();
        let mut side = pending(attempt);
        let slot = SlotNo::new(3).unwrap();
        side.open_door(StaffId::generate());
        assert!(side.ask_start(attempt, 0).is_empty());
        assert_eq!(side.close_door(&[slot], &[]), Err(vec![slot]));
        assert!(side.door_is_open());
        assert_eq!(side.close_door(&[slot], &[SlotCount { slot, n: 4 }]).unwrap().len(), 2);
        assert_eq!(side.ask_start(attempt, 0).len(), 1);
    }
}
