//! A restocker's visit: the door is opened, low slots are filled with the lot
//! that they hold, everything is counted, and the door is shut. It happens
//! through the journal, as at a real cabinet.

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

/// A product with fewer packs than this in slots that work is running dry.
const LOW: u32 = 3;
/// A slot with fewer is filled up, once somebody is there.
const FILLED_BELOW: u32 = 12;

impl Machine {
    /// Has a restocker come, if one fills this cabinet and a product runs dry.
    ///
    /// # Errors
    /// When the journal could not be kept or handed in.
    pub async fn restock_if_low(&mut self) -> Result<(), Halt> {
        let Some(who) = self.restocker else { return Ok(()) };
        let low = runs_dry(&self.slots, |slot| self.jammed.contains(&slot));
        // Nobody reaches in while a pack is on its way.
        if !(low || self.left_open) || !self.pending.is_empty() || self.side.running().next().is_some() {
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
        self.left_open = false;
        self.report().await
    }
}

fn capacity() -> u32 {
    u32::try_from(SLOT_CAPACITY).unwrap_or(0)
}

/// What is put into a slot that is low.
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

/// Whether some product has hardly a pack left that could come out.
fn runs_dry(slots: &[SlotReport], jammed: impl Fn(SlotNo) -> bool) -> bool {
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
    fn a_product_runs_dry_when_no_working_slot_holds_enough_of_it() {
        let slots = [slot(1, "A", 2), slot(2, "A", 2), slot(3, "B", 9)];
        assert!(!runs_dry(&slots, |_| false), "four of A and nine of B");
        assert!(runs_dry(&slots, |slot| slot.get() == 2), "two of A");
        assert!(runs_dry(&slots, |slot| slot.get() == 3), "none of B");
        assert!(matches!(load_of(&slots[0]), Some(Body::Restock { packs: 18, .. })));
        assert!(load_of(&slot(1, "A", FILLED_BELOW)).is_none());
    }
}
