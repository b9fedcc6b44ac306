//! What an order and START ask of a prescription. It is read from its tables
//! and verified here each time: an approval that somebody wrote into the
//! database by hand does not release a drug.

use serde_json::json;

use super::{Failure, Hearers, House, Tx};
use crate::{
    crypto::signer::{DetachedKind, Signer, verify_detached},
    domain::{
        ids::{PrescriptionId, WorkerId},
        order::UnitState,
        refusal::{Code, Refusal},
        time::Timestamp,
    },
    storage::{
        Conn, orders,
        redeem::{self as store, RedeemableRow},
    },
};

/// One line of a prescription that is in effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrescribedLine {
    /// Which line.
    pub line_no: i32,
    /// What.
    pub product_code: String,
    /// Packs prescribed.
    pub packs: u32,
    /// Thousandths of a unit taken in a day.
    pub daily_units_thousandths: i64,
    /// For how many days.
    pub days: i32,
}

/// The lines of a worker's prescription, if it is in effect.
///
/// # Errors
/// `NotFound` for another worker's; `StateMovedOn` unless approved;
/// `PrescriptionExpired` after its validity.
pub fn prescribed_units(
    conn: &mut Conn,
    prescription: PrescriptionId,
    worker: WorkerId,
    now: Timestamp,
) -> Result<Vec<PrescribedLine>, Failure> {
    let row = store::redeemable_fetch(conn, prescription)?
        .filter(|row| row.worker_id == worker)
        .ok_or(Code::NotFound)?;
    if row.state != "approved" {
        return Err(Refusal::moved_on(row.state).into());
    }
    if row.valid_until.is_none_or(|until| now > until) {
        return Err(Code::PrescriptionExpired.into());
    }
    let lines = store::lines_of(conn, prescription)?.into_iter().map(|line| PrescribedLine {
        line_no: line.line_no,
        product_code: line.product_code,
        packs: u32::try_from(line.packs).unwrap_or(0),
        daily_units_thousandths: line.dose_units_thousandths.saturating_mul(i64::from(line.times_per_day)),
        days: line.days,
    });
    Ok(lines.collect())
}

/// Is it signed by its doctor, approved by another, and unexpired? The
/// signature is verified over the stored bytes.
pub fn prescription_ok_for_start(
    conn: &mut Conn,
    house: &House,
    prescription: PrescriptionId,
    now: Timestamp,
) -> Result<bool, Failure> {
    let Some(row) = store::redeemable_fetch(conn, prescription)? else { return Ok(false) };
    let in_effect = row.state == "approved" && row.valid_until.is_some_and(|until| now <= until);
    Ok(in_effect && reviewed_by_another(&row) && signature_holds(house, &row))
}

/// Marks a prescription as fulfilled once no pack of it is left.
pub fn redeemed(tx: &mut Tx<'_>, prescription: PrescriptionId) -> Result<(), Failure> {
    let lines = store::lines_of(tx.conn, prescription)?;
    let prescribed: i64 = lines.iter().map(|line| i64::from(line.packs)).sum();
    let units = orders::units_of_prescription(tx.conn, prescription)?;
    let dispensed = units.iter().filter(|(_, state)| *state == UnitState::Dispensed).count();
    if i64::try_from(dispensed).unwrap_or(i64::MAX) < prescribed {
        return Ok(());
    }
    let Some(row) = store::redeemable_fetch(tx.conn, prescription)? else { return Ok(()) };
    if store::prescription_fulfil(tx.conn, prescription, tx.now)? {
        let hearers = Hearers::both(row.worker_id, Some(row.doctor_id));
        tx.record(
            "prescription",
            prescription,
            "prescription.fulfilled",
            json!({"units": dispensed}),
            hearers,
        )?;
    }
    Ok(())
}

fn reviewed_by_another(row: &RedeemableRow) -> bool {
    row.reviewed_by.is_some_and(|reviewer| reviewer != row.doctor_id)
}

fn signature_holds(house: &House, row: &RedeemableRow) -> bool {
    let (Some(canonical), Some(signature)) = (&row.canonical, &row.signature) else { return false };
    let signer = &house.keys.prescriptions;
    verify_detached(signature, DetachedKind::Prescription, canonical, |kid| {
        (kid == signer.key_id()).then(|| Box::new(signer.public_key()) as _)
    })
    .is_ok()
}
