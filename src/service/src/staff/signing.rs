//! A signature requires the person to authenticate again: a one-time code opens a signing window of
//! this session, and each signature takes the signing PIN. This module signs nothing itself.

use chrono::TimeDelta;

use crate::{Failure, Tx, caller::StaffCaller};
use crypto::pin::PinSalt;
use domain::{
    ids::StaffId,
    refusal::{Code, Refusal},
    time::Timestamp,
};
use storage::staff::StaffRow;

/// Wrong signing PINs before a pause. Source: the project's security checks, no. 17.
const TRIES: i32 = 5;

/// The pause after too many wrong signing PINs, in seconds. Our default.
const PAUSE_SECONDS: i64 = 900;

/// Checks that this session's signing window is open and the signing PIN is right. Call it before
/// the operation writes anything: a wrong PIN is counted even though the operation is refused, and
/// whatever was written before would be committed too.
///
/// # Errors
/// `SigningWindowClosed`; as [`ensure_pin`].
pub(crate) fn ensure_signing(tx: &mut Tx<'_>, caller: StaffCaller, pin: &str) -> Result<(), Failure> {
    let signer = storage::staff::session::signer_lock(tx.conn, caller.staff, caller.session, tx.now)?;
    let (row, window_is_open) = signer.ok_or(Code::NotFound)?;
    if !window_is_open {
        return Err(Code::SigningWindowClosed.into());
    }
    check_pin(tx, &row, pin)
}

/// Checks only the signing PIN: that it is still the same person.
///
/// # Errors
/// `SigningPinWrong`, also if none is set; `PinLocked` after five wrong ones.
pub(crate) fn ensure_pin(tx: &mut Tx<'_>, caller: StaffCaller, pin: &str) -> Result<(), Failure> {
    let row = storage::staff::staff_lock(tx.conn, caller.staff)?.ok_or(Code::NotFound)?;
    check_pin(tx, &row, pin)
}

fn check_pin(tx: &mut Tx<'_>, row: &StaffRow, pin: &str) -> Result<(), Failure> {
    let tried = next_try(row, tx.now)?;
    let right = match (&row.pin_salt, &row.pin_mac) {
        (Some(salt), Some(mac)) => {
            let salt = salt.as_slice().try_into().map_err(|error| Failure::caused("a PIN's salt", error))?;
            tx.app.keys.staff_pins.verify(&PinSalt(salt), pin, mac)
        }
        _ => false,
    };
    if right {
        forget_tries(tx, row, 0)?;
        tx.caller_is_proven();
        return Ok(());
    }
    Err(refuse_try(tx, row.id, tried, Code::SigningPinWrong))
}

/// The number of the next try. The row is locked, so concurrent tries are all counted.
///
/// # Errors
/// `PinLocked` during the pause.
pub(crate) fn next_try(locked_row: &StaffRow, now: Timestamp) -> Result<i32, Failure> {
    match locked_row.pin_locked_until {
        Some(until) if now < until => Err(locked(until, now)),
        _ => Ok(locked_row.pin_failures + 1),
    }
}

/// After a right try: sets the count of wrong ones to `left`.
pub(crate) fn forget_tries(tx: &mut Tx<'_>, locked_row: &StaffRow, left: i32) -> Result<(), Failure> {
    if locked_row.pin_failures != left || locked_row.pin_locked_until.is_some() {
        storage::staff::signing_pin_failures_set(tx.conn, locked_row.id, left, None)?;
    }
    Ok(())
}

/// The refusal of a wrong try: `wrong`, or `PinLocked` after the last one. The count is committed
/// although the operation is refused.
pub(crate) fn refuse_try(tx: &mut Tx<'_>, id: StaffId, tried: i32, wrong: Code) -> Failure {
    tx.commit_on_refusal();
    let until = tx.now + TimeDelta::seconds(PAUSE_SECONDS);
    let (count, pause, refusal) =
        if tried < TRIES { (tried, None, wrong.into()) } else { (0, Some(until), locked(until, tx.now)) };
    match storage::staff::signing_pin_failures_set(tx.conn, id, count, pause) {
        Ok(()) => refusal,
        Err(error) => error.into(),
    }
}

fn locked(until: Timestamp, now: Timestamp) -> Failure {
    let seconds = u32::try_from((until - now).num_seconds()).unwrap_or(0).max(1);
    Refusal::new(Code::PinLocked).retry_after(seconds).into()
}
