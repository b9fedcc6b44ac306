//! The prescribing rules that do not depend on the individual drug, and where a drug is refused
//! because of the safety engine's findings (`check_findings`).

use chrono::{Datelike, NaiveDate};
use serde::{Deserialize, Serialize};

use super::{
    draft::{Override, PrescriptionDraft, SupplyKind},
    lanes::{EncounterLane, may_prescribe},
    long_term::{check_attested, check_diagnoses},
    policy::PrescribingPolicy,
    state::Prescription,
    supply::packs_needed,
};
use crate::{
    formulary::Formulary,
    ids::{ConsultationId, StaffId},
    network::Sex,
    refusal::{Code, FieldProblem, Refusal},
    safety::{DraftLine, Finding, RuleSet, SafetyReport},
    time::{Timestamp, civil_day, months_since},
    words::Bilingual,
};

/// What is known of the doctor who signs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DoctorStanding {
    pub staff: StaffId,
    /// The doctor's current consultation.
    pub consultation: ConsultationId,
    /// Was the licence checked against the register?
    pub licence_verified: bool,
    /// The last civil day on which the licence is valid.
    pub licence_valid_until: Option<NaiveDate>,
    /// The civil day on which practice began.
    pub practising_since: Option<NaiveDate>,
    /// Whether they authenticated again for this signature.
    pub reauthenticated: bool,
}

/// What is known of the pharmacist who reviews.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PharmacistStanding {
    pub staff: StaffId,
    /// Was the licence checked against the register?
    pub licence_verified: bool,
    /// The last civil day on which the licence is valid.
    pub licence_valid_until: Option<NaiveDate>,
}

/// The parties of a review.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ReviewParty {
    /// The doctor who signed.
    pub prescriber: StaffId,
}

fn licence_holds(verified: bool, until: Option<NaiveDate>, today: NaiveDate) -> bool {
    verified && until.is_some_and(|until| today <= until)
}

/// `years` years after `day`; 29 February becomes 1 March.
fn years_after(day: NaiveDate, years: u32) -> Option<NaiveDate> {
    let year = day.year().checked_add(i32::try_from(years).ok()?)?;
    day.with_year(year).or_else(|| NaiveDate::from_ymd_opt(year, 3, 1))
}

/// Whether this doctor's licence is verified and valid, with enough years of practice.
pub fn doctor_eligible(doctor: &DoctorStanding, today: NaiveDate, policy: &PrescribingPolicy) -> bool {
    let practised = doctor
        .practising_since
        .and_then(|since| years_after(since, policy.min_practice_years))
        .is_some_and(|enough| enough <= today);
    practised && licence_holds(doctor.licence_verified, doctor.licence_valid_until, today)
}

/// Only the doctor of this consultation signs, eligible and authenticated again. Source: the
/// project's clinical rules, prescribing table.
///
/// # Errors
/// `role_not_allowed`, `doctor_not_eligible` or `reauthentication_needed`.
pub(crate) fn check_prescriber(
    prescription: &Prescription,
    doctor: &DoctorStanding,
    now: Timestamp,
    policy: &PrescribingPolicy,
) -> Result<(), Refusal> {
    if doctor.staff != prescription.prescriber || doctor.consultation != prescription.consultation {
        return Err(Refusal::new(Code::RoleNotAllowed));
    }
    if !doctor_eligible(doctor, civil_day(now), policy) {
        return Err(Refusal::new(Code::DoctorNotEligible));
    }
    if !doctor.reauthenticated {
        return Err(Refusal::new(Code::ReauthenticationNeeded));
    }
    Ok(())
}

/// The reviewer is a pharmacist other than the prescriber, with a valid licence. Source: the
/// project's clinical rules, prescribing table.
///
/// # Errors
/// `own_review` or `role_not_allowed`.
pub(crate) fn check_reviewer(
    party: &ReviewParty,
    by: &PharmacistStanding,
    now: Timestamp,
) -> Result<(), Refusal> {
    if by.staff == party.prescriber {
        return Err(Refusal::new(Code::OwnReview));
    }
    if !licence_holds(by.licence_verified, by.licence_valid_until, civil_day(now)) {
        return Err(Refusal::new(Code::RoleNotAllowed));
    }
    Ok(())
}

/// Whether this lane may issue a prescription at all.
///
/// # Errors
/// `lane_no_prescription`.
pub fn check_lane(lane: EncounterLane) -> Result<(), Refusal> {
    if may_prescribe(lane) { Ok(()) } else { Err(Refusal::new(Code::LaneNoPrescription)) }
}

/// Refuses a block, and any warning or unknown without a reason. Source: the project's clinical
/// rules, drugs: a warning can be overridden with a reason, a block cannot.
///
/// # Errors
/// `safety_blocked` or `safety_warnings_unanswered`, with the findings as data.
pub fn check_findings(
    draft: &PrescriptionDraft,
    report: &SafetyReport,
    policy: &PrescribingPolicy,
) -> Result<(), Refusal> {
    let data = |findings: &[&Finding]| serde_json::to_value(findings).unwrap_or(serde_json::Value::Null);
    if report.blocked() {
        let all: Vec<&Finding> = report.findings.iter().collect();
        return Err(Refusal::new(Code::SafetyBlocked).with_data(data(&all)));
    }
    let asking: Vec<&Finding> = report.needing_reason().collect();
    let unanswered: Vec<&Finding> = asking
        .iter()
        .enumerate()
        .filter(|(at, finding)| {
            // Two findings of one rule on the same lines need two reasons.
            let before = asking[..*at].iter().filter(|other| same_place(other, finding)).count();
            answers(finding, draft, policy) <= before
        })
        .map(|(_, finding)| *finding)
        .collect();
    if unanswered.is_empty() {
        return Ok(());
    }
    Err(Refusal::new(Code::SafetyWarningsUnanswered).with_data(data(&unanswered)))
}

fn same_place(one: &Finding, other: &Finding) -> bool {
    one.rule == other.rule && one.lines == other.lines
}

/// Number of reasons that the doctor wrote for this rule on these lines.
fn answers(finding: &Finding, draft: &PrescriptionDraft, policy: &PrescribingPolicy) -> usize {
    let fits = |reason: &&Override| {
        let mut lines = reason.lines.clone();
        lines.sort_unstable();
        reason.rule == finding.rule && lines == finding.lines && is_reason(&reason.reason, policy)
    };
    draft.overrides.iter().filter(fits).count()
}

/// Digits, signs, and one character again and again are no words.
fn is_reason(text: &str, policy: &PrescribingPolicy) -> bool {
    let letters: std::collections::BTreeSet<char> = text.chars().filter(|one| one.is_alphabetic()).collect();
    text.trim().chars().count() >= policy.min_reason_chars && letters.len() > 1
}

/// Broken rules as one refusal.
///
/// # Errors
/// `prescribing_rule` with one entry per problem, where there are any.
pub fn refuse_broken(problems: Vec<FieldProblem>) -> Result<(), Refusal> {
    if problems.is_empty() {
        return Ok(());
    }
    Err(Refusal { fields: problems, ..Refusal::new(Code::PrescribingRule) })
}

pub(super) fn problem(field: impl Into<String>, code: &str, zh: &str, en: &str) -> FieldProblem {
    FieldProblem { field: field.into(), code: code.into(), message: Bilingual::made(zh, en) }
}

/// The form names the patient's sex and age, so both must be known before it is signed. Source: the
/// project's clinical rules, "Found by a clinical audit", law; Measures for the Administration of
/// Prescriptions (Ministry of Health, 2007), article 6.
///
/// # Errors
/// `prescribing_rule` with one entry per missing fact.
pub fn check_patient(
    sex: Option<Sex>,
    born: Option<NaiveDate>,
    today: NaiveDate,
) -> Result<(Sex, u32), Refusal> {
    let months = born.and_then(|born| months_since(born, today));
    let (Some(sex), Some(months)) = (sex, months) else {
        let missing = |is_missing: bool, field, zh, en| is_missing.then(|| problem(field, "needed", zh, en));
        let problems = [
            missing(
                sex.is_none(),
                "patient.sex",
                "处方须写明患者性别：请患者在屏幕上补填健康资料。",
                "The form names the patient's sex: ask them to complete their profile at the screen.",
            ),
            missing(
                months.is_none(),
                "patient.birth_date",
                "处方须写明患者年龄：请患者在屏幕上补填出生日期。",
                "The form names the patient's age: ask them to add their day of birth at the screen.",
            ),
        ];
        let fields = problems.into_iter().flatten().collect();
        return Err(Refusal { fields, ..Refusal::new(Code::PrescribingRule) });
    };
    Ok((sex, months))
}

/// Checks all rules of a draft that need neither the doctor nor drug knowledge beyond the formulary
/// row. Source: the project's clinical rules, prescribing table; of `rules` the lists of diagnoses alone
/// are read. Returns one entry per broken rule.
pub fn check_draft(
    draft: &PrescriptionDraft,
    age_years: Option<u32>,
    formulary: &Formulary,
    rules: &RuleSet,
    policy: &PrescribingPolicy,
) -> Vec<FieldProblem> {
    let mut problems = Vec::new();
    if draft.lines.is_empty() {
        problems.push(problem("lines", "needed", "至少开具一种药品。", "At least one drug is needed."));
    }
    if draft.lines.len() > policy.max_drugs {
        let most = policy.max_drugs;
        problems.push(problem(
            "lines",
            "too_many",
            &format!("每张处方不得超过 {most} 种药品。"),
            &format!("At most {most} drugs on one prescription."),
        ));
    }
    if !draft.diagnoses.iter().any(|diagnosis| !diagnosis.text.trim().is_empty()) {
        problems.push(problem("diagnoses", "needed", "须填写诊断。", "A diagnosis is needed."));
    }
    check_diagnoses(draft, rules, &mut problems);
    check_child(draft, age_years, policy, &mut problems);
    check_attested(draft, policy, &mut problems);
    for (at, line) in draft.lines.iter().enumerate() {
        check_dose(at, line, policy, &mut problems);
        check_product(at, line, formulary, &mut problems);
        check_days(at, line, draft, formulary, policy, &mut problems);
    }
    problems
}

fn check_child(
    draft: &PrescriptionDraft,
    age_years: Option<u32>,
    policy: &PrescribingPolicy,
    problems: &mut Vec<FieldProblem>,
) {
    let below = policy.attested_below_years;
    if age_years.is_none_or(|age| age >= below) {
        return;
    }
    let attested = draft.child.unwrap_or_default();
    if !attested.guardian {
        let (zh, en) =
            (format!("{below} 岁以下须监护人在场。"), format!("Under {below} a guardian must be attested."));
        problems.push(problem("child.guardian", "needed", &zh, &en));
    }
    if !attested.paediatrician {
        let (zh, en) = (
            format!("{below} 岁以下须儿科医师参与。"),
            format!("Under {below} a paediatrician must be attested."),
        );
        problems.push(problem("child.paediatrician", "needed", &zh, &en));
    }
}

fn check_dose(at: usize, line: &DraftLine, policy: &PrescribingPolicy, problems: &mut Vec<FieldProblem>) {
    if line.dose_units_thousandths <= 0 {
        let field = format!("lines[{at}].dose_units_thousandths");
        problems.push(problem(field, "out_of_range", "剂量须大于零。", "The dose must be above zero."));
    }
    if line.times_per_day == 0 || line.times_per_day > policy.max_times_per_day {
        let most = policy.max_times_per_day;
        problems.push(problem(
            format!("lines[{at}].times_per_day"),
            "out_of_range",
            &format!("每日次数须为 1 至 {most}。"),
            &format!("Times a day are 1 to {most}."),
        ));
    }
    if line.days == 0 {
        let field = format!("lines[{at}].days");
        problems.push(problem(field, "out_of_range", "天数须至少为 1。", "Days are at least 1."));
    }
}

fn check_product(at: usize, line: &DraftLine, formulary: &Formulary, problems: &mut Vec<FieldProblem>) {
    let field = format!("lines[{at}].product");
    match formulary.get(&line.product) {
        None => problems.push(problem(
            field,
            "unknown_product",
            "处方集中没有该药品。",
            "The formulary does not hold this product.",
        )),
        Some(product) if !product.prescribable() => {
            let (zh, en) = ("该药品不可开具。", "This product cannot be prescribed.");
            problems.push(problem(field, "not_prescribable", zh, en));
        }
        Some(product) if packs_needed(product, line).is_none() && line.days > 0 && line.times_per_day > 0 => {
            problems.push(problem(field, "too_much", "数量无法计算。", "The quantity cannot be counted."));
        }
        Some(_) => {}
    }
}

/// Days of supply: usual, emergency, with a reason, long-term.
fn check_days(
    at: usize,
    line: &DraftLine,
    draft: &PrescriptionDraft,
    formulary: &Formulary,
    policy: &PrescribingPolicy,
    problems: &mut Vec<FieldProblem>,
) {
    let reasoned = draft.longer_reason.as_deref().is_some_and(|reason| is_reason(reason, policy));
    let antimicrobial = formulary.get(&line.product).is_some_and(|product| product.is_antimicrobial());
    let field = format!("lines[{at}].days");
    if draft.kind == SupplyKind::LongTerm && antimicrobial {
        let (zh, en) = ("抗菌药物不得开具长期处方。", "An antimicrobial is never long-term.");
        problems.push(problem(field, "antimicrobial_long_term", zh, en));
        return;
    }
    let analgesic = formulary.get(&line.product).is_some_and(|product| product.is_analgesic());
    if draft.kind == SupplyKind::LongTerm && analgesic {
        let (zh, en) = ("镇痛药不得开具长期处方。", "A drug against pain is never long-term.");
        problems.push(problem(field, "analgesic_long_term", zh, en));
        return;
    }
    let kept_cold = formulary.get(&line.product).is_some_and(|product| product.is_kept_cold());
    if draft.kind == SupplyKind::LongTerm && kept_cold {
        let (zh, en) =
            ("对储存有特殊要求的药品不得开具长期处方。", "A drug that is kept cold is never long-term.");
        problems.push(problem(field, "special_storage_long_term", zh, en));
        return;
    }
    let (usual, longest) = match draft.kind {
        SupplyKind::Ordinary => (policy.ordinary_days, policy.reasoned_days),
        SupplyKind::Emergency => (policy.emergency_days, policy.reasoned_days),
        SupplyKind::LongTerm => {
            (policy.long_term_usual_days.min(policy.long_term_days), policy.long_term_days)
        }
    };
    if line.days > longest {
        problems.push(problem(
            field,
            "too_long",
            &format!("最多 {longest} 天。"),
            &format!("At most {longest} days."),
        ));
    } else if line.days > usual && !reasoned {
        problems.push(problem(
            field,
            "reason_needed",
            &format!("超过 {usual} 天须写明理由。"),
            &format!("More than {usual} days needs a written reason."),
        ));
    }
}

#[cfg(test)]
#[path = "rules_tests.rs"]
mod tests;
