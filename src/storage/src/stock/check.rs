//! What an audit reads of the log and of prescriptions. Never writes.

use diesel::prelude::*;

use crate::{
    conn::Conn,
    dialect::on_backend,
    events::AnyId,
    schema::{event, prescription, prescription_line},
};
use domain::{
    ids::{PrescriptionId, StaffId},
    time::Timestamp,
};

/// Who stands behind a prescription.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = prescription)]
pub struct BackingRow {
    /// Which prescription.
    pub id: PrescriptionId,
    /// Who prescribed.
    pub doctor_id: StaffId,
    /// The signature.
    pub signature: Option<String>,
    /// Its last instant.
    pub valid_until: Option<Timestamp>,
    /// The pharmacist.
    pub reviewed_by: Option<StaffId>,
    /// When they approved.
    pub reviewed_at: Option<Timestamp>,
}

/// All prescriptions, as the audit sees them.
pub fn backing_all(conn: &mut Conn) -> QueryResult<Vec<BackingRow>> {
    on_backend!(conn, c => prescription::table.select(BackingRow::as_select()).load(c))
}

/// All events of one kind of stream, in the order of each: stream, kind, payload.
pub fn events_of_kind(conn: &mut Conn, stream: &str) -> QueryResult<Vec<(AnyId, String, String)>> {
    on_backend!(conn, c => event::table
        .filter(event::stream.eq(stream))
        .order((event::stream_id, event::version))
        .select((event::stream_id, event::kind, event::payload))
        .load(c))
}

/// One line of a prescription, as the audit sees it.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = prescription_line)]
pub struct PrescribedRow {
    /// Of which prescription.
    pub prescription_id: PrescriptionId,
    /// Which line.
    pub line_no: i32,
    /// Packs.
    pub packs: i32,
}

/// All lines of all prescriptions.
pub fn lines_all(conn: &mut Conn) -> QueryResult<Vec<PrescribedRow>> {
    on_backend!(conn, c => prescription_line::table.select(PrescribedRow::as_select()).load(c))
}
