//! Decides from the findings whether a drug is sold at the cabinet or refused. A block refuses the
//! drug. Unknown refuses it too: it may be a block, no staff is present to judge it, and a doctor can be called. The buyer
//! accepts a warning by the name of its rule. Open questions come first if answers may change the
//! verdict.

use std::borrow::Cow;

use super::questions::Question;
use crate::{
    formulary::{Condition, Formulary, Product},
    refusal::{Code, Refusal},
    safety::{Finding, RuleSet, SafetyInput, SafetyReport, Severity, Verdict, raises_severe_pressure},
    words::Bilingual,
};

const LABELS: &str =
    "Chinese labels of over-the-counter drugs: pregnancy, nursing, children, driving and work at height";
const PRESSURE: &str = "Waystation policy default: grade 3 of the clinical rules' blood pressure table";

/// Facts about the buyer that are not in the safety input.
#[derive(Debug, Clone, Copy)]
pub struct Buyer {
    /// Minimum age for a sale without a doctor, in years.
    pub from_years: u32,
}

/// Additional findings that apply because no staff is present; added to the engine's findings in `report`. A
/// fact of which the engine speaks already is not found a second time.
pub fn self_care_findings(
    input: &SafetyInput,
    report: &SafetyReport,
    buyer: Buyer,
    formulary: &Formulary,
    rules: &RuleSet,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut add =
        |rule: &'static str, severity, lines: Vec<usize>, texts: (&'static str, &'static str), source| {
            let (message, source) = (Bilingual::fixed(texts.0, texts.1), Cow::Borrowed(source));
            findings.push(Finding { rule: Cow::Borrowed(rule), severity, lines, message, source });
        };
    let profile = &input.profile;
    if profile.age_on(input.on).is_some_and(|age| age < buyer.from_years) {
        let texts = (
            "未成年人不能在此自行购药，请由医生诊视。",
            "Nothing is sold here to somebody so young without a doctor.",
        );
        add("self_care_age", Severity::Block, vec![], texts, LABELS);
    }
    for (at, line) in input.lines.iter().enumerate() {
        let Some(product) = formulary.get(&line.product) else { continue };
        let open = |answer: Option<bool>, fact: Condition| {
            answer == Some(true) && !report.speaks_of(fact, at, product, rules)
        };
        if is_systemic(product)
            && (open(profile.pregnant, Condition::Pregnancy)
                || open(profile.breastfeeding, Condition::BreastFeeding))
        {
            let texts = (
                "孕妇及哺乳期妇女用药前应咨询医师或药师。",
                "When pregnant or breast feeding, ask a doctor or pharmacist before taking this.",
            );
            add("self_care_pregnancy", Severity::Warn, vec![at], texts, LABELS);
        }
        if raises_severe_pressure(product, profile, rules) {
            let texts = (
                "血压达到 180/110，此类止痛药会使血压更高：不得自行购用，请先由医生诊视。",
                "At a blood pressure of 180/110 this painkiller raises it further: not sold without a doctor.",
            );
            add("self_care_severe_pressure", Severity::Block, vec![at], texts, PRESSURE);
        }
    }
    findings
}

fn is_systemic(product: &Product) -> bool {
    !product.form.is_local()
}

/// Decides on the sale; returns the rules of the accepted warnings, sorted.
///
/// # Errors
/// `safety_blocked`, `health_questions_unanswered`, `safety_unknown` or `safety_warnings_unaccepted`,
/// with findings or questions as data.
pub fn judge(
    report: &SafetyReport,
    questions: &[Question],
    accepted: &[String],
) -> Result<Vec<String>, Refusal> {
    let refuse = |code: Code, findings: &[&Finding]| {
        let data = serde_json::to_value(findings).unwrap_or(serde_json::Value::Null);
        Err(Refusal::new(code).with_data(data))
    };
    let all: Vec<&Finding> = report.findings.iter().collect();
    if report.verdict == Verdict::Block {
        return refuse(Code::SafetyBlocked, &all);
    }
    if !questions.is_empty() {
        let data = serde_json::json!({"questions": questions, "answer_at": "/api/v1/me/profile"});
        return Err(Refusal::new(Code::HealthQuestionsUnanswered).with_data(data));
    }
    if report.verdict == Verdict::Unknown {
        return refuse(Code::SafetyUnknown, &all);
    }
    let warnings = || all.iter().copied().filter(|finding| finding.severity == Severity::Warn);
    let open: Vec<&Finding> =
        warnings().filter(|finding| !accepted.iter().any(|code| *code == finding.rule)).collect();
    if !open.is_empty() {
        return refuse(Code::SafetyWarningsUnaccepted, &open);
    }
    let mut rules: Vec<String> = warnings().map(|finding| finding.rule.clone().into_owned()).collect();
    rules.sort_unstable();
    rules.dedup();
    Ok(rules)
}
