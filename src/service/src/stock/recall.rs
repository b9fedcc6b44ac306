//! A recall: packs of the lot are no longer vended, and the workers who received one are listed.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    Failure, Part, Recipients, Tx,
    order::write::cancel_unpaid,
    stock::close_slot,
    vend::{closing, lock_cabinet, orders::Orders},
};
use coordination::Topic;
use crypto::digest;
use domain::{
    event::{AnyId, cabinet::LotEvent},
    ids::{AttemptId, CabinetId, OrderId, WorkerId},
    refusal::{Code, Refusal},
    spelling,
    stock::{SlotClosedReason, lot_key},
    vend::{AttemptState, Command, attempt::VoidReason},
    words::Bilingual,
};
use storage::stock as store;

/// Which lot, and why.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RecallInput {
    #[schema(value_type = spelling::ProductCode)]
    pub product_code: String,
    #[schema(value_type = spelling::LotNo)]
    pub lot_no: String,
    /// In words, 1 to 500 characters.
    #[schema(value_type = spelling::ShortWords)]
    pub reason: String,
}

/// What the recall did.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct RecallView {
    /// Slots that contain the lot, in all cabinets.
    pub slots_frozen: u32,
    /// Authorizations that were withdrawn.
    pub attempts_voided: u32,
    /// Workers who have, or may have, a pack of it: it was dispensed, is in doubt, or was being
    /// vended.
    pub workers_served: Vec<WorkerId>,
}

/// Recalls a lot in all cabinets; a pack of it that is loaded later is refused, or its slot stays
/// closed. A repeated recall sweeps again.
///
/// # Errors
/// `NotFound` for an unknown product.
pub fn recall(tx: &mut Tx<'_>, input: &RecallInput) -> Result<RecallView, Failure> {
    let reason = input.reason.trim();
    if reason.is_empty() || reason.chars().count() > 500 {
        let message =
            Bilingual::fixed("原因须为 1 到 500 个字符", "the reason must have 1 to 500 characters");
        return Err(Refusal::field("reason", "out_of_range", message).into());
    }
    let product = input.product_code.as_str();
    if !storage::stock::recall::product_lock(tx.conn, product)? {
        return Err(Code::NotFound.into());
    }
    let key = lot_key(&input.lot_no);
    let mut fresh = storage::stock::recall::notice_add(tx.conn, product, &key, reason, tx.now)?;
    let mut lots = storage::stock::recall::lots_by_key(tx.conn, product, &key)?;
    for lot in &lots {
        fresh |= store::lot_recall(tx.conn, product, lot, reason, tx.now)?;
    }
    if fresh {
        let event = LotEvent::Recalled {
            product_code: product.to_owned(),
            lot_no: input.lot_no.clone(),
            lots: lots.clone(),
        };
        tx.record(lot_stream(product, &input.lot_no), event, Recipients::nobody())?;
    }
    // A pack of it may have been vended from a slot of another lot.
    if !lots.contains(&input.lot_no) {
        lots.push(input.lot_no.clone());
    }
    sweep(tx, product, &lots)
}

/// Closes slots, withdraws authorizations and lists workers for these lots, in all cabinets.
fn sweep(tx: &mut Tx<'_>, product: &str, lots: &[String]) -> Result<RecallView, Failure> {
    let mut slots = Vec::new();
    for lot in lots {
        slots.extend(store::slots_with_lot(tx.conn, product, lot)?);
    }
    let (issued, unpaid) = open_claims(tx, product, lots)?;
    let mut cabinets: BTreeSet<CabinetId> = slots.iter().map(|slot| slot.cabinet_id).collect();
    cabinets.extend(issued.iter().map(|(cabinet, _)| *cabinet));
    cabinets.extend(unpaid.iter().map(|(cabinet, _)| *cabinet));
    for cabinet in cabinets {
        lock_cabinet(tx, cabinet)?;
        tx.wake(Topic::Cabinet(cabinet));
    }
    // Looked up again under the locks: an order may have come in between.
    let (issued, unpaid) = open_claims(tx, product, lots)?;
    for slot in &slots {
        close_slot(tx, slot.cabinet_id, slot.slot_no, SlotClosedReason::Recalled)?;
    }
    // Before anything is withdrawn: a worker whose pack is being vended may have it by now.
    let mut workers_served: BTreeSet<WorkerId> = BTreeSet::new();
    for lot in lots {
        workers_served.extend(storage::order::workers_served_with(tx.conn, product, lot)?);
        workers_served.extend(storage::vend::attempt::workers_with_other_lot(tx.conn, product, lot)?);
    }
    let mut attempts_voided = 0;
    let mut orders = Orders::default();
    let issued: Vec<AttemptId> = issued.into_iter().map(|(_, id)| id).collect();
    orders.read_attempts(tx, &issued)?;
    for id in issued {
        // An earlier turn of this loop may have moved it.
        if orders.attempt(id)?.row.state == AttemptState::Issued {
            closing::command(tx, &mut orders, id, Command::Void { reason: VoidReason::Recalled })?;
            attempts_voided += 1;
        }
    }
    for (_, id) in unpaid {
        if let Some(order) = orders.read(tx, id)? {
            cancel_unpaid(tx, order)?;
        }
    }
    let slots_frozen = u32::try_from(slots.len()).unwrap_or(u32::MAX);
    let workers_served: Vec<WorkerId> = workers_served.into_iter().collect();
    for (worker, lot) in workers_served.iter().flat_map(|worker| lots.iter().map(move |lot| (worker, lot))) {
        tx.shown.note(*worker, Part::Recall, lot_stream(product, lot));
    }
    Ok(RecallView { slots_frozen, attempts_voided, workers_served })
}

type OpenClaims = (Vec<(CabinetId, AttemptId)>, Vec<(CabinetId, OrderId)>);

/// Authorizations that were issued for these lots, and unpaid orders that have reserved packs of
/// them.
fn open_claims(tx: &mut Tx<'_>, product: &str, lots: &[String]) -> Result<OpenClaims, Failure> {
    let (mut issued, mut unpaid) = (Vec::new(), Vec::new());
    for lot in lots {
        issued.extend(storage::vend::attempt::attempts_issued_of_lot(tx.conn, product, lot)?);
        unpaid.extend(storage::order::orders_reserving_lot(tx.conn, product, lot)?);
    }
    Ok((issued, unpaid))
}

/// A lot has no id of its own: its stream id is a digest of its key.
fn lot_stream(product_code: &str, lot_no: &str) -> AnyId {
    digest::id_of(&format!("lot\n{product_code}\n{lot_no}"))
}
