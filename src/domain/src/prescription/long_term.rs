//! Long-term supply and its conditions, and what a first visit may treat. Source: Norms for long-term
//! prescriptions, trial (National Health Commission and National Healthcare Security Administration,
//! 2021), as reported by People's Daily Online on 2021-08-13: for a chronic disease that is diagnosed
//! and stable; within 4 weeks as a rule, 12 at most; beyond 4 weeks the doctor assesses strictly, teaches
//! the patient and records it, and the patient confirms; never antimicrobials, nor drugs that are stored
//! in a special way. That somebody else signs as well, and that drugs against pain are never among them, are
//! the project's clinical rules, law: the pharmacist who reviews countersigns.

use serde::{Deserialize, Serialize};

use super::{
    draft::{PrescriptionDraft, SupplyKind},
    lanes::EncounterLane,
    policy::PrescribingPolicy,
    rules::problem,
};
use crate::{
    refusal::{Code, FieldProblem, Refusal},
    safety::{AilmentList, RuleSet},
};

/// What a doctor attests for long-term supply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LongTermAttestation {
    /// The disease and its treatment are stable.
    pub stable: bool,
    /// The patient was taught about a supply beyond the usual length, and confirmed it.
    pub patient_confirmed: bool,
}

impl PrescriptionDraft {
    fn beyond_usual(&self, policy: &PrescribingPolicy) -> bool {
        let usual = policy.long_term_usual_days.min(policy.long_term_days);
        self.kind == SupplyKind::LongTerm && self.lines.iter().any(|line| line.days > usual)
    }

    /// Whether the pharmacist who approves it countersigns. What was signed before the attestations
    /// existed stays as it was signed.
    pub fn needs_countersignature(&self, policy: &PrescribingPolicy) -> bool {
        self.long_term.is_some() && self.beyond_usual(policy)
    }
}

/// The diagnoses that the kind of supply and the lane ask for.
pub(super) fn check_diagnoses(draft: &PrescriptionDraft, rules: &RuleSet, problems: &mut Vec<FieldProblem>) {
    let listed = |list: AilmentList| move |diagnosis: &_| rules.lists(list, diagnosis);
    let diagnosed = || draft.diagnoses.iter().map(super::draft::Diagnosis::diagnosed);
    if draft.kind == SupplyKind::LongTerm && !diagnosed().any(|one| listed(AilmentList::LongTerm)(&one)) {
        problems.push(problem(
            "diagnoses",
            "not_chronic",
            "长期处方须有慢性病诊断（见用药规则“病种”表）。",
            "Long-term supply needs the diagnosis of a chronic disease (the table `ailments` of the rules).",
        ));
    }
    if draft.lane == EncounterLane::MinorAilmentPilot {
        for (at, _) in diagnosed().enumerate().filter(|(_, one)| !listed(AilmentList::MinorAilment)(one)) {
            problems.push(problem(
                format!("diagnoses[{at}]"),
                "not_minor_ailment",
                "首诊试点仅限所列轻症（见用药规则“病种”表）。",
                "A first visit treats the listed minor ailments only (the table `ailments` of the rules).",
            ));
        }
    }
}

/// What the doctor attests for long-term supply.
pub(super) fn check_attested(
    draft: &PrescriptionDraft,
    policy: &PrescribingPolicy,
    problems: &mut Vec<FieldProblem>,
) {
    let attested = draft.long_term.unwrap_or_default();
    if draft.kind == SupplyKind::LongTerm && !attested.stable {
        problems.push(problem(
            "long_term.stable",
            "needed",
            "长期处方须确认病情和用药方案稳定。",
            "Long-term supply needs the attestation that the disease and its treatment are stable.",
        ));
    }
    if draft.beyond_usual(policy) && !attested.patient_confirmed {
        let usual = policy.long_term_usual_days;
        problems.push(problem(
            "long_term.patient_confirmed",
            "needed",
            &format!("超过 {usual} 天的长期处方须对患者进行用药教育，并由患者确认。"),
            &format!("Beyond {usual} days the patient is taught about the supply and confirms it."),
        ));
    }
}

/// Refuses an approval without the countersignature that it needs; `given` is `None` where it needs none.
pub(super) fn ensure_countersigned(given: Option<bool>) -> Result<(), Refusal> {
    if given != Some(false) {
        return Ok(());
    }
    let field = problem(
        "countersigned",
        "needed",
        "超过 4 周的长期处方：审方药师须确认已核对医师的评估并会签。",
        "Long-term supply beyond 4 weeks: the pharmacist confirms the doctor's assessment and countersigns.",
    );
    Err(Refusal { fields: vec![field], ..Refusal::new(Code::PrescribingRule) })
}

#[cfg(test)]
#[path = "long_term_tests.rs"]
mod tests;
