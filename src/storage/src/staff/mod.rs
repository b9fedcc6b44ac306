//! Staff: how they are known, their signing PIN's tries, and the last one-time
//! code they used.

pub mod change;
pub mod reset_request;
pub mod session;

use diesel::prelude::*;

use super::{
    conn::Conn,
    dialect::{PortableDsl, on_backend},
    prepared::PreparedDsl,
    schema::staff,
    sql_types::At,
};
use domain::{
    ids::{EmployerId, HospitalId, StaffId},
    staff::role::Role,
    time::Timestamp,
};

/// A member of staff as stored.
#[derive(Clone, Queryable, Selectable)]
#[diesel(table_name = staff)]
pub struct StaffRow {
    /// Who.
    pub id: StaffId,
    /// What they are.
    pub role: Role,
    /// The address to sign in with.
    pub email: String,
    /// Name in Chinese.
    pub name_zh: String,
    /// Name in English or pinyin.
    pub name_en: String,
    /// A doctor's hospital.
    pub hospital_id: Option<HospitalId>,
    /// A safety officer's employer.
    pub employer_id: Option<EmployerId>,
    /// Argon2id; none until the invitation is answered.
    pub password_hash: Option<String>,
    /// The sealed secret of one-time codes.
    pub totp_sealed: Option<Vec<u8>>,
    /// The last step whose code was used.
    pub totp_step: i64,
    /// Salt of the signing PIN.
    pub pin_salt: Option<Vec<u8>>,
    /// Keyed digest of the signing PIN.
    pub pin_mac: Option<Vec<u8>>,
    /// Wrong signing PINs since the last right one.
    pub pin_failures: i32,
    /// No signing PIN is looked at before this.
    pub pin_locked_until: Option<Timestamp>,
    /// Since when they may not sign in.
    pub disabled_at: Option<Timestamp>,
    /// Since when they are known.
    pub created_at: Timestamp,
    /// Goes up with every change of what operators edit.
    pub version: i64,
    /// The address that a disabled member gave back; theirs again if they return.
    pub released_email: Option<String>,
    /// Who asked to take their password and one-time codes away.
    pub reset_asked_by: Option<StaffId>,
    /// When.
    pub reset_asked_at: Option<Timestamp>,
}

impl StaffRow {
    /// Whether an invitation was answered: password and one-time codes are set.
    pub fn is_open(&self) -> bool {
        self.password_hash.is_some() && self.totp_sealed.is_some()
    }
}

/// Shows who, and none of the secrets.
impl std::fmt::Debug for StaffRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StaffRow").field("id", &self.id).field("role", &self.role).finish_non_exhaustive()
    }
}

/// A member of staff by id.
pub fn staff_fetch(conn: &mut Conn, id: StaffId) -> QueryResult<Option<StaffRow>> {
    on_backend!(conn, c => staff::table.find(id).select(StaffRow::as_select()).first(c)).optional()
}

/// As [`staff_fetch`], and nobody else changes them until the end of this transaction.
pub fn staff_hold(conn: &mut Conn, id: StaffId) -> QueryResult<Option<StaffRow>> {
    on_backend!(conn, c => staff::table.find(id).select(StaffRow::as_select()).lock_for_update().get_result(c)).optional()
}

/// A member of staff by their address, in lower case.
pub fn staff_by_email(conn: &mut Conn, email: &str) -> QueryResult<Option<StaffRow>> {
    on_backend!(conn, c => staff::table.filter(staff::email.eq(email)).select(StaffRow::as_select()).first(c))
        .optional()
}

/// Staff by id, of one role or of all; `after` is the last id seen.
pub fn staff_list(
    conn: &mut Conn,
    role: Option<Role>,
    after: Option<StaffId>,
    limit: i64,
) -> QueryResult<Vec<StaffRow>> {
    on_backend!(conn, c => {
        let mut query = staff::table.into_boxed().order(staff::id).limit(limit);
        if let Some(role) = role {
            query = query.filter(staff::role.eq(role));
        }
        if let Some(after) = after {
            query = query.filter(staff::id.gt(after));
        }
        query.select(StaffRow::as_select()).load(c)
    })
}

/// Uses the code of one step; `false` when that step or a later one was used.
pub fn totp_step_use(conn: &mut Conn, id: StaffId, step: i64) -> QueryResult<bool> {
    diesel::update(staff::table.find(id))
        .filter(staff::totp_step.lt(step))
        .filter(staff::disabled_at.is_null())
        .set(staff::totp_step.eq(step))
        .prepared()
        .execute(conn)
        .map(|rows| rows == 1)
}

/// Uses the code of one step for a sign-in by the password that was looked at;
/// `false` when the code is used, the password is another by now, or the
/// account is disabled.
pub fn sign_in_take(conn: &mut Conn, id: StaffId, password_hash: &str, step: i64) -> QueryResult<bool> {
    diesel::update(staff::table.find(id))
        .filter(staff::totp_step.lt(step))
        .filter(staff::password_hash.eq(Some(password_hash)))
        .filter(staff::disabled_at.is_null())
        .set(staff::totp_step.eq(step))
        .prepared()
        .execute(conn)
        .map(|rows| rows == 1)
}

/// Counts a try of the signing PIN before it is looked at, so that many at
/// once cannot all look first. Tells how many were tried; `None` while locked.
pub fn signing_pin_try(conn: &mut Conn, id: StaffId, now: Timestamp) -> QueryResult<Option<i32>> {
    let counted = diesel::update(staff::table.find(id))
        .filter(staff::pin_locked_until.is_null().or(staff::pin_locked_until.le(At(now))))
        .set(staff::pin_failures.eq(staff::pin_failures + 1))
        .prepared()
        .execute(conn)?;
    if counted == 0 {
        return Ok(None);
    }
    on_backend!(conn, c => staff::table.find(id).select(staff::pin_failures).first(c)).map(Some)
}

/// Sets the count of wrong signing PINs, and the pause that may follow.
pub fn signing_pin_failures_set(
    conn: &mut Conn,
    id: StaffId,
    failures: i32,
    locked_until: Option<Timestamp>,
) -> QueryResult<()> {
    diesel::update(staff::table.find(id))
        .set((staff::pin_failures.eq(failures), staff::pin_locked_until.eq(locked_until.map(At))))
        .prepared()
        .execute(conn)
        .map(|_| ())
}

/// Sets a new password.
pub fn password_set(conn: &mut Conn, id: StaffId, password_hash: &str) -> QueryResult<bool> {
    diesel::update(staff::table.find(id))
        .filter(staff::disabled_at.is_null())
        .set(staff::password_hash.eq(Some(password_hash)))
        .prepared()
        .execute(conn)
        .map(|rows| rows == 1)
}

/// Sets a new secret of one-time codes; codes before `used_step` stay used.
pub fn totp_set(conn: &mut Conn, id: StaffId, totp_sealed: &[u8], used_step: i64) -> QueryResult<()> {
    diesel::update(staff::table.find(id))
        .set((staff::totp_sealed.eq(Some(totp_sealed)), staff::totp_step.eq(used_step)))
        .prepared()
        .execute(conn)
        .map(|_| ())
}

/// Sets a new signing PIN and forgets the wrong tries of the old one.
pub fn signing_pin_set(conn: &mut Conn, id: StaffId, salt: &[u8], mac: &[u8]) -> QueryResult<()> {
    diesel::update(staff::table.find(id))
        .set((
            staff::pin_salt.eq(Some(salt)),
            staff::pin_mac.eq(Some(mac)),
            staff::pin_failures.eq(0),
            staff::pin_locked_until.eq(None::<At>),
        ))
        .prepared()
        .execute(conn)
        .map(|_| ())
}
