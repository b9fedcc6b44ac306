//! Whether what a token proved still holds: one read by key each, at the
//! beginning of a transaction, and once more in its last step.

use diesel::prelude::*;

use super::{
    conn::Conn,
    dialect::{self, PortableDsl, on_backend},
    prepared::PreparedDsl,
    schema::{check_in, device, session, staff, worker},
    sql_types::At,
};
use domain::{
    ids::{CheckInId, DeviceId, SessionId, StaffId},
    time::Timestamp,
};

/// A touch within this many seconds of the last is not worth a write.
pub const TOUCH_EVERY: chrono::TimeDelta = chrono::TimeDelta::seconds(10);

/// What a second look at an authority found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Still {
    /// It holds, and will until the end of this transaction.
    Holds,
    /// It has ended.
    Ended,
    /// It holds as far as one can see, but another transaction has its row.
    Contended,
}

/// Looks at an authority's row in the last step of a transaction, and keeps it
/// unchanged until the commit. With `patient` a row that somebody is changing is
/// waited for; without, such a row makes the answer [`Still::Contended`], so that
/// nobody waits here while holding rows of their own.
macro_rules! still {
    ($conn:ident, $patient:ident, $id:ty, $live:expr) => {{
        if !dialect::writes_overlap($conn) {
            return Ok(Still::Holds);
        }
        let found = if $patient {
            on_backend!($conn, c => $live.lock_for_share().get_result::<$id>(c)).optional()?
        } else {
            on_backend!($conn, c => $live.lock_for_share_skip_locked().get_result::<$id>(c)).optional()?
        };
        if found.is_some() {
            return Ok(Still::Holds);
        }
        let seen = on_backend!($conn, c => $live.get_result::<$id>(c)).optional()?;
        Ok(if seen.is_some() { Still::Contended } else { Still::Ended })
    }};
}

/// When an open check-in last did something, and keeps its worker the same
/// until the end of this transaction: nobody merges them into another meanwhile.
pub fn check_in_hold(conn: &mut Conn, id: CheckInId) -> QueryResult<Option<Timestamp>> {
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

/// Whether the check-in has still not ended, in a transaction's last step.
pub fn check_in_still(conn: &mut Conn, id: CheckInId, patient: bool) -> QueryResult<Still> {
    still!(
        conn,
        patient,
        CheckInId,
        check_in::table.find(id).filter(check_in::ended_at.is_null()).select(check_in::id)
    )
}

/// Takes an open check-in's row, unless somebody else has it.
pub fn check_in_take(conn: &mut Conn, id: CheckInId) -> QueryResult<bool> {
    let found = on_backend!(conn, c => check_in::table
        .find(id)
        .filter(check_in::ended_at.is_null())
        .select(check_in::id)
        .lock_for_update_skip_locked()
        .get_result::<CheckInId>(c))
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

/// When a live session was last heard and last attended to.
#[derive(Debug, Clone, Copy, Queryable, Selectable)]
#[diesel(table_name = session)]
pub struct SessionStanding {
    /// When its holder's program or its holder last did something.
    pub active_at: Timestamp,
    /// When its holder was last there without doubt; see `service::caller::Standing`.
    pub attended_at: Option<Timestamp>,
}

/// The session, if it is signed in, of this version, younger than `oldest`, and
/// its holder is not disabled.
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

/// How a live session stands; `None` when it is none (any more).
pub fn session_live(
    conn: &mut Conn,
    id: SessionId,
    version: i64,
    oldest: Timestamp,
) -> QueryResult<Option<SessionStanding>> {
    on_backend!(conn, c => live_session!(id, version, oldest)
        .select(SessionStanding::as_select())
        .first(c))
    .optional()
}

/// Whether the session is still live, in a transaction's last step.
pub fn session_still(
    conn: &mut Conn,
    id: SessionId,
    version: i64,
    oldest: Timestamp,
    patient: bool,
) -> QueryResult<Still> {
    still!(conn, patient, SessionId, live_session!(id, version, oldest).select(session::id))
}

/// Takes a live session's row, unless somebody else has it.
pub fn session_take(conn: &mut Conn, id: SessionId, version: i64, oldest: Timestamp) -> QueryResult<bool> {
    let found = on_backend!(conn, c => live_session!(id, version, oldest)
        .select(session::id)
        .lock_for_update_skip_locked()
        .get_result::<SessionId>(c))
    .optional()?;
    Ok(found.is_some())
}

/// Notes that a member of staff, or their program, did something.
pub fn session_touch(conn: &mut Conn, id: SessionId, now: Timestamp) -> QueryResult<()> {
    diesel::update(session::table.find(id))
        .filter(session::active_at.lt(At(now - TOUCH_EVERY)))
        .set(session::active_at.eq(At(now)))
        .prepared()
        .execute(conn)
        .map(|_| ())
}

/// Notes that a member of staff did something themselves.
pub fn session_attend(conn: &mut Conn, id: SessionId, now: Timestamp) -> QueryResult<()> {
    diesel::update(session::table.find(id))
        .set((session::active_at.eq(At(now)), session::attended_at.eq(Some(At(now)))))
        .prepared()
        .execute(conn)
        .map(|_| ())
}

/// When a member of staff last did something in any session.
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

/// Whether the device is still enrolled, in a transaction's last step.
pub fn device_still(conn: &mut Conn, id: DeviceId, epoch: i64, patient: bool) -> QueryResult<Still> {
    still!(
        conn,
        patient,
        DeviceId,
        device::table
            .find(id)
            .filter(device::revoked_at.is_null())
            .filter(device::epoch.eq(epoch))
            .select(device::id)
    )
}

/// Opens a session, version 1. Whoever signed in is there.
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
