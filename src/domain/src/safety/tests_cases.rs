//! The worked cases hold, every rule has one that it fires in and one in which it is silent, and the
//! pair tables are complete where they say so.

use std::collections::HashSet;

use super::{
    RuleSet, SafetyInput, cases, check,
    fixtures::{day, formulary, healthy, lines, reported},
    rows::{PairKnowledge, Standing},
};
use crate::formulary::Formulary;

#[test]
fn every_worked_case_holds() {
    let (rules, formulary) = (RuleSet::standard(), formulary());
    let cases = cases::all();
    assert!(cases.len() >= 400, "{}", cases.len());
    let wrong: Vec<String> = cases.iter().filter_map(|case| case.wrong(&formulary, &rules)).collect();
    let first: Vec<&String> = wrong.iter().take(12).collect();
    assert!(wrong.is_empty(), "{} of {} are wrong: {first:#?}", wrong.len(), cases.len());
}

#[test]
fn every_rule_fires_in_a_case_and_is_silent_in_another() {
    let cases = cases::all();
    let fired: HashSet<&str> =
        cases.iter().flat_map(|case| case.expect.iter().map(|(rule, _)| rule.as_str())).collect();
    let silent: HashSet<&str> =
        cases.iter().flat_map(|case| case.silent.iter().map(String::as_str)).collect();
    let rules = RuleSet::standard();
    let pairs = rules.tables().pairs.iter().map(|rule| rule.says.id.as_ref());
    let people = rules.tables().people.iter().map(|rule| rule.says.id.as_ref());
    for id in pairs.chain(people) {
        assert!(fired.contains(id), "no case fires {id}");
        assert!(silent.contains(id), "no case keeps {id} silent");
    }
}

#[test]
fn the_sources_of_cases_exist() {
    let mut reader = csv::ReaderBuilder::new().comment(Some(b'#')).from_reader(cases::CASES_CSV.as_bytes());
    let rules = RuleSet::standard();
    let known: HashSet<&str> = rules.tables().sources.iter().map(|source| source.id.as_str()).collect();
    for row in reader.records() {
        let row = row.expect("a row");
        assert!(known.contains(&row[6]), "{row:?}");
    }
    assert!(rules.tables().sources.iter().filter(|source| source.standing == Standing::Read).count() >= 40);
}

/// Over all pairs of ingredients of the shipped formulary: no pair of two covered ingredients reads
/// unknown, and all of its ingredients are covered.
#[test]
fn the_pair_tables_are_complete_over_the_formulary() {
    let (rules, trial) = (RuleSet::standard(), formulary());
    let shipped = Formulary::shipped().expect("shipped");
    let mut codes: Vec<&str> =
        shipped.iter().flat_map(|product| product.ingredients.iter().map(|one| one.code.as_str())).collect();
    codes.sort_unstable();
    codes.dedup();
    let open: Vec<&str> = codes
        .iter()
        .copied()
        .filter(|code| rules.facts(code).is_none_or(|facts| facts.pairs == PairKnowledge::Partial))
        .collect();
    assert_eq!(open, [] as [&str; 0], "ingredients of the formulary that the pair tables do not cover");
    let mut pairs = 0;
    for (at, one) in codes.iter().enumerate() {
        for other in &codes[..at] {
            let input = SafetyInput {
                on: day(),
                lines: lines(&[one]),
                taking: vec![reported(other, 1)],
                profile: healthy(),
            };
            let report = check(&input, &trial, &rules);
            assert!(report.findings.iter().all(|finding| finding.rule != "unknown_pair"), "{one} {other}");
            pairs += 1;
        }
    }
    assert!(pairs > 5_000, "{pairs}");
}
