//! Reads of the audit from the event log and from prescriptions.

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

/// Signature and review of a prescription.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = prescription)]
pub struct BackingRow {
    pub id: PrescriptionId,
    pub doctor_id: StaffId,
    pub signature: Option<String>,
    /// The last instant of its validity.
    pub valid_until: Option<Timestamp>,
    pub reviewed_by: Option<StaffId>,
    pub reviewed_at: Option<Timestamp>,
}

/// All prescriptions, for the audit.
pub fn backing_all(conn: &mut Conn) -> QueryResult<Vec<BackingRow>> {
    on_backend!(conn, c => prescription::table.select(BackingRow::as_select()).load(c))
}

/// All events of one kind of stream, by stream and version: stream id, kind, payload.
pub fn events_of_kind(conn: &mut Conn, stream: &str) -> QueryResult<Vec<(AnyId, String, String)>> {
    on_backend!(conn, c => event::table
        .filter(event::stream.eq(stream))
        .order((event::stream_id, event::version))
        .select((event::stream_id, event::kind, event::payload))
        .load(c))
}

/// One line of a prescription, for the audit.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = prescription_line)]
pub struct PrescribedRow {
    pub prescription_id: PrescriptionId,
    pub line_no: i32,
    pub packs: i32,
}

/// All lines of all prescriptions.
pub fn lines_all(conn: &mut Conn) -> QueryResult<Vec<PrescribedRow>> {
    on_backend!(conn, c => prescription_line::table.select(PrescribedRow::as_select()).load(c))
}
