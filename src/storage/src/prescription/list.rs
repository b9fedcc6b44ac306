//! Lists of prescriptions.

use diesel::{dsl::exists, prelude::*};

use super::PrescriptionRow;
use crate::{
    Live,
    conn::Conn,
    dialect::on_backend,
    prepared::{PreparedDsl, padded},
    schema::{prescription, worker},
};
use domain::ids::{PrescriptionId, StaffId, WorkerId};

/// Filter of a list of prescriptions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PrescriptionFilter {
    /// Those of one worker.
    Worker(WorkerId),
    /// Those of one doctor.
    Doctor(StaffId),
    /// All that were ever signed: for pharmacists.
    Signed,
}

/// Prescriptions that match the filter, the newest first, older than `before`; none once an authority
/// has ended.
pub fn prescriptions_list(
    conn: &mut Conn,
    live: Live,
    filter: PrescriptionFilter,
    before: Option<PrescriptionId>,
    limit: i64,
) -> QueryResult<Vec<PrescriptionRow>> {
    let before = before.unwrap_or(PrescriptionId::from_uuid(uuid::Uuid::max()));
    if let PrescriptionFilter::Worker(id) = filter {
        return prescriptions_of_worker(conn, live, id, before, limit);
    }
    on_backend!(conn, c => {
        let base = prescription::table
            .filter(prescription::id.lt(before))
            .filter(live)
            .order(prescription::id.desc())
            .limit(limit)
            .select(PrescriptionRow::as_select());
        match filter {
            PrescriptionFilter::Doctor(doctor) => base.filter(prescription::doctor_id.eq(doctor)).load(c),
            PrescriptionFilter::Worker(_) | PrescriptionFilter::Signed => {
                base.filter(prescription::signed_at.is_not_null()).load(c)
            }
        }
    })
}

diesel::alias!(worker as merged: Merged);

/// One statement, unless somebody was merged into the worker, which is rare: then two more.
fn prescriptions_of_worker(
    conn: &mut Conn,
    live: Live,
    id: WorkerId,
    before: PrescriptionId,
    limit: i64,
) -> QueryResult<Vec<PrescriptionRow>> {
    let others = merged.filter(merged.field(worker::merged_into).eq(Some(id)));
    let own = prescription::worker_id.eq(worker::id).and(prescription::id.lt(before));
    let rows: Vec<(bool, Option<PrescriptionRow>)> = on_backend!(conn, c => worker::table
        .left_join(prescription::table.on(own))
        .filter(worker::id.eq(id))
        .filter(live)
        .order(prescription::id.desc())
        .limit(limit)
        .select((exists(others), Option::<PrescriptionRow>::as_select()))
        .load(c))?;
    if rows.iter().all(|(others, _)| !others) {
        return Ok(rows.into_iter().filter_map(|(_, row)| row).collect());
    }
    let everyone = crate::network::worker::worker_with_merged(conn, id)?;
    on_backend!(conn, c => prescription::table
        .filter(prescription::worker_id.eq_any(padded(&everyone)))
        .filter(prescription::id.lt(before))
        .order(prescription::id.desc())
        .limit(limit)
        .select(PrescriptionRow::as_select())
        .prepared()
        .load(c))
}
