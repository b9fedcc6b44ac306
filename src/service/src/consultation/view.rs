//! A consultation as worker and doctor see it.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    attendance::{Presences, WorkerPresence},
    close::Diagnosis,
    estimate::{self, Estimate},
    record::in_care,
};
use crate::{
    AppState, Failure, HealthAccess, Part,
    network::me,
    page::{Rows, page},
    triage,
};
use domain::{
    consultation::{CancelReason, ConsultationState, OfferState},
    ids::{ConsultationId, HospitalId, OfferId, StaffId, StationId, WorkerId},
    matching::Department,
    prescription::EncounterLane,
    refusal::Code,
    triage::{EMERGENCY_NUMBER, RedFlag, SymptomFlag, TriageLevel},
};
use storage::{
    Conn,
    consultation::{self as store, ConsultationRow},
};

#[derive(Debug, Serialize, ToSchema)]
pub struct ConsultationView {
    pub id: ConsultationId,
    /// Who seeks care.
    pub worker_id: WorkerId,
    /// At which station.
    pub station_id: StationId,
    pub state: ConsultationState,
    pub lane: EncounterLane,
    pub department: Department,
    /// In the worker's own words; empty for the doctor of one that has ended, and once the
    /// consent to care is withdrawn.
    pub complaint: String,
    /// Signs that were reported; none for the doctor of one that has ended.
    pub symptoms: Vec<SymptomFlag>,
    /// How soon a doctor must see the worker.
    pub triage: TriageLevel,
    /// The number to call at once; only in an emergency.
    pub emergency_number: Option<String>,
    /// Why it is an emergency, and what to do until help comes. Flags that were raised
    /// stay until the consultation ends.
    pub red_flags: Vec<RedFlag>,
    /// Since when the worker has been waiting.
    pub requested_at: DateTime<Utc>,
    /// Place in the queue, from 1; only while waiting.
    pub position: Option<i64>,
    /// How long it may take; only while waiting.
    pub estimate: Option<Estimate>,
    /// The open offer; only while offered.
    pub offer: Option<OfferBrief>,
    /// The doctor who accepted it.
    pub doctor: Option<DoctorBrief>,
    /// That doctor's hospital.
    pub hospital_id: Option<HospitalId>,
    /// When that doctor accepted.
    pub accepted_at: Option<DateTime<Utc>>,
    /// When it ended.
    pub ended_at: Option<DateTime<Utc>>,
    /// Why it was cancelled: by the worker, because the worker did not come to the doctor
    /// who accepted (`no_show`), or because they left the queue and did not come back in time.
    pub cancel_reason: Option<CancelReason>,
    /// Whether the worker is present.
    pub worker: WorkerPresence,
    /// The doctor's summary.
    pub summary: Option<String>,
    /// The doctor's diagnoses.
    pub diagnoses: Vec<Diagnosis>,
    /// The worker's rating, 1 to 5.
    pub rating: Option<i32>,
}

impl ConsultationView {
    /// Removes what the worker stated.
    fn withhold(&mut self) {
        self.complaint.clear();
        self.symptoms.clear();
        self.red_flags.clear();
    }
}

/// An open offer, as the worker may know it.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct OfferBrief {
    pub id: OfferId,
    /// When it ends unanswered.
    pub expires_at: DateTime<Utc>,
}

/// A doctor's name.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct DoctorBrief {
    pub id: StaffId,
    /// Name in Chinese.
    pub name_zh: String,
    /// Name in English.
    pub name_en: String,
}

page! {
    /// Several consultations.
    ConsultationsView of ConsultationView, "Newest first for a worker, oldest first for a doctor.",
    after ConsultationId
}

/// A worker's own consultation.
///
/// # Errors
/// `NotFound` for anybody else's.
pub(crate) fn of_worker(
    conn: &mut Conn,
    app: &AppState,
    worker: WorkerId,
    id: ConsultationId,
) -> Result<ConsultationView, Failure> {
    match store::consultation_fetch(conn, id)? {
        Some(row) if row.worker_id == worker => build_one(conn, app, row),
        _ => Err(Code::NotFound.into()),
    }
}

/// A consultation that a doctor has, had, or is being offered.
///
/// # Errors
/// `NotFound` for any other.
pub(crate) fn of_doctor(
    conn: &mut Conn,
    app: &AppState,
    shown: &mut HealthAccess,
    doctor: StaffId,
    id: ConsultationId,
) -> Result<ConsultationView, Failure> {
    let row = row_of_doctor(conn, doctor, id)?;
    shown.note(row.worker_id, Part::Consultation, id);
    build_one(conn, app, row)
}

/// The row behind [`of_doctor`].
pub(super) fn row_of_doctor(
    conn: &mut Conn,
    doctor: StaffId,
    id: ConsultationId,
) -> Result<ConsultationRow, Failure> {
    let row = store::consultation_fetch(conn, id)?.ok_or(Code::NotFound)?;
    if row.doctor_id == Some(doctor) {
        return Ok(row);
    }
    let is_offered = match row.offer_id {
        Some(offer) => store::offer_fetch(conn, offer)?
            .is_some_and(|offer| offer.doctor_id == doctor && offer.state == OfferState::Open),
        None => false,
    };
    if is_offered { Ok(row) } else { Err(Code::NotFound.into()) }
}

/// A consultation for its worker or doctor. After it has ended, the doctor can read what
/// they wrote themselves, but no longer what the worker stated.
pub fn fetch(
    conn: &mut Conn,
    app: &AppState,
    shown: &mut HealthAccess,
    actor: crate::Actor,
    id: ConsultationId,
) -> Result<ConsultationView, Failure> {
    match actor {
        crate::Actor::Worker(worker) => of_worker(conn, app, worker.worker, id),
        crate::Actor::Staff(staff) => {
            let mut view = of_doctor(conn, app, shown, staff.staff, id)?;
            let consents = me::consents_to_care(conn, view.worker_id)?;
            if !consents || !in_care(conn, app, id, view.state, view.ended_at)? {
                view.withhold();
            }
            Ok(view)
        }
        _ => Err(Code::RoleNotAllowed.into()),
    }
}

/// A page of a worker's consultations.
pub fn list_for_worker(
    conn: &mut Conn,
    app: &AppState,
    worker: WorkerId,
    after: Option<ConsultationId>,
    limit: u32,
) -> Result<ConsultationsView, Failure> {
    let read = |most| store::consultations_of_worker(conn, worker, after, most);
    let page = Rows::read(limit, read, |row| row.id)?;
    Ok(page.show(|rows| build_all(conn, app, &rows))?.into())
}

/// The live consultations of a doctor.
pub fn list_for_doctor(
    conn: &mut Conn,
    app: &AppState,
    shown: &mut HealthAccess,
    doctor: StaffId,
) -> Result<ConsultationsView, Failure> {
    let rows = store::consultations_of_doctor(conn, doctor)?;
    if rows.is_empty() {
        return Ok(ConsultationsView { items: Vec::new(), next_after: None });
    }
    for row in &rows {
        shown.note(row.worker_id, Part::Consultation, row.id);
    }
    let mut items = build_all(conn, app, &rows)?;
    let people: Vec<WorkerId> = rows.iter().map(|row| row.worker_id).collect();
    let willing = me::consenting_to_care(conn, &people)?;
    for view in &mut items {
        if !willing.contains(&view.worker_id) {
            view.withhold();
        }
    }
    Ok(ConsultationsView { items, next_after: None })
}

fn build_all(
    conn: &mut Conn,
    app: &AppState,
    rows: &[ConsultationRow],
) -> Result<Vec<ConsultationView>, Failure> {
    let presences = Presences::read(conn, &rows.iter().collect::<Vec<_>>())?;
    let doctors: BTreeSet<StaffId> = rows.iter().filter_map(|row| row.doctor_id).collect();
    let doctors = match Vec::from_iter(doctors) {
        none if none.is_empty() => Vec::new(),
        some => storage::matching::doctor::staff_names(conn, &some)?,
    };
    rows.iter()
        .map(|row| {
            let doctor = doctors.iter().find(|(id, ..)| Some(*id) == row.doctor_id).cloned();
            let doctor = doctor.map(|(id, name_zh, name_en)| DoctorBrief { id, name_zh, name_en });
            build(conn, app, row, doctor, presences.of(row))
        })
        .collect()
}

fn build_one(conn: &mut Conn, app: &AppState, row: ConsultationRow) -> Result<ConsultationView, Failure> {
    build_all(conn, app, &[row])?.pop().ok_or_else(|| Code::NotFound.into())
}

/// Reads place and offer of a consultation that waits or is offered; a list has one of these at
/// most.
fn build(
    conn: &mut Conn,
    app: &AppState,
    row: &ConsultationRow,
    doctor: Option<DoctorBrief>,
    worker: WorkerPresence,
) -> Result<ConsultationView, Failure> {
    let waiting = row.state == ConsultationState::Waiting;
    let ahead = if waiting { Some(store::consultations_ahead(conn, row)?) } else { None };
    let estimate = match ahead {
        Some(ahead) => Some(estimate::wait(conn, app, ahead)?),
        None => None,
    };
    let offer = match row.offer_id.filter(|_| row.state == ConsultationState::Offered) {
        Some(id) => store::offer_fetch(conn, id)?
            .map(|offer| OfferBrief { id: offer.id, expires_at: offer.expires_at }),
        None => None,
    };
    let summary = match &row.summary_sealed {
        Some(sealed) => Some(app.open("consultation", "summary_sealed", row.id, sealed)?),
        None => None,
    };
    Ok(ConsultationView {
        id: row.id,
        worker_id: row.worker_id,
        station_id: row.station_id,
        state: row.state,
        lane: row.lane,
        department: row.department,
        complaint: app.open("consultation", "complaint_sealed", row.id, &row.complaint_sealed)?,
        symptoms: serde_json::from_str(&row.symptoms)?,
        triage: row.triage,
        emergency_number: (row.triage == TriageLevel::Emergency).then(|| EMERGENCY_NUMBER.to_owned()),
        red_flags: triage::flags_of(row)?.into_iter().map(RedFlag::from).collect(),
        requested_at: row.requested_at,
        position: ahead.map(|ahead| ahead + 1),
        estimate,
        offer,
        doctor,
        hospital_id: row.hospital_id,
        accepted_at: row.accepted_at,
        ended_at: row.ended_at,
        cancel_reason: row.cancel_reason,
        worker,
        summary,
        diagnoses: row.diagnoses.as_deref().map(serde_json::from_str).transpose()?.unwrap_or_default(),
        rating: row.rating,
    })
}
