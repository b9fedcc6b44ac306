//! What lies in a cabinet: filled at the start of a test, read as an operator reads
//! it, and changed past the rules.

use chrono::{NaiveDate, TimeDelta};
use diesel::prelude::*;
use serde_json::Value;

use super::{
    TestApp,
    places::{FilledSlot, add_lot, add_slot},
    seed::Seed,
};
use domain::{
    formulary::{Formulary, IngredientCode, Product, ProductCode},
    money::Fen,
    prescription::CabinetLane,
};
use service::{Actor, Failure};
use storage::{
    on_backend,
    schema::{cabinet, lot, slot_stock},
};

pub const RX: &str = "carbocisteine-250";
pub const OTC: &str = "smectite-3g";

/// A capsule on prescription, and a cream over the counter of which five packs
/// are one course.
fn sample_products() -> [Product; 2] {
    let book = Formulary::shipped().expect("the shipped file is good");
    let like = |code: &str, other: &str, price: i64| {
        let mut product = book.find(other).expect("shipped").clone();
        product.code = ProductCode::parse(code).expect("a code");
        (product.generic_zh, product.generic_en) = ("样例药".into(), "Sample".into());
        product.price = Fen(price);
        product
    };
    let mut cream = like(OTC, "DIC-G1", 500);
    cream.ingredients[0].code = IngredientCode::parse("urea").expect("an ingredient");
    cream.contraindications.clear();
    // A mucolytic on prescription: no skin test, and nothing against it in a cold.
    let mut capsule = like(RX, "AMX-C250", 1200);
    capsule.ingredients[0].code = IngredientCode::parse("carbocisteine").expect("an ingredient");
    capsule.atc = "R05CB03".into();
    [capsule, cream]
}

fn day(text: &str) -> NaiveDate {
    text.parse().expect("a day")
}

impl TestApp {
    /// A server whose cabinet is filled.
    pub async fn open_filled() -> Self {
        let app = Self::open().await;
        app.fill(app.network().await).await;
        app
    }

    /// Fills the cabinet: 2 + 3 packs of a prescription drug in slots 1 and 2,
    /// 3 packs of an over-the-counter drug in slot 3.
    pub async fn fill(&self, seed: &Seed) {
        let id = seed.cabinet;
        self.state
            .write(Actor::System, move |tx| -> Result<(), Failure> {
                let products = sample_products();
                service::formulary::put(tx, &products.iter().collect::<Vec<_>>())?;
                for (slot_no, product, lot, expires_on, packs) in [
                    (1, RX, "L1", "2027-06-30", 2),
                    (2, RX, "L2", "2027-12-31", 3),
                    (3, OTC, "B1", "2027-03-31", 3),
                ] {
                    add_lot(tx, product, lot, day(expires_on))?;
                    add_slot(tx, id, &FilledSlot { slot_no, product, lot, packs, capacity: 10 })?;
                }
                Ok(())
            })
            .await
            .expect("filled");
        service::formulary::edition::look(&self.state).await.expect("looked");
    }

    /// Fills a slot of the cabinet with packs of a product.
    pub async fn fill_slot(&self, seed: &Seed, slot_no: i32, product: &'static str, packs: i64) {
        let id = seed.cabinet;
        self.state
            .write(Actor::System, move |tx| -> Result<(), Failure> {
                let lot = "F1";
                add_lot(tx, product, lot, day("2027-12-31"))?;
                add_slot(tx, id, &FilledSlot { slot_no, product, lot, packs, capacity: 10 })
            })
            .await
            .expect("filled");
    }

    /// Puts the cabinet in another lane.
    pub async fn lane(&self, seed: &Seed, lane: CabinetLane) {
        let id = seed.cabinet;
        self.state
            .write(Actor::System, move |tx| -> Result<(), Failure> {
                on_backend!(tx.conn, c => diesel::update(cabinet::table.find(id)).set(cabinet::lane.eq(lane)).execute(c))?;
                Ok(())
            })
            .await
            .expect("set");
    }

    /// Moves the expiry date of a lot to yesterday.
    pub async fn spoil(&self, lot_no: &'static str) {
        self.expire_on(lot_no, (self.now() - TimeDelta::days(1)).date_naive()).await;
    }

    /// Moves the last day of a lot.
    pub async fn expire_on(&self, lot_no: &'static str, day: NaiveDate) {
        self.state
            .write(Actor::System, move |tx| -> Result<(), Failure> {
                on_backend!(tx.conn, c => diesel::update(lot::table.filter(lot::lot_no.eq(lot_no)))
                    .set(lot::expires_on.eq(day))
                    .execute(c))?;
                Ok(())
            })
            .await
            .expect("spoilt");
    }

    /// The packs of a slot, as an operator sees them: on hand, reserved, in doubt, and
    /// why the slot is closed.
    pub async fn packs_in(&self, slot_no: i64) -> (i64, i64, i64, Value) {
        self.slot(self.network().await, slot_no).await
    }

    pub async fn slot(&self, seed: &Seed, slot_no: i64) -> (i64, i64, i64, Value) {
        let path = format!("/api/v1/cabinets/{}", seed.cabinet);
        let cabinet = self.get(&self.operator_token(seed), &path).await.expect_ok();
        let slots = cabinet["slots"].as_array().expect("slots").clone();
        let slot = slots.into_iter().find(|slot| slot["slot_no"] == slot_no).expect("the slot");
        let n = |name: &str| slot[name].as_i64().expect("a number");
        (n("on_hand"), n("reserved"), n("in_doubt"), slot["closed_reason"].clone())
    }

    /// Removes a pack from the ledger, as no rule would.
    pub async fn forge_stock(&self, seed: &Seed) {
        let id = seed.cabinet;
        self.state
            .write(Actor::System, move |tx| -> Result<(), Failure> {
                on_backend!(tx.conn, c => diesel::update(slot_stock::table)
                    .filter(slot_stock::cabinet_id.eq(id))
                    .filter(slot_stock::slot_no.eq(1))
                    .set((slot_stock::reserved.eq(0_i64), slot_stock::discarded.eq(1_i64)))
                    .execute(c))?;
                Ok(())
            })
            .await
            .expect("forged");
    }
}
