//! All names that people could have meant, to suggest those that are similar to what they typed:
//! by letters, and by sound, since most typing errors in Chinese are other characters of one sound.

use std::collections::HashMap;

use strsim::osa_distance;

use super::rules::RuleSet;
use crate::formulary::{known_ingredients, name_key, pinyin_of};

/// What a name stands for, by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Target {
    Ingredient(u16),
    Alias(usize),
    Allergy(usize),
}

#[derive(Debug)]
struct Entry {
    /// As it is written in its table.
    name: String,
    key: String,
    letters: usize,
    /// Of a Chinese name.
    pinyin: Option<String>,
    target: Target,
}

/// The names of ingredients, aliases and allergies.
#[derive(Debug)]
pub(super) struct NameIndex {
    entries: Vec<Entry>,
    /// By pinyin in full; `None` where names of one sound stand for different things.
    by_sound: HashMap<String, Option<Target>>,
}

/// How many letters may differ. A short name with one letter changed is another name. Our default.
fn allowed(letters: usize, ascii: bool) -> usize {
    match (ascii, letters) {
        (false, 0..=2) | (true, 0..=3) => 0,
        (false, 3..=5) | (true, 4..=7) => 1,
        (false, _) | (true, 8..=11) => 2,
        (true, _) => 3,
    }
}

impl NameIndex {
    pub(super) fn of(rules: &RuleSet) -> Self {
        let tables = rules.tables();
        let ingredients = known_ingredients().filter_map(|known| {
            let number = rules.number(known.code)?;
            Some(known.names.iter().chain([&known.code]).map(move |name| (*name, Target::Ingredient(number))))
        });
        let aliases = tables.alias_names.iter().map(|(name, at)| (name.as_str(), Target::Alias(*at)));
        let allergies = tables.allergy_names.iter().map(|(name, at)| (name.as_str(), Target::Allergy(*at)));
        let names = ingredients.flatten().chain(aliases).chain(allergies);
        let mut entries: Vec<Entry> = names
            .map(|(name, target)| {
                let key = name_key(name);
                let (letters, pinyin) = (key.chars().count(), pinyin_of(&key));
                Entry { name: name.to_owned(), key, letters, pinyin, target }
            })
            .collect();
        // The tables are read into hash maps.
        entries.sort_by(|one, other| (one.target, &one.name).cmp(&(other.target, &other.name)));
        let mut by_sound: HashMap<String, Option<Target>> = HashMap::new();
        for entry in entries.iter().filter(|entry| !matches!(entry.target, Target::Allergy(_))) {
            if let Some(sound) = &entry.pinyin {
                let same = by_sound.entry(sound.clone()).or_insert(Some(entry.target));
                *same = same.filter(|target| *target == entry.target);
            }
        }
        Self { entries, by_sound }
    }

    /// What this pinyin stands for, if it is one thing.
    pub(super) fn sounding(&self, pinyin: &str) -> Option<Target> {
        *self.by_sound.get(pinyin)?
    }

    /// The names that `text` could mean, each thing once, the most similar first.
    pub(super) fn similar(&self, text: &str) -> Vec<(String, Target)> {
        const MOST: usize = 5;
        let typed = Typed::of(text);
        if typed.letters < 2 {
            return Vec::new();
        }
        let mut found: Vec<(usize, &Entry)> =
            self.entries.iter().filter_map(|entry| Some((typed.distance(entry)?, entry))).collect();
        found.sort_by_key(|(distance, entry)| {
            (*distance, entry.letters.abs_diff(typed.letters), entry.target)
        });
        let mut best: Vec<(String, Target)> = Vec::new();
        for (_, entry) in found {
            if best.len() < MOST && best.iter().all(|(_, target)| *target != entry.target) {
                best.push((entry.name.clone(), entry.target));
            }
        }
        best
    }
}

/// What somebody typed.
struct Typed {
    key: String,
    letters: usize,
    ascii: bool,
    /// In pinyin, also where it was typed so.
    sound: String,
}

impl Typed {
    fn of(text: &str) -> Self {
        let key = name_key(text);
        let (letters, ascii) = (key.chars().count(), key.is_ascii());
        let sound = pinyin_of(&key).unwrap_or_else(|| key.clone());
        Self { key, letters, ascii, sound }
    }

    /// How far the name is from what was typed; `None` if it is another name.
    fn distance(&self, entry: &Entry) -> Option<usize> {
        let whole = self.ascii == entry.key.is_ascii();
        let by_letters =
            whole.then(|| near(&self.key, &entry.key, allowed(self.letters, self.ascii))).flatten();
        let sound = entry.pinyin.as_deref();
        let by_sound =
            sound.and_then(|sound| near(&self.sound, sound, allowed(self.sound.len(), true).min(2)));
        // Sounds are many times as long as the characters, so letters count more.
        let near = by_letters.map(|far| far * 2).into_iter().chain(by_sound.map(|far| far * 2 + 1)).min();
        near.or_else(|| self.holds(entry).then_some(8))
    }

    /// Whether one holds the other: `吃了泰诺两片`, `阿莫`.
    fn holds(&self, entry: &Entry) -> bool {
        let enough = |letters: usize, ascii: bool| letters >= if ascii { 5 } else { 2 };
        let inside = enough(entry.letters, entry.key.is_ascii()) && self.key.contains(&entry.key);
        inside || (enough(self.letters, self.ascii) && entry.key.starts_with(&self.key))
    }
}

/// The distance of two words, if it is within `most`.
fn near(one: &str, other: &str, most: usize) -> Option<usize> {
    if one == other {
        return Some(0);
    }
    // Bytes bound the letters from below, cheaply.
    if most == 0 || one.len().abs_diff(other.len()) > most * 4 {
        return None;
    }
    Some(osa_distance(one, other)).filter(|far| *far <= most)
}
