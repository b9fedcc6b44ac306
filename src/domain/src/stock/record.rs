//! An import row for the stock of a cabinet's slot.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use crate::{
    network::{FileRecord, Record, checks::Findings, import::Cells},
    refusal::FieldProblem,
    words::Bilingual,
};

/// Per cabinet.
const MAX_SLOTS: i32 = 400;
/// Per slot.
const MAX_PACKS: i32 = 100;

/// One slot of a cabinet with its one lot (Source: cabinet protocol, "a slot holds one lot at a time").
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StockRecord {
    /// The station of the cabinet.
    pub station_code: String,
    /// From 1.
    pub slot_no: i32,
    /// Code in the catalogue.
    pub product_code: String,
    pub lot_no: String,
    /// The last day on which the lot may be used.
    pub expires_on: NaiveDate,
    /// Packs in the slot.
    pub quantity: i32,
    /// Maximum number of packs in the slot.
    pub capacity: i32,
}

impl FileRecord for StockRecord {
    const KIND: &'static str = "stock";
    const COLUMNS: &'static [&'static str] =
        &["station_code", "slot_no", "product_code", "lot_no", "expires_on", "quantity", "capacity"];
    const OPTIONAL: &'static [&'static str] = &[];

    fn parse(cells: &mut Cells<'_, '_>) -> Self {
        Self {
            station_code: cells.code("station_code"),
            slot_no: cells.number("slot_no"),
            product_code: cells.code("product_code"),
            lot_no: cells.code("lot_no"),
            expires_on: cells.date("expires_on"),
            quantity: cells.number("quantity"),
            capacity: cells.number("capacity"),
        }
    }
}

impl Record for StockRecord {
    fn validate(&self, today: NaiveDate) -> Vec<FieldProblem> {
        let mut found = Findings::default();
        found.code("station_code", &self.station_code);
        found.range("slot_no", self.slot_no, 1..=MAX_SLOTS);
        found.product_code("product_code", &self.product_code);
        found.lot_no("lot_no", &self.lot_no);
        if self.expires_on < today {
            found.add(
                "expires_on",
                "out_of_range",
                Bilingual::fixed("该批次已过期。", "This lot has expired."),
            );
        }
        found.range("capacity", self.capacity, 1..=MAX_PACKS);
        // An invalid capacity is reported already; do not check the quantity against it.
        let max = if (1..=MAX_PACKS).contains(&self.capacity) { self.capacity } else { MAX_PACKS };
        found.range("quantity", self.quantity, 0..=max);
        found.done()
    }

    fn keys(&self) -> Vec<(&'static str, String)> {
        vec![("slot_no", format!("{}/{}", self.station_code, self.slot_no))]
    }

    fn to_row(&self) -> Vec<String> {
        vec![
            self.station_code.clone(),
            self.slot_no.to_string(),
            self.product_code.clone(),
            self.lot_no.clone(),
            self.expires_on.to_string(),
            self.quantity.to_string(),
            self.capacity.to_string(),
        ]
    }
}
