//! Resolves what a person names: an ingredient in any of its spellings, a brand or a kind of drugs
//! (`rules/aliases.csv`), or a product of our own catalogue, also in pinyin. What is only similar to a
//! name is suggested and never taken for it.

use super::{
    allergies::{self, Meaning},
    classes::Classes,
    name_index::{NameIndex, Target},
    negation::means_none,
    rows::{Alias, AliasKind},
    rules::RuleSet,
};
use crate::{
    formulary::{Formulary, Product, ingredient_zh, name_key, shorter_names},
    words::Bilingual,
};

/// What a name stands for.
#[derive(Debug, Clone)]
pub(super) enum Named<'r> {
    /// A drug with these ingredients, by number.
    Drug(Vec<u16>),
    /// One of several drugs; nobody knows which.
    Group(&'r Alias),
}

/// What `text` names; `None` where it cannot be resolved.
pub(super) fn named<'r>(text: &str, formulary: &Formulary, rules: &'r RuleSet) -> Option<Named<'r>> {
    let key = name_key(text);
    let ingredient = || rules.number(text.trim()).map(|number| Named::Drug(vec![number]));
    let product = || formulary.named(text).and_then(|product| of_product(product, rules));
    alias(&key, rules)
        .map(of_alias)
        .or_else(ingredient)
        .or_else(|| shorter_names(&key).find_map(|name| alias(name, rules)).map(of_alias))
        .or_else(product)
        .or_else(|| sounding(&key, formulary, rules))
}

fn alias<'r>(key: &str, rules: &'r RuleSet) -> Option<&'r Alias> {
    let tables = rules.tables();
    tables.alias_names.get(key).map(|at| &tables.aliases[*at])
}

fn of_alias(alias: &Alias) -> Named<'_> {
    match alias.kind {
        AliasKind::Drug => Named::Drug(alias.ingredients.clone()),
        AliasKind::Class => Named::Group(alias),
    }
}

/// `None` for a product with an unknown ingredient.
fn of_product(product: &Product, rules: &RuleSet) -> Option<Named<'static>> {
    let numbers = product.ingredients.iter().map(|one| rules.number(one.code.as_str()));
    numbers.collect::<Option<Vec<u16>>>().map(Named::Drug)
}

/// A name that is spelt in pinyin, if all names of that sound stand for the same.
fn sounding<'r>(key: &str, formulary: &Formulary, rules: &'r RuleSet) -> Option<Named<'r>> {
    if key.len() < 3 || !key.is_ascii() {
        return None;
    }
    let mut products = formulary.sounding(key);
    if let Some(first) = products.next() {
        let codes = |product: &Product| -> Vec<String> {
            let mut codes: Vec<String> =
                product.ingredients.iter().map(|one| one.code.as_str().to_owned()).collect();
            codes.sort_unstable();
            codes
        };
        let wanted = codes(first);
        return if products.all(|other| codes(other) == wanted) { of_product(first, rules) } else { None };
    }
    match index(rules).sounding(key)? {
        Target::Ingredient(number) => Some(Named::Drug(vec![number])),
        Target::Alias(at) => Some(of_alias(&rules.tables().aliases[at])),
        Target::Allergy(_) => None,
    }
}

fn index(rules: &RuleSet) -> &NameIndex {
    rules.tables().name_index.get_or_init(|| NameIndex::of(rules))
}

/// One field may name several things: `青霉素、头孢`.
pub(super) fn parts(text: &str) -> impl Iterator<Item = &str> {
    let between = ['、', '，', ',', ';', '；', '/', '|', '\n', '+', '＋', '。'];
    text.split(between).flat_map(|part| part.split("和")).map(str::trim).filter(|part| !part.is_empty())
}

/// As which kind of answer a text was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// A medicine that is taken.
    Medicine,
    Allergy,
}

crate::text_enum! {
    /// How far a name was understood.
    pub enum NameStanding {
        /// A drug, an ingredient or a product: all rules apply to it.
        Recognised = "recognised",
        /// A kind of drugs: its rules apply, and for a medicine that is taken it must be asked which one it is.
        Class = "class",
        /// Known, and no drug: pollen, seafood.
        NotADrug = "not_a_drug",
        /// A word for none.
        None = "none",
        /// Not understood, but similar to names that are. It counts as unknown until one of them is entered.
        Suggested = "suggested",
        /// Not understood; it counts as unknown.
        Unrecognised = "unrecognised",
    }
}

/// A name that could have been meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suggestion {
    /// What to enter instead.
    pub write: String,
    /// What that is understood as.
    pub means: Bilingual,
}

/// One name in a text, and how it was understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedPart {
    pub text: String,
    pub standing: NameStanding,
    /// The ingredients, the kind of drugs, or what an allergy is to.
    pub means: Vec<Bilingual>,
    /// The most similar first; empty unless the standing is `suggested`.
    pub suggestions: Vec<Suggestion>,
}

/// How every name in `text` is understood.
pub fn recognise(text: &str, asked: Asked, formulary: &Formulary, rules: &RuleSet) -> Vec<NamedPart> {
    let whole = recognised(text.trim(), asked, formulary, rules);
    if !matches!(whole.standing, NameStanding::Suggested | NameStanding::Unrecognised) {
        return vec![whole];
    }
    let several: Vec<&str> = parts(text).collect();
    match several.as_slice() {
        [] | [_] => vec![whole],
        several => several.iter().map(|part| recognised(part, asked, formulary, rules)).collect(),
    }
}

fn recognised(text: &str, asked: Asked, formulary: &Formulary, rules: &RuleSet) -> NamedPart {
    let part =
        |standing, means| NamedPart { text: text.to_owned(), standing, means, suggestions: Vec::new() };
    if means_none(text) {
        return part(NameStanding::None, Vec::new());
    }
    let bare = match asked {
        Asked::Medicine => text.to_owned(),
        Asked::Allergy => match allergies::meaning(text, formulary, rules) {
            Meaning::NotADrug => return part(NameStanding::NotADrug, Vec::new()),
            Meaning::Drug { ingredients, blocks, .. } if ingredients.is_empty() => {
                return part(NameStanding::Class, shown_classes(blocks, rules));
            }
            Meaning::Drug { .. } | Meaning::Unknown => allergies::bare(text),
        },
    };
    match named(&bare, formulary, rules) {
        Some(Named::Drug(numbers)) => part(
            NameStanding::Recognised,
            numbers.iter().map(|number| shown_ingredient(*number, rules)).collect(),
        ),
        Some(Named::Group(alias)) => part(NameStanding::Class, vec![alias.shown.clone()]),
        None => {
            let suggestions = suggestions(&bare, asked, formulary, rules);
            let standing =
                if suggestions.is_empty() { NameStanding::Unrecognised } else { NameStanding::Suggested };
            NamedPart { suggestions, ..part(standing, Vec::new()) }
        }
    }
}

/// Names that `text` could mean: products that it spells by initials, then similar names.
pub(super) fn suggestions(
    text: &str,
    asked: Asked,
    formulary: &Formulary,
    rules: &RuleSet,
) -> Vec<Suggestion> {
    const MOST: usize = 5;
    let tables = rules.tables();
    let products = formulary.sounding(text).map(|product| Suggestion {
        write: product.generic_zh.clone(),
        means: Bilingual::made(product.generic_zh.clone(), product.generic_en.clone()),
    });
    let similar = index(rules).similar(text).into_iter().filter_map(|(name, target)| {
        let means = match target {
            Target::Ingredient(number) => shown_ingredient(number, rules),
            Target::Alias(at) => tables.aliases[at].shown.clone(),
            Target::Allergy(at) if asked == Asked::Allergy => {
                let rule = &tables.allergies[at];
                match shown_classes(rule.blocks, rules).into_iter().next() {
                    Some(class) => class,
                    None => Bilingual::made(name.clone(), format!("{name} (no drug)")),
                }
            }
            Target::Allergy(_) => return None,
        };
        Some(Suggestion { write: name, means })
    });
    let mut suggestions: Vec<Suggestion> = Vec::new();
    for suggestion in products.chain(similar) {
        if suggestions.iter().all(|known| known.means != suggestion.means) {
            suggestions.push(suggestion);
        }
    }
    suggestions.truncate(MOST);
    suggestions
}

fn shown_ingredient(number: u16, rules: &RuleSet) -> Bilingual {
    let code = &rules.ingredient(number).code;
    Bilingual::made(ingredient_zh(code), code.replace('_', " "))
}

fn shown_classes(classes: Classes, rules: &RuleSet) -> Vec<Bilingual> {
    classes.iter().map(|class| rules.tables().classes[class.row()].shown.clone()).collect()
}

/// What a finding adds for a name that was not understood.
pub(super) fn did_you_mean(
    text: &str,
    asked: Asked,
    formulary: &Formulary,
    rules: &RuleSet,
) -> (String, String) {
    let found = suggestions(text, asked, formulary, rules);
    let zh: Vec<&str> = found.iter().map(|one| one.means.zh.as_ref()).collect();
    let en: Vec<&str> = found.iter().map(|one| one.means.en.as_ref()).collect();
    if found.is_empty() {
        return (String::new(), String::new());
    }
    (
        format!("是否指：{}？请确认后改写。", zh.join("，或")),
        format!(" Is it {}? Confirm it and write that.", en.join(", or ")),
    )
}

#[cfg(test)]
#[path = "named_tests.rs"]
mod tests;
