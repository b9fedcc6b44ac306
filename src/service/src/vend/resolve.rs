//! A person resolves a doubt: the cabinet is restarted first, then counted, then a named person
//! decides.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{closing, orders::Orders, slot_no};
use crate::{Failure, Recipients, Tx, stock::restocking};
use domain::{
    ids::{AttemptId, CabinetId, OrderId, StaffId},
    refusal::{Code, Refusal},
    vend::{
        AttemptState, Command, NotDispensedReason, Outcome, decide, decide::CountDecision,
        event::AttemptNote, journal::Body,
    },
};
use storage::vend::{
    attempt::AttemptRow,
    journal::{CabinetRow, cabinet_of_attempt_lock},
};

/// The maximum number of journal entries that are searched for the count.
const COUNT_SEARCH_LIMIT: i64 = 1000;

/// What the count showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// The pack is gone.
    Dispensed,
    /// The pack is still there.
    NotDispensed,
}

/// A person's decision about an attempt in doubt.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ResolveInput {
    /// What the count showed.
    pub decision: Decision,
    /// Why the pack did not come out; `jam` if left out.
    pub reason: Option<NotDispensedReason>,
}

/// An attempt, as an operator sees it.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct AttemptView {
    pub id: AttemptId,
    /// Of which order.
    pub order_id: OrderId,
    /// At which cabinet.
    pub cabinet_id: CabinetId,
    /// From which slot.
    pub slot_no: i32,
    /// The current state.
    pub state: AttemptState,
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// When it became doubtful.
    pub doubted_at: Option<DateTime<Utc>>,
    /// When it ended.
    pub ended_at: Option<DateTime<Utc>>,
}

/// Resolves a doubt.
///
/// # Errors
/// `CabinetNotRebooted` unless the cabinet was restarted after the doubt and
/// its slot counted after that; `StateMovedOn`, `AttemptClosed`.
pub fn resolve(
    tx: &mut Tx<'_>,
    by: StaffId,
    id: AttemptId,
    input: &ResolveInput,
) -> Result<AttemptView, Failure> {
    let cabinet = cabinet_of_attempt_lock(tx.conn, id)?.ok_or(Code::NotFound)?;
    let mut orders = Orders::default();
    orders.read_attempts(tx, &[id])?;
    let attempt = orders.attempt(id)?.clone();
    let row = &attempt.row;
    let rebooted = rebooted_after(&cabinet, row);
    let count = if rebooted { last_count(tx, &cabinet, row.slot_no)? } else { None };
    let decision = match input.decision {
        Decision::Dispensed => CountDecision::Dispensed,
        Decision::NotDispensed => {
            CountDecision::NotDispensed(input.reason.unwrap_or(NotDispensedReason::Jam))
        }
    };
    let asked = Command::HumanCount { cabinet_rebooted_after_doubt: rebooted, decision };
    decide(attempt.attempt(), asked, tx.now)?;
    let Some(counted) = count else {
        return Err(Refusal::new(Code::CabinetNotRebooted).in_state(row.state).into());
    };
    closing::command(tx, &mut orders, id, asked)?;
    tx.record(id, AttemptNote::ResolvedBy { by }, Recipients::nobody())?;
    // The count did not change the stock record while the attempt was in doubt.
    restocking::book_stock_count(tx, &mut orders, cabinet.id, row.slot_no, counted)?;
    let row = &orders.attempt(id)?.row;
    Ok(AttemptView {
        id: row.id,
        order_id: row.order_id,
        cabinet_id: row.cabinet_id,
        slot_no: row.slot_no,
        state: row.state,
        outcome: row.outcome,
        doubted_at: row.doubted_at,
        ended_at: row.ended_at,
    })
}

/// Whether the present boot was first seen when the attempt became doubtful or later, and is not
/// the one that got the GRANT: the cabinet can no longer act on that GRANT.
fn rebooted_after(cabinet: &CabinetRow, row: &AttemptRow) -> bool {
    let later = match (cabinet.booted_at, row.doubted_at) {
        (Some(booted), Some(doubted)) => booted >= doubted,
        _ => false,
    };
    later && cabinet.boot_id.is_some() && cabinet.boot_id != row.boot_id
}

/// What the present boot last counted in a slot; none if packs were loaded after that.
fn last_count(tx: &mut Tx<'_>, cabinet: &CabinetRow, slot: i32) -> Result<Option<u32>, Failure> {
    let slot = slot_no(slot)?;
    let kinds = ["count", "restock"];
    let recent = storage::vend::journal::journal_recent(
        tx.conn,
        cabinet.id,
        cabinet.epoch,
        &kinds,
        COUNT_SEARCH_LIMIT,
    )?;
    for (_, boot, kind, body) in recent {
        if cabinet.boot_id.as_ref() != Some(&boot) {
            break;
        }
        match Body::from_parts(&kind, serde_json::from_str(&body)?)? {
            Body::Count { slot: of, n } if of == slot => return Ok(Some(n)),
            Body::Restock { slot: of, .. } if of == slot => return Ok(None),
            _another_slot => {}
        }
    }
    Ok(None)
}
