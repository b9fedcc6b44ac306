//! A read-only audit of the invariants of vending: stock, prescriptions, lots, money, and states
//! against the log. Every violation is reported; none is repaired. It reads whole tables: it is for
//! audits and crash tests, not for a hot path.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::folds;
use crate::Failure;
use domain::{
    ids::{AccountId, CabinetId, OrderUnitId, PrescriptionId},
    money::Fen,
    order::UnitState,
    stock::Place,
    time::civil_day,
    vend::AttemptState,
};
use storage::{
    Conn,
    order::{OrderRow, UnitRow},
    stock::check as log,
    vend::attempt::AttemptRow,
};

/// All violations; empty if there are none.
pub fn invariants(conn: &mut Conn) -> Result<Vec<String>, Failure> {
    let records = VendingRecords {
        orders: storage::order::orders_all(conn)?,
        units: storage::order::units_all(conn)?,
        attempts: storage::vend::attempt::attempts_all(conn)?,
    };
    let mut found = Vec::new();
    once_per_unit(&records, &mut found);
    units_fit_attempts(&records, &mut found);
    prescribed(conn, &records, &mut found)?;
    stock_adds_up(conn, &records, &mut found)?;
    doubts_close_slots(conn, &records, &mut found)?;
    backed(conn, &records, &mut found)?;
    lots_allowed(conn, &records, &mut found)?;
    money_adds_up(conn, &mut found)?;
    folds::attempts(conn, &records.attempts, &mut found)?;
    folds::orders(conn, (&records.orders, &records.units), &mut found)?;
    folds::prescriptions(conn, &mut found)?;
    folds::consultations(conn, &mut found)?;
    folds::check_ins(conn, &mut found)?;
    Ok(found)
}

/// Cabinet, slot, product code and lot number.
type Key = (CabinetId, i32, String, String);

struct VendingRecords {
    orders: Vec<OrderRow>,
    units: Vec<UnitRow>,
    attempts: Vec<AttemptRow>,
}

impl VendingRecords {
    fn attempts_of(&self) -> HashMap<OrderUnitId, Vec<&AttemptRow>> {
        let mut of: HashMap<OrderUnitId, Vec<&AttemptRow>> = HashMap::new();
        for attempt in &self.attempts {
            of.entry(attempt.order_unit_id).or_default().push(attempt);
        }
        of
    }
}

/// 1. At most one live or dispensed attempt per pack.
fn once_per_unit(records: &VendingRecords, found: &mut Vec<String>) {
    for (unit, of) in records.attempts_of() {
        let blocking = of.iter().filter(|attempt| attempt.state.is_blocking()).count();
        if blocking > 1 {
            found.push(format!("1: unit {unit} has {blocking} live or dispensed attempts"));
        }
    }
}

/// The state of a pack matches its attempts.
fn units_fit_attempts(records: &VendingRecords, found: &mut Vec<String>) {
    let of = records.attempts_of();
    for unit in &records.units {
        let attempts = of.get(&unit.id).map(Vec::as_slice).unwrap_or_default();
        let blocking = attempts.iter().map(|a| a.state).find(|state| state.is_blocking());
        let wanted = match blocking {
            Some(AttemptState::Issued | AttemptState::Started) => &[UnitState::Authorised][..],
            Some(AttemptState::InDoubt) => &[UnitState::InDoubt],
            Some(AttemptState::Dispensed) => &[UnitState::Dispensed],
            Some(AttemptState::Voided | AttemptState::NotDispensed) | None => {
                &[UnitState::Reserved, UnitState::Released, UnitState::Refunded]
            }
        };
        if !wanted.contains(&unit.state) {
            found.push(format!("unit {} is {} while its attempt is {blocking:?}", unit.id, unit.state));
        }
    }
    let open: HashMap<_, usize> =
        records.units.iter().filter(|unit| unit.state.is_open()).fold(HashMap::new(), |mut open, unit| {
            *open.entry(unit.order_id).or_default() += 1;
            open
        });
    for order in &records.orders {
        let open = open.get(&order.id).copied().unwrap_or(0);
        if order.state.is_live() == (open == 0) {
            found.push(format!("order {} is {} with {open} open units", order.id, order.state));
        }
    }
}

/// 2. Dispensed, in doubt and live never exceed what was prescribed.
fn prescribed(conn: &mut Conn, records: &VendingRecords, found: &mut Vec<String>) -> Result<(), Failure> {
    let mut taken: BTreeMap<(PrescriptionId, i32), i64> = BTreeMap::new();
    for unit in &records.units {
        let counts = unit.state.is_taken();
        if let (Some(prescription), Some(line), true) = (unit.prescription_id, unit.line_no, counts) {
            *taken.entry((prescription, line)).or_default() += 1;
        }
    }
    for line in log::lines_all(conn)? {
        let taken = taken.remove(&(line.prescription_id, line.line_no)).unwrap_or(0);
        if taken > i64::from(line.packs) {
            let (id, no) = (line.prescription_id, line.line_no);
            found.push(format!("2: {taken} of {} packs taken of line {no} of {id}", line.packs));
        }
    }
    found.extend(taken.keys().map(|(id, no)| format!("2: packs of line {no} of {id}, which is not there")));
    Ok(())
}

/// 3. Every pack is counted in one place, and the counts match the orders.
fn stock_adds_up(conn: &mut Conn, records: &VendingRecords, found: &mut Vec<String>) -> Result<(), Failure> {
    let mut expected_counts: HashMap<Key, [i64; 3]> = HashMap::new();
    for unit in &records.units {
        let place = match unit.state.place() {
            Place::Reserved => 0,
            Place::InDoubt => 1,
            Place::Dispensed => 2,
            Place::OnHand | Place::Discarded => continue,
        };
        let key = (unit.cabinet_id, unit.slot_no, unit.product_code.clone(), unit.lot_no.clone());
        expected_counts.entry(key).or_default()[place] += 1;
    }
    for (key, figures) in storage::stock::stock_all(conn)? {
        let [received, places @ ..] = figures;
        let name = format!("slot {} of {} with lot {}", key.slot_no, key.cabinet, key.lot_no);
        if received != places.iter().sum::<i64>() || figures.iter().any(|n| *n < 0) {
            found.push(format!("3: {name} does not add up: {figures:?}"));
        }
        let expected = expected_counts
            .remove(&(key.cabinet, key.slot_no, key.product_code, key.lot_no))
            .unwrap_or_default();
        let [_, _, reserved, in_doubt, dispensed, _] = figures;
        if expected != [reserved, in_doubt, dispensed] {
            found.push(format!("3: {name} holds {figures:?} while the orders say {expected:?}"));
        }
    }
    found.extend(expected_counts.keys().map(|key| format!("3: packs of {key:?}, which has no figures")));
    Ok(())
}

/// No attempt comes from the slot of a pack that may have been dispensed, until somebody has counted.
fn doubts_close_slots(
    conn: &mut Conn,
    records: &VendingRecords,
    found: &mut Vec<String>,
) -> Result<(), Failure> {
    let open: HashSet<(CabinetId, i32)> = storage::stock::slots_open(conn)?.into_iter().collect();
    let doubtful = records.attempts.iter().filter(|attempt| attempt.state == AttemptState::InDoubt);
    for attempt in doubtful.filter(|attempt| open.contains(&(attempt.cabinet_id, attempt.slot_no))) {
        found.push(format!("attempt {} is in doubt while its slot {} is open", attempt.id, attempt.slot_no));
    }
    Ok(())
}

/// Invariant 4: nothing is vended without a paid order and, where it names one, a prescription that
/// was signed, approved by somebody else, and valid at START.
fn backed(conn: &mut Conn, records: &VendingRecords, found: &mut Vec<String>) -> Result<(), Failure> {
    let backing: HashMap<_, _> = log::backing_all(conn)?.into_iter().map(|row| (row.id, row)).collect();
    let order_of: HashMap<_, _> = records.orders.iter().map(|order| (order.id, order)).collect();
    for attempt in records.attempts.iter().filter(|attempt| attempt.started_at.is_some()) {
        let (Some(order), Some(started)) = (order_of.get(&attempt.order_id), attempt.started_at) else {
            found.push(format!("4: attempt {} has no order", attempt.id));
            continue;
        };
        if order.paid_at.is_none_or(|paid| paid > started) {
            found.push(format!("4: attempt {} started before its order was paid", attempt.id));
        }
        let Some(prescription) = order.prescription_id else { continue };
        let good = backing.get(&prescription).is_some_and(|row| {
            row.signature.is_some()
                && row.reviewed_by.is_some_and(|reviewer| reviewer != row.doctor_id)
                && row.reviewed_at.is_some_and(|at| at <= started)
                && row.valid_until.is_some_and(|until| started <= until)
        });
        if !good {
            found.push(format!("4: attempt {} started without a good prescription", attempt.id));
        }
    }
    Ok(())
}

/// 5. The lot was allowed when the attempt started.
fn lots_allowed(conn: &mut Conn, records: &VendingRecords, found: &mut Vec<String>) -> Result<(), Failure> {
    let lots: HashMap<(String, String), storage::stock::LotRow> = storage::stock::lots_all(conn)?
        .into_iter()
        .map(|lot| ((lot.product_code.clone(), lot.lot_no.clone()), lot))
        .collect();
    for attempt in &records.attempts {
        let Some(started) = attempt.started_at else { continue };
        let good = lots.get(&(attempt.product_code.clone(), attempt.lot_no.clone())).is_some_and(|lot| {
            lot.expires_on >= civil_day(started) && lot.recalled_at.is_none_or(|at| at >= started)
        });
        if !good {
            found.push(format!("5: attempt {} started with lot {}", attempt.id, attempt.lot_no));
        }
    }
    Ok(())
}

/// Every transfer sums to zero, and every balance is the sum of its postings.
fn money_adds_up(conn: &mut Conn, found: &mut Vec<String>) -> Result<(), Failure> {
    let mut sums: HashMap<AccountId, i64> = HashMap::new();
    let mut transfers: HashMap<_, i64> = HashMap::new();
    for (transfer, account, Fen(amount)) in storage::ledger::postings_all(conn)? {
        *sums.entry(account).or_default() += amount;
        *transfers.entry(transfer).or_default() += amount;
    }
    for (transfer, sum) in transfers.iter().filter(|(_, sum)| **sum != 0) {
        found.push(format!("ledger: transfer {transfer} sums to {sum}"));
    }
    for (account, kind, may_overdraw, Fen(balance)) in storage::ledger::accounts_all(conn)? {
        let sum = sums.get(&account).copied().unwrap_or(0);
        if balance != sum {
            found.push(format!("ledger: {kind} {account} holds {balance} of postings worth {sum}"));
        }
        if balance < 0 && !may_overdraw {
            found.push(format!("ledger: {kind} {account} is overdrawn by {balance}"));
        }
    }
    Ok(())
}
