//! Leave: spans without shifts. Shifts are cut out of the roster; when a leave ends early, rules give
//! theirs back, and single shifts are added by hand.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    off_duty_without_shift, planning,
    scope::{Scope, ensure_rostered},
};
use crate::{
    AppState, Failure, Recipients, Tx,
    caller::StaffCaller,
    page::{Page, Rows},
};
use coordination::Topic;
use domain::{
    event::staff::StaffEvent,
    ids::{LeaveId, ShiftId, StaffId},
    network::roster::{LeaveReason, MAX_LEAVE, PlannedShift, Span, meets_message},
    refusal::{Code, Refusal},
    time::to_micros,
    words::Bilingual,
};
use storage::{
    Conn,
    network::roster::{self as store, ShiftRow, leave as rows},
};

/// A new leave.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LeaveInput {
    /// The doctor or pharmacist.
    pub staff_id: StaffId,
    /// First instant on leave; one in the past counts as now.
    pub starts_at: DateTime<Utc>,
    /// First instant after it; 400 days later at most.
    pub ends_at: DateTime<Utc>,
    /// Why.
    pub reason: LeaveReason,
}

/// A span in which somebody takes no shifts.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct LeaveView {
    pub id: LeaveId,
    pub staff_id: StaffId,
    pub starts_at: DateTime<Utc>,
    /// First instant after it; the start, if it was called off before it began.
    pub ends_at: DateTime<Utc>,
    pub reason: LeaveReason,
    /// When it was ended early.
    pub ended_at: Option<DateTime<Utc>>,
}

/// Adds a leave. Shifts in it are removed, others are cut short or in two. A doctor who is then on
/// no shift is off duty at once and keeps their active consultations.
///
/// # Errors
/// One problem per bad field, for another leave that it meets, too; `NotFound`.
pub fn leave_add(tx: &mut Tx<'_>, caller: StaffCaller, input: &LeaveInput) -> Result<LeaveView, Failure> {
    let person = Scope::of(caller)?.lock(tx.conn, input.staff_id)?;
    ensure_rostered(&person)?;
    let span = Span { from: to_micros(input.starts_at).max(tx.now), until: to_micros(input.ends_at) };
    if span.until <= span.from {
        let message =
            Bilingual::fixed("须晚于开始，且在将来。", "Must be after the start, and in the future.");
        return Err(Refusal::field("ends_at", "wrong_order", message).into());
    }
    if span.until - span.from > MAX_LEAVE {
        let days = MAX_LEAVE.num_days();
        let message =
            Bilingual::made(format!("休假不能超过 {days} 天。"), format!("A leave is {days} days at most."));
        return Err(Refusal::field("ends_at", "out_of_range", message).into());
    }
    if let Some(met) = rows::leaves_meeting(tx.conn, person.id, span)?.first() {
        let met = Span { from: met.starts_at, until: met.ends_at };
        return Err(Refusal::field("starts_at", "overlaps", meets_message(met)).into());
    }
    let id = LeaveId::generate();
    rows::leave_add(tx.conn, id, person.id, span, input.reason, tx.now)?;
    let cut = store::shifts_meeting(tx.conn, person.id, span)?;
    for shift in &cut {
        cut_out(tx, shift, span)?;
    }
    let (starts_at, ends_at) = (span.from, span.until);
    let event = StaffEvent::LeaveAdded { leave: id, starts_at, ends_at, shifts_cut: cut.len() };
    tx.record(person.id, event, Recipients::staff(person.id))?;
    off_duty_without_shift(tx, person.id)?;
    fetch(tx.conn, id)
}

fn cut_out(tx: &mut Tx<'_>, shift: &ShiftRow, leave: Span) -> Result<(), Failure> {
    let left = shift.span().without(&[leave]);
    let Some((first, rest)) = left.split_first() else {
        store::shift_remove(tx.conn, shift.id)?;
        return Ok(());
    };
    store::shift_shorten(tx.conn, shift.id, *first)?;
    for span in rest {
        match (shift.rule_id, shift.rule_date) {
            (Some(rule), Some(date)) => {
                let planned = [PlannedShift { span: *span, date }];
                store::shifts_plan(tx.conn, shift.staff_id, (rule, shift.department), &planned)?;
            }
            (None, _) | (_, None) => {
                store::shift_add(tx.conn, ShiftId::generate(), shift.staff_id, *span, shift.department)?;
            }
        }
    }
    Ok(())
}

/// Ends a leave now, or calls it off if it has not begun; rules give back their shifts.
///
/// # Errors
/// `NotFound`; `StateMovedOn` with `over`.
pub fn leave_end(tx: &mut Tx<'_>, caller: StaffCaller, id: LeaveId) -> Result<LeaveView, Failure> {
    let scope = Scope::of(caller)?;
    let row = rows::leave_fetch(tx.conn, id)?.ok_or(Code::NotFound)?;
    let person = scope.lock(tx.conn, row.staff_id)?;
    let row = rows::leave_fetch(tx.conn, id)?.ok_or(Code::NotFound)?;
    let ends_at = row.starts_at.max(tx.now);
    if row.ends_at <= ends_at || !rows::leave_end(tx.conn, id, ends_at, tx.now)? {
        return Err(Refusal::moved_on("over").into());
    }
    tx.record(person.id, StaffEvent::LeaveEnded { leave: id, ends_at }, Recipients::staff(person.id))?;
    if person.disabled_at.is_none() {
        planning::replan_person(tx, person.id)?;
    }
    tx.wake(Topic::Matching);
    fetch(tx.conn, id)
}

/// Leaves that have not ended.
pub fn leave_list(
    conn: &mut Conn,
    caller: StaffCaller,
    app: &AppState,
    staff_id: Option<StaffId>,
    after: Option<LeaveId>,
    limit: u32,
) -> Result<Page<LeaveView>, Failure> {
    let (hospital, now) = (Scope::of(caller)?.hospital(), app.now());
    let page =
        Rows::read(limit, |most| rows::leave_list(conn, hospital, staff_id, now, after, most), |row| row.id)?;
    Ok(page.map(view).into())
}

fn fetch(conn: &mut Conn, id: LeaveId) -> Result<LeaveView, Failure> {
    rows::leave_fetch(conn, id)?.map(view).ok_or_else(|| Code::NotFound.into())
}

fn view(row: rows::LeaveRow) -> LeaveView {
    LeaveView {
        id: row.id,
        staff_id: row.staff_id,
        starts_at: row.starts_at,
        ends_at: row.ends_at,
        reason: row.reason,
        ended_at: row.ended_at,
    }
}
