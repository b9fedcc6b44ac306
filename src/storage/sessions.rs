//! Whether what a token proved still holds: one read by key each.

use diesel::prelude::*;

use super::{
    conn::Conn,
    dialect::{PortableDsl, each},
    prepared::PreparedDsl,
    schema::{check_in, device, session, worker},
    sql_types::At,
};
use crate::domain::{
    ids::{CheckInId, DeviceId, SessionId, StaffId},
    time::Timestamp,
};

/// A touch within this many seconds of the last is not worth a write.
const TOUCH_EVERY: chrono::TimeDelta = chrono::TimeDelta::seconds(10);

/// As [`check_in_is_live`], and keeps its worker the same until the end of this
/// transaction: nobody merges them into another meanwhile.
pub fn check_in_hold(conn: &mut Conn, id: CheckInId) -> QueryResult<bool> {
    let found = each!(conn, c => check_in::table
        .inner_join(worker::table)
        .filter(check_in::id.eq(id))
        .filter(check_in::ended_at.is_null())
        .filter(worker::merged_into.is_null())
        .select(check_in::id)
        .kept()
        .get_result::<CheckInId>(c))
    .optional()?;
    Ok(found.is_some())
}

/// Whether the check-in has not ended.
pub fn check_in_is_live(conn: &mut Conn, id: CheckInId) -> QueryResult<bool> {
    let found = each!(conn, c => check_in::table
        .find(id)
        .filter(check_in::ended_at.is_null())
        .select(check_in::id)
        .first::<CheckInId>(c))
    .optional()?;
    Ok(found.is_some())
}

/// Notes that the worker was heard.
pub fn check_in_touch(conn: &mut Conn, id: CheckInId, now: Timestamp) -> QueryResult<()> {
    diesel::update(check_in::table.find(id))
        .filter(check_in::active_at.lt(At(now - TOUCH_EVERY)))
        .set(check_in::active_at.eq(At(now)))
        .prepared()
        .execute(conn)
        .map(|_| ())
}

/// Whether the session is signed in, of this version, and younger than `oldest`.
pub fn session_is_live(conn: &mut Conn, id: SessionId, version: i64, oldest: Timestamp) -> QueryResult<bool> {
    let found = each!(conn, c => session::table
        .find(id)
        .filter(session::revoked_at.is_null())
        .filter(session::version.eq(version))
        .filter(session::created_at.gt(At(oldest)))
        .select(session::id)
        .first::<SessionId>(c))
    .optional()?;
    Ok(found.is_some())
}

/// Notes that the member of staff did something.
pub fn session_touch(conn: &mut Conn, id: SessionId, now: Timestamp) -> QueryResult<()> {
    diesel::update(session::table.find(id))
        .filter(session::active_at.lt(At(now - TOUCH_EVERY)))
        .set(session::active_at.eq(At(now)))
        .prepared()
        .execute(conn)
        .map(|_| ())
}

/// When a member of staff last did something in any session.
pub fn staff_active_at(conn: &mut Conn, staff: StaffId) -> QueryResult<Option<Timestamp>> {
    each!(conn, c => session::table
        .filter(session::staff_id.eq(staff))
        .order(session::active_at.desc())
        .select(session::active_at)
        .first(c))
    .optional()
}

/// Whether the device is enrolled with this epoch.
pub fn device_is_live(conn: &mut Conn, id: DeviceId, epoch: i64) -> QueryResult<bool> {
    let found = each!(conn, c => device::table
        .find(id)
        .filter(device::revoked_at.is_null())
        .filter(device::epoch.eq(epoch))
        .select(device::id)
        .first::<DeviceId>(c))
    .optional()?;
    Ok(found.is_some())
}

/// Opens a session, version 1.
pub fn session_open(conn: &mut Conn, id: SessionId, staff_id: StaffId, now: Timestamp) -> QueryResult<()> {
    each!(conn, c => diesel::insert_into(session::table)
        .values((
            session::id.eq(id),
            session::staff_id.eq(staff_id),
            session::version.eq(1_i64),
            session::created_at.eq(At(now)),
            session::active_at.eq(At(now)),
        ))
        .execute(c))
    .map(|_| ())
}

/// When the session last did something.
pub fn session_quiet_since(conn: &mut Conn, id: SessionId) -> QueryResult<Option<Timestamp>> {
    each!(conn, c => session::table.find(id).select(session::active_at).first(c)).optional()
}
