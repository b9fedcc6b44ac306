//! Reset of a lost authenticator: an operator requests it, a second operator approves it, and the
//! person is invited again. Password and one-time codes stop working at once, because somebody may
//! have found the lost phone; the account, its history and its signing PIN stay.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{StaffSummary, password_link, session, staff_summary};
use crate::{Failure, Recipients, Tx, caller::StaffCaller, letter};
use domain::{
    event::staff::StaffEvent,
    ids::StaffId,
    letter::LetterKind,
    refusal::{Code, Refusal},
    spelling,
    staff::SessionEnd,
    time::Timestamp,
};
use storage::staff::{StaffRow, change as store};

/// Hours within which the reset may be approved. Our default.
const APPROVE_HOURS: i64 = 24;

/// Why somebody needs another authenticator.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ResetReason {
    /// How the operator identified the person: for the second operator.
    #[schema(value_type = spelling::Reason)]
    pub reason: String,
}

/// A reset that waits for a second operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ResetView {
    pub staff_id: StaffId,
    /// The operator who asked; another one must approve.
    pub asked_by: StaffId,
    pub asked_at: DateTime<Utc>,
    /// Until when it may be approved.
    pub expires_at: DateTime<Utc>,
}

/// The reset that waits for an approval.
pub(crate) fn open_reset(row: &StaffRow, now: Timestamp) -> Option<ResetView> {
    let (asked_by, asked_at) = (row.reset_asked_by?, row.reset_asked_at?);
    let expires_at = asked_at + TimeDelta::hours(APPROVE_HOURS);
    (expires_at > now).then_some(ResetView { staff_id: row.id, asked_by, asked_at, expires_at })
}

/// Requests a reset of an authenticator; its owner is notified by letter. A repeated request
/// changes nothing, so that nobody can approve their own request.
///
/// # Errors
/// `NotFound`; `RoleNotAllowed` for one's own account; `StateMovedOn` for somebody who is disabled,
/// or has no authenticator yet.
pub fn reset_ask(
    tx: &mut Tx<'_>,
    caller: StaffCaller,
    id: StaffId,
    input: &ResetReason,
) -> Result<ResetView, Failure> {
    let row = lock_other(tx, caller, id)?;
    if row.totp_sealed.is_none() {
        return Err(Refusal::moved_on("invited").into());
    }
    if let Some(open) = open_reset(&row, tx.now) {
        return Ok(open);
    }
    store::reset_ask(tx.conn, id, Some(caller.staff), Some(tx.now))?;
    // The reason may name people, so the event contains only its length.
    let event = StaffEvent::AuthenticatorResetAsked { reason_chars: input.reason.trim().chars().count() };
    tx.record(id, event, Recipients::staff(id))?;
    let home = tx.app.public_url.clone();
    letter::write(tx, LetterKind::AuthenticatorReset, id, None, &home)?;
    let asked = StaffRow { reset_asked_by: Some(caller.staff), reset_asked_at: Some(tx.now), ..row };
    open_reset(&asked, tx.now).ok_or_else(|| Failure::inconsistent("a request that was just made"))
}

/// Approves another operator's request: sessions end, password and one-time codes stop working, and
/// a new invitation goes out.
///
/// # Errors
/// `NotFound`; `RoleNotAllowed` for one's own request or account; `StateMovedOn` with `none` when
/// no request is open.
pub fn reset_approve(tx: &mut Tx<'_>, caller: StaffCaller, id: StaffId) -> Result<StaffSummary, Failure> {
    let row = lock_other(tx, caller, id)?;
    let open = open_reset(&row, tx.now).ok_or_else(|| Refusal::moved_on("none"))?;
    if open.asked_by == caller.staff {
        return Err(Code::RoleNotAllowed.into());
    }
    if !store::proofs_clear(tx.conn, id)? {
        return Err(Refusal::moved_on("disabled").into());
    }
    let ended = session::end_all(tx, id, SessionEnd::AuthenticatorReset)?;
    let event = StaffEvent::AuthenticatorReset { asked_by: open.asked_by, sessions_ended: ended };
    tx.record(id, event, Recipients::staff(id))?;
    password_link::invite_anew(tx, id, LetterKind::Reinvite)?;
    storage::staff::staff_fetch(tx.conn, id)?.map(staff_summary).ok_or_else(|| Code::NotFound.into())
}

/// Withdraws a request. Without an open request it does nothing.
///
/// # Errors
/// `NotFound`, `RoleNotAllowed`, `StateMovedOn` as above.
pub fn reset_withdraw(tx: &mut Tx<'_>, caller: StaffCaller, id: StaffId) -> Result<StaffSummary, Failure> {
    let row = lock_other(tx, caller, id)?;
    if row.reset_asked_by.is_some() {
        store::reset_ask(tx.conn, id, None, None)?;
        tx.record(id, StaffEvent::AuthenticatorResetWithdrawn {}, Recipients::staff(id))?;
    }
    Ok(staff_summary(row))
}

fn lock_other(tx: &mut Tx<'_>, caller: StaffCaller, id: StaffId) -> Result<StaffRow, Failure> {
    let row = storage::staff::staff_lock(tx.conn, id)?.ok_or(Code::NotFound)?;
    if id == caller.staff {
        return Err(Code::RoleNotAllowed.into());
    }
    if row.disabled_at.is_some() {
        return Err(Refusal::moved_on("disabled").into());
    }
    Ok(row)
}
