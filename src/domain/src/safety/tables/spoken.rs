//! The tables of what people say and type: aliases of drugs, allergies, diagnoses and
//! ailments.

use std::collections::HashMap;

use super::{
    fault::RuleFaultCode::{Duplicate, Invalid, Missing},
    names::Names,
    parse::id,
    reader::{Faults, Row, read},
};
use crate::{
    formulary::{name_key, simplified},
    safety::{
        classes::Classes,
        rows::{AilmentList, Alias, AliasKind, AllergyRule, DiagnosisKind},
    },
};

/// Rows by name.
type ByName = HashMap<String, usize>;

/// Adds the names of a row, each in the form in which it is looked up and once in the table.
fn add_names(row: &Row, at: usize, form: impl Fn(&str) -> String, by_name: &mut ByName, faults: &mut Faults) {
    row.required("names", faults);
    for name in row.list("names") {
        if form(name) != name {
            let message = (
                format!("“{name}”须写作“{}”", form(name)),
                format!("write \"{name}\" as \"{}\"", form(name)),
            );
            faults.at(row.place(), "names", Invalid, message.0, message.1);
        }
        if by_name.insert(name.to_owned(), at).is_some() {
            let message = (format!("“{name}”重复"), format!("\"{name}\" stands twice"));
            faults.at(row.place(), "names", Duplicate, message.0, message.1);
        }
    }
}

/// The aliases, and their rows by name.
pub(super) fn aliases(text: &str, names: &Names<'_>, faults: &mut Faults) -> (Vec<Alias>, ByName) {
    const COLUMNS: &[&str] = &["id", "kind", "names", "means", "source", "zh", "en"];
    let (mut aliases, mut by_name) = (Vec::new(), HashMap::new());
    for row in read("aliases", text, COLUMNS, faults) {
        add_names(&row, aliases.len(), name_key, &mut by_name, faults);
        let (id, shown) = (id(&row, "id", faults), row.sentence(&names.words, faults));
        let (kind, source) = (row.parsed("kind", AliasKind::parse, faults), names.sources(&row, faults));
        let Some(means) = names.side(&row, "means", faults) else { continue };
        let kind = kind.unwrap_or(AliasKind::Class);
        if means.any || (kind == AliasKind::Drug && !means.classes.is_empty()) {
            let (zh, en) = ("药品须写明成分", "a drug names its ingredients");
            faults.cell(&row, "means", Invalid, zh, en);
        }
        let (ingredients, classes) = (means.ingredients, means.classes);
        aliases.push(Alias { id, kind, ingredients, classes, shown, source });
    }
    (aliases, by_name)
}

/// The allergies, and their rows by name; a row has the names of the alias of its id as well.
pub(super) fn allergies(
    text: &str,
    (aliases, alias_names): (&[Alias], &ByName),
    names: &Names<'_>,
    faults: &mut Faults,
) -> (Vec<AllergyRule>, ByName) {
    let (mut rules, mut by_name) = (Vec::new(), HashMap::new());
    for row in read("allergies", text, &["id", "names", "blocks", "warns", "source"], faults) {
        let (id, at) = (id(&row, "id", faults), rules.len());
        let as_written = |name: &str| simplified(name).replace([' ', '-'], "_");
        let alias = aliases.iter().position(|alias| alias.id == id);
        if alias.is_none() || !row.cell("names").is_empty() {
            add_names(&row, at, as_written, &mut by_name, faults);
        }
        for (name, _) in alias_names.iter().filter(|(_, of)| Some(**of) == alias) {
            if by_name.insert(name.clone(), at).is_some() {
                let message = (format!("“{name}”已在别名表"), format!("the aliases have \"{name}\""));
                faults.at(row.place(), "names", Duplicate, message.0, message.1);
            }
        }
        let (blocks, warns): (Classes, Classes) =
            (names.classes(&row, "blocks", faults), names.classes(&row, "warns", faults));
        if alias.is_some() && row.cell("blocks").is_empty() {
            faults.cell(
                &row,
                "blocks",
                Missing,
                "药物过敏须禁用某类药",
                "an allergy to drugs blocks a class",
            );
        }
        rules.push(AllergyRule { blocks, warns, source: names.sources(&row, faults), line: row.line });
    }
    (rules, by_name)
}

const DIAGNOSIS_COLUMNS: &[&str] = &["id", "codes", "words", "source", "zh", "en"];

/// The names of the kinds of diagnoses, which rules may use.
pub(super) fn diagnosis_ids(text: &str) -> Vec<String> {
    let rows = read("diagnoses", text, DIAGNOSIS_COLUMNS, &mut Faults::default());
    rows.iter().map(|row| row.cell("id").to_owned()).collect()
}

pub(super) fn diagnoses(text: &str, names: &Names<'_>, faults: &mut Faults) -> Vec<DiagnosisKind> {
    let mut kinds = Vec::new();
    for row in read("diagnoses", text, DIAGNOSIS_COLUMNS, faults) {
        row.sentence(&names.words, faults);
        names.sources(&row, faults);
        id(&row, "id", faults);
        kinds.push(diagnosis_kind(&row, faults));
    }
    kinds
}

fn diagnosis_kind(row: &Row, faults: &mut Faults) -> DiagnosisKind {
    row.required("words", faults);
    if let Some(word) = row.list("words").find(|word| name_key(word) != **word) {
        let (zh, en) = (format!("“{word}”须为简体、小写"), format!("write \"{}\"", name_key(word)));
        faults.at(row.place(), "words", Invalid, zh, en);
    }
    DiagnosisKind {
        codes: row.list("codes").map(str::to_owned).collect(),
        words: row.list("words").map(str::to_owned).collect(),
    }
}

/// The lists of diagnoses that care asks for.
pub(super) fn ailments(
    text: &str,
    names: &Names<'_>,
    faults: &mut Faults,
) -> Vec<(AilmentList, DiagnosisKind)> {
    let mut listed = Vec::new();
    for row in read("ailments", text, &["id", "list", "codes", "words", "source", "zh", "en"], faults) {
        row.sentence(&names.words, faults);
        names.sources(&row, faults);
        id(&row, "id", faults);
        let kind = diagnosis_kind(&row, faults);
        match AilmentList::parse(row.cell("list")) {
            Some(list) => listed.push((list, kind)),
            None => faults.cell(
                &row,
                "list",
                Invalid,
                "须为 long_term 或 minor_ailment",
                "long_term or minor_ailment",
            ),
        }
    }
    listed
}
