//! The roster of shifts.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::checked;
use crate::{
    AppState, Failure, Recipients, Tx,
    page::{Page, Rows},
};
use coordination::Topic;
use domain::{
    event::staff::{OffDutyReason, StaffEvent},
    ids::{ShiftId, StaffId},
    matching::presence::Presence,
    precondition::Expected,
    refusal::{Code, Refusal},
    staff::{ShiftRecord, overlap_message},
    time::Timestamp,
};
use storage::{Conn, network::listing as store};

/// A new shift.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ShiftInput {
    /// The member of staff.
    pub staff_id: StaffId,
    /// First instant on call.
    pub starts_at: DateTime<Utc>,
    /// First instant off call again; 24 hours later at most.
    pub ends_at: DateTime<Utc>,
}

/// New hours for a shift.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ShiftChange {
    /// First instant on call.
    pub starts_at: DateTime<Utc>,
    /// First instant off call again; 24 hours later at most.
    pub ends_at: DateTime<Utc>,
}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ShiftView {
    pub id: ShiftId,
    pub staff_id: StaffId,
    pub starts_at: DateTime<Utc>,
    pub ends_at: DateTime<Utc>,
    /// Goes up with every change; also the ETag.
    pub version: i64,
}

/// A shift that was cancelled.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ShiftCancelled {
    pub id: ShiftId,
    pub cancelled: bool,
}

/// Adds a shift.
///
/// # Errors
/// One problem per bad field; `NotFound`; `AlreadyExists` if it overlaps another, with the
/// other's hours; `StateMovedOn` for somebody who is disabled.
pub fn shift_add(tx: &mut Tx<'_>, input: &ShiftInput) -> Result<ShiftView, Failure> {
    let id = ShiftId::generate();
    ensure_fits(tx, input.staff_id, None, input.starts_at, input.ends_at)?;
    if !storage::network::import::shift_add(tx.conn, id, input.staff_id, input.starts_at, input.ends_at)? {
        return Err(Code::AlreadyExists.into());
    }
    let ShiftInput { staff_id, starts_at, ends_at } = *input;
    tx.record(
        staff_id,
        StaffEvent::ShiftAdded { shift: id, starts_at, ends_at },
        Recipients::staff(staff_id),
    )?;
    tx.wake(Topic::Matching);
    Ok(ShiftView { id, staff_id, starts_at, ends_at, version: 1 })
}

/// Changes the hours of a shift. A doctor who is then on no shift is off duty at once and keeps
/// their active consultations.
///
/// # Errors
/// As [`shift_add`]; `PreconditionFailed`; `StateMovedOn` with `over` for a
/// shift that has ended.
pub fn shift_change(
    tx: &mut Tx<'_>,
    id: ShiftId,
    expected: &Expected,
    input: &ShiftChange,
) -> Result<(i64, ShiftView), Failure> {
    let row = store::shift_fetch(tx.conn, id)?.ok_or(Code::NotFound)?;
    ensure_fits(tx, row.staff_id, Some(id), input.starts_at, input.ends_at)?;
    // Its owner's row is locked now, so the shift cannot change.
    let row = store::shift_fetch(tx.conn, id)?.ok_or(Code::NotFound)?;
    let version = expected.resolve(row.version)?;
    if row.ends_at <= tx.now {
        return Err(Refusal::moved_on("over").into());
    }
    if !store::shift_write(tx.conn, id, version, input.starts_at, input.ends_at)? {
        return Err(Code::PreconditionFailed.into());
    }
    let event = StaffEvent::ShiftChanged { shift: id, starts_at: input.starts_at, ends_at: input.ends_at };
    tx.record(row.staff_id, event, Recipients::staff(row.staff_id))?;
    off_duty_without_shift(tx, row.staff_id)?;
    shift_fetch(tx.conn, id)
}

/// Cancels a shift; a doctor on it goes off duty as in [`shift_change`].
///
/// # Errors
/// `NotFound`, also for one that was cancelled before.
pub fn shift_cancel(tx: &mut Tx<'_>, id: ShiftId) -> Result<ShiftCancelled, Failure> {
    let row = store::shift_fetch(tx.conn, id)?.ok_or(Code::NotFound)?;
    storage::staff::staff_lock(tx.conn, row.staff_id)?.ok_or(Code::NotFound)?;
    if !store::shift_remove(tx.conn, id)? {
        return Err(Code::NotFound.into());
    }
    let event = StaffEvent::ShiftCancelled { shift: id, starts_at: row.starts_at, ends_at: row.ends_at };
    tx.record(row.staff_id, event, Recipients::staff(row.staff_id))?;
    off_duty_without_shift(tx, row.staff_id)?;
    Ok(ShiftCancelled { id, cancelled: true })
}

/// Checks that these hours are valid and overlap no other shift; locks the member of staff, so
/// that of two overlapping shifts only one is stored.
fn ensure_fits(
    tx: &mut Tx<'_>,
    staff_id: StaffId,
    except: Option<ShiftId>,
    starts_at: Timestamp,
    ends_at: Timestamp,
) -> Result<(), Failure> {
    let person = storage::staff::staff_lock(tx.conn, staff_id)?.ok_or(Code::NotFound)?;
    if person.disabled_at.is_some() {
        return Err(Refusal::moved_on("disabled").into());
    }
    checked(tx, &ShiftRecord { staff_email: person.email, starts_at, ends_at })?;
    let Some(overlapping) = store::shift_meeting(tx.conn, staff_id, except, starts_at, ends_at)? else {
        return Ok(());
    };
    let mut refusal =
        Refusal::field("starts_at", "overlaps", overlap_message(overlapping.starts_at, overlapping.ends_at));
    refusal.code = Code::AlreadyExists;
    Err(refusal.with_data(json!({"shift": view(overlapping)})).into())
}

fn off_duty_without_shift(tx: &mut Tx<'_>, staff_id: StaffId) -> Result<(), Failure> {
    tx.wake(Topic::Matching);
    if storage::matching::doctor::on_shift_until(tx.conn, staff_id, tx.now)?.is_none()
        && storage::staff::change::doctor_off(tx.conn, staff_id)?
    {
        let reason = Some(OffDutyReason::NoShift);
        let event = StaffEvent::DutyChanged { presence: Presence::Off, reason, by: None };
        tx.record(staff_id, event, Recipients::staff(staff_id))?;
    }
    Ok(())
}

/// One shift with its version.
///
/// # Errors
/// `NotFound`.
pub fn shift_fetch(conn: &mut Conn, id: ShiftId) -> Result<(i64, ShiftView), Failure> {
    let row = store::shift_fetch(conn, id)?.ok_or(Code::NotFound)?;
    Ok((row.version, view(row)))
}

/// Shifts that have not ended.
pub fn shift_list(
    conn: &mut Conn,
    app: &AppState,
    staff_id: Option<StaffId>,
    after: Option<ShiftId>,
    limit: u32,
) -> Result<Page<ShiftView>, Failure> {
    let now = app.now();
    let page = Rows::read(limit, |most| store::shift_list(conn, staff_id, now, after, most), |row| row.id)?;
    Ok(page.map(view).into())
}

fn view(row: store::ShiftRow) -> ShiftView {
    ShiftView {
        id: row.id,
        staff_id: row.staff_id,
        starts_at: row.starts_at,
        ends_at: row.ends_at,
        version: row.version,
    }
}
