//! What is wrong in a rule table, by line and field.

use crate::words::Bilingual;

crate::text_enum! {
    /// Why a row is refused.
    pub enum RuleFaultCode {
        /// The file is no CSV, or lacks a column.
        Unreadable = "unreadable",
        /// The cell is empty.
        Missing = "missing",
        /// The cell does not have the form of its column.
        Invalid = "invalid",
        /// The id stands twice.
        Duplicate = "duplicate",
        /// No row of another table has this name.
        UnknownName = "unknown_name",
        /// Two rows say different things of the same case.
        Contradiction = "contradiction",
        /// No case satisfies the rule, or another rule always says as much.
        NeverFires = "never_fires",
        /// There is no source that can be looked up, or nobody read it.
        NoSource = "no_source",
        /// It concerns a drug that is never prescribed here.
        NeverList = "never_list",
    }
}

/// One fault of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleFault {
    /// The name of the table: `pairs`.
    pub table: &'static str,
    /// The line in the table, from 1.
    pub line: u64,
    /// The column, or `row`.
    pub field: &'static str,
    pub code: RuleFaultCode,
    pub message: Bilingual,
}

impl std::fmt::Display for RuleFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { table, line, field, code, message } = self;
        write!(f, "{table} line {line}, {field}: {code}: {}", message.en)
    }
}
