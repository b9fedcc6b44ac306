//! Orders: packs are reserved, paid for, and then authorised one by one.

pub(crate) mod plan;
pub mod sale;
pub(crate) mod write;

use chrono::{DateTime, TimeDelta, Utc};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::{AppState, Failure, Tx, caller::WorkerCaller, ledger as subsidy, vend};
use crate::{
    page::{Rows, page},
    prescription::dispense,
    vend::{
        issue::{self, Issuer},
        orders::Orders,
    },
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
    Conn, Live,
    order::{self as store, OrderRow, UnitRow, WholeOrder, prescribed::WithLines},
    vend::{
        attempt::AttemptRow,
        journal::{cabinet_of_order_lock, cabinet_of_station_lock, standing_with_slots},
    },
};
use write::LoadedOrder;

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
    let person = sale::lock_person(tx, caller)?;
    let cabinet = cabinet_of_station_lock(tx.conn, caller.station)?.ok_or(Code::CabinetClosed)?;
    let (plan, safety) = match (input.prescription_id, &input.lines) {
        (Some(prescription), _) => {
            let (plan, body) = OrderPlan::of_prescription(tx, &cabinet, caller.worker, prescription)?;
            sale::prescribed(tx, &person, prescription, &body)?;
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
    let row = OrderRow {
        id,
        worker_id: caller.worker,
        check_in_id: caller.check_in,
        station_id: caller.station,
        cabinet_id: cabinet.id,
        prescription_id: input.prescription_id,
        state: OrderState::Reserved,
        total_fen: plan.total()?,
        pickup_sealed: None,
        created_at: tx.now,
        expires_at: tx.now + TimeDelta::minutes(i64::from(tx.app.policy.vending.reserve_minutes)),
        paid_at: None,
        ended_at: None,
        safety_sealed: sealed,
    };
    let units = plan.choose(tx, &row)?;
    let order = LoadedOrder::new(tx, row, units)?;
    // The warnings reveal the worker's health: they are stored sealed, and the event contains only
    // their number.
    let warnings = safety.as_ref().map(|safety| safety.accepted_warnings.len());
    let reserved = OrderEvent::Reserved {
        cabinet: cabinet.id,
        prescription: input.prescription_id,
        total_fen: order.row.total_fen,
        units: order.units.iter().map(|unit| unit.id).collect(),
        warnings_accepted: warnings,
        ruleset: safety.map(|safety| safety.ruleset_version),
    };
    order.reserve(tx, &reserved)?;
    view(tx.app, &order.row, &order.units, &[])
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
/// `NotInFormulary` over the counter;
/// `PrescriptionExpired`, `LotNotAllowed`, `CabinetClosed` where a pack can no longer be vended.
pub fn pay(
    tx: &mut Tx<'_>,
    caller: WorkerCaller,
    id: OrderId,
    method: PayMethod,
) -> Result<OrderView, Failure> {
    let PayMethod::Subsidy = method;
    let person = sale::lock_person(tx, caller)?;
    let cabinet = cabinet_of_order_lock(tx.conn, id, caller.worker)?.ok_or(Code::NotFound)?;
    let mut orders = Orders::default();
    let prescription = orders.read_prescribed(tx, id)?;
    let order = orders.order(id)?;
    if !order::decide(order.order(), Command::Pay, tx.now)?.is_empty() {
        let order = order.clone();
        check_again(tx, &person, &order, prescription)?;
        ensure_has_balance(tx, &order.row)?;
        let mut numbers: Vec<i32> = order.units.iter().map(|unit| unit.slot_no).collect();
        numbers.sort_unstable();
        numbers.dedup();
        let (standing, slots) = standing_with_slots(tx.conn, cabinet.id, &numbers)?;
        let issuer = Issuer::of(&standing)?;
        issue::ensure_may_issue(tx.now, &orders, &order.units, &slots)?;
        let units: Vec<OrderUnitId> = order.units.iter().map(|unit| unit.id).collect();
        let code = random::pickup_code();
        let sealed = tx.app.seal("orders", "pickup_sealed", id, code.expose_secret())?;
        let order = orders.order(id)?;
        order.given.pickup_sealed = Some(sealed);
        let authorised = units.iter().map(|unit| Command::UnitAuthorised(*unit));
        order.command(tx, [Command::Pay].into_iter().chain(authorised))?;
        issue::issue(tx, &mut orders, id, &units, issuer)?;
    }
    loaded_view(tx, &mut orders, id)
}

/// The record, and the prescription, may have changed since the packs were reserved.
fn check_again(
    tx: &mut Tx<'_>,
    person: &Person,
    order: &LoadedOrder,
    prescription: Option<WithLines>,
) -> Result<(), Failure> {
    let row = &order.row;
    match row.prescription_id {
        Some(id) => {
            let stored = prescription.ok_or(Code::NotFound)?;
            let prescription = dispense::Ordered::open(tx.app, stored)?;
            sale::prescribed(tx, person, id, &prescription.body)?;
            match prescription.may_vend(tx.conn, tx.app, tx.now)? {
                true => Ok(()),
                false => Err(Code::PrescriptionExpired.into()),
            }
        }
        None => {
            let accepted = safety_of(tx.app, row)?.map(|safety| safety.accepted_warnings).unwrap_or_default();
            let lines = sale::lines_of(&order.units)?;
            for line in &lines {
                plan::ensure_in_formulary(tx, row.station_id, line.product.as_str())?;
            }
            sale::over_the_counter(tx, person, &lines, &accepted, Some(row.id)).map(|_| ())
        }
    }
}

fn safety_of(app: &AppState, row: &OrderRow) -> Result<Option<OrderSafety>, Failure> {
    let Some(sealed) = &row.safety_sealed else { return Ok(None) };
    let body = app.open("orders", "safety_sealed", row.id, sealed)?;
    Ok(Some(serde_json::from_str(&body)?))
}

fn ensure_has_balance(tx: &mut Tx<'_>, row: &OrderRow) -> Result<(), Failure> {
    let total = row.total_fen;
    let allowance = subsidy::allowance(tx, row.worker_id)?;
    let balance = subsidy::balance(tx, row.worker_id)?;
    // The screen shows what would help: a card or a document, or another month.
    ledger::can_pay(balance, total).map_err(|refusal| {
        refusal.with_data(json!({"allowance": allowance, "balance_fen": balance, "total_fen": total}))
    })?;
    Ok(())
}

/// Withdraws an order: packs that have not started are voided and paid back; packs that have
/// started continue.
///
/// # Errors
/// `StateMovedOn` when there is nothing left to withdraw.
pub fn cancel(tx: &mut Tx<'_>, caller: WorkerCaller, id: OrderId) -> Result<OrderView, Failure> {
    cabinet_of_order_lock(tx.conn, id, caller.worker)?.ok_or(Code::NotFound)?;
    let mut orders = Orders::default();
    let order = orders.read(tx, id)?.ok_or(Code::NotFound)?;
    if order.row.state == OrderState::Paid {
        let moving = order.units.iter().any(|unit| unit.state == UnitState::Authorised);
        let voided = vend::withdraw(tx, &mut orders, id, VoidReason::Cancelled)?;
        if voided == 0 && moving {
            return Err(Refusal::moved_on(AttemptState::Started).into());
        }
    } else {
        order.command(tx, [Command::Cancel])?;
    }
    loaded_view(tx, &mut orders, id)
}

/// The order as this transaction leaves it.
fn loaded_view(tx: &Tx<'_>, orders: &mut Orders, id: OrderId) -> Result<OrderView, Failure> {
    let tried: Vec<AttemptRow> =
        orders.attempts_of_order(id).into_iter().map(|attempt| attempt.row.clone()).collect();
    let order = orders.order(id)?;
    view(tx.app, &order.row, &order.units, &tried)
}

/// One of the worker's orders.
///
/// # Errors
/// `NotFound` for another worker's.
pub fn fetch(
    conn: &mut Conn,
    app: &AppState,
    live: Live,
    worker: WorkerId,
    id: OrderId,
) -> Result<Option<OrderView>, Failure> {
    let order = store::order_of_worker(conn, live, worker, id)?;
    order.map(|order| view(app, &order.row, &order.units, &order.attempts)).transpose()
}

/// The worker's orders.
pub fn list(
    conn: &mut Conn,
    app: &AppState,
    worker: WorkerId,
    after: Option<OrderId>,
    limit: u32,
) -> Result<OrderList, Failure> {
    let read = |most| store::orders_of_worker(conn, worker, after, most);
    let page = Rows::read(limit, read, |order| order.row.id)?;
    let show = |order: &WholeOrder| view(app, &order.row, &order.units, &order.attempts);
    Ok(page.show(|orders| orders.iter().map(show).collect())?.into())
}

fn view(
    app: &AppState,
    row: &OrderRow,
    units: &[UnitRow],
    tried: &[AttemptRow],
) -> Result<OrderView, Failure> {
    let pickup_code = match (&row.pickup_sealed, row.state) {
        (Some(sealed), OrderState::Paid) => Some(app.open("orders", "pickup_sealed", row.id, sealed)?),
        _ => None,
    };
    let safety = safety_of(app, row)?;
    Ok(OrderView {
        safety,
        id: row.id,
        state: row.state,
        prescription_id: row.prescription_id,
        station_id: row.station_id,
        total_fen: row.total_fen,
        units: units.iter().map(|unit| unit_view(unit, tried)).collect(),
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
