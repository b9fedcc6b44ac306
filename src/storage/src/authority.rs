//! Whether the authority that a token proved is still valid: one read by key, for who looks at it
//! before the last step of a transaction checks it ([`crate::last_step`]).

use diesel::prelude::*;

use super::{
    Live,
    conn::Conn,
    dialect::{RowLockDsl, on_backend},
    idempotency::{AnswerId, SavedAnswer},
    prepared::PreparedDsl,
    schema::{check_in, device, saved_answer, session, staff, worker},
    sql_types::At,
};
use domain::{
    ids::{CheckInId, DeviceId, SessionId, StaffId},
    time::Timestamp,
};

/// The activity time is written at most once in this interval.
pub const TOUCH_EVERY: chrono::TimeDelta = chrono::TimeDelta::seconds(10);

/// What an authority ends by: the row that is changed when it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Authority {
    /// A worker's: until the check-in ends.
    CheckIn(CheckInId),
    /// A member of staff's: until the session is revoked, gets another version or is not younger
    /// than `oldest`, or the person is disabled.
    Session { id: SessionId, version: i64, oldest: Timestamp },
    /// A device's: until it is revoked or enrolled again.
    Device { id: DeviceId, epoch: i64 },
}

/// When the caller of a live authority was last active. A device has no such times.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Activity {
    /// Last activity, by the person or by their program on its own.
    pub active_at: Option<Timestamp>,
    /// Last activity certainly by a member of staff in person.
    pub attended_at: Option<Timestamp>,
}

macro_rules! open_check_in {
    ($id:expr) => {
        check_in::table
            .inner_join(worker::table)
            .filter(check_in::id.eq($id))
            .filter(check_in::ended_at.is_null())
            .filter(worker::merged_into.is_null())
    };
}

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

macro_rules! live_device {
    ($id:expr, $epoch:expr) => {
        device::table.find($id).filter(device::revoked_at.is_null()).filter(device::epoch.eq($epoch))
    };
}

/// The columns of an answer, as two values beside those of another row.
macro_rules! saved_under {
    ($answer:expr) => {
        (
            saved_answer::table.find($answer).select(saved_answer::body_digest).single_value(),
            saved_answer::table.find($answer).select(saved_answer::answer_sealed).single_value(),
        )
    };
}

type Saved = (Option<Vec<u8>>, Option<Vec<u8>>);

/// The activity of a live authority; `None` when it has ended. Locks a worker's rows with FOR KEY
/// SHARE until the end of this transaction, so that the worker is not merged into another meanwhile.
pub fn authority_lock(conn: &mut Conn, authority: Authority) -> QueryResult<Option<Activity>> {
    match authority {
        Authority::CheckIn(id) => on_backend!(conn, c => open_check_in!(id)
            .select(check_in::active_at)
            .lock_for_key_share()
            .get_result::<Timestamp>(c))
        .map(|active_at| Activity { active_at: Some(active_at), attended_at: None }),
        Authority::Session { id, version, oldest } => {
            on_backend!(conn, c => live_session!(id, version, oldest)
            .select((session::active_at, session::attended_at))
            .first::<(Timestamp, Option<Timestamp>)>(c))
            .map(|(active_at, attended_at)| Activity { active_at: Some(active_at), attended_at })
        }
        Authority::Device { id, epoch } => {
            on_backend!(conn, c => live_device!(id, epoch).select(device::id).first::<DeviceId>(c))
                .map(|_| Activity::default())
        }
    }
    .optional()
}

/// As [`authority_lock`], and the answer that is saved under `answer`, in one statement.
pub fn authority_lock_with_answer(
    conn: &mut Conn,
    authority: Authority,
    answer: AnswerId,
) -> QueryResult<Option<(Activity, Option<SavedAnswer>)>> {
    let found = match authority {
        Authority::CheckIn(id) => on_backend!(conn, c => open_check_in!(id)
            .select((check_in::active_at, saved_under!(answer)))
            .lock_for_key_share()
            .get_result::<(Timestamp, Saved)>(c))
        .map(|(active_at, saved)| (Activity { active_at: Some(active_at), attended_at: None }, saved)),
        Authority::Session { id, version, oldest } => {
            on_backend!(conn, c => live_session!(id, version, oldest)
            .select((session::active_at, session::attended_at, saved_under!(answer)))
            .first::<(Timestamp, Option<Timestamp>, Saved)>(c))
            .map(|(active_at, attended_at, saved)| {
                (Activity { active_at: Some(active_at), attended_at }, saved)
            })
        }
        Authority::Device { id, epoch } => on_backend!(conn, c => live_device!(id, epoch)
            .select((device::id, saved_under!(answer)))
            .first::<(DeviceId, Saved)>(c))
        .map(|(_, saved)| (Activity::default(), saved)),
    };
    let saved = |(body_digest, answer_sealed): Saved| {
        Some(SavedAnswer { body_digest: body_digest?, answer_sealed: answer_sealed? })
    };
    Ok(found.optional()?.map(|(activity, row)| (activity, saved(row))))
}

/// Whether the authority has not ended.
pub fn authority_is_live(conn: &mut Conn, authority: Authority) -> QueryResult<bool> {
    on_backend!(conn, c => diesel::select(Live::of(Some(authority))).get_result(c))
}

/// Records that the caller was active, and so locks the row of their authority; `false` when it has
/// ended, or another transaction has locked the row. `in_person`: certainly a member of staff. One
/// statement.
pub fn authority_touch(
    conn: &mut Conn,
    authority: Authority,
    now: Timestamp,
    in_person: bool,
) -> QueryResult<bool> {
    // The inner query locks the row, or leaves it out; the update then changes the row that it returns.
    let touched = match authority {
        Authority::CheckIn(id) => {
            let free = check_in::table
                .find(id)
                .filter(check_in::ended_at.is_null())
                .select(check_in::id)
                .lock_for_no_key_update_skip_locked()
                .value();
            diesel::update(check_in::table)
                .filter(check_in::id.nullable().eq(free))
                .set(check_in::active_at.eq(At(now)))
                .prepared()
                .execute(conn)?
        }
        Authority::Session { id, version, oldest } => {
            let free = live_session!(id, version, oldest)
                .select(session::id)
                .lock_for_no_key_update_skip_locked()
                .value();
            let row = diesel::update(session::table).filter(session::id.nullable().eq(free));
            let active = session::active_at.eq(At(now));
            if in_person {
                row.set((active, session::attended_at.eq(Some(At(now))))).prepared().execute(conn)?
            } else {
                row.set(active).prepared().execute(conn)?
            }
        }
        Authority::Device { .. } => 0,
    };
    Ok(touched == 1)
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

/// Last activity of a member of staff in any session.
pub fn staff_active_at(conn: &mut Conn, staff: StaffId) -> QueryResult<Option<Timestamp>> {
    on_backend!(conn, c => session::table
        .filter(session::staff_id.eq(staff))
        .order(session::active_at.desc())
        .select(session::active_at)
        .first(c))
    .optional()
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
