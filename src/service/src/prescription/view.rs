//! A prescription as its readers see it, and its sealed contents. The worker sees no findings and
//! no reasons of staff; the doctor sees findings; the pharmacist sees findings and the doctor's
//! reasons for overriding them.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    AppState, Failure, HealthAccess, Part, formulary::TwoLanguages, page::page,
    safety::facts::SafetyReportView,
};
use domain::{
    formulary::ProductCode,
    ids::{ConsultationId, HospitalId, PrescriptionId, StaffId, WorkerId},
    prescription::{
        Prescription, PrescriptionDraft, PrescriptionState, SupplyKind, label, packs_needed,
        propose_extension,
    },
    refusal::Code,
    safety::{DraftLine, SafetyReport},
    spelling,
    time::{Timestamp, civil_day},
    words::Bilingual,
};
use storage::{
    Conn,
    prescription::{self as store, LineRow, PrescriptionRow},
};

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
}

page! {
    /// A page of prescriptions.
    PrescriptionPage of PrescriptionView, "The newest first.", after PrescriptionId
}

/// A line's names at the time of writing: they do not change when a product is renamed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Names {
    pub generic_zh: String,
    pub generic_en: String,
    pub label: Bilingual,
    pub packs: u32,
}

/// The contents that are sealed in the row.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Body {
    pub revision: u32,
    pub draft: PrescriptionDraft,
    pub names: Vec<Names>,
    pub report: SafetyReport,
    pub digest: Option<String>,
}

impl Body {
    /// Decrypts the body of a row.
    pub(crate) fn open(app: &AppState, row: &PrescriptionRow) -> Result<Self, Failure> {
        Ok(serde_json::from_str(&app.open("prescription", "body_sealed", row.id, &row.body_sealed)?)?)
    }

    /// Encrypts the body for its row.
    pub(crate) fn seal(&self, app: &AppState, id: PrescriptionId) -> Result<Vec<u8>, Failure> {
        app.seal("prescription", "body_sealed", id, &serde_json::to_string(self)?)
    }

    pub(crate) fn rows(&self, id: PrescriptionId) -> Result<Vec<LineRow>, Failure> {
        let fits = |number: u32| {
            i32::try_from(number).map_err(|error| Failure::caused("a line's number does not fit", error))
        };
        let mut rows = Vec::with_capacity(self.draft.lines.len());
        for (at, (line, names)) in (1..).zip(self.draft.lines.iter().zip(&self.names)) {
            rows.push(LineRow {
                prescription_id: id,
                line_no: at,
                product_code: line.product.to_string(),
                dose_units_thousandths: line.dose_units_thousandths,
                times_per_day: fits(line.times_per_day)?,
                days: fits(line.days)?,
                packs: fits(names.packs)?,
            });
        }
        Ok(rows)
    }
}

/// The names of lines whose products are known and whose packs can be counted.
pub(crate) fn names_of(app: &AppState, lines: &[DraftLine]) -> Result<Vec<Names>, Failure> {
    let formulary = app.formulary();
    let name = |line: &DraftLine| {
        let product = formulary.get(&line.product)?;
        Some(Names {
            generic_zh: product.generic_zh.clone(),
            generic_en: product.generic_en.clone(),
            label: label(product, line),
            packs: packs_needed(product, line)?,
        })
    };
    let missing = || Failure::inconsistent("a checked line has no product");
    lines.iter().map(|line| name(line).ok_or_else(missing)).collect()
}

/// Converts a row to the state machine's type.
pub(crate) fn machine_of(row: &PrescriptionRow, body: &Body) -> Prescription {
    Prescription {
        state: row.state,
        consultation: row.consultation_id,
        prescriber: row.doctor_id,
        revision: body.revision,
        signed_at: row.signed_at,
        valid_until: row.valid_until,
        issued_on: row.signed_at.map(civil_day),
        digest: body.digest.clone(),
        reviewer: row.reviewed_by,
    }
}

/// Reads one prescription as `reader` may see it.
pub(crate) fn fetch_view(
    conn: &mut Conn,
    app: &AppState,
    shown: &mut HealthAccess,
    id: PrescriptionId,
    reader: Reader,
    now: Timestamp,
) -> Result<PrescriptionView, Failure> {
    let row = store::prescription_fetch(conn, id)?.ok_or(Code::NotFound)?;
    let lines = store::lines_of(conn, id)?;
    shown.note(row.worker_id, Part::Prescription, id);
    view(app, &row, &lines, reader, now)
}

/// Several prescriptions as `reader` may see them.
pub(crate) fn views(
    conn: &mut Conn,
    app: &AppState,
    shown: &mut HealthAccess,
    rows: &[PrescriptionRow],
    reader: Reader,
    now: Timestamp,
) -> Result<Vec<PrescriptionView>, Failure> {
    let ids: Vec<PrescriptionId> = rows.iter().map(|row| row.id).collect();
    let lines = store::lines_of_all(conn, &ids)?;
    for row in rows {
        shown.note(row.worker_id, Part::Prescription, row.id);
    }
    rows.iter()
        .map(|row| {
            let own: Vec<LineRow> =
                lines.iter().filter(|line| line.prescription_id == row.id).cloned().collect();
            view(app, row, &own, reader, now)
        })
        .collect()
}

fn view(
    app: &AppState,
    row: &PrescriptionRow,
    lines: &[LineRow],
    reader: Reader,
    now: Timestamp,
) -> Result<PrescriptionView, Failure> {
    let body = Body::open(app, row)?;
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
    Ok(PrescriptionView {
        id: row.id,
        consultation_id: row.consultation_id,
        worker_id: row.worker_id,
        doctor_id: row.doctor_id,
        hospital_id: row.hospital_id,
        state: row.state,
        version: row.version,
        lines: lines.iter().zip(&body.names).map(line_view).collect(),
        diagnoses: diagnoses
            .map(|one| PrescribedDiagnosis { code: one.code.clone(), name: one.text.clone() })
            .collect(),
        kind: body.draft.kind,
        signed_at: row.signed_at,
        valid_until: row.valid_until,
        reviewed_by: row.reviewed_by,
        reviewed_at: row.reviewed_at,
        reason,
        long_supply_reason: body.draft.longer_reason.clone().filter(|_| colleague),
        safety: colleague.then(|| SafetyReportView::from(&body.report)),
        overrides: (reader == Reader::Pharmacist).then(|| overrides.collect()),
        proposed_valid_days: proposed
            .filter(|_| reader == Reader::Doctor && row.state == PrescriptionState::Draft),
    })
}

fn line_view((row, names): (&LineRow, &Names)) -> PrescriptionLineView {
    PrescriptionLineView {
        line_no: row.line_no,
        product_code: row.product_code.clone(),
        generic_zh: names.generic_zh.clone(),
        generic_en: names.generic_en.clone(),
        dose_units_thousandths: row.dose_units_thousandths,
        times_per_day: row.times_per_day,
        days: row.days,
        packs: row.packs,
        label: TwoLanguages::from(&names.label),
    }
}

/// The product code of a stored line.
pub(crate) fn product_of(row: &LineRow) -> Result<ProductCode, Failure> {
    ProductCode::parse(&row.product_code)
        .ok_or_else(|| Failure::inconsistent(format!("a stored product code: {}", row.product_code)))
}
