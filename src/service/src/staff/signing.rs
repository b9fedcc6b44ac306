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
    if !storage::staff::session::signing_window_is_open(tx.conn, caller.session, tx.now)? {
        return Err(Code::SigningWindowClosed.into());
    }
    ensure_pin(tx, caller, pin)
}

/// Checks only the signing PIN: that it is still the same person.
///
/// # Errors
/// `SigningPinWrong`, also if none is set; `PinLocked` after five wrong ones.
pub(crate) fn ensure_pin(tx: &mut Tx<'_>, caller: StaffCaller, pin: &str) -> Result<(), Failure> {
    let row = storage::staff::staff_fetch(tx.conn, caller.staff)?.ok_or(Code::NotFound)?;
    let tried = count_try(tx, &row)?;
    let right = match (&row.pin_salt, &row.pin_mac) {
        (Some(salt), Some(mac)) => {
            let salt = salt.as_slice().try_into().map_err(|error| Failure::caused("a PIN's salt", error))?;
            tx.app.keys.staff_pins.verify(&PinSalt(salt), pin, mac)
        }
        _ => false,
    };
    if right {
        storage::staff::signing_pin_failures_set(tx.conn, row.id, 0, None)?;
        tx.caller_is_proven();
        return Ok(());
    }
    Err(refuse_try(tx, row.id, tried, Code::SigningPinWrong))
}

/// Counts a try before it is checked, and returns how many there were.
///
/// # Errors
/// `PinLocked` during the pause.
pub(crate) fn count_try(tx: &mut Tx<'_>, row: &StaffRow) -> Result<i32, Failure> {
    match storage::staff::signing_pin_try(tx.conn, row.id, tx.now)? {
        Some(tried) => Ok(tried),
        None => Err(locked(row.pin_locked_until.unwrap_or(tx.now), tx.now)),
    }
}

/// The refusal of a wrong try: `wrong`, or `PinLocked` after the last one. The count is committed
/// although the operation is refused.
pub(crate) fn refuse_try(tx: &mut Tx<'_>, id: StaffId, tried: i32, wrong: Code) -> Failure {
    tx.commit_on_refusal();
    if tried < TRIES {
        return wrong.into();
    }
    let until = tx.now + TimeDelta::seconds(PAUSE_SECONDS);
    match storage::staff::signing_pin_failures_set(tx.conn, id, 0, Some(until)) {
        Ok(()) => locked(until, tx.now),
        Err(error) => error.into(),
    }
}

fn locked(until: Timestamp, now: Timestamp) -> Failure {
    let seconds = u32::try_from((until - now).num_seconds()).unwrap_or(0).max(1);
    Refusal::new(Code::PinLocked).retry_after(seconds).into()
}
