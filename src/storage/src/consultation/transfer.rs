//! Transfers: who handed a consultation on, to whom, and why; the reason is sealed.

use diesel::prelude::*;

use crate::{
    conn::Conn,
    dialect::{RowLockDsl, on_backend},
    matching::doctor::DoctorRow,
    schema::{consultation_transfer, doctor, staff},
    sql_types::At,
};
use domain::{
    ids::{ConsultationId, ConsultationTransferId, StaffId},
    matching::Department,
    time::Timestamp,
};

/// A transfer as stored: to a department or to a doctor.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = consultation_transfer)]
pub struct TransferRow {
    /// Ids sort by time.
    pub id: ConsultationTransferId,
    pub consultation_id: ConsultationId,
    pub from_doctor: StaffId,
    pub to_department: Option<Department>,
    pub to_doctor: Option<StaffId>,
    pub reason_sealed: Vec<u8>,
    pub at: Timestamp,
}

pub fn transfer_add(conn: &mut Conn, row: &TransferRow) -> QueryResult<()> {
    on_backend!(conn, c => diesel::insert_into(consultation_transfer::table)
        .values((
            consultation_transfer::id.eq(row.id),
            consultation_transfer::consultation_id.eq(row.consultation_id),
            consultation_transfer::from_doctor.eq(row.from_doctor),
            consultation_transfer::to_department.eq(row.to_department),
            consultation_transfer::to_doctor.eq(row.to_doctor),
            consultation_transfer::reason_sealed.eq(&row.reason_sealed),
            consultation_transfer::at.eq(At(row.at)),
        ))
        .execute(c))
    .map(|_| ())
}

/// Names of a doctor: Chinese and English.
type Names = (String, String);

diesel::alias!(staff as other: Other);

/// The transfers of a consultation, oldest first, each with the names of the doctor who handed it on and
/// of the doctor to whom.
pub fn transfers_of(
    conn: &mut Conn,
    id: ConsultationId,
) -> QueryResult<Vec<(TransferRow, Names, Option<Names>)>> {
    on_backend!(conn, c => consultation_transfer::table
        .inner_join(staff::table.on(staff::id.eq(consultation_transfer::from_doctor)))
        .left_join(other.on(consultation_transfer::to_doctor.eq(other.field(staff::id).nullable())))
        .filter(consultation_transfer::consultation_id.eq(id))
        .order(consultation_transfer::id)
        .select((
            TransferRow::as_select(),
            (staff::name_zh, staff::name_en),
            (other.field(staff::name_zh), other.field(staff::name_en)).nullable(),
        ))
        .load(c))
}

/// Two doctors, with their rows locked in the order of their ids: two transfers between the same doctors
/// wait for each other, and not each for the other.
pub fn doctors_lock(conn: &mut Conn, ids: [StaffId; 2]) -> QueryResult<Vec<DoctorRow>> {
    on_backend!(conn, c => doctor::table
        .filter(doctor::staff_id.eq(ids[0]).or(doctor::staff_id.eq(ids[1])))
        .order(doctor::staff_id)
        .select(DoctorRow::as_select())
        .lock_for_no_key_update()
        .get_results(c))
}
