//! The roster: single shifts here, repeating ones in `rule`, leave in `leave`. Whose roster somebody
//! keeps is decided in `scope`.

pub(crate) mod leave;
pub mod planning;
pub(crate) mod rule;
pub(crate) mod scope;
pub(crate) mod staff;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::checked;
use crate::{
    AppState, Failure, Recipients, Tx,
    caller::StaffCaller,
    page::{Page, Rows},
};
use coordination::Topic;
use domain::{
    event::staff::{OffDutyReason, StaffEvent},
    ids::{ShiftId, ShiftRuleId, StaffId},
    matching::{Department, presence::Presence},
    network::roster::{Span, on_leave_message},
    precondition::Expected,
    refusal::{Code, Refusal},
    staff::{ShiftRecord, overlap_message},
    time::Timestamp,
    words::Bilingual,
};
use scope::Scope;
use storage::{
    Conn,
    network::roster::{self as store, ShiftRow, leave as leaves, rule as rules},
};

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
    /// The department that it is for, one of the doctor's; none is all of theirs.
    pub department: Option<Department>,
}

/// New hours for a shift.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ShiftChange {
    /// First instant on call.
    pub starts_at: DateTime<Utc>,
    /// First instant off call again; 24 hours later at most.
    pub ends_at: DateTime<Utc>,
    /// The department that it is for, one of the doctor's; none is all of theirs.
    pub department: Option<Department>,
}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ShiftView {
    pub id: ShiftId,
    pub staff_id: StaffId,
    pub starts_at: DateTime<Utc>,
    pub ends_at: DateTime<Utc>,
    /// The department that it is for; none is all of the doctor's.
    pub department: Option<String>,
    /// The rule that it follows from; none for a single shift.
    pub rule_id: Option<ShiftRuleId>,
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
/// One problem per bad field, for one in the person's leave, too; `NotFound`; `AlreadyExists` if it
/// overlaps another, with the other's hours; `StateMovedOn` for somebody who is disabled.
pub fn shift_add(tx: &mut Tx<'_>, caller: StaffCaller, input: &ShiftInput) -> Result<ShiftView, Failure> {
    let id = ShiftId::generate();
    let ShiftInput { staff_id, starts_at, ends_at, department } = *input;
    let span = ensure_fits(tx, Scope::of(caller)?, staff_id, None, starts_at, ends_at)?;
    ensure_serves(tx, staff_id, department)?;
    if !store::shift_add(tx.conn, id, staff_id, span, department)? {
        return Err(Code::AlreadyExists.into());
    }
    let event = StaffEvent::ShiftAdded { shift: id, starts_at, ends_at, department };
    tx.record(staff_id, event, Recipients::staff(staff_id))?;
    tx.wake(Topic::Matching);
    let department = department.map(|department| department.as_str().to_owned());
    Ok(ShiftView { id, staff_id, starts_at, ends_at, department, rule_id: None, version: 1 })
}

/// Checks that a shift is for a department of the doctor, or for all.
///
/// # Errors
/// `InvalidField`.
pub(crate) fn ensure_serves(
    tx: &mut Tx<'_>,
    staff_id: StaffId,
    department: Option<Department>,
) -> Result<(), Failure> {
    let Some(department) = department else { return Ok(()) };
    // Only a doctor has any.
    if storage::staff::change::doctor_departments(tx.conn, staff_id)?.contains(&department) {
        return Ok(());
    }
    Err(Refusal::field("department", "unknown", not_theirs_message()).into())
}

/// The message for a department that somebody does not serve.
pub(crate) fn not_theirs_message() -> Bilingual {
    Bilingual::fixed("该员工不属于这个科室。", "This person does not serve that department.")
}

/// Changes the hours and the department of a shift. A doctor who is then on no shift is off duty at
/// once and keeps their active consultations. A shift of a rule becomes a single one, and its date an
/// exception of the rule.
///
/// # Errors
/// As [`shift_add`]; `PreconditionFailed`; `StateMovedOn` with `over` for a
/// shift that has ended.
pub fn shift_change(
    tx: &mut Tx<'_>,
    caller: StaffCaller,
    id: ShiftId,
    expected: &Expected,
    input: &ShiftChange,
) -> Result<(i64, ShiftView), Failure> {
    let row = store::shift_fetch(tx.conn, id)?.ok_or(Code::NotFound)?;
    let scope = Scope::of(caller)?;
    let span = ensure_fits(tx, scope, row.staff_id, Some(id), input.starts_at, input.ends_at)?;
    // Its owner's row is locked now, so the shift cannot change.
    let row = store::shift_fetch(tx.conn, id)?.ok_or(Code::NotFound)?;
    let version = expected.resolve(row.version)?;
    if row.ends_at <= tx.now {
        return Err(Refusal::moved_on("over").into());
    }
    ensure_serves(tx, row.staff_id, input.department)?;
    if !store::shift_write(tx.conn, id, version, span, input.department)? {
        return Err(Code::PreconditionFailed.into());
    }
    except(tx, &row)?;
    let ShiftChange { starts_at, ends_at, department } = *input;
    let event = StaffEvent::ShiftChanged { shift: id, starts_at, ends_at, department };
    tx.record(row.staff_id, event, Recipients::staff(row.staff_id))?;
    off_duty_without_shift(tx, row.staff_id)?;
    shift_fetch(tx.conn, caller, id)
}

/// Cancels a shift; a doctor on it goes off duty as in [`shift_change`]. The date of a shift of a rule
/// becomes an exception of the rule, so that it does not come back.
///
/// # Errors
/// `NotFound`, also for one that was cancelled before; `StateMovedOn` with `over` for one that has ended:
/// it tells who was on call.
pub fn shift_cancel(tx: &mut Tx<'_>, caller: StaffCaller, id: ShiftId) -> Result<ShiftCancelled, Failure> {
    let row = store::shift_fetch(tx.conn, id)?.ok_or(Code::NotFound)?;
    Scope::of(caller)?.lock(tx.conn, row.staff_id)?;
    let row = store::shift_fetch(tx.conn, id)?.ok_or(Code::NotFound)?;
    if row.ends_at <= tx.now {
        return Err(Refusal::moved_on("over").into());
    }
    if !store::shift_remove(tx.conn, id)? {
        return Err(Code::NotFound.into());
    }
    except(tx, &row)?;
    let event = StaffEvent::ShiftCancelled { shift: id, starts_at: row.starts_at, ends_at: row.ends_at };
    tx.record(row.staff_id, event, Recipients::staff(row.staff_id))?;
    off_duty_without_shift(tx, row.staff_id)?;
    Ok(ShiftCancelled { id, cancelled: true })
}

/// Makes the date of a shift of a rule an exception of the rule. What leave left of the same
/// occurrence stays, as single shifts.
pub(crate) fn except(tx: &mut Tx<'_>, row: &ShiftRow) -> Result<(), Failure> {
    if let (Some(rule), Some(date)) = (row.rule_id, row.rule_date) {
        store::shifts_detach(tx.conn, row.staff_id, rule, date)?;
        rules::exceptions_add(tx.conn, rule, &[date], false)?;
        rules::rule_touch(tx.conn, rule)?;
    }
    Ok(())
}

/// Checks that these hours are valid and meet no other shift and no leave; locks the member of staff,
/// so that of two overlapping shifts only one is stored.
fn ensure_fits(
    tx: &mut Tx<'_>,
    scope: Scope,
    staff_id: StaffId,
    except: Option<ShiftId>,
    starts_at: Timestamp,
    ends_at: Timestamp,
) -> Result<Span, Failure> {
    let person = scope.lock_enabled(tx.conn, staff_id)?;
    checked(tx, &ShiftRecord { staff_email: person.email, starts_at, ends_at, department: None })?;
    let span = Span { from: starts_at, until: ends_at };
    if let Some(leave) = leaves::leaves_meeting(tx.conn, staff_id, span)?.first() {
        let message = on_leave_message(Span { from: leave.starts_at, until: leave.ends_at });
        return Err(Refusal::field("starts_at", "on_leave", message).into());
    }
    let met = store::shifts_meeting(tx.conn, staff_id, span)?;
    let Some(overlapping) = met.into_iter().find(|row| Some(row.id) != except) else {
        return Ok(span);
    };
    let mut refusal =
        Refusal::field("starts_at", "overlaps", overlap_message(overlapping.starts_at, overlapping.ends_at));
    refusal.code = Code::AlreadyExists;
    Err(refusal.with_data(json!({"shift": view(overlapping)})).into())
}

pub(crate) fn off_duty_without_shift(tx: &mut Tx<'_>, staff_id: StaffId) -> Result<(), Failure> {
    tx.wake(Topic::Matching);
    if storage::matching::doctor::on_shift_until(tx.conn, staff_id, tx.now)?.is_none()
        && storage::staff::change::doctor_off(tx.conn, staff_id)?
    {
        let reason = Some(OffDutyReason::NoShift);
        let event = StaffEvent::DutyChanged { presence: Presence::Off, reason, by: None, away_because: None };
        tx.record(staff_id, event, Recipients::staff(staff_id))?;
    }
    Ok(())
}

/// One shift with its version.
///
/// # Errors
/// `NotFound`.
pub fn shift_fetch(conn: &mut Conn, caller: StaffCaller, id: ShiftId) -> Result<(i64, ShiftView), Failure> {
    let row = store::shift_fetch(conn, id)?.ok_or(Code::NotFound)?;
    Scope::of(caller)?.ensure_includes(conn, row.staff_id)?;
    Ok((row.version, view(row)))
}

/// Shifts that have not ended.
pub fn shift_list(
    conn: &mut Conn,
    caller: StaffCaller,
    app: &AppState,
    staff_id: Option<StaffId>,
    after: Option<ShiftId>,
    limit: u32,
) -> Result<Page<ShiftView>, Failure> {
    let (hospital, now) = (Scope::of(caller)?.hospital(), app.now());
    let page = Rows::read(
        limit,
        |most| store::shift_list(conn, hospital, staff_id, now, after, most),
        |row| row.id,
    )?;
    Ok(page.map(view).into())
}

fn view(row: ShiftRow) -> ShiftView {
    ShiftView {
        id: row.id,
        staff_id: row.staff_id,
        starts_at: row.starts_at,
        ends_at: row.ends_at,
        department: row.department.map(|department| department.as_str().to_owned()),
        rule_id: row.rule_id,
        version: row.version,
    }
}
