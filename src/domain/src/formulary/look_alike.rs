//! Products that people confuse with each other, by their names, codes or packs, and in what they
//! differ, so that a screen can show them apart.
//!
//! Looked for per product, on demand, among its neighbours in a few sorted tables: the same drug,
//! names and codes of which one letter differs, names of one sound, English names that begin alike.
//! So the whole catalogue is never compared with itself.

use std::collections::{HashMap, hash_map::DefaultHasher};
use std::hash::{Hash, Hasher};
use std::sync::OnceLock;

use strsim::osa_distance;

use super::{
    codes::ProductCode,
    lookup::Formulary,
    names::without_form_words,
    product::Product,
    sound::{initials_of, name_key, pinyin_of},
};

crate::text_enum! {
    /// Why two products are easily confused.
    pub enum Likeness {
        /// The same drug in another strength, form or pack.
        Drug = "drug",
        /// Another drug, whose name differs in a letter or two.
        Name = "name",
        /// Another drug, whose Chinese name sounds the same.
        Sound = "sound",
        /// Another drug, whose Chinese name has the same initials in pinyin, four letters at least.
        Initials = "initials",
        /// Another drug, of whose code one character differs.
        Code = "code",
    }
}

crate::text_enum! {
    /// In what two products differ.
    pub enum Difference {
        Ingredients = "ingredients",
        Strength = "strength",
        Form = "form",
        /// Units in a pack, or the specification.
        Pack = "pack",
        /// On prescription or over the counter.
        Class = "class",
        Brand = "brand",
        Manufacturer = "manufacturer",
    }
}

/// The most look-alikes of one product that are named. Our default.
pub const MOST_LOOK_ALIKES: usize = 5;

/// Of these, packs of the same drug that are named although more other drugs are alike. Our default.
const MOST_PACKS: usize = 2;

/// At most this many products of one name are looked at. Our default.
const MOST_OF_A_NAME: usize = 200;

/// A product that another one is easily confused with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LookAlike {
    pub code: ProductCode,
    /// Never empty.
    pub alike: Vec<Likeness>,
    /// Empty if only the code tells them apart.
    pub differs: Vec<Difference>,
}

/// A name in three parts: what it shares with another one, where it differs, what it shares again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NameParts<'n> {
    pub before: &'n str,
    pub differs: &'n str,
    pub after: &'n str,
}

/// `name`, apart from `other`.
pub fn name_parts<'n>(name: &'n str, other: &str) -> NameParts<'n> {
    let same = |(one, two): &((usize, char), char)| one.1 == *two;
    let before = name.char_indices().zip(other.chars()).take_while(same).count();
    let start = name.char_indices().nth(before).map_or(name.len(), |(at, _)| at);
    let left = (name[start..].chars().count()).min(other.chars().count() - before);
    let backwards = name.chars().rev().zip(other.chars().rev()).take(left);
    let tail: usize = backwards.take_while(|(one, two)| one == two).map(|(one, _)| one.len_utf8()).sum();
    let end = name.len() - tail;
    NameParts { before: &name[..start], differs: &name[start..end], after: &name[end..] }
}

/// The drug of a product: its ingredients without their amounts.
fn drug_of(product: &Product) -> Vec<&str> {
    let mut codes: Vec<&str> = product.ingredients.iter().map(|one| one.code.as_str()).collect();
    codes.sort_unstable();
    codes
}

/// Words that follow the name of a drug in English.
const FORMS_EN: &[&str] = &[
    "tablet",
    "capsule",
    "granule",
    "powder",
    "oral",
    "syrup",
    "solution",
    "suspension",
    "cream",
    "ointment",
    "gel",
    "lotion",
    "drop",
    "eye",
    "ear",
    "nasal",
    "inhaler",
    "suppositor",
    "patch",
    "plaster",
    "injection",
    "sustained",
    "enteric",
    "chewable",
    "dispersible",
    "effervescent",
    "pill",
    "tincture",
    "lozenge",
    "spray",
];

/// The English name of the drug alone.
fn stem_en(name: &str) -> String {
    let lower = name.to_lowercase();
    let stem = lower.split_whitespace().take_while(|word| {
        let form = FORMS_EN.iter().any(|form| word.starts_with(form));
        !form && !word.starts_with(|c: char| c.is_ascii_digit())
    });
    stem.flat_map(str::chars).filter(|c| c.is_alphanumeric()).collect()
}

fn stem_zh(name: &str) -> String {
    without_form_words(&name_key(name)).to_owned()
}

/// What tells two products apart, the gravest first.
pub fn differences(one: &Product, other: &Product) -> Vec<Difference> {
    let amounts = |product: &Product| {
        let mut amounts: Vec<(String, i64)> =
            product.ingredients.iter().map(|part| (part.code.as_str().to_owned(), part.amount_ug)).collect();
        amounts.sort_unstable();
        amounts
    };
    let same_drug = drug_of(one) == drug_of(other);
    let (own, others) = (&one.label, &other.label);
    let told = [
        (Difference::Ingredients, !same_drug),
        (
            Difference::Strength,
            one.strength_ug != other.strength_ug || same_drug && amounts(one) != amounts(other),
        ),
        (Difference::Form, one.form != other.form),
        (
            Difference::Pack,
            one.units_per_pack != other.units_per_pack || own.specification != others.specification,
        ),
        (Difference::Class, one.class != other.class),
        (Difference::Brand, own.brands != others.brands),
        (Difference::Manufacturer, own.manufacturer != others.manufacturer),
    ];
    told.into_iter().filter_map(|(difference, differs)| differs.then_some(difference)).collect()
}

fn hashed(letters: impl Iterator<Item = char>) -> u64 {
    let mut hasher = DefaultHasher::new();
    letters.for_each(|letter| letter.hash(&mut hasher));
    hasher.finish()
}

/// Digests of a word and of the word without each one of its letters: two words of which one letter
/// differs, is added or left out share one.
fn without_a_letter(word: &str) -> Vec<u64> {
    let count = word.chars().count();
    let without = |gone: usize| {
        hashed(word.chars().enumerate().filter(move |(at, _)| *at != gone).map(|(_, letter)| letter))
    };
    let mut all: Vec<u64> = (0..=count).map(without).collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// Distinct words, and what has each.
#[derive(Debug, Clone, Default)]
struct Words {
    /// Sorted.
    words: Vec<String>,
    /// The products of each word, by their numbers.
    products: Vec<Vec<u32>>,
    /// Digests, each with the number of a word; sorted. Empty if nobody looks for near words.
    near: Vec<(u64, u32)>,
}

impl Words {
    fn of(words: impl Iterator<Item = (u32, String)>, near: bool) -> Self {
        let mut pairs: Vec<(String, u32)> =
            words.filter(|(_, word)| !word.is_empty()).map(|(at, word)| (word, at)).collect();
        pairs.sort_unstable();
        let mut all = Self::default();
        for (word, at) in pairs {
            if all.words.last() == Some(&word) {
                all.products.last_mut().into_iter().for_each(|same| same.push(at));
            } else {
                all.words.push(word);
                all.products.push(vec![at]);
            }
        }
        if near {
            let digests = (0_u32..).zip(&all.words);
            all.near = digests
                .flat_map(|(at, word)| without_a_letter(word).into_iter().map(move |digest| (digest, at)))
                .collect();
            all.near.sort_unstable();
        }
        all
    }

    fn having(&self, word: &str) -> &[u32] {
        let found = self.words.binary_search_by(|known| known.as_str().cmp(word));
        found.map_or(&[], |at| &self.products[at])
    }

    /// The products of other words that differ from `word` in one letter, or in the order of two.
    fn near(&self, word: &str) -> impl Iterator<Item = u32> {
        let mut found: Vec<u32> = without_a_letter(word)
            .into_iter()
            .flat_map(|digest| {
                let start = self.near.partition_point(|(known, _)| *known < digest);
                self.near[start..].iter().take_while(move |(known, _)| *known == digest).map(|(_, at)| *at)
            })
            .collect();
        found.sort_unstable();
        found.dedup();
        found.retain(|at| osa_distance(&self.words[*at as usize], word) == 1);
        found.into_iter().flat_map(|at| self.products[at as usize].iter().take(MOST_OF_A_NAME).copied())
    }

    /// The products of other words with the same first three letters, of which few letters differ.
    fn beginning_alike(&self, word: &str) -> impl Iterator<Item = u32> {
        let first: String = word.chars().take(3).collect();
        let most = if word.chars().count() < 8 { 1 } else { 2 };
        let start = self.words.partition_point(|known| known.as_str() < first.as_str());
        let group = (start..self.words.len()).take_while(move |at| self.words[*at].starts_with(&first));
        let word = word.to_owned();
        group
            .filter(move |at| {
                let known = &self.words[*at];
                known.len().abs_diff(word.len()) <= most && (1..=most).contains(&osa_distance(known, &word))
            })
            .flat_map(|at| self.products[at].iter().take(MOST_OF_A_NAME).copied())
    }
}

/// The tables in which look-alikes are looked for.
#[derive(Debug, Clone, Default)]
pub(super) struct LookAlikeIndex {
    by_drug: HashMap<Vec<String>, Vec<u32>>,
    codes: Words,
    names: Words,
    english: Words,
    sounds: Words,
    initials: Words,
    /// Of each product, when they are first asked for.
    found: Vec<OnceLock<Vec<LookAlike>>>,
}

/// The shortest name in Chinese of which one character may differ, the shortest code, English name
/// and initials. Shorter ones are like too many. Our defaults.
const SHORTEST_NAME: usize = 3;
const SHORTEST_CODE: usize = 5;
const SHORTEST_ENGLISH: usize = 5;
const SHORTEST_INITIALS: usize = 4;

fn at_least(shortest: usize) -> impl Fn(&String) -> bool {
    move |word| word.chars().count() >= shortest
}

/// The names in Chinese that a product is known by: of the drug, and its brands.
fn names_of(product: &Product) -> impl Iterator<Item = String> {
    std::iter::once(&product.generic_zh).chain(&product.label.brands).map(|name| stem_zh(name))
}

impl LookAlikeIndex {
    pub(super) fn of(products: &[Product]) -> Self {
        let numbered = || (0_u32..).zip(products);
        let mut by_drug: HashMap<Vec<String>, Vec<u32>> = HashMap::new();
        for (at, product) in numbered() {
            let drug = drug_of(product).into_iter().map(str::to_owned).collect();
            by_drug.entry(drug).or_default().push(at);
        }
        let names = || numbered().flat_map(|(at, one)| names_of(one).map(move |name| (at, name)));
        let long = at_least(SHORTEST_NAME);
        Self {
            by_drug,
            found: vec![OnceLock::new(); products.len()],
            codes: Words::of(numbered().map(|(at, one)| (at, name_key(one.code.as_str()))), true),
            names: Words::of(names().filter(|(_, name)| long(name)), true),
            english: Words::of(numbered().map(|(at, one)| (at, stem_en(&one.generic_en))), false),
            sounds: Words::of(names().filter_map(|(at, name)| Some((at, pinyin_of(&name)?))), false),
            initials: Words::of(names().filter_map(|(at, name)| Some((at, initials_of(&name)?))), false),
        }
    }
}

impl Formulary {
    /// The products that the one of this code is most easily confused with: those of the formulary
    /// first, other drugs before other packs; at most [`MOST_LOOK_ALIKES`]. Found once and kept.
    pub fn look_alikes(&self, code: &ProductCode) -> &[LookAlike] {
        let Some(at) = self.place(code) else { return &[] };
        self.look_alike_index().found[at].get_or_init(|| self.find_look_alikes(at))
    }

    fn find_look_alikes(&self, at: usize) -> Vec<LookAlike> {
        let (index, products) = (self.look_alike_index(), self.products());
        let product = &products[at];
        let mut alike: HashMap<u32, Vec<Likeness>> = HashMap::new();
        let mut note = |likeness: Likeness, found: &mut dyn Iterator<Item = u32>| {
            for other in found.filter(|other| *other as usize != at) {
                let known = alike.entry(other).or_default();
                if !known.contains(&likeness) {
                    known.push(likeness);
                }
            }
        };
        let drug: Vec<String> = drug_of(product).into_iter().map(str::to_owned).collect();
        if let Some(same) = index.by_drug.get(&drug) {
            note(Likeness::Drug, &mut same.iter().copied());
        }
        let other_drug = |other: &u32| drug_of(&products[*other as usize]) != drug_of(product);
        for name in names_of(product) {
            if at_least(SHORTEST_NAME)(&name) {
                note(Likeness::Name, &mut index.names.near(&name).filter(other_drug));
                // The very name, of another drug: a mistake, or a brand that was reused.
                note(Likeness::Name, &mut index.names.having(&name).iter().copied().filter(other_drug));
            }
            if let Some(sound) = pinyin_of(&name) {
                note(Likeness::Sound, &mut index.sounds.having(&sound).iter().copied().filter(other_drug));
            }
            if let Some(initials) = initials_of(&name).filter(at_least(SHORTEST_INITIALS)) {
                let same = index.initials.having(&initials).iter().take(MOST_OF_A_NAME);
                note(Likeness::Initials, &mut same.copied().filter(other_drug));
            }
        }
        let english = stem_en(&product.generic_en);
        if at_least(SHORTEST_ENGLISH)(&english) {
            note(Likeness::Name, &mut index.english.beginning_alike(&english).filter(other_drug));
        }
        let code = name_key(product.code.as_str());
        if at_least(SHORTEST_CODE)(&code) {
            note(Likeness::Code, &mut index.codes.near(&code).filter(other_drug));
        }
        nearest(product, products, alike)
    }
}

/// The most easily confused of them: other drugs before other packs, those in the formulary first, the
/// strongest likeness, the fewest differences.
fn nearest(product: &Product, products: &[Product], alike: HashMap<u32, Vec<Likeness>>) -> Vec<LookAlike> {
    let mut found: Vec<_> = alike
        .into_iter()
        .map(|(at, mut alike)| {
            let other = &products[at as usize];
            alike.sort_unstable();
            let differs = differences(product, other);
            ((!other.in_formulary, alike[0], differs.len(), &other.code), alike, differs)
        })
        .collect();
    found.sort_by(|one, other| one.0.cmp(&other.0));
    let found = found.into_iter();
    let (packs, mut drugs): (Vec<_>, Vec<_>) = found.partition(|(_, alike, _)| alike[0] == Likeness::Drug);
    // Other drugs are the graver mistake; many of them leave room for other packs of this one.
    drugs.truncate(MOST_LOOK_ALIKES - packs.len().min(MOST_PACKS));
    let most = drugs.into_iter().chain(packs).take(MOST_LOOK_ALIKES);
    most.map(|((.., code), alike, differs)| LookAlike { code: code.clone(), alike, differs }).collect()
}

#[cfg(test)]
#[path = "look_alike_tests.rs"]
mod tests;
