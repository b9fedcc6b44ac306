//! Cabinets, their boots and their journals.

use diesel::prelude::*;

use crate::{
    conn::Conn,
    dialect::{RowLockDsl, change_both, insert_few, on_backend},
    prepared::{PreparedDsl, padded},
    schema::{
        attempt, cabinet, cabinet_boot, cabinet_discrepancy, device, hatch_try, journal, lot, orders, slot,
    },
    sql_types::At,
    stock::{FilledSlot, LotRow, SlotRow},
    vend::{
        pickup::HatchTryRow,
        reconcile::{DiscrepancyRow, moved_boot},
    },
};
use domain::{
    ids::{AttemptId, CabinetId, DeviceId, OrderId, StationId, WorkerId},
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
    /// The last seq of its current epoch's stored journal; 0 while that is empty.
    pub acked_seq: i64,
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

/// The last received entry of one epoch's journal.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = journal)]
pub struct LastEntry {
    pub seq: i64,
    pub hash: String,
    /// The boot that wrote it.
    pub boot_id: String,
    /// When, in monotonic milliseconds of that boot.
    pub mono_ms: i64,
}

pub fn cabinet_fetch(conn: &mut Conn, id: CabinetId) -> QueryResult<Option<CabinetRow>> {
    on_backend!(conn, c => cabinet::table.find(id).select(CabinetRow::as_select()).first(c)).optional()
}

/// Locks a cabinet's row for update. Everything that moves its packs, its boot or its doors is
/// serialised by this lock, so that START cannot come between a new boot and the doubts that follow
/// from it. So are its orders and their attempts: what is read after it stays as it was read.
pub fn cabinet_lock(conn: &mut Conn, id: CabinetId) -> QueryResult<Option<CabinetRow>> {
    on_backend!(conn, c => cabinet::table.find(id).select(CabinetRow::as_select()).lock_for_no_key_update().get_result(c)).optional()
}

/// A locked cabinet with what its journal is compared with.
#[derive(Debug, Clone)]
pub struct CabinetJournal {
    pub row: CabinetRow,
    /// The end of its current epoch's stored journal.
    pub last: Option<LastEntry>,
    /// Its open discrepancies.
    pub discrepancies: Vec<DiscrepancyRow>,
}

/// As [`cabinet_lock`], and reads the end of its stored journal and its open discrepancies.
pub fn cabinet_lock_with_journal(conn: &mut Conn, id: CabinetId) -> QueryResult<Option<CabinetJournal>> {
    let seen = diesel::alias!(cabinet as seen);
    let end = journal::cabinet_id
        .eq(cabinet::id)
        .and(journal::epoch.eq(cabinet::epoch))
        .and(journal::seq.eq(cabinet::acked_seq));
    type Seen = (Option<Timestamp>, i64, i64);
    let rows: Vec<(CabinetRow, Seen, Option<LastEntry>, Option<DiscrepancyRow>)> = on_backend!(conn, c => cabinet::table
        .inner_join(seen.on(seen.field(cabinet::id).eq(cabinet::id)))
        .left_join(journal::table.on(end))
        .left_join(cabinet_discrepancy::table.on(cabinet_discrepancy::cabinet_id.eq(cabinet::id)))
        .filter(cabinet::id.eq(id))
        .order((cabinet_discrepancy::slot_no, cabinet_discrepancy::kind))
        .select((
            CabinetRow::as_select(),
            seen.fields((cabinet::heard_at, cabinet::acked_seq, cabinet::epoch)),
            Option::<LastEntry>::as_select(),
            Option::<DiscrepancyRow>::as_select(),
        ))
        .lock_cabinet()
        .load(c))?;
    let mut found: Option<(CabinetJournal, Seen)> = None;
    for (row, seen, last, discrepancy) in rows {
        let (whole, _) =
            found.get_or_insert_with(|| (CabinetJournal { row, last, discrepancies: Vec::new() }, seen));
        whole.discrepancies.extend(discrepancy);
    }
    let Some((mut whole, seen)) = found else { return Ok(None) };
    // Who changes the journal or the discrepancies of a cabinet changes its row as well. If that
    // happened while this statement waited for the lock, only the locked row is new.
    let row = &whole.row;
    let is_end = whole.last.as_ref().map_or(0, |last| last.seq) == row.acked_seq;
    if !is_end || seen != (row.heard_at, row.acked_seq, row.epoch) {
        let (id, epoch) = (row.id, row.epoch);
        whole.last = journal_last(conn, id, epoch)?;
        whole.discrepancies = super::reconcile::discrepancies_of(conn, id)?;
    }
    Ok(Some(whole))
}

/// As [`cabinet_lock`], and records that the cabinet was heard of now.
pub fn cabinet_lock_heard(conn: &mut Conn, id: CabinetId, now: Timestamp) -> QueryResult<Option<CabinetRow>> {
    on_backend!(conn, c => diesel::update(cabinet::table.find(id))
        .set(cabinet::heard_at.eq(Some(At(now))))
        .returning(CabinetRow::as_returning())
        .prepared()
        .get_result(c))
    .optional()
}

/// As [`cabinet_lock`], for the cabinet of a station.
pub fn cabinet_of_station_lock(conn: &mut Conn, station: StationId) -> QueryResult<Option<CabinetRow>> {
    on_backend!(conn, c => cabinet::table
        .filter(cabinet::station_id.eq(station))
        .select(CabinetRow::as_select())
        .lock_for_no_key_update()
        .get_result(c))
    .optional()
}

/// As [`cabinet_lock`], for the cabinet of a worker's own order.
pub fn cabinet_of_order_lock(
    conn: &mut Conn,
    order: OrderId,
    worker: WorkerId,
) -> QueryResult<Option<CabinetRow>> {
    let own = orders::table.find(order).filter(orders::worker_id.eq(worker)).select(orders::cabinet_id);
    on_backend!(conn, c => cabinet::table
        .filter(cabinet::id.eq_any(own))
        .select(CabinetRow::as_select())
        .lock_for_no_key_update()
        .get_result(c))
    .optional()
}

/// As [`cabinet_lock`], for the cabinet of an attempt.
pub fn cabinet_of_attempt_lock(conn: &mut Conn, id: AttemptId) -> QueryResult<Option<CabinetRow>> {
    let its = attempt::table.find(id).select(attempt::cabinet_id);
    on_backend!(conn, c => cabinet::table
        .filter(cabinet::id.eq_any(its))
        .select(CabinetRow::as_select())
        .lock_for_no_key_update()
        .get_result(c))
    .optional()
}

/// What START and every sale depend on besides the cabinet's row.
#[derive(Debug, Clone)]
pub struct CabinetStanding {
    /// A tamper alarm is active.
    pub tampered: bool,
    /// The device that may act for it now, with its epoch.
    pub device: Option<(DeviceId, i64)>,
    pub discrepancies: Vec<DiscrepancyRow>,
    /// The wrong pickup code that was counted last.
    pub hatch_try: Option<HatchTryRow>,
}

/// Read it after the cabinet was locked.
pub fn cabinet_standing(conn: &mut Conn, id: CabinetId) -> QueryResult<CabinetStanding> {
    standing_with_slots(conn, id, &[]).map(|(standing, _)| standing)
}

/// As [`cabinet_standing`], and the slots of the cabinet with these numbers.
pub fn standing_with_slots(
    conn: &mut Conn,
    id: CabinetId,
    numbers: &[i32],
) -> QueryResult<(CabinetStanding, Vec<FilledSlot>)> {
    let live =
        device::table.on(device::cabinet_id.eq(cabinet::id.nullable()).and(device::revoked_at.is_null()));
    let typed = hatch_try::table.on(hatch_try::cabinet_id.eq(cabinet::id));
    let numbered =
        slot::table.on(slot::cabinet_id.eq(cabinet::id).and(slot::slot_no.eq_any(padded(numbers))));
    let filled = lot::table
        .on(lot::product_code.nullable().eq(slot::product_code).and(lot::lot_no.nullable().eq(slot::lot_no)));
    type Row = (
        bool,
        Option<(DeviceId, i64)>,
        Option<DiscrepancyRow>,
        Option<HatchTryRow>,
        Option<SlotRow>,
        Option<LotRow>,
    );
    let rows: Vec<Row> = on_backend!(conn, c => cabinet::table
        .left_join(live)
        .left_join(cabinet_discrepancy::table)
        .left_join(typed)
        .left_join(numbered)
        .left_join(filled)
        .filter(cabinet::id.eq(id))
        .order((cabinet_discrepancy::slot_no, cabinet_discrepancy::kind, slot::slot_no))
        .select((
            cabinet::tampered,
            (device::id, device::epoch).nullable(),
            Option::<DiscrepancyRow>::as_select(),
            Option::<HatchTryRow>::as_select(),
            Option::<SlotRow>::as_select(),
            Option::<LotRow>::as_select(),
        ))
        .prepared()
        .load(c))?;
    let mut standing =
        CabinetStanding { tampered: false, device: None, discrepancies: Vec::new(), hatch_try: None };
    let mut slots: Vec<FilledSlot> = Vec::new();
    for (tampered, device, discrepancy, hatch_try, slot, lot) in rows {
        standing.tampered = tampered;
        standing.device = device;
        standing.discrepancies.extend(discrepancy);
        standing.hatch_try = hatch_try;
        slots.extend(slot.map(|row| FilledSlot { row, lot }));
    }
    // Each discrepancy comes with each slot.
    standing.discrepancies.dedup();
    slots.sort_by_key(|slot| slot.row.slot_no);
    slots.dedup_by_key(|slot| slot.row.slot_no);
    Ok((standing, slots))
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

/// The last received entry of one epoch's journal.
pub fn journal_last(conn: &mut Conn, id: CabinetId, epoch: i64) -> QueryResult<Option<LastEntry>> {
    on_backend!(conn, c => journal::table
        .filter(journal::cabinet_id.eq(id))
        .filter(journal::epoch.eq(epoch))
        .order(journal::seq.desc())
        .select(LastEntry::as_select())
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

/// Appends entries.
pub fn journal_append(conn: &mut Conn, rows: &[NewEntry]) -> QueryResult<()> {
    if rows.is_empty() {
        return Ok(());
    }
    insert_few!(conn, journal::table, rows).map(drop)
}

/// Records that a cabinet was heard of, the end of its current epoch's stored journal, and the time
/// of the boot that wrote it. The caller has locked the cabinet.
pub fn cabinet_acked(conn: &mut Conn, last: &NewEntry, now: Timestamp) -> QueryResult<()> {
    let acked = diesel::update(cabinet::table.find(last.cabinet_id)).set((
        cabinet::heard_at.eq(Some(At(now))),
        cabinet::acked_seq.eq(last.seq),
        cabinet::journal_head.eq(last.hash.as_str()),
    ));
    change_both(conn, acked, moved_boot!(last.cabinet_id, last.boot_id.as_str(), last.mono_ms)).map(drop)
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
