//! Staff: sign-in data, tries of the signing PIN, and the last one-time code used.

pub mod change;
pub mod reset_request;
pub mod session;

use diesel::prelude::*;

use super::{
    conn::Conn,
    dialect::{RowLockDsl, on_backend},
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
    pub id: StaffId,
    pub role: Role,
    /// The address to sign in with.
    pub email: String,
    pub name_zh: String,
    /// Name in English or pinyin.
    pub name_en: String,
    /// A doctor's hospital.
    pub hospital_id: Option<HospitalId>,
    /// A safety officer's employer.
    pub employer_id: Option<EmployerId>,
    /// Argon2id; `None` until the invitation is accepted.
    pub password_hash: Option<String>,
    /// The sealed secret of one-time codes.
    pub totp_sealed: Option<Vec<u8>>,
    /// The last time step whose code was used.
    pub totp_step: i64,
    /// Salt of the signing PIN.
    pub pin_salt: Option<Vec<u8>>,
    /// Keyed digest of the signing PIN.
    pub pin_mac: Option<Vec<u8>>,
    /// Wrong signing PINs since the last right one.
    pub pin_failures: i32,
    /// No signing PIN is checked before this time.
    pub pin_locked_until: Option<Timestamp>,
    /// Since then they may not sign in.
    pub disabled_at: Option<Timestamp>,
    pub created_at: Timestamp,
    /// Incremented with every change by operators.
    pub version: i64,
    /// The address that was released on disabling; restored when they are enabled again.
    pub released_email: Option<String>,
    /// Who requested the removal of their password and one-time codes.
    pub reset_asked_by: Option<StaffId>,
    pub reset_asked_at: Option<Timestamp>,
}

impl StaffRow {
    /// Whether the invitation was accepted: password and one-time codes are set.
    pub fn is_open(&self) -> bool {
        self.password_hash.is_some() && self.totp_sealed.is_some()
    }
}

/// Shows id and role, and no secrets.
impl std::fmt::Debug for StaffRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StaffRow").field("id", &self.id).field("role", &self.role).finish_non_exhaustive()
    }
}

pub fn staff_fetch(conn: &mut Conn, id: StaffId) -> QueryResult<Option<StaffRow>> {
    on_backend!(conn, c => staff::table.find(id).select(StaffRow::as_select()).first(c)).optional()
}

/// As [`staff_fetch`], with the row locked for update.
pub fn staff_lock(conn: &mut Conn, id: StaffId) -> QueryResult<Option<StaffRow>> {
    on_backend!(conn, c => staff::table.find(id).select(StaffRow::as_select()).lock_for_no_key_update().get_result(c)).optional()
}

/// As [`staff_lock`], of several: they are locked in the order of their ids, so that two who lock many do
/// not wait for each other.
pub fn staff_lock_all(conn: &mut Conn, ids: &[StaffId]) -> QueryResult<Vec<StaffRow>> {
    let mut sorted = ids.to_vec();
    sorted.sort_unstable();
    let mut rows = Vec::with_capacity(sorted.len());
    for part in sorted.chunks(500) {
        rows.extend(on_backend!(conn, c => staff::table
            .filter(staff::id.eq_any(part.iter().copied()))
            .order(staff::id)
            .select(StaffRow::as_select())
            .lock_for_no_key_update()
            .load::<StaffRow>(c))?);
    }
    Ok(rows)
}

/// A member of staff by e-mail address, in lower case.
pub fn staff_by_email(conn: &mut Conn, email: &str) -> QueryResult<Option<StaffRow>> {
    on_backend!(conn, c => staff::table.filter(staff::email.eq(email)).select(StaffRow::as_select()).first(c))
        .optional()
}

/// Staff of one role or of all, by id; `after` is the last id of the page before.
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

/// Uses the code of one time step; `false` when that step or a later one was used already.
pub fn totp_step_use(conn: &mut Conn, id: StaffId, step: i64) -> QueryResult<bool> {
    diesel::update(staff::table.find(id))
        .filter(staff::totp_step.lt(step))
        .filter(staff::disabled_at.is_null())
        .set(staff::totp_step.eq(step))
        .prepared()
        .execute(conn)
        .map(|rows| rows == 1)
}

/// Uses the code of one time step for a sign-in with the password that was verified; `false` when
/// the code was used, the password has changed meanwhile, or the account is disabled.
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

/// Sets the count of wrong signing PINs, and the lockout that may follow.
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

/// Sets a new signing PIN and resets the count of wrong ones.
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
