//! The drugs that may be prescribed here (formulary) and all drugs known (catalogue),
//! as plain rows. It never decides whether a drug suits a worker (`safety` does), and it
//! never guesses a maximum: a row whose maximum nobody read is carried, shown and refused.
//! Amounts are whole micrograms and thousandths of a unit; there are no floats.

mod book;
mod bounds;
mod codes;
mod condition_names;
mod names;
mod never;
mod never_groups;
mod parse;
mod product;
mod script;
mod source;

pub use book::{Formulary, Standing};
pub use bounds::Flaw;
pub use codes::{Condition, DoseUnit, Form, IngredientCode, ProductCode, SaleClass};
pub use names::{KnownIngredient, canonical_ingredient, ingredient_of_atc, known_ingredient};
pub use never::{Never, never};
pub use parse::{COLUMNS, FieldIssue, OPTIONAL, RowProblem, TEXTS};
pub use product::{AdultMaximum, ChildDose, Ingredient, Product};
pub use script::simplified;
pub use source::names_a_source;

/// The formulary that ships with the house, as CSV. Its prices are samples.
pub const SHIPPED_CSV: &str = include_str!("shipped.csv");

#[cfg(test)]
mod shipped_tests;
