//! As `tests_perturbed`, for names that people type, children's doses and diagnoses.

use super::{
    rows::{AliasKind, ChildDoseRule},
    tests_perturbed::{Bench, without},
};

#[test]
fn a_case_notices_every_change_of_an_alias() {
    let bench = Bench::new();
    let tables = bench.rules.tables();
    for (name, at) in &tables.alias_names {
        bench.change(
            || format!("alias {name}"),
            &[name],
            |tables| {
                tables.alias_names.remove(name);
                tables.allergy_names.remove(name);
            },
        );
        let alias = &tables.aliases[*at];
        for number in &alias.ingredients {
            let rest: Vec<u16> = alias.ingredients.iter().copied().filter(|other| other != number).collect();
            // An allergy to one of two NSAIDs forbids the other.
            let shared = |other: &u16| {
                let both =
                    bench.rules.ingredient(*other).classes.and(bench.rules.ingredient(*number).classes);
                both.meets(tables.flagged.shared_allergy)
            };
            if rest.iter().any(shared) {
                continue;
            }
            let what = || format!("{}: without {}", alias.id, bench.code(*number));
            bench.change(what, &[name], |tables| tables.aliases[*at].ingredients = rest);
        }
        for class in alias.classes.iter() {
            let rest = without(alias.classes, class);
            let what = || format!("{}: without {}", alias.id, bench.class_id(class));
            // As an allergy the row of that id decides.
            if !tables.allergy_names.contains_key(name) {
                bench.change(what, &[name], |tables| tables.aliases[*at].classes = rest);
            }
        }
        let other = if alias.kind == AliasKind::Drug { AliasKind::Class } else { AliasKind::Drug };
        if alias.kind == AliasKind::Class {
            let what = || format!("{}: {other:?}", alias.id);
            bench.change(what, &[name], |tables| tables.aliases[*at].kind = other);
        }
    }
    bench.finish(600);
}

#[test]
fn a_case_notices_every_change_of_a_childs_dose_or_a_diagnosis() {
    let bench = Bench::new();
    let tables = bench.rules.tables();
    for (number, rows) in &tables.child_doses {
        for (at, row) in rows.iter().enumerate() {
            let code = bench.code(*number);
            let change = |what: &str, edit: &dyn Fn(&mut ChildDoseRule)| {
                bench.change(
                    || format!("{code} of a child {at}: {what}"),
                    &[],
                    |tables| edit(&mut tables.child_doses.get_mut(number).expect("rows")[at]),
                );
            };
            change("a year later", &|row| row.from_years += 1);
            if row.from_years > 0 {
                change("a year earlier", &|row| row.from_years -= 1);
            }
            for (what, of) in [
                ("dose", (|row| &mut row.most.0) as fn(&mut ChildDoseRule) -> &mut Option<i64>),
                ("day", |row| &mut row.most.1),
                ("dose per kilogram", |row| &mut row.most_per_kg.0),
                ("day per kilogram", |row| &mut row.most_per_kg.1),
                ("up to", |row| &mut row.up_to_g),
            ] {
                if of(&mut row.clone()).is_some() {
                    change(what, &|row| *of(row) = of(row).map(|value| value - value / 10));
                }
            }
            if row.above_g.is_some() {
                change("above", &|row| row.above_g = row.above_g.map(|grams| grams * 2));
            }
        }
    }
    for (at, kind) in tables.diagnoses.iter().enumerate() {
        for word in kind.words.iter().chain(&kind.codes) {
            let what = || format!("{word} is none");
            bench.change(what, &["antibiotic_cold", "antibiotic_influenza", "contraindication"], |tables| {
                tables.diagnoses[at].words.retain(|known| known != word);
                tables.diagnoses[at].codes.retain(|known| known != word);
            });
        }
    }
    bench.finish(40);
}
