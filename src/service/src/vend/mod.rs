//! Vending: from a paid pack to a dispensed pack. One attempt per physical pack; after a committed
//! START only evidence closes it. A timeout never counts as "not vended".
//!
//! Every operation first locks the cabinet's row, which covers its slots, orders and attempts: one
//! lock order for all, no START between a new boot and the doubts that it causes, and what was read
//! once need not be read again.

pub(crate) mod attempt;
pub(crate) mod boots;
pub(crate) mod cabinet;
pub(crate) mod closing;
pub(crate) mod hello;
pub(crate) mod incident;
pub(crate) mod issue;
pub(crate) mod journal;
pub(crate) mod orders;
pub(crate) mod pickup;
pub(crate) mod reconcile;
pub(crate) mod resolve;
pub(crate) mod silent;
pub(crate) mod start;
pub(crate) mod sweep;
pub(crate) mod work;

pub(crate) use cabinet::DeviceKeyCache;
pub use cabinet::{CabinetList, CabinetView, cabinet, cabinets, device_key, known_device_key};
pub use hello::hello;
pub use incident::{CloseIncident, IncidentList, IncidentView, close_incident, incidents};
pub use journal::accept;
pub use resolve::{AttemptView, ResolveInput, resolve};
pub use start::start;
pub use sweep::{doubt_silent, epoch_replaced, expire_orders, void_expired};
pub(crate) use work::WorkCursorCache;
pub use work::{cursor_of, work};

pub(crate) use sweep::withdraw;

use super::{Failure, Tx};
use domain::{
    ids::CabinetId,
    refusal::Code,
    stock::SlotNo,
    vend::{Attempt, BootId, Epoch},
};
use storage::vend::{attempt::AttemptRow, journal::CabinetRow};

/// Locks the cabinet's row for this transaction.
///
/// # Errors
/// `NotFound`.
pub(super) fn lock_cabinet(tx: &mut Tx<'_>, cabinet: CabinetId) -> Result<CabinetRow, Failure> {
    Ok(storage::vend::journal::cabinet_lock(tx.conn, cabinet)?.ok_or(Code::NotFound)?)
}

/// Converts a stored slot number.
pub(crate) fn slot_no(number: i32) -> Result<SlotNo, Failure> {
    SlotNo::new(number).ok_or_else(|| Failure::inconsistent(format!("a stored slot number is {number}")))
}

/// Converts a stored attempt to the domain's type.
pub(super) fn domain_attempt(row: &AttemptRow) -> Result<Attempt, Failure> {
    let granted_boot = match &row.boot_id {
        Some(text) => Some(BootId::parse(text).ok_or_else(|| Failure::inconsistent("a stored boot id"))?),
        None => None,
    };
    Ok(Attempt {
        id: row.id,
        order_unit: row.order_unit_id,
        cabinet: row.cabinet_id,
        epoch: Epoch(row.epoch),
        slot: slot_no(row.slot_no)?,
        state: row.state,
        expires_at: row.expires_at,
        granted_boot,
        started_at: row.started_at,
        doubted_at: row.doubted_at,
        ended_at: row.ended_at,
        outcome: row.outcome,
    })
}
