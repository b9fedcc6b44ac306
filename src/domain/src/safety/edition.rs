//! Editions of the rules.

use std::sync::Arc;

use super::rules::RuleSet;
use crate::edition::Editions;

/// The editions of the rules that apply now or later; the shipped rules before them.
pub type RuleEditions = Editions<RuleSet>;

/// The rules that ship with the program.
impl Default for RuleEditions {
    fn default() -> Self {
        Self::new(Arc::new(RuleSet::standard()), Vec::new())
    }
}
