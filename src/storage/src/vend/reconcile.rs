//! Where cabinets and the books differ, and the boots that were heard of.

use diesel::prelude::*;

use crate::{
    conn::Conn,
    dialect::on_backend,
    prepared::PreparedDsl,
    schema::{cabinet, cabinet_boot, cabinet_discrepancy},
    sql_types::At,
};
use domain::{ids::CabinetId, time::Timestamp, vend::reconcile::DiscrepancyKind};

/// A difference as stored.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = cabinet_discrepancy)]
pub struct DiscrepancyRow {
    /// In what.
    pub kind: DiscrepancyKind,
    /// At which slot; 0 for the cabinet as a whole.
    pub slot_no: i32,
    /// What the cabinet had said, as JSON.
    pub detail: String,
    /// Since when.
    pub since: Timestamp,
}

/// What stands between a cabinet and the books.
pub fn discrepancies_of(conn: &mut Conn, id: CabinetId) -> QueryResult<Vec<DiscrepancyRow>> {
    on_backend!(conn, c => cabinet_discrepancy::table
        .filter(cabinet_discrepancy::cabinet_id.eq(id))
        .order((cabinet_discrepancy::slot_no, cabinet_discrepancy::kind))
        .select(DiscrepancyRow::as_select())
        .load(c))
}

/// Notes a difference; `false` when it is noted already, and then with the newest detail.
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

/// A difference is gone; `false` when there was none.
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
    /// When it was first heard of.
    pub first_heard_at: Timestamp,
    /// How far its clock was heard to run.
    pub mono_ms: Option<i64>,
    /// When the newest token was made with which it spoke.
    pub token_at: Option<Timestamp>,
}

/// A boot, if it was heard of.
pub fn boot_fetch(conn: &mut Conn, id: CabinetId, boot: &str) -> QueryResult<Option<BootRow>> {
    on_backend!(conn, c => cabinet_boot::table.find((id, boot)).select(BootRow::as_select()).first(c))
        .optional()
}

/// Notes a boot that was never heard of before; `false` when it is known.
pub fn boot_add(conn: &mut Conn, id: CabinetId, boot: &str, now: Timestamp) -> QueryResult<bool> {
    on_backend!(conn, c => diesel::insert_into(cabinet_boot::table)
        .values((
            cabinet_boot::cabinet_id.eq(id),
            cabinet_boot::boot_id.eq(boot),
            cabinet_boot::first_heard_at.eq(At(now)),
        ))
        .on_conflict_do_nothing()
        .execute(c))
    .map(|rows| rows == 1)
}

/// Makes a boot the cabinet's present one; it was first heard of at `booted_at`.
pub fn boot_present(conn: &mut Conn, id: CabinetId, boot: &str, booted_at: Timestamp) -> QueryResult<bool> {
    diesel::update(cabinet::table.find(id))
        .set((cabinet::boot_id.eq(Some(boot)), cabinet::booted_at.eq(Some(At(booted_at)))))
        .prepared()
        .execute(conn)
        .map(|rows| rows == 1)
}

/// Notes how far a boot's clock runs, and with which token it spoke.
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
