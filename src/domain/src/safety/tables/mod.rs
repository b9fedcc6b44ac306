//! The rule tables as files, and how they become a rule set: each table is parsed, then the tables
//! are compared with each other. All faults are reported at once, by line and field; an edition with
//! one is refused as a whole.

mod changes;
mod consistency;
mod fault;
mod listing;
mod names;
mod parse;
mod reader;
mod spoken;

use std::collections::{HashMap, HashSet};

pub use changes::{CellChange, RowChange, RowChangeKind, changes};
pub use fault::{RuleFault, RuleFaultCode};
pub use listing::{ListedRule, ListedSource, listed, version};
use names::Names;
use reader::Faults;

use super::rules::{Compiled, RuleSet};

/// Declares the tables of an edition: each is a file in `src/domain/rules/`.
macro_rules! rule_tables {
    ($($table:ident),+) => {
        /// The text of every table of an edition, as CSV.
        #[derive(Debug, Clone, Copy)]
        pub struct RuleTables<'t> { $( pub $table: &'t str ),+ }

        impl RuleTables<'static> {
            /// The edition that ships with the program.
            pub const SHIPPED: Self =
                Self { $( $table: include_str!(concat!("../../../rules/", stringify!($table), ".csv")) ),+ };
        }

        impl<'t> RuleTables<'t> {
            /// The name of every table.
            pub const NAMES: &'static [&'static str] = &[$( stringify!($table) ),+];

            /// Every table with its name.
            pub fn named(&self) -> impl Iterator<Item = (&'static str, &'t str)> {
                [$( (stringify!($table), self.$table) ),+].into_iter()
            }

            /// Puts another text in place of the table of this name; `false` if no table has it.
            pub fn replace(&mut self, name: &str, text: &'t str) -> bool {
                match name {
                    $( stringify!($table) => self.$table = text, )+
                    _ => return false,
                }
                true
            }
        }
    };
}

rule_tables!(
    edition,
    sources,
    classes,
    ingredients,
    thresholds,
    limits,
    pairs,
    people,
    conditions,
    allergies,
    aliases,
    diagnoses,
    child_doses,
    ailments
);

impl RuleSet {
    /// The rule set of these tables.
    ///
    /// # Errors
    /// Every fault of every table.
    pub fn from_tables(tables: &RuleTables<'_>) -> Result<Self, Vec<RuleFault>> {
        let mut faults = Faults::default();
        let edition = parse::edition(tables.edition, &mut faults);
        let sources = parse::sources(tables.sources, &mut faults);
        let class_ids = parse::class_ids(tables.classes);
        // The ingredients are numbered first, so that every table can name them.
        let rows = reader::read(
            "ingredients",
            tables.ingredients,
            parse::INGREDIENT_COLUMNS,
            &mut Faults::default(),
        );
        let codes: Vec<&str> = rows.iter().map(|row| row.cell("code")).collect();
        let index: HashMap<String, u16> =
            (0u16..).zip(&codes).map(|(at, code)| ((*code).to_owned(), at)).collect();
        let words: HashSet<&str> = codes.iter().copied().collect();
        let kinds = spoken::diagnosis_ids(tables.diagnoses);
        let names =
            Names { sources: &sources, classes: &class_ids, ingredients: &index, diagnoses: &kinds, words };
        let diagnoses = spoken::diagnoses(tables.diagnoses, &names, &mut faults);
        let ailments = spoken::ailments(tables.ailments, &names, &mut faults);
        let child_doses = parse::child_doses(tables.child_doses, &names, &mut faults);
        let (classes, flagged) = parse::classes(tables.classes, &names, &mut faults);
        let ingredients = parse::ingredients(tables.ingredients, &names, &mut faults);
        let thresholds = parse::thresholds(tables.thresholds, &names, &mut faults);
        let limits = parse::limits(tables.limits, &names, &mut faults);
        let pairs = parse::pairs(tables.pairs, &names, &mut faults);
        let people = parse::people(tables.people, &names, &mut faults);
        let conditions = parse::conditions(tables.conditions, &names, &mut faults);
        let (aliases, alias_names) = spoken::aliases(tables.aliases, &names, &mut faults);
        let (allergies, allergy_names) =
            spoken::allergies(tables.allergies, (&aliases, &alias_names), &names, &mut faults);
        if faults.0.is_empty() {
            let read = consistency::Read {
                classes: &classes,
                flagged: &flagged,
                ingredients: &ingredients,
                limits: &limits,
                pairs: &pairs,
                people: &people,
                conditions: &conditions,
                allergies: &allergies,
            };
            consistency::check(&read, &mut faults);
        }
        if !faults.0.is_empty() {
            return Err(faults.0);
        }
        let mut by_ingredient = vec![None; ingredients.len()];
        for (number, _, limit) in limits {
            by_ingredient[usize::from(number)] = Some(limit);
        }
        Ok(Self::compiled(
            edition,
            thresholds,
            Compiled {
                sources,
                classes,
                flagged,
                ingredients,
                index,
                limits: by_ingredient,
                pairs,
                people,
                conditions,
                allergies,
                allergy_names,
                diagnoses,
                ailments,
                child_doses,
                aliases,
                alias_names,
                ..Compiled::default()
            },
        ))
    }
}

#[cfg(test)]
#[path = "tables_tests.rs"]
mod tests;
