//! The unanswered health questions that these products require.

use serde::Serialize;

use crate::{
    formulary::Condition,
    safety::{Needs, RuleSet, SafetyInput, Sex},
    words::Bilingual,
};

crate::text_enum! {
    /// A question, named after the field of the health profile that answers it.
    pub enum QuestionField {
        BirthDate = "birth_date",
        Pregnant = "pregnant",
        Breastfeeding = "breastfeeding",
        Allergies = "allergies",
        Conditions = "conditions",
        Medicines = "medicines",
        Job = "job",
    }
}

/// One question to the buyer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Question {
    /// The field of the health profile that answers it.
    pub field: QuestionField,
    /// The conditions that matter for these products.
    pub about: Vec<Condition>,
    pub question: Bilingual,
}

/// Which questions were answered; "none" is an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Answered {
    pub allergies: bool,
    pub conditions: bool,
    pub medicines: bool,
    pub job: bool,
}

/// The questions that `needs` requires and that are not answered yet. Age and allergies are
/// required for every product.
pub fn unanswered(needs: &Needs, input: &SafetyInput, answered: Answered, rules: &RuleSet) -> Vec<Question> {
    let profile = &input.profile;
    let mut questions = Vec::new();
    let mut ask = |field, about: Vec<Condition>, zh: &str, en: &str| {
        questions.push(Question { field, about, question: Bilingual::made(zh, en) });
    };
    let age = profile.age_on(input.on);
    if age.is_none() {
        ask(QuestionField::BirthDate, vec![], "您的出生日期是？", "When were you born?");
    }
    let limits = &rules.thresholds;
    let of_age = age.is_none_or(|age| {
        (limits.may_be_pregnant_from_years..=limits.may_be_pregnant_to_years).contains(&age)
    });
    let pregnancy_possible = of_age && profile.sex != Some(Sex::Male);
    if needs.pregnancy && pregnancy_possible && profile.pregnant.is_none() {
        ask(QuestionField::Pregnant, vec![], "您现在是否怀孕？", "Are you pregnant now?");
    }
    if needs.breastfeeding && pregnancy_possible && profile.breastfeeding.is_none() {
        ask(QuestionField::Breastfeeding, vec![], "您现在是否哺乳？", "Are you breast feeding now?");
    }
    if !answered.allergies {
        let (zh, en) = (
            "您对哪些药物或其他东西过敏？没有请答“无”。",
            "What are you allergic to? Answer none if nothing.",
        );
        ask(QuestionField::Allergies, vec![], zh, en);
    }
    if !needs.conditions.is_empty() && !answered.conditions {
        let (zh, en) = (
            "您是否有疾病，例如肝病、肾病、胃溃疡、哮喘、心脏病？没有请答“无”。",
            "Do you have any condition, of liver, kidneys, stomach, lungs or heart, say? Answer none if not.",
        );
        ask(QuestionField::Conditions, needs.conditions.clone(), zh, en);
    }
    if needs.medicines && !answered.medicines {
        let (zh, en) =
            ("您正在服用哪些药？没有请答“无”。", "What medicines do you take now? Answer none if nothing.");
        ask(QuestionField::Medicines, vec![], zh, en);
    }
    if needs.job && !answered.job {
        let (zh, en) = ("您做什么工作？是否高处作业或驾驶？", "What is your work? At height, or driving?");
        ask(QuestionField::Job, vec![], zh, en);
    }
    questions
}
