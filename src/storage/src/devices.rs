//! Enrolled keys of stations and cabinets, the enrolment codes, and the client assertions that were
//! used.

use diesel::prelude::*;

use super::{
    conn::Conn,
    dialect::{RowLockDsl, change_both, on_backend},
    network::NewDevice,
    prepared::PreparedDsl,
    schema::{cabinet, device, enrolment_code, station, used_assertion},
    sql_types::At,
};
use domain::{
    ids::{CabinetId, DeviceId, StaffId, StationId},
    time::Timestamp,
};

/// An enrolled key as stored.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = device)]
pub struct DeviceRow {
    pub id: DeviceId,
    /// `station` or `cabinet`.
    pub kind: String,
    pub station_id: StationId,
    /// Set for the key of a cabinet.
    pub cabinet_id: Option<CabinetId>,
    /// Number of enrolments of this kind at this station.
    pub epoch: i64,
    /// Ed25519, base64url.
    pub public_key: String,
    pub enrolled_at: Timestamp,
    /// When it was revoked or replaced.
    pub revoked_at: Option<Timestamp>,
}

/// An enrolment code as stored: its digest only.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = enrolment_code)]
pub struct CodeRow {
    /// `station` or `cabinet`.
    pub kind: String,
    /// The station that it enrols a device for.
    pub station_id: StationId,
    pub created_by: StaffId,
    pub expires_at: Timestamp,
}

pub fn code_add(
    conn: &mut Conn,
    digest: &[u8],
    kind: &str,
    station_id: StationId,
    created_by: StaffId,
    now: Timestamp,
    expires_at: Timestamp,
) -> QueryResult<()> {
    on_backend!(conn, c => diesel::insert_into(enrolment_code::table)
        .values((
            enrolment_code::digest.eq(digest),
            enrolment_code::kind.eq(kind),
            enrolment_code::station_id.eq(station_id),
            enrolment_code::created_by.eq(created_by),
            enrolment_code::created_at.eq(At(now)),
            enrolment_code::expires_at.eq(At(expires_at)),
        ))
        .execute(c))
    .map(|_| ())
}

/// An enrolment code by its digest.
pub fn code_fetch(conn: &mut Conn, digest: &[u8]) -> QueryResult<Option<CodeRow>> {
    on_backend!(conn, c => enrolment_code::table.find(digest).select(CodeRow::as_select()).first(c))
        .optional()
}

/// Uses a code of this kind; `None` when it is unknown, used, expired or of another kind.
pub fn code_use(conn: &mut Conn, digest: &[u8], kind: &str, now: Timestamp) -> QueryResult<Option<CodeRow>> {
    on_backend!(conn, c => diesel::update(enrolment_code::table.find(digest))
        .filter(enrolment_code::kind.eq(kind))
        .filter(enrolment_code::used_at.is_null())
        .filter(enrolment_code::expires_at.gt(At(now)))
        .set(enrolment_code::used_at.eq(Some(At(now))))
        .returning(CodeRow::as_returning())
        .prepared()
        .get_result(c))
    .optional()
}

pub fn device_fetch(conn: &mut Conn, id: DeviceId) -> QueryResult<Option<DeviceRow>> {
    on_backend!(conn, c => device::table.find(id).select(DeviceRow::as_select()).first(c)).optional()
}

/// Revokes the live device of a kind at a station, and returns it as it is now; `None` when there
/// is none.
pub fn device_at_revoke(
    conn: &mut Conn,
    station_id: StationId,
    kind: &str,
    now: Timestamp,
) -> QueryResult<Option<DeviceRow>> {
    on_backend!(conn, c => diesel::update(device::table)
        .filter(device::station_id.eq(station_id))
        .filter(device::kind.eq(kind))
        .filter(device::revoked_at.is_null())
        .set(device::revoked_at.eq(Some(At(now))))
        .returning(DeviceRow::as_returning())
        .prepared()
        .get_result(c))
    .optional()
}

/// The greatest epoch that a kind of device ever had at a station; 0 before the first.
pub fn device_epoch(conn: &mut Conn, station_id: StationId, kind: &str) -> QueryResult<i64> {
    on_backend!(conn, c => device::table
        .filter(device::station_id.eq(station_id))
        .filter(device::kind.eq(kind))
        .order(device::epoch.desc())
        .select(device::epoch)
        .first(c))
    .optional()
    .map(|epoch| epoch.unwrap_or(0))
}

/// Revokes a device; `false` when it is revoked already.
pub fn device_revoke(conn: &mut Conn, id: DeviceId, now: Timestamp) -> QueryResult<bool> {
    diesel::update(device::table.find(id))
        .filter(device::revoked_at.is_null())
        .set(device::revoked_at.eq(Some(At(now))))
        .prepared()
        .execute(conn)
        .map(|rows| rows == 1)
}

/// The cabinet of a station, which may have none; `None` for a station that does not exist or is
/// retired.
pub fn open_station_cabinet(conn: &mut Conn, id: StationId) -> QueryResult<Option<Option<CabinetId>>> {
    on_backend!(conn, c => station::table
        .left_join(cabinet::table)
        .filter(station::id.eq(id))
        .filter(station::retired_at.is_null())
        .select(cabinet::id.nullable())
        .first(c))
    .optional()
}

/// The cabinet at a station, with its epoch. Locks its row for update: for a change of the epoch.
pub fn cabinet_at_locked(conn: &mut Conn, station_id: StationId) -> QueryResult<Option<(CabinetId, i64)>> {
    on_backend!(conn, c => cabinet::table
        .filter(cabinet::station_id.eq(station_id))
        .select((cabinet::id, cabinet::epoch))
        .lock_for_no_key_update()
        .get_result(c))
    .optional()
}

/// Adds the device of a cabinet, which moves from one epoch to that of the device: its journal
/// starts again, and it must send a hello before anything else. `false` when another transaction
/// changed it first. The caller has locked the cabinet.
pub fn cabinet_device_add(
    conn: &mut Conn,
    (id, from): (CabinetId, i64),
    new: &NewDevice,
    journal_start: &str,
) -> QueryResult<bool> {
    let advanced = diesel::update(cabinet::table.find(id)).filter(cabinet::epoch.eq(from)).set((
        cabinet::epoch.eq(new.epoch),
        cabinet::boot_id.eq(None::<String>),
        cabinet::booted_at.eq(None::<At>),
        cabinet::acked_seq.eq(0_i64),
        cabinet::journal_head.eq(journal_start),
    ));
    change_both(conn, advanced, diesel::insert_into(device::table).values(new)).map(|rows| rows == (1, 1))
}

/// Uses a client assertion; `false` when it was used before.
pub fn assertion_use(conn: &mut Conn, digest: &[u8], expires_at: Timestamp) -> QueryResult<bool> {
    on_backend!(conn, c => diesel::insert_into(used_assertion::table)
        .values((used_assertion::digest.eq(digest), used_assertion::expires_at.eq(At(expires_at))))
        .on_conflict_do_nothing()
        .execute(c))
    .map(|rows| rows == 1)
}
