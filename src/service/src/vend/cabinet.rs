//! Cabinets and their contents, as operators and restockers see them.

use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::reconcile::{DiscrepancyView, discrepancy_view};
use crate::{
    Actor, AppState, Failure,
    page::{Rows, page},
};
use crypto::public_key::Ed25519PublicKey;
use domain::{
    ids::{CabinetId, DeviceId, StationId},
    prescription::CabinetLane,
    refusal::Code,
    stock::{Place, SlotClosedReason},
};
use storage::{
    Conn,
    stock::StockedSlot,
    vend::{journal::CabinetRow, reconcile::DiscrepancyRow},
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

page! {
    /// A page of cabinets.
    CabinetList of CabinetView, "In the order of their ids.", after CabinetId
}

/// A cabinet with its slots.
///
/// # Errors
/// `NotFound`.
pub fn cabinet(conn: &mut Conn, id: CabinetId) -> Result<CabinetView, Failure> {
    let row = storage::vend::journal::cabinet_fetch(conn, id)?.ok_or(Code::NotFound)?;
    views(conn, vec![row])?.pop().ok_or_else(|| Code::NotFound.into())
}

/// Cabinets with their slots.
pub fn cabinets(conn: &mut Conn, after: Option<CabinetId>, limit: u32) -> Result<CabinetList, Failure> {
    let read = |most| storage::vend::journal::cabinets_after(conn, after, most);
    let page = Rows::read(limit, read, |row| row.id)?;
    Ok(page.show(|rows| views(conn, rows))?.into())
}

fn views(conn: &mut Conn, rows: Vec<CabinetRow>) -> Result<Vec<CabinetView>, Failure> {
    let ids: Vec<CabinetId> = rows.iter().map(|row| row.id).collect();
    let slots = storage::stock::slots_stocked(conn, &ids)?;
    let discrepancies = storage::vend::reconcile::discrepancies_of_all(conn, &ids)?;
    rows.into_iter().map(|row| view(row, &slots, &discrepancies)).collect()
}

fn view(
    row: CabinetRow,
    slots: &[StockedSlot],
    discrepancies: &[(CabinetId, DiscrepancyRow)],
) -> Result<CabinetView, Failure> {
    let own_slots = slots.iter().filter(|slot| slot.row.cabinet_id == row.id);
    let own_discrepancies = discrepancies.iter().filter(|(cabinet, _)| *cabinet == row.id);
    Ok(CabinetView {
        id: row.id,
        station_id: row.station_id,
        lane: row.lane,
        epoch: row.epoch,
        door_open: row.door_open,
        tampered: row.tampered,
        heard_at: row.heard_at,
        discrepancies: own_discrepancies.map(|(_, row)| discrepancy_view(row)).collect::<Result<_, _>>()?,
        slots: own_slots.map(slot_view).collect(),
    })
}

fn slot_view(StockedSlot { row, lot, figures }: &StockedSlot) -> SlotView {
    let packs = |place: Place| figures[place.column()];
    SlotView {
        slot_no: row.slot_no,
        product_code: row.product_code.clone(),
        lot_no: row.lot_no.clone(),
        expires_on: lot.as_ref().map(|lot| lot.expires_on),
        on_hand: packs(Place::OnHand),
        reserved: packs(Place::Reserved),
        in_doubt: packs(Place::InDoubt),
        capacity: row.capacity,
        closed_reason: row.closed_reason,
    }
}

/// Public keys as this instance has read them, by device and epoch.
pub(crate) type DeviceKeyCache = moka::sync::Cache<(DeviceId, i64), Ed25519PublicKey>;

/// The public key of a device that is enrolled with this epoch now.
///
/// # Errors
/// `DeviceRevoked`.
pub async fn device_key(
    app: &Arc<AppState>,
    device: DeviceId,
    epoch: i64,
) -> Result<Ed25519PublicKey, Failure> {
    // The statement itself checks that the device may act.
    let read = app.read(Actor::Anyone, move |conn, _| {
        Ok(storage::vend::journal::device_key(conn, device, epoch)?.ok_or(Code::DeviceRevoked)?)
    });
    let key: Ed25519PublicKey = read.await?.parse()?;
    app.device_keys.insert((device, epoch), key);
    Ok(key)
}

/// The public key of a device with this epoch, if this instance has read it before. It never
/// changes, but the device may have been revoked since: only for a caller whose operation checks
/// that itself.
pub fn known_device_key(app: &AppState, device: DeviceId, epoch: i64) -> Option<Ed25519PublicKey> {
    app.device_keys.get(&(device, epoch))
}
