//! How a consultation ends: the doctor completes it, or the worker cancels it. A timeout
//! never completes a consultation.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::view::{ConsultationView, lock_of_doctor, lock_of_worker, view};
use crate::{
    Failure, Tx,
    caller::{StaffCaller, WorkerCaller},
    prescription,
};
use domain::{
    consultation::{CancelReason, Command},
    ids::ConsultationId,
    refusal::{FieldProblem, Refusal},
    spelling,
    words::Bilingual,
};
use storage::consultation as store;

/// A diagnosis: code and name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Diagnosis {
    /// A code, ICD-10 style: `J00`.
    #[schema(value_type = spelling::DiagnosisCode)]
    pub code: String,
    #[schema(value_type = spelling::DiagnosisName)]
    pub name: String,
}

/// The doctor's summary and diagnoses.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Completion {
    /// For the worker to read, 1 to 4,000 characters.
    #[schema(value_type = spelling::LongWords)]
    pub summary: String,
    /// Up to 10.
    #[serde(default)]
    #[schema(max_items = 10)]
    pub diagnoses: Vec<Diagnosis>,
}

/// The worker's rating.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RatingInput {
    /// 1 (bad) to 5 (good).
    #[schema(minimum = 1, maximum = 5)]
    pub rating: u8,
    /// Up to 500 characters.
    #[schema(max_length = 500)]
    pub comment: Option<String>,
}

/// The worker cancels the request while nobody has accepted it.
pub fn cancel(
    tx: &mut Tx<'_>,
    caller: WorkerCaller,
    id: ConsultationId,
) -> Result<ConsultationView, Failure> {
    let known = lock_of_worker(tx, caller.worker, id)?;
    let cancelled = known.act(tx, &Command::Cancel { reason: CancelReason::ByWorker })?;
    view(tx.conn, tx.app, &cancelled)
}

/// The doctor completes it.
///
/// # Errors
/// `PrescriptionOpen` while a draft is not signed or voided; a bad field.
pub fn complete(
    tx: &mut Tx<'_>,
    caller: StaffCaller,
    id: ConsultationId,
    input: &Completion,
) -> Result<ConsultationView, Failure> {
    let problems = completion_problems(input);
    if !problems.is_empty() {
        return Err(Refusal::fields(problems).into());
    }
    let mut known = lock_of_doctor(tx, caller.staff, id)?;
    let sealed = tx.app.seal("consultation", "summary_sealed", id, input.summary.trim())?;
    let diagnoses = serde_json::to_string(&input.diagnoses)?;
    let row = &mut known.full.row;
    (row.summary_sealed, row.diagnoses) = (Some(sealed.clone()), Some(diagnoses.clone()));
    let completed = known.act(tx, &Command::Complete { doctor: caller.staff })?;
    // Drafting locks the consultation's row, too: completing and drafting cannot overtake each other.
    if let Some(refusal) = prescription::open_draft(tx.conn, id, caller.staff)? {
        return Err(refusal.into());
    }
    if known.snapshot.state == completed.snapshot.state {
        // It was complete already: only the summary is new.
        store::summary_set(tx.conn, id, &sealed, &diagnoses)?;
    }
    view(tx.conn, tx.app, &completed)
}

/// The worker rates it, once.
pub fn rate(
    tx: &mut Tx<'_>,
    caller: WorkerCaller,
    id: ConsultationId,
    input: &RatingInput,
) -> Result<ConsultationView, Failure> {
    let known = lock_of_worker(tx, caller.worker, id)?;
    if !(1..=5).contains(&input.rating) {
        let message = Bilingual::fixed("评分须为 1 到 5", "the rating must be 1 to 5");
        return Err(Refusal::field("rating", "out_of_range", message).into());
    }
    let comment = input.comment.as_deref().map(str::trim).filter(|text| !text.is_empty());
    if comment.is_some_and(|text| text.chars().count() > 500) {
        let message = Bilingual::fixed("评语最多 500 个字符", "the comment may have up to 500 characters");
        return Err(Refusal::field("comment", "too_long", message).into());
    }
    let rated = known.act(tx, &Command::Rate { rating: input.rating })?;
    if let Some(text) = comment {
        let sealed = tx.app.seal("consultation", "rating_sealed", id, text)?;
        store::rating_comment_set(tx.conn, id, &sealed)?;
    }
    view(tx.conn, tx.app, &rated)
}

fn completion_problems(input: &Completion) -> Vec<FieldProblem> {
    let mut problems = Vec::new();
    let mut bad = |field: String, zh: &'static str, en: &'static str| {
        let message = Bilingual::fixed(zh, en);
        problems.push(FieldProblem { field, code: "out_of_range".to_owned(), message });
    };
    let summary = input.summary.trim().chars().count();
    if summary == 0 || summary > 4000 {
        bad("summary".into(), "小结须为 1 到 4000 个字符", "the summary must have 1 to 4,000 characters");
    }
    if input.diagnoses.len() > 10 {
        bad("diagnoses".into(), "诊断最多 10 个", "there may be up to 10 diagnoses");
    }
    for (index, diagnosis) in input.diagnoses.iter().enumerate() {
        if diagnosis.code.trim().is_empty() || diagnosis.code.chars().count() > 16 {
            bad(
                format!("diagnoses[{index}].code"),
                "代码须为 1 到 16 个字符",
                "the code must have 1 to 16 characters",
            );
        }
        if diagnosis.name.trim().is_empty() || diagnosis.name.chars().count() > 120 {
            bad(
                format!("diagnoses[{index}].name"),
                "名称须为 1 到 120 个字符",
                "the name must have 1 to 120 characters",
            );
        }
    }
    problems
}
