//! A restocker's visit: opens the door, fills low slots with the lot they already
//! contain, counts everything and closes the door. It is recorded in the journal,
//! as by a real cabinet.

use std::collections::HashMap;

use super::machine::{Halt, Machine};
use crate::sample::SLOT_CAPACITY;
use domain::{
    stock::SlotNo,
    vend::{
        cabinet_side::Step,
        journal::{Body, SlotCount},
        messages::SlotReport,
    },
};

/// A product with fewer packs than this in working slots is running low.
const LOW: u32 = 3;
/// During a visit, slots with fewer packs than this are filled.
const FILLED_BELOW: u32 = 12;

impl Machine {
    /// Simulates a visit, if the cabinet has a restocker and a product runs low or the
    /// door was left open.
    ///
    /// # Errors
    /// When the journal could not be stored or sent.
    pub(crate) async fn restock_if_low(&mut self) -> Result<(), Halt> {
        let Some(who) = self.restocker else { return Ok(()) };
        let low = runs_low(&self.slots, |slot| self.jammed.contains(&slot));
        // Not while a pack is being vended.
        if !(low || self.door_left_open) || !self.pending.is_empty() || self.side.running().next().is_some() {
            return Ok(());
        }
        let mut steps = self.side.open_door(who);
        let mut counts = Vec::new();
        for report in &mut self.slots {
            if let Some(load) = load_of(report) {
                steps.push(Step::Write(load));
                report.count = capacity();
            }
            if report.product_code.is_some() {
                counts.push(SlotCount { slot: report.slot, n: report.count });
            }
        }
        let slots: Vec<SlotNo> = counts.iter().map(|count| count.slot).collect();
        steps.extend(self.side.close_door(&slots, &counts).unwrap_or_default());
        self.write_all(steps).await?;
        self.jammed.clear();
        self.door_left_open = false;
        self.report().await
    }
}

fn capacity() -> u32 {
    u32::try_from(SLOT_CAPACITY).unwrap_or(0)
}

/// The restock entry for a slot that is low.
fn load_of(report: &SlotReport) -> Option<Body> {
    let packs = capacity().checked_sub(report.count).filter(|_| report.count < FILLED_BELOW)?;
    Some(Body::Restock {
        slot: report.slot,
        product_code: report.product_code.clone()?,
        lot_no: report.lot_no.clone()?,
        expires_on: report.expires_on?,
        packs,
    })
}

/// Whether some product has fewer than `LOW` packs in working slots.
fn runs_low(slots: &[SlotReport], jammed: impl Fn(SlotNo) -> bool) -> bool {
    let mut left: HashMap<&str, u32> = HashMap::new();
    for report in slots {
        let Some(product) = &report.product_code else { continue };
        let usable = if jammed(report.slot) { 0 } else { report.count };
        *left.entry(product).or_default() += usable;
    }
    left.values().any(|packs| *packs < LOW)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slot(number: i32, product: &str, count: u32) -> SlotReport {
        SlotReport {
            slot: SlotNo::new(number).unwrap(),
            product_code: Some(product.to_owned()),
            lot_no: Some("L1".to_owned()),
            expires_on: chrono::NaiveDate::from_ymd_opt(2027, 1, 1),
            count,
        }
    }

    #[test]
    fn a_product_runs_low_when_working_slots_contain_too_few_packs() {
        let slots = [slot(1, "A", 2), slot(2, "A", 2), slot(3, "B", 9)];
        assert!(!runs_low(&slots, |_| false), "four of A and nine of B");
        assert!(runs_low(&slots, |slot| slot.get() == 2), "two of A");
        assert!(runs_low(&slots, |slot| slot.get() == 3), "none of B");
        assert!(matches!(load_of(&slots[0]), Some(Body::Restock { packs: 18, .. })));
        assert!(load_of(&slot(1, "A", FILLED_BELOW)).is_none());
    }
}
