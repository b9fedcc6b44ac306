//! The random numbers of a walk, and its last steps.

use std::{collections::VecDeque, fmt::Display};

use super::chance::Chance;
use crate::support::Answer;

/// The steps that a failure prints.
const SHOWN: usize = 80;

pub struct Trail {
    pub chance: Chance,
    steps: VecDeque<String>,
}

impl Trail {
    pub fn new(chance: Chance) -> Self {
        Self { chance, steps: VecDeque::new() }
    }

    pub fn note(&mut self, step: impl Display) {
        self.steps.push_back(step.to_string());
        if self.steps.len() > SHOWN {
            self.steps.pop_front();
        }
    }

    /// The seed, by which the walk can be repeated, and the last steps.
    pub fn shown(&self) -> String {
        let steps: Vec<&str> = self.steps.iter().map(String::as_str).collect();
        format!("\nWALK_SEED={} after\n  {}", self.chance.seed, steps.join("\n  "))
    }

    /// Fails on a 5xx; a refusal is fine.
    pub fn no_fault(&mut self, answer: Answer) -> Answer {
        let code = answer.body["code"].as_str().unwrap_or_default();
        self.note(format!("  {} {code}", answer.status.as_u16()));
        assert!(!answer.status.is_server_error(), "{} {}{}", answer.status, answer.body, self.shown());
        answer
    }

    /// Fails with the last steps if anything is wrong.
    pub fn right(&self, wrong: &[String]) {
        assert!(wrong.is_empty(), "{wrong:#?}{}", self.shown());
    }
}
