//! What a pharmacist asks the doctor of a signed prescription, and the answer. Both are in the sealed
//! contents of the prescription, beside what was signed; its validity goes on meanwhile.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{ensure_may_decide, reviewable};
use crate::{
    Failure, Part, Tx,
    caller::StaffCaller,
    machine::commit,
    prescription::{
        self,
        view::{PrescriptionView, Reader, view},
    },
};
use domain::{
    ids::{PrescriptionId, ReviewQuestionId, StaffId},
    prescription::Command,
    refusal::{Code, FieldProblem, Refusal},
    spelling,
    words::Bilingual,
};

/// Questions about one prescription, at most. Our default: whoever has more returns it.
const MOST_QUESTIONS: usize = 10;

/// A pharmacist's question.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AskInput {
    /// The doctor reads it.
    #[schema(value_type = spelling::ShortWords)]
    pub text: String,
}

/// A doctor's answer.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AnswerInput {
    /// Which question.
    pub question_id: ReviewQuestionId,
    /// The pharmacists read it.
    #[schema(value_type = spelling::ShortWords)]
    pub text: String,
}

/// A question as it is sealed with the prescription.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Question {
    id: ReviewQuestionId,
    by: StaffId,
    at: DateTime<Utc>,
    text: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    answer: Option<Answer>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Answer {
    by: StaffId,
    at: DateTime<Utc>,
    text: String,
}

/// What a pharmacist asked, and what the doctor answered; for both.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct QuestionView {
    pub id: ReviewQuestionId,
    /// The pharmacist.
    pub asked_by: StaffId,
    pub asked_at: DateTime<Utc>,
    pub question: String,
    /// The doctor; none while it is not answered.
    pub answered_by: Option<StaffId>,
    pub answered_at: Option<DateTime<Utc>>,
    pub answer: Option<String>,
}

impl From<&Question> for QuestionView {
    fn from(question: &Question) -> Self {
        let answer = question.answer.as_ref();
        Self {
            id: question.id,
            asked_by: question.by,
            asked_at: question.at,
            question: question.text.clone(),
            answered_by: answer.map(|answer| answer.by),
            answered_at: answer.map(|answer| answer.at),
            answer: answer.map(|answer| answer.text.clone()),
        }
    }
}

/// Asks the doctor something. The prescription then waits for the answer and nobody has it; it keeps its
/// place in the queue.
///
/// # Errors
/// As [`super::claim`], but on shift or not; `PrescribingRule` after too many questions.
pub fn ask(
    tx: &mut Tx<'_>,
    caller: StaffCaller,
    id: PrescriptionId,
    input: &AskInput,
) -> Result<PrescriptionView, Failure> {
    let (mut before, pharmacist, _) = reviewable(tx, caller.staff, id)?;
    let question = ReviewQuestionId::generate();
    let events = before.decide(tx.app, &Command::Ask { by: &pharmacist, question })?;
    ensure_may_decide(tx, caller.staff, &before)?;
    if before.body.questions.len() >= MOST_QUESTIONS {
        return Err(too_many().into());
    }
    let mut body = before.body.clone();
    let text = input.text.trim().to_owned();
    body.questions.push(Question { id: question, by: caller.staff, at: tx.now, text, answer: None });
    before.replace_body(tx.app, body)?;
    let after = commit(tx, &before, &events)?;
    view(tx.app, &mut tx.shown, &after.row, &after.body, Reader::Pharmacist, tx.now)
}

/// Answers the open question about a prescription of the caller, which then waits for review again.
///
/// # Errors
/// `NotFound` for another doctor's; `StateMovedOn` with `answered` for a question that is not open;
/// `ConsentMissing`.
pub fn answer(
    tx: &mut Tx<'_>,
    caller: StaffCaller,
    id: PrescriptionId,
    input: &AnswerInput,
) -> Result<PrescriptionView, Failure> {
    let prescription::Own { prescription: mut before, facts, consents, .. } =
        prescription::own(tx, caller.staff, id)?;
    let command = Command::Answer { by: caller.staff, question: input.question_id };
    let events = before.decide(tx.app, &command)?;
    if !consents {
        return Err(prescription::without_consent(tx.conn, facts.worker_id));
    }
    tx.shown.note(before.row.worker_id, Part::Prescription, id);
    let mut body = before.body.clone();
    let asked = body.questions.iter_mut().find(|one| one.id == input.question_id);
    let asked = asked.ok_or(Code::NotFound)?;
    asked.answer = Some(Answer { by: caller.staff, at: tx.now, text: input.text.trim().to_owned() });
    before.replace_body(tx.app, body)?;
    let after = commit(tx, &before, &events)?;
    view(tx.app, &mut tx.shown, &after.row, &after.body, Reader::Doctor, tx.now)
}

fn too_many() -> Refusal {
    let problem = FieldProblem {
        field: "text".to_owned(),
        code: "too_many".to_owned(),
        message: Bilingual::made(
            format!("每张处方最多提问 {MOST_QUESTIONS} 次，请退回医生修改。"),
            format!("At most {MOST_QUESTIONS} questions about one prescription; return it to the doctor."),
        ),
    };
    Refusal { fields: vec![problem], ..Refusal::new(Code::PrescribingRule) }
}
