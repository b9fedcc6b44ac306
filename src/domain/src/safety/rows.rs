//! The rows of the rule tables, compiled to small numbers.

use std::borrow::Cow;

use super::{
    classes::{ClassId, Classes},
    input::Diagnosed,
    profile_test::ProfileTest,
    report::Severity,
};
use crate::{
    formulary::{Condition, name_key},
    words::Bilingual,
};

/// The number of a source in `sources.csv`.
pub(super) type SourceId = u16;

/// One document that rules come from.
#[derive(Debug, Clone)]
pub(super) struct Source {
    pub(super) id: String,
    pub(super) standing: Standing,
    /// What a finding cites: title, section, publisher, year.
    pub(super) cite: Cow<'static, str>,
}

crate::text_enum! {
    /// Whether somebody read what a rule cites.
    pub enum Standing {
        /// The excerpt was read.
        Read = "read",
        /// The project's clinical rules, not confirmed against a label.
        Unconfirmed = "unconfirmed",
        /// Our own choice.
        Default = "default",
    }
}

/// One class of drugs.
#[derive(Debug, Clone)]
pub(super) struct Class {
    pub(super) id: String,
    /// Its name.
    pub(super) shown: Bilingual,
    /// The class that a product for skin, eyes or nose still has.
    pub(super) applied_as: Option<ClassId>,
    /// Classes of which an allergy to a drug of this class warns.
    pub(super) cross_reacts: Classes,
    /// The line in its table.
    pub(super) line: u64,
}

/// Classes with a property that the engine itself reads.
#[derive(Debug, Clone, Default)]
pub(super) struct Flagged {
    /// Two drugs of such a class are duplicate therapy.
    pub(super) one_at_a_time: Classes,
    /// An allergy to one drug of such a class blocks the others.
    pub(super) shared_allergy: Classes,
    pub(super) sedating: Classes,
    /// Not sold at a blood pressure of grade 3.
    pub(super) raises_pressure: Classes,
    pub(super) not_absorbed: Classes,
    /// Never prescribed or sold here.
    pub(super) never: Classes,
    /// Excipients of products, which their labels list.
    pub(super) excipient: Classes,
    /// Given to a product by its row, not by its ingredients.
    pub(super) of_product: Classes,
}

/// How completely the pair table covers an ingredient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PairKnowledge {
    /// A pair of two covered ingredients without a row has no finding.
    Covered,
    /// Many interactions are known beyond the table: a pair without a row results in `unknown`.
    Partial,
}

/// What is known of one ingredient.
#[derive(Debug, Clone)]
pub struct IngredientFacts {
    /// Its international name, as in the formulary.
    pub code: String,
    pub(super) classes: Classes,
    pub(super) pairs: PairKnowledge,
    /// Up to this many micrograms a day it has these classes instead.
    pub(super) low_dose: Option<(i64, Classes)>,
    /// The line in its table.
    pub(super) line: u64,
}

/// One side of a rule: any of these.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Side {
    pub(super) classes: Classes,
    pub(super) ingredients: Vec<u16>,
    /// Every drug that is swallowed and absorbed.
    pub(super) any: bool,
}

/// The condition under which a pair rule applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    Always,
    /// The left side is taken at more than this many micrograms a day, or at an unknown dose.
    LeftAboveDayUg(i64),
    AtHeight,
    NotAtHeight,
    KidneyOrDehydrated,
    /// A drug of this class is taken too.
    With(ClassId),
    /// The breath test is positive.
    BreathPositive,
}

/// What a rule says if it applies.
#[derive(Debug, Clone)]
pub(super) struct Says {
    /// The stable code of the finding.
    pub(super) id: Cow<'static, str>,
    pub(super) severity: Severity,
    pub(super) sentence: Bilingual,
    pub(super) source: SourceId,
    /// The line in its table.
    pub(super) line: u64,
}

/// An interaction of two things that are taken together, in both directions.
#[derive(Debug, Clone)]
pub(super) struct PairRule {
    pub(super) left: Side,
    pub(super) right: Side,
    pub(super) when: When,
    pub(super) says: Says,
}

/// What an ingredient or class means for a person.
#[derive(Debug, Clone)]
pub(super) struct PeopleRule {
    pub(super) who: Side,
    pub(super) test: ProfileTest,
    /// Applies only above this many micrograms a day, or at an unknown dose.
    pub(super) above_day_ug: Option<i64>,
    /// Severity where the fact is not known; `None` where that has no finding.
    pub(super) missing: Option<Severity>,
    pub(super) says: Says,
}

/// What counts, besides the condition itself, for a condition that a label names.
#[derive(Debug, Clone)]
pub(super) struct ConditionRule {
    pub(super) condition: Condition,
    pub(super) fact: ProfileTest,
    pub(super) severity: Severity,
    pub(super) line: u64,
}

crate::text_enum! {
    /// What an alias stands for.
    pub enum AliasKind {
        /// A product that contains all of its ingredients.
        Drug = "drug",
        /// One of its ingredients and classes; nobody knows which.
        Class = "class",
    }
}

/// What people call a drug or a kind of drugs.
#[derive(Debug, Clone)]
pub(super) struct Alias {
    pub(super) id: String,
    pub(super) kind: AliasKind,
    pub(super) ingredients: Vec<u16>,
    pub(super) classes: Classes,
    /// What is shown to who typed it.
    pub(super) shown: Bilingual,
    pub(super) source: SourceId,
}

crate::text_enum! {
    /// The lists of diagnoses that the kind of supply, or the lane of care, asks for.
    pub enum AilmentList {
        /// Chronic diseases, for long-term supply.
        LongTerm = "long_term",
        /// What a first visit may treat where the health authority permits it.
        MinorAilment = "minor_ailment",
    }
}

/// A kind of diagnoses that rules name.
#[derive(Debug, Clone)]
pub(super) struct DiagnosisKind {
    /// Beginnings of ICD-10 codes.
    pub(super) codes: Vec<String>,
    /// Words that such a diagnosis holds, in the form of `name_key`.
    pub(super) words: Vec<String>,
}

impl DiagnosisKind {
    /// Whether a diagnosis is of this kind.
    pub(super) fn covers(&self, diagnosis: &Diagnosed) -> bool {
        let code = diagnosis.code.as_deref().map(str::to_ascii_uppercase);
        let by_code = code.is_some_and(|code| self.codes.iter().any(|start| code.starts_with(start)));
        let text = name_key(&diagnosis.text);
        by_code || self.words.iter().any(|word| text.contains(word))
    }

    /// As [`Self::covers`], where a code decides alone: words of another disease may stand beside it.
    pub(super) fn names(&self, diagnosis: &Diagnosed) -> bool {
        let worded = diagnosis.code.is_none();
        let text = if worded { diagnosis.text.clone() } else { String::new() };
        self.covers(&Diagnosed { code: diagnosis.code.clone(), text })
    }
}

/// What a child may take of an ingredient, besides what an adult may.
#[derive(Debug, Clone)]
pub(super) struct ChildDoseRule {
    pub(super) from_years: u32,
    /// Grams: heavier than the first, and not heavier than the second.
    pub(super) above_g: Option<i64>,
    pub(super) up_to_g: Option<i64>,
    /// Micrograms at a time and a day.
    pub(super) most: (Option<i64>, Option<i64>),
    /// Micrograms per kilogram at a time and a day.
    pub(super) most_per_kg: (Option<i64>, Option<i64>),
    pub(super) source: SourceId,
}

/// An allergy that names a class; it concerns no drug if both sets are empty.
#[derive(Debug, Clone)]
pub(super) struct AllergyRule {
    pub(super) blocks: Classes,
    pub(super) warns: Classes,
    pub(super) source: SourceId,
    /// The line in its table.
    pub(super) line: u64,
}

/// The maximum of one ingredient across all products, whatever their own labels allow.
#[derive(Debug, Clone)]
pub(crate) struct IngredientLimit {
    pub code: String,
    /// Micrograms a day for an adult.
    pub day_ug: i64,
    /// Micrograms at a time.
    pub dose_ug: Option<i64>,
    /// Micrograms at a time in a sustained-release form.
    pub sustained_dose_ug: Option<i64>,
    /// Doses a day where the label states none.
    pub usual_times: Option<u32>,
    /// Maximum days, for any reason.
    pub days: Option<u32>,
    /// Maximum days when fever is treated.
    pub fever_days: Option<u32>,
    /// Whether no second product may contain it.
    pub only_one_product: bool,
    pub(super) source: SourceId,
}
