//! Imports stations, cabinets, hospitals, employers, and the first stock of cabinets.

use std::collections::{BTreeSet, HashMap};

use super::{Existing, Found, ImportError, Lined, Loaded, record, update};
use crate::Tx;
use crypto::digest;
use domain::{
    ids::{CabinetId, EmployerId, HospitalId, StationId},
    network::import::ImportKind,
    network::{CabinetRecord, EmployerRecord, HospitalRecord, StationRecord},
    prescription::CabinetLane,
    stock::{lot_key, record::StockRecord},
    words::Bilingual,
};
use storage::{
    network::{
        self as store, NewCabinet, NewEmployer, NewHospital, NewLot, NewSlot, NewSlotStock, NewStation,
    },
    sql_types::At,
};

/// A cabinet that is not enrolled yet: epoch 0.
pub(crate) fn new_cabinet(station_id: StationId, lane: CabinetLane, at: At) -> NewCabinet {
    NewCabinet {
        id: CabinetId::generate(),
        station_id,
        lane,
        epoch: 0,
        acked_seq: 0,
        journal_head: digest::hex(&digest::CHAIN_START),
        door_open: false,
        tampered: false,
        created_at: at,
    }
}

/// A station as stored.
pub(crate) fn new_station(record: &StationRecord, at: At) -> NewStation {
    let lanes: Vec<&str> = record.encounter_lanes.iter().map(|lane| lane.as_str()).collect();
    NewStation {
        id: StationId::generate(),
        code: record.code.clone(),
        name_zh: record.name_zh.clone(),
        name_en: record.name_en.clone(),
        district: record.district.clone(),
        latitude_e6: record.latitude_e6,
        longitude_e6: record.longitude_e6,
        encounter_lanes: lanes.join(";"),
        created_at: at,
    }
}

/// Loads stations; with `with_cabinets`, each gets a cabinet of the network's default lane.
///
/// # Errors
/// A problem for each code that is taken.
pub fn stations(
    tx: &mut Tx<'_>,
    rows: &[Lined<StationRecord>],
    with_cabinets: bool,
    existing: Existing,
) -> Result<Loaded, ImportError> {
    let known = storage::network::import::station_codes(tx.conn)?;
    let (mut found, mut loaded) = (Found::default(), Loaded::default());
    let at = At(tx.now);
    let mut new: Vec<NewStation> = Vec::with_capacity(rows.len());
    for (line, row) in rows {
        match known.get(&row.code) {
            None => new.push(new_station(row, at)),
            Some(id) if found.known(existing, &mut loaded, *line, "code") => update::station(tx, *id, row)?,
            Some(_) => {}
        }
    }
    found.done()?;
    loaded.added = new.len();
    store::stations_add(tx.conn, &new)?;
    if with_cabinets {
        let lane = tx.app.policy.cabinet_lane;
        let cabinets: Vec<NewCabinet> = new.iter().map(|row| new_cabinet(row.id, lane, at)).collect();
        store::cabinets_add(tx.conn, &cabinets)?;
    }
    record(tx, ImportKind::Stations, loaded)?;
    Ok(loaded)
}

/// Loads cabinets of stations that have none.
///
/// # Errors
/// A problem for each unknown station, or one that has a cabinet.
pub fn cabinets(
    tx: &mut Tx<'_>,
    rows: &[Lined<CabinetRecord>],
    existing: Existing,
) -> Result<Loaded, ImportError> {
    let (stations, taken) = (
        storage::network::import::station_codes(tx.conn)?,
        storage::network::import::cabinet_codes(tx.conn)?,
    );
    let (mut found, mut loaded) = (Found::default(), Loaded::default());
    let mut new = Vec::with_capacity(rows.len());
    for (line, row) in rows {
        match (stations.get(&row.station_code), taken.get(&row.station_code)) {
            (None, _) => found.unknown(*line, "station_code"),
            (Some(station), None) => new.push(new_cabinet(*station, row.lane, At(tx.now))),
            (Some(_), Some(id)) if found.known(existing, &mut loaded, *line, "station_code") => {
                storage::network::import::update::cabinet_update(tx.conn, *id, row.lane)?;
            }
            (Some(_), Some(_)) => {}
        }
    }
    found.done()?;
    loaded.added = new.len();
    store::cabinets_add(tx.conn, &new)?;
    record(tx, ImportKind::Cabinets, loaded)?;
    Ok(loaded)
}

/// Loads hospitals. A new one starts at the current virtual time; otherwise it would be owed all
/// past offers.
///
/// # Errors
/// A problem for each code that is taken.
pub fn hospitals(
    tx: &mut Tx<'_>,
    rows: &[Lined<HospitalRecord>],
    existing: Existing,
) -> Result<Loaded, ImportError> {
    let known = storage::network::import::hospital_codes(tx.conn)?;
    let (mut found, mut loaded) = (Found::default(), Loaded::default());
    let virtual_time = storage::matching::doctor::matching_clock(tx.conn)?;
    let mut new = Vec::with_capacity(rows.len());
    for (line, row) in rows {
        match known.get(&row.code) {
            None => new.push(NewHospital {
                id: HospitalId::generate(),
                code: row.code.clone(),
                name_zh: row.name_zh.clone(),
                name_en: row.name_en.clone(),
                district: row.district.clone(),
                weight: row.weight,
                virtual_time,
                created_at: At(tx.now),
            }),
            Some(id) if found.known(existing, &mut loaded, *line, "code") => {
                update::hospital(tx, *id, row)?;
            }
            Some(_) => {}
        }
    }
    found.done()?;
    loaded.added = new.len();
    store::hospitals_add(tx.conn, &new)?;
    record(tx, ImportKind::Hospitals, loaded)?;
    Ok(loaded)
}

/// Loads employers.
///
/// # Errors
/// A problem for each code that is taken.
pub fn employers(
    tx: &mut Tx<'_>,
    rows: &[Lined<EmployerRecord>],
    existing: Existing,
) -> Result<Loaded, ImportError> {
    let known = storage::network::import::employer_codes(tx.conn)?;
    let (mut found, mut loaded) = (Found::default(), Loaded::default());
    let mut new = Vec::with_capacity(rows.len());
    for (line, row) in rows {
        match known.get(&row.code) {
            None => new.push(NewEmployer {
                id: EmployerId::generate(),
                code: row.code.clone(),
                name_zh: row.name_zh.clone(),
                name_en: row.name_en.clone(),
                created_at: At(tx.now),
            }),
            Some(id) if found.known(existing, &mut loaded, *line, "code") => {
                update::employer(tx, *id, row)?;
            }
            Some(_) => {}
        }
    }
    found.done()?;
    loaded.added = new.len();
    store::employers_add(tx.conn, &new)?;
    record(tx, ImportKind::Employers, loaded)?;
    Ok(loaded)
}

/// Loads the first stock of cabinets: slots, the lots in them, and their packs. An existing slot
/// may be skipped and is never updated: only restockers and the cabinet report its contents.
///
/// # Errors
/// A problem for each unknown station or product, each slot that exists, and each lot with two
/// different expiry dates.
pub fn stock(
    tx: &mut Tx<'_>,
    rows: &[Lined<StockRecord>],
    existing: Existing,
) -> Result<Loaded, ImportError> {
    let (cabinets, products) = (
        storage::network::import::cabinet_codes(tx.conn)?,
        storage::network::import::product_codes(tx.conn)?,
    );
    let taken = storage::network::import::slots_taken(tx.conn)?;
    let mut expiries = storage::network::import::lots_known(tx.conn)?;
    let (mut found, mut loaded) = (Found::default(), Loaded::default());
    let mut lots: HashMap<(String, String), NewLot> = HashMap::new();
    let (mut slots, mut stocks) = (Vec::with_capacity(rows.len()), Vec::with_capacity(rows.len()));
    for (line, row) in rows {
        let Some(cabinet) = cabinets.get(&row.station_code) else {
            found.unknown(*line, "station_code");
            continue;
        };
        if !products.contains(&row.product_code) {
            found.unknown(*line, "product_code");
        }
        if taken.contains(&(*cabinet, row.slot_no)) {
            match existing {
                Existing::Skip => loaded.skipped += 1,
                Existing::Refuse | Existing::Update => found.taken(*line, "slot_no"),
            }
            continue;
        }
        let key = (row.product_code.clone(), row.lot_no.clone());
        match expiries.get(&key) {
            Some(expires_on) if *expires_on != row.expires_on => {
                let message =
                    Bilingual::fixed("同一批次的有效期不一致。", "This lot's expiry is told in two ways.");
                found.note(*line, "expires_on", "contradiction", message);
            }
            Some(_) => {}
            None => {
                expiries.insert(key.clone(), row.expires_on);
                let (product_code, lot_no) = key.clone();
                lots.insert(key, NewLot { product_code, lot_no, expires_on: row.expires_on });
            }
        }
        slots.push(slot_of(*cabinet, row));
        stocks.push(stock_of(*cabinet, row));
    }
    found.done()?;
    let lots: Vec<NewLot> = lots.into_values().collect();
    store::lots_add(tx.conn, &lots)?;
    refuse_recalled(tx, rows, &lots)?;
    store::slots_add(tx.conn, &slots)?;
    store::slot_stocks_add(tx.conn, &stocks)?;
    loaded.added = slots.len();
    record(tx, ImportKind::Stock, loaded)?;
    Ok(loaded)
}

/// Refuses rows with a recalled lot; locks the products, so that a concurrent recall is seen.
fn refuse_recalled(tx: &mut Tx<'_>, rows: &[Lined<StockRecord>], new: &[NewLot]) -> Result<(), ImportError> {
    let mut found = Found::default();
    let products: BTreeSet<&str> = new.iter().map(|lot| lot.product_code.as_str()).collect();
    for product in products {
        storage::stock::recall::product_lock(tx.conn, product)?;
    }
    let notices = storage::stock::recall::notices(tx.conn)?;
    for (line, row) in rows {
        if notices.contains(&(row.product_code.clone(), lot_key(&row.lot_no))) {
            let message = Bilingual::fixed(
                "该批次已被召回，不得装入。",
                "This lot was recalled; it may not be loaded.",
            );
            found.note(*line, "lot_no", "recalled", message);
        }
    }
    found.done()
}

fn slot_of(cabinet_id: CabinetId, row: &StockRecord) -> NewSlot {
    NewSlot {
        cabinet_id,
        slot_no: row.slot_no,
        capacity: row.capacity,
        product_code: Some(row.product_code.clone()),
        lot_no: Some(row.lot_no.clone()),
    }
}

fn stock_of(cabinet_id: CabinetId, row: &StockRecord) -> NewSlotStock {
    NewSlotStock {
        cabinet_id,
        slot_no: row.slot_no,
        product_code: row.product_code.clone(),
        lot_no: row.lot_no.clone(),
        received: i64::from(row.quantity),
        on_hand: i64::from(row.quantity),
        reserved: 0,
        in_doubt: 0,
        dispensed: 0,
        discarded: 0,
    }
}
