//! The search box of the catalogue: one text over names, brands, pinyin and its initials, codes,
//! ATC codes, barcodes and approval numbers.
//!
//! A product's rank depends only on the product and the text, never on other products. So the order
//! by rank and code is total, and a page that begins after a rank and code is right even when the
//! catalogue changed in between: what did not change is neither repeated nor left out.

use std::collections::HashMap;

use super::{
    label::padded,
    lookup::Formulary,
    names::without_form_words,
    product::Product,
    sound::{initials_of, name_key, pinyin_of},
};

/// How well a text matches, best first. The order of the variants is the order of the results.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Match {
    /// It is the code, a barcode or an approval number.
    Number,
    /// It is a name or brand.
    Name,
    /// A name or brand begins with it.
    NameBegins,
    /// The code, the ATC code or an approval number begins with it.
    NumberBegins,
    /// It is a name's pinyin, in full or by its initials.
    Sound,
    /// A name's pinyin begins with it.
    SoundBegins,
    /// It is part of a name, a brand, the code or a number.
    Within,
    /// It is part of a name's pinyin, or sounds like part of a name.
    SoundWithin,
}

/// What a key of a product is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Number,
    Name,
    Atc,
    Sound,
}

impl Kind {
    /// How a text matches a key that contains it at `place`.
    fn matched(self, key: &str, text: &str, place: usize) -> Option<Match> {
        let (whole, begins) = (key.len() == text.len(), place == 0);
        // Two letters are part of too many sounds.
        match self {
            Kind::Number if whole => Some(Match::Number),
            Kind::Number if begins => Some(Match::NumberBegins),
            Kind::Name if whole => Some(Match::Name),
            Kind::Name if begins => Some(Match::NameBegins),
            Kind::Number | Kind::Name => Some(Match::Within),
            Kind::Atc => begins.then_some(Match::NumberBegins),
            Kind::Sound if whole => Some(Match::Sound),
            Kind::Sound if begins => Some(Match::SoundBegins),
            Kind::Sound => (text.len() > 2).then_some(Match::SoundWithin),
        }
    }
}

/// A product's place in the results for a text: how it matches, then products of the formulary before
/// those that are only known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rank(u8);

impl Rank {
    fn of(matched: Match, in_formulary: bool) -> Self {
        Self(matched as u8 * 2 + u8::from(!in_formulary))
    }
}

/// Where a page of results begins: after this product, at this rank.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchCursor {
    rank: Rank,
    code: String,
}

impl SearchCursor {
    /// Between rank and code; part of no product's code.
    const SEPARATOR: char = '~';

    /// `None` if `text` is no cursor.
    pub fn parse(text: &str) -> Option<Self> {
        let (rank, code) = text.split_once(Self::SEPARATOR)?;
        let digits = (1..=2).contains(&rank.len()) && rank.bytes().all(|byte| byte.is_ascii_digit());
        let code = super::ProductCode::parse(code)?;
        digits.then(|| rank.parse().ok())?.map(|rank| Self { rank: Rank(rank), code: code.into() })
    }
}

impl std::fmt::Display for SearchCursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{}{}", self.rank.0, Self::SEPARATOR, self.code)
    }
}

/// One page of results.
#[derive(Debug)]
pub struct SearchPage<'f> {
    pub products: Vec<&'f Product>,
    /// Where the next page begins; `None` on the last.
    pub next: Option<SearchCursor>,
}

/// A text to search for.
#[derive(Debug)]
struct Query {
    /// The text without its spaces: a name that was typed with a space, or the digits of a barcode.
    whole: Word,
    /// Its words, if there are several: each must match.
    words: Vec<Word>,
}

#[derive(Debug)]
struct Word {
    /// As it was typed, in lower case.
    typed: String,
    /// Letters and digits only; empty if it has none.
    key: String,
    /// A trade item number in 14 digits.
    padded: Option<String>,
    /// The pinyin of a text with Chinese characters.
    sound: Option<String>,
}

impl Query {
    fn of(text: &str) -> Self {
        let words: Vec<&str> = text.split_whitespace().collect();
        let whole = Word::of(&words.concat());
        let words = if words.len() > 1 { words.into_iter().map(Word::of).collect() } else { Vec::new() };
        Self { whole, words }
    }
}

impl Word {
    fn of(text: &str) -> Self {
        let key = name_key(text);
        // The words before an approval number are no part of its key.
        let bare = ["国药准字", "注册证号"].iter().find_map(|words| key.strip_prefix(words));
        let key = bare.filter(|bare| !bare.is_empty()).map_or(key.clone(), str::to_owned);
        let digits = key.bytes().all(|byte| byte.is_ascii_digit());
        let padded = (digits && matches!(key.len(), 8 | 12 | 13)).then(|| padded(&key));
        Self { typed: text.to_lowercase(), sound: pinyin_of(&key), padded, key }
    }
}

/// What is searched of one product.
#[derive(Debug, Clone)]
struct Row {
    /// Its number in the formulary.
    at: usize,
    in_formulary: bool,
    /// All keys, each with its kind and its end in `text`.
    text: String,
    keys: Vec<(Kind, usize)>,
}

impl Row {
    fn of(at: usize, product: &Product) -> Self {
        let mut row = Self { at, in_formulary: product.in_formulary, text: String::new(), keys: Vec::new() };
        row.add(Kind::Number, &name_key(product.code.as_str()));
        for barcode in &product.label.barcodes {
            row.add(Kind::Number, &barcode.key());
        }
        for number in &product.label.approval_numbers {
            row.add(Kind::Number, &name_key(number.bare()));
        }
        if product.atc != "-" {
            row.add(Kind::Atc, &product.atc.to_ascii_lowercase());
        }
        let names = [&product.generic_zh, &product.generic_en].into_iter().chain(&product.label.brands);
        for name in names {
            let key = name_key(name);
            row.add(Kind::Name, &key);
            let short = without_form_words(&key);
            row.add(Kind::Name, short);
            for key in [key.as_str(), short] {
                for sound in pinyin_of(key).into_iter().chain(initials_of(key)) {
                    row.add(Kind::Sound, &sound);
                }
            }
        }
        row
    }

    fn add(&mut self, kind: Kind, key: &str) {
        if !key.is_empty() && !self.keys().any(|(known, text)| known == kind && text == key) {
            self.text.push_str(key);
            self.keys.push((kind, self.text.len()));
        }
    }

    fn keys(&self) -> impl Iterator<Item = (Kind, &str)> {
        let mut start = 0;
        self.keys.iter().map(move |(kind, end)| {
            let key = &self.text[start..*end];
            start = *end;
            (*kind, key)
        })
    }

    /// How the best of its keys matches all of the text.
    fn rank(&self, query: &Query, product: &Product) -> Option<Rank> {
        let whole = self.matched(&query.whole, product);
        let worst = || query.words.iter().map(|word| self.matched(word, product)).collect::<Option<Vec<_>>>();
        let words = worst().and_then(|matches| matches.into_iter().max());
        let matched = whole.into_iter().chain(words).min()?;
        Some(Rank::of(matched, self.in_formulary))
    }

    fn matched(&self, word: &Word, product: &Product) -> Option<Match> {
        if word.key.is_empty() {
            let names = [&product.generic_zh, &product.generic_en, product.code.as_str()];
            let named = names.iter().any(|name| name.to_lowercase().contains(&word.typed));
            return (named && !word.typed.is_empty()).then_some(Match::Within);
        }
        let mut best = None;
        for (kind, key) in self.keys() {
            let exact = kind == Kind::Number && word.padded.as_deref() == Some(key);
            let found = if exact {
                Some(Match::Number)
            } else if let Some(place) = key.find(&word.key) {
                kind.matched(key, &word.key, place)
            } else {
                let sound = word.sound.as_deref().filter(|sound| kind == Kind::Sound && sound.len() > 2);
                sound.filter(|sound| key.contains(*sound)).map(|_| Match::SoundWithin)
            };
            best = best.into_iter().chain(found).min();
        }
        best
    }
}

/// Two neighbouring letters of a key.
fn grams(text: &str) -> impl Iterator<Item = (char, char)> {
    text.chars().zip(text.chars().skip(1))
}

/// Which products contain which two neighbouring letters.
#[derive(Debug, Clone, Default)]
pub(super) struct SearchIndex {
    /// By code.
    rows: Vec<Row>,
    by_gram: HashMap<(char, char), Vec<u32>>,
}

impl SearchIndex {
    pub(super) fn of(products: &[Product]) -> Self {
        let mut rows: Vec<Row> = products.iter().enumerate().map(|(at, one)| Row::of(at, one)).collect();
        rows.sort_by(|one, other| products[one.at].code.cmp(&products[other.at].code));
        let mut by_gram: HashMap<(char, char), Vec<u32>> = HashMap::new();
        for (place, row) in (0_u32..).zip(&rows) {
            for gram in row.keys().flat_map(|(_, key)| grams(key)) {
                let places = by_gram.entry(gram).or_default();
                if places.last() != Some(&place) {
                    places.push(place);
                }
            }
        }
        by_gram.values_mut().for_each(Vec::shrink_to_fit);
        Self { rows, by_gram }
    }

    /// The rows that can contain `text`, none left out; `None` if that can be any.
    fn containing(&self, text: &str) -> Option<&[u32]> {
        let places = |gram| self.by_gram.get(&gram).map_or(&[][..], Vec::as_slice);
        grams(text).map(places).min_by_key(|places| places.len())
    }

    fn candidates(&self, word: &Word) -> Option<Vec<u32>> {
        let mut places = self.containing(&word.key)?.to_vec();
        if let Some(sound) = &word.sound {
            places.extend_from_slice(self.containing(sound)?);
        }
        Some(places)
    }

    /// The rows that can match: those that can match the whole text, or the rarest of its words.
    fn possible(&self, query: &Query) -> Vec<u32> {
        let all = || (0_u32..).take(self.rows.len()).collect();
        let Some(mut places) = self.candidates(&query.whole) else { return all() };
        let words: Vec<Vec<u32>> = query.words.iter().filter_map(|word| self.candidates(word)).collect();
        match words.into_iter().min_by_key(Vec::len) {
            Some(rarest) => places.extend(rarest),
            None if !query.words.is_empty() => return all(),
            None => {}
        }
        places.sort_unstable();
        places.dedup();
        places
    }
}

impl Formulary {
    /// A page of the products that match `text`, best first, of equal rank by code; at most `limit`.
    /// An empty text matches nothing.
    pub fn search(&self, text: &str, after: Option<&SearchCursor>, limit: usize) -> SearchPage<'_> {
        let (index, query) = (self.index(), Query::of(text));
        self.ranked(index.possible(&query).into_iter(), &query, after, limit)
    }

    /// As [`Self::search`], by looking at every product: what tests and benchmarks compare it with.
    pub fn search_by_scan(&self, text: &str, after: Option<&SearchCursor>, limit: usize) -> SearchPage<'_> {
        self.ranked((0_u32..).take(self.len()), &Query::of(text), after, limit)
    }

    fn ranked(
        &self,
        places: impl Iterator<Item = u32>,
        query: &Query,
        after: Option<&SearchCursor>,
        limit: usize,
    ) -> SearchPage<'_> {
        let rows = &self.index().rows;
        let product = |place: u32| &self.products()[rows[place as usize].at];
        let after = after.map(|cursor| {
            let place =
                rows.partition_point(|row| self.products()[row.at].code.as_str() <= cursor.code.as_str());
            (cursor.rank, u32::try_from(place).unwrap_or(u32::MAX))
        });
        let mut found: Vec<(Rank, u32)> = places
            .filter_map(|place| Some((rows[place as usize].rank(query, product(place))?, place)))
            .filter(|found| after.is_none_or(|after| *found >= after))
            .collect();
        let more = found.len() > limit;
        if more {
            // Only the page is sorted.
            found.select_nth_unstable(limit);
            found.truncate(limit);
        }
        found.sort_unstable();
        let next = found.last().filter(|_| more).map(|(rank, place)| SearchCursor {
            rank: *rank,
            code: product(*place).code.as_str().to_owned(),
        });
        SearchPage { products: found.into_iter().map(|(_, place)| product(place)).collect(), next }
    }

    /// Where the results for `text` go on after the product of this code; `None` if it does not match.
    pub fn search_cursor(&self, text: &str, code: &str) -> Option<SearchCursor> {
        let product = self.find(code)?;
        let rank = Row::of(0, product).rank(&Query::of(text), product)?;
        Some(SearchCursor { rank, code: code.to_owned() })
    }

    /// A page of all products by code, those after `after`; at most `limit`, and whether there are more.
    pub fn listed(&self, after: &str, limit: usize) -> (Vec<&Product>, bool) {
        let rows = &self.index().rows;
        let start = rows.partition_point(|row| self.products()[row.at].code.as_str() <= after);
        let page = rows[start..].iter().take(limit).map(|row| &self.products()[row.at]).collect();
        (page, rows.len() - start > limit)
    }
}

#[cfg(test)]
#[path = "search_tests.rs"]
mod tests;
