//! The result of a check.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::words::Bilingual;

crate::text_enum! {
    /// Severity of one finding, in rising order: what is unknown may be a block, so it ranks above
    /// a warning.
    pub enum Severity as "FindingSeverity" {
        /// Information for the worker; asks nothing of the doctor.
        Note = "note",
        /// The doctor may go on with a written reason, which the pharmacist sees.
        Warn = "warn",
        /// The tables do not cover it. Needs a written reason as a warning does.
        Unknown = "unknown",
        /// Cannot be overridden.
        Block = "block",
    }
}

impl Severity {
    /// Whether the doctor must write a reason before signing.
    pub(crate) const fn needs_reason(self) -> bool {
        match self {
            Severity::Warn | Severity::Unknown => true,
            Severity::Note | Severity::Block => false,
        }
    }
}

impl Severity {
    /// Whether it must be asked if it only may apply.
    pub(crate) const fn needs_asking(self) -> bool {
        !matches!(self, Severity::Note)
    }
}

crate::text_enum! {
    /// The result of the whole check, in rising order.
    pub enum Verdict {
        /// No rule of this rule set objects. Not a promise of safety.
        Ok = "ok",
        /// At least one warning.
        Warn = "warn",
        /// At least one thing that the tables do not cover.
        Unknown = "unknown",
        /// At least one block.
        Block = "block",
    }
}

impl From<Severity> for Verdict {
    fn from(severity: Severity) -> Verdict {
        match severity {
            Severity::Note => Verdict::Ok,
            Severity::Warn => Verdict::Warn,
            Severity::Unknown => Verdict::Unknown,
            Severity::Block => Verdict::Block,
        }
    }
}

/// One finding of a rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The stable code of the rule.
    pub rule: Cow<'static, str>,
    pub severity: Severity,
    /// The lines concerned, by index; what is already taken has no index.
    pub lines: Vec<usize>,
    pub message: Bilingual,
    /// The rule's source.
    pub source: Cow<'static, str>,
}

/// The result of one check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SafetyReport {
    pub verdict: Verdict,
    /// The most severe first.
    pub findings: Vec<Finding>,
    /// The version of the rules that were used.
    pub ruleset_version: String,
}

impl SafetyReport {
    /// The same report with more findings, sorted again with the most severe first.
    pub fn with(mut self, more: Vec<Finding>) -> Self {
        self.findings.extend(more);
        self.findings.sort_by(|a, b| (b.severity, &a.rule, &a.lines).cmp(&(a.severity, &b.rule, &b.lines)));
        let gravest = self.findings.iter().map(|finding| Verdict::from(finding.severity)).max();
        self.verdict = gravest.unwrap_or(Verdict::Ok);
        self
    }

    /// Whether any finding blocks.
    pub fn blocked(&self) -> bool {
        self.verdict == Verdict::Block
    }

    /// The findings for which the doctor must write a reason.
    pub fn needing_reason(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| finding.severity.needs_reason())
    }
}
