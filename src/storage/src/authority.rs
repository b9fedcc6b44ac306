//! Whether the authority that a token proved is still valid: one read by key at the beginning of a
//! transaction, and a recheck in its last step.

use diesel::prelude::*;

use super::{
    conn::Conn,
    dialect::{self, RowLockDsl, on_backend},
    prepared::PreparedDsl,
    schema::{check_in, device, session, staff, worker},
    sql_types::At,
};
use domain::{
    ids::{CheckInId, DeviceId, SessionId, StaffId},
    time::Timestamp,
};

/// The activity time is written at most once in this interval.
pub const TOUCH_EVERY: chrono::TimeDelta = chrono::TimeDelta::seconds(10);

/// Result of the second check of a caller's authority, at commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recheck {
    /// Valid, and locked until the end of this transaction.
    Holds,
    /// Not valid any more.
    Ended,
    /// Valid as far as can be read, but another transaction has locked the row.
    Contended,
}

/// Rechecks an authority's row in the last step of a transaction, and locks it against change until
/// the commit. With `wait_for_lock` it waits for a row that another transaction is changing;
/// without, it returns [`Recheck::Contended`], so that no transaction waits here while it has rows
/// locked itself.
macro_rules! recheck {
    ($conn:ident, $wait_for_lock:ident, $id:ty, $live:expr) => {{
        if !dialect::writes_overlap($conn) {
            return Ok(Recheck::Holds);
        }
        let found = if $wait_for_lock {
            on_backend!($conn, c => $live.lock_for_share().get_result::<$id>(c)).optional()?
        } else {
            on_backend!($conn, c => $live.lock_for_share_skip_locked().get_result::<$id>(c)).optional()?
        };
        if found.is_some() {
            return Ok(Recheck::Holds);
        }
        let unlocked = on_backend!($conn, c => $live.get_result::<$id>(c)).optional()?;
        Ok(if unlocked.is_some() { Recheck::Contended } else { Recheck::Ended })
    }};
}

/// When the worker of an open check-in was last active. Locks the rows with FOR KEY SHARE until the
/// end of this transaction, so that the worker is not merged into another meanwhile.
pub fn check_in_lock_for_key_share(conn: &mut Conn, id: CheckInId) -> QueryResult<Option<Timestamp>> {
    on_backend!(conn, c => check_in::table
        .inner_join(worker::table)
        .filter(check_in::id.eq(id))
        .filter(check_in::ended_at.is_null())
        .filter(worker::merged_into.is_null())
        .select(check_in::active_at)
        .lock_for_key_share()
        .get_result::<Timestamp>(c))
    .optional()
}

/// Whether the check-in has not ended.
pub fn check_in_is_live(conn: &mut Conn, id: CheckInId) -> QueryResult<bool> {
    let found = on_backend!(conn, c => check_in::table
        .find(id)
        .filter(check_in::ended_at.is_null())
        .select(check_in::id)
        .first::<CheckInId>(c))
    .optional()?;
    Ok(found.is_some())
}

/// Rechecks that the check-in has not ended, in a transaction's last step.
pub fn check_in_recheck(conn: &mut Conn, id: CheckInId, wait_for_lock: bool) -> QueryResult<Recheck> {
    recheck!(
        conn,
        wait_for_lock,
        CheckInId,
        check_in::table.find(id).filter(check_in::ended_at.is_null()).select(check_in::id)
    )
}

/// Locks an open check-in's row without waiting; `false` when it has ended or another transaction
/// has locked it.
pub fn check_in_try_lock(conn: &mut Conn, id: CheckInId) -> QueryResult<bool> {
    let found = on_backend!(conn, c => check_in::table
        .find(id)
        .filter(check_in::ended_at.is_null())
        .select(check_in::id)
        .lock_for_no_key_update_skip_locked()
        .get_result::<CheckInId>(c))
    .optional()?;
    Ok(found.is_some())
}

/// Records that the worker was active.
pub fn check_in_touch(conn: &mut Conn, id: CheckInId, now: Timestamp) -> QueryResult<()> {
    diesel::update(check_in::table.find(id))
        .filter(check_in::active_at.lt(At(now - TOUCH_EVERY)))
        .set(check_in::active_at.eq(At(now)))
        .prepared()
        .execute(conn)
        .map(|_| ())
}

/// When a live session was last active and last attended.
#[derive(Debug, Clone, Copy, Queryable, Selectable)]
#[diesel(table_name = session)]
pub struct SessionActivity {
    /// Last activity, by its member of staff or by their program on its own.
    pub active_at: Timestamp,
    /// Last activity certainly by the person; see `service::caller::Standing`.
    pub attended_at: Option<Timestamp>,
}

/// The session, if it is not revoked, has this version, began after `oldest`, and its member of
/// staff is not disabled.
macro_rules! live_session {
    ($id:expr, $version:expr, $oldest:expr) => {
        session::table
            .find($id)
            .filter(session::revoked_at.is_null())
            .filter(session::version.eq($version))
            .filter(session::created_at.gt(At($oldest)))
            .filter(diesel::dsl::exists(
                staff::table.filter(staff::id.eq(session::staff_id)).filter(staff::disabled_at.is_null()),
            ))
    };
}

/// A live session's activity; `None` when it is not live.
pub fn session_live(
    conn: &mut Conn,
    id: SessionId,
    version: i64,
    oldest: Timestamp,
) -> QueryResult<Option<SessionActivity>> {
    on_backend!(conn, c => live_session!(id, version, oldest)
        .select(SessionActivity::as_select())
        .first(c))
    .optional()
}

/// Rechecks that the session is live, in a transaction's last step.
pub fn session_recheck(
    conn: &mut Conn,
    id: SessionId,
    version: i64,
    oldest: Timestamp,
    wait_for_lock: bool,
) -> QueryResult<Recheck> {
    recheck!(conn, wait_for_lock, SessionId, live_session!(id, version, oldest).select(session::id))
}

/// Locks a live session's row without waiting; `false` when it is not live or another transaction
/// has locked it.
pub fn session_try_lock(
    conn: &mut Conn,
    id: SessionId,
    version: i64,
    oldest: Timestamp,
) -> QueryResult<bool> {
    let found = on_backend!(conn, c => live_session!(id, version, oldest)
        .select(session::id)
        .lock_for_no_key_update_skip_locked()
        .get_result::<SessionId>(c))
    .optional()?;
    Ok(found.is_some())
}

/// Records activity of a member of staff or of their program.
pub fn session_touch(conn: &mut Conn, id: SessionId, now: Timestamp) -> QueryResult<()> {
    diesel::update(session::table.find(id))
        .filter(session::active_at.lt(At(now - TOUCH_EVERY)))
        .set(session::active_at.eq(At(now)))
        .prepared()
        .execute(conn)
        .map(|_| ())
}

/// Records activity of the member of staff in person.
pub fn session_attend(conn: &mut Conn, id: SessionId, now: Timestamp) -> QueryResult<()> {
    diesel::update(session::table.find(id))
        .set((session::active_at.eq(At(now)), session::attended_at.eq(Some(At(now)))))
        .prepared()
        .execute(conn)
        .map(|_| ())
}

/// Last activity of a member of staff in any session.
pub fn staff_active_at(conn: &mut Conn, staff: StaffId) -> QueryResult<Option<Timestamp>> {
    on_backend!(conn, c => session::table
        .filter(session::staff_id.eq(staff))
        .order(session::active_at.desc())
        .select(session::active_at)
        .first(c))
    .optional()
}

/// Whether the device is enrolled with this epoch.
pub fn device_is_live(conn: &mut Conn, id: DeviceId, epoch: i64) -> QueryResult<bool> {
    let found = on_backend!(conn, c => device::table
        .find(id)
        .filter(device::revoked_at.is_null())
        .filter(device::epoch.eq(epoch))
        .select(device::id)
        .first::<DeviceId>(c))
    .optional()?;
    Ok(found.is_some())
}

/// Rechecks that the device is enrolled, in a transaction's last step.
pub fn device_recheck(
    conn: &mut Conn,
    id: DeviceId,
    epoch: i64,
    wait_for_lock: bool,
) -> QueryResult<Recheck> {
    recheck!(
        conn,
        wait_for_lock,
        DeviceId,
        device::table
            .find(id)
            .filter(device::revoked_at.is_null())
            .filter(device::epoch.eq(epoch))
            .select(device::id)
    )
}

/// Opens a session, version 1. Signing in counts as attended activity.
pub fn session_open(conn: &mut Conn, id: SessionId, staff_id: StaffId, now: Timestamp) -> QueryResult<()> {
    on_backend!(conn, c => diesel::insert_into(session::table)
        .values((
            session::id.eq(id),
            session::staff_id.eq(staff_id),
            session::version.eq(1_i64),
            session::created_at.eq(At(now)),
            session::active_at.eq(At(now)),
            session::attended_at.eq(Some(At(now))),
        ))
        .execute(c))
    .map(|_| ())
}
