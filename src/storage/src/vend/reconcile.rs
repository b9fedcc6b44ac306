//! Differences between what cabinets report and the stock records, and the cabinets' boots.

use diesel::prelude::*;

use crate::{
    conn::Conn,
    dialect::{change_both, on_backend},
    prepared::{PreparedDsl, padded},
    schema::{cabinet, cabinet_boot, cabinet_discrepancy},
    sql_types::At,
};
use domain::{ids::CabinetId, time::Timestamp, vend::reconcile::DiscrepancyKind};

/// A difference as stored.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = cabinet_discrepancy)]
pub struct DiscrepancyRow {
    pub kind: DiscrepancyKind,
    /// At which slot; 0 for the cabinet as a whole.
    pub slot_no: i32,
    /// What the cabinet reported, as JSON.
    pub detail: String,
    pub since: Timestamp,
}

/// The open differences of a cabinet.
pub fn discrepancies_of(conn: &mut Conn, id: CabinetId) -> QueryResult<Vec<DiscrepancyRow>> {
    on_backend!(conn, c => cabinet_discrepancy::table
        .filter(cabinet_discrepancy::cabinet_id.eq(id))
        .order((cabinet_discrepancy::slot_no, cabinet_discrepancy::kind))
        .select(DiscrepancyRow::as_select())
        .load(c))
}

/// The open differences of several cabinets.
pub fn discrepancies_of_all(
    conn: &mut Conn,
    ids: &[CabinetId],
) -> QueryResult<Vec<(CabinetId, DiscrepancyRow)>> {
    on_backend!(conn, c => cabinet_discrepancy::table
        .filter(cabinet_discrepancy::cabinet_id.eq_any(padded(ids)))
        .order((
            cabinet_discrepancy::cabinet_id,
            cabinet_discrepancy::slot_no,
            cabinet_discrepancy::kind,
        ))
        .select((cabinet_discrepancy::cabinet_id, DiscrepancyRow::as_select()))
        .prepared()
        .load(c))
}

/// Records a difference; `false` when it exists already, whose detail is then updated.
pub fn discrepancy_note(
    conn: &mut Conn,
    id: CabinetId,
    kind: DiscrepancyKind,
    slot_no: i32,
    detail: &str,
    now: Timestamp,
) -> QueryResult<bool> {
    let added = on_backend!(conn, c => diesel::insert_into(cabinet_discrepancy::table)
        .values((
            cabinet_discrepancy::cabinet_id.eq(id),
            cabinet_discrepancy::kind.eq(kind),
            cabinet_discrepancy::slot_no.eq(slot_no),
            cabinet_discrepancy::detail.eq(detail),
            cabinet_discrepancy::since.eq(At(now)),
        ))
        .on_conflict_do_nothing()
        .execute(c))?;
    if added == 1 {
        return Ok(true);
    }
    diesel::update(cabinet_discrepancy::table.find((id, kind, slot_no)))
        .set(cabinet_discrepancy::detail.eq(detail))
        .prepared()
        .execute(conn)
        .map(|_| false)
}

/// Removes a difference; `false` when there was none.
pub fn discrepancy_settle(
    conn: &mut Conn,
    id: CabinetId,
    kind: DiscrepancyKind,
    slot_no: i32,
) -> QueryResult<bool> {
    on_backend!(conn, c => diesel::delete(cabinet_discrepancy::table.find((id, kind, slot_no))).execute(c))
        .map(|rows| rows == 1)
}

/// A boot as stored.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = cabinet_boot)]
pub struct BootRow {
    /// When the server first heard of it.
    pub first_heard_at: Timestamp,
    /// The highest monotonic time that it reported, in milliseconds.
    pub mono_ms: Option<i64>,
    /// Issue time of the newest token that it used.
    pub token_at: Option<Timestamp>,
}

/// A boot, if the server has heard of it.
pub fn boot_fetch(conn: &mut Conn, id: CabinetId, boot: &str) -> QueryResult<Option<BootRow>> {
    on_backend!(conn, c => cabinet_boot::table.find((id, boot)).select(BootRow::as_select()).first(c))
        .optional()
}

/// Records a new boot as the cabinet's current one, with its monotonic time and the issue time of its
/// token; `false` when it is known. The caller has locked the cabinet.
pub fn boot_begin(
    conn: &mut Conn,
    id: CabinetId,
    boot: &str,
    (mono_ms, token_at): (i64, Option<Timestamp>),
    now: Timestamp,
) -> QueryResult<bool> {
    let added = diesel::insert_into(cabinet_boot::table)
        .values((
            cabinet_boot::cabinet_id.eq(id),
            cabinet_boot::boot_id.eq(boot),
            cabinet_boot::first_heard_at.eq(At(now)),
            cabinet_boot::mono_ms.eq(Some(mono_ms)),
            cabinet_boot::token_at.eq(token_at.map(At)),
        ))
        .on_conflict_do_nothing();
    let present = diesel::update(cabinet::table.find(id))
        .set((cabinet::boot_id.eq(Some(boot)), cabinet::booted_at.eq(Some(At(now)))));
    change_both(conn, added, present).map(|rows| rows == (1, 1))
}

/// Sets the cabinet's current boot, which the server first heard of at `booted_at`.
pub fn boot_present(conn: &mut Conn, id: CabinetId, boot: &str, booted_at: Timestamp) -> QueryResult<bool> {
    diesel::update(cabinet::table.find(id))
        .set((cabinet::boot_id.eq(Some(boot)), cabinet::booted_at.eq(Some(At(booted_at)))))
        .prepared()
        .execute(conn)
        .map(|rows| rows == 1)
}

/// Records a later monotonic time of a boot that the server knows.
macro_rules! moved_boot {
    ($id:expr, $boot:expr, $mono_ms:expr) => {
        diesel::update(cabinet_boot::table.find(($id, $boot)))
            .filter(
                cabinet_boot::mono_ms
                    .is_null()
                    .or(cabinet_boot::mono_ms.lt(Some($mono_ms)).assume_not_null()),
            )
            .set(cabinet_boot::mono_ms.eq(Some($mono_ms)))
    };
}

pub(super) use moved_boot;

/// Records a later monotonic time of a boot that the server knows.
pub fn boot_moved(conn: &mut Conn, id: CabinetId, boot: &str, mono_ms: i64) -> QueryResult<()> {
    moved_boot!(id, boot, mono_ms).prepared().execute(conn).map(drop)
}

/// Records a boot's monotonic time, and the issue time of its token.
pub fn boot_heard(
    conn: &mut Conn,
    id: CabinetId,
    boot: &str,
    mono_ms: i64,
    token_at: Option<Timestamp>,
) -> QueryResult<()> {
    diesel::update(cabinet_boot::table.find((id, boot)))
        .set((cabinet_boot::mono_ms.eq(Some(mono_ms)), cabinet_boot::token_at.eq(token_at.map(At))))
        .prepared()
        .execute(conn)
        .map(|_| ())
}
