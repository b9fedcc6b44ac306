//! Imports workers and staff. Slow work (sealing, keyed digests, hashing passwords)
//! is done before the transaction.

use std::collections::HashMap;

use super::{Existing, Found, ImportError, Lined, Loaded, record, update};
use crate::{
    AppState, Failure, Recipients, Tx,
    network::{department, identity},
    staff::{change::too_many_places, password_link},
};
use crypto::{blind::BlindField, pin::PinSalt, seal::FieldPlace};
use domain::{
    event::staff::StaffEvent,
    ids::{StaffId, WorkerId},
    letter::LetterKind,
    matching::{
        Department,
        department::{UNKNOWN_DEPARTMENT, no_such_department},
        presence::Presence,
    },
    network::import::ImportKind,
    network::{Phone, WorkerRecord},
    staff::{DoctorRecord, StaffRecord, role::Role},
};
use storage::{
    network::{self as store, NewDoctor, NewDoctorDepartment, NewPharmacist, NewStaff, worker::NewWorker},
    sql_types::At,
};

/// Workers, sealed and ready to be stored once their employers are resolved.
pub struct PreparedWorkers {
    rows: Vec<(u64, NewWorker, WorkerRecord)>,
}

impl PreparedWorkers {
    /// Seals names and phones, and computes the keyed digests.
    ///
    /// # Errors
    /// A fault of the cryptography.
    pub fn make(
        app: &AppState,
        rows: impl IntoIterator<Item = Lined<WorkerRecord>>,
    ) -> Result<Self, Failure> {
        let rows = rows.into_iter().map(|(line, row)| {
            let worker = new_worker(app, WorkerId::generate(), &row)?;
            Ok((line, worker, row))
        });
        Ok(Self { rows: rows.collect::<Result<_, Failure>>()? })
    }
}

/// A worker as stored, without an employer.
pub(crate) fn new_worker(app: &AppState, id: WorkerId, row: &WorkerRecord) -> Result<NewWorker, Failure> {
    let salt = PinSalt::generate();
    let phone = Phone::parse(&row.phone);
    let (phone_sealed, phone_index) = identity::phone_columns(app, id, phone.as_ref())?;
    Ok(NewWorker {
        id,
        card_index: Some(app.keys.blind.of(BlindField::CardNumber, &row.card_number).to_vec()),
        name_sealed: app.seal("worker", "name_sealed", id, row.name.trim())?,
        phone_sealed,
        phone_index,
        pin_mac: Some(app.keys.worker_pins.mac(&salt, row.pin.expose()).to_vec()),
        pin_salt: Some(salt.0.to_vec()),
        pin_failures: 0,
        birth_date: Some(row.birth_date),
        sex: Some(row.sex),
        job: Some(row.job),
        employer_id: None,
        language: row.language,
        created_at: At(app.now()),
    })
}

/// Loads workers. `consent` is a purpose that all of them have consented to on paper; without it
/// they are asked at their first check-in.
///
/// # Errors
/// A problem for each unknown employer and each card that is taken.
pub fn workers(
    tx: &mut Tx<'_>,
    prepared: &PreparedWorkers,
    consent: Option<&str>,
    existing: Existing,
) -> Result<Loaded, ImportError> {
    let employers = storage::network::import::employer_codes(tx.conn)?;
    let cards: Vec<Vec<u8>> = prepared.rows.iter().filter_map(|(_, row, _)| row.card_index.clone()).collect();
    let taken = storage::network::import::cards_taken(tx.conn, &cards)?;
    let (mut found, mut loaded) = (Found::default(), Loaded::default());
    let mut new = Vec::with_capacity(prepared.rows.len());
    for (line, row, record) in &prepared.rows {
        let (line, mut row) = (*line, row.clone());
        if let Some(code) = &record.employer_code {
            row.employer_id = employers.get(code).copied();
            if row.employer_id.is_none() {
                found.unknown(line, "employer_code");
            }
        }
        match row.card_index.as_ref().and_then(|card| taken.get(card)) {
            None => new.push(row),
            Some(id) if found.known(existing, &mut loaded, line, "card_number") => {
                update::worker(tx, *id, line, record, row.employer_id, &mut found)?;
            }
            Some(_) => {}
        }
    }
    found.done()?;
    loaded.added = new.len();
    storage::network::import::workers_add(tx.conn, &new)?;
    if let Some(purpose) = consent {
        let ids: Vec<WorkerId> = new.iter().map(|row| row.id).collect();
        storage::network::import::consents_add(tx.conn, &ids, purpose, tx.now)?;
    }
    record(tx, ImportKind::Workers, loaded)?;
    Ok(loaded)
}

/// One member of staff of any role, with secrets hashed beforehand.
#[derive(Clone)]
pub struct PreparedStaff {
    /// Without the password.
    pub record: StaffRecord,
    /// Argon2id; none for somebody who is invited.
    pub password_hash: Option<String>,
    /// The secret of one-time codes, if there is one already.
    pub totp: Option<Vec<u8>>,
    /// The signing PIN, if there is one already.
    pub signing_pin: Option<String>,
}

/// Loads staff. With `invite`, staff without a password get a letter; `verified` marks the licences
/// of doctors and pharmacists as seen.
///
/// # Errors
/// A problem for each address or licence that is taken, and each unknown
/// hospital or employer.
pub fn staff(
    tx: &mut Tx<'_>,
    rows: &[Lined<PreparedStaff>],
    invite: bool,
    verified: bool,
    existing: Existing,
) -> Result<Loaded, ImportError> {
    let (hospitals, employers) = (
        storage::network::import::hospital_codes(tx.conn)?,
        storage::network::import::employer_codes(tx.conn)?,
    );
    let emails: Vec<&str> = rows.iter().map(|(_, row)| row.record.email.as_str()).collect();
    let known = storage::network::import::staff_known(tx.conn, &emails)?;
    let licences = |role: Role| -> Vec<&str> {
        let of_role = rows.iter().filter(|(_, row)| row.record.role == role);
        of_role.filter_map(|(_, row)| row.record.licence().map(|(number, _)| number)).collect()
    };
    let mut taken = HashMap::new();
    for role in [Role::Doctor, Role::Pharmacist] {
        let numbers = licences(role);
        taken.insert(role, storage::network::import::licences_taken(tx.conn, role, &numbers)?);
    }
    let doctors_of = rows.iter().filter_map(|(_, row)| row.record.doctor.as_ref());
    let named: Vec<Department> = doctors_of.flat_map(|doctor| doctor.departments.iter().copied()).collect();
    let unknown = department::missing(tx, &named)?;
    let (mut found, mut loaded) = (Found::default(), Loaded::default());
    let (mut people, mut doctors, mut departments) = (Vec::with_capacity(rows.len()), Vec::new(), Vec::new());
    let mut pharmacists = Vec::new();
    for (line, row) in rows {
        let record = &row.record;
        let employer = record.employer_code.as_ref().and_then(|code| employers.get(code).copied());
        if record.employer_code.is_some() && employer.is_none() {
            found.unknown(*line, "employer_code");
        }
        let hospital = record.hospital_code.as_ref().and_then(|code| hospitals.get(code).copied());
        if record.hospital_code.is_some() && hospital.is_none() {
            found.unknown(*line, "hospital_code");
        }
        if record.doctor.iter().any(|doctor| doctor.departments.iter().any(|one| unknown.contains(one))) {
            found.note(*line, "departments", UNKNOWN_DEPARTMENT, no_such_department());
        }
        let id = known.get(&record.email);
        let licensed_id = record.licence().and_then(|(number, _)| taken.get(&record.role)?.get(number));
        if licensed_id.is_some_and(|licensed_id| Some(licensed_id) != id) {
            found.taken(*line, "licence_no");
            continue;
        }
        if let Some(id) = id {
            // An unknown hospital or employer was reported above.
            let places_are_known = record.hospital_code.is_some() == hospital.is_some()
                && record.employer_code.is_some() == employer.is_some();
            if found.known(existing, &mut loaded, *line, "email") && places_are_known {
                update::staff(tx, *id, *line, row, verified, &mut found)?;
            }
            continue;
        }
        if let Some(doctor) = &record.doctor
            && let Some((code, message)) = too_many_places(tx.app, doctor.capacity)
        {
            found.note(*line, "capacity", code, message);
        }
        let mut person = new_staff(tx, row)?;
        (person.hospital_id, person.employer_id) = (hospital, employer);
        if let (Some(doctor), Some(hospital)) = (&record.doctor, hospital) {
            doctors.push(new_doctor(tx, person.id, hospital, doctor, verified));
            let of = |department| NewDoctorDepartment { doctor_id: person.id, department };
            departments.extend(doctor.departments.iter().copied().map(of));
        }
        if let Some(pharmacist) = &record.pharmacist {
            pharmacists.push(NewPharmacist {
                staff_id: person.id,
                licence_no: pharmacist.licence_no.clone(),
                licence_verified_at: verified.then_some(At(tx.now)),
                licence_valid_until: pharmacist.licence_valid_until,
            });
        }
        people.push(person);
    }
    found.done()?;
    store::staff_add(tx.conn, &people)?;
    store::doctors_add(tx.conn, &doctors)?;
    store::doctor_departments_add(tx.conn, &departments)?;
    store::pharmacists_add(tx.conn, &pharmacists)?;
    for person in &people {
        if invite && person.password_hash.is_none() {
            password_link::send_link(tx, person.id, LetterKind::Invite)?;
            let event = StaffEvent::Invited { role: person.role, again: false };
            tx.record(person.id, event, Recipients::nobody())?;
        } else {
            tx.record(person.id, StaffEvent::Added { role: person.role }, Recipients::nobody())?;
        }
    }
    loaded.added = people.len();
    record(tx, ImportKind::Staff, loaded)?;
    Ok(loaded)
}

fn new_staff(tx: &Tx<'_>, row: &PreparedStaff) -> Result<NewStaff, Failure> {
    let id = StaffId::generate();
    let keys = &tx.app.keys;
    let place = FieldPlace::of(&tx.app.policy.network, "staff", "totp_sealed", id);
    let totp_sealed = row.totp.as_ref().map(|secret| keys.sealer.seal(&place, secret)).transpose()?;
    let pin = row.signing_pin.as_ref().map(|pin| {
        let salt = PinSalt::generate();
        (salt.0.to_vec(), keys.staff_pins.mac(&salt, pin).to_vec())
    });
    let (pin_salt, pin_mac) = pin.unzip();
    Ok(NewStaff {
        id,
        role: row.record.role,
        email: row.record.email.clone(),
        name_zh: row.record.name_zh.clone(),
        name_en: row.record.name_en.clone(),
        hospital_id: None,
        employer_id: None,
        password_hash: row.password_hash.clone(),
        totp_sealed,
        totp_step: 0,
        pin_salt,
        pin_mac,
        pin_failures: 0,
        created_at: At(tx.now),
    })
}

fn new_doctor(
    tx: &Tx<'_>,
    staff_id: StaffId,
    hospital_id: domain::ids::HospitalId,
    row: &DoctorRecord,
    verified: bool,
) -> NewDoctor {
    let languages: Vec<&str> = row.languages.iter().map(|language| language.as_str()).collect();
    NewDoctor {
        staff_id,
        hospital_id,
        licence_no: row.licence_no.clone(),
        licence_verified_at: verified.then_some(At(tx.now)),
        licence_valid_until: row.licence_valid_until,
        practising_since: row.practising_since,
        languages: languages.join(";"),
        capacity: row.capacity,
        video_capacity: row.video_capacity.unwrap_or(DoctorRecord::DEFAULT_VIDEO_CAPACITY),
        presence: Presence::Off,
        idle_since: At(tx.now),
        live: 0,
    }
}
