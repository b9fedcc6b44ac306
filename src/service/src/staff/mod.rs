//! Members of staff: invited, listed, disabled, enabled again.

pub mod authenticator;
pub mod change;
pub mod email;
pub(crate) mod known_device;
pub(crate) mod password_hashing;
pub mod password_link;
pub mod session;
pub mod sign_in;
pub(crate) mod sign_in_alarm;
pub mod signing;
pub mod signing_window;

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema, Type},
};

use crate::{
    Failure, Recipients, Tx,
    caller::StaffCaller,
    keys, letter,
    network::{
        checked, department,
        import::{self, Existing, ImportError, PreparedStaff},
        missing, one_row, roster, unknown,
    },
    page::{Page, Rows},
};
use change::taken;
use coordination::Topic;
use domain::{
    event::staff::StaffEvent,
    ids::{EmployerId, HospitalId, StaffId},
    keys::KeyEnd,
    letter::LetterKind,
    matching::Department,
    refusal::{Code, Refusal},
    spelling,
    staff::{
        DoctorRecord, PharmacistRecord, SessionEnd, StaffRecord,
        role::{Part, Role},
    },
    words::{Bilingual, Language},
};
use session::StaffView;
use storage::{Conn, network::listing as store, staff::change as changes};

/// The roles of staff, for the OpenAPI document.
enum StaffRole {}
impl PartialSchema for StaffRole {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some("The roles of staff, for the OpenAPI document."))
            .enum_values(Some(Role::STAFF.iter().map(|role| role.as_str())))
            .into()
    }
}
impl ToSchema for StaffRole {}

/// A new member of staff; they get an invitation.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StaffInput {
    /// Doctor, pharmacist, operator, restocker, employer (safety officer) or coordinator.
    #[schema(value_type = StaffRole)]
    pub role: Role,
    /// The mail address to sign in with.
    #[schema(value_type = spelling::MailAddress)]
    pub email: String,
    /// Name in Chinese.
    #[schema(value_type = spelling::Name)]
    pub name_zh: String,
    /// Name in English or pinyin.
    #[schema(value_type = spelling::Name)]
    pub name_en: String,
    /// A doctor's or coordinator's hospital.
    pub hospital_id: Option<HospitalId>,
    /// A safety officer's employer.
    pub employer_id: Option<EmployerId>,
    /// The fields that only a doctor has.
    pub doctor: Option<DoctorInput>,
    /// The fields that only a pharmacist has.
    pub pharmacist: Option<PharmacistInput>,
}

impl StaffInput {
    /// Whether the operator has verified the licence.
    fn licence_verified(&self) -> bool {
        let doctor = self.doctor.as_ref().is_some_and(|doctor| doctor.licence_verified);
        doctor || self.pharmacist.as_ref().is_some_and(|pharmacist| pharmacist.licence_verified)
    }
}

/// The fields that only a pharmacist has.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PharmacistInput {
    /// Number of the licence to practise.
    #[schema(value_type = spelling::Label)]
    pub licence_no: String,
    /// The licence's last day.
    pub licence_valid_until: NaiveDate,
    /// Whether the operator has verified the licence; without it the pharmacist approves nothing.
    pub licence_verified: bool,
}

/// The fields that only a doctor has.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DoctorInput {
    /// Number of the licence to practise.
    #[schema(value_type = spelling::Label)]
    pub licence_no: String,
    /// The licence's last day.
    pub licence_valid_until: NaiveDate,
    /// Whether the operator has verified the licence; without it the doctor gets no offers.
    pub licence_verified: bool,
    /// First day of independent practice.
    pub practising_since: NaiveDate,
    /// Departments served, the main one first.
    #[schema(value_type = std::collections::HashSet<Department>, min_items = 1, max_items = 15)]
    pub departments: Vec<Department>,
    /// Languages of consultation.
    #[schema(value_type = std::collections::HashSet<Language>, min_items = 1, max_items = 2)]
    pub languages: Vec<Language>,
    /// The maximum number of live consultations by text at a time. A new number is refused if the policy
    /// allows fewer (`most_text_places`); a doctor who has more keeps them.
    #[schema(minimum = 1, maximum = 10)]
    pub capacity: i32,
    /// The same by video. If left out, it stays; a new doctor has 1.
    #[schema(minimum = 0, maximum = 1)]
    pub video_capacity: Option<i32>,
}

/// A member of staff, as operators see them.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct StaffSummary {
    pub staff: StaffView,
    /// Whether the invitation has not been accepted yet.
    pub invited: bool,
    /// Since when they may not sign in.
    pub disabled_at: Option<DateTime<Utc>>,
    /// When the account was created.
    pub created_at: DateTime<Utc>,
    /// Goes up with every change by operators; also the ETag.
    pub version: i64,
}

/// Adds a member of staff and sends an invitation. Somebody who was invited before and has not
/// accepted is invited again with the new data: earlier links are void.
///
/// # Errors
/// One problem per bad field; `AlreadyExists` for the address of somebody who has accepted or has
/// another role, and for a licence that somebody else has.
pub fn staff_invite(tx: &mut Tx<'_>, input: StaffInput) -> Result<StaffSummary, Failure> {
    let verified = input.licence_verified();
    let role = input.role;
    let prepared = prepare_staff(tx, input)?;
    let email = prepared.record.email.clone();
    if storage::staff::staff_by_email(tx.conn, &email)?.is_none() {
        let new = import::staff(tx, &[(1, prepared.clone())], true, verified, Existing::Refuse);
        let row = storage::staff::staff_by_email(tx.conn, &email)?;
        match (new, row) {
            (Ok(_), row) => return Ok(staff_summary(row.ok_or(Code::NotFound)?)),
            // Another transaction invited them first: so they are invited again.
            (Err(ImportError::Rows(_)), Some(_)) => {}
            (Err(error), _) => return Err(one_row(error)),
        }
    }
    let known = storage::staff::staff_by_email(tx.conn, &email)?.ok_or(Code::NotFound)?;
    let known = storage::staff::staff_lock(tx.conn, known.id)?.ok_or(Code::NotFound)?;
    if known.is_open() || known.role != role || known.email != email {
        return Err(already_exists("email").into());
    }
    change::write(tx, &known, prepared, verified)?;
    password_link::invite_anew(tx, known.id, LetterKind::Invite)?;
    tx.record(known.id, StaffEvent::Invited { role, again: true }, Recipients::nobody())?;
    storage::staff::staff_fetch(tx.conn, known.id)?.map(staff_summary).ok_or_else(|| Code::NotFound.into())
}

/// Adds an operator without an invitation: they were created on the server's command line.
///
/// # Errors
/// `AlreadyExists` for an address that somebody else has.
pub fn operator_create(tx: &mut Tx<'_>, operator: PreparedStaff) -> Result<(), Failure> {
    import::staff(tx, &[(1, operator)], false, false, Existing::Refuse).map_err(one_row)?;
    Ok(())
}

pub(crate) fn already_exists(field: &str) -> Refusal {
    let mut refusal = taken(field);
    refusal.code = Code::AlreadyExists;
    refusal
}

/// Checks the input against what a record of its role has; parts that the role does not have are
/// ignored.
pub(crate) fn prepare_staff(tx: &mut Tx<'_>, input: StaffInput) -> Result<PreparedStaff, Failure> {
    let StaffInput { role, email, name_zh, name_en, hospital_id, employer_id, doctor, pharmacist } = input;
    let Some(kind) = role.staff() else {
        let message = Bilingual::fixed("不是员工角色。", "That is no role of staff.");
        return Err(Refusal::field("role", "unknown_value", message).into());
    };
    let mut record = StaffRecord::new(role, email.trim().to_lowercase(), name_zh, name_en);
    if kind.has(Part::Doctor) {
        record.doctor = Some(doctor.ok_or_else(|| missing("doctor"))?.into());
    }
    if kind.has(Part::Pharmacist) {
        let PharmacistInput { licence_no, licence_valid_until, licence_verified: _ } =
            pharmacist.ok_or_else(|| missing("pharmacist"))?;
        record.pharmacist = Some(PharmacistRecord { licence_no, licence_valid_until });
    }
    if kind.has(Part::Hospital) {
        let id = hospital_id.ok_or_else(|| missing("hospital_id"))?;
        let code = store::hospital_code(tx.conn, id)?;
        record.hospital_code = Some(code.ok_or_else(|| unknown("hospital_id"))?);
    }
    if kind.has(Part::Employer) {
        let id = employer_id.ok_or_else(|| missing("employer_id"))?;
        let code = store::employer_code(tx.conn, id)?;
        record.employer_code = Some(code.ok_or_else(|| unknown("employer_id"))?);
    }
    checked(tx, &record)?;
    if let Some(doctor) = &record.doctor {
        department::ensure(tx, "departments", &doctor.departments)?;
    }
    Ok(PreparedStaff::of(record).0)
}

impl From<DoctorInput> for DoctorRecord {
    fn from(input: DoctorInput) -> Self {
        Self {
            licence_no: input.licence_no,
            licence_valid_until: input.licence_valid_until,
            practising_since: input.practising_since,
            departments: input.departments,
            languages: input.languages,
            capacity: input.capacity,
            video_capacity: input.video_capacity,
        }
    }
}

/// Staff by id, of one role or of all.
pub fn staff_list(
    conn: &mut Conn,
    role: Option<Role>,
    after: Option<StaffId>,
    limit: u32,
) -> Result<Page<StaffSummary>, Failure> {
    let page = Rows::read(limit, |most| storage::staff::staff_list(conn, role, after, most), |row| row.id)?;
    Ok(page.map(staff_summary).into())
}

/// Disables a member of staff: their sessions end at once, a doctor's offers and consultations go
/// to others, and address and licence number may be used by somebody else.
///
/// # Errors
/// `NotFound`; `RoleNotAllowed` for one's own account. Disabling twice is not an error.
pub fn staff_disable(tx: &mut Tx<'_>, caller: StaffCaller, id: StaffId) -> Result<StaffSummary, Failure> {
    let row = storage::staff::staff_lock(tx.conn, id)?.ok_or(Code::NotFound)?;
    if id == caller.staff {
        return Err(Code::RoleNotAllowed.into());
    }
    if changes::staff_disable(tx.conn, id, &row.email, tx.now)? {
        let sessions_ended = session::end_all(tx, id, SessionEnd::Disabled)?;
        storage::staff::session::links_void(tx.conn, id, tx.now)?;
        changes::email_changes_void(tx.conn, id, tx.now)?;
        // The old address is still notified that it was replaced.
        let ended = LetterKind::ALL.iter().copied().filter(|kind| *kind != LetterKind::EmailChanged);
        letter::supersede(tx, id, &ended.collect::<Vec<_>>())?;
        if row.role == Role::Doctor {
            changes::doctor_off(tx.conn, id)?;
            keys::doctor::end_live(tx, id, KeyEnd::Disabled)?;
            tx.wake(Topic::Matching);
        }
        tx.record(id, StaffEvent::Disabled { sessions_ended }, Recipients::staff(id))?;
    }
    storage::staff::staff_fetch(tx.conn, id)?.map(staff_summary).ok_or_else(|| Code::NotFound.into())
}

/// Enables a disabled member of staff, with the password and one-time codes they had. Enabling
/// twice is not an error.
///
/// # Errors
/// `NotFound`; `AlreadyExists` when somebody else uses the address or licence number by now.
pub fn staff_enable(tx: &mut Tx<'_>, id: StaffId) -> Result<StaffSummary, Failure> {
    let row = storage::staff::staff_lock(tx.conn, id)?.ok_or(Code::NotFound)?;
    if row.disabled_at.is_none() {
        return Ok(staff_summary(row));
    }
    let email = row.released_email.clone().ok_or(Code::NotFound)?;
    if storage::staff::staff_by_email(tx.conn, &email)?.is_some() {
        return Err(already_exists("email").into());
    }
    let licence_no = match changes::doctor_details(tx.conn, id)? {
        Some(doctor) => doctor.released_licence_no,
        None => changes::pharmacist_details(tx.conn, id)?.and_then(|licence| licence.released_licence_no),
    };
    if let Some(licence_no) = &licence_no
        && changes::licence_holder(tx.conn, row.role, licence_no)?.is_some()
    {
        return Err(already_exists("licence_no").into());
    }
    if changes::staff_enable(tx.conn, id, &email, licence_no.as_deref())? {
        tx.record(id, StaffEvent::Enabled {}, Recipients::staff(id))?;
        // Their rules were not planned meanwhile.
        roster::planning::replan_person(tx, id)?;
    }
    storage::staff::staff_fetch(tx.conn, id)?.map(staff_summary).ok_or_else(|| Code::NotFound.into())
}

pub(crate) fn staff_summary(row: storage::staff::StaffRow) -> StaffSummary {
    StaffSummary {
        invited: row.password_hash.is_none(),
        disabled_at: row.disabled_at,
        created_at: row.created_at,
        version: row.version,
        staff: session::view(row),
    }
}
