//! Sessions of staff, their refresh tokens, and the links that set passwords.

use diesel::{dsl::exists, prelude::*};

use super::StaffRow;
use crate::{
    conn::Conn,
    dialect::{RowLockDsl, on_backend},
    prepared::PreparedDsl,
    schema::{refresh_token, session, staff, staff_link},
    sql_types::At,
};
use domain::{
    ids::{SessionId, StaffId},
    time::Timestamp,
};

/// A session as stored.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = session)]
pub struct SessionRow {
    pub id: SessionId,
    pub staff_id: StaffId,
    /// Tokens of an older version are void.
    pub version: i64,
    pub created_at: Timestamp,
    /// Until when signatures may be made.
    pub signing_until: Option<Timestamp>,
    pub revoked_at: Option<Timestamp>,
}

/// A refresh token as stored: its digest only.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = refresh_token)]
pub struct RefreshRow {
    /// The session (token family) that it belongs to.
    pub session_id: SessionId,
    pub expires_at: Timestamp,
    pub used_at: Option<Timestamp>,
    /// The response that it was exchanged for, sealed; kept for a few seconds.
    pub answer_sealed: Option<Vec<u8>>,
}

/// A link that sets a password, as stored: its digest only.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = staff_link)]
pub struct LinkRow {
    pub staff_id: StaffId,
    /// `invite` or `reset`.
    pub purpose: String,
    pub expires_at: Timestamp,
    pub used_at: Option<Timestamp>,
}

pub fn session_fetch(conn: &mut Conn, id: SessionId) -> QueryResult<Option<SessionRow>> {
    on_backend!(conn, c => session::table.find(id).select(SessionRow::as_select()).first(c)).optional()
}

/// Whether a member of staff has a live session that began after `oldest`.
pub fn signed_in(conn: &mut Conn, staff_id: StaffId, oldest: Timestamp) -> QueryResult<bool> {
    let found = on_backend!(conn, c => session::table
        .filter(session::staff_id.eq(staff_id))
        .filter(session::revoked_at.is_null())
        .filter(session::created_at.gt(At(oldest)))
        .select(session::id)
        .first::<SessionId>(c))
    .optional()?;
    Ok(found.is_some())
}

/// A member of staff, with the row locked for update, and whether the signing window of their
/// session is open.
pub fn signer_lock(
    conn: &mut Conn,
    id: StaffId,
    session: SessionId,
    now: Timestamp,
) -> QueryResult<Option<(StaffRow, bool)>> {
    let window = session::table
        .find(session)
        .filter(session::revoked_at.is_null())
        .filter(session::signing_until.gt(At(now)));
    on_backend!(conn, c => staff::table
        .find(id)
        .select((StaffRow::as_select(), exists(window)))
        .lock_for_no_key_update()
        .get_result(c))
    .optional()
}

/// Opens the signing window of a live session until `until`.
pub fn signing_window_open(conn: &mut Conn, id: SessionId, until: Timestamp) -> QueryResult<bool> {
    diesel::update(session::table.find(id))
        .filter(session::revoked_at.is_null())
        .set(session::signing_until.eq(Some(At(until))))
        .prepared()
        .execute(conn)
        .map(|rows| rows == 1)
}

/// Revokes one session; `false` when it is revoked already.
pub fn session_revoke(conn: &mut Conn, id: SessionId, now: Timestamp) -> QueryResult<bool> {
    diesel::update(session::table.find(id))
        .filter(session::revoked_at.is_null())
        .set((session::revoked_at.eq(Some(At(now))), session::signing_until.eq(None::<At>)))
        .prepared()
        .execute(conn)
        .map(|rows| rows == 1)
}

/// Revokes all sessions of a member of staff; returns which.
pub fn sessions_revoke(conn: &mut Conn, staff_id: StaffId, now: Timestamp) -> QueryResult<Vec<SessionId>> {
    on_backend!(conn, c => diesel::update(session::table)
        .filter(session::staff_id.eq(staff_id))
        .filter(session::revoked_at.is_null())
        .set((session::revoked_at.eq(Some(At(now))), session::signing_until.eq(None::<At>)))
        .returning(session::id)
        .get_results(c))
}

/// Adds a refresh token to a session's family.
pub fn refresh_add(
    conn: &mut Conn,
    digest: &[u8],
    session_id: SessionId,
    now: Timestamp,
    expires_at: Timestamp,
) -> QueryResult<()> {
    on_backend!(conn, c => diesel::insert_into(refresh_token::table)
        .values((
            refresh_token::digest.eq(digest),
            refresh_token::session_id.eq(session_id),
            refresh_token::created_at.eq(At(now)),
            refresh_token::expires_at.eq(At(expires_at)),
        ))
        .execute(c))
    .map(|_| ())
}

/// A refresh token by its digest.
pub fn refresh_fetch(conn: &mut Conn, digest: &[u8]) -> QueryResult<Option<RefreshRow>> {
    on_backend!(conn, c => refresh_token::table.find(digest).select(RefreshRow::as_select()).first(c))
        .optional()
}

/// As [`refresh_fetch`], with the row locked for update: nobody else exchanges the token meanwhile.
pub fn refresh_lock(conn: &mut Conn, digest: &[u8]) -> QueryResult<Option<RefreshRow>> {
    on_backend!(conn, c => refresh_token::table.find(digest).select(RefreshRow::as_select()).lock_for_no_key_update().get_result(c))
        .optional()
}

/// Marks a refresh token as exchanged for the response in `answer_sealed`; `false` when it was
/// exchanged already.
pub fn refresh_use(
    conn: &mut Conn,
    digest: &[u8],
    answer_sealed: Option<&[u8]>,
    now: Timestamp,
) -> QueryResult<bool> {
    diesel::update(refresh_token::table.find(digest))
        .filter(refresh_token::used_at.is_null())
        .set((refresh_token::used_at.eq(Some(At(now))), refresh_token::answer_sealed.eq(answer_sealed)))
        .prepared()
        .execute(conn)
        .map(|rows| rows == 1)
}

/// Deletes the responses of tokens that were exchanged before `before`.
pub fn refresh_answers_forget(conn: &mut Conn, before: Timestamp) -> QueryResult<usize> {
    diesel::update(refresh_token::table)
        .filter(refresh_token::answer_sealed.is_not_null())
        .filter(refresh_token::used_at.lt(At(before)))
        .set(refresh_token::answer_sealed.eq(None::<Vec<u8>>))
        .prepared()
        .execute(conn)
}

pub fn link_add(
    conn: &mut Conn,
    digest: &[u8],
    staff_id: StaffId,
    purpose: &str,
    now: Timestamp,
    expires_at: Timestamp,
) -> QueryResult<()> {
    on_backend!(conn, c => diesel::insert_into(staff_link::table)
        .values((
            staff_link::digest.eq(digest),
            staff_link::staff_id.eq(staff_id),
            staff_link::purpose.eq(purpose),
            staff_link::created_at.eq(At(now)),
            staff_link::expires_at.eq(At(expires_at)),
        ))
        .execute(c))
    .map(|_| ())
}

/// A link by its digest.
pub fn link_fetch(conn: &mut Conn, digest: &[u8]) -> QueryResult<Option<LinkRow>> {
    on_backend!(conn, c => staff_link::table.find(digest).select(LinkRow::as_select()).first(c)).optional()
}

/// Uses a link that has not expired; `false` when it was used already.
pub fn link_use(conn: &mut Conn, digest: &[u8], now: Timestamp) -> QueryResult<bool> {
    diesel::update(staff_link::table.find(digest))
        .filter(staff_link::used_at.is_null())
        .filter(staff_link::expires_at.gt(At(now)))
        .set(staff_link::used_at.eq(Some(At(now))))
        .prepared()
        .execute(conn)
        .map(|rows| rows == 1)
}

/// Voids the unused links of a member of staff.
pub fn links_void(conn: &mut Conn, staff_id: StaffId, now: Timestamp) -> QueryResult<()> {
    diesel::update(staff_link::table)
        .filter(staff_link::staff_id.eq(staff_id))
        .filter(staff_link::used_at.is_null())
        .set(staff_link::used_at.eq(Some(At(now))))
        .prepared()
        .execute(conn)
        .map(|_| ())
}
