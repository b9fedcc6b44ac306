//! A one-time code opens the signing window of a session for a few minutes.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{session, signing};
use crate::{Failure, Recipients, Tx, caller::StaffCaller};
use crypto::totp;
use domain::{event::staff::SessionEvent, refusal::Code, spelling};
use storage::staff::session as store;

/// Minutes for which a one-time code opens the signing window. Source: the project's security
/// checks, no. 19.
const SIGNING_MINUTES: i64 = 5;

/// A one-time code.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SigningWindowInput {
    /// The one-time code of now, six digits.
    #[schema(value_type = spelling::OneTimeCode)]
    pub totp: String,
}

/// An open signing window.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct SigningWindow {
    /// Until when signatures may be made.
    pub signing_until: DateTime<Utc>,
}

/// Opens the signing window of the caller's session by a one-time code. Wrong codes and wrong
/// signing PINs share one counter, in the database.
///
/// # Errors
/// `CredentialsWrong`, `TotpUsed`; `PinLocked` after five wrong ones.
pub fn open_signing_window(
    tx: &mut Tx<'_>,
    caller: StaffCaller,
    input: &SigningWindowInput,
) -> Result<SigningWindow, Failure> {
    let row = storage::staff::staff_lock(tx.conn, caller.staff)?.ok_or(Code::SessionEnded)?;
    let tried = signing::next_try(&row, tx.now)?;
    let secret = session::totp_secret(tx.app, &row)?.ok_or(Code::CredentialsWrong)?;
    let used = u64::try_from(row.totp_step).ok();
    let step = match totp::verify(&secret, input.totp.trim(), tx.now, used) {
        Ok(step) => i64::try_from(step).unwrap_or(i64::MAX),
        Err(totp::TotpFailure::Wrong) => {
            return Err(signing::refuse_try(tx, row.id, tried, Code::CredentialsWrong));
        }
        Err(totp::TotpFailure::AlreadyUsed) => return Err(Code::TotpUsed.into()),
    };
    if !storage::staff::totp_step_use(tx.conn, row.id, step)? {
        return Err(Code::TotpUsed.into());
    }
    // The code was right, but earlier wrong PINs stay counted.
    signing::forget_tries(tx, &row, tried - 1)?;
    let until = tx.now + TimeDelta::minutes(SIGNING_MINUTES);
    if !store::signing_window_open(tx.conn, caller.session, until)? {
        return Err(Code::SessionEnded.into());
    }
    tx.record(caller.session, SessionEvent::SigningOpened { until }, Recipients::staff(row.id))?;
    Ok(SigningWindow { signing_until: until })
}
