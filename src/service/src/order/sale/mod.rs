//! The safety check of a sale. Over the counter all rules run on the buyer's own record before a
//! pack is reserved; for a prescription they run again, because the record may have changed since
//! the doctor signed. The person's rows are locked, so that of two concurrent orders the second
//! sees the first.

pub(crate) mod anonymous;
pub(crate) mod recheck;
pub(crate) mod triage;

use std::collections::HashMap;

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use crate::{
    Failure, Tx,
    caller::WorkerCaller,
    network::me,
    prescription::body::Body,
    profile,
    safety::facts::{FindingView, Whose},
};
use domain::{
    formulary::{Condition, ProductCode},
    ids::{CheckInId, OrderId, PrescriptionId, StationId, WorkerId},
    order::self_care::{
        Amount, Answered, Buyer, LabelUse, check_amounts, judge, label_use, self_care_findings, unanswered,
    },
    prescription::rules,
    refusal::{Code, Refusal},
    safety::needs,
    vitals::Beyond,
};
use storage::{network::person as store, order::UnitRow, safety as facts};

/// One person, whose rows are locked in this transaction.
#[derive(Debug, Clone)]
pub struct Person {
    pub worker: WorkerId,
    pub check_in: CheckInId,
    pub station: StationId,
    /// All rows that count as this person.
    pub rows: Vec<WorkerId>,
}

/// The findings at a sale, and what the buyer accepted; stored with the order.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct OrderSafety {
    /// The version of the rules.
    pub ruleset_version: String,
    /// What the buyer was shown: warnings and notes.
    pub findings: Vec<FindingView>,
    /// The rules whose warnings the buyer read and accepted.
    pub accepted_warnings: Vec<String>,
}

/// A line of an order over the counter.
#[derive(Debug, Clone)]
pub struct CounterLine {
    pub product: ProductCode,
    pub packs: u32,
}

/// Locks the rows of the caller's person: a concurrent order for them waits. Lock it before a
/// cabinet.
///
/// # Errors
/// Faults of the storage.
pub(crate) fn lock_person(tx: &mut Tx<'_>, caller: WorkerCaller) -> Result<Person, Failure> {
    let rows = store::person_of_lock(tx.conn, caller.worker)?;
    Ok(Person { worker: caller.worker, check_in: caller.check_in, station: caller.station, rows })
}

/// Refuses another unpaid order beyond the limits of one person.
///
/// # Errors
/// `UnpaidOrdersExceeded`, with the current numbers and the limits.
pub(crate) fn limit_unpaid(tx: &mut Tx<'_>, person: &Person, packs: u32) -> Result<(), Failure> {
    let policy = &tx.app.policy.vending;
    let (most_orders, most_packs) = (i64::from(policy.unpaid_orders), i64::from(policy.unpaid_packs));
    let (orders, unpaid_packs) = store::unpaid_of(tx.conn, &person.rows, tx.now)?;
    if orders + 1 > most_orders || unpaid_packs + i64::from(packs) > most_packs {
        let data = json!({
            "unpaid_orders": orders, "most_orders": most_orders, "unpaid_packs": unpaid_packs, "most_packs": most_packs,
        });
        return Err(Refusal::new(Code::UnpaidOrdersExceeded).with_data(data).into());
    }
    Ok(())
}

/// Runs the rules on a sale over the counter. `except` is the order that these lines belong to: it
/// is not counted as an earlier one.
///
/// # Errors
/// `ConsentMissing`: the record may not be read without it. `SafetyBlocked`,
/// `HealthQuestionsUnanswered`, `SafetyUnknown`, `SafetyWarningsUnaccepted`.
pub fn over_the_counter(
    tx: &mut Tx<'_>,
    person: &Person,
    lines: &[CounterLine],
    accepted: &[String],
    except: Option<OrderId>,
) -> Result<OrderSafety, Failure> {
    me::lock_care_consent(tx, person.worker)?;
    counter_sale(tx, person, lines, accepted, except)
}

/// As [`over_the_counter`], for a caller who has checked the consent. It locks no row.
///
/// # Errors
/// As there, except `ConsentMissing`.
pub(crate) fn counter_sale(
    tx: &mut Tx<'_>,
    person: &Person,
    lines: &[CounterLine],
    accepted: &[String],
    except: Option<OrderId>,
) -> Result<OrderSafety, Failure> {
    let (rules, formulary) = (tx.app.rules(), tx.app.formulary());
    let whose = Whose { worker: person.worker, person: &person.rows, prescription: None, order: except };
    let gathered = crate::safety::facts::gather_for(tx.conn, tx.app, &whose, Vec::new(), tx.now)?;
    let (mut input, known) = (gathered.input, gathered.profile);
    if has_fever(tx, gathered.temperature) && !input.profile.has(Condition::Fever) {
        input.profile.conditions.push(Condition::Fever);
    }
    let fever = input.profile.has(Condition::Fever);
    let uses: Vec<LabelUse> = lines
        .iter()
        .map(|line| {
            formulary
                .get(&line.product)
                .and_then(|product| label_use(product, &rules, fever))
                .unwrap_or(NO_LABEL)
        })
        .collect();
    input.lines = lines.iter().zip(&uses).map(|(line, label)| label.line(&line.product)).collect();
    let job = profile::stated(&gathered.worker, &known).job;
    let answered = Answered {
        allergies: known.allergies.is_some(),
        conditions: known.conditions.is_some(),
        medicines: known.medicines.is_some(),
        job: job.is_some(),
    };
    let buyer = Buyer { from_years: tx.app.policy.vending.counter_from_years };
    let report = crate::safety::facts::run(tx.app, &input);
    let mut more = self_care_findings(&input, &report, buyer, &formulary, &rules);
    more.extend(amounts(tx, person, lines, &uses, except)?);
    more.extend(triage::findings(tx, person)?);
    more.extend(anonymous::findings(tx, person, lines, except)?);
    let report = report.with(more);
    let questions = unanswered(&needs(&input.lines, &formulary, &rules), &input, answered, &rules);
    let accepted = judge(&report, &questions, accepted)?;
    Ok(OrderSafety {
        ruleset_version: report.ruleset_version.clone(),
        findings: crate::safety::facts::SafetyReportView::from(&report).findings,
        accepted_warnings: accepted,
    })
}

/// The rules refuse a product without label data, but its line needs values.
const NO_LABEL: LabelUse =
    LabelUse { dose_units_thousandths: 1000, times_per_day: 1, days: 1, measured: false };

/// Compares the wanted packs and those that the person got lately with one course.
fn amounts(
    tx: &mut Tx<'_>,
    person: &Person,
    lines: &[CounterLine],
    uses: &[LabelUse],
    except: Option<OrderId>,
) -> Result<Vec<domain::safety::Finding>, Failure> {
    let formulary = tx.app.formulary();
    let since = tx.now - TimeDelta::days(i64::from(tx.app.policy.vending.counter_days));
    let mut packs: HashMap<String, u32> = HashMap::new();
    for unit in facts::units_taken(tx.conn, &person.rows, since)? {
        if Some(unit.order_id) != except {
            let count = packs.entry(unit.product_code).or_default();
            *count = count.saturating_add(1);
        }
    }
    let had: Vec<Amount<'_>> = packs
        .iter()
        .filter_map(|(code, packs)| Some(Amount { product: formulary.find(code)?, packs: *packs }))
        .collect();
    let wanted: Vec<(Amount<'_>, LabelUse)> = lines
        .iter()
        .zip(uses)
        .filter_map(|(line, label)| {
            Some((Amount { product: formulary.get(&line.product)?, packs: line.packs }, *label))
        })
        .collect();
    // Line numbers count from 0 as in the order; an unknown product was refused before.
    Ok(check_amounts(&wanted, &had, &tx.app.rules()))
}

fn has_fever(tx: &Tx<'_>, newest: Option<facts::NewestReading>) -> bool {
    let fever_from = tx.app.policy.vitals.temperature.values.fever_from;
    // HI of a thermometer is a fever, LO is not.
    newest.is_some_and(|(tenths, _, beyond)| {
        beyond == Some(Beyond::High) || tenths.is_some_and(|tenths| tenths >= fever_from)
    })
}

/// Runs the rules again on a prescription that is ordered or paid: findings that the doctor has
/// answered stay answered, new ones need the doctor.
///
/// # Errors
/// `SafetyBlocked`, or `SafetyRecheckNeeded` with the findings that are new.
pub(crate) fn prescribed(
    tx: &mut Tx<'_>,
    person: &Person,
    id: PrescriptionId,
    body: &Body,
) -> Result<(), Failure> {
    let whose =
        Whose { worker: person.worker, person: &[person.worker], prescription: Some(id), order: None };
    let mut input =
        crate::safety::facts::gather_for(tx.conn, tx.app, &whose, body.draft.lines.clone(), tx.now)?.input;
    body.draft.add_to(&mut input, tx.now);
    let report = crate::safety::facts::run(tx.app, &input);
    rules::check_findings(&body.draft, &report, &tx.app.policy.prescribing).map_err(|mut refusal| {
        if refusal.code == Code::SafetyWarningsUnanswered {
            refusal.code = Code::SafetyRecheckNeeded;
        }
        refusal.into()
    })
}

/// The lines of an order over the counter, from its packs that were not released or refunded.
///
/// # Errors
/// A stored code that cannot be read.
pub fn lines_of(units: &[UnitRow]) -> Result<Vec<CounterLine>, Failure> {
    let mut lines: Vec<CounterLine> = Vec::new();
    for unit in units.iter().filter(|unit| unit.state.is_taken()) {
        match lines.iter_mut().find(|line| line.product.as_str() == unit.product_code) {
            Some(line) => line.packs = line.packs.saturating_add(1),
            None => {
                let product = ProductCode::parse(&unit.product_code).ok_or_else(|| {
                    Failure::inconsistent(format!("a stored product code: {}", unit.product_code))
                })?;
                lines.push(CounterLine { product, packs: 1 });
            }
        }
    }
    Ok(lines)
}

/// The label use of a product as a stored course: thousandths of a unit a day, and days.
pub(crate) fn course_of(tx: &Tx<'_>, product_code: &str) -> (i64, i32) {
    let formulary = tx.app.formulary();
    let label = formulary.find(product_code).and_then(|product| label_use(product, &tx.app.rules(), false));
    let label = label.unwrap_or(NO_LABEL);
    (label.day_units_thousandths(), i32::try_from(label.days).unwrap_or(i32::MAX))
}
