//! Another mail address for a member of staff. The new one is confirmed by a link that is sent to
//! it; the old one is notified. So a letter to a wrong address changes nothing.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    change::check_email,
    password_link::{self, LinkInput},
};
use crate::{Actor, AppState, Failure, Recipients, Tx, letter, rate_limit};
use crypto::{digest, random};
use domain::{
    event::staff::StaffEvent,
    ids::StaffId,
    letter::LetterKind,
    refusal::{Code, Refusal},
    spelling,
    time::Timestamp,
};
use storage::{Conn, staff::change as store};

/// Hours for which a new address may be confirmed. Our default.
const CONFIRM_HOURS: i64 = 72;

/// A new address.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EmailInput {
    /// The new address to sign in with.
    #[schema(value_type = spelling::MailAddress)]
    pub email: String,
}

/// The result of a requested address change.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct EmailChange {
    pub staff_id: StaffId,
    /// The new address.
    pub email: String,
    /// Whether it is in use: at once for somebody who has not accepted their invitation.
    pub confirmed: bool,
    /// Until when the link that was sent to it may confirm it.
    pub expires_at: Option<DateTime<Utc>>,
}

/// The answer to a confirmed address.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct EmailConfirmed {
    /// The address to sign in with from now on.
    pub email: String,
}

/// Requests another address. Somebody who has not accepted their invitation is invited again, at
/// the new address.
///
/// # Errors
/// `InvalidField`, `NotFound`; `AlreadyExists` for an address that somebody else has;
/// `StateMovedOn` for somebody who is disabled.
pub fn ask(tx: &mut Tx<'_>, id: StaffId, input: &EmailInput) -> Result<EmailChange, Failure> {
    let email = input.email.trim().to_lowercase();
    check_email("email", &email)?;
    let row = storage::staff::staff_lock(tx.conn, id)?.ok_or(Code::NotFound)?;
    if row.disabled_at.is_some() {
        return Err(Refusal::moved_on("disabled").into());
    }
    ensure_free(tx.conn, &email, id)?;
    store::email_changes_void(tx.conn, id, tx.now)?;
    letter::supersede(tx, id, &[LetterKind::EmailConfirm])?;
    if row.password_hash.is_none() || row.email == email {
        if row.email != email {
            store::email_set(tx.conn, id, &email)?;
            tx.record(id, StaffEvent::EmailChanged { confirmed: false }, Recipients::staff(id))?;
            password_link::invite_anew(tx, id, LetterKind::Invite)?;
        }
        return Ok(EmailChange { staff_id: id, email, confirmed: true, expires_at: None });
    }
    let link = fresh_link(tx, id, &email)?;
    letter::write(tx, LetterKind::EmailConfirm, id, Some(&email), &link)?;
    tx.record(id, StaffEvent::EmailChangeAsked {}, Recipients::staff(id))?;
    let expires_at = Some(tx.now + TimeDelta::hours(CONFIRM_HOURS));
    Ok(EmailChange { staff_id: id, email, confirmed: false, expires_at })
}

fn ensure_free(conn: &mut Conn, email: &str, id: StaffId) -> Result<(), Failure> {
    match storage::staff::staff_by_email(conn, email)? {
        Some(holder) if holder.id != id => {
            let mut refusal = super::change::taken("email");
            refusal.code = Code::AlreadyExists;
            Err(refusal.into())
        }
        Some(_) | None => Ok(()),
    }
}

fn fresh_link(tx: &mut Tx<'_>, id: StaffId, email: &str) -> Result<String, Failure> {
    let token = random::token_256();
    let token = token.expose_secret();
    let digest = digest::sha256(token.as_bytes());
    let expires_at = tx.now + TimeDelta::hours(CONFIRM_HOURS);
    store::email_change_add(tx.conn, &digest, id, email, tx.now, expires_at)?;
    Ok(format!("{}/staff/email#token={token}", tx.app.public_url.trim_end_matches('/')))
}

/// A link for a letter that is sent again; earlier links are void.
pub(crate) fn fresh_link_again(tx: &mut Tx<'_>, id: StaffId, email: &str) -> Result<String, Failure> {
    ensure_free(tx.conn, email, id)?;
    store::email_changes_void(tx.conn, id, tx.now)?;
    fresh_link(tx, id, email)
}

/// When a link expires, and when it was used.
pub(crate) fn link_standing(
    conn: &mut Conn,
    digest: &[u8],
) -> Result<Option<(Timestamp, Option<Timestamp>)>, Failure> {
    Ok(store::email_change_fetch(conn, digest)?.map(|row| (row.expires_at, row.used_at)))
}

/// Checks that a link exists, so that guessing is slowed down; a valid one is accepted however many
/// failures came from its `address`.
///
/// # Errors
/// `LinkInvalid`; `TooManyRequests` after too many unknown links.
pub async fn look(app: &Arc<AppState>, input: &LinkInput, address: &str) -> Result<[u8; 32], Failure> {
    let digest = digest::sha256(input.token.as_bytes());
    let found = app.read(Actor::Anyone, move |conn, _| Ok(store::email_change_fetch(conn, &digest)?)).await?;
    if found.is_none() {
        return Err(rate_limit::LINK_ADDRESS.refuse(app, &[address], Code::LinkInvalid.into()).await);
    }
    Ok(digest)
}

/// Confirms a new address; the old one is notified, and links sent to it are void.
///
/// # Errors
/// `LinkInvalid` for a link that is used or expired; `AlreadyExists` when somebody else has the
/// address by now.
pub fn confirm(tx: &mut Tx<'_>, digest: &[u8; 32]) -> Result<EmailConfirmed, Failure> {
    let change = store::email_change_fetch(tx.conn, digest)?.ok_or(Code::LinkInvalid)?;
    let row = storage::staff::staff_lock(tx.conn, change.staff_id)?.ok_or(Code::LinkInvalid)?;
    if row.disabled_at.is_some() || !store::email_change_use(tx.conn, digest, tx.now)? {
        return Err(Code::LinkInvalid.into());
    }
    ensure_free(tx.conn, &change.email, row.id)?;
    storage::staff::session::links_void(tx.conn, row.id, tx.now)?;
    store::email_set(tx.conn, row.id, &change.email)?;
    let home = tx.app.public_url.clone();
    letter::write(tx, LetterKind::EmailChanged, row.id, Some(&row.email), &home)?;
    tx.record(row.id, StaffEvent::EmailChanged { confirmed: true }, Recipients::staff(row.id))?;
    Ok(EmailConfirmed { email: change.email })
}
