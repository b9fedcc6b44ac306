//! What a pharmacist needs to review a prescription: the person's clinical data, never name or
//! phone. It is available only while the prescription waits for review, and afterwards to the
//! pharmacist who reviewed it. Access is recorded.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    AppState, Failure, HealthAccess, Part,
    caller::StaffCaller,
    consultation::view::DoctorBrief,
    formulary::TwoLanguages,
    network::me,
    prescription::{
        body::Body,
        signature,
        view::{PrescriptionView, Reader, view},
    },
    profile,
    safety::facts,
    triage::{self, TriageView},
    vitals::{self, ReadingView},
};
use domain::{
    formulary::{Condition, ProductCode},
    ids::{ConsultationId, PrescriptionId},
    matching::Department,
    network::{Job, Sex},
    order::UnitState,
    prescription::{PrescribingPolicy, PrescriptionState},
    refusal::Code,
    safety::Taken,
    time::{civil_day, months_since},
    triage::SymptomFlag,
    vitals::ReadingKind,
};
use storage::{
    Conn,
    consultation::ConsultationRow,
    prescription::{self as store, PrescriptionRow},
    safety::TakenUnit,
    vitals::ReadingRow,
};

/// Something that the person takes already.
#[derive(Debug, Serialize, ToSchema)]
pub struct TakingView {
    /// In the person's own words, where they reported it.
    pub reported: Option<String>,
    /// The product, where it came from a cabinet or will.
    pub product_code: Option<String>,
    /// Generic name in Chinese.
    pub generic_zh: Option<String>,
    /// Generic name in English.
    pub generic_en: Option<String>,
    /// Thousandths of a unit a day.
    pub units_per_day_thousandths: Option<i64>,
    /// The last day on which it is taken.
    pub until: Option<NaiveDate>,
    /// Whether it is uncertain that the pack was dispensed.
    pub in_doubt: bool,
}

/// The person, as far as a pharmacist must know them. Absent means unknown.
#[derive(Debug, Serialize, ToSchema)]
pub struct PatientView {
    /// Whole years.
    pub age_years: Option<u32>,
    /// Whole months; for doses of small children.
    pub age_months: Option<u32>,
    /// Sex.
    pub sex: Option<Sex>,
    /// Kind of work.
    pub job: Option<Job>,
    /// Pregnant now?
    pub pregnant: Option<bool>,
    /// Breast feeding now?
    pub breastfeeding: Option<bool>,
    /// Tenths of a kilogram: measured in this consultation, or else as reported.
    pub weight_kg_tenths: Option<i64>,
    /// Allergies; an empty list means that the answer was none.
    pub allergies: Option<Vec<String>>,
    /// Known conditions; liver and kidney disease are among them.
    pub conditions: Option<Vec<Condition>>,
    /// Estimated glomerular filtration rate, mL/min/1.73 m2.
    pub egfr: Option<i64>,
    /// Creatinine clearance, mL/min.
    pub creatinine_clearance: Option<i64>,
    /// What is taken already, reported or vended.
    pub taking: Vec<TakingView>,
    /// Signs that were reported.
    pub symptoms: Vec<SymptomFlag>,
    /// The newest reading of each kind in this consultation.
    pub readings: Vec<ReadingView>,
    /// What they mean.
    pub triage: TriageView,
    /// What cabinets dispensed lately, or may still, the newest first; on another prescription or without one.
    pub recent: Vec<RecentPackView>,
}

/// A pack that a cabinet dispensed lately, or may still.
#[derive(Debug, Serialize, ToSchema)]
pub struct RecentPackView {
    pub product_code: String,
    /// Generic name in Chinese.
    pub generic_zh: Option<String>,
    /// Generic name in English.
    pub generic_en: Option<String>,
    /// When it was dispensed; none while it may still be.
    pub dispensed_at: Option<DateTime<Utc>>,
    /// Whether it is uncertain that it was dispensed.
    pub in_doubt: bool,
    /// Thousandths of a unit a day.
    pub units_per_day_thousandths: i64,
    /// For how many days.
    pub days: i32,
}

/// The consultation in which a prescription was written.
#[derive(Debug, Serialize, ToSchema)]
pub struct PrescribedInView {
    pub id: ConsultationId,
    pub department: Department,
    /// The department's name.
    pub department_name: TwoLanguages,
    /// Who prescribed.
    pub doctor: DoctorBrief,
    pub requested_at: DateTime<Utc>,
}

/// A prescription under review, with the person it is for.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReviewView {
    /// The prescription, with its diagnoses and findings.
    pub prescription: PrescriptionView,
    pub consultation: PrescribedInView,
    /// The person; none once the consent to care is withdrawn.
    pub patient: Option<PatientView>,
    /// Why `patient` is none: `consent_missing`.
    pub withheld: Option<String>,
}

/// Reads what a review needs, and records the access.
///
/// # Errors
/// `NotFound` unless it waits for review or the caller reviewed it.
pub fn read(
    conn: &mut Conn,
    app: &AppState,
    shown: &mut HealthAccess,
    caller: StaffCaller,
    id: PrescriptionId,
) -> Result<ReviewView, Failure> {
    let row = store::prescription_fetch(conn, id)?.ok_or(Code::NotFound)?;
    let under_review = row.state == PrescriptionState::Signed;
    if !under_review && row.reviewed_by != Some(caller.staff) {
        return Err(Code::NotFound.into());
    }
    let body = Body::open(app, &row)?;
    let mut prescription = view(app, shown, &row, &body, Reader::Pharmacist, app.now())?;
    prescription.signature_valid = signature::shown(conn, app, &row, &body)?;
    let consultation =
        storage::consultation::consultation_fetch(conn, row.consultation_id)?.ok_or(Code::NotFound)?;
    let consents_to_care = me::consents_to_care(conn, row.worker_id)?;
    let patient = if consents_to_care { Some(patient(conn, app, &row, &consultation)?) } else { None };
    let withheld = patient.is_none().then(|| Code::ConsentMissing.as_str().to_owned());
    if patient.is_some() {
        shown.note(row.worker_id, Part::Record, id);
    }
    let consultation = prescribed_in(conn, app, &row, &consultation)?;
    Ok(ReviewView { prescription, consultation, patient, withheld })
}

fn prescribed_in(
    conn: &mut Conn,
    app: &AppState,
    row: &PrescriptionRow,
    consultation: &ConsultationRow,
) -> Result<PrescribedInView, Failure> {
    let doctor = storage::staff::staff_fetch(conn, row.doctor_id)?.ok_or(Code::NotFound)?;
    Ok(PrescribedInView {
        id: consultation.id,
        department: consultation.department,
        department_name: TwoLanguages::from(&app.departments().label(consultation.department)),
        doctor: DoctorBrief { id: doctor.id, name_zh: doctor.name_zh, name_en: doctor.name_en },
        requested_at: consultation.requested_at,
    })
}

fn patient(
    conn: &mut Conn,
    app: &AppState,
    row: &PrescriptionRow,
    consultation: &ConsultationRow,
) -> Result<PatientView, Failure> {
    let checked = facts::gather(conn, app, row.worker_id, Vec::new(), Some(row.id), app.now())?;
    let (worker, stated, seen) = triage::person_in_care(conn, app, consultation)?;
    let (triage, readings) = triage::of_person(conn, app, consultation, &worker, &stated, seen)?;
    let newest = newest(readings);
    let weighed = newest.iter().find(|reading| reading.kind == ReadingKind::Weight);
    let weight_kg_tenths = weighed.and_then(|reading| reading.value).or(stated.weight_kg_tenths);
    let today = civil_day(app.now());
    let who = profile::stated(&worker, &stated);
    let age_months = who.birth_date.and_then(|born| months_since(born, today));
    Ok(PatientView {
        age_years: age_months.map(|months| months / 12),
        age_months,
        sex: who.sex,
        job: who.job,
        pregnant: stated.pregnant,
        breastfeeding: stated.breastfeeding,
        weight_kg_tenths,
        allergies: stated.allergies,
        conditions: stated.conditions,
        egfr: stated.egfr,
        creatinine_clearance: stated.creatinine_clearance,
        taking: checked.input.taking.iter().map(|taken| taking_view(app, taken)).collect(),
        symptoms: triage.symptoms.clone(),
        readings: newest.iter().map(vitals::view).collect(),
        triage,
        recent: recent(conn, app, row)?,
    })
}

/// Packs of the last days in which a course may have begun that is still taken.
fn recent(conn: &mut Conn, app: &AppState, row: &PrescriptionRow) -> Result<Vec<RecentPackView>, Failure> {
    let since = app.now() - TimeDelta::days(i64::from(PrescribingPolicy::LONGEST_COURSE_DAYS) + 1);
    let packs = storage::safety::units_taken(conn, &[row.worker_id], since)?;
    let others = packs.into_iter().filter(|pack| pack.prescription_id != Some(row.id));
    let view = |pack: TakenUnit| {
        let names = ProductCode::parse(&pack.product_code).and_then(|code| names_of(app, &code));
        let (generic_zh, generic_en) = names.unzip();
        RecentPackView {
            generic_zh,
            generic_en,
            product_code: pack.product_code,
            dispensed_at: pack.ended_at,
            in_doubt: pack.state == UnitState::InDoubt,
            units_per_day_thousandths: pack.daily_units_thousandths,
            days: pack.days,
        }
    };
    Ok(others.map(view).collect())
}

/// The newest reading of each kind, in the order in which they were measured.
fn newest(rows: Vec<ReadingRow>) -> Vec<ReadingRow> {
    let mut newest: Vec<ReadingRow> = Vec::new();
    let mut rows = rows;
    rows.sort_by_key(|row| row.measured_at);
    for row in rows {
        newest.retain(|known| known.kind != row.kind);
        newest.push(row);
    }
    newest
}

fn taking_view(app: &AppState, taken: &Taken) -> TakingView {
    match taken {
        Taken::Vended { product, units_per_day_thousandths, until, in_doubt } => {
            let names = names_of(app, product);
            TakingView {
                reported: None,
                product_code: Some(product.to_string()),
                generic_zh: names.as_ref().map(|(zh, _)| zh.clone()),
                generic_en: names.map(|(_, en)| en),
                units_per_day_thousandths: Some(*units_per_day_thousandths),
                until: Some(*until),
                in_doubt: *in_doubt,
            }
        }
        Taken::Reported { medicine, .. } => TakingView {
            reported: Some(medicine.clone()),
            product_code: None,
            generic_zh: None,
            generic_en: None,
            units_per_day_thousandths: None,
            until: None,
            in_doubt: false,
        },
    }
}

fn names_of(app: &AppState, code: &ProductCode) -> Option<(String, String)> {
    let formulary = app.formulary();
    formulary.get(code).map(|product| (product.generic_zh.clone(), product.generic_en.clone()))
}
