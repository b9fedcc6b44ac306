//! Allergies by class: the same class blocks; a related class with possible cross-reaction warns.

use super::{
    classes::Classes,
    findings::Findings,
    input::Profile,
    items::Items,
    named::{Asked, Named, did_you_mean, named, parts},
    negation::means_none,
    report::Severity,
    rules::RuleSet,
};
use crate::{
    formulary::{Formulary, name_key, simplified},
    words::Bilingual,
};

const CLINICAL_RULES: &str = "Waystation clinical rules, pair table (allergy)";

/// The meaning of one allergy entry.
pub(super) enum Meaning {
    /// An allergy to these ingredients; to classes if there is none.
    Drug {
        ingredients: Vec<u16>,
        blocks: Classes,
        warns: Classes,
        source: String,
    },
    NotADrug,
    Unknown,
}

/// What an entry says somebody is allergic to: `对青霉素过敏` is 青霉素.
pub(super) fn bare(text: &str) -> String {
    let spelt = simplified(text.trim()).replace([' ', '-'], "_");
    let rest = spelt.strip_prefix('对').unwrap_or(&spelt);
    let ends = ["药物过敏", "过敏史", "过敏"];
    ends.iter().find_map(|end| rest.strip_suffix(end)).unwrap_or(rest).to_owned()
}

pub(super) fn meaning(text: &str, formulary: &Formulary, rules: &RuleSet) -> Meaning {
    if means_none(text) {
        return Meaning::NotADrug;
    }
    let (bare, tables) = (bare(text), rules.tables());
    let listed = |word: &str| tables.allergy_names.get(word).map(|at| &tables.allergies[*at]);
    let row =
        listed(&bare).or_else(|| listed(&name_key(&bare))).or_else(|| listed(bare.strip_suffix("类药")?));
    if let Some(row) = row {
        if row.blocks.is_empty() && row.warns.is_empty() {
            return Meaning::NotADrug;
        }
        let source = rules.cite(row.source).to_owned();
        return Meaning::Drug { ingredients: Vec::new(), blocks: row.blocks, warns: row.warns, source };
    }
    match named(&bare, formulary, rules) {
        None => Meaning::Unknown,
        Some(Named::Drug(ingredients)) => {
            let of = |number: &u16| rules.ingredient(*number).classes;
            let classes = ingredients.iter().map(of).fold(Classes::NONE, Classes::or);
            let blocks = classes.and(tables.flagged.shared_allergy);
            let warns = cross_reactions(classes, rules);
            Meaning::Drug { ingredients, blocks, warns, source: CLINICAL_RULES.to_owned() }
        }
        // Whatever it was, nothing of the kind is given.
        Some(Named::Group(alias)) => Meaning::Drug {
            ingredients: alias.ingredients.clone(),
            blocks: alias.classes,
            warns: cross_reactions(alias.classes, rules),
            source: rules.cite(alias.source).to_owned(),
        },
    }
}

/// The classes that may cross-react with these.
fn cross_reactions(classes: Classes, rules: &RuleSet) -> Classes {
    let cross = classes.iter().map(|class| rules.tables().classes[class.row()].cross_reacts);
    cross.fold(Classes::NONE, Classes::or)
}

/// Checks every line against every recorded allergy.
pub(super) fn check_allergies(
    items: &Items<'_>,
    profile: &Profile,
    formulary: &Formulary,
    rules: &RuleSet,
    findings: &mut Findings,
) {
    let entries = profile.allergies.iter().flat_map(|allergy| {
        let whole = !matches!(meaning(allergy, formulary, rules), Meaning::Unknown);
        if whole { vec![allergy.as_str()] } else { parts(allergy).collect() }
    });
    for allergy in entries {
        match meaning(allergy, formulary, rules) {
            Meaning::NotADrug => {}
            Meaning::Unknown => {
                let shown: String = allergy.chars().take(60).collect();
                let (zh, en) = did_you_mean(&bare(allergy), Asked::Allergy, formulary, rules);
                let message = Bilingual::made(
                    format!("规则库不认识过敏史“{shown}”。{zh}"),
                    format!("The rules do not know the allergy \"{shown}\".{en}"),
                );
                findings.made("unknown_allergy", Severity::Unknown, &[], message, CLINICAL_RULES);
            }
            Meaning::Drug { ingredients, blocks, warns, source } => {
                unlisted_excipients(allergy, blocks, items, rules, &source, findings);
                for item in items.prescribed() {
                    let itself = item.ingredient.is_some_and(|number| ingredients.contains(&number));
                    let severity = if itself || item.allergy_classes.meets(blocks) {
                        Severity::Block
                    } else if item.allergy_classes.meets(warns) {
                        Severity::Warn
                    } else {
                        continue;
                    };
                    report(allergy, item.line(), severity, &source, findings);
                }
            }
        }
    }
}

fn report(allergy: &str, line: Option<usize>, severity: Severity, source: &str, findings: &mut Findings) {
    let shown: String = allergy.chars().take(60).collect();
    let (rule, message) = if severity == Severity::Block {
        let message = Bilingual::made(
            format!("对“{shown}”过敏，该药属同类。"),
            format!("Allergic to {shown}; this drug is of the same class."),
        );
        ("allergy", message)
    } else {
        let message = Bilingual::made(
            format!("对“{shown}”过敏，该药可能交叉过敏。"),
            format!("Allergic to {shown}; this drug may cross-react."),
        );
        ("allergy_cross", message)
    };
    findings.made(rule, severity, line.as_slice(), message, source);
}

/// Products whose excipients nobody read, for somebody who is allergic to one.
fn unlisted_excipients(
    allergy: &str,
    blocks: Classes,
    items: &Items<'_>,
    rules: &RuleSet,
    source: &str,
    findings: &mut Findings,
) {
    if !blocks.meets(rules.tables().flagged.excipient) {
        return;
    }
    for (at, product) in items.products.iter().enumerate() {
        if product.is_some_and(|product| !product.excipients_listed) {
            let shown: String = allergy.chars().take(60).collect();
            let message = Bilingual::made(
                format!("对“{shown}”过敏，而该药的辅料未登记，请查阅说明书。"),
                format!("Allergic to {shown}; the excipients of this product are not on file: look them up."),
            );
            findings.made("allergy_excipient_unknown", Severity::Unknown, &[at], message, source);
        }
    }
}
