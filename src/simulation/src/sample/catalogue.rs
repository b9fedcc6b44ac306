//! A catalogue of products that do not exist, for trials of imports and
//! searches at the size of the first city's. Every row says in its code, its
//! names and its source that it is a sample. No row has a maximum, so none
//! can be prescribed, and none is in the formulary.

use rand::{Rng, seq::IndexedRandom};

use super::secrets;
use domain::formulary::{COLUMNS, Form, SaleClass};

/// Rows of the sample catalogue, as many as the first city curates from.
pub const ROWS: usize = 7_000;
/// Products of one invented substance: forms, strengths and packs.
const PER_SUBSTANCE: usize = 10;

const FIRST: &[(&str, &str)] = &[
    ("纳", "na"),
    ("维", "vi"),
    ("洛", "lo"),
    ("托", "to"),
    ("瑞", "re"),
    ("佐", "zo"),
    ("培", "pe"),
    ("克", "ke"),
    ("多", "do"),
    ("美", "me"),
    ("司", "si"),
    ("法", "fa"),
    ("古", "gu"),
    ("布", "bu"),
];
const MIDDLE: &[(&str, &str)] = &[
    ("沃", "vo"),
    ("利", "li"),
    ("曼", "man"),
    ("特", "te"),
    ("拉", "la"),
    ("尼", "ni"),
    ("索", "so"),
    ("班", "ban"),
    ("卡", "ka"),
    ("鲁", "lu"),
];
const LAST: &[(&str, &str)] =
    &[("定", "dum"), ("林", "lem"), ("芬", "fem"), ("坦", "tam"), ("星", "xem"), ("净", "gim")];

/// The catalogue as a CSV file with the formulary's columns; `rows` of them below the header.
pub fn csv(seed: u64, rows: usize) -> String {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let mut random = secrets::random(seed, "catalogue");
    let mut substance = Substance::draw(&mut random);
    let written = writer.write_record(COLUMNS).and_then(|()| {
        (0..rows).try_for_each(|index| {
            if index % PER_SUBSTANCE == 0 {
                substance = Substance::draw(&mut random);
            }
            let cells = substance.product(index + 1, &mut random);
            writer.write_record(COLUMNS.iter().map(|column| cell(&cells, column)))
        })
    });
    written.expect("writing into memory cannot fail");
    let bytes = writer.into_inner().expect("flushing into memory cannot fail");
    String::from_utf8(bytes).expect("every cell is UTF-8")
}

/// The cell of a column; a column that this file does not know stays empty.
fn cell<'a>(cells: &'a [(&str, String)], column: &str) -> &'a str {
    cells.iter().find(|(name, _)| *name == column).map_or("", |(_, value)| value.as_str())
}

/// A drug that nobody makes.
struct Substance {
    zh: String,
    en: String,
    class: SaleClass,
    sedating: bool,
}

impl Substance {
    fn draw(random: &mut impl Rng) -> Self {
        let mut syllable = |from: &[(&'static str, &'static str)]| {
            *from.choose(random).expect("the lists of syllables are not empty")
        };
        let (first, middle, more, last) =
            (syllable(FIRST), syllable(MIDDLE), syllable(MIDDLE), syllable(LAST));
        let class = match random.random_range(0..10) {
            0..6 => SaleClass::Rx,
            6..8 => SaleClass::OtcA,
            _ => SaleClass::OtcB,
        };
        Self {
            zh: format!("{}{}{}{}", first.0, middle.0, more.0, last.0),
            en: format!("{}{}{}{}", first.1, middle.1, more.1, last.1),
            class,
            sedating: random.random_ratio(1, 12),
        }
    }

    fn product(&self, number: usize, random: &mut impl Rng) -> Vec<(&'static str, String)> {
        let form = *Form::ALL.choose(random).expect("there are forms");
        let strength = *[1, 2, 5, 10, 20, 25, 50, 100, 200, 250, 500].choose(random).expect("not empty");
        let pack = *[6, 10, 12, 14, 20, 24, 28, 30, 60, 100].choose(random).expect("not empty");
        vec![
            ("code", format!("SAMPLE-{number:05}")),
            ("generic_zh", format!("样例·{}（虚构药品）", self.zh)),
            ("generic_en", format!("Sample {} (no real drug)", self.en)),
            ("atc", "-".into()),
            ("form", form.as_str().into()),
            ("strength_mg", strength.to_string()),
            ("ingredients", format!("sample_{}:{strength}", self.en)),
            ("units_per_pack", pack.to_string()),
            ("price_fen", (random.random_range(20..=3_000) * 10).to_string()),
            ("class", self.class.as_str().into()),
            ("flags", if self.sedating { "sedating".into() } else { String::new() }),
            ("storage", "样例：阴凉干燥处 / sample: cool and dry".into()),
            ("in_formulary", "no".into()),
            ("source", "sample: generated for trials; no such drug exists, no maximum".into()),
        ]
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, HashSet};

    use super::*;
    use domain::formulary::Product;

    #[test]
    fn every_row_is_a_product_that_nobody_can_prescribe() {
        let file = csv(7, ROWS);
        let mut reader = csv::Reader::from_reader(file.as_bytes());
        let header = reader.headers().expect("a header").clone();
        let mut codes = HashSet::new();
        for row in reader.records() {
            let row = row.expect("a row");
            let cells: HashMap<&str, &str> = header.iter().zip(row.iter()).collect();
            let product = Product::from_fields(&cells).expect("a fine row");
            assert!(!product.prescribable() && !product.in_formulary && !product.has_sourced_maximum());
            assert!(product.generic_zh.starts_with("样例") && product.source.starts_with("sample"));
            assert!(codes.insert(product.code.as_str().to_owned()), "{}", product.code);
        }
        assert_eq!(codes.len(), ROWS);
    }

    #[test]
    fn a_seed_is_a_catalogue() {
        assert_eq!(csv(7, 200), csv(7, 200));
        assert_ne!(csv(7, 200), csv(8, 200));
        assert!(csv(7, 200).starts_with(&csv(7, 50)));
    }
}
