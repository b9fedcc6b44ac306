//! The events of an order: ids and amounts, never personal data.

use chrono::{DateTime, Utc};

use crate::{
    event::events,
    ids::{CabinetId, OrderUnitId, PrescriptionId},
    money::Fen,
    stock::SlotNo,
};

events! {
    /// What happened to an order.
    pub enum OrderEvent, kinds OrderEventKind {
        /// Its packs are reserved.
        Reserved = "order.reserved" to(worker) {
            cabinet: CabinetId,
            /// `None` over the counter.
            prescription: Option<PrescriptionId>,
            total_fen: Fen,
            units: Vec<OrderUnitId>,
            /// How many warnings the worker accepted, over the counter. Which ones would reveal their
            /// health.
            warnings_accepted: Option<usize>,
            /// Version of the safety rules used, over the counter.
            ruleset: Option<String>,
        },
        Paid = "order.paid" to(worker) {
            #[serde(rename = "total_fen")]
            total: Fen,
        },
        /// An attempt for this pack is live.
        UnitAuthorised = "order.unit_authorised" to(worker) { unit: OrderUnitId },
        /// The pack waits for another attempt.
        UnitFreed = "order.unit_freed" to(worker) { unit: OrderUnitId },
        /// It is unknown whether this pack was dispensed.
        UnitDoubted = "order.unit_in_doubt" to(worker) { unit: OrderUnitId },
        /// The pack was dispensed: settle its price.
        UnitDispensed = "order.unit_dispensed" to(worker) {
            unit: OrderUnitId,
            #[serde(rename = "amount_fen")]
            amount: Fen,
        },
        /// The pack is no longer reserved; it was never paid.
        UnitReleased = "order.unit_released" to(worker) { unit: OrderUnitId },
        /// The pack was not dispensed: refund its price and release the stock.
        UnitRefunded = "order.unit_refunded" to(worker) {
            unit: OrderUnitId,
            #[serde(rename = "amount_fen")]
            amount: Fen,
        },
        /// The pack is reserved in another slot.
        UnitRelocated = "order.unit_relocated" to(worker) { unit: OrderUnitId, from: SlotNo, to: SlotNo },
        /// Every pack has ended.
        Completed = "order.completed" to(worker) {},
        Cancelled = "order.cancelled" to(worker) {},
        Expired = "order.expired" to(worker) {},
        /// Its pickup code was entered wrongly too often. No longer written: a hatch slows down instead.
        PickupLocked = "order.pickup_locked" to(worker) {
            tries: i32,
            #[serde(skip_serializing_if = "Option::is_none")]
            until: Option<DateTime<Utc>>,
        },
    }
}
