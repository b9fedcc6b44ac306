//! The prescribing safety engine: one pure function over what is prescribed, what is taken already
//! and the worker's profile. It blocks and warns; it never writes or completes a prescription line,
//! and never treats a gap in its knowledge as safe: that is `unknown`. The rules are tables with a
//! version and a source (`src/domain/rules/*.csv`, read by `tables`), so that a changed rule leaves
//! old decisions explained. A drug is refused by its findings: in `prescription::rules::check_findings` and
//! `order::self_care::judge`. Pairs are checked between the prescribed drugs and everything taken; a pair
//! of two drugs that the worker already takes does not concern this prescription.

mod allergies;
mod cases;
mod check;
mod child_doses;
mod classes;
mod contraindications;
mod doses;
mod edition;
mod findings;
mod input;
mod items;
mod needs;
mod people;
mod profile_test;
mod report;
mod rows;
mod rules;
mod tables;
mod thresholds;
mod trial;
mod worked;

#[cfg(test)]
mod fixtures;
mod name_index;
mod named;
mod negation;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests_cases;
#[cfg(test)]
mod tests_drugs;
#[cfg(test)]
mod tests_pairs;
#[cfg(test)]
mod tests_people;
#[cfg(test)]
mod tests_perturbed;
#[cfg(test)]
mod tests_perturbed_names;

pub use check::check;
pub use edition::RuleEditions;
pub use input::{Diagnosed, DraftLine, Profile, SafetyInput, Sex, SkinTest, SkinTestResult, Taken};
pub use named::{Asked, NameStanding, NamedPart, Suggestion, recognise};
pub(crate) use needs::Needs;
pub use needs::needs;
pub use negation::means_none;
pub(crate) use people::raises_severe_pressure;
pub use report::{Finding, SafetyReport, Severity, Verdict};
pub(crate) use rows::IngredientLimit;
pub use rows::{AilmentList, Standing};
pub use rules::RuleSet;
pub use tables::{
    CellChange, ListedRule, ListedSource, RowChange, RowChangeKind, RuleFault, RuleFaultCode, RuleTables,
    changes, listed, version,
};
pub use worked::{CaseChange, CasesRun, FindingChange, run_worked_cases};
