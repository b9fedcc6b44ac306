//! What vending reads of prescriptions, and the one change it makes.

use diesel::prelude::*;

use super::{
    conn::Conn,
    schema::{prescription, prescription_line},
    sql_types::At,
};
use crate::domain::{
    ids::{PrescriptionId, StaffId, WorkerId},
    time::Timestamp,
};

/// What redeeming depends on.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = prescription)]
pub struct RedeemableRow {
    /// Which prescription.
    pub id: PrescriptionId,
    /// Whose.
    pub worker_id: WorkerId,
    /// Who prescribed.
    pub doctor_id: StaffId,
    /// Where it stands.
    pub state: String,
    /// What was signed.
    pub canonical: Option<Vec<u8>>,
    /// The detached signature over it.
    pub signature: Option<String>,
    /// The last instant on which it may be used.
    pub valid_until: Option<Timestamp>,
    /// The pharmacist.
    pub reviewed_by: Option<StaffId>,
}

/// One line.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = prescription_line)]
pub struct LineRow {
    /// Of which prescription.
    pub prescription_id: PrescriptionId,
    /// Which line.
    pub line_no: i32,
    /// What.
    pub product_code: String,
    /// One dose, in thousandths of a unit.
    pub dose_units_thousandths: i64,
    /// Doses in a day.
    pub times_per_day: i32,
    /// Days.
    pub days: i32,
    /// Packs.
    pub packs: i32,
}

/// A prescription, as vending sees it.
pub fn redeemable_fetch(conn: &mut Conn, id: PrescriptionId) -> QueryResult<Option<RedeemableRow>> {
    prescription::table.find(id).select(RedeemableRow::as_select()).first(conn).optional()
}

/// Its lines.
pub fn lines_of(conn: &mut Conn, id: PrescriptionId) -> QueryResult<Vec<LineRow>> {
    prescription_line::table
        .filter(prescription_line::prescription_id.eq(id))
        .order(prescription_line::line_no)
        .select(LineRow::as_select())
        .load(conn)
}

/// Marks an approved prescription as fulfilled; `false` when it has moved on.
pub fn prescription_fulfil(conn: &mut Conn, id: PrescriptionId, now: Timestamp) -> QueryResult<bool> {
    diesel::update(prescription::table.find(id))
        .filter(prescription::state.eq("approved"))
        .set((
            prescription::state.eq("fulfilled"),
            prescription::ended_at.eq(Some(At(now))),
            prescription::version.eq(prescription::version + 1),
        ))
        .execute(conn)
        .map(|rows| rows == 1)
}

/// All lines, for the audit.
pub fn lines_all(conn: &mut Conn) -> QueryResult<Vec<LineRow>> {
    prescription_line::table.select(LineRow::as_select()).load(conn)
}
