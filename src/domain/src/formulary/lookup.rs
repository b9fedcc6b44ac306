//! The formulary: lookup by code or name, iteration and search.

use std::collections::HashMap;
use std::sync::OnceLock;

use super::{
    bounds::Flaw,
    codes::ProductCode,
    look_alike::LookAlikeIndex,
    never::{Never, never},
    parse::RowProblem,
    product::Product,
    search::SearchIndex,
    sound::{name_key, sounds_of},
};
use crate::words::Bilingual;

/// What prevents a product from being prescribed or sold, according to its row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The match on the never-list.
    pub never: Option<Never>,
    /// Implausible maxima, and what prevents them from being checked.
    pub implausible: Vec<Flaw>,
    /// Whether an adult's daily maximum is given with a source.
    pub sourced: bool,
    /// Whether it releases its drug slowly.
    pub(crate) slow: bool,
    /// Whether it is swallowed whole.
    pub(crate) whole: bool,
}

impl Standing {
    fn of(product: &Product) -> Self {
        Self {
            never: never(product),
            implausible: product.implausible(),
            sourced: product.has_sourced_maximum(),
            slow: product.released_slowly(),
            whole: product.swallowed_whole(),
        }
    }
}

/// All known products, by code and in the order of their rows.
#[derive(Debug, Clone, Default)]
pub struct Formulary {
    products: Vec<Product>,
    /// Computed on first use, because it costs more than a safety check.
    standings: Vec<OnceLock<Standing>>,
    by_code: HashMap<ProductCode, usize>,
    /// Normalized names; of products with the same name the first.
    by_name: HashMap<String, usize>,
    /// Pinyin spellings of the Chinese names.
    by_sound: HashMap<String, Vec<usize>>,
    /// Built on first use after a change: see [`Self::prepare`].
    search: OnceLock<SearchIndex>,
    /// As [`Self::search`].
    likeness: OnceLock<LookAlikeIndex>,
}

impl Formulary {
    pub fn new() -> Self {
        Self::default()
    }

    /// A later product of the same code replaces the earlier one.
    pub fn from_products(products: impl IntoIterator<Item = Product>) -> Self {
        let mut formulary = Self::new();
        for product in products {
            formulary.put(product);
        }
        formulary
    }

    pub fn put(&mut self, product: Product) {
        (self.search, self.likeness) = (OnceLock::new(), OnceLock::new());
        let at = self.by_code.get(&product.code).copied().unwrap_or(self.products.len());
        for name in [&product.generic_zh, &product.generic_en, product.code.as_str()] {
            self.by_name.entry(name_key(name)).or_insert(at);
        }
        for sound in sounds_of(&product.generic_zh) {
            let same = self.by_sound.entry(sound).or_default();
            if !same.contains(&at) {
                same.push(at);
            }
        }
        if let Some(&at) = self.by_code.get(&product.code) {
            self.products[at] = product;
            self.standings[at] = OnceLock::new();
        } else {
            self.by_code.insert(product.code.clone(), self.products.len());
            self.products.push(product);
            self.standings.push(OnceLock::new());
        }
    }

    /// Parses a CSV text with a header row ([`super::COLUMNS`]); `#` starts a comment line.
    ///
    /// # Errors
    /// Every bad cell of every row, including duplicate codes.
    pub(crate) fn from_csv(text: &str) -> Result<Formulary, Vec<RowProblem>> {
        let mut reader = csv::ReaderBuilder::new().comment(Some(b'#')).from_reader(text.as_bytes());
        let unreadable = |line: u64, error: &csv::Error| {
            let message =
                Bilingual::made(format!("无法读取该行：{error}"), format!("the row cannot be read: {error}"));
            RowProblem { line, field: "row".into(), message }
        };
        let header = match reader.headers() {
            Ok(header) => header.clone(),
            Err(error) => return Err(vec![unreadable(1, &error)]),
        };
        let mut problems: Vec<RowProblem> = header_problems(&header);
        if !problems.is_empty() {
            return Err(problems);
        }
        let mut formulary = Formulary::new();
        for record in reader.records() {
            let record = match record {
                Ok(record) => record,
                Err(error) => {
                    let line = error.position().map_or(0, csv::Position::line);
                    problems.push(unreadable(line, &error));
                    continue;
                }
            };
            let line = record.position().map_or(0, csv::Position::line);
            let cells: HashMap<&str, &str> = header.iter().zip(record.iter()).collect();
            match Product::from_fields(&cells) {
                Ok(product) if formulary.by_code.contains_key(&product.code) => {
                    let message = Bilingual::made(
                        format!("编码 {} 重复", product.code),
                        format!("the code {} stands twice", product.code),
                    );
                    problems.push(RowProblem { line, field: "code".into(), message });
                }
                Ok(product) => formulary.put(product),
                Err(issues) => problems.extend(issues.into_iter().map(|i| RowProblem {
                    line,
                    field: i.field.into(),
                    message: i.message,
                })),
            }
        }
        if problems.is_empty() { Ok(formulary) } else { Err(problems) }
    }

    /// The formulary that ships with the application.
    ///
    /// # Errors
    /// As [`Formulary::from_csv`]; a test shows that the shipped file has none.
    pub fn shipped() -> Result<Formulary, Vec<RowProblem>> {
        Self::from_csv(super::SHIPPED_CSV)
    }

    pub fn get(&self, code: &ProductCode) -> Option<&Product> {
        self.by_code.get(code).map(|&at| &self.products[at])
    }

    /// As [`Self::get`], by the text of the code.
    pub fn find(&self, code: &str) -> Option<&Product> {
        self.by_code.get(code).map(|&at| &self.products[at])
    }

    /// The product with the name or code `text`; case, spaces, signs and traditional characters
    /// do not matter.
    pub fn named(&self, text: &str) -> Option<&Product> {
        let at = *self.by_name.get(&name_key(text))?;
        // A replaced row may have another name now.
        self.products.get(at).filter(|product| {
            let names = [&product.generic_zh, &product.generic_en, product.code.as_str()];
            names.iter().any(|name| name_key(name) == name_key(text))
        })
    }

    /// The products whose Chinese name `text` spells in pinyin, in full or by its initials, with or
    /// without the words for form and salt.
    pub(crate) fn sounding(&self, text: &str) -> impl Iterator<Item = &Product> {
        let key = name_key(text);
        let found = self.by_sound.get(&key).map_or(&[][..], Vec::as_slice);
        let products = found.iter().filter_map(|at| self.products.get(*at));
        // A replaced row may have another name now.
        products.filter(move |product| sounds_of(&product.generic_zh).contains(&key))
    }

    /// What prevents the product of this code from being prescribed or sold.
    pub fn standing(&self, code: &ProductCode) -> Option<&Standing> {
        let at = *self.by_code.get(code)?;
        Some(self.standings[at].get_or_init(|| Standing::of(&self.products[at])))
    }

    /// A product and what prevents it from being prescribed or sold.
    pub(crate) fn with_standing(&self, code: &ProductCode) -> Option<(&Product, &Standing)> {
        let at = *self.by_code.get(code)?;
        let product = &self.products[at];
        Some((product, self.standings[at].get_or_init(|| Standing::of(product))))
    }

    /// All products, in the order of their rows.
    pub fn iter(&self) -> impl Iterator<Item = &Product> {
        self.products.iter()
    }

    pub fn len(&self) -> usize {
        self.products.len()
    }

    pub fn is_empty(&self) -> bool {
        self.products.is_empty()
    }

    /// The place of a product in [`Self::products`].
    pub(super) fn place(&self, code: &ProductCode) -> Option<usize> {
        self.by_code.get(code).copied()
    }

    pub(super) fn products(&self) -> &[Product] {
        &self.products
    }

    pub(super) fn index(&self) -> &SearchIndex {
        self.search.get_or_init(|| SearchIndex::of(&self.products))
    }

    pub(super) fn look_alike_index(&self) -> &LookAlikeIndex {
        self.likeness.get_or_init(|| LookAlikeIndex::of(&self.products))
    }

    /// Builds what searches need, so that no request has to.
    pub fn prepare(&self) {
        self.index();
        self.look_alike_index();
    }
}

fn header_problems(header: &csv::StringRecord) -> Vec<RowProblem> {
    let problem = |field: &str, zh: &str, en: &str| RowProblem {
        line: 1,
        field: field.to_owned(),
        message: Bilingual::made(zh, en),
    };
    let missing = super::COLUMNS
        .iter()
        .filter(|column| !header.iter().any(|found| found == **column))
        .map(|column| problem(column, "缺少该列", "the column is missing"));
    let unknown = header
        .iter()
        .filter(|found| !super::COLUMNS.contains(found) && !super::LABEL_COLUMNS.contains(found))
        .map(|found| problem(found, "未知的列", "an unknown column"));
    missing.chain(unknown).collect()
}
