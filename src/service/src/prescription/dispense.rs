//! The use and the end of a prescription: what an order may take from it, whether its signature is
//! valid, fulfilment and expiry. It vends nothing.

use std::sync::Arc;

use serde::Serialize;

use super::{
    record,
    view::{Body, machine_of, product_of},
};
use crate::{
    Actor, AppState, Failure, Tx,
    jobs::rounds::{self, Job},
};
use crypto::{
    digest,
    signer::{DetachedKind, verify_detached},
};
use domain::{
    formulary::ProductCode,
    ids::{ConsultationId, HospitalId, PrescriptionId, StaffId, WorkerId},
    order::UnitState,
    prescription::{Command, EXPIRING, PrescriptionDocument, PrescriptionState, decide},
    refusal::{Code, Refusal},
    time::Timestamp,
};
use storage::{
    Conn,
    prescription::{self as store, LineRow, PrescriptionRow},
};

/// The maximum number of prescriptions that one round ends.
const EXPIRED_AT_ONCE: i64 = 100;

/// One line from which an order may take packs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UsableLine {
    /// Counted from 1.
    pub line_no: i32,
    pub product: ProductCode,
    /// Packs on the prescription.
    pub packs: u32,
    /// Packs that are dispensed, in doubt or reserved.
    pub packs_taken: u32,
    /// Thousandths of a unit a day.
    pub daily_units_thousandths: i64,
    pub days: i32,
}

/// A prescription in effect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UsablePrescription {
    pub id: PrescriptionId,
    pub consultation: ConsultationId,
    pub worker: WorkerId,
    pub doctor: StaffId,
    pub hospital: HospitalId,
    /// The last instant on which it may be used.
    pub valid_until: Timestamp,
    pub lines: Vec<UsableLine>,
}

/// What an order may take from a prescription. Call it in the transaction that creates the order:
/// it locks the prescription's row, so that a concurrent withdrawal and order see each other.
///
/// # Errors
/// `NotFound` for another worker's; `StateMovedOn` unless it is approved;
/// `PrescriptionExpired`.
pub fn usable_for_order(
    conn: &mut Conn,
    id: PrescriptionId,
    worker: WorkerId,
    now: Timestamp,
) -> Result<UsablePrescription, Failure> {
    let row =
        store::prescription_fetch(conn, id)?.filter(|row| row.worker_id == worker).ok_or(Code::NotFound)?;
    if row.state != PrescriptionState::Approved {
        return Err(Refusal::moved_on(row.state).into());
    }
    let valid_until = row.valid_until.filter(|until| now <= *until).ok_or(Code::PrescriptionExpired)?;
    if !store::prescription_lock_version(conn, &row)? {
        return Err(super::moved_on(conn, id)?.into());
    }
    let units = store::units_of(conn, id)?;
    let taken = |state: UnitState| state == UnitState::Dispensed || state.is_open();
    let mut lines = Vec::new();
    for line in store::lines_of(conn, id)? {
        let used = units.iter().filter(|(no, state)| *no == Some(line.line_no) && taken(*state)).count();
        lines.push(UsableLine {
            line_no: line.line_no,
            product: product_of(&line)?,
            packs: u32::try_from(line.packs).unwrap_or(0),
            packs_taken: u32::try_from(used).unwrap_or(u32::MAX),
            daily_units_thousandths: line
                .dose_units_thousandths
                .saturating_mul(i64::from(line.times_per_day)),
            days: line.days,
        });
    }
    Ok(UsablePrescription {
        id,
        consultation: row.consultation_id,
        worker,
        doctor: row.doctor_id,
        hospital: row.hospital_id,
        valid_until,
        lines,
    })
}

/// Whether a pack may be vended on this prescription now: approved by a pharmacist who is not its
/// doctor, unexpired, and its signature matches the stored rows.
///
/// # Errors
/// Faults of the storage; a missing prescription is `false`.
pub fn verify_for_start(
    conn: &mut Conn,
    app: &AppState,
    id: PrescriptionId,
    now: Timestamp,
) -> Result<bool, Failure> {
    let Some(row) = store::prescription_fetch(conn, id)? else { return Ok(false) };
    let approved = row.state == PrescriptionState::Approved
        && row.reviewed_by.is_some_and(|reviewer| reviewer != row.doctor_id)
        && row.valid_until.is_some_and(|until| now <= until);
    Ok(approved && signature_fits(conn, app, &row)?)
}

/// Whether the doctor's signature is valid for the signed bytes, and these match the row and its
/// lines.
pub(crate) fn signature_fits(
    conn: &mut Conn,
    app: &AppState,
    row: &PrescriptionRow,
) -> Result<bool, Failure> {
    let (Some(sealed), Some(signature)) = (&row.canonical_sealed, &row.signature) else {
        return Ok(false);
    };
    // Bytes that cannot be decrypted were not sealed for this row: tampered, too.
    let Ok(canonical) = app.open("prescription", "canonical_sealed", row.id, sealed) else {
        tracing::warn!(prescription = %row.id, "signed bytes do not open");
        return Ok(false);
    };
    let now = app.now();
    let find = |kid: &str| app.keys.prescriptions.verifier(kid, now);
    if verify_detached(signature, DetachedKind::Prescription, canonical.as_bytes(), find).is_err() {
        tracing::warn!(prescription = %row.id, "a signature does not fit its prescription");
        return Ok(false);
    }
    let document: PrescriptionDocument = serde_json::from_str(&canonical)?;
    let lines = store::lines_of(conn, row.id)?;
    let body = Body::open(app, row)?;
    let same_digest =
        body.digest.as_deref() == Some(digest::hex(&digest::sha256(canonical.as_bytes())).as_str());
    Ok(same_digest
        && document.id == row.id
        && document.prescriber == row.doctor_id
        && document.worker == row.worker_id
        && document.consultation == row.consultation_id
        && document.hospital == row.hospital_id
        && Some(document.valid_until) == row.valid_until
        && same_lines(&document, &lines))
}

fn same_lines(document: &PrescriptionDocument, rows: &[LineRow]) -> bool {
    document.lines.len() == rows.len()
        && document.lines.iter().zip(rows).all(|(line, row)| {
            line.product.as_str() == row.product_code
                && line.dose_units_thousandths == row.dose_units_thousandths
                && i64::from(line.times_per_day) == i64::from(row.times_per_day)
                && i64::from(line.days) == i64::from(row.days)
                && i64::from(line.packs) == i64::from(row.packs)
        })
}

/// Ends a prescription of which every pack was dispensed; `false` while packs remain, and when it
/// has ended already.
///
/// # Errors
/// `UnitsExceeded` when more was dispensed than prescribed.
pub fn fulfil_if_done(tx: &mut Tx<'_>, id: PrescriptionId) -> Result<bool, Failure> {
    let row = store::prescription_fetch(tx.conn, id)?.ok_or(Code::NotFound)?;
    if row.state != PrescriptionState::Approved {
        return Ok(false);
    }
    let prescribed: i64 = store::lines_of(tx.conn, id)?.iter().map(|line| i64::from(line.packs)).sum();
    let units = store::units_of(tx.conn, id)?;
    let dispensed = units.iter().filter(|(_, state)| *state == UnitState::Dispensed).count();
    let units_prescribed = u32::try_from(prescribed).unwrap_or(u32::MAX);
    let units_dispensed = u32::try_from(dispensed).unwrap_or(u32::MAX);
    if units_dispensed < units_prescribed {
        return Ok(false);
    }
    let body = Body::open(tx.app, &row)?;
    let command = Command::Fulfil { units_prescribed, units_dispensed };
    let events = decide(&machine_of(&row, &body), &command, tx.now, &tx.app.policy.prescribing)?;
    let from = [PrescriptionState::Approved];
    if !store::prescription_end(tx.conn, &row, &from, PrescriptionState::Fulfilled, None, tx.now)? {
        return Ok(false);
    }
    record(tx, &row, &events)?;
    Ok(true)
}

/// Ends prescriptions whose validity is over; called by a job. One with a pack authorised or in
/// doubt waits for it. Returns how many ended.
///
/// # Errors
/// The failure of one of them, after the others have ended.
pub async fn expire_due(app: &Arc<AppState>) -> Result<usize, Failure> {
    const JOB: Job = Job::new("expire-prescriptions");
    let now = app.now();
    let due = app
        .read(Actor::System, move |conn, _| Ok(store::prescriptions_due(conn, now, EXPIRED_AT_ONCE)?))
        .await?;
    rounds::each(app, JOB, due, |row| row.id, expire).await.outcome()
}

fn expire(tx: &mut Tx<'_>, row: &PrescriptionRow) -> Result<usize, Failure> {
    // Another process may handle the same row; only the first ends it.
    if !store::prescription_lock_version(tx.conn, row)? {
        return Ok(0);
    }
    let moving = |state| matches!(state, UnitState::Authorised | UnitState::InDoubt);
    if store::units_of(tx.conn, row.id)?.into_iter().any(|(_, state)| moving(state)) {
        return Ok(0);
    }
    let body = Body::open(tx.app, row)?;
    let command = Command::Expire { units_moving: 0 };
    let events = decide(&machine_of(row, &body), &command, tx.now, &tx.app.policy.prescribing)?;
    if !store::prescription_end(tx.conn, row, EXPIRING, PrescriptionState::Expired, None, tx.now)? {
        return Ok(0);
    }
    record(tx, row, &events)?;
    Ok(1)
}
