//! What the restocker does, and the slots that the cabinet reports.

use chrono::TimeDelta;
use serde_json::json;

use super::{super::slots::Slot, DispensingWalk};
use domain::vend::{AttemptState, journal::Body};
use storage::vend::attempt::AttemptRow;

impl DispensingWalk<'_> {
    pub(super) async fn shut_the_door(&mut self) {
        let counts: Vec<_> = self.slots().await.iter().map(Slot::as_counted).collect();
        let all: Vec<_> = counts.iter().map(|count| count.slot).collect();
        if !self.trail.chance.once_in(4) {
            if let Ok(steps) = self.cabinet.side.close_door(&all, &counts) {
                self.cabinet.carry_out(steps);
            }
            return;
        }
        // Faulty firmware closes the door before all slots are counted.
        for count in counts.iter().skip(1) {
            self.cabinet.write(Body::Count { slot: count.slot, n: count.n });
        }
        self.cabinet.write(Body::DoorClose {});
    }

    pub(super) async fn count(&mut self) {
        let found = self.slots().await;
        let Some(slot) = self.trail.chance.any(&found) else { return };
        let seen = slot.as_counted();
        let n = match self.trail.chance.below(8) {
            0 => seen.n + 1,
            1 => seen.n.saturating_sub(1),
            2 => u32::MAX,
            _ => seen.n,
        };
        self.cabinet.write(Body::Count { slot: seen.slot, n });
    }

    pub(super) async fn restock(&mut self) {
        let found = self.slots().await;
        let Some(slot) = self.trail.chance.any(&found) else { return };
        let spoilt = self.trail.chance.once_in(3);
        if spoilt || slot.wants_another_lot() || self.trail.chance.once_in(3) {
            self.refill(&slot, spoilt);
        } else {
            self.cabinet.write(slot.load(2));
        }
        if !self.trail.chance.once_in(3) {
            let now = self.slots().await;
            let seen = now.iter().find(|other| other.number == slot.number).expect("a slot").as_counted();
            self.cabinet.write(Body::Count { slot: seen.slot, n: seen.n });
        }
    }

    /// Takes everything out, and puts packs of another lot in.
    pub(super) fn refill(&mut self, slot: &Slot, spoilt: bool) {
        self.lots += 1;
        let days = if spoilt { -1 } else { 400 };
        let expires_on = (self.app.now() + TimeDelta::days(days)).date_naive();
        let lot = format!("N{}-{}", self.trail.chance.seed, self.lots);
        let number = slot.as_counted().slot;
        self.cabinet.write(Body::Count { slot: number, n: 0 });
        self.cabinet.write(slot.load_of(3, &lot, expires_on));
        self.cabinet.write(Body::Count { slot: number, n: 3 });
    }

    pub(super) async fn misload(&mut self) {
        let found = self.slots().await;
        let (Some(slot), Some(other)) = (found.first(), found.last()) else { return };
        let (one, two) = if self.trail.chance.once_in(2) { (slot, other) } else { (other, slot) };
        self.cabinet.write(one.load_as(two, 1));
    }

    pub(super) async fn hold_something_else(&mut self) {
        let found = self.slots().await;
        let (Some(one), Some(two)) = (found.first(), found.last()) else { return };
        self.hello(json!([one.report_as(two)])).await;
    }

    /// Counts every slot, packs in doubt that have not fallen included.
    pub(super) async fn count_truly(&mut self) {
        let all = self.attempts().await;
        for slot in self.slots().await {
            let there = |row: &&AttemptRow| {
                row.state == AttemptState::InDoubt
                    && row.slot_no == slot.number
                    && !self.fell.contains_key(&row.order_unit_id)
            };
            let stuck = u32::try_from(all.iter().filter(there).count()).expect("a few");
            let seen = slot.as_counted();
            self.cabinet.write(Body::Count { slot: seen.slot, n: seen.n + stuck });
        }
    }
}
