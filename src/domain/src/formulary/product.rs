//! One row of the formulary or catalogue.

use serde::{Deserialize, Serialize};

use super::{
    bounds::{Flaw, implausible},
    codes::{Condition, DoseUnit, Form, IngredientCode, ProductCode, SaleClass},
    never::never,
    source::names_a_source,
};
use crate::{money::Fen, words::Bilingual};

/// One active ingredient and how much of it one unit holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ingredient {
    /// The international name.
    pub code: IngredientCode,
    /// Micrograms in one unit; 0 where the label gives no amount (herbal compounds).
    pub amount_ug: i64,
}

/// The most an adult may take, as the row's `source` says. Single drugs are limited in
/// micrograms, compounds and things for the skin in units or times a day.
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
    /// Days of treatment without a doctor's new look.
    pub days: Option<u32>,
}

impl AdultMaximum {
    /// Is a day's dose limited at all? Days alone limit nothing.
    pub const fn limits_a_day(&self) -> bool {
        self.day_ug.is_some() || self.day_units_thousandths.is_some() || self.times_per_day.is_some()
    }
}

/// A child's dose by weight; the adult maximum still caps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChildDose {
    /// Micrograms per kilogram in one dose.
    pub ug_per_kg_dose: i64,
    /// Micrograms per kilogram in one day.
    pub ug_per_kg_day: i64,
}

/// A product: one drug in one form, strength and pack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Product {
    /// Its code.
    pub code: ProductCode,
    /// Generic name in Chinese.
    pub generic_zh: String,
    /// Generic name in English.
    pub generic_en: String,
    /// ATC code, or `-` where there is none (herbal compounds).
    pub atc: String,
    /// Dosage form.
    pub form: Form,
    /// Micrograms of the one ingredient per unit; `None` for compounds.
    pub strength_ug: Option<i64>,
    /// What it holds. Never empty.
    pub ingredients: Vec<Ingredient>,
    /// Units in one pack.
    pub units_per_pack: u32,
    /// Price of one pack.
    pub price: Fen,
    /// How it may be sold.
    pub class: SaleClass,
    /// The most an adult may take.
    pub adult_max: AdultMaximum,
    /// Not below this age; `None` where the source says nothing of age.
    pub min_age_years: Option<u32>,
    /// A child's dose by weight, where there is one.
    pub child_dose: Option<ChildDose>,
    /// States in which it must not be given.
    pub contraindications: Vec<Condition>,
    /// Does its label warn of sleepiness?
    pub sedating: bool,
    /// Does it hold ethanol?
    pub contains_alcohol: bool,
    /// How to keep it.
    pub storage: String,
    /// The document and section in which the maximum was read, or why there is none.
    pub source: String,
    /// Chosen for the formulary? Otherwise it is only known to the catalogue.
    pub in_formulary: bool,
}

impl Product {
    /// What its doses are counted in.
    pub const fn unit(&self) -> DoseUnit {
        self.form.unit()
    }

    /// Has somebody read, in a named source, the most an adult may take in a day?
    pub fn has_sourced_maximum(&self) -> bool {
        self.adult_max.limits_a_day() && names_a_source(&self.source)
    }

    /// May it stand on a prescription, or be sold, at all? Not without a sourced and plausible
    /// maximum, not outside the formulary, and never from the never-list
    /// (source: clinical rules, prescribing table [V]). A row of an old database is asked the same.
    pub fn prescribable(&self) -> bool {
        self.in_formulary && self.has_sourced_maximum() && self.flaws().is_empty()
    }

    /// Maxima that no adult label names, by column.
    pub fn implausible(&self) -> Vec<Flaw> {
        implausible(self)
    }

    /// What an import refuses about this row, by column. A row outside the formulary may name a
    /// drug of the never-list: it is only known, so that what a worker takes can be recognised.
    pub fn flaws(&self) -> Vec<Flaw> {
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
        // Where nobody read a maximum the row says so, and is not prescribable.
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

    /// Is it an antimicrobial for systemic use? Those are never long-term
    /// (source: house rules, prescribing table [V]). J01 antibacterials, J02 antimycotics,
    /// J04 antimycobacterials, J05 antivirals, and nitroimidazoles by mouth (P01AB).
    pub fn is_antimicrobial(&self) -> bool {
        ["J01", "J02", "J04", "J05", "P01AB"].iter().any(|prefix| self.atc.starts_with(prefix))
    }
}
