//! Orders: packs are reserved, paid for, and then authorised one by one.

pub(crate) mod plan;
pub mod sale;
pub(crate) mod write;

use chrono::{DateTime, TimeDelta, Utc};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::{AppState, Failure, Recipients, Tx, caller::WorkerCaller, ledger as subsidy, vend};
use crate::{
    page::{Rows, page},
    prescription::dispense,
};
use crypto::random;
use domain::{
    formulary::ProductCode,
    ids::{AttemptId, OrderId, OrderUnitId, PrescriptionId, StationId, WorkerId},
    ledger,
    money::Fen,
    order::{self, Command, OrderEvent, OrderState, UnitState},
    refusal::{Code, FieldProblem, Refusal},
    spelling,
    vend::{AttemptState, Outcome, attempt::VoidReason},
    words::Bilingual,
};
use plan::OrderPlan;
use sale::{CounterLine, OrderSafety, Person};
use storage::{
    Conn,
    order::{self as store, NewOrder, OrderRow, UnitRow},
    vend::attempt::AttemptRow,
};

/// What to order: a prescription, or lines over the counter.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OrderInput {
    /// All that is left of this prescription.
    pub prescription_id: Option<PrescriptionId>,
    /// Over the counter, where the cabinet's lane permits it.
    #[schema(min_items = 1, max_items = 5)]
    pub lines: Option<Vec<OrderLineInput>>,
    /// Over the counter: the rules of warnings that the buyer has read and accepts, as the refusal
    /// `safety_warnings_unaccepted` lists them.
    #[schema(value_type = Option<Vec<spelling::RuleCode>>, max_items = 50)]
    pub accepted_warnings: Option<Vec<String>>,
}

/// Packs of one product.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OrderLineInput {
    #[schema(value_type = spelling::ProductCode)]
    pub product_code: String,
    /// How many packs.
    #[schema(minimum = 1, maximum = 5)]
    pub packs: u32,
}

/// How to pay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PayMethod {
    /// From the worker's subsidy.
    Subsidy,
}

/// Pays an order.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PayInput {
    pub method: PayMethod,
}

/// An order, as its worker sees it.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct OrderView {
    pub id: OrderId,
    /// The current state.
    pub state: OrderState,
    /// Against which prescription.
    pub prescription_id: Option<PrescriptionId>,
    /// Where the packs lie.
    pub station_id: StationId,
    /// What it costs, in fen.
    pub total_fen: Fen,
    pub units: Vec<UnitView>,
    /// Six digits for the hatch, while the order is paid.
    pub pickup_code: Option<String>,
    pub created_at: DateTime<Utc>,
    /// When it is withdrawn.
    pub expires_at: DateTime<Utc>,
    /// When it was paid.
    pub paid_at: Option<DateTime<Utc>>,
    /// When it ended.
    pub ended_at: Option<DateTime<Utc>>,
    /// Over the counter: what the safety check found, and which warnings the buyer accepted.
    pub safety: Option<OrderSafety>,
}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct UnitView {
    pub id: OrderUnitId,
    pub product_code: String,
    /// In which slot.
    #[schema(minimum = 1)]
    pub slot_no: i32,
    /// What it costs, in fen.
    pub price_fen: Fen,
    /// The current state.
    pub state: UnitState,
    /// Its newest attempt.
    pub attempt: Option<UnitAttemptView>,
}

/// An attempt, as the worker sees it.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct UnitAttemptView {
    pub id: AttemptId,
    /// The current state.
    pub state: AttemptState,
    /// How it ended.
    pub outcome: Option<Outcome>,
}

page! {
    /// A page of orders.
    OrderList of OrderView, "Oldest first.", after OrderId
}

/// Reserves the packs. Over the counter the safety check runs first, on the worker's own record;
/// for a prescription it runs again.
///
/// # Errors
/// `OutOfStock`, `UnitsExceeded`, `LaneNotVendable`, `CabinetClosed` where the station has no
/// cabinet, the refusals of the prescription, of [`sale::over_the_counter`] and of
/// [`sale::limit_unpaid`].
pub fn create(tx: &mut Tx<'_>, caller: WorkerCaller, input: &OrderInput) -> Result<OrderView, Failure> {
    let problems = problems(input);
    if !problems.is_empty() {
        return Err(Refusal::fields(problems).into());
    }
    let cabinet =
        storage::vend::journal::cabinet_of_station(tx.conn, caller.station)?.ok_or(Code::CabinetClosed)?;
    let person = sale::lock_person(tx, caller)?;
    let cabinet = vend::lock_cabinet(tx, cabinet)?;
    let (plan, safety) = match (input.prescription_id, &input.lines) {
        (Some(prescription), _) => {
            let plan = OrderPlan::of_prescription(tx, &cabinet, caller.worker, prescription)?;
            sale::prescribed(tx, &person, prescription)?;
            (plan, None)
        }
        (None, lines) => {
            let lines = lines.as_deref().unwrap_or_default();
            let named = lines.iter().map(|line| (line.product_code.as_str(), line.packs));
            let plan = OrderPlan::over_the_counter(tx, &cabinet, named)?;
            sale::limit_unpaid(tx, &person, lines.iter().map(|line| line.packs).sum())?;
            let accepted = input.accepted_warnings.as_deref().unwrap_or_default();
            let wanted = counter_lines(lines)?;
            let safety = sale::over_the_counter(tx, &person, &wanted, accepted, None)?;
            (plan, Some(safety))
        }
    };
    let id = OrderId::generate();
    let sealed = match &safety {
        Some(safety) => Some(tx.app.seal("orders", "safety_sealed", id, &serde_json::to_string(safety)?)?),
        None => None,
    };
    let new = NewOrder {
        id,
        worker_id: caller.worker,
        check_in_id: caller.check_in,
        station_id: caller.station,
        cabinet_id: cabinet.id,
        prescription_id: input.prescription_id,
        total_fen: plan.total()?,
        created_at: tx.now,
        expires_at: tx.now + TimeDelta::minutes(i64::from(tx.app.policy.vending.reserve_minutes)),
        safety_sealed: sealed,
    };
    // The prescription's other live order has reserved what is left of it.
    if !store::order_add(tx.conn, &new)? {
        return Err(Code::UnitsExceeded.into());
    }
    let units = plan.reserve(tx, &new)?;
    store::units_add(tx.conn, &units)?;
    // The warnings reveal the worker's health: they are stored sealed, and the event contains only
    // their number.
    let warnings = safety.as_ref().map(|safety| safety.accepted_warnings.len());
    let event = OrderEvent::Reserved {
        cabinet: cabinet.id,
        prescription: input.prescription_id,
        total_fen: new.total_fen,
        units: units.iter().map(|unit| unit.id).collect(),
        warnings_accepted: warnings,
        ruleset: safety.map(|safety| safety.ruleset_version),
    };
    tx.record(id, event, Recipients::worker(caller.worker))?;
    fetch(tx.conn, tx.app, caller.worker, id)
}

fn counter_lines(lines: &[OrderLineInput]) -> Result<Vec<CounterLine>, Refusal> {
    let one = |(at, line): (usize, &OrderLineInput)| {
        let product = ProductCode::parse(&line.product_code).ok_or_else(|| {
            let words = Bilingual::fixed("没有这种药品", "there is no such product");
            Refusal::field(format!("lines[{at}].product_code"), "unknown", words)
        })?;
        Ok(CounterLine { product, packs: line.packs })
    };
    lines.iter().enumerate().map(one).collect()
}

/// Pays an order from the subsidy and authorises its packs. Paying again
/// changes nothing.
///
/// # Errors
/// `BalanceTooLow`; `StateMovedOn` after its expiry; the refusals of the safety check as of now;
/// `PrescriptionExpired`, `LotNotAllowed`, `CabinetClosed` where a pack can no longer be vended.
pub fn pay(
    tx: &mut Tx<'_>,
    caller: WorkerCaller,
    id: OrderId,
    method: PayMethod,
) -> Result<OrderView, Failure> {
    let PayMethod::Subsidy = method;
    let person = sale::lock_person(tx, caller)?;
    let row = lock_own(tx, caller.worker, id)?;
    let units = store::units_of_order(tx.conn, id)?;
    let events = order::decide(&write::domain_order(&row, &units), Command::Pay, tx.now)?;
    for event in &events {
        if let OrderEvent::Paid { total } = event {
            check_again(tx, &person, &row, &units)?;
            take_payment(tx, &row, *total)?;
            tx.record(id, event.clone(), Recipients::worker(caller.worker))?;
            let paid = store::order_fetch(tx.conn, id)?.ok_or(Code::NotFound)?;
            vend::issue(tx, &paid, &units)?;
        }
    }
    fetch(tx.conn, tx.app, caller.worker, id)
}

/// The record may have changed since the packs were reserved.
fn check_again(tx: &mut Tx<'_>, person: &Person, row: &OrderRow, units: &[UnitRow]) -> Result<(), Failure> {
    match row.prescription_id {
        Some(prescription) => sale::prescribed(tx, person, prescription),
        None => {
            let accepted = safety_of(tx.app, row)?.map(|safety| safety.accepted_warnings).unwrap_or_default();
            let lines = sale::lines_of(units)?;
            sale::over_the_counter(tx, person, &lines, &accepted, Some(row.id)).map(|_| ())
        }
    }
}

fn safety_of(app: &AppState, row: &OrderRow) -> Result<Option<OrderSafety>, Failure> {
    let Some(sealed) = &row.safety_sealed else { return Ok(None) };
    let body = app.open("orders", "safety_sealed", row.id, sealed)?;
    Ok(Some(serde_json::from_str(&body)?))
}

fn take_payment(tx: &mut Tx<'_>, row: &OrderRow, total: Fen) -> Result<(), Failure> {
    if let Some(prescription) = row.prescription_id
        && !dispense::verify_for_start(tx.conn, tx.app, prescription, tx.now)?
    {
        return Err(Code::PrescriptionExpired.into());
    }
    let allowance = subsidy::allowance(tx, row.worker_id)?;
    let balance = subsidy::balance(tx, row.worker_id)?;
    // The screen shows what would help: a card or a document, or another month.
    ledger::can_pay(balance, total).map_err(|refusal| {
        refusal.with_data(json!({"allowance": allowance, "balance_fen": balance, "total_fen": total}))
    })?;
    let code = random::pickup_code();
    let sealed = tx.app.seal("orders", "pickup_sealed", row.id, code.expose_secret())?;
    let until = vend::authorization_end(tx);
    if !store::order_pay(tx.conn, row.id, &sealed, until, tx.now)? {
        return Err(Refusal::moved_on(row.state).into());
    }
    if let Some(transfer) = ledger::pay_order(row.worker_id, row.id, total)? {
        subsidy::book(tx, &transfer, row.worker_id)?;
    }
    Ok(())
}

/// Withdraws an order: packs that have not started are voided and paid back; packs that have
/// started continue.
///
/// # Errors
/// `StateMovedOn` when there is nothing left to withdraw.
pub fn cancel(tx: &mut Tx<'_>, caller: WorkerCaller, id: OrderId) -> Result<OrderView, Failure> {
    let row = lock_own(tx, caller.worker, id)?;
    if row.state == OrderState::Paid {
        let units = store::units_of_order(tx.conn, id)?;
        let voided = vend::withdraw(tx, id, VoidReason::Cancelled)?;
        if voided == 0 && units.iter().any(|unit| unit.state == UnitState::Authorised) {
            return Err(Refusal::moved_on(AttemptState::Started).into());
        }
    } else {
        write::command(tx, id, Command::Cancel)?;
    }
    fetch(tx.conn, tx.app, caller.worker, id)
}

/// The worker's own order, with the cabinet's row and the order's row locked.
fn lock_own(tx: &mut Tx<'_>, worker: WorkerId, id: OrderId) -> Result<OrderRow, Failure> {
    let row = own(tx.conn, worker, id)?;
    vend::lock_cabinet(tx, row.cabinet_id)?;
    Ok(store::order_lock(tx.conn, id)?.ok_or(Code::NotFound)?)
}

fn own(conn: &mut Conn, worker: WorkerId, id: OrderId) -> Result<OrderRow, Failure> {
    Ok(store::order_fetch(conn, id)?.filter(|row| row.worker_id == worker).ok_or(Code::NotFound)?)
}

/// One of the worker's orders.
///
/// # Errors
/// `NotFound` for another worker's.
pub fn fetch(conn: &mut Conn, app: &AppState, worker: WorkerId, id: OrderId) -> Result<OrderView, Failure> {
    let row = own(conn, worker, id)?;
    views(conn, app, vec![row])?.pop().ok_or_else(|| Code::NotFound.into())
}

/// The worker's orders.
pub fn list(
    conn: &mut Conn,
    app: &AppState,
    worker: WorkerId,
    after: Option<OrderId>,
    limit: u32,
) -> Result<OrderList, Failure> {
    let page = Rows::read(limit, |most| store::orders_of_worker(conn, worker, after, most), |row| row.id)?;
    Ok(page.show(|rows| views(conn, app, rows))?.into())
}

fn views(conn: &mut Conn, app: &AppState, rows: Vec<OrderRow>) -> Result<Vec<OrderView>, Failure> {
    let ids: Vec<OrderId> = rows.iter().map(|row| row.id).collect();
    let units = store::units_of_orders(conn, &ids)?;
    let tried = storage::vend::attempt::attempts_of_orders(conn, &ids)?;
    rows.into_iter().map(|row| view(app, row, &units, &tried)).collect()
}

fn view(
    app: &AppState,
    row: OrderRow,
    units: &[UnitRow],
    tried: &[AttemptRow],
) -> Result<OrderView, Failure> {
    let own = units.iter().filter(|unit| unit.order_id == row.id);
    let pickup_code = match (&row.pickup_sealed, row.state) {
        (Some(sealed), OrderState::Paid) => Some(app.open("orders", "pickup_sealed", row.id, sealed)?),
        _ => None,
    };
    let safety = safety_of(app, &row)?;
    Ok(OrderView {
        safety,
        id: row.id,
        state: row.state,
        prescription_id: row.prescription_id,
        station_id: row.station_id,
        total_fen: row.total_fen,
        units: own.map(|unit| unit_view(unit, tried)).collect(),
        pickup_code,
        created_at: row.created_at,
        expires_at: row.expires_at,
        paid_at: row.paid_at,
        ended_at: row.ended_at,
    })
}

fn unit_view(unit: &UnitRow, tried: &[AttemptRow]) -> UnitView {
    let newest = tried.iter().rev().find(|attempt| attempt.order_unit_id == unit.id);
    UnitView {
        id: unit.id,
        product_code: unit.product_code.clone(),
        slot_no: unit.slot_no,
        price_fen: unit.price_fen,
        state: unit.state,
        attempt: newest.map(|row| UnitAttemptView { id: row.id, state: row.state, outcome: row.outcome }),
    }
}

fn problems(input: &OrderInput) -> Vec<FieldProblem> {
    let mut problems = Vec::new();
    let mut bad = |field: String, code: &str, zh: &'static str, en: &'static str| {
        problems.push(FieldProblem { field, code: code.to_owned(), message: Bilingual::fixed(zh, en) });
    };
    let lines = match (&input.prescription_id, &input.lines) {
        (Some(_), None) => {
            if input.accepted_warnings.is_some() {
                let (zh, en) =
                    ("处方的警告由医生处理", "the warnings of a prescription are the doctor's to answer");
                bad("accepted_warnings".into(), "not_here", zh, en);
            }
            return problems;
        }
        (None, Some(lines)) => lines,
        (Some(_), Some(_)) | (None, None) => {
            let en = "give either prescription_id or lines";
            bad("prescription_id".into(), "one_of", "须二选一：prescription_id 或 lines", en);
            return problems;
        }
    };
    for (at, line) in lines.iter().enumerate() {
        if lines.iter().take(at).any(|other| other.product_code == line.product_code) {
            let field = format!("lines[{at}].product_code");
            bad(field, "duplicate", "同一药品只能出现一次", "a product may stand only once");
        }
    }
    problems
}
