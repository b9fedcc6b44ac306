//! Stations, cabinets and their devices, written into the database as an operator's
//! import would.

use chrono::NaiveDate;

use super::TestApp;
use crypto::device::DeviceKey;
use domain::{
    ids::{CabinetId, DeviceId, HospitalId, StationId},
    prescription::CabinetLane,
};
use service::{Actor, Failure, Tx};
use storage::{network as store, sql_types::At};

/// A station to add.
pub struct Place {
    pub code: String,
    pub district: &'static str,
    /// Latitude and longitude in millionths of a degree.
    pub at_e6: (i32, i32),
    pub encounter_lanes: &'static str,
}

impl Place {
    /// Next to the first station of the small network.
    pub fn nearby(code: String) -> Self {
        Self {
            code,
            district: "zhifu",
            at_e6: (37_540_000, 121_390_000),
            encounter_lanes: "minor_ailment_pilot;consultation_only",
        }
    }
}

/// A device with its key.
#[derive(Clone)]
pub struct EnrolledDevice {
    pub id: DeviceId,
    pub key: DeviceKey,
}

impl TestApp {
    /// Draws a device whose requests the harness signs from now on.
    pub fn new_device(&self) -> EnrolledDevice {
        let (id, key) = (DeviceId::generate(), DeviceKey::generate().expect("a key"));
        self.keys.keep(id, &key);
        EnrolledDevice { id, key }
    }

    /// Adds another hospital.
    pub async fn hospital(&self, code: &str) -> HospitalId {
        let (id, code) = (HospitalId::generate(), code.to_owned());
        self.state
            .write(Actor::System, move |tx| -> Result<(), Failure> {
                let new = store::NewHospital {
                    id,
                    code: code.clone(),
                    name_zh: "另一样例医院".into(),
                    name_en: "Another Sample Hospital".into(),
                    district: "laishan".into(),
                    weight: 1,
                    virtual_time: 0,
                    created_at: At(tx.now),
                };
                Ok(store::hospitals_add(tx.conn, &[new])?)
            })
            .await
            .expect("a hospital");
        id
    }
}

pub fn add_station(tx: &mut Tx<'_>, id: StationId, place: &Place) -> Result<(), Failure> {
    let station = store::NewStation {
        id,
        code: place.code.clone(),
        name_zh: "样例驿站".into(),
        name_en: "Sample Station".into(),
        district: place.district.into(),
        latitude_e6: place.at_e6.0,
        longitude_e6: place.at_e6.1,
        encounter_lanes: place.encounter_lanes.into(),
        created_at: At(tx.now),
    };
    Ok(store::stations_add(tx.conn, &[station])?)
}

pub fn add_cabinet(
    tx: &mut Tx<'_>,
    id: CabinetId,
    station_id: StationId,
    lane: CabinetLane,
) -> Result<(), Failure> {
    let cabinet = store::NewCabinet {
        id,
        station_id,
        lane,
        epoch: 1,
        acked_seq: 0,
        journal_head: "00".repeat(32),
        door_open: false,
        tampered: false,
        created_at: At(tx.now),
    };
    Ok(store::cabinets_add(tx.conn, &[cabinet])?)
}

/// Enrols the screen of a station, or a cabinet there.
pub fn add_device(
    tx: &mut Tx<'_>,
    device: &EnrolledDevice,
    station_id: StationId,
    cabinet_id: Option<CabinetId>,
) -> Result<(), Failure> {
    let device = store::NewDevice {
        id: device.id,
        kind: if cabinet_id.is_some() { "cabinet" } else { "station" }.into(),
        station_id,
        cabinet_id,
        epoch: 1,
        public_key: device.key.public_key().to_string(),
        enrolled_at: At(tx.now),
    };
    Ok(store::devices_add(tx.conn, &[device])?)
}

/// Packs of one lot in one slot.
pub struct FilledSlot<'a> {
    pub slot_no: i32,
    pub product: &'a str,
    pub lot: &'a str,
    pub packs: i64,
    pub capacity: i32,
}

pub fn add_lot(tx: &mut Tx<'_>, product: &str, lot: &str, expires_on: NaiveDate) -> Result<(), Failure> {
    let lot = store::NewLot { product_code: product.to_owned(), lot_no: lot.to_owned(), expires_on };
    Ok(store::lots_add(tx.conn, &[lot])?)
}

/// Adds a slot with packs of a lot that is known already.
pub fn add_slot(tx: &mut Tx<'_>, cabinet_id: CabinetId, filled: &FilledSlot<'_>) -> Result<(), Failure> {
    let (product_code, lot_no) = (filled.product.to_owned(), filled.lot.to_owned());
    let slot = store::NewSlot {
        cabinet_id,
        slot_no: filled.slot_no,
        capacity: filled.capacity,
        product_code: Some(product_code.clone()),
        lot_no: Some(lot_no.clone()),
    };
    store::slots_add(tx.conn, &[slot])?;
    let stock = store::NewSlotStock {
        cabinet_id,
        slot_no: filled.slot_no,
        product_code,
        lot_no,
        received: filled.packs,
        on_hand: filled.packs,
        reserved: 0,
        in_doubt: 0,
        dispensed: 0,
        discarded: 0,
    };
    Ok(store::slot_stocks_add(tx.conn, &[stock])?)
}
