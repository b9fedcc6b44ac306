//! What an edition of the rules changes in the worked cases: an approver sees verdicts, not only cells.

use std::collections::BTreeMap;

use super::{RuleSet, SafetyReport, Severity, Verdict, cases, check, trial};

/// The finding of one rule in a case, before and after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FindingChange {
    pub rule: String,
    /// `None`: it is not found.
    pub before: Option<Severity>,
    pub after: Option<Severity>,
}

/// A worked case whose findings differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaseChange {
    pub id: String,
    /// Who, what is prescribed and what is taken, as the table of cases writes it.
    pub situation: String,
    pub before: Verdict,
    pub after: Verdict,
    pub findings: Vec<FindingChange>,
    /// Whether what its author expects still holds.
    pub holds: bool,
}

impl CaseChange {
    /// Whether an order that was blocked would not be any more.
    pub fn loses_block(&self) -> bool {
        self.before == Verdict::Block && self.after != Verdict::Block
    }

    /// Whether a single block is gone or weaker, even if another one still stands.
    fn loses_a_finding(&self) -> bool {
        self.findings.iter().any(|one| one.before == Some(Severity::Block) && one.after < one.before)
    }
}

/// What running the worked cases under two editions shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CasesRun {
    /// Number of cases that were run.
    pub run: usize,
    /// Number of cases whose findings differ.
    pub changed: usize,
    /// Number of cases that are not blocked any more.
    pub blocks_lost: usize,
    /// The first of them: those that lose a block before all others.
    pub changes: Vec<CaseChange>,
}

/// Runs all worked cases under both editions; keeps at most `most` of those that differ.
pub fn run_worked_cases(before: &RuleSet, after: &RuleSet, most: usize) -> CasesRun {
    let formulary = trial::formulary();
    let cases = cases::all();
    let run = cases.len();
    let mut changes: Vec<CaseChange> = Vec::new();
    for case in cases {
        let was = check(&case.input, &formulary, before);
        let is = check(&case.input, &formulary, after);
        let findings = differing(&was, &is);
        if !findings.is_empty() {
            changes.push(CaseChange {
                holds: case.broken_by(&is).is_none(),
                id: case.id,
                situation: case.situation,
                before: was.verdict,
                after: is.verdict,
                findings,
            });
        }
    }
    let (changed, blocks_lost) = (changes.len(), changes.iter().filter(|one| one.loses_block()).count());
    // In the order of the table within each kind.
    changes.sort_by_key(|one| (!one.loses_block(), !one.loses_a_finding(), one.after >= one.before));
    changes.truncate(most);
    CasesRun { run, changed, blocks_lost, changes }
}

fn differing(before: &SafetyReport, after: &SafetyReport) -> Vec<FindingChange> {
    let gravest = |report: &SafetyReport| {
        let mut by_rule: BTreeMap<String, Severity> = BTreeMap::new();
        for finding in &report.findings {
            let known = by_rule.entry(finding.rule.to_string()).or_insert(finding.severity);
            *known = finding.severity.max(*known);
        }
        by_rule
    };
    let (before, after) = (gravest(before), gravest(after));
    let mut rules: Vec<&String> = before.keys().chain(after.keys()).collect();
    rules.sort_unstable();
    rules.dedup();
    let change = |rule: &String| FindingChange {
        rule: rule.clone(),
        before: before.get(rule).copied(),
        after: after.get(rule).copied(),
    };
    rules.into_iter().map(change).filter(|one| one.before != one.after).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::safety::RuleTables;

    fn edition(table: &str, from: &str, to: &str) -> RuleSet {
        let mut tables: RuleTables<'_> = RuleTables::SHIPPED;
        let (_, text) = tables.named().find(|(name, _)| *name == table).expect("a table");
        assert!(text.contains(from), "{from}");
        let edited = text.replacen(from, to, 1);
        assert!(tables.replace(table, &edited));
        RuleSet::from_tables(&tables).expect("no fault")
    }

    #[test]
    fn the_same_rules_change_nothing() {
        let rules = RuleSet::standard();
        let run = run_worked_cases(&rules, &rules, 10);
        assert!(run.run > 5_000 && run.changed == 0 && run.changes.is_empty(), "{}", run.run);
    }

    #[test]
    fn a_block_that_goes_comes_first_and_the_list_is_bounded() {
        let rules = RuleSet::standard();
        let weaker = edition(
            "pairs",
            "class:pde5_inhibitor,class:nitrate,always,block",
            "class:pde5_inhibitor,class:nitrate,always,warn",
        );
        let run = run_worked_cases(&rules, &weaker, 3);
        assert!(run.blocks_lost >= 2 && run.changed >= run.blocks_lost, "{run:?}");
        assert_eq!(run.changes.len(), 3.min(run.changed));
        let first = &run.changes[0];
        assert!(first.loses_block() && first.situation.contains('@'), "{first:?}");
        let finding = FindingChange {
            rule: "pde5_nitrate".into(),
            before: Some(Severity::Block),
            after: Some(Severity::Warn),
        };
        assert!(first.findings.contains(&finding) && !first.holds, "{first:?}");
        // A smaller maximum blocks more and loses nothing.
        let stricter = edition("limits", "paracetamol,500,650,4,2000", "paracetamol,500,650,4,1900");
        let run = run_worked_cases(&rules, &stricter, 500);
        assert!(run.blocks_lost == 0 && run.changed > 0, "{run:?}");
        assert!(run.changes.iter().any(|one| one.before == Verdict::Ok && one.after == Verdict::Block));
    }
}
