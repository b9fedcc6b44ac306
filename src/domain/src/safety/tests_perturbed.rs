//! Each datum of each table is changed in turn, and a worked case must notice. Texts (sentences,
//! names of classes, sources) are read by people and are left alone.

use std::{cell::Cell, collections::HashMap};

use super::{
    RuleSet, Severity,
    cases::{self, Case},
    classes::{ClassId, Classes},
    fixtures::formulary,
    profile_test::ProfileTest,
    rows::{PairKnowledge, Says, Side, When},
    rules::Compiled,
    thresholds::Thresholds,
};
use crate::formulary::{Condition, Formulary};

pub(super) struct Bench {
    pub(super) rules: RuleSet,
    formulary: Formulary,
    cases: Vec<Case>,
    /// The cases that mention a word.
    by_word: HashMap<String, Vec<usize>>,
    tried: Cell<usize>,
    missed: std::cell::RefCell<Vec<String>>,
}

impl Bench {
    pub(super) fn new() -> Self {
        let cases = cases::all();
        let mut by_word: HashMap<String, Vec<usize>> = HashMap::new();
        for (at, case) in cases.iter().enumerate() {
            for word in &case.words {
                by_word.entry(word.clone()).or_default().push(at);
            }
        }
        Self {
            rules: RuleSet::standard(),
            formulary: formulary(),
            cases,
            by_word,
            tried: Cell::new(0),
            missed: std::cell::RefCell::default(),
        }
    }

    /// Changes the tables, and asks the cases that mention one of `words`; all if there is none.
    pub(super) fn change(
        &self,
        what: impl Fn() -> String,
        words: &[&str],
        change: impl FnOnce(&mut Compiled),
    ) {
        let mut compiled = self.rules.tables().clone();
        change(&mut compiled);
        let rules = RuleSet::compiled(self.rules.edition.clone(), self.rules.thresholds.clone(), compiled);
        self.ask(what, words, &rules);
    }

    fn ask(&self, what: impl Fn() -> String, words: &[&str], rules: &RuleSet) {
        self.tried.set(self.tried.get() + 1);
        let wrong = |case: &Case| case.wrong(&self.formulary, rules).is_some();
        let noticed = if words.is_empty() {
            self.cases.iter().any(wrong)
        } else {
            let mut at = words.iter().filter_map(|word| self.by_word.get(*word)).flatten();
            at.any(|at| wrong(&self.cases[*at]))
        };
        if !noticed {
            self.missed.borrow_mut().push(what());
        }
    }

    #[track_caller]
    pub(super) fn finish(&self, at_least: usize) {
        let missed = self.missed.borrow();
        assert!(self.tried.get() >= at_least, "{} changes", self.tried.get());
        assert!(missed.is_empty(), "{} of {} unnoticed: {missed:#?}", missed.len(), self.tried.get());
    }

    pub(super) fn class_id(&self, class: ClassId) -> &str {
        &self.rules.tables().classes[class.row()].id
    }

    fn named(&self, id: &str) -> ClassId {
        let at = self.rules.tables().classes.iter().position(|class| class.id == id);
        at.and_then(ClassId::of_row).expect("a class")
    }

    pub(super) fn code(&self, number: u16) -> &str {
        &self.rules.ingredient(number).code
    }
}

pub(super) fn without(classes: Classes, gone: ClassId) -> Classes {
    let mut rest = Classes::NONE;
    for class in classes.iter().filter(|class| *class != gone) {
        rest.add(class);
    }
    rest
}

/// Every side with one name less.
fn smaller(bench: &Bench, side: &Side) -> Vec<(String, Side)> {
    let mut sides = Vec::new();
    for class in side.classes.iter() {
        sides.push((
            bench.class_id(class).to_owned(),
            Side { classes: without(side.classes, class), ..side.clone() },
        ));
    }
    for number in &side.ingredients {
        let rest = side.ingredients.iter().copied().filter(|other| other != number).collect();
        sides.push((bench.code(*number).to_owned(), Side { ingredients: rest, ..side.clone() }));
    }
    if side.any {
        sides.push(("any".to_owned(), Side { any: false, ..side.clone() }));
    }
    sides
}

fn other(severity: Severity) -> Severity {
    if severity == Severity::Block { Severity::Warn } else { Severity::Block }
}

fn severity(bench: &Bench, says: &Says, change: impl Fn(&mut Compiled) -> &mut Says) {
    let id = says.id.as_ref();
    bench.change(
        || format!("{id}: severity"),
        &[id],
        |tables| {
            let says = change(tables);
            says.severity = other(says.severity);
        },
    );
}

#[test]
fn a_case_notices_every_change_of_a_pair() {
    let bench = Bench::new();
    let pairs = bench.rules.tables().pairs.clone();
    for (at, rule) in pairs.iter().enumerate() {
        let id = rule.says.id.as_ref();
        for (name, side) in smaller(&bench, &rule.left) {
            bench.change(
                || format!("{id}: left without {name}"),
                &[id],
                |tables| tables.pairs[at].left = side,
            );
        }
        for (name, side) in smaller(&bench, &rule.right) {
            bench.change(
                || format!("{id}: right without {name}"),
                &[id],
                |tables| tables.pairs[at].right = side,
            );
        }
        severity(&bench, &rule.says, |tables| &mut tables.pairs[at].says);
        let whens = match rule.when {
            When::Always => vec![When::AtHeight],
            When::LeftAboveDayUg(ug) => vec![When::LeftAboveDayUg(ug - 1), When::LeftAboveDayUg(ug + 1000)],
            _ => vec![When::Always],
        };
        for when in whens {
            bench.change(|| format!("{id}: {when:?}"), &[id], |tables| tables.pairs[at].when = when);
        }
    }
    bench.finish(900);
}

/// Every test that is nearly the same.
fn nearly(test: ProfileTest) -> Vec<ProfileTest> {
    use ProfileTest as T;
    match test {
        T::Has(Condition::Gout) => vec![T::Has(Condition::Phenylketonuria)],
        T::Has(_) => vec![T::Has(Condition::Gout)],
        T::OfWomen(condition) => vec![T::Has(Condition::Gout), T::Has(condition)],
        T::HasUnmeasured(condition) => vec![T::Has(condition)],
        T::KidneyDisease => vec![T::EgfrBelow(30)],
        T::EgfrBelow(n) => vec![T::EgfrBelow(n - 1), T::EgfrBelow(n + 1)],
        T::FiltrationBelow(n) => vec![T::FiltrationBelow(n - 1), T::FiltrationBelow(n + 1), T::EgfrBelow(n)],
        T::EgfrNew(a, b) => {
            vec![T::EgfrNew(a - 1, b), T::EgfrNew(a + 1, b), T::EgfrNew(a, b - 1), T::EgfrNew(a, b + 1)]
        }
        T::EgfrOngoing(a, b) => {
            vec![
                T::EgfrOngoing(a - 1, b),
                T::EgfrOngoing(a + 1, b),
                T::EgfrOngoing(a, b - 1),
                T::EgfrOngoing(a, b + 1),
            ]
        }
        T::ClearanceBelow(n) => vec![T::ClearanceBelow(n - 1), T::ClearanceBelow(n + 1)],
        T::RenalBelow(n) => vec![T::RenalBelow(n - 1), T::RenalBelow(n + 1)],
        T::PressureFrom(a, b) => vec![
            T::PressureFrom(a + 1, b),
            T::PressureFrom(a - 1, b),
            T::PressureFrom(a, b + 1),
            T::PressureFrom(a, b - 1),
        ],
        T::AgeBelow(n) => vec![T::AgeBelow(n - 1), T::AgeBelow(n + 1)],
        T::AgeFrom(n) => vec![T::AgeFrom(n - 1), T::AgeFrom(n + 1)],
        T::AtHeight => vec![T::Dehydrated, T::DrivesOrMachines],
        T::DrivesOrMachines => vec![T::AtHeight],
        T::Dehydrated => vec![T::AtHeight],
        T::NoSkinTest => vec![T::SkinTestPositive],
        T::SkinTestPositive => vec![T::NoSkinTest],
        T::SkinTestOlder(n) => vec![T::SkinTestOlder(n - 1), T::SkinTestOlder(n + 1)],
        T::Treats(kind) => vec![T::Treats(if kind == 0 { 1 } else { kind - 1 }), T::Treats(999)],
    }
}

#[test]
fn a_case_notices_every_change_of_a_person() {
    let bench = Bench::new();
    let people = bench.rules.tables().people.clone();
    for (at, rule) in people.iter().enumerate() {
        let id = rule.says.id.as_ref();
        for (name, who) in smaller(&bench, &rule.who) {
            bench.change(|| format!("{id}: without {name}"), &[id], |tables| tables.people[at].who = who);
        }
        severity(&bench, &rule.says, |tables| &mut tables.people[at].says);
        for test in nearly(rule.test) {
            bench.change(|| format!("{id}: {test:?}"), &[id], |tables| tables.people[at].test = test);
        }
        if let Some(ug) = rule.above_day_ug {
            for more in [ug - 1, ug + 1000] {
                bench.change(
                    || format!("{id}: above {more}"),
                    &[id],
                    |tables| tables.people[at].above_day_ug = Some(more),
                );
            }
        }
        // A missing fact is possible only where the test knows of one.
        let missing = rule.missing.map_or(Some(Severity::Warn), |_| None);
        let can_miss = !matches!(
            rule.test,
            ProfileTest::HasUnmeasured(_)
                | ProfileTest::KidneyDisease
                | ProfileTest::EgfrNew(..)
                | ProfileTest::EgfrOngoing(..)
                | ProfileTest::Dehydrated
                | ProfileTest::NoSkinTest
                | ProfileTest::SkinTestPositive
                | ProfileTest::SkinTestOlder(_)
                | ProfileTest::Treats(_)
        ) && match rule.test {
            ProfileTest::Has(condition) => {
                matches!(condition, Condition::Pregnancy | Condition::BreastFeeding)
            }
            _ => true,
        };
        if can_miss {
            bench.change(
                || format!("{id}: missing {missing:?}"),
                &[id],
                |tables| tables.people[at].missing = missing,
            );
        }
    }
    bench.finish(800);
}

#[test]
fn a_case_notices_every_change_of_an_ingredient_or_class() {
    let bench = Bench::new();
    let tables = bench.rules.tables();
    for (at, facts) in tables.ingredients.iter().enumerate() {
        let code = facts.code.as_str();
        // Without the flag `never` the tables are refused.
        for class in facts.classes.iter().filter(|class| *class != bench.named("never")) {
            let what = || format!("{code} is not {}", bench.class_id(class));
            bench.change(what, &[code], |tables| {
                tables.ingredients[at].classes = without(facts.classes, class)
            });
        }
        let flipped = match facts.pairs {
            PairKnowledge::Covered => PairKnowledge::Partial,
            PairKnowledge::Partial => PairKnowledge::Covered,
        };
        // An adsorbent has a rule with every drug, so whether it is covered does not matter.
        if !facts.classes.has(bench.named("adsorbent")) {
            bench.change(
                || format!("{code}: {flipped:?}"),
                &[code],
                |tables| tables.ingredients[at].pairs = flipped,
            );
        }
        if let Some((ug, classes)) = facts.low_dose {
            for ug in [ug - 1, ug + 1000] {
                let low = Some((ug, classes));
                bench.change(
                    || format!("{code}: low {ug}"),
                    &[code],
                    |tables| tables.ingredients[at].low_dose = low,
                );
            }
            for class in classes.iter() {
                let low = Some((ug, without(classes, class)));
                let what = || format!("{code}: low without {}", bench.class_id(class));
                bench.change(what, &[code], |tables| tables.ingredients[at].low_dose = low);
            }
        }
    }
    for (at, class) in tables.classes.iter().enumerate() {
        let number = ClassId::of_row(at).expect("a number");
        let id = class.id.as_str();
        if class.applied_as.is_some() {
            bench.change(|| format!("{id}: applied"), &[], |tables| tables.classes[at].applied_as = None);
        }
        for cross in class.cross_reacts.iter() {
            let rest = without(class.cross_reacts, cross);
            let what = || format!("{id}: cross {}", bench.class_id(cross));
            bench
                .change(what, &["allergy_cross", "allergy"], |tables| tables.classes[at].cross_reacts = rest);
        }
        type Flag = (&'static str, fn(&mut Compiled) -> &mut Classes);
        let flags: [Flag; 7] = [
            ("one_at_a_time", |tables| &mut tables.flagged.one_at_a_time),
            ("shared_allergy", |tables| &mut tables.flagged.shared_allergy),
            ("sedating", |tables| &mut tables.flagged.sedating),
            ("not_absorbed", |tables| &mut tables.flagged.not_absorbed),
            ("never", |tables| &mut tables.flagged.never),
            ("excipient", |tables| &mut tables.flagged.excipient),
            ("raises_pressure", |tables| &mut tables.flagged.raises_pressure),
        ];
        for (flag, of) in flags {
            let mut tables = bench.rules.tables().clone();
            let set = of(&mut tables);
            // The counter reads `raises_pressure`, and whether a label repeats a drug that is `sedating`; the
            // tables are refused without `never`.
            if set.has(number) && !matches!(flag, "raises_pressure" | "sedating" | "never") {
                bench.change(
                    || format!("{id}: {flag}"),
                    &[],
                    |tables| {
                        let set = of(tables);
                        *set = without(*set, number);
                    },
                );
            }
        }
    }
    bench.finish(900);
}

#[test]
fn a_case_notices_every_change_of_a_number() {
    let bench = Bench::new();
    let tables = bench.rules.tables();
    for (at, limit) in tables.limits.iter().enumerate() {
        let Some(limit) = limit else { continue };
        let code = limit.code.as_str();
        let change = |what: &str, edit: &dyn Fn(&mut super::IngredientLimit)| {
            bench.change(
                || format!("{code}: {what}"),
                &[],
                |tables| {
                    edit(tables.limits[at].as_mut().expect("a limit"));
                },
            );
        };
        change("day + 1", &|limit| limit.day_ug += 1000);
        change("day - 1", &|limit| limit.day_ug -= 1000);
        if limit.dose_ug.is_some_and(|dose| dose < limit.day_ug) {
            change("dose more", &|limit| limit.dose_ug = limit.dose_ug.map(|dose| dose * 2));
            change("dose less", &|limit| limit.dose_ug = limit.dose_ug.map(|dose| dose / 2));
        }
        if limit.sustained_dose_ug.is_some_and(|dose| dose < limit.day_ug) {
            change("slow dose more", &|limit| {
                limit.sustained_dose_ug = limit.sustained_dose_ug.map(|dose| dose * 2)
            });
        }
        if limit.sustained_dose_ug.is_some() {
            change("slow dose less", &|limit| {
                limit.sustained_dose_ug = limit.sustained_dose_ug.map(|dose| dose / 2)
            });
        }
        if limit.dose_ug.is_none() {
            change("times", &|limit| limit.usual_times = limit.usual_times.map(|times| times * 2));
        }
        if limit.days.is_some() {
            change("days + 1", &|limit| limit.days = limit.days.map(|days| days + 1));
            change("days - 1", &|limit| limit.days = limit.days.map(|days| days - 1));
        }
        if limit.fever_days.is_some() {
            change("fever days", &|limit| limit.fever_days = None);
            change("fever days - 1", &|limit| limit.fever_days = limit.fever_days.map(|days| days - 1));
        }
        if limit.only_one_product {
            change("only one", &|limit| limit.only_one_product = false);
        }
    }
    for id in Thresholds::IDS {
        // Grade 3 pressure decides at the counter: tests of self-care hold it.
        if id.starts_with("severe_") {
            continue;
        }
        for step in [1_i64, -1] {
            let mut thresholds = bench.rules.thresholds.clone();
            let value = thresholds.get(id) + step;
            if thresholds.set(id, value).is_none() || value < 0 {
                continue;
            }
            let rules = RuleSet::compiled(bench.rules.edition.clone(), thresholds, tables.clone());
            bench.ask(|| format!("{id} {step}"), &[], &rules);
        }
    }
    for (at, rule) in tables.conditions.iter().enumerate() {
        let what = || format!("condition {:?} {:?}", rule.condition, rule.fact);
        bench.change(what, &["contraindication"], |tables| {
            tables.conditions[at].severity = other(rule.severity)
        });
        for fact in nearly(rule.fact) {
            bench.change(what, &["contraindication"], |tables| tables.conditions[at].fact = fact);
        }
    }
    for (name, at) in &tables.allergy_names {
        bench.change(
            || format!("allergy {name}"),
            &[name],
            |tables| {
                tables.allergy_names.remove(name);
            },
        );
        let rule = &tables.allergies[*at];
        for class in rule.blocks.iter() {
            let rest = without(rule.blocks, class);
            let what = || format!("allergy {name} blocks {}", bench.class_id(class));
            bench.change(what, &["allergy"], |tables| tables.allergies[*at].blocks = rest);
        }
        for class in rule.warns.iter() {
            let rest = without(rule.warns, class);
            let what = || format!("allergy {name} warns {}", bench.class_id(class));
            bench.change(what, &["allergy_cross"], |tables| tables.allergies[*at].warns = rest);
        }
    }
    bench.finish(100);
}
