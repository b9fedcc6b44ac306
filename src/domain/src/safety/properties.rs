//! Properties that hold for every prescription.

use std::sync::OnceLock;

use proptest::prelude::*;

use super::{
    DraftLine, Profile, RuleSet, SafetyInput, SafetyReport, Severity, Sex, Taken, check,
    fixtures::{day, formulary, healthy},
};
use crate::formulary::{Condition, Formulary};

fn shared_formulary() -> &'static Formulary {
    static FORMULARY: OnceLock<Formulary> = OnceLock::new();
    FORMULARY.get_or_init(formulary)
}

fn rules() -> &'static RuleSet {
    static RULES: OnceLock<RuleSet> = OnceLock::new();
    RULES.get_or_init(RuleSet::standard)
}

fn run(lines: &[DraftLine], taking: &[Taken], profile: &Profile) -> SafetyReport {
    let input =
        SafetyInput { on: day(), lines: lines.to_vec(), taking: taking.to_vec(), profile: profile.clone() };
    check(&input, shared_formulary(), rules())
}

fn a_line() -> impl Strategy<Value = DraftLine> {
    (any::<prop::sample::Index>(), 0i64..4000, 0u32..5, 0u32..9).prop_map(
        |(at, dose, times_per_day, days)| {
            let product = shared_formulary()
                .iter()
                .nth(at.index(shared_formulary().len()))
                .expect("inside")
                .code
                .clone();
            DraftLine { product, dose_units_thousandths: dose, times_per_day, days }
        },
    )
}

fn a_taken() -> impl Strategy<Value = Taken> {
    prop_oneof![
        (any::<prop::sample::Index>(), prop::option::of(0i64..2_000_000)).prop_map(|(at, day_ug)| {
            let known = rules().ingredients();
            Taken::Reported { medicine: known[at.index(known.len())].code.clone(), day_ug }
        }),
        a_line().prop_map(|line| Taken::Vended {
            units_per_day_thousandths: line.day_units_thousandths(),
            product: line.product,
            until: day(),
            in_doubt: true,
        }),
        Just(Taken::Reported { medicine: "nobody knows".into(), day_ug: None }),
    ]
}

fn a_profile() -> impl Strategy<Value = Profile> {
    let allergies = prop::collection::vec(
        prop::sample::select(vec!["penicillins", "nsaids", "cefalexin", "moon dust"]),
        0..3,
    );
    let conditions = prop::collection::vec(prop::sample::select(Condition::ALL), 0..4);
    let age = prop::option::of(0u32..90);
    let egfr = prop::option::of(5i64..120);
    (
        allergies,
        conditions,
        age,
        egfr,
        any::<(bool, bool)>(),
        prop::option::of(0i64..100),
        prop::option::of(80i64..200),
    )
        .prop_map(
            |(allergies, conditions, age_years, egfr, (works_at_height, woman), breath_alcohol, systolic)| {
                Profile {
                    allergies: allergies.into_iter().map(Into::into).collect(),
                    conditions,
                    age_years,
                    egfr,
                    works_at_height,
                    sex: Some(if woman { Sex::Female } else { Sex::Male }),
                    breath_alcohol,
                    systolic,
                    ..healthy()
                }
            },
        )
}

/// Rule and severity of each finding, without line numbers.
fn shape(report: &SafetyReport) -> Vec<(String, Severity)> {
    let mut shape: Vec<_> = report.findings.iter().map(|one| (one.rule.to_string(), one.severity)).collect();
    shape.sort();
    shape
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn adding_a_line_never_lowers_the_verdict(
        lines in prop::collection::vec(a_line(), 0..5), more in a_line(),
        taking in prop::collection::vec(a_taken(), 0..4), profile in a_profile(),
    ) {
        let before = run(&lines, &taking, &profile);
        let mut longer = lines;
        longer.push(more);
        prop_assert!(run(&longer, &taking, &profile).verdict >= before.verdict);
    }

    #[test]
    fn a_block_stays_whatever_else_is_added(
        lines in prop::collection::vec(a_line(), 1..4), more in prop::collection::vec(a_line(), 0..3),
        taking in prop::collection::vec(a_taken(), 0..3), profile in a_profile(),
    ) {
        let before = run(&lines, &taking, &profile);
        let longer: Vec<_> = lines.iter().chain(&more).cloned().collect();
        let after = run(&longer, &taking, &profile);
        for block in before.findings.iter().filter(|one| one.severity == Severity::Block) {
            let remains = after.findings.iter().any(|one| {
                one.rule == block.rule && one.severity == Severity::Block && block.lines.iter().all(|at| one.lines.contains(at))
            });
            prop_assert!(remains, "{block:?}");
        }
    }

    #[test]
    fn the_order_of_lines_and_drugs_does_not_matter(
        lines in prop::collection::vec(a_line(), 0..5), taking in prop::collection::vec(a_taken(), 0..4),
        profile in a_profile(), turn in 0usize..5,
    ) {
        let (mut turned, mut taken) = (lines.clone(), taking.clone());
        if !turned.is_empty() {
            let by = turn % turned.len();
            turned.rotate_left(by);
        }
        taken.reverse();
        let (one, other) = (run(&lines, &taking, &profile), run(&turned, &taken, &profile));
        prop_assert_eq!(one.verdict, other.verdict);
        prop_assert_eq!(shape(&one), shape(&other));
    }

    #[test]
    fn the_verdict_is_the_gravest_finding(
        lines in prop::collection::vec(a_line(), 0..5), taking in prop::collection::vec(a_taken(), 0..4), profile in a_profile(),
    ) {
        let report = run(&lines, &taking, &profile);
        let gravest = report.findings.iter().map(|one| super::Verdict::from(one.severity)).max();
        prop_assert_eq!(report.verdict, gravest.unwrap_or(super::Verdict::Ok));
        prop_assert!(report.findings.iter().all(|one| one.lines.iter().all(|at| *at < lines.len())));
    }
}
