//! The contents of an order before anything is reserved: products, packs and prices that the
//! cabinet's lane and the prescription permit.

use std::collections::HashMap;

use super::sale;
use crate::{
    Failure, Tx,
    prescription::{body::Body, dispense},
    vend::{issue::candidate, start::lane_permits},
};
use domain::{
    formulary::ProductCode,
    ids::{OrderUnitId, PrescriptionId, StationId, WorkerId},
    money::Fen,
    order::{Line, UnitState, price, units_left},
    refusal::{Code, Refusal},
    stock::{SlotCandidate, choose_slots},
    time::civil_day,
    words::Bilingual,
};
use storage::{
    order::{OrderRow, UnitRow},
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
    /// All that is left of a prescription, and the contents of that. The worker's row must be locked.
    ///
    /// # Errors
    /// `UnitsExceeded` when nothing is left; `LaneNotVendable`.
    pub(crate) fn of_prescription(
        tx: &mut Tx<'_>,
        cabinet: &CabinetRow,
        worker: WorkerId,
        prescription: PrescriptionId,
    ) -> Result<(Self, Body), Failure> {
        let usable = dispense::usable_for_order(tx.conn, tx.app, prescription, worker, tx.now)?;
        let (mut wanted, formulary) = (Vec::new(), tx.app.formulary());
        for line in usable.lines {
            let packs = units_left(line.packs, line.packs_taken, 0, 0);
            if packs == 0 {
                continue;
            }
            let sale = formulary.get(&line.product).ok_or(Code::LaneNotVendable)?;
            if !lane_permits(cabinet.lane, sale.class, true) {
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
        Ok((Self { prescription: Some(prescription), wanted }, usable.body))
    }

    /// Products over the counter.
    ///
    /// # Errors
    /// One problem for each unknown product; `NotInFormulary`; `LaneNotVendable`.
    pub fn over_the_counter<'l>(
        tx: &Tx<'_>,
        cabinet: &CabinetRow,
        lines: impl Iterator<Item = (&'l str, u32)>,
    ) -> Result<Self, Failure> {
        let (mut wanted, formulary) = (Vec::new(), tx.app.formulary());
        for (at, (code, packs)) in lines.enumerate() {
            let Some(sale) = formulary.find(code).filter(|sale| sale.in_formulary) else {
                let message = Bilingual::fixed("没有这种药品", "there is no such product");
                return Err(Refusal::field(format!("lines[{at}].product_code"), "unknown", message).into());
            };
            ensure_in_formulary(tx, cabinet.station_id, code)?;
            if !lane_permits(cabinet.lane, sale.class, false) {
                return Err(not_vendable(code).into());
            }
            let (daily_units_thousandths, days) = sale::course_of(tx, code);
            wanted.push(Wanted {
                line_no: None,
                product_code: sale.code.as_str().to_owned(),
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

    /// Chooses the slots of all packs; packs that expire earliest are chosen first.
    ///
    /// # Errors
    /// `OutOfStock`, naming the product.
    pub fn choose(self, tx: &mut Tx<'_>, order: &OrderRow) -> Result<Vec<UnitRow>, Failure> {
        let products: Vec<&str> = self.wanted.iter().map(|wanted| wanted.product_code.as_str()).collect();
        let stocked = store::slots_with_products(tx.conn, order.cabinet_id, &products)?;
        let mut of_product: HashMap<&str, Vec<SlotCandidate>> = HashMap::new();
        for slot in &stocked {
            if let (Some(lot), Some(candidate)) = (&slot.lot, candidate(slot)?) {
                of_product.entry(lot.product_code.as_str()).or_default().push(candidate);
            }
        }
        let mut units = Vec::new();
        for wanted in &self.wanted {
            let candidates = of_product.entry(wanted.product_code.as_str()).or_default();
            let slots = choose_slots(candidates, wanted.packs, civil_day(tx.now))
                .ok_or_else(|| out_of_stock(&wanted.product_code))?;
            for slot in slots {
                let chosen = candidates
                    .iter_mut()
                    .find(|one| one.slot == slot)
                    .ok_or_else(|| out_of_stock(&wanted.product_code))?;
                // Another line may name the same product.
                chosen.on_hand -= 1;
                units.push(self.unit(order, wanted, slot.get(), chosen.lot_no.clone()));
            }
        }
        Ok(units)
    }

    fn unit(&self, order: &OrderRow, wanted: &Wanted, slot_no: i32, lot_no: String) -> UnitRow {
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

/// Refuses to sell what the formulary of a station leaves out now. Asked when packs are ordered and when they
/// are paid over the counter; a prescription was asked when it was signed, and what is paid is given out.
///
/// # Errors
/// `NotInFormulary`, naming the product.
pub(crate) fn ensure_in_formulary(
    tx: &Tx<'_>,
    station: StationId,
    product_code: &str,
) -> Result<(), Refusal> {
    let in_force = tx.app.selection(Some(station));
    let left_out = ProductCode::parse(product_code).is_some_and(|code| in_force.left_out(&code).is_some());
    if !left_out {
        return Ok(());
    }
    Err(Refusal::new(Code::NotInFormulary).with_data(serde_json::json!({"product_code": product_code})))
}

fn out_of_stock(product_code: &str) -> Refusal {
    Refusal::new(Code::OutOfStock).with_data(serde_json::json!({"product_code": product_code}))
}

fn not_vendable(product_code: &str) -> Refusal {
    Refusal::new(Code::LaneNotVendable).with_data(serde_json::json!({"product_code": product_code}))
}
