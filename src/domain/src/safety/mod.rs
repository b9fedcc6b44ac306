//! The prescribing safety engine: one pure function over what is prescribed, what is being
//! taken and who takes it. It blocks and warns; it never writes or completes a prescription
//! line, and never reads a gap in its knowledge as safety: that is `unknown`. The rules are
//! tables with a version and a source (`ingredients`, `pairs`, `profile`), so that a changed
//! rule leaves old decisions explained. Pairs are looked up between what is prescribed and
//! all that is taken; two drugs that the worker already takes are not this prescription's.

mod allergies;
mod check;
mod classes;
mod contraindications;
mod doses;
mod findings;
mod ingredients;
mod input;
mod items;
mod needs;
mod nothing;
mod pairs;
mod people;
mod report;
mod rules;
mod spoken;

#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests_drugs;
#[cfg(test)]
mod tests_pairs;
#[cfg(test)]
mod tests_people;

pub use check::check;
pub use classes::{Classes, DrugClass};
pub use ingredients::{IngredientFacts, PairKnowledge};
pub use input::{DraftLine, Profile, SafetyInput, Sex, Taken};
pub use needs::{Needs, is_sedating, needs};
pub use nothing::says_none;
pub use pairs::{PairRule, Side, When};
pub use people::{ProfileRule, ProfileTest, raises_severe_pressure};
pub use report::{Finding, SafetyReport, Severity, Verdict};
pub use rules::{IngredientLimit, RuleSet, Thresholds};
