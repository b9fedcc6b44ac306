//! Staff sign in. An unknown account, a wrong password and a wrong or used one-time code get the
//! same answer, after the same work.

use std::sync::Arc;

use super::{
    known_device, password_hashing,
    session::{SignInInput, StaffTokens, tokens, totp_secret},
    sign_in_alarm,
};
use crate::{
    Actor, AppState, Failure, Recipients, Tx,
    rate_limit::{self, Taken},
};
use crypto::totp::{self, TotpSecret};
use domain::{event::staff::SessionEvent, ids::SessionId, refusal::Code};
use storage::staff::{StaffRow, session as store};

/// Signs a member of staff in. `address` is where the request came from.
///
/// # Errors
/// `CredentialsWrong`, whatever was wrong. After too many failures of this account from this
/// address a wrong try is `TooManyRequests`, and the right credentials are still accepted; beyond a
/// second limit, which keeps guessing hopeless, they are accepted only from a device that has
/// signed in before, or that has just set a password by a letter.
pub async fn sign_in(app: &Arc<AppState>, input: SignInInput, address: &str) -> Result<StaffTokens, Failure> {
    let email = input.email.trim().to_lowercase();
    let sought = email.clone();
    let row =
        app.read(Actor::Anyone, move |conn, _| Ok(storage::staff::staff_by_email(conn, &sought)?)).await?;
    let row = row.filter(|row| row.disabled_at.is_none());
    let known = row.as_ref().zip(input.device_token.as_deref());
    let device = known.and_then(|(row, token)| known_device::recognised(app, row.id, token));
    let tries = Tries::take(app, &email, address, device).await?;
    let cheap_first = tries.slow || rate_limit::SIGN_IN_ADDRESS.is_spent(app, &[address]).await;
    let outcome = try_sign_in(app, row, input, cheap_first).await;
    let wrong = matches!(
        &outcome,
        Err(Failure::Refused(refusal)) if refusal.code == Code::CredentialsWrong
    );
    if !wrong {
        tries.give_back(app).await;
        return outcome;
    }
    rate_limit::SIGN_IN_ADDRESS.note(app, &[address]).await;
    let anywhere = rate_limit::SIGN_IN_ANYWHERE.note(app, &[&email]).await;
    if tries.keep(app) || rate_limit::SIGN_IN_ANYWHERE.is_last(anywhere) {
        sign_in_alarm::notify_owner(app, email).await?;
    }
    match tries.spent {
        Some(spent) => Err(spent),
        None => outcome,
    }
}

/// What is reserved for one try, before anything is checked.
struct Tries {
    taken: Vec<Taken>,
    /// Whether the password is only checked after a right one-time code.
    slow: bool,
    /// The refusal of a wrong try when the address has used up its quick tries.
    spent: Option<Failure>,
}

impl Tries {
    /// # Errors
    /// `TooManyRequests` when neither a quick nor a slow try is left.
    async fn take(
        app: &AppState,
        email: &str,
        address: &str,
        device: Option<String>,
    ) -> Result<Self, Failure> {
        if let Some(device) = device
            && let Ok(taken) = rate_limit::SIGN_IN_DEVICE.reserve(app, &[email, &device]).await
        {
            return Ok(Self { taken: vec![taken], slow: false, spent: None });
        }
        let (first, spent) = match rate_limit::SIGN_IN_SOURCE.reserve(app, &[email, address]).await {
            Ok(taken) if !rate_limit::SIGN_IN_ANYWHERE.is_spent(app, &[email]).await => {
                return Ok(Self { taken: vec![taken], slow: false, spent: None });
            }
            Ok(taken) => (taken, None),
            Err(spent) => {
                (rate_limit::SIGN_IN_SLOW_SOURCE.reserve(app, &[email, address]).await?, Some(spent))
            }
        };
        match rate_limit::SIGN_IN_SLOW.reserve(app, &[email]).await {
            Ok(slow) => Ok(Self { taken: vec![first, slow], slow: true, spent }),
            Err(none_left) => {
                first.give_back(app).await;
                Err(none_left)
            }
        }
    }

    async fn give_back(&self, app: &AppState) {
        for taken in &self.taken {
            taken.give_back(app).await;
        }
    }

    /// The tries count. Returns whether one was the last of its window.
    fn keep(&self, app: &AppState) -> bool {
        // No short circuit: every try must be counted.
        let mut last = false;
        for taken in &self.taken {
            last |= taken.keep(app);
        }
        last
    }
}

/// With `cheap_first` the password is only checked after a right one-time code, so that made-up
/// sign-ins cost no hashing; the owner can still sign in.
async fn try_sign_in(
    app: &Arc<AppState>,
    row: Option<StaffRow>,
    input: SignInInput,
    cheap_first: bool,
) -> Result<StaffTokens, Failure> {
    // An unknown account costs the same work as a known one.
    let secret = match &row {
        Some(row) => totp_secret(app, row)?,
        None => None,
    };
    let used = row.as_ref().and_then(|row| u64::try_from(row.totp_step).ok());
    let step = match &secret {
        Some(secret) => totp::verify(secret, input.totp.trim(), app.now(), used).ok(),
        None => totp::verify(&TotpSecret::generate(), input.totp.trim(), app.now(), None).ok().and(None),
    };
    if cheap_first && step.is_none() {
        return Err(Code::CredentialsWrong.into());
    }
    // Hashing is slow, so it is done before the transaction.
    let stored = row.as_ref().and_then(|row| row.password_hash.clone());
    let checked = password_hashing::verify(stored, input.password).await?;
    let row = row.filter(|_| checked.right).ok_or(Code::CredentialsWrong)?;
    let step = step.ok_or(Code::CredentialsWrong)?;
    app.write(Actor::Anyone, move |tx| open(tx, &row, step, checked.rehashed.as_deref())).await
}

/// Uses up the code's step if the password is still the one that was checked: of several sign-ins
/// with one code, exactly one opens a session.
fn open(tx: &mut Tx<'_>, row: &StaffRow, step: u64, rehashed: Option<&str>) -> Result<StaffTokens, Failure> {
    let step = i64::try_from(step).map_err(|error| Failure::caused("a step out of range", error))?;
    let checked_hash = row.password_hash.as_deref().unwrap_or_default();
    if !storage::staff::sign_in_take(tx.conn, row.id, checked_hash, step)? {
        return Err(Code::CredentialsWrong.into());
    }
    if let Some(hash) = rehashed {
        storage::staff::password_set(tx.conn, row.id, hash)?;
    }
    let session = SessionId::generate();
    storage::authority::session_open(tx.conn, session, row.id, tx.now)?;
    let event = SessionEvent::Opened { staff: row.id, role: row.role };
    tx.record(session, event, Recipients::staff(row.id))?;
    let opened = store::session_fetch(tx.conn, session)?.ok_or(Code::SessionEnded)?;
    let opened = tokens(tx, row.clone(), &opened)?;
    Ok(StaffTokens { device_token: Some(known_device::token(tx.app, row.id)), ..opened })
}
