//! A doctor hands a consultation on, with a reason: to a department, where it waits, or to a doctor who can
//! take it now. The next doctor reads the reason in the record.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::{
    Loaded,
    view::{DoctorBrief, doctors},
};
use crate::{
    AppState, Failure, Tx,
    caller::StaffCaller,
    matching::heard,
    network::{department, unknown},
};
use domain::{
    consultation::{Command, ConsultationState, Destination, Medium, Obstacle},
    ids::{ConsultationId, ConsultationTransferId, OfferId, StaffId},
    matching::{Department, presence::Presence},
    refusal::{Code, Refusal},
    spelling,
    time::{Timestamp, civil_day},
    words::{Bilingual, Language},
};
use storage::{
    Conn,
    consultation::{
        full::full_lock,
        transfer::{self as store, TransferRow},
    },
    matching::{
        colleague::{Wanted, is_anybody_on_call},
        doctor::{self as doctor_store, DoctorRow},
    },
    network::roster::coverage::next_on_call,
};

/// To whom, and why: either a department or a doctor.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TransferInput {
    /// The department for which it waits from now on, at the place of its age; also its own, for another
    /// doctor.
    pub department: Option<Department>,
    /// A doctor, to whom it is offered at once. One who cannot take it now is refused
    /// (`doctor_unavailable`); `data.reason` is then `off_duty`, `not_on_shift`, `licence`, `silent`,
    /// `language`, `full` or `wrap_up`.
    pub doctor: Option<StaffId>,
    /// For the next doctor to read, 1 to 500 characters.
    #[schema(value_type = spelling::ShortWords)]
    pub reason: String,
}

/// A consultation that was handed on.
#[derive(Debug, Serialize, ToSchema)]
pub struct Transferred {
    pub id: ConsultationId,
    /// `waiting`, or `offered` to the doctor.
    pub state: ConsultationState,
    /// The department whose consultation it is now.
    pub department: Department,
    /// The doctor to whom it is offered.
    pub doctor: Option<StaffId>,
    pub transferred_at: DateTime<Utc>,
    /// A warning: besides the caller nobody is on call who can serve it, neither of this department nor of
    /// those along its chain. It waits for the next shift all the same.
    pub nobody_on_call: bool,
    /// When nobody is on call: when the next shift begins, if one is on the roster.
    pub on_call_from: Option<DateTime<Utc>>,
}

/// A transfer, as the next doctor reads it.
#[derive(Debug, Serialize, ToSchema)]
pub struct TransferView {
    pub at: DateTime<Utc>,
    /// The doctor who handed it on.
    pub from: DoctorBrief,
    /// To which department; none for one to a doctor.
    pub to_department: Option<Department>,
    /// To which doctor; none for one to a department.
    pub to_doctor: Option<DoctorBrief>,
    /// Why.
    pub reason: String,
}

/// Whether nobody heard lately from the doctor whom a transfer names. Of a department, it looks who of its
/// doctors is silent.
pub async fn is_silent(app: &Arc<AppState>, input: &TransferInput) -> bool {
    if let Some(department) = input.department
        && let Err(failure) = heard::look(app, &[department]).await
    {
        tracing::warn!(%failure, "who is silent is not known");
    }
    match input.doctor {
        Some(doctor) => !heard::silent(app, &[doctor]).await.is_empty(),
        None => false,
    }
}

/// The doctor hands it on. Unsigned drafts are withdrawn; what is signed stays, as when it is completed.
///
/// # Errors
/// `NotFound` unless it is the caller's; `StateMovedOn`; bad fields; `DoctorUnavailable` with the
/// `reason`, and `WorkerAbsent`: the caller keeps it then.
pub fn transfer(
    tx: &mut Tx<'_>,
    caller: StaffCaller,
    id: ConsultationId,
    input: &TransferInput,
    silent: bool,
) -> Result<Transferred, Failure> {
    let either = match (input.department, input.doctor) {
        (Some(department), None) => Ok(department),
        (None, Some(doctor)) => Err(doctor),
        (Some(_), Some(_)) | (None, None) => {
            let message =
                Bilingual::fixed("须二选一：department 或 doctor。", "Give either department or doctor.");
            return Err(Refusal::field("department", "one_of_two", message).into());
        }
    };
    if let Ok(department) = either {
        department::ensure(tx, "department", &[department])?;
    }
    let known = doctors(caller.staff, full_lock(tx.conn, id)?)?;
    let to = match either {
        Ok(department) => Destination::Department(department),
        Err(doctor) => to_doctor(tx, &known, caller.staff, doctor, silent)?,
    };
    let handed_on = known.act(tx, &Command::Transfer { doctor: caller.staff, to })?;
    let row = record(tx, caller.staff, id, to, input.reason.trim())?;
    store::transfer_add(tx.conn, &row)?;
    let now = &handed_on.snapshot;
    let (nobody_on_call, on_call_from) = match to {
        Destination::Department(department) => outlook(tx, &known, caller.staff, department)?,
        Destination::Doctor { .. } => (false, None),
    };
    Ok(Transferred {
        id,
        state: now.state,
        department: now.department,
        doctor: row.to_doctor,
        transferred_at: row.at,
        nobody_on_call,
        on_call_from,
    })
}

/// Whether nobody besides the caller is on call who can serve it in this department or along its chain, and
/// when somebody will be.
fn outlook(
    tx: &mut Tx<'_>,
    known: &Loaded,
    own: StaffId,
    department: Department,
) -> Result<(bool, Option<Timestamp>), Failure> {
    let chain = tx.app.departments().chain(department);
    let mut excluded = tx.app.silent_doctors.known();
    excluded.push(own);
    let (language, medium) = (known.full.row.language, known.snapshot.medium);
    let wanted = Wanted { language, medium, department: None };
    if is_anybody_on_call(tx.conn, &chain, wanted, &excluded, tx.now)? {
        return Ok((false, None));
    }
    Ok((true, next_on_call(tx.conn, &chain, (language, medium), tx.now)?))
}

fn record(
    tx: &Tx<'_>,
    from_doctor: StaffId,
    consultation_id: ConsultationId,
    to: Destination,
    reason: &str,
) -> Result<TransferRow, Failure> {
    let id = ConsultationTransferId::generate();
    let (to_department, to_doctor) = match to {
        Destination::Department(department) => (Some(department), None),
        Destination::Doctor { doctor, .. } => (None, Some(doctor)),
    };
    let reason_sealed = tx.app.seal("consultation_transfer", "reason_sealed", id, reason)?;
    Ok(TransferRow { id, consultation_id, from_doctor, to_department, to_doctor, reason_sealed, at: tx.now })
}

/// An offer to this doctor, if they can take it now. The rows of both doctors are locked, so what allows
/// it here allows it until the commit.
fn to_doctor(
    tx: &mut Tx<'_>,
    known: &Loaded,
    own: StaffId,
    doctor: StaffId,
    silent: bool,
) -> Result<Destination, Failure> {
    let offer = OfferId::generate();
    let expires_at = tx.app.policy.matching.offer_expires_at(tx.now);
    let rows = store::doctors_lock(tx.conn, [own, doctor])?;
    let row = rows.into_iter().find(|row| row.staff_id == doctor).ok_or_else(|| unknown("doctor"))?;
    let to = Destination::Doctor { offer, doctor, hospital: row.hospital_id, expires_at };
    // Whether the caller may transfer it at all is said first.
    known.snapshot.decide(&Command::Transfer { doctor: own, to }, tx.now, &tx.app.policy.matching)?;
    let on_shift = doctor_store::on_shift_until(tx.conn, doctor, tx.now)?.is_some();
    let asked = (known.full.row.language, known.snapshot.medium);
    match obstacle(&row, on_shift, silent, asked, tx.now) {
        None => Ok(to),
        Some(obstacle) => {
            Err(Refusal::new(Code::DoctorUnavailable).with_data(json!({"reason": obstacle})).into())
        }
    }
}

/// Why the distributor would not offer it to this doctor now, their departments aside.
fn obstacle(
    row: &DoctorRow,
    on_shift: bool,
    silent: bool,
    (language, medium): (Language, Medium),
    now: Timestamp,
) -> Option<Obstacle> {
    let full = match medium {
        Medium::Text => row.live >= row.capacity,
        Medium::Video => row.live_video >= row.video_capacity,
    };
    let speaks = row.languages.split(';').any(|spoken| spoken == language.as_str());
    let all = [
        (row.presence != Presence::Available, Obstacle::OffDuty),
        (!on_shift, Obstacle::NotOnShift),
        (row.licence_verified_at.is_none() || row.licence_valid_until < civil_day(now), Obstacle::Licence),
        (silent, Obstacle::Silent),
        (!speaks, Obstacle::Language),
        (full, Obstacle::Full),
        (row.wrap_up_until.is_some_and(|until| now < until), Obstacle::WrapUp),
    ];
    all.into_iter().find(|(applies, _)| *applies).map(|(_, obstacle)| obstacle)
}

/// The transfers of a consultation, oldest first; no statement if there was none.
pub(super) fn of(conn: &mut Conn, app: &AppState, known: &Loaded) -> Result<Vec<TransferView>, Failure> {
    if known.snapshot.transferred_at.is_none() {
        return Ok(Vec::new());
    }
    let rows = store::transfers_of(conn, known.snapshot.id)?;
    let brief = |id, (name_zh, name_en)| DoctorBrief { id, name_zh, name_en };
    let view = |(row, from, to): (TransferRow, _, Option<_>)| {
        Ok(TransferView {
            at: row.at,
            from: brief(row.from_doctor, from),
            to_department: row.to_department,
            to_doctor: row.to_doctor.zip(to).map(|(id, names)| brief(id, names)),
            reason: app.open("consultation_transfer", "reason_sealed", row.id, &row.reason_sealed)?,
        })
    };
    rows.into_iter().map(view).collect()
}
