//! A consultation as worker and doctor see it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    Loaded,
    attendance::{WorkerPresence, presence},
    close::Diagnosis,
    estimate::{self, Estimate},
    record::in_care,
};
use crate::{
    AppState, Failure, HealthAccess, Part, Tx,
    page::{Rows, page},
    triage,
};
use domain::{
    consultation::{CancelReason, ConsultationState, Medium, OfferState, call_number},
    ids::{ConsultationId, HospitalId, OfferId, StaffId, StationId, WorkerId},
    matching::Department,
    prescription::EncounterLane,
    refusal::Code,
    triage::{EMERGENCY_NUMBER, RedFlag, SymptomFlag, TriageLevel},
};
use storage::{
    Conn, Live,
    consultation::{self as store, FullConsultation},
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
    /// How doctor and worker talk.
    pub medium: Medium,
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
    /// Place among those who wait for the same department, from 1; only while waiting. The estimate counts
    /// those who wait for the same doctors.
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
    /// By which number a screen calls a worker who left it while they waited.
    pub call_number: String,
    /// The doctor's summary.
    pub summary: Option<String>,
    /// The doctor's diagnoses.
    pub diagnoses: Vec<Diagnosis>,
    /// The worker's rating, 1 to 5.
    pub rating: Option<i32>,
    /// When its doctor last transferred it: to `department`, or to another doctor.
    pub transferred_at: Option<DateTime<Utc>>,
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
fn own(worker: WorkerId, found: Option<FullConsultation>) -> Result<Loaded, Failure> {
    let own = found.filter(|known| known.row.worker_id == worker);
    Ok(own.ok_or(Code::NotFound)?.into())
}

/// As [`own`], with its row locked.
pub(super) fn lock_of_worker(
    tx: &mut Tx<'_>,
    worker: WorkerId,
    id: ConsultationId,
) -> Result<Loaded, Failure> {
    own(worker, store::full::full_lock(tx.conn, id)?)
}

/// A consultation that a doctor has, had, or is being offered.
///
/// # Errors
/// `NotFound` for any other.
pub(super) fn doctors(doctor: StaffId, found: Option<FullConsultation>) -> Result<Loaded, Failure> {
    let known = Loaded::from(found.ok_or(Code::NotFound)?);
    let has = known.snapshot.doctor == Some(doctor) || known.asked_doctor() == Some(doctor);
    if has { Ok(known) } else { Err(Code::NotFound.into()) }
}

/// A consultation as [`doctors`] allows it, and up to `earlier` consultations that its worker had
/// before, newest first.
pub(super) fn known_with_earlier(
    conn: &mut Conn,
    doctor: StaffId,
    id: ConsultationId,
    earlier: i64,
) -> Result<(Loaded, Vec<Loaded>), Failure> {
    let mut found = store::full::full_with_earlier(conn, id, earlier + 1)?.into_iter();
    let known = doctors(doctor, found.next())?;
    Ok((known, found.map(Loaded::from).collect()))
}

/// As [`doctors`], with its row locked, to be shown to the doctor.
pub(super) fn lock_of_doctor(
    tx: &mut Tx<'_>,
    doctor: StaffId,
    id: ConsultationId,
) -> Result<Loaded, Failure> {
    let known = doctors(doctor, store::full::full_lock(tx.conn, id)?)?;
    tx.shown.note(known.snapshot.worker, Part::Consultation, id);
    Ok(known)
}

/// A consultation for its worker or doctor. After it has ended, the doctor can read what
/// they wrote themselves, but no longer what the worker stated.
pub fn fetch_for_doctor(
    conn: &mut Conn,
    app: &AppState,
    shown: &mut HealthAccess,
    doctor: StaffId,
    id: ConsultationId,
) -> Result<ConsultationView, Failure> {
    let known = doctors(doctor, store::full::full_fetch(conn, id)?)?;
    shown.note(known.snapshot.worker, Part::Consultation, id);
    let mut shown = view(conn, app, &known)?;
    let writer = known.full.row.doctor_id;
    if !known.full.consents || !in_care(conn, app, writer, id, shown.state, shown.ended_at)? {
        shown.withhold();
    }
    Ok(shown)
}

/// A worker's own consultation; none once an authority has ended.
pub fn fetch_for_worker(
    conn: &mut Conn,
    app: &AppState,
    live: Live,
    worker: WorkerId,
    id: ConsultationId,
) -> Result<Option<ConsultationView>, Failure> {
    let overdue_since = app.policy.matching.overdue_since(app.now());
    let found = store::full::full_fetch_with_place(conn, live, id, overdue_since)?;
    let own = found.filter(|known| known.row.worker_id == worker);
    own.map(|known| view(conn, app, &known.into())).transpose()
}

/// A page of a worker's consultations.
pub fn list_for_worker(
    conn: &mut Conn,
    app: &AppState,
    live: Live,
    worker: WorkerId,
    after: Option<ConsultationId>,
    limit: u32,
) -> Result<Option<ConsultationsView>, Failure> {
    let overdue_since = app.policy.matching.overdue_since(app.now());
    let read = |most| store::full::full_of_worker(conn, live, worker, (after, most), overdue_since);
    let page = Rows::read(limit, read, |known| known.row.id)?;
    let show = |rows: Vec<FullConsultation>| {
        rows.into_iter().map(|known| view(conn, app, &known.into())).collect::<Result<_, _>>()
    };
    let page = ConsultationsView::from(page.show(show)?);
    Ok((!page.items.is_empty()).then_some(page))
}

/// The live consultations of a doctor.
pub fn list_for_doctor(
    conn: &mut Conn,
    app: &AppState,
    shown: &mut HealthAccess,
    live: Live,
    doctor: StaffId,
) -> Result<Option<ConsultationsView>, Failure> {
    let mut items = Vec::new();
    for known in store::full::full_of_doctor(conn, live, doctor)? {
        shown.note(known.row.worker_id, Part::Consultation, known.row.id);
        let consents = known.consents;
        let mut item = view(conn, app, &known.into())?;
        if !consents {
            item.withhold();
        }
        items.push(item);
    }
    Ok((!items.is_empty()).then_some(ConsultationsView { items, next_after: None }))
}

pub(crate) fn view(conn: &mut Conn, app: &AppState, known: &Loaded) -> Result<ConsultationView, Failure> {
    let (row, now) = (&known.full.row, &known.snapshot);
    let ahead = known.full.ahead.filter(|_| now.state == ConsultationState::Waiting);
    let estimate = match ahead {
        Some(ahead) => estimate::wait(conn, app, known, ahead)?,
        None => None,
    };
    let offer = now.offer.as_ref().filter(|offer| offer.state == OfferState::Open);
    let doctor = now.doctor.zip(known.full.doctor.clone());
    let summary = match &row.summary_sealed {
        Some(sealed) => Some(app.open("consultation", "summary_sealed", row.id, sealed)?),
        None => None,
    };
    Ok(ConsultationView {
        id: row.id,
        worker_id: row.worker_id,
        station_id: row.station_id,
        state: now.state,
        lane: row.lane,
        department: now.department,
        medium: row.medium,
        complaint: app.open("consultation", "complaint_sealed", row.id, &row.complaint_sealed)?,
        symptoms: serde_json::from_str(&row.symptoms)?,
        triage: now.triage,
        emergency_number: (now.triage == TriageLevel::Emergency).then(|| EMERGENCY_NUMBER.to_owned()),
        red_flags: triage::flags_of(row)?.into_iter().map(RedFlag::from).collect(),
        requested_at: now.waiting_since,
        position: ahead.map(|ahead| ahead + 1),
        estimate,
        offer: offer.map(|offer| OfferBrief { id: offer.id, expires_at: offer.expires_at }),
        doctor: doctor.map(|(id, (name_zh, name_en))| DoctorBrief { id, name_zh, name_en }),
        hospital_id: now.hospital,
        accepted_at: now.accepted_at,
        ended_at: now.ended_at,
        cancel_reason: now.cancel_reason,
        worker: presence(app, known),
        call_number: call_number(row.id),
        summary,
        diagnoses: row.diagnoses.as_deref().map(serde_json::from_str).transpose()?.unwrap_or_default(),
        rating: now.rating.map(i32::from),
        transferred_at: now.transferred_at,
    })
}
