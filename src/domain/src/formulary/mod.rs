//! The drugs that may be prescribed here (formulary) and all drugs known (catalogue).
//! Whether a drug is safe for a worker is decided in `safety`. A maximum is never guessed:
//! a row without a sourced maximum is stored and shown, but cannot be prescribed or sold.
//! Amounts are whole micrograms and thousandths of a unit; there are no floats.

mod bounds;
mod claims;
mod codes;
mod condition_names;
mod label;
mod look_alike;
mod names;
mod never;
mod parse;
mod product;
mod script;
mod search;
pub mod selection;
mod sound;
mod source;
mod update;

pub use claims::Claims;
pub use codes::{Condition, DoseUnit, Form, IngredientCode, ProductCode, SaleClass};
pub use label::{ApprovalNumber, Barcode, LABEL_COLUMNS, LABEL_TEXTS, PackLabel};
pub use look_alike::{Difference, Likeness, LookAlike, MOST_LOOK_ALIKES, NameParts, differences, name_parts};
pub use lookup::{Formulary, Standing};
pub(crate) use names::{
    canonical_ingredient, ingredient_zh, known_ingredient, known_ingredient_zh, known_ingredients,
    shorter_names,
};
pub(crate) use never::never_ingredient;
pub use never::{Never, never};
pub(crate) use parse::thousandths;
pub use parse::{COLUMNS, OPTIONAL, RowProblem, TEXTS};
pub use product::{AdultMaximum, ChildDose, Excipient, Ingredient, Product};
pub(crate) use script::simplified;
pub use search::{SearchCursor, SearchPage};
#[cfg(test)]
pub(crate) use sound::sounds_of;
pub(crate) use sound::{name_key, pinyin_of};
pub(crate) use source::{is_our_own, names_a_source};

/// The formulary that ships with the application, as CSV. Its prices are samples.
pub const SHIPPED_CSV: &str = include_str!("shipped.csv");

mod lookup;
#[cfg(test)]
mod shipped_tests;
