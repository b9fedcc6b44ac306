//! Cabinets and their contents, as operators and restockers see them.

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::reconcile::{self, DiscrepancyView};
use crate::Failure;
use domain::{
    ids::{CabinetId, DeviceId, StationId},
    prescription::CabinetLane,
    refusal::Code,
    stock::SlotClosedReason,
};
use storage::{
    Conn,
    stock::{SlotRow, StockKey},
    vend::journal::CabinetRow,
};

#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct CabinetView {
    pub id: CabinetId,
    pub station_id: StationId,
    /// Which sales it may make.
    pub lane: CabinetLane,
    /// Grows by one when it is replaced or enrolled again.
    #[schema(minimum = 0)]
    pub epoch: i64,
    /// Whether a door is open.
    pub door_open: bool,
    /// Whether a tamper alarm is active.
    pub tampered: bool,
    /// When the server last received a message from it.
    pub heard_at: Option<DateTime<Utc>>,
    /// Where it and the stock records or the stored journal differ: nothing starts before that is
    /// reconciled.
    pub discrepancies: Vec<DiscrepancyView>,
    pub slots: Vec<SlotView>,
}

/// One slot of a cabinet.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct SlotView {
    #[schema(minimum = 1)]
    pub slot_no: i32,
    /// The product in it.
    pub product_code: Option<String>,
    /// The lot in it.
    pub lot_no: Option<String>,
    /// The lot's expiry day.
    pub expires_on: Option<NaiveDate>,
    /// Free packs.
    pub on_hand: i64,
    /// Packs set aside.
    pub reserved: i64,
    /// Packs of which nobody knows whether they were dispensed.
    pub in_doubt: i64,
    /// The maximum number of packs.
    pub capacity: i32,
    /// Why it takes no attempts.
    pub closed_reason: Option<SlotClosedReason>,
}

/// A page of cabinets.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct CabinetList {
    /// In the order of their ids.
    pub items: Vec<CabinetView>,
    /// Where the next page begins.
    pub next_after: Option<CabinetId>,
}

/// A cabinet with its slots.
///
/// # Errors
/// `NotFound`.
pub fn cabinet(conn: &mut Conn, id: CabinetId) -> Result<CabinetView, Failure> {
    let row = storage::vend::journal::cabinet_fetch(conn, id)?.ok_or(Code::NotFound)?;
    view(conn, row)
}

/// Cabinets with their slots.
pub fn cabinets(conn: &mut Conn, after: Option<CabinetId>, limit: u32) -> Result<CabinetList, Failure> {
    let mut rows = storage::vend::journal::cabinets_after(conn, after, i64::from(limit) + 1)?;
    let more = rows.len() > limit as usize;
    rows.truncate(limit as usize);
    let items = rows.into_iter().map(|row| view(conn, row)).collect::<Result<Vec<_>, _>>()?;
    let next_after = if more { items.last().map(|item| item.id) } else { None };
    Ok(CabinetList { items, next_after })
}

fn view(conn: &mut Conn, row: CabinetRow) -> Result<CabinetView, Failure> {
    let slots = storage::stock::slots_of(conn, row.id)?;
    let slots = slots.into_iter().map(|slot| slot_view(conn, slot)).collect::<Result<Vec<_>, _>>()?;
    Ok(CabinetView {
        id: row.id,
        station_id: row.station_id,
        lane: row.lane,
        epoch: row.epoch,
        door_open: row.door_open,
        tampered: row.tampered,
        heard_at: row.heard_at,
        discrepancies: reconcile::open_discrepancies(conn, row.id)?,
        slots,
    })
}

fn slot_view(conn: &mut Conn, row: SlotRow) -> Result<SlotView, Failure> {
    let (mut expires_on, mut figures) = (None, [0; 6]);
    if let (Some(product_code), Some(lot_no)) = (row.product_code.clone(), row.lot_no.clone()) {
        expires_on = storage::stock::lot_fetch(conn, &product_code, &lot_no)?.map(|lot| lot.expires_on);
        let key = StockKey { cabinet: row.cabinet_id, slot_no: row.slot_no, product_code, lot_no };
        figures = storage::stock::stock_figures(conn, &key)?.unwrap_or_default();
    }
    let [_, on_hand, reserved, in_doubt, _, _] = figures;
    Ok(SlotView {
        slot_no: row.slot_no,
        product_code: row.product_code,
        lot_no: row.lot_no,
        expires_on,
        on_hand,
        reserved,
        in_doubt,
        capacity: row.capacity,
        closed_reason: row.closed_reason,
    })
}

/// The public key of a device that is enrolled with this epoch now.
///
/// # Errors
/// `DeviceRevoked`.
pub fn device_key(conn: &mut Conn, device: DeviceId, epoch: i64) -> Result<String, Failure> {
    Ok(storage::vend::journal::device_key(conn, device, epoch)?.ok_or(Code::DeviceRevoked)?)
}
