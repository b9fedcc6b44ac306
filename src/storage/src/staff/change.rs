//! Changes of a member of staff: name, e-mail address, licence, disabling. Each write repeats the
//! version or state that its caller read.

use chrono::NaiveDate;
use diesel::prelude::*;

use crate::{
    conn::Conn,
    dialect::on_backend,
    network::import::licences_taken,
    prepared::PreparedDsl,
    schema::{doctor, doctor_department, email_change, pharmacist, staff},
    sql_types::At,
};
use domain::{
    ids::{EmployerId, HospitalId, StaffId},
    matching::{
        Department,
        presence::{AwayReason, Presence},
    },
    staff::role::Role,
    time::Timestamp,
};

/// Columns of every member of staff.
#[derive(Debug, Clone, Copy)]
pub struct StaffDetails<'a> {
    pub name_zh: &'a str,
    /// Name in English or pinyin.
    pub name_en: &'a str,
    /// A doctor's hospital.
    pub hospital_id: Option<HospitalId>,
    /// A safety officer's employer.
    pub employer_id: Option<EmployerId>,
}

/// Writes the version after `version`; `false` when the version is another.
pub fn staff_write(
    conn: &mut Conn,
    id: StaffId,
    version: i64,
    details: &StaffDetails<'_>,
) -> QueryResult<bool> {
    diesel::update(staff::table.find(id))
        .filter(staff::version.eq(version))
        .set((
            staff::version.eq(version + 1),
            staff::name_zh.eq(details.name_zh),
            staff::name_en.eq(details.name_en),
            staff::hospital_id.eq(details.hospital_id),
            staff::employer_id.eq(details.employer_id),
        ))
        .prepared()
        .execute(conn)
        .map(|rows| rows == 1)
}

/// Additional columns of a doctor.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = doctor)]
pub struct DoctorDetails {
    pub hospital_id: HospitalId,
    pub licence_no: String,
    /// The licence number that was released when the doctor was disabled.
    pub released_licence_no: Option<String>,
    pub licence_verified_at: Option<Timestamp>,
    /// Last day of the licence.
    pub licence_valid_until: NaiveDate,
    pub practising_since: NaiveDate,
    /// Separated by `;`.
    pub languages: String,
    /// Consultations by text at once, at most.
    pub capacity: i32,
    /// Live consultations by text now, offers included.
    pub live: i32,
    /// Consultations by video at once, at most.
    pub video_capacity: i32,
    /// Live consultations by video now, offers included.
    pub live_video: i32,
}

/// A doctor's details.
pub fn doctor_details(conn: &mut Conn, id: StaffId) -> QueryResult<Option<DoctorDetails>> {
    on_backend!(conn, c => doctor::table.find(id).select(DoctorDetails::as_select()).first(c)).optional()
}

/// A doctor's departments.
pub fn doctor_departments(conn: &mut Conn, id: StaffId) -> QueryResult<Vec<Department>> {
    on_backend!(conn, c => doctor_department::table
        .filter(doctor_department::doctor_id.eq(id))
        .order(doctor_department::department)
        .select(doctor_department::department)
        .load(c))
}

/// Writes a doctor's details; `false` when the doctor has more live consultations than a new
/// capacity.
pub fn doctor_write(conn: &mut Conn, id: StaffId, details: &DoctorDetails) -> QueryResult<bool> {
    diesel::update(doctor::table.find(id))
        .filter(doctor::live.le(details.capacity))
        .filter(doctor::live_video.le(details.video_capacity))
        .set((
            doctor::hospital_id.eq(details.hospital_id),
            doctor::licence_no.eq(&details.licence_no),
            doctor::licence_verified_at.eq(details.licence_verified_at.map(At)),
            doctor::licence_valid_until.eq(details.licence_valid_until),
            doctor::practising_since.eq(details.practising_since),
            doctor::languages.eq(&details.languages),
            doctor::capacity.eq(details.capacity),
            doctor::video_capacity.eq(details.video_capacity),
        ))
        .prepared()
        .execute(conn)
        .map(|rows| rows == 1)
}

/// Replaces a doctor's departments.
pub fn doctor_departments_write(conn: &mut Conn, id: StaffId, departments: &[Department]) -> QueryResult<()> {
    let old = doctor_department::table.filter(doctor_department::doctor_id.eq(id));
    on_backend!(conn, c => diesel::delete(old).execute(c))?;
    for department in departments {
        on_backend!(conn, c => diesel::insert_into(doctor_department::table)
            .values((doctor_department::doctor_id.eq(id), doctor_department::department.eq(*department)))
            .execute(c))?;
    }
    Ok(())
}

/// Takes a doctor off duty; `false` when they are off already.
pub fn doctor_off(conn: &mut Conn, id: StaffId) -> QueryResult<bool> {
    diesel::update(doctor::table.find(id))
        .filter(doctor::presence.ne(Presence::Off))
        .set((
            doctor::presence.eq(Presence::Off),
            doctor::away_because.eq(None::<AwayReason>),
            doctor::away_since.eq(None::<At>),
        ))
        .prepared()
        .execute(conn)
        .map(|rows| rows == 1)
}

/// A pharmacist's licence.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = pharmacist)]
pub struct PharmacistDetails {
    pub licence_no: String,
    /// The licence number that was released when the pharmacist was disabled.
    pub released_licence_no: Option<String>,
    pub licence_verified_at: Option<Timestamp>,
    /// Last day of the licence.
    pub licence_valid_until: NaiveDate,
}

/// A pharmacist's licence; `None` where nobody has recorded it.
pub fn pharmacist_details(conn: &mut Conn, id: StaffId) -> QueryResult<Option<PharmacistDetails>> {
    on_backend!(conn, c => pharmacist::table.find(id).select(PharmacistDetails::as_select()).first(c))
        .optional()
}

/// Records a pharmacist's licence.
pub fn pharmacist_write(conn: &mut Conn, id: StaffId, details: &PharmacistDetails) -> QueryResult<()> {
    let columns = (
        pharmacist::licence_no.eq(&details.licence_no),
        pharmacist::licence_verified_at.eq(details.licence_verified_at.map(At)),
        pharmacist::licence_valid_until.eq(details.licence_valid_until),
    );
    on_backend!(conn, c => diesel::insert_into(pharmacist::table)
        .values((pharmacist::staff_id.eq(id), columns))
        .on_conflict(pharmacist::staff_id)
        .do_update()
        .set(columns)
        .execute(c))
    .map(|_| ())
}

/// The doctor or pharmacist with this licence number: each profession counts its own.
pub fn licence_holder(conn: &mut Conn, role: Role, licence_no: &str) -> QueryResult<Option<StaffId>> {
    Ok(licences_taken(conn, role, &[licence_no])?.remove(licence_no))
}

/// Disables a member of staff, and releases their address and licence number; `false` when they are
/// disabled already or unknown.
pub fn staff_disable(conn: &mut Conn, id: StaffId, email: &str, now: Timestamp) -> QueryResult<bool> {
    let disabled = diesel::update(staff::table.find(id))
        .filter(staff::disabled_at.is_null())
        .set((
            staff::disabled_at.eq(Some(At(now))),
            staff::version.eq(staff::version + 1),
            staff::released_email.eq(Some(email)),
            staff::email.eq(format!("disabled:{id}")),
            staff::reset_asked_by.eq(None::<StaffId>),
            staff::reset_asked_at.eq(None::<At>),
        ))
        .prepared()
        .execute(conn)?;
    if disabled == 0 {
        return Ok(false);
    }
    diesel::update(doctor::table.find(id))
        .set((
            doctor::released_licence_no.eq(doctor::licence_no.nullable()),
            doctor::licence_no.eq(format!("disabled:{id}")),
        ))
        .prepared()
        .execute(conn)?;
    diesel::update(pharmacist::table.find(id))
        .set((
            pharmacist::released_licence_no.eq(pharmacist::licence_no.nullable()),
            pharmacist::licence_no.eq(format!("disabled:{id}")),
        ))
        .prepared()
        .execute(conn)?;
    Ok(true)
}

/// Enables a disabled member of staff again, with this address and licence number; `false` when
/// they are not disabled.
pub fn staff_enable(
    conn: &mut Conn,
    id: StaffId,
    email: &str,
    licence_no: Option<&str>,
) -> QueryResult<bool> {
    let enabled = diesel::update(staff::table.find(id))
        .filter(staff::disabled_at.is_not_null())
        .set((
            staff::disabled_at.eq(None::<At>),
            staff::version.eq(staff::version + 1),
            staff::released_email.eq(None::<String>),
            staff::email.eq(email),
        ))
        .prepared()
        .execute(conn)?;
    if let Some(licence_no) = licence_no.filter(|_| enabled == 1) {
        diesel::update(doctor::table.find(id))
            .set((doctor::released_licence_no.eq(None::<String>), doctor::licence_no.eq(licence_no)))
            .prepared()
            .execute(conn)?;
        diesel::update(pharmacist::table.find(id))
            .set((pharmacist::released_licence_no.eq(None::<String>), pharmacist::licence_no.eq(licence_no)))
            .prepared()
            .execute(conn)?;
    }
    Ok(enabled == 1)
}

/// Sets the e-mail address of a member of staff.
pub fn email_set(conn: &mut Conn, id: StaffId, email: &str) -> QueryResult<bool> {
    diesel::update(staff::table.find(id))
        .filter(staff::disabled_at.is_null())
        .set((staff::email.eq(email), staff::version.eq(staff::version + 1)))
        .prepared()
        .execute(conn)
        .map(|rows| rows == 1)
}

/// Records who requests the removal of a password and one-time codes; `None` withdraws the request.
pub fn reset_ask(
    conn: &mut Conn,
    id: StaffId,
    by: Option<StaffId>,
    at: Option<Timestamp>,
) -> QueryResult<()> {
    diesel::update(staff::table.find(id))
        .set((staff::reset_asked_by.eq(by), staff::reset_asked_at.eq(at.map(At))))
        .prepared()
        .execute(conn)
        .map(|_| ())
}

/// Removes password and one-time codes: the person must be invited again. The signing PIN stays.
pub fn proofs_clear(conn: &mut Conn, id: StaffId) -> QueryResult<bool> {
    diesel::update(staff::table.find(id))
        .filter(staff::disabled_at.is_null())
        .set((
            staff::password_hash.eq(None::<String>),
            staff::totp_sealed.eq(None::<Vec<u8>>),
            staff::reset_asked_by.eq(None::<StaffId>),
            staff::reset_asked_at.eq(None::<At>),
        ))
        .prepared()
        .execute(conn)
        .map(|rows| rows == 1)
}

/// A new address that waits to be confirmed.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = email_change)]
pub struct EmailChangeRow {
    pub staff_id: StaffId,
    pub email: String,
    /// Expiry of its link.
    pub expires_at: Timestamp,
    /// When the link was used or voided.
    pub used_at: Option<Timestamp>,
}

pub fn email_change_add(
    conn: &mut Conn,
    digest: &[u8],
    staff_id: StaffId,
    email: &str,
    now: Timestamp,
    expires_at: Timestamp,
) -> QueryResult<()> {
    on_backend!(conn, c => diesel::insert_into(email_change::table)
        .values((
            email_change::digest.eq(digest),
            email_change::staff_id.eq(staff_id),
            email_change::email.eq(email),
            email_change::created_at.eq(At(now)),
            email_change::expires_at.eq(At(expires_at)),
        ))
        .execute(c))
    .map(|_| ())
}

/// A link that confirms an address, by its digest.
pub fn email_change_fetch(conn: &mut Conn, digest: &[u8]) -> QueryResult<Option<EmailChangeRow>> {
    on_backend!(conn, c => email_change::table.find(digest).select(EmailChangeRow::as_select()).first(c))
        .optional()
}

/// Uses such a link; `false` when it was used already, or has expired.
pub fn email_change_use(conn: &mut Conn, digest: &[u8], now: Timestamp) -> QueryResult<bool> {
    diesel::update(email_change::table.find(digest))
        .filter(email_change::used_at.is_null())
        .filter(email_change::expires_at.gt(At(now)))
        .set(email_change::used_at.eq(Some(At(now))))
        .prepared()
        .execute(conn)
        .map(|rows| rows == 1)
}

/// Voids the unused links of a member of staff.
pub fn email_changes_void(conn: &mut Conn, staff_id: StaffId, now: Timestamp) -> QueryResult<()> {
    diesel::update(email_change::table)
        .filter(email_change::staff_id.eq(staff_id))
        .filter(email_change::used_at.is_null())
        .set(email_change::used_at.eq(Some(At(now))))
        .prepared()
        .execute(conn)
        .map(|_| ())
}
