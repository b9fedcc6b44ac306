//! What operators change about a member of staff, and a coordinator about a doctor of their hospital: names,
//! hospital, licence, departments, languages, capacity. Another role needs another account, so that what a doctor signed stays a doctor's. The
//! mail address is changed in `email`.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    DoctorInput, PharmacistInput, StaffInput, StaffSummary,
    authenticator::{self, ResetView},
    prepare_staff, session, staff_summary,
};
use crate::{
    AppState, Failure, Recipients, Tx,
    caller::StaffCaller,
    keys,
    network::{import::PreparedStaff, roster::scope::Scope, unknown},
};
use coordination::Topic;
use domain::{
    event::staff::{OffDutyReason, StaffEvent},
    ids::{EmployerId, HospitalId, StaffId},
    keys::KeyEnd,
    matching::presence::Presence,
    precondition::Expected,
    refusal::{Code, FieldProblem, Refusal},
    spelling,
    staff::SessionEnd,
    time::{Timestamp, civil_day},
    words::{Bilingual, Language},
};
use storage::{
    Conn,
    staff::{
        StaffRow,
        change::{self as store, DoctorDetails, PharmacistDetails, StaffDetails},
    },
};

/// The changeable fields of a member of staff, all with their new values.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StaffChange {
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

/// A member of staff with all that operators may change; its version is the ETag.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct StaffDocument {
    /// Who, and whether they are invited or disabled.
    #[serde(flatten)]
    pub summary: StaffSummary,
    /// The fields that only a doctor has.
    pub doctor: Option<DoctorInput>,
    /// A pharmacist's licence; none until it is recorded, and until then they approve nothing.
    pub pharmacist: Option<PharmacistInput>,
    /// The open request to reset the authenticator.
    pub authenticator_reset: Option<ResetView>,
}

/// One member of staff with the version: anybody for an operator, a doctor of their hospital for a
/// coordinator, who does not see the reset of an account.
///
/// # Errors
/// `NotFound`, also for anybody else of whom a coordinator asks.
pub fn staff_fetch(
    conn: &mut Conn,
    caller: StaffCaller,
    id: StaffId,
    now: Timestamp,
) -> Result<(i64, StaffDocument), Failure> {
    let scope = Scope::of(caller)?;
    let found = storage::staff::staff_fetch(conn, id)?.filter(|row| scope.keeps_record(row));
    let row = found.ok_or(Code::NotFound)?;
    let doctor = match store::doctor_details(conn, id)? {
        None => None,
        Some(details) => Some(DoctorInput {
            departments: store::doctor_departments(conn, id)?,
            languages: details.languages.split(';').filter_map(Language::parse).collect(),
            licence_no: details.released_licence_no.unwrap_or(details.licence_no),
            licence_valid_until: details.licence_valid_until,
            licence_verified: details.licence_verified_at.is_some(),
            practising_since: details.practising_since,
            capacity: details.capacity,
            video_capacity: Some(details.video_capacity),
        }),
    };
    let pharmacist = store::pharmacist_details(conn, id)?.map(|details| PharmacistInput {
        licence_no: details.released_licence_no.unwrap_or(details.licence_no),
        licence_valid_until: details.licence_valid_until,
        licence_verified: details.licence_verified_at.is_some(),
    });
    let authenticator_reset = match scope {
        Scope::Network => authenticator::open_reset(&row, now),
        Scope::Hospital(_) => None,
    };
    Ok((row.version, StaffDocument { summary: staff_summary(row), doctor, pharmacist, authenticator_reset }))
}

/// Replaces a member of staff, as [`staff_fetch`] shows them, if its version is the expected one.
///
/// # Errors
/// One problem per bad field; `NotFound`; `PreconditionFailed`; `InvalidField` for a coordinator who
/// verifies a licence, or moves a doctor; `AlreadyExists` for a licence that
/// somebody else has; `StateMovedOn` for somebody who is disabled, or for another hospital while
/// the doctor has live consultations.
pub fn staff_change(
    tx: &mut Tx<'_>,
    caller: StaffCaller,
    id: StaffId,
    expected: &Expected,
    input: StaffChange,
) -> Result<(i64, StaffDocument), Failure> {
    let scope = Scope::of(caller)?;
    let found = storage::staff::staff_lock(tx.conn, id)?.filter(|row| scope.keeps_record(row));
    let row = found.ok_or(Code::NotFound)?;
    expected.resolve(row.version)?;
    if row.disabled_at.is_some() {
        return Err(Refusal::moved_on("disabled").into());
    }
    if let Scope::Hospital(hospital) = scope {
        ensure_hospital_may(tx.conn, hospital, id, &input)?;
    }
    let StaffChange { name_zh, name_en, hospital_id, employer_id, doctor, pharmacist } = input;
    let (role, email) = (row.role, row.email.clone());
    let whole = StaffInput { role, email, name_zh, name_en, hospital_id, employer_id, doctor, pharmacist };
    let verified = whole.licence_verified();
    let prepared = prepare_staff(tx, whole)?;
    let changed = write(tx, &row, prepared, verified)?;
    tx.record(id, StaffEvent::Changed { fields: changed }, Recipients::staff(id))?;
    staff_fetch(tx.conn, caller, id, tx.now)
}

/// A hospital says what its doctors do; that a licence is good is for the operator to say, and so is to
/// which hospital somebody belongs.
fn ensure_hospital_may(
    conn: &mut Conn,
    hospital: HospitalId,
    id: StaffId,
    input: &StaffChange,
) -> Result<(), Failure> {
    let mut problems = Vec::new();
    let mut add = |field: &str, message| {
        let (field, code) = (field.to_owned(), "not_allowed".to_owned());
        problems.push(FieldProblem { field, code, message });
    };
    if input.hospital_id != Some(hospital) {
        let message = Bilingual::fixed(
            "只有运营方能调动医生。",
            "Only an operator moves a doctor to another hospital.",
        );
        add("hospital_id", message);
    }
    if let (Some(old), Some(new)) = (store::doctor_details(conn, id)?, &input.doctor) {
        let same = old.licence_no == new.licence_no && old.licence_valid_until == new.licence_valid_until;
        if new.licence_verified != (same && old.licence_verified_at.is_some()) {
            let message = Bilingual::fixed(
                "执照由运营方核验：号码或有效期更改后为 false，否则保持不变。",
                "An operator verifies the licence: false once its number or last day changes, else as it was.",
            );
            add("licence_verified", message);
        }
    }
    if problems.is_empty() { Ok(()) } else { Err(Refusal::fields(problems).into()) }
}

/// Writes prepared data to a locked row and returns the fields that changed.
pub(crate) fn write(
    tx: &mut Tx<'_>,
    row: &StaffRow,
    new: PreparedStaff,
    verified: bool,
) -> Result<Vec<String>, Failure> {
    let mut changed = BTreeSet::new();
    let mut note = |field: &'static str, differs: bool| differs && changed.insert(field);
    let new = new.record;
    let hospital_id = match &new.hospital_code {
        None => None,
        Some(code) => {
            let known = storage::network::import::hospital_codes(tx.conn)?.get(code).copied();
            Some(known.ok_or_else(|| unknown("hospital_id"))?)
        }
    };
    let employer_id = match &new.employer_code {
        None => None,
        Some(code) => {
            let known = storage::network::import::employer_codes(tx.conn)?.get(code).copied();
            Some(known.ok_or_else(|| unknown("employer_id"))?)
        }
    };
    note("name_zh", row.name_zh != new.name_zh);
    note("name_en", row.name_en != new.name_en);
    // Access tokens contain both, so a change ends the sessions.
    let moved = note("hospital_id", row.hospital_id != hospital_id)
        | note("employer_id", row.employer_id != employer_id);
    if let (Some(doctor), Some(hospital_id)) = (new.doctor, hospital_id) {
        let old = store::doctor_details(tx.conn, row.id)?.ok_or(Code::NotFound)?;
        if old.hospital_id != hospital_id && old.live + old.live_video > 0 {
            return Err(Refusal::moved_on("has_patients").into());
        }
        refuse_taken_licence(tx.conn, row, &doctor.licence_no)?;
        if doctor.capacity != old.capacity
            && let Some((code, message)) = too_many_places(tx.app, doctor.capacity)
        {
            return Err(Refusal::field("capacity", code, message).into());
        }
        let languages: Vec<&str> = doctor.languages.iter().map(|language| language.as_str()).collect();
        let same_licence =
            old.licence_no == doctor.licence_no && old.licence_valid_until == doctor.licence_valid_until;
        let known_verified_at = old.licence_verified_at.filter(|_| same_licence);
        let details = DoctorDetails {
            hospital_id,
            licence_no: doctor.licence_no,
            released_licence_no: None,
            licence_verified_at: verified.then(|| known_verified_at.unwrap_or(tx.now)),
            licence_valid_until: doctor.licence_valid_until,
            practising_since: doctor.practising_since,
            languages: languages.join(";"),
            capacity: doctor.capacity,
            live: old.live,
            video_capacity: doctor.video_capacity.unwrap_or(old.video_capacity),
            live_video: old.live_video,
        };
        note("licence_no", old.licence_no != details.licence_no);
        note("licence_valid_until", old.licence_valid_until != details.licence_valid_until);
        note("licence_verified", old.licence_verified_at.is_some() != verified);
        note("practising_since", old.practising_since != details.practising_since);
        note("languages", old.languages != details.languages);
        note("capacity", old.capacity != details.capacity);
        note("video_capacity", old.video_capacity != details.video_capacity);
        if !store::doctor_write(tx.conn, row.id, &details)? {
            let by_text = old.live > details.capacity;
            let (field, live) =
                if by_text { ("capacity", old.live) } else { ("video_capacity", old.live_video) };
            return Err(too_small(field, live).into());
        }
        let before: BTreeSet<_> = store::doctor_departments(tx.conn, row.id)?.into_iter().collect();
        if note("departments", before != doctor.departments.iter().copied().collect()) {
            store::doctor_departments_write(tx.conn, row.id, &doctor.departments)?;
        }
        // A doctor who may no longer practise is set off duty at once; the licence for other acts
        // is checked where they are done.
        let may_serve = verified && details.licence_valid_until >= civil_day(tx.now);
        if !may_serve {
            keys::doctor::end_live(tx, row.id, KeyEnd::LicenceEnded)?;
        }
        if !may_serve && store::doctor_off(tx.conn, row.id)? {
            let reason = Some(OffDutyReason::Licence);
            let event =
                StaffEvent::DutyChanged { presence: Presence::Off, reason, by: None, away_because: None };
            tx.record(row.id, event, Recipients::staff(row.id))?;
        }
        tx.wake(Topic::Matching);
    }
    if let Some(pharmacist) = new.pharmacist {
        refuse_taken_licence(tx.conn, row, &pharmacist.licence_no)?;
        let old = store::pharmacist_details(tx.conn, row.id)?;
        let (number, until) = (pharmacist.licence_no, pharmacist.licence_valid_until);
        let same_number = old.as_ref().is_some_and(|old| old.licence_no == number);
        let same_day = old.as_ref().is_some_and(|old| old.licence_valid_until == until);
        let old_verified_at = old.and_then(|old| old.licence_verified_at);
        note("licence_no", !same_number);
        note("licence_valid_until", !same_day);
        note("licence_verified", old_verified_at.is_some() != verified);
        let known_verified_at = old_verified_at.filter(|_| same_number && same_day);
        let details = PharmacistDetails {
            licence_no: number,
            released_licence_no: None,
            licence_verified_at: verified.then(|| known_verified_at.unwrap_or(tx.now)),
            licence_valid_until: until,
        };
        store::pharmacist_write(tx.conn, row.id, &details)?;
    }
    let details = StaffDetails { name_zh: &new.name_zh, name_en: &new.name_en, hospital_id, employer_id };
    if !store::staff_write(tx.conn, row.id, row.version, &details)? {
        return Err(Code::PreconditionFailed.into());
    }
    if moved {
        session::end_all(tx, row.id, SessionEnd::Moved)?;
    }
    Ok(changed.into_iter().map(str::to_owned).collect())
}

fn refuse_taken_licence(conn: &mut Conn, row: &StaffRow, licence_no: &str) -> Result<(), Failure> {
    let holder = store::licence_holder(conn, row.role, licence_no)?;
    if holder.is_none_or(|holder| holder == row.id) {
        return Ok(());
    }
    let mut refusal = taken("licence_no");
    refusal.code = Code::AlreadyExists;
    Err(refusal.into())
}

fn too_small(field: &str, live: i32) -> Refusal {
    let message = Bilingual::made(
        format!("该医生正在接诊 {live} 人，容量不能更小。"),
        format!("The doctor holds {live} consultations now; the capacity must not be smaller."),
    );
    Refusal::field(field, "out_of_range", message)
}

/// The code and message of the problem of more places for text than the policy allows.
pub(crate) fn too_many_places(app: &AppState, wanted: i32) -> Option<(&'static str, Bilingual)> {
    let most = app.policy.matching.most_text_places;
    let fits = u32::try_from(wanted).is_ok_and(|wanted| wanted <= most);
    let message = Bilingual::made(
        format!("本网络每名医生同时的图文问诊最多 {most} 个。"),
        format!("In this network a doctor has at most {most} consultations by text at once."),
    );
    (!fits).then_some(("out_of_range", message))
}

/// The refusal of a value that somebody else has.
pub(crate) fn taken(field: &str) -> Refusal {
    Refusal::field(field, "already_exists", Bilingual::fixed("已存在。", "It already exists."))
}

/// Checks a mail address by the rules of a staff record.
///
/// # Errors
/// `InvalidField`.
pub(crate) fn check_email(field: &str, email: &str) -> Result<(), Failure> {
    let problems = domain::staff::check_email(field, email);
    if problems.is_empty() { Ok(()) } else { Err(Refusal::fields(problems).into()) }
}
