//! One row of the formulary or catalogue.

use serde::{Deserialize, Serialize};

use super::{
    bounds::{Flaw, implausible},
    codes::{Condition, DoseUnit, Form, IngredientCode, ProductCode, SaleClass},
    label::PackLabel,
    never::never,
    source::names_a_source,
};
use crate::{money::Fen, words::Bilingual};

/// One active ingredient and its amount per unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ingredient {
    /// The international nonproprietary name.
    pub code: IngredientCode,
    /// Micrograms per unit; 0 if the label gives no amount (herbal compounds).
    pub amount_ug: i64,
}

/// The maximum for an adult, according to the row's `source`. Single drugs are limited in
/// micrograms; compounds and topical drugs in units or times per day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdultMaximum {
    /// Micrograms of the one ingredient in one dose.
    pub dose_ug: Option<i64>,
    /// Micrograms of the one ingredient in one day.
    pub day_ug: Option<i64>,
    /// Thousandths of a unit in one dose.
    pub dose_units_thousandths: Option<i64>,
    /// Thousandths of a unit in one day.
    pub day_units_thousandths: Option<i64>,
    /// Doses in one day.
    pub times_per_day: Option<u32>,
    /// Days of treatment without another consultation.
    pub days: Option<u32>,
}

impl AdultMaximum {
    /// Whether the daily dose is limited. `days` alone does not limit it.
    pub(crate) const fn limits_a_day(&self) -> bool {
        self.day_ug.is_some() || self.day_units_thousandths.is_some() || self.times_per_day.is_some()
    }
}

/// A child's dose by weight; the adult maximum applies as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChildDose {
    /// Micrograms per kilogram in one dose.
    pub ug_per_kg_dose: i64,
    /// Micrograms per kilogram in one day.
    pub ug_per_kg_day: i64,
}

crate::text_enum! {
    /// A part of a product, besides its drugs, to which people are allergic.
    pub enum Excipient {
        Lactose = "lactose",
        /// Egg white or yolk, or what is made of it.
        Egg = "egg",
    }
}

/// A product: one drug in one form, strength and pack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Product {
    pub code: ProductCode,
    pub generic_zh: String,
    pub generic_en: String,
    /// `-` if there is none (herbal compounds).
    pub atc: String,
    pub form: Form,
    /// Micrograms of the one ingredient per unit; `None` for compounds.
    pub strength_ug: Option<i64>,
    /// Never empty.
    pub ingredients: Vec<Ingredient>,
    pub units_per_pack: u32,
    /// Price of one pack.
    pub price: Fen,
    pub class: SaleClass,
    pub adult_max: AdultMaximum,
    /// Minimum age; `None` if the source does not state one.
    pub min_age_years: Option<u32>,
    /// `None` if there is no dose by weight.
    pub child_dose: Option<ChildDose>,
    /// Conditions in which it must not be given.
    pub contraindications: Vec<Condition>,
    /// The label warns of drowsiness.
    pub sedating: bool,
    /// It contains ethanol.
    pub contains_alcohol: bool,
    /// What else it contains that people are allergic to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub excipients: Vec<Excipient>,
    /// Whether its excipients were read, so that one which is not named is not in it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub excipients_listed: bool,
    /// What is printed on its pack.
    #[serde(default, skip_serializing_if = "PackLabel::is_empty")]
    pub label: PackLabel,
    pub storage: String,
    /// The document and section that state the maximum, or why there is none.
    pub source: String,
    /// In the formulary; otherwise in the catalogue only.
    pub in_formulary: bool,
}

impl Product {
    pub const fn unit(&self) -> DoseUnit {
        self.form.unit()
    }

    /// Whether it releases its drug slowly, by its form or its name.
    pub(crate) fn released_slowly(&self) -> bool {
        matches!(self.form, Form::SustainedReleaseTablet | Form::SustainedReleaseCapsule)
            || self.named(
                &["缓释", "控释"],
                &["sustained", "controlled-release", "prolonged", "extended-release"],
            )
    }

    /// Whether it must be swallowed whole: capsules, and tablets that release slowly or in the gut.
    pub(crate) fn swallowed_whole(&self) -> bool {
        self.form == Form::Capsule
            || self.released_slowly()
            || self.named(&["肠溶"], &["enteric", "gastro-resistant", "delayed-release", "modified-release"])
    }

    fn named(&self, zh: &[&str], en: &[&str]) -> bool {
        let english = self.generic_en.to_lowercase();
        zh.iter().any(|word| self.generic_zh.contains(word)) || en.iter().any(|word| english.contains(word))
    }

    /// Whether an adult's daily maximum is given with a source.
    pub fn has_sourced_maximum(&self) -> bool {
        self.adult_max.limits_a_day() && names_a_source(&self.source)
    }

    /// Whether it may be prescribed or sold at all: it needs a sourced and plausible maximum, must
    /// be in the formulary, and must not be on the never-list. Applies to rows of old databases
    /// too. Source: the project's clinical rules, prescribing table.
    pub fn prescribable(&self) -> bool {
        self.in_formulary && self.has_sourced_maximum() && self.flaws().is_empty()
    }

    /// Maxima above those of any adult label, by column.
    pub fn implausible(&self) -> Vec<Flaw> {
        implausible(self)
    }

    /// The errors for which an import refuses this row, by column. A row outside the formulary may
    /// contain a drug on the never-list, so that a drug that a worker takes can be recognised.
    pub(crate) fn flaws(&self) -> Vec<Flaw> {
        let mut flaws = implausible(self);
        if let Some(found) = self.in_formulary.then(|| never(self)).flatten() {
            let message = Bilingual::made(
                format!("{}：此处不得开具或售出；目录外登记请将 in_formulary 填为 no。", found.group.zh),
                format!(
                    "{}: never prescribed or sold here; a row with in_formulary no may stand in the catalogue.",
                    found.group.en
                ),
            );
            flaws.push(Flaw { field: found.field, code: "never_list", message });
        }
        // A row without a maximum needs no source; it is not prescribable.
        if self.adult_max.limits_a_day() && !names_a_source(&self.source) {
            let message = Bilingual::fixed(
                "须写明查阅的文件和章节，例如“布洛芬片说明书 2023 版，用法用量”“国药准字H20051234”“https://……/……”。",
                "name the document and the section that was read, such as \"Ibuprofen tablets label 2023, Directions\", \
                 \"SmPC PL 12345/0001, section 4.2\", an approval number or a link with its path.",
            );
            flaws.push(Flaw { field: "source", code: "no_source", message });
        }
        flaws
    }

    /// Whether it is an antimicrobial for systemic use, which is never prescribed long-term: J01
    /// antibacterials, J02 antimycotics, J04 antimycobacterials, J05 antivirals, and oral
    /// nitroimidazoles (P01AB). Source: the project's clinical rules, prescribing table.
    pub(crate) fn is_antimicrobial(&self) -> bool {
        ["J01", "J02", "J04", "J05", "P01AB"].iter().any(|prefix| self.atc.starts_with(prefix))
    }

    /// Whether it must be kept cold, and so is never prescribed long-term. Source: Norms for long-term
    /// prescriptions, trial, 2021 (`prescription::long_term`).
    pub(crate) fn is_kept_cold(&self) -> bool {
        let storage = self.storage.to_lowercase();
        ["冷藏", "2-8", "2～8", "refrigerat"].iter().any(|words| storage.contains(words))
    }

    /// Whether it dissolves under the tongue: nitrates work through the mouth's lining, and not when they are
    /// swallowed. Source: label of nitroglycerin tablets (H31021149), directions.
    pub(crate) fn dissolves_under_tongue(&self) -> bool {
        self.form == Form::Lozenge && self.atc.starts_with("C01DA")
    }

    /// Whether it is given against pain, and so never prescribed long-term: N02 analgesics and M01A
    /// antirheumatics. Source: the project's clinical rules, law.
    pub(crate) fn is_analgesic(&self) -> bool {
        ["N02", "M01A"].iter().any(|prefix| self.atc.starts_with(prefix))
    }
}
