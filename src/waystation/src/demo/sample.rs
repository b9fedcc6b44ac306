//! Loads a planned network into an empty database, thousands of rows per
//! transaction. Records come from the `simulation` crate, rows go to `storage`:
//! only this crate depends on both.

use std::{collections::HashMap, sync::Arc};

use anyhow::Context;
use indicatif::ProgressBar;

use crypto::{blind::BlindField, device::DeviceKey, pin::PinSalt, seal::FieldPlace};
use domain::{
    ids::{CabinetId, DeviceId, EmployerId, HospitalId, ShiftId, StaffId, StationId, WorkerId},
    matching::presence::Presence,
    network::WorkerRecord,
    staff::{DoctorRecord, ShiftRecord, StaffRecord, role::Role},
};
use service::{Actor, AppState, Failure, Tx};
use simulation::sample::{SAMPLE_PASSWORD_HASH, SampleNetwork};
use storage::{network as rows, sql_types::At};

/// Workers per transaction.
const WORKER_BATCH: usize = 1_500;
/// Slots with stock per transaction: 60 stations of 40 slots.
const STOCK_BATCH: usize = 40 * 60;

/// A member of staff to be added.
#[derive(Clone)]
pub struct Person {
    pub role: Role,
    pub email: String,
    pub name_zh: String,
    pub name_en: String,
    pub hospital: Option<HospitalId>,
    pub employer: Option<EmployerId>,
    pub password_hash: String,
    pub totp: Vec<u8>,
    /// Only doctors and pharmacists have one.
    pub signing_pin: Option<String>,
}

/// Adds staff with their secrets sealed; returns their ids by e-mail address.
pub fn add_staff(tx: &mut Tx<'_>, people: Vec<Person>) -> Result<HashMap<String, StaffId>, Failure> {
    let created_at = At(tx.now);
    let mut ids = HashMap::with_capacity(people.len());
    let mut staff = Vec::with_capacity(people.len());
    for person in people {
        let id = StaffId::generate();
        let place = FieldPlace::of(&tx.app.policy.network, "staff", "totp_sealed", id);
        let totp_sealed = tx.app.keys.sealer.seal(&place, &person.totp)?;
        let pin = person.signing_pin.map(|pin| {
            let salt = PinSalt::generate();
            let mac = tx.app.keys.staff_pins.mac(&salt, &pin).to_vec();
            (salt.0.to_vec(), mac)
        });
        let (pin_salt, pin_mac) = pin.unzip();
        ids.insert(person.email.clone(), id);
        staff.push(rows::NewStaff {
            id,
            role: person.role,
            email: person.email,
            name_zh: person.name_zh,
            name_en: person.name_en,
            hospital_id: person.hospital,
            employer_id: person.employer,
            password_hash: Some(person.password_hash),
            totp_sealed: Some(totp_sealed),
            totp_step: 0,
            pin_salt,
            pin_mac,
            pin_failures: 0,
            created_at,
        });
    }
    rows::staff_add(tx.conn, &staff)?;
    Ok(ids)
}

/// Loads the whole network with `stock` of the products `codes`.
///
/// # Errors
/// Storage errors.
pub async fn load(
    app: &Arc<AppState>,
    network: &Arc<SampleNetwork>,
    codes: &[String],
    bar: &ProgressBar,
) -> anyhow::Result<()> {
    bar.set_length(network.worker_count() as u64 + 2);
    let plan = Arc::clone(network);
    let employers = write(app, move |tx| load_places_and_staff(tx, &plan)).await?;
    bar.inc(1);
    let employers = Arc::new(employers);
    let mut all = network.workers();
    loop {
        let part: Vec<WorkerRecord> = all.by_ref().take(WORKER_BATCH).collect();
        if part.is_empty() {
            break;
        }
        let (count, employers) = (part.len() as u64, Arc::clone(&employers));
        write(app, move |tx| load_workers(tx, &part, &employers)).await?;
        bar.inc(count);
    }
    load_stock(app, network, codes).await?;
    bar.inc(1);
    Ok(())
}

/// Records the licences of pharmacists whom an earlier version added without one.
///
/// # Errors
/// Storage errors.
pub async fn load_licences(app: &Arc<AppState>, network: &Arc<SampleNetwork>) -> anyhow::Result<()> {
    let plan = Arc::clone(network);
    write(app, move |tx| {
        let ids = storage::network::places::staff_by_email(tx.conn)?;
        load_pharmacists(tx, &plan.pharmacists, &ids)
    })
    .await
}

/// Adds the shifts that do not exist yet.
///
/// # Errors
/// Storage errors.
pub async fn load_shifts(app: &Arc<AppState>, shifts: Vec<ShiftRecord>) -> anyhow::Result<()> {
    write(app, move |tx| {
        let staff = storage::network::places::staff_by_email(tx.conn)?;
        let fresh: Vec<rows::NewShift> = shifts
            .iter()
            .filter_map(|shift| {
                Some(rows::NewShift {
                    id: ShiftId::generate(),
                    staff_id: *staff.get(&shift.staff_email)?,
                    starts_at: At(shift.starts_at),
                    ends_at: At(shift.ends_at),
                })
            })
            .collect();
        rows::shifts_insert(tx.conn, &fresh)?;
        Ok(())
    })
    .await
}

async fn write<T: Send + 'static>(
    app: &Arc<AppState>,
    work: impl Fn(&mut Tx<'_>) -> Result<T, Failure> + Send + 'static,
) -> anyhow::Result<T> {
    app.write(Actor::System, work).await.map_err(|failure| anyhow::anyhow!("loading the sample: {failure}"))
}

fn load_places_and_staff(
    tx: &mut Tx<'_>,
    network: &SampleNetwork,
) -> Result<HashMap<String, EmployerId>, Failure> {
    let created_at = At(tx.now);
    let mut hospitals = HashMap::new();
    let mut hospital_rows = Vec::new();
    for one in &network.hospitals {
        let id = HospitalId::generate();
        hospitals.insert(one.code.clone(), id);
        hospital_rows.push(rows::NewHospital {
            id,
            code: one.code.clone(),
            name_zh: one.name_zh.clone(),
            name_en: one.name_en.clone(),
            district: one.district.clone(),
            weight: one.weight,
            virtual_time: 0,
            created_at,
        });
    }
    rows::hospitals_add(tx.conn, &hospital_rows)?;
    let mut employers = HashMap::new();
    let mut employer_rows = Vec::new();
    for one in &network.employers {
        let id = EmployerId::generate();
        employers.insert(one.code.clone(), id);
        let (name_zh, name_en) = (one.name_zh.clone(), one.name_en.clone());
        employer_rows.push(rows::NewEmployer { id, code: one.code.clone(), name_zh, name_en, created_at });
    }
    rows::employers_add(tx.conn, &employer_rows)?;
    load_stations(tx, network)?;
    load_staff(tx, network, &hospitals, &employers)?;
    Ok(employers)
}

fn load_stations(tx: &mut Tx<'_>, network: &SampleNetwork) -> Result<(), Failure> {
    let created_at = At(tx.now);
    let (mut stations, mut cabinets, mut devices) = (Vec::new(), Vec::new(), Vec::new());
    for (one, cabinet) in network.stations.iter().zip(&network.cabinets) {
        let (station_id, cabinet_id) = (StationId::generate(), CabinetId::generate());
        let lanes: Vec<&str> = one.encounter_lanes.iter().map(|lane| lane.as_str()).collect();
        stations.push(rows::NewStation {
            id: station_id,
            code: one.code.clone(),
            name_zh: one.name_zh.clone(),
            name_en: one.name_en.clone(),
            district: one.district.clone(),
            latitude_e6: one.latitude_e6,
            longitude_e6: one.longitude_e6,
            encounter_lanes: lanes.join(";"),
            created_at,
        });
        cabinets.push(rows::NewCabinet {
            id: cabinet_id,
            station_id,
            lane: cabinet.lane,
            epoch: 1,
            acked_seq: 0,
            journal_head: "00".repeat(32),
            door_open: false,
            tampered: false,
            created_at,
        });
        let mut device = |kind: &str, cabinet_id, seed: [u8; 32]| -> Result<(), Failure> {
            let public_key = DeviceKey::from_seed(&seed)?.public_key().to_string();
            let id = DeviceId::generate();
            let kind = kind.to_owned();
            let row = rows::NewDevice {
                id,
                kind,
                station_id,
                cabinet_id,
                epoch: 1,
                public_key,
                enrolled_at: created_at,
            };
            devices.push(row);
            Ok(())
        };
        device("station", None, network.station_device_seed(&one.code))?;
        device("cabinet", Some(cabinet_id), network.cabinet_device_seed(&one.code))?;
    }
    rows::stations_add(tx.conn, &stations)?;
    rows::cabinets_add(tx.conn, &cabinets)?;
    rows::devices_add(tx.conn, &devices)?;
    Ok(())
}

fn load_staff(
    tx: &mut Tx<'_>,
    network: &SampleNetwork,
    hospitals: &HashMap<String, HospitalId>,
    employers: &HashMap<String, EmployerId>,
) -> Result<(), Failure> {
    let person = |one: &StaffRecord| Person {
        role: one.role,
        email: one.email.clone(),
        name_zh: one.name_zh.clone(),
        name_en: one.name_en.clone(),
        hospital: one.hospital_code.as_ref().and_then(|code| hospitals.get(code)).copied(),
        employer: one.employer_code.as_ref().and_then(|code| employers.get(code)).copied(),
        password_hash: SAMPLE_PASSWORD_HASH.to_owned(),
        totp: network.totp_secret(&one.email).to_vec(),
        signing_pin: one.role.signs().then(|| network.signing_pin(&one.email)),
    };
    let people = network.staff().map(person).collect();
    let ids = add_staff(tx, people)?;
    load_pharmacists(tx, &network.pharmacists, &ids)?;
    load_doctors(tx, &network.doctors, &ids, hospitals)
}

fn load_pharmacists(
    tx: &mut Tx<'_>,
    records: &[StaffRecord],
    ids: &HashMap<String, StaffId>,
) -> Result<(), Failure> {
    let numbers: Vec<&str> = records.iter().filter_map(|one| Some(one.licence()?.0)).collect();
    let known = storage::network::import::licences_taken(tx.conn, Role::Pharmacist, &numbers)?;
    let mut pharmacists = Vec::with_capacity(records.len());
    for one in records {
        let Some(licence) = one.pharmacist.as_ref().filter(|one| !known.contains_key(&one.licence_no)) else {
            continue;
        };
        let Some(&staff_id) = ids.get(&one.email) else {
            return Err(Failure::inconsistent(format!("pharmacist {} was not added", one.email)));
        };
        pharmacists.push(rows::NewPharmacist {
            staff_id,
            licence_no: licence.licence_no.clone(),
            licence_verified_at: Some(At(tx.now)),
            licence_valid_until: licence.licence_valid_until,
        });
    }
    rows::pharmacists_add(tx.conn, &pharmacists)?;
    Ok(())
}

fn load_doctors(
    tx: &mut Tx<'_>,
    records: &[StaffRecord],
    ids: &HashMap<String, StaffId>,
    hospitals: &HashMap<String, HospitalId>,
) -> Result<(), Failure> {
    let now = At(tx.now);
    let (mut doctors, mut departments) = (Vec::new(), Vec::new());
    for one in records {
        let hospital = one.hospital_code.as_ref().and_then(|code| hospitals.get(code));
        let (Some(&staff_id), Some(&hospital_id), Some(doctor)) =
            (ids.get(&one.email), hospital, &one.doctor)
        else {
            return Err(Failure::inconsistent(format!("doctor {} has no hospital", one.email)));
        };
        let languages: Vec<&str> = doctor.languages.iter().map(|language| language.as_str()).collect();
        doctors.push(rows::NewDoctor {
            staff_id,
            hospital_id,
            licence_no: doctor.licence_no.clone(),
            licence_verified_at: Some(now),
            licence_valid_until: doctor.licence_valid_until,
            practising_since: doctor.practising_since,
            languages: languages.join(";"),
            capacity: doctor.capacity,
            video_capacity: doctor.video_capacity.unwrap_or(DoctorRecord::DEFAULT_VIDEO_CAPACITY),
            presence: Presence::Off,
            idle_since: now,
            live: 0,
        });
        let own = doctor.departments.iter();
        departments.extend(
            own.map(|department| rows::NewDoctorDepartment { doctor_id: staff_id, department: *department }),
        );
    }
    rows::doctors_add(tx.conn, &doctors)?;
    rows::doctor_departments_add(tx.conn, &departments)?;
    Ok(())
}

fn load_workers(
    tx: &mut Tx<'_>,
    records: &[WorkerRecord],
    employers: &HashMap<String, EmployerId>,
) -> Result<(), Failure> {
    for one in records {
        let id = WorkerId::generate();
        let app = tx.app;
        let salt = PinSalt::generate();
        storage::network::worker::worker_add(
            tx.conn,
            &storage::network::worker::NewWorker {
                id,
                card_index: Some(app.keys.blind.of(BlindField::CardNumber, &one.card_number).to_vec()),
                name_sealed: app.seal("worker", "name_sealed", id, &one.name)?,
                phone_sealed: app.seal("worker", "phone_sealed", id, &one.phone)?,
                phone_index: app.keys.blind.of(BlindField::Phone, &one.phone).to_vec(),
                pin_salt: Some(salt.0.to_vec()),
                pin_mac: Some(app.keys.worker_pins.mac(&salt, one.pin.expose()).to_vec()),
                pin_failures: 0,
                birth_date: Some(one.birth_date),
                sex: Some(one.sex),
                job: Some(one.job),
                employer_id: one.employer_code.as_ref().and_then(|code| employers.get(code)).copied(),
                language: one.language,
                created_at: At(tx.now),
            },
        )?;
        storage::network::worker::consent_grant(tx.conn, id, "health_care", None, tx.now)?;
    }
    Ok(())
}

async fn load_stock(
    app: &Arc<AppState>,
    network: &Arc<SampleNetwork>,
    codes: &[String],
) -> anyhow::Result<()> {
    let devices = write(app, |tx| Ok(storage::network::places::devices_enrolled(tx.conn)?)).await?;
    let cabinets: HashMap<String, CabinetId> =
        devices.into_iter().filter_map(|one| Some((one.station_code, one.cabinet_id?))).collect();
    let stock: Vec<_> = network.stock(codes).collect();
    let mut lots: Vec<rows::NewLot> = Vec::new();
    let mut known = std::collections::HashSet::new();
    for one in &stock {
        if known.insert((one.product_code.clone(), one.lot_no.clone())) {
            let (product_code, lot_no) = (one.product_code.clone(), one.lot_no.clone());
            lots.push(rows::NewLot { product_code, lot_no, expires_on: one.expires_on });
        }
    }
    write(app, move |tx| Ok(rows::lots_add(tx.conn, &lots)?)).await?;
    for part in stock.chunks(STOCK_BATCH) {
        let (mut slots, mut stocks) = (Vec::new(), Vec::new());
        for one in part {
            let cabinet_id =
                *cabinets.get(&one.station_code).context("stock for a station without a cabinet")?;
            slots.push(rows::NewSlot {
                cabinet_id,
                slot_no: one.slot_no,
                capacity: one.capacity,
                product_code: Some(one.product_code.clone()),
                lot_no: Some(one.lot_no.clone()),
            });
            stocks.push(rows::NewSlotStock {
                cabinet_id,
                slot_no: one.slot_no,
                product_code: one.product_code.clone(),
                lot_no: one.lot_no.clone(),
                received: i64::from(one.quantity),
                on_hand: i64::from(one.quantity),
                reserved: 0,
                in_doubt: 0,
                dispensed: 0,
                discarded: 0,
            });
        }
        write(app, move |tx| {
            rows::slots_add(tx.conn, &slots)?;
            Ok(rows::slot_stocks_add(tx.conn, &stocks)?)
        })
        .await?;
    }
    Ok(())
}
