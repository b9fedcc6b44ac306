//! The keys with which doctors sign. Rows are never deleted: old signatures are verified with them.

use chrono::NaiveDate;
use diesel::prelude::*;

use crate::{
    conn::Conn,
    dialect::on_backend,
    prepared::PreparedDsl,
    schema::{doctor, doctor_key, hospital, staff},
    sql_types::At,
};
use domain::{
    ids::{DoctorKeyId, HospitalId, StaffId},
    keys::{KeyEnd, SigningAlgorithm},
    time::Timestamp,
};

/// A key and its certificate.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = doctor_key)]
pub struct DoctorKeyRow {
    /// The key id in its signatures.
    pub id: DoctorKeyId,
    pub staff_id: StaffId,
    pub algorithm: SigningAlgorithm,
    /// PKCS#8; `None` after its end, and where a signing service holds it.
    pub private_sealed: Option<Vec<u8>>,
    /// X.509 in DER.
    pub certificate: Vec<u8>,
    /// The id of the network's key that issued the certificate; [`BY_SERVICE`] for an authority's.
    pub issued_by: String,
    pub valid_from: Timestamp,
    pub valid_until: Timestamp,
    pub created_at: Timestamp,
    /// Since then it signs nothing.
    pub ended_at: Option<Timestamp>,
    pub end_reason: Option<KeyEnd>,
}

/// [`DoctorKeyRow::issued_by`] of a key in the service of a certificate authority.
pub const BY_SERVICE: &str = "service";

/// What a doctor's certificate and the form name of them.
#[derive(Debug, Clone, Queryable)]
pub struct SignerRow {
    pub name: String,
    pub licence_no: String,
    pub licence_valid_until: NaiveDate,
    pub hospital: String,
}

/// A doctor who signs for `hospital_id`, with their live key.
pub fn signer_fetch(
    conn: &mut Conn,
    id: StaffId,
    hospital_id: HospitalId,
) -> QueryResult<Option<(SignerRow, Option<DoctorKeyRow>)>> {
    let live = doctor_key::staff_id.eq(doctor::staff_id).and(doctor_key::ended_at.is_null());
    on_backend!(conn, c => doctor::table
        .inner_join(staff::table)
        .inner_join(hospital::table.on(hospital::id.eq(hospital_id)))
        .left_join(doctor_key::table.on(live))
        .filter(doctor::staff_id.eq(id))
        .select((
            (staff::name_zh, doctor::licence_no, doctor::licence_valid_until, hospital::name_zh),
            Option::<DoctorKeyRow>::as_select(),
        ))
        .first(c))
    .optional()
}

/// One key, live or not.
pub fn doctor_key_fetch(conn: &mut Conn, id: DoctorKeyId) -> QueryResult<Option<DoctorKeyRow>> {
    on_backend!(conn, c => doctor_key::table.find(id).select(DoctorKeyRow::as_select()).first(c)).optional()
}

/// All keys of a doctor, the newest last.
pub fn doctor_keys_of(conn: &mut Conn, id: StaffId) -> QueryResult<Vec<DoctorKeyRow>> {
    on_backend!(conn, c => doctor_key::table
        .filter(doctor_key::staff_id.eq(id))
        .order(doctor_key::id)
        .select(DoctorKeyRow::as_select())
        .load(c))
}

/// Adds the live key of a doctor, who has none.
pub fn doctor_key_add(conn: &mut Conn, row: &DoctorKeyRow) -> QueryResult<()> {
    on_backend!(conn, c => diesel::insert_into(doctor_key::table)
        .values((
            doctor_key::id.eq(row.id),
            doctor_key::staff_id.eq(row.staff_id),
            doctor_key::algorithm.eq(row.algorithm),
            doctor_key::private_sealed.eq(&row.private_sealed),
            doctor_key::certificate.eq(&row.certificate),
            doctor_key::issued_by.eq(&row.issued_by),
            doctor_key::valid_from.eq(At(row.valid_from)),
            doctor_key::valid_until.eq(At(row.valid_until)),
            doctor_key::created_at.eq(At(row.created_at)),
        ))
        .execute(c))
    .map(|_| ())
}

/// Ends a live key, and destroys its private part; `false` when it has ended already.
pub fn doctor_key_end(conn: &mut Conn, id: DoctorKeyId, why: KeyEnd, now: Timestamp) -> QueryResult<bool> {
    diesel::update(doctor_key::table.find(id))
        .filter(doctor_key::ended_at.is_null())
        .set((
            doctor_key::ended_at.eq(Some(At(now))),
            doctor_key::end_reason.eq(Some(why)),
            doctor_key::private_sealed.eq(None::<Vec<u8>>),
        ))
        .prepared()
        .execute(conn)
        .map(|rows| rows == 1)
}

/// Marks a key that has ended as compromised; `false` when it is marked already.
pub fn doctor_key_compromised(conn: &mut Conn, id: DoctorKeyId) -> QueryResult<bool> {
    diesel::update(doctor_key::table.find(id))
        .filter(doctor_key::end_reason.ne(Some(KeyEnd::Compromised)))
        .set(doctor_key::end_reason.eq(Some(KeyEnd::Compromised)))
        .prepared()
        .execute(conn)
        .map(|rows| rows == 1)
}

/// Destroys the private parts of keys whose certificates have expired. Returns how many.
pub fn doctor_keys_forget(conn: &mut Conn, now: Timestamp) -> QueryResult<usize> {
    let expired = doctor_key::table
        .filter(doctor_key::private_sealed.is_not_null())
        .filter(doctor_key::valid_until.lt(At(now)));
    diesel::update(expired).set(doctor_key::private_sealed.eq(None::<Vec<u8>>)).prepared().execute(conn)
}
