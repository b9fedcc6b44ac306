//! The contents of an order before anything is reserved: products, packs and prices that the
//! cabinet's lane and the prescription permit.

use super::{sale, write::key_of};
use crate::{
    Failure, Tx,
    prescription::dispense,
    stock::move_packs,
    vend::{issue::candidate, start::lane_permits},
};
use domain::{
    ids::{OrderUnitId, PrescriptionId, WorkerId},
    money::Fen,
    order::{Line, UnitState, price, units_left},
    refusal::{Code, Refusal},
    stock::{Movement, choose_slots},
    time::civil_day,
    words::Bilingual,
};
use storage::{
    order::{NewOrder, UnitRow},
    stock as store,
    vend::journal::CabinetRow,
};

/// Packs of one product, with the data for later safety checks.
struct Wanted {
    line_no: Option<i32>,
    product_code: String,
    packs: u32,
    price: Fen,
    daily_units_thousandths: i64,
    days: i32,
}

/// The contents of an order.
pub(crate) struct OrderPlan {
    prescription: Option<PrescriptionId>,
    wanted: Vec<Wanted>,
}

impl OrderPlan {
    /// All that is left of a prescription.
    ///
    /// # Errors
    /// `UnitsExceeded` when nothing is left; `LaneNotVendable`.
    pub(crate) fn of_prescription(
        tx: &mut Tx<'_>,
        cabinet: &CabinetRow,
        worker: WorkerId,
        prescription: PrescriptionId,
    ) -> Result<Self, Failure> {
        let usable = dispense::usable_for_order(tx.conn, tx.app, prescription, worker, tx.now)?;
        let mut wanted = Vec::new();
        for line in usable.lines {
            let packs = units_left(line.packs, line.packs_taken, 0, 0);
            if packs == 0 {
                continue;
            }
            let sale = store::product_sale(tx.conn, line.product.as_str())?.ok_or(Code::LaneNotVendable)?;
            if !lane_permits(cabinet.lane, &sale.class, true) {
                return Err(not_vendable(line.product.as_str()).into());
            }
            wanted.push(Wanted {
                line_no: Some(line.line_no),
                product_code: line.product.as_str().to_owned(),
                packs,
                price: sale.price,
                daily_units_thousandths: line.daily_units_thousandths,
                days: line.days,
            });
        }
        if wanted.is_empty() {
            return Err(Code::UnitsExceeded.into());
        }
        Ok(Self { prescription: Some(prescription), wanted })
    }

    /// Products over the counter.
    ///
    /// # Errors
    /// One problem for each unknown product; `LaneNotVendable`.
    pub fn over_the_counter<'l>(
        tx: &mut Tx<'_>,
        cabinet: &CabinetRow,
        lines: impl Iterator<Item = (&'l str, u32)>,
    ) -> Result<Self, Failure> {
        let mut wanted = Vec::new();
        for (at, (code, packs)) in lines.enumerate() {
            let Some(sale) = store::product_sale(tx.conn, code)?.filter(|sale| sale.in_formulary) else {
                let message = Bilingual::fixed("没有这种药品", "there is no such product");
                return Err(Refusal::field(format!("lines[{at}].product_code"), "unknown", message).into());
            };
            if !lane_permits(cabinet.lane, &sale.class, false) {
                return Err(not_vendable(code).into());
            }
            let (daily_units_thousandths, days) = sale::course_of(tx, code);
            wanted.push(Wanted {
                line_no: None,
                product_code: sale.code,
                packs,
                price: sale.price,
                daily_units_thousandths,
                days,
            });
        }
        Ok(Self { prescription: None, wanted })
    }

    pub fn total(&self) -> Result<Fen, Refusal> {
        let lines: Vec<Line> =
            self.wanted.iter().map(|one| Line { price: one.price, packs: one.packs }).collect();
        price(&lines)
    }

    /// Reserves all packs or none; packs that expire earliest are chosen first.
    ///
    /// # Errors
    /// `OutOfStock`, naming the product.
    pub fn reserve(self, tx: &mut Tx<'_>, order: &NewOrder) -> Result<Vec<UnitRow>, Failure> {
        let mut units = Vec::new();
        for wanted in &self.wanted {
            let rows = store::slot_candidates(tx.conn, order.cabinet_id, &wanted.product_code)?;
            let candidates = rows.iter().map(candidate).collect::<Result<Vec<_>, _>>()?;
            let slots = choose_slots(&candidates, wanted.packs, civil_day(tx.now))
                .ok_or_else(|| out_of_stock(&wanted.product_code))?;
            for slot in slots {
                let lot_no = candidates
                    .iter()
                    .find(|one| one.slot == slot)
                    .map(|one| one.lot_no.clone())
                    .ok_or_else(|| out_of_stock(&wanted.product_code))?;
                let unit = self.unit(order, wanted, slot.get(), lot_no);
                move_packs(tx, &key_of(&unit), Movement::Reserve(1))?;
                units.push(unit);
            }
        }
        Ok(units)
    }

    fn unit(&self, order: &NewOrder, wanted: &Wanted, slot_no: i32, lot_no: String) -> UnitRow {
        UnitRow {
            id: OrderUnitId::generate(),
            order_id: order.id,
            worker_id: order.worker_id,
            prescription_id: self.prescription,
            line_no: wanted.line_no,
            product_code: wanted.product_code.clone(),
            cabinet_id: order.cabinet_id,
            slot_no,
            lot_no,
            price_fen: wanted.price,
            daily_units_thousandths: wanted.daily_units_thousandths,
            days: wanted.days,
            state: UnitState::Reserved,
        }
    }
}

fn out_of_stock(product_code: &str) -> Refusal {
    Refusal::new(Code::OutOfStock).with_data(serde_json::json!({"product_code": product_code}))
}

fn not_vendable(product_code: &str) -> Refusal {
    Refusal::new(Code::LaneNotVendable).with_data(serde_json::json!({"product_code": product_code}))
}
