//! Leave of staff.

use diesel::prelude::*;

use super::rostered_in;
use crate::{
    code_literals::CodeDsl, conn::Conn, dialect::on_backend, prepared::PreparedDsl, schema::leave,
    sql_types::At,
};
use domain::{
    ids::{HospitalId, LeaveId, StaffId},
    network::roster::{LeaveReason, Span},
    time::Timestamp,
};

/// A leave as stored; one that was called off before it began is empty.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = leave)]
pub struct LeaveRow {
    pub id: LeaveId,
    pub staff_id: StaffId,
    pub starts_at: Timestamp,
    pub ends_at: Timestamp,
    pub reason: LeaveReason,
    /// When it was ended early.
    pub ended_at: Option<Timestamp>,
}

pub fn leave_add(
    conn: &mut Conn,
    id: LeaveId,
    staff_id: StaffId,
    span: Span,
    reason: LeaveReason,
    now: Timestamp,
) -> QueryResult<()> {
    on_backend!(conn, c => diesel::insert_into(leave::table)
        .values((
            leave::id.eq(id),
            leave::staff_id.eq(staff_id),
            leave::starts_at.eq(At(span.from)),
            leave::ends_at.eq(At(span.until)),
            leave::reason.eq(reason),
            leave::created_at.eq(At(now)),
        ))
        .execute(c))
    .map(|_| ())
}

pub fn leave_fetch(conn: &mut Conn, id: LeaveId) -> QueryResult<Option<LeaveRow>> {
    on_backend!(conn, c => leave::table.find(id).select(LeaveRow::as_select()).first(c)).optional()
}

/// Ends a leave at `ends_at`; `false` when it was ended before.
pub fn leave_end(conn: &mut Conn, id: LeaveId, ends_at: Timestamp, now: Timestamp) -> QueryResult<bool> {
    diesel::update(leave::table.find(id))
        .filter(leave::ended_at.is_null())
        .set((leave::ends_at.eq(At(ends_at)), leave::ended_at.eq(Some(At(now)))))
        .prepared()
        .execute(conn)
        .map(|rows| rows == 1)
}

/// The leaves of a member of staff that meet this span; none that was called off before it began.
pub fn leaves_meeting(conn: &mut Conn, staff_id: StaffId, span: Span) -> QueryResult<Vec<LeaveRow>> {
    on_backend!(conn, c => leave::table
        .filter(leave::staff_id.eq(staff_id))
        .filter(leave::ends_at.gt(At(span.from)))
        .filter(leave::starts_at.lt(At(span.until)))
        .filter(leave::starts_at.lt(leave::ends_at))
        .order(leave::starts_at)
        .select(LeaveRow::as_select())
        .load(c))
}

/// Leaves that have not ended, by id: of one member of staff, of a hospital, or of all.
pub fn leave_list(
    conn: &mut Conn,
    hospital: Option<HospitalId>,
    staff_id: Option<StaffId>,
    now: Timestamp,
    after: Option<LeaveId>,
    limit: i64,
) -> QueryResult<Vec<LeaveRow>> {
    on_backend!(conn, c => {
        let mut query =
            leave::table.into_boxed().filter(leave::ends_at.gt(At(now))).order(leave::id).limit(limit);
        query = query.filter(leave::starts_at.lt(leave::ends_at));
        if let Some(staff_id) = staff_id {
            query = query.filter(leave::staff_id.eq(staff_id));
        }
        if let Some(hospital) = hospital {
            query = query.filter(leave::staff_id.eq_any(rostered_in!(hospital)));
        }
        if let Some(after) = after {
            query = query.filter(leave::id.gt(after));
        }
        query.select(LeaveRow::as_select()).load(c)
    })
}
