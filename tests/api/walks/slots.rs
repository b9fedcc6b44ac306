//! The slots of a cabinet, as an operator sees them.

use chrono::NaiveDate;
use serde_json::{Value, json};

use crate::support::{TestApp, machine::slot, seed::Seed};
use domain::{
    stock::SlotNo,
    vend::journal::{Body, SlotCount},
};

#[derive(Debug, Clone)]
pub struct Slot {
    pub number: i32,
    pub product: String,
    pub lot: String,
    expires_on: NaiveDate,
    on_hand: u32,
    reserved: u32,
    pub in_doubt: u32,
    pub closed: Option<String>,
}

/// The slots of the seeded cabinet.
pub async fn of(app: &TestApp, seed: &Seed, operator: &str) -> Vec<Slot> {
    let path = format!("/api/v1/cabinets/{}", seed.cabinet);
    let cabinet = app.get(operator, &path).await.expect_ok();
    cabinet["slots"].as_array().expect("slots").iter().map(read).collect()
}

fn read(slot: &Value) -> Slot {
    let text = |name: &str| slot[name].as_str().unwrap_or_else(|| panic!("no {name} in {slot}")).to_owned();
    let number = |name: &str| slot[name].as_u64().and_then(|n| u32::try_from(n).ok()).expect("a number");
    Slot {
        number: slot["slot_no"].as_i64().and_then(|n| i32::try_from(n).ok()).expect("a number"),
        product: text("product_code"),
        lot: text("lot_no"),
        expires_on: text("expires_on").parse().expect("a day"),
        on_hand: number("on_hand"),
        reserved: number("reserved"),
        in_doubt: number("in_doubt"),
        closed: slot["closed_reason"].as_str().map(str::to_owned),
    }
}

impl Slot {
    fn slot_no(&self) -> SlotNo {
        slot(self.number)
    }

    /// What a count should find, without packs in doubt.
    pub fn as_counted(&self) -> SlotCount {
        SlotCount { slot: self.slot_no(), n: self.on_hand + self.reserved }
    }

    /// Whether the packs in it must be taken out.
    pub fn wants_another_lot(&self) -> bool {
        matches!(self.closed.as_deref(), Some("wrong_slot" | "expired" | "recalled"))
    }

    /// More packs of its product and lot.
    pub fn load(&self, packs: u32) -> Body {
        self.load_of(packs, &self.lot, self.expires_on)
    }

    /// Packs of its product, of this lot.
    pub fn load_of(&self, packs: u32, lot: &str, expires_on: NaiveDate) -> Body {
        let (product_code, lot_no) = (self.product.clone(), lot.to_owned());
        Body::Restock { slot: self.slot_no(), product_code, lot_no, expires_on, packs }
    }

    /// Packs of `other`'s product and lot are put into this one.
    pub fn load_as(&self, other: &Slot, packs: u32) -> Body {
        let Body::Restock { product_code, lot_no, expires_on, .. } = other.load(packs) else {
            unreachable!("a load is a restock")
        };
        Body::Restock { slot: self.slot_no(), product_code, lot_no, expires_on, packs }
    }

    /// The report of a cabinet that scans `other`'s product and lot here.
    pub fn report_as(&self, other: &Slot) -> Value {
        json!({"slot": self.number, "product_code": other.product, "lot_no": other.lot,
            "expires_on": other.expires_on, "count": 1})
    }

    /// The report of a cabinet that agrees with the server.
    pub fn report(&self) -> Value {
        let mut report = self.report_as(self);
        report["count"] = json!(self.on_hand + self.reserved);
        report
    }
}
