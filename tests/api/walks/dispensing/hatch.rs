//! What happens at the hatch: START, the motor, and what the sensor sees.

use super::DispensingWalk;
use crate::support::machine::{DROP, JAM, drawn_boot};
use domain::vend::{AttemptState, NotDispensedReason, cabinet_side::Sensed};
use storage::vend::attempt::AttemptRow;

impl DispensingWalk<'_> {
    pub(super) async fn poll(&mut self) {
        let answer = self.cabinet.poll().await;
        let answer = self.trail.no_fault(answer);
        if answer.status == 200 {
            self.cabinet.take(answer.body);
        }
    }

    /// A code is typed at the hatch, for any attempt.
    pub(super) async fn start(&mut self, rightly: bool) {
        let mut all = self.attempts().await;
        if !all.iter().any(|row| row.state.is_live()) && !self.trail.chance.once_in(3) {
            self.order_prescribed().await;
            all = self.attempts().await;
        }
        self.poll().await;
        let live: Vec<&AttemptRow> = all.iter().filter(|row| row.state.is_live()).collect();
        let found = if live.is_empty() || self.trail.chance.once_in(8) {
            self.trail.chance.any(&all)
        } else {
            self.trail.chance.any(&live).cloned()
        };
        let Some(row) = found else { return };
        let code = self.codes.get(&row.order_id).filter(|_| rightly).cloned();
        let code = code.unwrap_or_else(|| format!("{:06}", self.trail.chance.below(1_000_000)));
        // After some wrong codes the hatch is paused, for the right code as well.
        if !rightly && self.trail.chance.once_in(3) {
            for _ in 0..5 {
                let guess = format!("{:06}", self.trail.chance.below(1_000_000));
                let answer = self.cabinet.start_as(self.cabinet.side.boot_id(), row.id, &guess).await;
                self.trail.no_fault(answer);
            }
        }
        let asked = self.cabinet.ask(row.id);
        if !asked && !self.trail.chance.once_in(3) {
            return;
        }
        let answer = self.cabinet.start_as(self.cabinet.side.boot_id(), row.id, &code).await;
        let answer = self.trail.no_fault(answer);
        // Some answers are lost, and some are late.
        let fate = self.trail.chance.below(12);
        if answer.status != 200 || !asked || fate == 0 {
            return;
        }
        if fate == 1 {
            self.cabinet.waits(60_000);
        }
        let runs = self.cabinet.granted(row.id, answer.body);
        self.trail.note(format!("  the motor of slot {} runs: {runs}", row.slot_no));
        match self.trail.chance.below(6) {
            _ if !runs => {}
            0 => {}
            1 => self.fall_silent().await,
            _ => self.finish().await,
        }
    }

    /// The motor stops, with or without a drop.
    pub(super) async fn finish(&mut self) {
        let Some(attempt) = self.cabinet.side.running().next() else { return };
        let fate = self.trail.chance.below(12);
        self.trail.note(format!("  fate {fate}"));
        let falls = matches!(fate, 0..=5 | 9 | 10);
        if falls {
            let all = self.attempts().await;
            let row = all.iter().find(|row| row.id == attempt).expect("an attempt");
            *self.fell.entry(row.order_unit_id).or_default() += 1;
        }
        let sensed = match fate {
            6 | 7 => JAM,
            8 => Sensed { drop: false, hatch_empty: false },
            _ => DROP,
        };
        match fate {
            // The power fails before anything is written, or half-way.
            9 | 11 => return self.power_cut(drawn_boot()).await,
            10 => {
                let steps = self.cabinet.side.sensed(attempt, sensed, None);
                self.cabinet.carry_out(steps.into_iter().take(1).collect());
                return self.power_cut(drawn_boot()).await;
            }
            _ => {}
        }
        let steps = self.cabinet.side.sensed(attempt, sensed, None);
        self.cabinet.carry_out(steps);
        if self.trail.chance.once_in(2) {
            self.report().await;
        }
    }

    /// The cabinet is silent for too long, and then draws the same boot id.
    pub(super) async fn fall_silent(&mut self) {
        self.app.pass(121);
        self.jobs().await;
        self.power_cut(self.cabinet.side.boot_id()).await;
    }

    pub(super) async fn walk_away(&mut self) {
        self.poll().await;
        if let Some(row) = self.trail.chance.any(&self.attempts().await) {
            let steps = self.cabinet.side.abandon(row.id);
            self.cabinet.carry_out(steps);
        }
    }

    /// The cabinet finds a reason not to run the motor.
    pub(super) async fn decline(&mut self) {
        self.poll().await;
        let any = self.trail.chance.one(NotDispensedReason::ALL);
        let reason = if self.trail.chance.once_in(3) { NotDispensedReason::Empty } else { any };
        let all = self.attempts().await;
        let issued: Vec<&AttemptRow> = all.iter().filter(|row| row.state == AttemptState::Issued).collect();
        if let Some(row) = self.trail.chance.any(&issued) {
            let steps = self.cabinet.side.decline(row.id, reason);
            self.cabinet.carry_out(steps);
            self.report().await;
        }
    }
}
