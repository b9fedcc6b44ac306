//! Who is on call when. Offers nobody a consultation.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::{Page, checked};
use crate::{AppState, Failure, Hearers, Tx};
use coordination::Topic;
use domain::{
    ids::{ShiftId, StaffId},
    precondition::Expected,
    refusal::{Code, Refusal},
    staff::{ShiftRecord, overlap_words},
    time::Timestamp,
};
use storage::{Conn, network::listing as store};

/// A new shift.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ShiftInput {
    /// Whose.
    pub staff_id: StaffId,
    /// First instant on call.
    pub starts_at: DateTime<Utc>,
    /// First instant off call again; 24 hours later at most.
    pub ends_at: DateTime<Utc>,
}

/// Other hours for a shift.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ShiftChange {
    /// First instant on call.
    pub starts_at: DateTime<Utc>,
    /// First instant off call again; 24 hours later at most.
    pub ends_at: DateTime<Utc>,
}

/// A shift.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[allow(missing_docs)]
pub struct ShiftView {
    pub id: ShiftId,
    pub staff_id: StaffId,
    pub starts_at: DateTime<Utc>,
    pub ends_at: DateTime<Utc>,
}

/// A shift that is off the roster.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ShiftCancelled {
    /// Which.
    pub id: ShiftId,
    /// Always true.
    pub cancelled: bool,
}

/// Adds a shift.
///
/// # Errors
/// One problem per bad field; `NotFound`; `AlreadyExists` where it meets
/// another, with the other's hours; `StateMovedOn` for somebody who is disabled.
pub fn shift_add(tx: &mut Tx<'_>, input: &ShiftInput) -> Result<ShiftView, Failure> {
    let id = ShiftId::generate();
    fit(tx, input.staff_id, None, input.starts_at, input.ends_at)?;
    if !storage::network::import::shift_add(tx.conn, id, input.staff_id, input.starts_at, input.ends_at)? {
        return Err(Code::AlreadyExists.into());
    }
    let payload = json!({"shift": id, "starts_at": input.starts_at, "ends_at": input.ends_at});
    tx.record("staff", input.staff_id, "staff.shift_added", payload, Hearers::staff(input.staff_id))?;
    tx.wake(Topic::Matching);
    Ok(ShiftView { id, staff_id: input.staff_id, starts_at: input.starts_at, ends_at: input.ends_at })
}

/// Gives a shift other hours. Who is on no shift any more is off duty at once;
/// their patients stay with them.
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
    fit(tx, row.staff_id, Some(id), input.starts_at, input.ends_at)?;
    // Its owner is held by now, so it stands still.
    let row = store::shift_fetch(tx.conn, id)?.ok_or(Code::NotFound)?;
    let version = expected.resolve(row.version)?;
    if row.ends_at <= tx.now {
        return Err(Refusal::moved_on("over").into());
    }
    if !store::shift_write(tx.conn, id, version, input.starts_at, input.ends_at)? {
        return Err(Code::PreconditionFailed.into());
    }
    let payload = json!({"shift": id, "starts_at": input.starts_at, "ends_at": input.ends_at});
    tx.record("staff", row.staff_id, "staff.shift_changed", payload, Hearers::staff(row.staff_id))?;
    off_duty_without_shift(tx, row.staff_id)?;
    shift_fetch(tx.conn, id)
}

/// Takes a shift off the roster; as [`shift_change`] for who was on it.
///
/// # Errors
/// `NotFound`, also for one that was taken off before.
pub fn shift_cancel(tx: &mut Tx<'_>, id: ShiftId) -> Result<ShiftCancelled, Failure> {
    let row = store::shift_fetch(tx.conn, id)?.ok_or(Code::NotFound)?;
    storage::staff::staff_hold(tx.conn, row.staff_id)?.ok_or(Code::NotFound)?;
    if !store::shift_remove(tx.conn, id)? {
        return Err(Code::NotFound.into());
    }
    let payload = json!({"shift": id, "starts_at": row.starts_at, "ends_at": row.ends_at});
    tx.record("staff", row.staff_id, "staff.shift_cancelled", payload, Hearers::staff(row.staff_id))?;
    off_duty_without_shift(tx, row.staff_id)?;
    Ok(ShiftCancelled { id, cancelled: true })
}

/// Checks that these hours are a shift and meet no other; holds whose it is, so
/// that of two shifts that meet only one comes in.
fn fit(
    tx: &mut Tx<'_>,
    staff_id: StaffId,
    but: Option<ShiftId>,
    starts_at: Timestamp,
    ends_at: Timestamp,
) -> Result<(), Failure> {
    let person = storage::staff::staff_hold(tx.conn, staff_id)?.ok_or(Code::NotFound)?;
    if person.disabled_at.is_some() {
        return Err(Refusal::moved_on("disabled").into());
    }
    checked(tx, &ShiftRecord { staff_email: person.email, starts_at, ends_at })?;
    let Some(met) = store::shift_meeting(tx.conn, staff_id, but, starts_at, ends_at)? else { return Ok(()) };
    let mut refusal = Refusal::field("starts_at", "overlaps", overlap_words(met.starts_at, met.ends_at));
    refusal.code = Code::AlreadyExists;
    Err(refusal.with_data(json!({"shift": view(met)})).into())
}

fn off_duty_without_shift(tx: &mut Tx<'_>, staff_id: StaffId) -> Result<(), Failure> {
    tx.wake(Topic::Matching);
    if storage::matching::doctor::on_shift_until(tx.conn, staff_id, tx.now)?.is_none()
        && storage::staff::change::doctor_off(tx.conn, staff_id)?
    {
        let payload = json!({"presence": "off", "reason": "no_shift"});
        tx.record("staff", staff_id, "duty.changed", payload, Hearers::staff(staff_id))?;
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
    limit: i64,
) -> Result<Page<ShiftView>, Failure> {
    let views = store::shift_list(conn, staff_id, app.now(), after, limit)?.into_iter().map(view);
    Ok(Page::of(views.collect(), limit, |view| view.id.uuid()))
}

fn view(row: store::ShiftRow) -> ShiftView {
    ShiftView { id: row.id, staff_id: row.staff_id, starts_at: row.starts_at, ends_at: row.ends_at }
}
