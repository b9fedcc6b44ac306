//! The use and the end of a prescription: what an order may take from it, whether its signature is
//! valid, fulfilment and expiry. It vends nothing.

use std::sync::Arc;

use serde::Serialize;

use super::{
    body::{Body, product_of},
    machine::Loaded,
    signature::{self, Trust},
};
use crate::{
    AppState, Failure, Tx,
    jobs::rounds::{self, Job},
    machine::commit,
};
use domain::{
    formulary::ProductCode,
    ids::{ConsultationId, HospitalId, PrescriptionId, StaffId, WorkerId},
    order::UnitState,
    prescription::{Command, EXPIRING, PrescriptionState},
    refusal::{Code, Refusal},
    time::Timestamp,
};
use storage::{
    Conn,
    order::prescribed::WithLines,
    prescription::{self as store, LineRow, PrescriptionRow},
};

/// One line from which an order may take packs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UsableLine {
    /// Counted from 1.
    pub line_no: i32,
    pub product: ProductCode,
    /// Packs that are supplied: those on the prescription, or what was decided since.
    pub packs: u32,
    /// Packs that are dispensed, in doubt or reserved.
    pub packs_taken: u32,
    /// Thousandths of a unit a day.
    pub daily_units_thousandths: i64,
    pub days: i32,
}

/// A prescription in effect.
#[derive(Debug, Clone)]
pub struct UsablePrescription {
    pub id: PrescriptionId,
    pub consultation: ConsultationId,
    pub worker: WorkerId,
    pub doctor: StaffId,
    pub hospital: HospitalId,
    /// The last instant on which it may be used.
    pub valid_until: Timestamp,
    pub lines: Vec<UsableLine>,
    pub(crate) body: Body,
}

/// What an order may take from a prescription. Call it in the transaction that creates the order:
/// it locks the prescription's row, so that a concurrent withdrawal and order see each other. The
/// worker's row must be locked already, so that no other order takes from it meanwhile.
///
/// # Errors
/// `NotFound` for another worker's; `StateMovedOn` unless it is approved; `PrescriptionExpired`,
/// also when its signature is invalid.
pub fn usable_for_order(
    conn: &mut Conn,
    app: &AppState,
    id: PrescriptionId,
    worker: WorkerId,
    now: Timestamp,
) -> Result<UsablePrescription, Failure> {
    let found = store::prescription_lock_with_taken(conn, id)?;
    let (row, lines) = found.filter(|(row, _)| row.worker_id == worker).ok_or(Code::NotFound)?;
    if row.state != PrescriptionState::Approved {
        return Err(Refusal::moved_on(row.state).into());
    }
    let valid_until = row.valid_until.filter(|until| now <= *until).ok_or(Code::PrescriptionExpired)?;
    let (rows, taken): (Vec<LineRow>, Vec<i64>) = lines.into_iter().unzip();
    let body = vendable(conn, app, &row, &rows, now)?.ok_or(Code::PrescriptionExpired)?;
    let line = |(line, taken): (&LineRow, i64)| {
        Ok(UsableLine {
            line_no: line.line_no,
            product: product_of(line)?,
            packs: body.packs_supplied(line),
            packs_taken: u32::try_from(taken).unwrap_or(u32::MAX),
            daily_units_thousandths: line
                .dose_units_thousandths
                .saturating_mul(i64::from(line.times_per_day)),
            days: line.days,
        })
    };
    let lines: Vec<UsableLine> = rows.iter().zip(taken).map(line).collect::<Result<_, Failure>>()?;
    Ok(UsablePrescription {
        id,
        consultation: row.consultation_id,
        worker,
        doctor: row.doctor_id,
        hospital: row.hospital_id,
        valid_until,
        lines,
        body,
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
    match store::prescription_with_lines(conn, id)? {
        Some((row, lines)) => Ok(vendable(conn, app, &row, &lines, now)?.is_some()),
        None => Ok(false),
    }
}

/// The prescription of an order that is to be paid.
pub(crate) struct Ordered {
    row: PrescriptionRow,
    lines: Vec<LineRow>,
    pub body: Body,
}

impl Ordered {
    /// # Errors
    /// Contents that do not open.
    pub fn open(app: &AppState, (row, lines): WithLines) -> Result<Self, Failure> {
        Ok(Self { body: Body::open(app, &row)?, row, lines })
    }

    /// As [`verify_for_start`].
    ///
    /// # Errors
    /// A signature that cannot be checked.
    pub fn may_vend(&self, conn: &mut Conn, app: &AppState, now: Timestamp) -> Result<bool, Failure> {
        Ok(is_approved(&self.row, now)
            && signature::fits(conn, app, &self.row, &self.body, &self.lines, Trust::Now)?)
    }
}

/// The contents of a prescription on which a pack may be vended now, as [`verify_for_start`] checks
/// it; `None` where it may not.
///
/// # Errors
/// A signature that cannot be checked.
pub(crate) fn vendable(
    conn: &mut Conn,
    app: &AppState,
    row: &PrescriptionRow,
    lines: &[LineRow],
    now: Timestamp,
) -> Result<Option<Body>, Failure> {
    if !is_approved(row, now) {
        return Ok(None);
    }
    // Contents that cannot be decrypted were not sealed for this row: tampered, too.
    let Ok(body) = Body::open(app, row) else {
        tracing::warn!(prescription = %row.id, "the contents of a prescription do not open");
        return Ok(None);
    };
    Ok(signature::fits(conn, app, row, &body, lines, Trust::Now)?.then_some(body))
}

fn is_approved(row: &PrescriptionRow, now: Timestamp) -> bool {
    row.state == PrescriptionState::Approved
        && row.reviewed_by.is_some_and(|reviewer| reviewer != row.doctor_id)
        && row.valid_until.is_some_and(|until| now <= until)
}

/// Ends a prescription of which every pack that is supplied was dispensed; `false` while packs remain, and when it
/// has ended already.
///
/// # Errors
/// `UnitsExceeded` when more was dispensed than prescribed.
pub fn fulfil_if_done(tx: &mut Tx<'_>, id: PrescriptionId) -> Result<bool, Failure> {
    let found = store::prescription_lock_with_fulfilment(tx.conn, id)?;
    let (row, dispensed) = found.ok_or(Code::NotFound)?;
    if row.state != PrescriptionState::Approved {
        return Ok(false);
    }
    let before = Loaded::open(tx.app, row, tx.now)?;
    let lines = before.body.rows(id)?;
    let supplied = lines.iter().map(|line| before.body.packs_supplied(line)).fold(0, u32::saturating_add);
    let units_dispensed = u32::try_from(dispensed).unwrap_or(u32::MAX);
    if units_dispensed < supplied {
        return Ok(false);
    }
    let command = Command::Fulfil { units_prescribed: supplied, units_dispensed };
    let events = before.decide(tx.app, &command)?;
    commit(tx, &before, &events)?;
    Ok(!events.is_empty())
}

/// Ends prescriptions whose validity is over; called by a job. One with a pack authorised or in
/// doubt waits for it. Returns how many ended.
///
/// # Errors
/// The failure of one of them, after the others have ended.
pub async fn expire_due(app: &Arc<AppState>) -> Result<usize, Failure> {
    const JOB: Job = Job::new("expire-prescriptions");
    let now = app.now();
    let due = move |conn: &mut Conn, after| Ok(store::prescriptions_due(conn, now, after, rounds::PAGE)?);
    rounds::every(app, JOB, |id| *id, due, |tx, id| expire(tx, *id)).await?.outcome()
}

fn expire(tx: &mut Tx<'_>, id: PrescriptionId) -> Result<usize, Failure> {
    // Another process may handle the same row; only the first ends it.
    let Some(before) = Loaded::lock(tx, id)?.filter(|found| EXPIRING.contains(&found.row.state)) else {
        return Ok(0);
    };
    let moving = |state| matches!(state, UnitState::Authorised | UnitState::InDoubt);
    if store::units_of(tx.conn, id)?.into_iter().any(moving) {
        return Ok(0);
    }
    let events = before.decide(tx.app, &Command::Expire { units_moving: 0 })?;
    commit(tx, &before, &events)?;
    Ok(1)
}
