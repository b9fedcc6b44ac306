//! Converts a doctor's input to a draft that breaks no rule. It writes nothing, and never adds or
//! completes a line for the doctor.

use serde::Deserialize;
use utoipa::ToSchema;

use super::{body::Body, view::PrescribedDiagnosis};
use crate::{
    Failure, Tx,
    safety::facts::{self, LineInput, SkinTestInput},
};
use domain::{
    ids::PrescriptionId,
    prescription::{ChildAttestation, Diagnosis, LongTermAttestation, PrescriptionDraft, SupplyKind, rules},
    refusal::{FieldProblem, Refusal},
};
use storage::prescription::ConsultationFacts;

/// What a doctor writes.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PrescriptionInput {
    /// The drugs; the policy sets how many.
    #[schema(min_items = 1)]
    pub lines: Vec<LineInput>,
    /// What is treated.
    #[schema(min_items = 1, max_items = 10)]
    pub diagnoses: Vec<PrescribedDiagnosis>,
    /// How long a supply.
    pub kind: SupplyKind,
    /// Why the supply is longer than usual.
    #[schema(max_length = 500)]
    pub long_supply_reason: Option<String>,
    /// For a young child: a guardian is present.
    #[serde(default)]
    pub guardian_attested: bool,
    /// For a young child: a paediatrician takes part.
    #[serde(default)]
    pub paediatrician_attested: bool,
    /// For a penicillin, whatever its route: the skin test of the last 72 hours.
    pub skin_test: Option<SkinTestInput>,
    /// For long-term supply: the disease and its treatment are stable.
    #[serde(default)]
    pub stable_attested: bool,
    /// For long-term supply beyond the usual length, whose assessment is `long_supply_reason`: the patient was
    /// taught about it and confirmed it.
    #[serde(default)]
    pub patient_confirmed: bool,
}

/// The body of a draft that breaks no rule, with the findings of the safety check.
pub(crate) fn body_of(
    tx: &mut Tx<'_>,
    facts: &ConsultationFacts,
    id: PrescriptionId,
    revision: u32,
    input: &PrescriptionInput,
) -> Result<Body, Failure> {
    let draft = draft_of(facts, input)?;
    if let Some(test) = &input.skin_test {
        test.check(tx.now)?;
    }
    let mut gathered =
        facts::gather(tx.conn, tx.app, facts.worker_id, draft.lines.clone(), Some(id), tx.now)?;
    draft.add_to(&mut gathered.input, tx.now);
    let age = gathered.input.profile.age_on(gathered.input.on);
    let formulary = tx.app.formulary();
    let mut problems =
        rules::check_draft(&draft, age, &formulary, &tx.app.rules(), &tx.app.policy.prescribing);
    problems.extend(tx.app.selection(Some(facts.station_id)).problems(&draft.lines, &formulary));
    rules::refuse_broken(problems.into_iter().map(in_wire_terms).collect())?;
    let report = facts::run_new(tx.app, &gathered.input, Some(facts.station_id));
    Body::new(tx.app, revision, draft, report)
}

fn draft_of(facts: &ConsultationFacts, input: &PrescriptionInput) -> Result<PrescriptionDraft, Refusal> {
    let lines = facts::lines_of(&input.lines)?;
    Ok(PrescriptionDraft {
        lane: facts.lane,
        kind: input.kind,
        lines,
        diagnoses: input
            .diagnoses
            .iter()
            .map(|one| Diagnosis { code: one.code.clone(), text: one.name.trim().to_owned() })
            .collect(),
        longer_reason: input.long_supply_reason.clone(),
        overrides: Vec::new(),
        child: Some(ChildAttestation {
            guardian: input.guardian_attested,
            paediatrician: input.paediatrician_attested,
        }),
        skin_test: input.skin_test.map(SkinTestInput::stated),
        long_term: (input.kind == SupplyKind::LongTerm).then_some(LongTermAttestation {
            stable: input.stable_attested,
            patient_confirmed: input.patient_confirmed,
        }),
    })
}

/// Replaces the rules' field names that differ from those of the API.
pub(crate) fn in_wire_terms(mut problem: FieldProblem) -> FieldProblem {
    problem.field = match problem.field.as_str() {
        "child.guardian" => "guardian_attested".to_owned(),
        "child.paediatrician" => "paediatrician_attested".to_owned(),
        "long_term.stable" => "stable_attested".to_owned(),
        "long_term.patient_confirmed" => "patient_confirmed".to_owned(),
        field => match field.strip_suffix(".product") {
            Some(line) => format!("{line}.product_code"),
            None => field.to_owned(),
        },
    };
    problem
}
