//! A whole sample network at once, from plain records and the secrets that go
//! with them. It knows nothing of who made them up.

use std::sync::Arc;

use super::{ImportError, Lined, PreparedStaff, PreparedWorkers, csv_file::load};
use crate::{
    crypto::public_key::Ed25519PublicKey,
    domain::{
        formulary::Product,
        ids::{CabinetId, DeviceId, StationId},
        network::{
            CabinetRecord, DoctorRecord, EmployerRecord, HospitalRecord, OperatorRecord, PharmacistRecord,
            RestockerRecord, SafetyOfficerRecord, ShiftRecord, StationRecord, StockRecord, WorkerRecord,
        },
    },
    service::{House, Tx, check_in::CARE_CONSENT},
    storage::{
        devices as device_store, intake,
        network::{NewDevice, devices_add},
        sql_types::At,
    },
};

/// Workers per transaction: the writer serves others in between.
const WORKERS_AT_ONCE: usize = 5_000;

/// Everything that a sample network consists of.
#[allow(missing_docs)]
pub struct SampleParts {
    pub products: Vec<Product>,
    pub stations: Vec<StationRecord>,
    pub cabinets: Vec<CabinetRecord>,
    pub hospitals: Vec<HospitalRecord>,
    pub employers: Vec<EmployerRecord>,
    pub doctors: Vec<DoctorRecord>,
    pub pharmacists: Vec<PharmacistRecord>,
    pub restockers: Vec<RestockerRecord>,
    pub operators: Vec<OperatorRecord>,
    pub safety_officers: Vec<SafetyOfficerRecord>,
    pub shifts: Vec<ShiftRecord>,
    pub stock: Vec<StockRecord>,
    pub workers: Box<dyn ExactSizeIterator<Item = WorkerRecord> + Send>,
}

/// Makes something of a mail address or a station's code.
pub type SecretOf<T> = Box<dyn Fn(&str) -> T + Send>;

/// The secrets of a sample network.
pub struct SampleSecrets {
    /// The Argon2id hash of the password that all staff share.
    pub password_hash: String,
    /// The secret of one-time codes, by mail address.
    pub totp: SecretOf<Vec<u8>>,
    /// The signing PIN of a doctor or pharmacist, by mail address.
    pub signing_pin: SecretOf<String>,
    /// The id and key of a station's screen, by the station's code.
    pub station_device: SecretOf<(DeviceId, Ed25519PublicKey)>,
    /// The id and key of a cabinet, by the station's code.
    pub cabinet_device: SecretOf<(DeviceId, Ed25519PublicKey)>,
}

/// Loads a sample network into an empty house. `progress` is told what is
/// being loaded, how many rows of it are in, of how many.
///
/// # Errors
/// Problems whose line is the place in the list, from 1, when something of it
/// is there already. Each transaction is whole, but earlier ones stay.
pub async fn load_sample(
    house: &Arc<House>,
    parts: SampleParts,
    secrets: SampleSecrets,
    progress: impl Fn(&str, usize, usize) + Send,
) -> Result<(), ImportError> {
    let SampleParts {
        products, stations, cabinets, hospitals, employers, mut workers, shifts, stock, ..
    } = parts;
    let doctors = lined(parts.doctors.into_iter().map(|row| {
        let (person, _) = PreparedStaff::doctor(row);
        with_secrets(person, &secrets, true)
    }));
    let staff = lined(
        (parts
            .pharmacists
            .into_iter()
            .map(|row| with_secrets(PreparedStaff::pharmacist(row).0, &secrets, true)))
        .chain(
            parts
                .restockers
                .into_iter()
                .map(|row| with_secrets(PreparedStaff::restocker(row).0, &secrets, false)),
        )
        .chain(
            parts
                .operators
                .into_iter()
                .map(|row| with_secrets(PreparedStaff::operator(row).0, &secrets, false)),
        )
        .chain(
            parts
                .safety_officers
                .into_iter()
                .map(|row| with_secrets(PreparedStaff::safety_officer(row).0, &secrets, false)),
        ),
    );
    let keys = device_keys(&stations, &secrets);
    let places = stations.len();
    let (products, stations, cabinets, hospitals, employers, shifts, stock) = (
        lined(products),
        lined(stations),
        lined(cabinets),
        lined(hospitals),
        lined(employers),
        lined(shifts),
        lined(stock),
    );
    load(house, move |tx| {
        super::products(tx, &products)?;
        super::stations(tx, &stations, false)?;
        super::cabinets(tx, &cabinets)?;
        enrol_all(tx, &keys)?;
        super::hospitals(tx, &hospitals)?;
        super::employers(tx, &employers)
    })
    .await?;
    super::reload(house).await?;
    progress("stations", places, places);
    let people = doctors.len() + staff.len();
    load(house, move |tx| {
        super::doctors(tx, &doctors, false, true)?;
        super::staff(tx, &staff, false)?;
        super::shifts(tx, &shifts, true)
    })
    .await?;
    progress("staff", people, people);
    let slots = stock.len();
    load(house, move |tx| super::stock(tx, &stock)).await?;
    progress("stock", slots, slots);
    let total = workers.len();
    let mut done = 0;
    while done < total {
        let part: Vec<Lined<WorkerRecord>> = workers
            .by_ref()
            .take(WORKERS_AT_ONCE)
            .enumerate()
            .map(|(at, row)| ((done + at + 1) as u64, row))
            .collect();
        if part.is_empty() {
            break;
        }
        let sealing = Arc::clone(house);
        let count = part.len();
        let prepared = tokio::task::spawn_blocking(move || PreparedWorkers::make(&sealing, part))
            .await
            .map_err(|_| crate::storage::StoreError::Panicked)??;
        load(house, move |tx| super::workers(tx, prepared, Some(CARE_CONSENT))).await?;
        done += count;
        progress("workers", done, total);
    }
    Ok(())
}

fn lined<R>(rows: impl IntoIterator<Item = R>) -> Vec<Lined<R>> {
    rows.into_iter().enumerate().map(|(place, row)| (place as u64 + 1, row)).collect()
}

fn with_secrets(mut person: PreparedStaff, secrets: &SampleSecrets, signs: bool) -> PreparedStaff {
    person.password_hash = Some(secrets.password_hash.clone());
    person.totp = Some((secrets.totp)(&person.email));
    person.signing_pin = signs.then(|| (secrets.signing_pin)(&person.email));
    person
}

/// The keys at one station.
struct PlaceKeys {
    code: String,
    station: (DeviceId, Ed25519PublicKey),
    cabinet: (DeviceId, Ed25519PublicKey),
}

fn device_keys(stations: &[StationRecord], secrets: &SampleSecrets) -> Vec<PlaceKeys> {
    let of = |row: &StationRecord| PlaceKeys {
        code: row.code.clone(),
        station: (secrets.station_device)(&row.code),
        cabinet: (secrets.cabinet_device)(&row.code),
    };
    stations.iter().map(of).collect()
}

/// Enrols every screen and cabinet at once, each for the first time.
fn enrol_all(tx: &mut Tx<'_>, keys: &[PlaceKeys]) -> Result<(), ImportError> {
    let (stations, cabinets) = (intake::station_codes(tx.conn)?, intake::cabinet_codes(tx.conn)?);
    let start = crate::crypto::digest::hex(&crate::crypto::digest::CHAIN_START);
    let now = tx.now;
    let device = |kind: &str,
                  station_id: StationId,
                  cabinet_id: Option<CabinetId>,
                  key: (DeviceId, Ed25519PublicKey)| {
        NewDevice {
            id: key.0,
            kind: kind.to_owned(),
            station_id,
            cabinet_id,
            epoch: 1,
            public_key: key.1.to_string(),
            enrolled_at: At(now),
        }
    };
    let mut new = Vec::with_capacity(keys.len() * 2);
    for place in keys {
        let Some(station) = stations.get(&place.code).copied() else { continue };
        new.push(device("station", station, None, place.station));
        if let Some(cabinet) = cabinets.get(&place.code).copied() {
            device_store::cabinet_epoch_advance(tx.conn, cabinet, 0, 1, &start)?;
            new.push(device("cabinet", station, Some(cabinet), place.cabinet));
        }
    }
    Ok(devices_add(tx.conn, &new)?)
}
