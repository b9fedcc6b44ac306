//! What a row says replaces what is known of the same thing. A secret is never
//! replaced by a file: PINs and passwords have verbs of their own.

use super::{Found, ImportError, PreparedStaff};
use crate::{
    crypto::blind::BlindField,
    domain::{
        ids::{EmployerId, HospitalId, StaffId, StationId, WorkerId},
        network::{DoctorRecord, EmployerRecord, HospitalRecord, Phone, StationRecord, WorkerRecord},
        words::Bilingual,
    },
    service::{Failure, Tx, identity, me::ConsentPurpose},
    storage::{
        intake_update::{self as store, DoctorChange, WorkerChange},
        sql_types::At,
        workers,
    },
};

pub(super) fn station(tx: &mut Tx<'_>, id: StationId, row: &StationRecord) -> Result<(), ImportError> {
    Ok(store::station_update(tx.conn, id, &super::places::new_station(row, At(tx.now)))?)
}

pub(super) fn hospital(tx: &mut Tx<'_>, id: HospitalId, row: &HospitalRecord) -> Result<(), ImportError> {
    Ok(store::hospital_update(tx.conn, id, (&row.name_zh, &row.name_en), &row.district, row.weight)?)
}

pub(super) fn employer(tx: &mut Tx<'_>, id: EmployerId, row: &EmployerRecord) -> Result<(), ImportError> {
    Ok(store::employer_update(tx.conn, id, (&row.name_zh, &row.name_en))?)
}

/// Everything but the card and the PIN.
pub(super) fn worker(
    tx: &mut Tx<'_>,
    id: WorkerId,
    row: &WorkerRecord,
    employer_id: Option<EmployerId>,
) -> Result<(), Failure> {
    let Some(known) = workers::worker_hold(tx.conn, id)? else { return Ok(()) };
    let phone = Phone::parse(&row.phone);
    let index = phone.as_ref().map(|phone| tx.house.keys.blind.of(BlindField::Phone, phone.as_str()));
    // A file proves no phone; one that a code proved stays so while it is the same.
    if index.is_none_or(|index| index != *known.phone_index) {
        identity::set_phone(tx, id, phone.as_ref(), false)?;
    }
    identity::rename(tx, id, row.name.trim())?;
    if known.employer_id != employer_id {
        // It was given for the employer of that time.
        let purpose = ConsentPurpose::EmployerFitness.as_str();
        workers::consent_withdraw(tx.conn, id, purpose, tx.now)?;
    }
    let change = WorkerChange {
        name_sealed: tx.house.seal("worker", "name_sealed", id, row.name.trim())?,
        birth_date: Some(row.birth_date),
        sex: Some(row.sex),
        job: Some(row.job),
        employer_id,
        language: row.language,
    };
    Ok(store::worker_update(tx.conn, id, &change)?)
}

/// Names, and what a doctor has beside. The role stays: who changes it is
/// another member of staff.
pub(super) fn staff(
    tx: &mut Tx<'_>,
    id: StaffId,
    line: u64,
    row: &PreparedStaff,
    places: (Option<HospitalId>, Option<EmployerId>),
    verified: bool,
    found: &mut Found,
) -> Result<(), Failure> {
    let Some(role) = store::staff_role(tx.conn, id)? else { return Ok(()) };
    if role != row.role {
        let message = Bilingual::made(
            format!("此邮箱已属于一名 {role}，角色不能更改。"),
            format!("This address belongs to a {role}; a role cannot be changed."),
        );
        found.note(line, "email", "other_role", message);
        return Ok(());
    }
    store::staff_update(tx.conn, id, (&row.name_zh, &row.name_en), places)?;
    match (&row.doctor, places.0) {
        (Some(record), Some(hospital)) => doctor(tx, id, line, record, hospital, verified, found),
        _ => Ok(()),
    }
}

fn doctor(
    tx: &mut Tx<'_>,
    id: StaffId,
    line: u64,
    row: &DoctorRecord,
    hospital_id: HospitalId,
    verified: bool,
    found: &mut Found,
) -> Result<(), Failure> {
    let Some(known) = store::doctor_known(tx.conn, id)? else { return Ok(()) };
    if row.capacity < known.live {
        let message = Bilingual::made(
            format!("该医生正在接诊 {} 例，暂不能少于此数。", known.live),
            format!("This doctor holds {} consultations now; it cannot be less.", known.live),
        );
        found.note(line, "capacity", "out_of_range", message);
        return Ok(());
    }
    // What was seen was the licence as it stood.
    let same = known.licence_no == row.licence_no && known.licence_valid_until == row.licence_valid_until;
    let licence_verified_at =
        if verified { Some(At(tx.now)) } else { known.licence_verified_at.filter(|_| same).map(At) };
    let languages: Vec<&str> = row.languages.iter().map(|language| language.as_str()).collect();
    let change = DoctorChange {
        hospital_id,
        licence_no: row.licence_no.clone(),
        licence_verified_at,
        licence_valid_until: row.licence_valid_until,
        practising_since: row.practising_since,
        languages: languages.join(";"),
        capacity: row.capacity,
    };
    store::doctor_update(tx.conn, id, &change)?;
    Ok(store::doctor_departments_replace(tx.conn, id, &row.departments)?)
}
