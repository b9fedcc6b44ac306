//! Reads of the audit from the event log and from prescriptions.

use diesel::prelude::*;

use crate::{
    code_literals::CodeDsl,
    conn::Conn,
    dialect::on_backend,
    events::LoggedEvent,
    schema::{check_in, event, prescription, prescription_line},
};
use domain::{
    check_in::EndReason,
    event::Stream,
    ids::{CheckInId, PrescriptionId, StaffId},
    prescription::PrescriptionState,
    time::Timestamp,
};

/// State, signature and review of a prescription.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = prescription)]
pub struct BackingRow {
    pub id: PrescriptionId,
    pub doctor_id: StaffId,
    pub state: PrescriptionState,
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

/// All events of one kind of stream, each stream from its first event on.
pub fn events_of_stream(conn: &mut Conn, stream: Stream) -> QueryResult<Vec<LoggedEvent>> {
    on_backend!(conn, c => event::table
        .filter(event::stream.eq_code(stream))
        .order((event::stream_id, event::version))
        .select(LoggedEvent::as_select())
        .load(c))
}

/// Ids of all check-ins, with the reason why they ended.
pub fn check_ins_all(conn: &mut Conn) -> QueryResult<Vec<(CheckInId, Option<EndReason>)>> {
    on_backend!(conn, c => check_in::table.select((check_in::id, check_in::end_reason)).load(c))
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
