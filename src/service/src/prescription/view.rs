//! A prescription as its readers see it. The worker sees no findings and
//! no reasons of staff; the doctor sees findings; the pharmacist sees findings and the doctor's
//! reasons for overriding them.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    body::{Body, Names},
    machine::{RANK_EMERGENCY, claim_of},
};
use crate::{
    AppState, Failure, HealthAccess, Part,
    formulary::TwoLanguages,
    page::page,
    review::{QuestionView, SupplyView, figures::ReviewWaitView},
    safety::facts::{SafetyReportView, SkinTestInput},
};
use domain::{
    ids::{ConsultationId, HospitalId, PrescriptionId, StaffId, WorkerId},
    prescription::{PrescriptionState, SupplyKind, propose_extension},
    safety::DraftLine,
    spelling,
    time::Timestamp,
};
use storage::prescription::{LineRow, PrescriptionRow};

/// Who reads a prescription.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reader {
    /// The worker it is for.
    Worker,
    /// The doctor who wrote it.
    Doctor,
    Pharmacist,
}

/// A diagnosis on a prescription.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PrescribedDiagnosis {
    /// ICD-10 code, where the doctor gives one.
    #[schema(value_type = Option<spelling::DiagnosisCode>)]
    pub code: Option<String>,
    /// The diagnosis in words.
    #[schema(value_type = spelling::DiagnosisWords)]
    pub name: String,
}

/// One line, with the names and the label of the day it was written.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct PrescriptionLineView {
    /// Its place, from 1.
    pub line_no: i32,
    pub product_code: String,
    /// Generic name in Chinese.
    pub generic_zh: String,
    /// Generic name in English.
    pub generic_en: String,
    /// Thousandths of a unit at a time.
    pub dose_units_thousandths: i64,
    /// Times a day.
    pub times_per_day: i32,
    /// For how many days.
    pub days: i32,
    /// Whole packs.
    pub packs: i32,
    /// Name, drug, dose, how to take it.
    pub label: TwoLanguages,
    /// How much is supplied, where the doctor or a pharmacist decided otherwise than was signed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub supply: Option<SupplyView>,
}

/// The doctor's reason to go on in spite of a finding.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct OverrideView {
    /// The rule of the finding.
    pub rule: String,
    /// Its lines, counted from 0.
    pub lines: Vec<usize>,
    pub reason: String,
}

/// A prescription, as far as its reader may see it.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct PrescriptionView {
    pub id: PrescriptionId,
    /// In which consultation.
    pub consultation_id: ConsultationId,
    pub worker_id: WorkerId,
    pub doctor_id: StaffId,
    /// Of which hospital.
    pub hospital_id: HospitalId,
    pub state: PrescriptionState,
    /// Goes up with every write; also the ETag.
    pub version: i64,
    pub lines: Vec<PrescriptionLineView>,
    /// What is treated.
    pub diagnoses: Vec<PrescribedDiagnosis>,
    /// How long a supply.
    pub kind: SupplyKind,
    /// The skin test for penicillins; not for the worker.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub skin_test: Option<SkinTestInput>,
    /// When it was signed.
    pub signed_at: Option<DateTime<Utc>>,
    /// The last instant at which it may be used.
    pub valid_until: Option<DateTime<Utc>>,
    /// The pharmacist who reviewed it last.
    pub reviewed_by: Option<StaffId>,
    pub reviewed_at: Option<DateTime<Utc>>,
    /// Why it was sent back or withdrawn; not for the worker.
    pub reason: Option<String>,
    /// Why the supply is longer than usual; not for the worker.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub long_supply_reason: Option<String>,
    /// What long-term supply was attested with; not for the worker.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub long_term: Option<LongTermView>,
    /// What the newest safety check found; not for the worker.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub safety: Option<SafetyReportView>,
    /// The doctor's reasons; for the pharmacist.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub overrides: Option<Vec<OverrideView>>,
    /// Days of validity that signing should ask for, when little of today is
    /// left; for the doctor of a draft.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub proposed_valid_days: Option<u32>,
    /// Whether the doctor's signature is valid for what is stored; only where one prescription is read.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub signature_valid: Option<bool>,
    /// How its review stands, while it waits for one; not for the worker.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub review: Option<ReviewStateView>,
    /// What pharmacists asked, and the answers; not for the worker.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub questions: Option<Vec<QuestionView>>,
    /// How long its review may take, while it waits for one; for the worker, in the prescription itself and
    /// not in lists.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub review_wait: Option<ReviewWaitView>,
}

/// The attestations of long-term supply.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct LongTermView {
    /// The doctor: the disease and its treatment are stable.
    pub stable_attested: bool,
    /// The doctor: the patient was taught about a supply beyond the usual length, and confirmed it.
    pub patient_confirmed: bool,
    /// Whether the pharmacist who approves it must countersign.
    pub countersignature_needed: bool,
    /// Whether the pharmacist who approved it did.
    pub countersigned: bool,
}

/// How the review of a prescription stands.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ReviewStateView {
    /// Reviewed before all others.
    pub emergency: bool,
    /// The pharmacist who has it.
    pub claimed_by: Option<StaffId>,
    /// Until when; then it goes back to the queue, in its place there.
    pub claimed_until: Option<DateTime<Utc>>,
    /// It waits for the answer of its doctor.
    pub question_open: bool,
}

page! {
    /// A page of prescriptions.
    PrescriptionPage of PrescriptionView, "The newest first.", after PrescriptionId
}

/// A prescription as `reader` may see it. Lines and names are those of its sealed contents, so all
/// of it is of one moment.
pub(crate) fn view(
    app: &AppState,
    shown: &mut HealthAccess,
    row: &PrescriptionRow,
    body: &Body,
    reader: Reader,
    now: Timestamp,
) -> Result<PrescriptionView, Failure> {
    shown.note(row.worker_id, Part::Prescription, row.id);
    let colleague = reader != Reader::Worker;
    let reason = match &row.reason_sealed {
        Some(sealed) if colleague => Some(app.open("prescription", "reason_sealed", row.id, sealed)?),
        _ => None,
    };
    let overrides = body.draft.overrides.iter().map(|one| OverrideView {
        rule: one.rule.clone(),
        lines: one.lines.clone(),
        reason: one.reason.clone(),
    });
    let proposed = propose_extension(now, &app.policy.prescribing).map(|proposal| proposal.valid_days);
    let diagnoses = body.draft.diagnoses.iter();
    let line = |(row, (_, names)): (LineRow, (&DraftLine, &Names))| {
        let supply = body.supply_of(row.line_no).map(|decision| SupplyView::of(decision, reader));
        line_view(row, names, supply)
    };
    Ok(PrescriptionView {
        id: row.id,
        consultation_id: row.consultation_id,
        worker_id: row.worker_id,
        doctor_id: row.doctor_id,
        hospital_id: row.hospital_id,
        state: row.state,
        version: row.version,
        lines: body.rows(row.id)?.into_iter().zip(body.lines()).map(line).collect(),
        diagnoses: diagnoses
            .map(|one| PrescribedDiagnosis { code: one.code.clone(), name: one.text.clone() })
            .collect(),
        kind: body.draft.kind,
        signed_at: row.signed_at,
        valid_until: row.valid_until,
        reviewed_by: row.reviewed_by,
        reviewed_at: row.reviewed_at,
        reason,
        skin_test: body.draft.skin_test.filter(|_| colleague).map(SkinTestInput::from),
        long_supply_reason: body.draft.longer_reason.clone().filter(|_| colleague),
        long_term: body.draft.long_term.filter(|_| colleague).map(|attested| LongTermView {
            stable_attested: attested.stable,
            patient_confirmed: attested.patient_confirmed,
            countersignature_needed: body.draft.needs_countersignature(&app.policy.prescribing),
            countersigned: body.countersigned,
        }),
        safety: colleague.then(|| SafetyReportView::from(&body.report)),
        overrides: (reader == Reader::Pharmacist).then(|| overrides.collect()),
        proposed_valid_days: proposed
            .filter(|_| reader == Reader::Doctor && row.state == PrescriptionState::Draft),
        signature_valid: None,
        review: (colleague && row.state == PrescriptionState::Signed).then(|| review_state(row, now)),
        questions: (colleague && !body.questions.is_empty())
            .then(|| body.questions.iter().map(QuestionView::from).collect()),
        review_wait: None,
    })
}

/// Several prescriptions as `reader` may see them.
pub(crate) fn views(
    app: &AppState,
    shown: &mut HealthAccess,
    rows: &[PrescriptionRow],
    reader: Reader,
    now: Timestamp,
) -> Result<Vec<PrescriptionView>, Failure> {
    rows.iter().map(|row| view(app, shown, row, &Body::open(app, row)?, reader, now)).collect()
}

fn review_state(row: &PrescriptionRow, now: Timestamp) -> ReviewStateView {
    let claim = claim_of(row).filter(|claim| now < claim.until);
    ReviewStateView {
        emergency: row.review_rank == RANK_EMERGENCY,
        claimed_by: claim.map(|claim| claim.by),
        claimed_until: claim.map(|claim| claim.until),
        question_open: row.question_id.is_some(),
    }
}

fn line_view(row: LineRow, names: &Names, supply: Option<SupplyView>) -> PrescriptionLineView {
    PrescriptionLineView {
        line_no: row.line_no,
        product_code: row.product_code,
        generic_zh: names.generic_zh.clone(),
        generic_en: names.generic_en.clone(),
        dose_units_thousandths: row.dose_units_thousandths,
        times_per_day: row.times_per_day,
        days: row.days,
        packs: row.packs,
        label: TwoLanguages::from(&names.label),
        supply,
    }
}
