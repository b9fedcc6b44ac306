//! The changes of state that exist, and those that were taken.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Display,
};

/// State machine, from, to.
pub type Transition = (&'static str, String, String);

/// The transitions that exist.
#[derive(Default)]
pub struct Declared(pub BTreeSet<Transition>);

impl Declared {
    pub fn add(&mut self, machine: &'static str, from: impl Display, to: impl Display) {
        self.0.insert((machine, from.to_string(), to.to_string()));
    }
}

/// The number of times that each transition was taken.
#[derive(Default)]
pub struct Taken(BTreeMap<Transition, usize>);

impl Taken {
    pub fn note(&mut self, machine: &'static str, from: impl Display, to: impl Display) {
        *self.0.entry((machine, from.to_string(), to.to_string())).or_default() += 1;
    }

    /// Notes the transition to `to`, and sets `from` to it.
    pub fn step<S: Display + Copy>(&mut self, machine: &'static str, from: &mut S, to: S) {
        self.note(machine, *from, to);
        *from = to;
    }

    /// Adds the transitions of another walk.
    pub fn absorb(&mut self, other: Self) {
        for (one, times) in other.0 {
            *self.0.entry(one).or_default() += times;
        }
    }

    /// Those that were declared and not taken.
    pub fn missing(&self, declared: &Declared) -> Vec<String> {
        declared.0.iter().filter(|one| !self.0.contains_key(*one)).map(spelt).collect()
    }

    /// Those of the machines in `declared` that were taken and are not declared.
    pub fn undeclared(&self, declared: &Declared) -> Vec<String> {
        let known: BTreeSet<&str> = declared.0.iter().map(|(machine, ..)| *machine).collect();
        let taken = self.0.keys().filter(|(machine, ..)| known.contains(machine));
        taken.filter(|one| !declared.0.contains(*one)).map(spelt).collect()
    }

    /// Every transition with its number, for a person to read.
    pub fn report(&self) -> String {
        let lines = self.0.iter().map(|(one, times)| format!("{times:>6}  {}", spelt(one)));
        lines.collect::<Vec<_>>().join("\n")
    }
}

fn spelt((machine, from, to): &Transition) -> String {
    format!("{machine}: {from} -> {to}")
}
