//! The safety check at START. Between paying and typing the pickup code a worker may report a
//! contraindication: an allergy, a pregnancy, chest pain. The whole check runs again if anything of
//! theirs was written since the payment; otherwise START costs two more statements over the
//! counter, one for a prescription.
//!
//! It locks no row: START has locked the cabinet, and orders lock the person first. A fact that is
//! committed after this read counts as coming after START.

use chrono::TimeDelta;

use super::Person;
use crate::{
    Failure, Tx,
    network::me,
    order::{sale, write::LoadedOrder},
    prescription::body::Body,
};
use domain::refusal::{Code, Refusal};
use storage::{order::OrderRow, safety as facts};

/// A write that waited for the payment's transaction has the time at which it began. Our default:
/// longer than any transaction waits.
const MAY_HAVE_WAITED: TimeDelta = TimeDelta::seconds(60);

/// Why this paid order must no longer be dispensed; `body` contains its prescription. A warning over
/// the counter is on the label, which the buyer reads; any other refusal of the sale's check counts,
/// and so does a new warning for a prescription: its doctor has not seen it.
///
/// # Errors
/// Faults of the storage.
pub(crate) fn contraindication(
    tx: &mut Tx<'_>,
    order: &LoadedOrder,
    body: Option<&Body>,
) -> Result<Option<Refusal>, Failure> {
    if !changed(tx, &order.row)? {
        return Ok(None);
    }
    let checked = match (order.row.prescription_id, body) {
        (Some(prescription), Some(body)) => {
            let person = person_of(&order.row, vec![order.row.worker_id]);
            sale::prescribed(tx, &person, prescription, body)
        }
        // START has refused a prescription that does not verify.
        (Some(_), None) => return Err(Failure::inconsistent("a prescription was not verified")),
        (None, _) => over_the_counter(tx, order),
    };
    match checked {
        Ok(()) => Ok(None),
        Err(Failure::Refused(refusal)) if refusal.code == Code::SafetyWarningsUnaccepted => Ok(None),
        // The findings reveal the worker's health; a cabinet gets only the code.
        Err(Failure::Refused(refusal)) => Ok(Some(Refusal::new(refusal.code))),
        Err(failure) => Err(failure),
    }
}

fn over_the_counter(tx: &mut Tx<'_>, order: &LoadedOrder) -> Result<(), Failure> {
    let row = &order.row;
    me::need_care_consent(tx.conn, row.worker_id)?;
    let rows = storage::network::person::person_of(tx.conn, row.worker_id)?;
    let lines = sale::lines_of(&order.units)?;
    sale::counter_sale(tx, &person_of(row, rows), &lines, &[], Some(row.id)).map(drop)
}

fn person_of(order: &OrderRow, rows: Vec<domain::ids::WorkerId>) -> Person {
    Person { worker: order.worker_id, check_in: order.check_in_id, station: order.station_id, rows }
}

/// Whether anything in the buyer's record was written since they paid. Packs and prescriptions that
/// came later were themselves checked against this order.
fn changed(tx: &mut Tx<'_>, order: &OrderRow) -> Result<bool, Failure> {
    let since = order.paid_at.unwrap_or(order.created_at) - MAY_HAVE_WAITED;
    let rows = match order.prescription_id {
        Some(_) => vec![order.worker_id],
        // An alert at another screen may concern the same person.
        None => facts::same_phone(tx.conn, order.worker_id)?,
    };
    for who in rows {
        if facts::facts_since(tx.conn, who, since)? {
            return Ok(true);
        }
    }
    Ok(false)
}
