//! Staff sign in. The same answer meets an unknown account, a wrong password and
//! a wrong or used one-time code, after the same work.

use std::sync::Arc;

use serde_json::json;

use super::{
    Actor, Failure, Hearers, House, Tx, limits, passwords, sign_in_alarm,
    staff_session::{SignInInput, StaffTokens, tokens, totp_secret},
};
use crate::{
    crypto::totp::{self, TotpSecret},
    domain::{ids::SessionId, refusal::Code},
    storage::{
        sessions,
        staff::{self, StaffRow},
        staff_sessions as store,
    },
};

/// Signs a member of staff in. `address` is where the request came from.
///
/// # Errors
/// `CredentialsWrong`, whatever was wrong; `TooManyRequests` after too many
/// failures of this account from this address. From elsewhere its owner still
/// signs in, and is told by a letter.
pub async fn sign_in(house: &Arc<House>, input: SignInInput, address: &str) -> Result<StaffTokens, Failure> {
    let email = input.email.trim().to_lowercase();
    let tried = limits::SIGN_IN_SOURCE.reserve(house, &[&email, address]).await?;
    let cheap_first = limits::SIGN_IN_ADDRESS.is_spent(house, &[address]).await
        || limits::SIGN_IN_ANYWHERE.is_spent(house, &[&email]).await;
    let outcome = try_sign_in(house, email.clone(), input, cheap_first).await;
    let wrong = matches!(
        &outcome,
        Err(Failure::Refused(refusal)) if refusal.code == Code::CredentialsWrong
    );
    if !wrong {
        tried.give_back(house).await;
        return outcome;
    }
    limits::SIGN_IN_ADDRESS.note(house, &[address]).await;
    let anywhere = limits::SIGN_IN_ANYWHERE.note(house, &[&email]).await;
    if tried.keep(house) || limits::SIGN_IN_ANYWHERE.is_last(anywhere) {
        sign_in_alarm::tell_owner(house, email).await?;
    }
    outcome
}

/// With `cheap_first` a password is only looked at behind a right one-time
/// code, so that made-up sign-ins cost no hashing; who has both still gets in.
async fn try_sign_in(
    house: &Arc<House>,
    email: String,
    input: SignInInput,
    cheap_first: bool,
) -> Result<StaffTokens, Failure> {
    let row = house.read(Actor::Anyone, move |conn, _| Ok(staff::staff_by_email(conn, &email)?)).await?;
    let row = row.filter(|row| row.disabled_at.is_none());
    // For nobody the same work is done as for somebody.
    let secret = match &row {
        Some(row) => totp_secret(house, row)?,
        None => None,
    };
    let used = row.as_ref().and_then(|row| u64::try_from(row.totp_step).ok());
    let step = match &secret {
        Some(secret) => totp::verify(secret, input.totp.trim(), house.now(), used).ok(),
        None => totp::verify(&TotpSecret::generate(), input.totp.trim(), house.now(), None).ok().and(None),
    };
    if cheap_first && step.is_none() {
        return Err(Code::CredentialsWrong.into());
    }
    // Hashing is slow, so it is done before the transaction.
    let stored = row.as_ref().and_then(|row| row.password_hash.clone());
    let looked = passwords::verify(stored, input.password).await?;
    let row = row.filter(|_| looked.right).ok_or(Code::CredentialsWrong)?;
    let step = step.ok_or(Code::CredentialsWrong)?;
    house.write(Actor::Anyone, move |tx| open(tx, &row, step, looked.rehashed.as_deref())).await
}

/// The code's step is taken, and the password is still the one that was looked
/// at: of many sign-ins with one code, exactly one opens a session.
fn open(tx: &mut Tx<'_>, row: &StaffRow, step: u64, rehashed: Option<&str>) -> Result<StaffTokens, Failure> {
    let step = i64::try_from(step).map_err(|_| Failure::Fault("a step out of range".to_owned()))?;
    let looked_at = row.password_hash.as_deref().unwrap_or_default();
    if !staff::sign_in_take(tx.conn, row.id, looked_at, step)? {
        return Err(Code::CredentialsWrong.into());
    }
    if let Some(hash) = rehashed {
        staff::password_set(tx.conn, row.id, hash)?;
    }
    let session = SessionId::generate();
    sessions::session_open(tx.conn, session, row.id, tx.now)?;
    let payload = json!({"staff": row.id, "role": row.role});
    tx.record("session", session, "session.opened", payload, Hearers::staff(row.id))?;
    let opened = store::session_fetch(tx.conn, session)?.ok_or(Code::SessionEnded)?;
    tokens(tx, row.clone(), &opened)
}
