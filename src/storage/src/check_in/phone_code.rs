//! Verification codes sent to phones.

use diesel::prelude::*;

use crate::{
    conn::Conn,
    dialect::{RowLockDsl, on_backend},
    prepared::PreparedDsl,
    schema::phone_code,
    sql_types::At,
};
use domain::{
    ids::{PhoneCodeId, StationId},
    network::CodePurpose,
    time::Timestamp,
};

/// A code as stored.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = phone_code)]
pub struct PhoneCodeRow {
    /// The screen that asked for it.
    pub station_id: StationId,
    pub purpose: CodePurpose,
    /// Keyed digest of the phone.
    pub phone_index: Vec<u8>,
    /// Salt of the code's digest.
    pub salt: Vec<u8>,
    /// Keyed digest of the code.
    pub mac: Vec<u8>,
    /// Wrong tries so far.
    pub tries: i32,
    pub expires_at: Timestamp,
    /// When it was used or replaced by another.
    pub used_at: Option<Timestamp>,
}

/// A code to be inserted.
#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = phone_code)]
pub struct NewPhoneCode {
    pub id: PhoneCodeId,
    /// The screen that asked for it.
    pub station_id: StationId,
    pub purpose: CodePurpose,
    /// Keyed digest of the phone.
    pub phone_index: Vec<u8>,
    /// Salt of the code's digest.
    pub salt: Vec<u8>,
    /// Keyed digest of the code.
    pub mac: Vec<u8>,
    /// Starts at 0.
    pub tries: i32,
    pub created_at: At,
    pub expires_at: At,
}

pub fn phone_code_add(conn: &mut Conn, new: &NewPhoneCode) -> QueryResult<()> {
    on_backend!(conn, c => diesel::insert_into(phone_code::table).values(new).execute(c)).map(|_| ())
}

/// A code, with its row locked for update, so that each wrong try is counted.
pub fn phone_code_lock(conn: &mut Conn, id: PhoneCodeId) -> QueryResult<Option<PhoneCodeRow>> {
    on_backend!(conn, c => phone_code::table.find(id).select(PhoneCodeRow::as_select()).lock_for_no_key_update().get_result(c))
        .optional()
}

/// Stores the number of wrong tries.
pub fn phone_code_tried(conn: &mut Conn, id: PhoneCodeId, tries: i32) -> QueryResult<()> {
    diesel::update(phone_code::table.find(id))
        .set(phone_code::tries.eq(tries))
        .prepared()
        .execute(conn)
        .map(|_| ())
}

/// Records that a code was used.
pub fn phone_code_used(conn: &mut Conn, id: PhoneCodeId, now: Timestamp) -> QueryResult<()> {
    diesel::update(phone_code::table.find(id))
        .set(phone_code::used_at.eq(Some(At(now))))
        .prepared()
        .execute(conn)
        .map(|_| ())
}

/// Voids the unused codes of this screen: a new one replaces them. A worker who changes their phone
/// types two codes, one for each phone.
pub fn phone_codes_end(
    conn: &mut Conn,
    station: StationId,
    purpose: CodePurpose,
    phone_index: &[u8],
    now: Timestamp,
) -> QueryResult<()> {
    let open =
        phone_code::table.filter(phone_code::station_id.eq(station)).filter(phone_code::used_at.is_null());
    let used = phone_code::used_at.eq(Some(At(now)));
    if purpose == CodePurpose::ChangePhone {
        let others = open.filter(phone_code::purpose.ne(purpose).or(phone_code::phone_index.eq(phone_index)));
        diesel::update(others).set(used).prepared().execute(conn).map(|_| ())
    } else {
        diesel::update(open).set(used).prepared().execute(conn).map(|_| ())
    }
}
