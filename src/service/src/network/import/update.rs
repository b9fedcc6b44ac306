//! Updates stored rows from a file. A file never replaces a secret: PINs and passwords have
//! operations of their own.

use super::{Found, ImportError, PreparedStaff};
use crate::{
    Failure, Recipients, Tx,
    network::{self, WorkerDetailsInput},
};
use domain::{
    event::staff::StaffEvent,
    ids::{EmployerId, HospitalId, StaffId, StationId, WorkerId},
    network::{EmployerRecord, HospitalRecord, Phone, StationRecord, WorkerRecord},
    refusal::FieldProblem,
    words::Bilingual,
};
use storage::{network::import::update as store, sql_types::At, staff as staff_rows};

pub(super) fn station(tx: &mut Tx<'_>, id: StationId, row: &StationRecord) -> Result<(), ImportError> {
    Ok(store::station_update(tx.conn, id, &super::places::new_station(row, At(tx.now)))?)
}

pub(super) fn hospital(tx: &mut Tx<'_>, id: HospitalId, row: &HospitalRecord) -> Result<(), ImportError> {
    Ok(store::hospital_update(tx.conn, id, (&row.name_zh, &row.name_en), &row.district, row.weight)?)
}

pub(super) fn employer(tx: &mut Tx<'_>, id: EmployerId, row: &EmployerRecord) -> Result<(), ImportError> {
    Ok(store::employer_update(tx.conn, id, (&row.name_zh, &row.name_en))?)
}

/// Updates everything except card and PIN, with the same effects as a change by an operator: the
/// consent given for another employer ends, and the change is logged.
pub(super) fn worker(
    tx: &mut Tx<'_>,
    id: WorkerId,
    line: u64,
    row: &WorkerRecord,
    employer_id: Option<EmployerId>,
    found: &mut Found,
) -> Result<(), Failure> {
    let Some(known) = storage::network::worker::worker_lock(tx.conn, id)? else { return Ok(()) };
    if known.merged_into.is_some() {
        let message = Bilingual::fixed(
            "此卡的记录已并入另一名工人；请改用其现在的卡。",
            "This card's record was merged into another worker: name the card that they have now.",
        );
        found.note(line, "card_number", "merged", message);
        return Ok(());
    }
    let name = tx.app.open("worker", "name_sealed", id, &known.name_sealed)?;
    let phone = Phone::parse(&row.phone);
    let stored_phone = tx.app.open("worker", "phone_sealed", id, &known.phone_sealed)?;
    // A file proves no phone; an unchanged phone that a code proved stays proved.
    let input = WorkerDetailsInput {
        name: (name != row.name.trim()).then(|| row.name.clone()),
        no_phone: phone.is_none() && !stored_phone.is_empty(),
        phone: phone.map(|phone| phone.as_str().to_owned()).filter(|phone| *phone != stored_phone),
        birth_date: Some(row.birth_date),
        sex: Some(row.sex),
        job: Some(row.job),
        employer_id,
        self_employed: employer_id.is_none(),
        language: Some(row.language),
    };
    network::worker_change_details(tx, id, &input).map(drop)
}

/// Updates names and a doctor's data, with the same effects as a change by an operator: a session
/// of another hospital ends, and so does the duty of a doctor who may no longer practise. The role
/// cannot change: another role is another member of staff.
pub(super) fn staff(
    tx: &mut Tx<'_>,
    id: StaffId,
    line: u64,
    row: &PreparedStaff,
    verified: bool,
    found: &mut Found,
) -> Result<(), Failure> {
    let Some(known) = staff_rows::staff_lock(tx.conn, id)? else { return Ok(()) };
    if known.role != row.record.role {
        let message = Bilingual::made(
            format!("此邮箱已属于一名 {}，角色不能更改。", known.role),
            format!("This address belongs to a {}; a role cannot be changed.", known.role),
        );
        found.note(line, "email", "other_role", message);
        return Ok(());
    }
    // A verified licence stays verified if it is unchanged.
    let old = match staff_rows::change::doctor_details(tx.conn, id)? {
        Some(old) => Some((old.licence_verified_at, old.licence_no, old.licence_valid_until)),
        None => staff_rows::change::pharmacist_details(tx.conn, id)?
            .map(|old| (old.licence_verified_at, old.licence_no, old.licence_valid_until)),
    };
    let still_verified = old.is_some_and(|(verified_at, number, until)| {
        verified_at.is_some() && row.record.licence() == Some((number.as_str(), until))
    });
    match crate::staff::change::write(tx, &known, row.clone(), verified || still_verified) {
        Ok(changed) => {
            if !changed.is_empty() {
                tx.record(id, StaffEvent::Changed { fields: changed }, Recipients::staff(id))?;
            }
            Ok(())
        }
        Err(Failure::Refused(refusal)) => {
            let fields = refusal.fields.into_iter();
            let mut reported = false;
            for FieldProblem { field, code, message } in fields {
                reported = true;
                // The file's columns have codes where the API has ids.
                let column = field.strip_suffix("_id").map_or(field.clone(), |place| format!("{place}_code"));
                found.note(line, &column, &code, message);
            }
            if !reported {
                let column =
                    if refusal.state.as_deref() == Some("has_patients") { "hospital_code" } else { "email" };
                found.note(
                    line,
                    column,
                    refusal.state.as_deref().unwrap_or(refusal.code.as_str()),
                    refusal.code.title(),
                );
            }
            Ok(())
        }
        Err(fault) => Err(fault),
    }
}
