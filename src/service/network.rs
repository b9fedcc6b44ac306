//! Operators run the network: its places, its people, its roster. Reading a
//! worker's personal data is logged.

use std::collections::HashMap;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::{
    Failure, Hearers, House, Tx,
    caller::StaffCaller,
    import::{self, ImportError, PreparedStaff},
    staff_session::{self, StaffView},
};
use crate::{
    crypto::blind::BlindField,
    domain::{
        ids::{CabinetId, EmployerId, HospitalId, ShiftId, StaffId, StationId, WorkerId},
        matching::Department,
        network::{
            DoctorRecord, EmployerRecord, HospitalRecord, Job, OperatorRecord, PharmacistRecord, Record,
            RestockerRecord, SafetyOfficerRecord, Secret, Sex, ShiftRecord, StationRecord, WorkerRecord,
        },
        prescription::{CabinetLane, EncounterLane},
        refusal::{Code, FieldProblem, Refusal},
        role::Role,
        time::{civil_day, end_of_civil_day},
        vitals::ReadingKind,
        words::{Bilingual, Language},
    },
    storage::{Conn, directory as store, intake, staff, workers},
};

/// A page of a list.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Page<T> {
    /// The entries, by id.
    pub items: Vec<T>,
    /// The `after` of the next page; null on the last.
    pub next_after: Option<uuid::Uuid>,
}

impl<T> Page<T> {
    fn of(items: Vec<T>, limit: i64, id: impl Fn(&T) -> uuid::Uuid) -> Self {
        let full = i64::try_from(items.len()).unwrap_or(0) == limit;
        Self { next_after: items.last().filter(|_| full).map(id), items }
    }
}

/// A new station.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StationInput {
    /// Its code on signs and in letters: `a-z 0-9 -`.
    #[schema(max_length = 32)]
    pub code: String,
    /// Name in Chinese.
    #[schema(max_length = 80)]
    pub name_zh: String,
    /// Name in English.
    #[schema(max_length = 80)]
    pub name_en: String,
    /// District or county, as a code.
    #[schema(max_length = 32)]
    pub district: String,
    /// Degrees north, in millionths.
    #[schema(minimum = 3000000, maximum = 54000000)]
    pub latitude_e6: i32,
    /// Degrees east, in millionths.
    #[schema(minimum = 73000000, maximum = 136000000)]
    pub longitude_e6: i32,
    /// The lanes that consultations here may use; the network's default if left out.
    pub encounter_lanes: Option<Vec<EncounterLane>>,
    /// Whether a cabinet stands there too; yes if left out.
    pub cabinet: Option<bool>,
    /// The cabinet's lane; the network's default if left out.
    pub cabinet_lane: Option<CabinetLane>,
}

/// A station.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[allow(missing_docs)]
pub struct StationView {
    pub id: StationId,
    pub code: String,
    pub name_zh: String,
    pub name_en: String,
    pub district: String,
    pub latitude_e6: i32,
    pub longitude_e6: i32,
    pub encounter_lanes: Vec<String>,
    /// The cabinet beside the screen.
    pub cabinet_id: Option<CabinetId>,
    pub created_at: DateTime<Utc>,
}

/// A new hospital.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct HospitalInput {
    #[schema(max_length = 32)]
    pub code: String,
    #[schema(max_length = 80)]
    pub name_zh: String,
    #[schema(max_length = 80)]
    pub name_en: String,
    #[schema(max_length = 32)]
    pub district: String,
    /// Its share in weighted fairness.
    #[schema(minimum = 1, maximum = 1000)]
    pub weight: i32,
}

/// A hospital.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[allow(missing_docs)]
pub struct HospitalView {
    pub id: HospitalId,
    pub code: String,
    pub name_zh: String,
    pub name_en: String,
    pub district: String,
    pub weight: i32,
    pub created_at: DateTime<Utc>,
}

/// A new employer.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct EmployerInput {
    #[schema(max_length = 32)]
    pub code: String,
    #[schema(max_length = 80)]
    pub name_zh: String,
    #[schema(max_length = 80)]
    pub name_en: String,
}

/// An employer.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[allow(missing_docs)]
pub struct EmployerView {
    pub id: EmployerId,
    pub code: String,
    pub name_zh: String,
    pub name_en: String,
    pub created_at: DateTime<Utc>,
}

/// Somebody who joins the staff; they get an invitation.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StaffInput {
    /// Doctor, pharmacist, operator, restocker or employer (safety officer).
    pub role: Role,
    /// The mail address to sign in with.
    #[schema(max_length = 254)]
    pub email: String,
    /// Name in Chinese.
    #[schema(max_length = 80)]
    pub name_zh: String,
    /// Name in English or pinyin.
    #[schema(max_length = 80)]
    pub name_en: String,
    /// A doctor's hospital.
    pub hospital_id: Option<HospitalId>,
    /// A safety officer's employer.
    pub employer_id: Option<EmployerId>,
    /// What a doctor has beside.
    pub doctor: Option<DoctorInput>,
}

/// What a doctor has beside other staff.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DoctorInput {
    /// Number of the licence to practise.
    #[schema(max_length = 64)]
    pub licence_no: String,
    /// The licence's last day.
    pub licence_valid_until: NaiveDate,
    /// Whether the operator has verified the licence; without it the doctor gets no offers.
    pub licence_verified: bool,
    /// First day of independent practice.
    pub practising_since: NaiveDate,
    /// Departments served, the main one first.
    pub departments: Vec<Department>,
    /// Languages of consultation.
    pub languages: Vec<Language>,
    /// Live consultations held at a time, at most.
    #[schema(minimum = 1, maximum = 10)]
    pub capacity: i32,
}

/// A member of staff, as operators see them.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct StaffSummary {
    /// Who.
    pub staff: StaffView,
    /// Whether the invitation is still to be answered.
    pub invited: bool,
    /// Since when they may not sign in.
    pub disabled_at: Option<DateTime<Utc>>,
    /// Since when they are known.
    pub created_at: DateTime<Utc>,
}

/// A new worker with a card.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WorkerInput {
    /// 12 digits, the last a Luhn check digit.
    #[schema(min_length = 12, max_length = 12)]
    pub card_number: String,
    /// Six digits.
    pub pin: Secret,
    /// Name, as on the identity document.
    #[schema(max_length = 80)]
    pub name: String,
    /// Mobile phone, 11 digits.
    #[schema(min_length = 11, max_length = 11)]
    pub phone: String,
    /// Day of birth.
    pub birth_date: NaiveDate,
    /// Sex.
    pub sex: Sex,
    /// Job.
    pub job: Job,
    /// The employer; none for the self-employed.
    pub employer_id: Option<EmployerId>,
    /// The language of screens and doctors; Chinese if left out.
    pub language: Option<Language>,
}

/// A worker, as operators see them. No health data.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct WorkerSummary {
    /// Who.
    pub id: WorkerId,
    /// Name.
    pub name: String,
    /// Phone, its middle hidden.
    pub phone: String,
    /// Day of birth.
    pub birth_date: Option<NaiveDate>,
    /// Sex.
    pub sex: Option<Sex>,
    /// Job.
    pub job: Option<Job>,
    /// Employer.
    pub employer_id: Option<EmployerId>,
    /// Language.
    pub language: Language,
    /// Whether they have a card; a walk-in has none.
    pub has_card: bool,
    /// The worker that a walk-in turned out to be.
    pub merged_into: Option<WorkerId>,
    /// Since when they are known.
    pub created_at: DateTime<Utc>,
}

/// How a worker is looked for: exactly one of the two.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
pub struct WorkerQuery {
    /// The whole phone number.
    pub phone: Option<String>,
    /// The whole card number.
    pub card_number: Option<String>,
}

/// A new shift.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ShiftInput {
    /// Whose.
    pub staff_id: StaffId,
    /// First instant on call.
    pub starts_at: DateTime<Utc>,
    /// First instant off call again; 24 hours later at most.
    pub ends_at: DateTime<Utc>,
}

/// A shift.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[allow(missing_docs)]
pub struct ShiftView {
    pub id: ShiftId,
    pub staff_id: StaffId,
    pub starts_at: DateTime<Utc>,
    pub ends_at: DateTime<Utc>,
}

/// The network in figures.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[allow(missing_docs)]
pub struct NetworkCounts {
    pub stations: i64,
    pub cabinets: i64,
    pub hospitals: i64,
    pub doctors_available: i64,
    pub doctors_on_shift: i64,
    /// Waiting or offered.
    pub waiting: i64,
    pub active: i64,
    pub completed_today: i64,
    pub vended_today: i64,
    pub in_doubt: i64,
}

/// Whether one worker may work at height now. Never why.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct FitnessItem {
    /// Who.
    pub worker_id: WorkerId,
    /// `fit` or `hold`.
    pub fit: String,
}

/// Adds a station, with a cabinet unless told not to.
///
/// # Errors
/// One problem per bad field; `AlreadyExists` for a code that is taken.
pub fn station_add(tx: &mut Tx<'_>, input: StationInput) -> Result<StationView, Failure> {
    let record = StationRecord {
        code: input.code,
        name_zh: input.name_zh,
        name_en: input.name_en,
        district: input.district,
        latitude_e6: input.latitude_e6,
        longitude_e6: input.longitude_e6,
        encounter_lanes: input.encounter_lanes.unwrap_or_else(|| tx.house.policy.encounter_lanes.clone()),
    };
    checked(tx, &record)?;
    let code = record.code.clone();
    let lane = input.cabinet_lane.unwrap_or(tx.house.policy.cabinet_lane);
    import::stations(tx, &[(1, record)], false).map_err(one_row)?;
    if input.cabinet.unwrap_or(true) {
        let cabinet = crate::domain::network::CabinetRecord { station_code: code.clone(), lane };
        import::cabinets(tx, &[(1, cabinet)]).map_err(one_row)?;
    }
    let id = intake::station_codes(tx.conn)?.get(&code).copied().ok_or(Code::NotFound)?;
    tx.record("station", id, "station.added", json!({"code": code}), Hearers::nobody())?;
    station_fetch(tx.conn, id)
}

/// One station.
pub fn station_fetch(conn: &mut Conn, id: StationId) -> Result<StationView, Failure> {
    let row = store::station_fetch(conn, id)?.ok_or(Code::NotFound)?;
    let cabinet = store::cabinets_of(conn, &[id])?.first().map(|(_, cabinet)| *cabinet);
    Ok(station_view(row, cabinet))
}

/// Stations by id.
pub fn station_list(
    conn: &mut Conn,
    after: Option<StationId>,
    limit: i64,
) -> Result<Page<StationView>, Failure> {
    let rows = store::station_list(conn, after, limit)?;
    let ids: Vec<StationId> = rows.iter().map(|row| row.id).collect();
    let cabinets: HashMap<StationId, CabinetId> = store::cabinets_of(conn, &ids)?.into_iter().collect();
    let views = rows.into_iter().map(|row| {
        let cabinet = cabinets.get(&row.id).copied();
        station_view(row, cabinet)
    });
    Ok(Page::of(views.collect(), limit, |view| view.id.uuid()))
}

fn station_view(row: store::StationRow, cabinet_id: Option<CabinetId>) -> StationView {
    StationView {
        id: row.id,
        code: row.code,
        name_zh: row.name_zh,
        name_en: row.name_en,
        district: row.district,
        latitude_e6: row.latitude_e6,
        longitude_e6: row.longitude_e6,
        encounter_lanes: row.encounter_lanes.split(';').map(str::to_owned).collect(),
        cabinet_id,
        created_at: row.created_at,
    }
}

/// Adds a hospital.
///
/// # Errors
/// One problem per bad field; `AlreadyExists`.
pub fn hospital_add(tx: &mut Tx<'_>, input: HospitalInput) -> Result<HospitalView, Failure> {
    let HospitalInput { code, name_zh, name_en, district, weight } = input;
    let record = HospitalRecord { code, name_zh, name_en, district, weight };
    checked(tx, &record)?;
    import::hospitals(tx, &[(1, record.clone())]).map_err(one_row)?;
    let id = intake::hospital_codes(tx.conn)?.get(&record.code).copied().ok_or(Code::NotFound)?;
    tx.record("hospital", id, "hospital.added", json!({"code": record.code}), Hearers::nobody())?;
    let HospitalRecord { code, name_zh, name_en, district, weight } = record;
    Ok(HospitalView { id, code, name_zh, name_en, district, weight, created_at: tx.now })
}

/// Hospitals by id.
pub fn hospital_list(
    conn: &mut Conn,
    after: Option<HospitalId>,
    limit: i64,
) -> Result<Page<HospitalView>, Failure> {
    let views = store::hospital_list(conn, after, limit)?.into_iter().map(|row| HospitalView {
        id: row.id,
        code: row.code,
        name_zh: row.name_zh,
        name_en: row.name_en,
        district: row.district,
        weight: row.weight,
        created_at: row.created_at,
    });
    Ok(Page::of(views.collect(), limit, |view| view.id.uuid()))
}

/// Adds an employer.
///
/// # Errors
/// One problem per bad field; `AlreadyExists`.
pub fn employer_add(tx: &mut Tx<'_>, input: EmployerInput) -> Result<EmployerView, Failure> {
    let EmployerInput { code, name_zh, name_en } = input;
    let record = EmployerRecord { code, name_zh, name_en };
    checked(tx, &record)?;
    import::employers(tx, &[(1, record.clone())]).map_err(one_row)?;
    let id = intake::employer_codes(tx.conn)?.get(&record.code).copied().ok_or(Code::NotFound)?;
    tx.record("employer", id, "employer.added", json!({"code": record.code}), Hearers::nobody())?;
    let EmployerRecord { code, name_zh, name_en } = record;
    Ok(EmployerView { id, code, name_zh, name_en, created_at: tx.now })
}

/// Employers by id.
pub fn employer_list(
    conn: &mut Conn,
    after: Option<EmployerId>,
    limit: i64,
) -> Result<Page<EmployerView>, Failure> {
    let views = store::employer_list(conn, after, limit)?.into_iter().map(|row| EmployerView {
        id: row.id,
        code: row.code,
        name_zh: row.name_zh,
        name_en: row.name_en,
        created_at: row.created_at,
    });
    Ok(Page::of(views.collect(), limit, |view| view.id.uuid()))
}

/// Adds somebody to the staff and sends an invitation.
///
/// # Errors
/// One problem per bad field; `AlreadyExists` for an address or licence that is taken.
pub fn staff_invite(tx: &mut Tx<'_>, input: StaffInput) -> Result<StaffSummary, Failure> {
    let verified = input.doctor.as_ref().is_some_and(|doctor| doctor.licence_verified);
    let prepared = prepare_staff(tx, input)?;
    let email = prepared.email.clone();
    import::doctors(tx, &[(1, prepared)], true, verified).map_err(one_row)?;
    let row = staff::staff_by_email(tx.conn, &email)?.ok_or(Code::NotFound)?;
    tx.record("staff", row.id, "staff.invited", json!({"role": row.role}), Hearers::nobody())?;
    Ok(staff_summary(row))
}

fn prepare_staff(tx: &mut Tx<'_>, input: StaffInput) -> Result<PreparedStaff, Failure> {
    let StaffInput { role, email, name_zh, name_en, hospital_id, employer_id, doctor } = input;
    let email = email.trim().to_lowercase();
    let password = None;
    Ok(match role {
        Role::Doctor => {
            let doctor = doctor.ok_or_else(|| missing("doctor"))?;
            let hospital = hospital_id.ok_or_else(|| missing("hospital_id"))?;
            let hospital_code =
                store::hospital_code(tx.conn, hospital)?.ok_or_else(|| unknown("hospital_id"))?;
            let record = DoctorRecord {
                email,
                name_zh,
                name_en,
                hospital_code,
                licence_no: doctor.licence_no,
                licence_valid_until: doctor.licence_valid_until,
                practising_since: doctor.practising_since,
                departments: doctor.departments,
                languages: doctor.languages,
                capacity: doctor.capacity,
                password,
            };
            checked(tx, &record)?;
            PreparedStaff::doctor(record).0
        }
        Role::Pharmacist => {
            let record = PharmacistRecord { email, name_zh, name_en, password };
            checked(tx, &record)?;
            PreparedStaff::pharmacist(record).0
        }
        Role::Restocker => {
            let record = RestockerRecord { email, name_zh, name_en, password };
            checked(tx, &record)?;
            PreparedStaff::restocker(record).0
        }
        Role::Operator => {
            let record = OperatorRecord { email, name_zh, name_en, password };
            checked(tx, &record)?;
            PreparedStaff::operator(record).0
        }
        Role::Employer => {
            let employer = employer_id.ok_or_else(|| missing("employer_id"))?;
            let employer_code =
                store::employer_code(tx.conn, employer)?.ok_or_else(|| unknown("employer_id"))?;
            let record = SafetyOfficerRecord { email, name_zh, name_en, employer_code, password };
            checked(tx, &record)?;
            PreparedStaff::safety_officer(record).0
        }
        Role::Station | Role::Worker | Role::Cabinet => {
            let message = Bilingual::fixed("不是员工角色。", "That is no role of staff.");
            return Err(Refusal::field("role", "unknown_value", message).into());
        }
    })
}

/// Staff by id, of one role or of all.
pub fn staff_list(
    conn: &mut Conn,
    role: Option<Role>,
    after: Option<StaffId>,
    limit: i64,
) -> Result<Page<StaffSummary>, Failure> {
    let views = staff::staff_list(conn, role, after, limit)?.into_iter().map(staff_summary);
    Ok(Page::of(views.collect(), limit, |view| view.staff.id.uuid()))
}

/// Disables a member of staff: their sessions end at once.
///
/// # Errors
/// `NotFound`; nobody disables themselves. Disabling twice is no error.
pub fn staff_disable(tx: &mut Tx<'_>, caller: StaffCaller, id: StaffId) -> Result<StaffSummary, Failure> {
    let row = staff::staff_fetch(tx.conn, id)?.ok_or(Code::NotFound)?;
    if id == caller.staff {
        return Err(Code::RoleNotAllowed.into());
    }
    if staff::staff_disable(tx.conn, id, tx.now)? {
        let ended = staff_session::end_all(tx, id)?;
        crate::storage::staff_sessions::links_void(tx.conn, id, tx.now)?;
        if row.role == Role::Doctor {
            store::doctor_off(tx.conn, id)?;
        }
        tx.record("staff", id, "staff.disabled", json!({"sessions_ended": ended}), Hearers::staff(id))?;
    }
    staff::staff_fetch(tx.conn, id)?.map(staff_summary).ok_or_else(|| Code::NotFound.into())
}

fn staff_summary(row: staff::StaffRow) -> StaffSummary {
    StaffSummary {
        invited: row.password_hash.is_none(),
        disabled_at: row.disabled_at,
        created_at: row.created_at,
        staff: staff_session::view(row),
    }
}

/// Adds a worker with a card.
///
/// # Errors
/// One problem per bad field; `AlreadyExists` for a card that is taken.
pub fn worker_add(tx: &mut Tx<'_>, input: WorkerInput) -> Result<WorkerSummary, Failure> {
    let record = WorkerRecord {
        card_number: input.card_number,
        pin: input.pin,
        name: input.name,
        phone: input.phone,
        birth_date: input.birth_date,
        sex: input.sex,
        job: input.job,
        employer_code: match input.employer_id {
            Some(id) => Some(store::employer_code(tx.conn, id)?.ok_or_else(|| unknown("employer_id"))?),
            None => None,
        },
        language: input.language.unwrap_or_default(),
    };
    checked(tx, &record)?;
    let index = tx.house.keys.blind.of(BlindField::CardNumber, &record.card_number);
    let prepared = import::PreparedWorkers::make(tx.house, [(1, record)])?;
    import::workers(tx, prepared, None).map_err(one_row)?;
    let row = workers::worker_by_card(tx.conn, &index)?.ok_or(Code::NotFound)?;
    tx.record("worker", row.id, "worker.registered", json!({}), Hearers::worker(row.id))?;
    worker_summary(tx.conn, tx.house, row)
}

/// Workers by exact phone or card number; each one shown is logged as read.
///
/// # Errors
/// `InvalidParameter` unless exactly one of the two is given.
pub fn worker_find(tx: &mut Tx<'_>, query: &WorkerQuery) -> Result<Page<WorkerSummary>, Failure> {
    let ids = match (&query.phone, &query.card_number) {
        (Some(phone), None) => {
            let index = tx.house.keys.blind.of(BlindField::Phone, phone);
            store::workers_by_phone(tx.conn, &index, 100)?
        }
        (None, Some(card)) => {
            let index = tx.house.keys.blind.of(BlindField::CardNumber, card);
            workers::worker_by_card(tx.conn, &index)?.map(|row| row.id).into_iter().collect()
        }
        (Some(_), Some(_)) | (None, None) => return Err(Code::InvalidParameter.into()),
    };
    let items = ids.into_iter().map(|id| worker_fetch(tx, id)).collect::<Result<_, _>>()?;
    Ok(Page { items, next_after: None })
}

/// One worker; the reading is logged.
pub fn worker_fetch(tx: &mut Tx<'_>, id: WorkerId) -> Result<WorkerSummary, Failure> {
    let row = workers::worker_fetch(tx.conn, id)?.ok_or(Code::NotFound)?;
    tx.record("worker", id, "record.read", json!({"part": "identity"}), Hearers::nobody())?;
    worker_summary(tx.conn, tx.house, row)
}

fn worker_summary(conn: &mut Conn, house: &House, row: workers::WorkerRow) -> Result<WorkerSummary, Failure> {
    let (has_card, created_at) = store::worker_standing(conn, row.id)?;
    let phone = house.open("worker", "phone_sealed", row.id, &row.phone_sealed)?;
    Ok(WorkerSummary {
        id: row.id,
        name: house.open("worker", "name_sealed", row.id, &row.name_sealed)?,
        phone: masked(&phone),
        birth_date: row.birth_date,
        sex: row.sex,
        job: row.job,
        employer_id: row.employer_id,
        language: row.language,
        has_card,
        merged_into: row.merged_into,
        created_at,
    })
}

/// `15400000001` -> `154****0001`
fn masked(phone: &str) -> String {
    let place = |(at, digit): (usize, char)| if (3..7).contains(&at) { '*' } else { digit };
    phone.chars().enumerate().map(place).collect()
}

/// Adds a shift.
///
/// # Errors
/// One problem per bad field; `NotFound`; `AlreadyExists` where it meets another.
pub fn shift_add(tx: &mut Tx<'_>, input: &ShiftInput) -> Result<ShiftView, Failure> {
    let person = staff::staff_fetch(tx.conn, input.staff_id)?.ok_or(Code::NotFound)?;
    let record =
        ShiftRecord { staff_email: person.email, starts_at: input.starts_at, ends_at: input.ends_at };
    checked(tx, &record)?;
    let id = ShiftId::generate();
    if store::shift_overlaps(tx.conn, input.staff_id, input.starts_at, input.ends_at)?
        || !intake::shift_add(tx.conn, id, input.staff_id, input.starts_at, input.ends_at)?
    {
        return Err(Code::AlreadyExists.into());
    }
    let payload = json!({"shift": id, "starts_at": input.starts_at, "ends_at": input.ends_at});
    tx.record("staff", input.staff_id, "staff.shift_added", payload, Hearers::staff(input.staff_id))?;
    Ok(ShiftView { id, staff_id: input.staff_id, starts_at: input.starts_at, ends_at: input.ends_at })
}

/// Shifts that have not ended.
pub fn shift_list(
    conn: &mut Conn,
    house: &House,
    staff_id: Option<StaffId>,
    after: Option<ShiftId>,
    limit: i64,
) -> Result<Page<ShiftView>, Failure> {
    let views = store::shift_list(conn, staff_id, house.now(), after, limit)?.into_iter().map(|row| {
        ShiftView { id: row.id, staff_id: row.staff_id, starts_at: row.starts_at, ends_at: row.ends_at }
    });
    Ok(Page::of(views.collect(), limit, |view| view.id.uuid()))
}

/// The network in figures.
pub fn counts(conn: &mut Conn, house: &House) -> Result<NetworkCounts, Failure> {
    let now = house.now();
    let today = end_of_civil_day(now, 0) + TimeDelta::microseconds(1) - TimeDelta::days(1);
    let figures = store::figures(conn, now, today)?;
    Ok(NetworkCounts {
        stations: figures.stations,
        cabinets: figures.cabinets,
        hospitals: figures.hospitals,
        doctors_available: figures.doctors_available,
        doctors_on_shift: figures.doctors_on_shift,
        waiting: figures.waiting,
        active: figures.active,
        completed_today: figures.completed_today,
        vended_today: figures.vended_today,
        in_doubt: figures.in_doubt,
    })
}

/// Blood pressure from which nobody works at height, mmHg.
/// Source: house rules, fitness for work at height [P].
const HOLD_FROM: (i64, i64) = (160, 100);

/// The fitness of an employer's own people, from the newest blood pressure and
/// breath test of the last 24 hours: hold at 160/100 and over, and at any
/// alcohol. No reading is shown. Source: house rules, fitness for work at height [P].
pub fn fitness(
    conn: &mut Conn,
    house: &House,
    caller: StaffCaller,
    after: Option<WorkerId>,
    limit: i64,
) -> Result<Page<FitnessItem>, Failure> {
    let employer = caller.employer.ok_or(Code::RoleNotAllowed)?;
    let people = store::workers_of_employer(conn, employer, after, limit)?;
    let mut holds: HashMap<(WorkerId, bool), bool> = HashMap::new();
    for (worker, kind, value, second) in
        store::fitness_readings(conn, &people, house.now() - TimeDelta::hours(24))?
    {
        let alcohol = kind == ReadingKind::BreathAlcohol;
        let hold =
            if alcohol { value > 0 } else { value >= HOLD_FROM.0 || second.unwrap_or(0) >= HOLD_FROM.1 };
        // The newest of each kind stands: they come oldest first.
        holds.insert((worker, alcohol), hold);
    }
    let held = |worker| [true, false].iter().any(|kind| holds.get(&(worker, *kind)) == Some(&true));
    let item =
        |worker_id| FitnessItem { worker_id, fit: if held(worker_id) { "hold" } else { "fit" }.to_owned() };
    Ok(Page::of(people.into_iter().map(item).collect(), limit, |item| item.worker_id.uuid()))
}

fn checked(tx: &Tx<'_>, record: &impl Record) -> Result<(), Failure> {
    let problems = record.validate(civil_day(tx.now));
    if problems.is_empty() { Ok(()) } else { Err(Refusal::fields(problems).into()) }
}

fn missing(field: &str) -> Refusal {
    Refusal::field(field, "missing_field", Bilingual::fixed("缺少必填字段", "this role needs it"))
}

fn unknown(field: &str) -> Refusal {
    Refusal::field(field, "unknown", Bilingual::fixed("网络中没有。", "The network knows none such."))
}

/// The problems of a file of one row, as those of a form.
fn one_row(error: ImportError) -> Failure {
    match error {
        ImportError::Failed(failure) => failure,
        ImportError::File(error) => Failure::Fault(error.to_string()),
        ImportError::Rows(problems) => {
            let taken = problems.iter().all(|problem| problem.code == "already_exists");
            let fields: Vec<FieldProblem> = problems
                .into_iter()
                .map(|bad| FieldProblem { field: bad.field, code: bad.code, message: bad.message })
                .collect();
            let mut refusal = Refusal::fields(fields);
            if taken {
                refusal.code = Code::AlreadyExists;
            }
            refusal.into()
        }
    }
}
