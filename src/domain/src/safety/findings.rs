//! Collects findings; the same rule, lines and sentence are one finding.

use std::borrow::Cow;

use super::{
    report::{Finding, SafetyReport, Severity, Verdict},
    rows::Says,
    rules::RuleSet,
};
use crate::words::Bilingual;

/// The findings of one check while it runs.
#[derive(Debug, Default)]
pub(super) struct Findings(Vec<Finding>);

impl Findings {
    /// Adds what a row of the tables says, with this severity.
    pub(super) fn of_row(&mut self, says: &Says, severity: Severity, lines: &[usize], rules: &RuleSet) {
        self.add(says.id.clone(), severity, lines, says.sentence.clone(), rules.cited(says.source));
    }

    /// Adds a finding with a fixed sentence.
    pub(super) fn fixed(
        &mut self,
        rule: &'static str,
        severity: Severity,
        lines: &[usize],
        message: Bilingual,
        source: &'static str,
    ) {
        self.add(Cow::Borrowed(rule), severity, lines, message, Cow::Borrowed(source));
    }

    /// Adds a finding with a sentence built for it.
    pub(super) fn made(
        &mut self,
        rule: &'static str,
        severity: Severity,
        lines: &[usize],
        message: Bilingual,
        source: &str,
    ) {
        self.add(Cow::Borrowed(rule), severity, lines, message, Cow::Owned(source.to_owned()));
    }

    fn add(
        &mut self,
        rule: Cow<'static, str>,
        severity: Severity,
        lines: &[usize],
        message: Bilingual,
        source: Cow<'static, str>,
    ) {
        let sorted = lines.is_sorted_by(|one, other| one < other);
        let same = |old: &&mut Finding| {
            let lines_same = if sorted {
                old.lines == lines
            } else {
                lines.iter().all(|line| old.lines.contains(line))
                    && old.lines.iter().all(|line| lines.contains(line))
            };
            old.rule == rule && lines_same && old.message == message
        };
        if let Some(old) = self.0.iter_mut().find(same) {
            old.severity = old.severity.max(severity);
            return;
        }
        let mut lines = lines.to_vec();
        if !sorted {
            lines.sort_unstable();
            lines.dedup();
        }
        self.0.push(Finding { rule, severity, lines, message, source });
    }

    /// The report: the most severe first, then by rule and lines, so that the order of input does
    /// not matter.
    pub(super) fn report(mut self, version: &str) -> SafetyReport {
        self.0.sort_by(|a, b| {
            (b.severity, &a.rule, &a.lines, &a.message.en).cmp(&(
                a.severity,
                &b.rule,
                &b.lines,
                &b.message.en,
            ))
        });
        let verdict =
            self.0.iter().map(|finding| Verdict::from(finding.severity)).max().unwrap_or(Verdict::Ok);
        SafetyReport { verdict, findings: self.0, ruleset_version: version.to_owned() }
    }
}
