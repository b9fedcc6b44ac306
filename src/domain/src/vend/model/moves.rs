//! Every transition of the model check: by the server, a person, the cabinets, or a power cut. The
//! rules are the real functions; a weakening changes their inputs or outputs.

use chrono::TimeDelta;

use super::world::{
    BOOTS, Cabinet, EVIDENCE, Mutation, Wire, World, attempt_id, boot_id, early, index_of, late, slot,
};
use crate::{
    ids::AttemptId,
    time::Timestamp,
    vend::{
        attempt::{AttemptState, GRANT_TTL_MS, NotDispensedReason, VoidReason, may_issue},
        cabinet_side::{CabinetSide, Permission, Sensed, Stage, Step},
        decide::{Command, CountDecision, Evidence, StartGate, decide},
        event::{AttemptEvent, Proof},
        identity::Epoch,
        journal::Body,
        messages::Grant,
    },
};

type Next = Vec<(&'static str, World)>;

fn grant(boot: u8) -> Grant {
    Grant { boot_id: boot_id(boot), ttl_ms: GRANT_TTL_MS }
}

impl World {
    /// Every next world, whoever acts.
    pub(crate) fn successors(&self) -> Next {
        let mut next = Vec::with_capacity(24);
        for k in 0..2 {
            if self.attempts[k].is_some() {
                self.server_moves(k, &mut next);
                self.human_moves(k, &mut next);
                self.cabinet_moves(k, &mut next);
            }
        }
        self.issue_moves(&mut next);
        for c in 0..2 {
            if self.cabinets[c].cuts > 0 && (0..2).any(|k| self.attempts[k].is_some() && self.at[k] == c) {
                self.power_cut(c, "power cut", true, &mut next);
                self.same_boot_again(c, &mut next);
            }
        }
        for (_, world) in &mut next {
            world.forget_the_dead();
        }
        next
    }

    /// Runs one command through the real server rules, weakened where the mutation requires it.
    fn decide(&self, k: usize, command: Command, now: Timestamp) -> Option<Vec<AttemptEvent>> {
        let mut attempt = self.attempts[k]?;
        let mut command = command;
        match (self.mutation, &mut command) {
            (Mutation::StartAcrossBoots, Command::Start { boot, .. })
                if attempt.state == AttemptState::Started =>
            {
                attempt.granted_boot = Some(*boot);
            }
            (Mutation::TimeoutIsFailure, Command::Silence { .. })
                if attempt.state == AttemptState::Started =>
            {
                let reason = NotDispensedReason::NotTried;
                return Some(vec![AttemptEvent::NotDispensed { reason, proof: Proof::Journal }]);
            }
            (Mutation::VoidAfterStart, Command::Void { .. }) if attempt.state == AttemptState::Started => {
                attempt.state = AttemptState::Issued;
            }
            (Mutation::CountWhileLive, Command::HumanCount { cabinet_rebooted_after_doubt, .. }) => {
                *cabinet_rebooted_after_doubt = true;
            }
            (
                Mutation::AbandonmentFromAnotherBoot,
                Command::JournalEvidence { boot, evidence: Evidence::Abandoned, .. },
            ) => *boot = attempt.granted_boot.unwrap_or(*boot),
            _ => {}
        }
        decide(&attempt, command, now).ok()
    }

    /// The world after the server accepted `command`, if it did.
    fn after(&self, k: usize, command: Command, now: Timestamp) -> Option<World> {
        let events = self.decide(k, command, now)?;
        let mut world = self.clone();
        for event in &events {
            world.attempts[k] = world.attempts[k].map(|attempt| attempt.after(event, early()));
        }
        Some(world)
    }

    fn server_moves(&self, k: usize, next: &mut Next) {
        let mut push = |label, world: Option<World>| next.extend(world.map(|world| (label, world)));
        let wire = self.wires[k];
        let current = !(self.replaced && self.at[k] == 0);
        for n in (0..BOOTS).filter(|n| wire.starts >> n & 1 == 1) {
            let gate = StartGate { epoch_is_current: current, ..StartGate::CLEAR };
            let start = Command::Start { boot: boot_id(n), epoch: Epoch::FIRST, gate };
            push("START", self.after(k, start, early()).map(|world| world.with_grant(k, n)));
        }
        push("void", self.after(k, Command::Void { reason: VoidReason::Expired }, late()));
        push("silence", self.after(k, Command::Silence { limit: TimeDelta::zero() }, late()));
        for n in 0..=self.cabinets[self.at[k]].boot {
            push("hello", self.after(k, Command::NewBoot { boot: boot_id(n) }, early()));
        }
        for bit in (0..EVIDENCE.len() as u64 * u64::from(BOOTS)).filter(|bit| wire.reported >> bit & 1 == 1) {
            let evidence = EVIDENCE[(bit / u64::from(BOOTS)) as usize];
            let boot = boot_id((bit % u64::from(BOOTS)) as u8);
            let command = Command::JournalEvidence { boot, epoch: Epoch::FIRST, evidence };
            push("evidence", self.after(k, command, early()));
        }
    }

    fn with_grant(mut self, k: usize, boot: u8) -> World {
        self.wires[k].grants |= 1 << boot;
        self
    }

    /// A person counts the packs, after restarting the cabinet.
    fn human_moves(&self, k: usize, next: &mut Next) {
        let Some(attempt) = self.attempts[k].filter(|attempt| attempt.state == AttemptState::InDoubt) else {
            return;
        };
        let cabinet = &self.cabinets[self.at[k]];
        let rebooted = attempt.granted_boot != Some(boot_id(cabinet.boot));
        let decision = match cabinet.drops[k] {
            0 => CountDecision::NotDispensed(NotDispensedReason::NotTried),
            _ => CountDecision::Dispensed,
        };
        let command = Command::HumanCount { cabinet_rebooted_after_doubt: rebooted, decision };
        next.extend(self.after(k, command, early()).map(|world| ("human count", world)));
        if !rebooted {
            self.power_cut(self.at[k], "human restart", false, next);
        }
    }

    fn issue_moves(&self, next: &mut Next) {
        let (Some(first), None) = (self.attempts[0], self.attempts[1]) else { return };
        let expired_counts_as_void =
            self.mutation == Mutation::IssueAgainWithoutVoid && first.state == AttemptState::Issued;
        if may_issue([first.state]).is_ok() || expired_counts_as_void {
            for c in usize::from(self.replaced)..2 {
                let mut world = self.clone();
                world.issue(1, c);
                next.push(("issue again", world));
            }
        }
        if !self.replaced {
            next.push(("replace", self.replace()));
        }
    }

    fn replace(&self) -> World {
        let mut world = self.after(0, Command::NewEpoch, early()).expect("a new epoch is never refused");
        world.replaced = true;
        world
    }

    fn cabinet_moves(&self, k: usize, next: &mut Next) {
        let (c, id) = (self.at[k], attempt_id(k));
        let mut act = |label, f: &dyn Fn(&mut Cabinet) -> Vec<Step>| {
            let mut world = self.clone();
            let steps = f(&mut world.cabinets[c]);
            world.carry_out(c, steps);
            next.push((label, world));
        };
        let cabinet = &self.cabinets[c];
        if cabinet.side.job(id).is_none() {
            act("authorization", &|cabinet| {
                cabinet.side.authorize(Permission { attempt: id, slot: slot(), lot_no: String::new() });
                vec![]
            });
            return;
        }
        if self.state(k) == Some(AttemptState::Voided) {
            act("void message", &|cabinet| {
                cabinet.side.void(id);
                vec![]
            });
        }
        act("ask START", &|cabinet| cabinet.side.ask_start(id, 0));
        act("abandon", &|cabinet| cabinet.side.abandon(id));
        act("found empty", &|cabinet| cabinet.side.decline(id, NotDispensedReason::Empty));
        for n in (0..BOOTS).filter(|n| self.wires[k].grants >> n & 1 == 1) {
            act("GRANT", &|cabinet| self.take_grant(cabinet, id, n, 0));
            act("late GRANT", &|cabinet| self.take_grant(cabinet, id, n, i64::from(GRANT_TTL_MS) + 1));
        }
        if self.mutation == Mutation::VendOffline {
            act("vend offline", &|cabinet| {
                cabinet.side.ask_start(id, 0);
                cabinet.side.grant(id, &grant(cabinet.boot), 0)
            });
        }
        self.machine_moves(k, next);
    }

    /// A GRANT arrives, weakened where the mutation requires it.
    fn take_grant(&self, cabinet: &mut Cabinet, id: AttemptId, boot: u8, mono_ms: i64) -> Vec<Step> {
        let given_up = cabinet.side.job(id).is_some_and(|job| job.stage == Stage::GivenUp);
        if self.mutation == Mutation::AbandonmentTakesGrant && given_up {
            // Ignore the abandonment.
            let mut side = CabinetSide::boot(boot_id(cabinet.boot), []).0;
            side.authorize(Permission { attempt: id, slot: slot(), lot_no: String::new() });
            side.ask_start(id, 0);
            let steps = side.grant(id, &grant(boot), mono_ms);
            if !steps.is_empty() {
                cabinet.side = side;
            }
            return steps;
        }
        let boot = if self.mutation == Mutation::GrantNotBoundToBoot { cabinet.boot } else { boot };
        cabinet.side.grant(id, &grant(boot), mono_ms)
    }

    /// The motor turns, then the sensors report: the pack falls or not, detected or not.
    fn machine_moves(&self, k: usize, next: &mut Next) {
        let c = self.at[k];
        if self.cabinets[c].motor == Some(k) {
            for (falls, seen) in [(true, true), (true, false), (false, true), (false, false)] {
                let mut world = self.clone();
                let cabinet = &mut world.cabinets[c];
                cabinet.motor = None;
                cabinet.drops[k] += u8::from(falls);
                cabinet.felt = Some((k, Sensed { drop: falls && seen, hatch_empty: !falls && seen }));
                next.push((if falls { "motor: drop" } else { "motor: no drop" }, world));
            }
        }
        if let Some((attempt, sensed)) = self.cabinets[c].felt
            && attempt == k
        {
            let mut world = self.clone();
            world.cabinets[c].felt = None;
            let steps = world.cabinets[c].side.sensed(attempt_id(k), sensed, None);
            world.carry_out(c, steps);
            next.push(("sensors", world));
        }
    }

    /// The power fails, with or without losing the last journal write, and comes back.
    fn power_cut(&self, c: usize, label: &'static str, counts: bool, next: &mut Next) {
        for loses in [false, true] {
            let mut world = self.clone();
            let cabinet = &mut world.cabinets[c];
            if loses && cabinet.disk.pop().is_none() {
                continue;
            }
            cabinet.cuts -= u8::from(counts);
            cabinet.boot += 1;
            (cabinet.motor, cabinet.felt) = (None, None);
            let (side, mut steps) = CabinetSide::boot(boot_id(cabinet.boot), &cabinet.disk);
            cabinet.side = side;
            if self.mutation == Mutation::MotorAgainAfterReboot
                && let Some(Step::Write(Body::Unknown { attempt })) = steps.first()
            {
                // Treat an INTENT as an order to finish.
                cabinet.motor = Some(index_of(*attempt));
                steps.clear();
            }
            world.carry_out(c, steps);
            next.push((label, world));
        }
    }

    /// The power fails, and the cabinet comes back with the same boot id: its random numbers are
    /// broken. It says hello and waits for the answer before anything else, as always, and the
    /// server sees that its monotonic clock has gone back.
    ///
    /// Only the journal's hash chain, which this model does not have, distinguishes what the first
    /// boot with that id had sent from what the second one sends: the model assumes that it has
    /// arrived or is lost. Pending answers are lost with their connection.
    fn same_boot_again(&self, c: usize, next: &mut Next) {
        for loses in [false, true] {
            let mut world = self.clone();
            let cabinet = &mut world.cabinets[c];
            if loses && cabinet.disk.pop().is_none() {
                continue;
            }
            cabinet.cuts -= 1;
            (cabinet.motor, cabinet.felt) = (None, None);
            let boot = boot_id(cabinet.boot);
            let (side, steps) = CabinetSide::boot(boot, &cabinet.disk);
            cabinet.side = side;
            for k in (0..2).filter(|k| self.at[*k] == c) {
                world.wires[k] = Wire::default();
                if self.mutation != Mutation::SameBootIsNoRestart
                    && let Some(after) = world.after(k, Command::SameBoot { boot }, early())
                {
                    world = after;
                }
            }
            world.carry_out(c, steps);
            next.push(("power cut, and the same boot id", world));
        }
    }

    /// Carries out the cabinet's steps. A written journal entry may be reported from then on.
    fn carry_out(&mut self, c: usize, steps: Vec<Step>) {
        for step in steps {
            let boot = self.cabinets[c].boot;
            match step {
                Step::Write(body) => {
                    if let (Some(attempt), Some(evidence)) = (body.attempt(), body.evidence()) {
                        let code = EVIDENCE.iter().position(|e| *e == evidence).expect("listed above");
                        self.wires[index_of(attempt)].reported |=
                            1 << (code as u64 * u64::from(BOOTS) + u64::from(boot));
                    }
                    self.cabinets[c].disk.push(body);
                }
                Step::AskStart { attempt, .. } => self.wires[index_of(attempt)].starts |= 1 << boot,
                Step::RunMotor { attempt, .. } => self.cabinets[c].motor = Some(index_of(attempt)),
            }
        }
    }
}
