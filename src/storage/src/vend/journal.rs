//! Cabinets, their boots and their journals.

use diesel::prelude::*;

use crate::{
    conn::Conn,
    dialect::{RowLockDsl, insert_few, on_backend},
    prepared::PreparedDsl,
    schema::{cabinet, device, journal},
    sql_types::At,
};
use domain::{
    ids::{CabinetId, DeviceId, StationId},
    prescription::CabinetLane,
    time::Timestamp,
};

/// A cabinet as stored.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = cabinet)]
pub struct CabinetRow {
    pub id: CabinetId,
    pub station_id: StationId,
    pub lane: CabinetLane,
    /// Incremented when it is replaced or enrolled again.
    pub epoch: i64,
    /// The current boot.
    pub boot_id: Option<String>,
    /// When the server first heard of that boot.
    pub booted_at: Option<Timestamp>,
    pub door_open: bool,
    /// A tamper alarm is active.
    pub tampered: bool,
    /// When it last sent something.
    pub heard_at: Option<Timestamp>,
}

/// One journal entry to be inserted, and as stored.
#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = journal)]
pub struct NewEntry {
    pub cabinet_id: CabinetId,
    pub epoch: i64,
    /// From 1, without a gap.
    pub seq: i64,
    pub hash: String,
    /// Hash of the entry before.
    pub prev_hash: String,
    /// The boot that wrote it.
    pub boot_id: String,
    /// Monotonic milliseconds since that boot.
    pub mono_ms: i64,
    /// The cabinet's wall clock, for people only.
    pub wall: String,
    pub kind: String,
    /// The other fields, as JSON.
    pub body: String,
    pub received_at: At,
}

/// Head of a stored journal: seq and hash.
pub type Head = (i64, String);

pub fn cabinet_fetch(conn: &mut Conn, id: CabinetId) -> QueryResult<Option<CabinetRow>> {
    on_backend!(conn, c => cabinet::table.find(id).select(CabinetRow::as_select()).first(c)).optional()
}

/// The cabinet of a station.
pub fn cabinet_of_station(conn: &mut Conn, station: StationId) -> QueryResult<Option<CabinetId>> {
    on_backend!(conn, c => cabinet::table.filter(cabinet::station_id.eq(station)).select(cabinet::id).first(c))
        .optional()
}

/// Locks a cabinet's row for update. Everything that moves its packs, its boot or its doors is
/// serialised by this lock, so that START cannot come between a new boot and the doubts that follow
/// from it.
pub fn cabinet_lock(conn: &mut Conn, id: CabinetId) -> QueryResult<Option<CabinetRow>> {
    on_backend!(conn, c => cabinet::table.find(id).select(CabinetRow::as_select()).lock_for_no_key_update().get_result(c)).optional()
}

/// Cabinets after an id.
pub fn cabinets_after(conn: &mut Conn, after: Option<CabinetId>, limit: i64) -> QueryResult<Vec<CabinetRow>> {
    on_backend!(conn, c => {
        let base = cabinet::table.order(cabinet::id).limit(limit).select(CabinetRow::as_select());
        match after {
            Some(after) => base.filter(cabinet::id.gt(after)).load(c),
            None => base.load(c),
        }
    })
}

/// The device that may act for a cabinet now, with its epoch.
pub fn cabinet_device(conn: &mut Conn, id: CabinetId) -> QueryResult<Option<(DeviceId, i64)>> {
    on_backend!(conn, c => device::table
        .filter(device::cabinet_id.eq(Some(id)))
        .filter(device::revoked_at.is_null())
        .select((device::id, device::epoch))
        .first(c))
    .optional()
}

/// The public key of an enrolled device of this epoch.
pub fn device_key(conn: &mut Conn, id: DeviceId, epoch: i64) -> QueryResult<Option<String>> {
    on_backend!(conn, c => device::table
        .find(id)
        .filter(device::revoked_at.is_null())
        .filter(device::epoch.eq(epoch))
        .select(device::public_key)
        .first(c))
    .optional()
}

/// Records when a cabinet was last heard from.
pub fn cabinet_heard(conn: &mut Conn, id: CabinetId, now: Timestamp) -> QueryResult<()> {
    diesel::update(cabinet::table.find(id))
        .set(cabinet::heard_at.eq(Some(At(now))))
        .prepared()
        .execute(conn)
        .map(|_| ())
}

/// Sets whether a door is open; `false` when that is unchanged.
pub fn cabinet_door(conn: &mut Conn, id: CabinetId, open: bool) -> QueryResult<bool> {
    diesel::update(cabinet::table.find(id))
        .filter(cabinet::door_open.eq(!open))
        .set(cabinet::door_open.eq(open))
        .prepared()
        .execute(conn)
        .map(|rows| rows == 1)
}

/// Raises or clears the tamper alarm; `false` when that is unchanged.
pub fn cabinet_tamper(conn: &mut Conn, id: CabinetId, tampered: bool) -> QueryResult<bool> {
    diesel::update(cabinet::table.find(id))
        .filter(cabinet::tampered.eq(!tampered))
        .set(cabinet::tampered.eq(tampered))
        .prepared()
        .execute(conn)
        .map(|rows| rows == 1)
}

/// Head of the received part of one epoch's journal.
pub fn journal_head(conn: &mut Conn, id: CabinetId, epoch: i64) -> QueryResult<Option<Head>> {
    on_backend!(conn, c => journal::table
        .filter(journal::cabinet_id.eq(id))
        .filter(journal::epoch.eq(epoch))
        .order(journal::seq.desc())
        .select((journal::seq, journal::hash))
        .first(c))
    .optional()
}

/// The boot that wrote the last received entry, and when by its monotonic clock.
pub fn journal_last_boot(conn: &mut Conn, id: CabinetId, epoch: i64) -> QueryResult<Option<(String, i64)>> {
    on_backend!(conn, c => journal::table
        .filter(journal::cabinet_id.eq(id))
        .filter(journal::epoch.eq(epoch))
        .order(journal::seq.desc())
        .select((journal::boot_id, journal::mono_ms))
        .first(c))
    .optional()
}

/// The stored hashes of a range of seqs, both ends included.
pub fn journal_hashes(
    conn: &mut Conn,
    id: CabinetId,
    epoch: i64,
    from: i64,
    to: i64,
) -> QueryResult<Vec<(i64, String)>> {
    on_backend!(conn, c => journal::table
        .filter(journal::cabinet_id.eq(id))
        .filter(journal::epoch.eq(epoch))
        .filter(journal::seq.between(from, to))
        .select((journal::seq, journal::hash))
        .load(c))
}

/// Appends entries, and moves the cabinet's acknowledged head if the epoch is the current one.
pub fn journal_append(conn: &mut Conn, rows: &[NewEntry]) -> QueryResult<()> {
    let Some(last) = rows.last() else { return Ok(()) };
    insert_few!(conn, journal::table, rows)?;
    diesel::update(cabinet::table.find(last.cabinet_id))
        .filter(cabinet::epoch.eq(last.epoch))
        .set((cabinet::acked_seq.eq(last.seq), cabinet::journal_head.eq(last.hash.as_str())))
        .prepared()
        .execute(conn)
        .map(|_| ())
}

/// The newest entries of some kinds, newest first: seq, boot, kind and body.
pub fn journal_recent(
    conn: &mut Conn,
    id: CabinetId,
    epoch: i64,
    kinds: &[&str],
    limit: i64,
) -> QueryResult<Vec<(i64, String, String, String)>> {
    on_backend!(conn, c => journal::table
        .filter(journal::cabinet_id.eq(id))
        .filter(journal::epoch.eq(epoch))
        .filter(journal::kind.eq_any(kinds.iter().copied()))
        .order(journal::seq.desc())
        .limit(limit)
        .select((journal::seq, journal::boot_id, journal::kind, journal::body))
        .load(c))
}
