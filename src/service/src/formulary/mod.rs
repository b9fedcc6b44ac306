//! The catalogue of drugs: writing the built-in formulary into it, loading an edition, and
//! searching products. It never changes a product that a deployment added itself, and never
//! decides whether a drug suits a worker.

pub mod edition;
pub mod nearby;
pub mod selection;

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Actor, AppState, Failure, Tx, page::page};
use domain::{
    formulary::{
        Condition, Difference, DoseUnit, Form, Formulary, Likeness, Product, SaleClass, SearchCursor,
        name_parts,
    },
    hidden::has_hidden_characters_in_name,
    money::Fen,
    refusal::{Code, FieldProblem, Refusal},
    time::Timestamp,
    words::Bilingual,
};
use storage::{
    Conn, Live,
    formulary::{self as store, NewProduct},
    sql_types::At,
};

/// A sentence in both languages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TwoLanguages {
    /// Simplified Chinese.
    pub zh: String,
    /// English.
    pub en: String,
}

impl From<&Bilingual> for TwoLanguages {
    fn from(sentence: &Bilingual) -> Self {
        Self { zh: sentence.zh.clone().into_owned(), en: sentence.en.clone().into_owned() }
    }
}

/// One active ingredient of a product.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct IngredientView {
    /// International name.
    pub code: String,
    /// Micrograms in one unit; 0 where the label gives no amount.
    pub amount_ug: i64,
}

/// The most an adult may take; what is absent is not limited by the source.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct AdultMaximumView {
    /// Micrograms in one dose.
    pub dose_ug: Option<i64>,
    /// Micrograms in one day.
    pub day_ug: Option<i64>,
    /// Thousandths of a unit in one dose.
    pub dose_units_thousandths: Option<i64>,
    /// Thousandths of a unit in one day.
    pub day_units_thousandths: Option<i64>,
    /// Doses in one day.
    pub times_per_day: Option<u32>,
    /// Days of treatment.
    pub days: Option<u32>,
}

/// A product of the catalogue.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ProductView {
    pub code: String,
    /// Generic name in Chinese.
    pub generic_zh: String,
    /// Generic name in English.
    pub generic_en: String,
    /// ATC code, or `-` where there is none.
    pub atc: String,
    /// Dosage form.
    pub form: Form,
    /// How it may be sold.
    pub class: SaleClass,
    /// What a dose is counted in.
    pub unit: DoseUnit,
    /// Units in one pack.
    pub units_per_pack: u32,
    /// Price of one pack, in fen.
    pub price_fen: Fen,
    /// May it be prescribed, as far as its row decides? What a station prescribes now is in `GET /formulary`.
    pub prescribable: bool,
    /// Is it in the formulary, or only in the catalogue?
    pub in_formulary: bool,
    /// Micrograms of the one ingredient in one unit; none for compounds.
    pub strength_ug: Option<i64>,
    /// Its active ingredients.
    pub ingredients: Vec<IngredientView>,
    /// The most an adult may take.
    pub adult_max: AdultMaximumView,
    /// Not below this age, in years.
    pub min_age_years: Option<u32>,
    /// States in which it must not be given.
    pub contraindications: Vec<Condition>,
    /// Does its label warn of sleepiness?
    pub sedating: bool,
    /// Does it contain ethanol?
    pub contains_alcohol: bool,
    /// How to keep it.
    pub storage: String,
    /// The source of the maximum, or why there is none.
    pub source: String,
    /// Brand names, Chinese or English.
    pub brands: Vec<String>,
    /// The barcodes of the pack: GTIN-8, -12, -13 or -14.
    pub barcodes: Vec<String>,
    /// The numbers under which the authority approved it, or of its registration certificates.
    pub approval_numbers: Vec<String>,
    pub manufacturer: Option<String>,
    /// The specification as it is printed on the pack.
    pub specification: Option<String>,
    /// Products that are easily confused with it, the most easily confused first; at most 5.
    pub look_alikes: Vec<LookAlikeView>,
}

/// A product that is easily confused with another one.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct LookAlikeView {
    pub code: String,
    pub generic_zh: NamePartsView,
    pub generic_en: NamePartsView,
    pub form: Form,
    /// Micrograms of the one ingredient in one unit; none for compounds.
    pub strength_ug: Option<i64>,
    pub units_per_pack: u32,
    /// The specification as it is printed on the pack.
    pub specification: Option<String>,
    /// Is it in the formulary, or only in the catalogue?
    pub in_formulary: bool,
    /// Why the two are easily confused.
    pub alike: Vec<Likeness>,
    /// In what the two differ, the gravest first; nothing if only the codes tell them apart.
    pub differs: Vec<Difference>,
}

/// A name in three parts, to mark the one in the middle, in which it differs from the other product's
/// name. Together they are the name.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct NamePartsView {
    pub before: String,
    /// Empty where the other name only has more letters.
    pub differs: String,
    pub after: String,
}

impl NamePartsView {
    fn of(name: &str, other: &str) -> Self {
        let parts = name_parts(name, other);
        Self { before: parts.before.into(), differs: parts.differs.into(), after: parts.after.into() }
    }
}

page! {
    /// A page of products.
    ProductPage of ProductView, "By code; those that match a search, the best match first.", after String
}

/// Loads the catalogue of the database; writes the built-in formulary into an empty one
/// first. Called at boot.
///
/// # Errors
/// Faults of the storage; a stored product that cannot be parsed.
pub async fn load(app: &Arc<AppState>) -> Result<usize, Failure> {
    let empty =
        app.store.read::<_, Failure>(|conn| Ok(store::products_after(conn, "", 1)?.is_empty())).await?;
    if empty {
        app.write(Actor::System, ship).await?;
    }
    edition::look(app).await?;
    Ok(app.formulary().len())
}

/// Writes the built-in formulary into the catalogue: adds missing products and updates
/// those that differ. Idempotent. Returns the number of products written; [`load`] makes
/// this process use them.
///
/// # Errors
/// Faults of the storage.
pub fn ship(tx: &mut Tx<'_>) -> Result<usize, Failure> {
    let shipped = Formulary::shipped().map_err(|problems| {
        let rows: Vec<String> = problems.iter().map(|row| format!("{}: {}", row.line, row.field)).collect();
        Failure::inconsistent(format!("the built-in formulary: {}", rows.join(", ")))
    })?;
    let products: Vec<&Product> = shipped.iter().collect();
    put(tx, &products)
}

/// Writes products into the catalogue; skips those that are there unchanged. Returns how
/// many were written.
///
/// # Errors
/// Faults of the storage.
pub fn put(tx: &mut Tx<'_>, products: &[&Product]) -> Result<usize, Failure> {
    let known: std::collections::HashMap<String, String> =
        store::products_all(tx.conn)?.into_iter().collect();
    let mut rows = Vec::new();
    for product in products {
        let row = row_of(product, tx.now)?;
        if known.get(&row.code) != Some(&row.body) {
            rows.push(row);
        }
    }
    if !rows.is_empty() {
        store::products_upsert(tx.conn, &rows)?;
        edition::changed(tx)?;
    }
    Ok(rows.len())
}

/// A product as it is stored.
///
/// # Errors
/// A product that JSON cannot express.
pub(crate) fn row_of(product: &Product, now: Timestamp) -> Result<NewProduct, Failure> {
    Ok(NewProduct {
        code: product.code.to_string(),
        generic_zh: product.generic_zh.clone(),
        generic_en: product.generic_en.clone(),
        atc: product.atc.clone(),
        class: product.class,
        in_formulary: product.in_formulary,
        price_fen: product.price,
        body: serde_json::to_string(product)?,
        updated_at: At(now),
    })
}

/// One product of the catalogue; none once an authority has ended. It is read from the database; its
/// look-alikes are those of the edition in use.
///
/// # Errors
/// Faults of the storage.
pub fn fetch(
    conn: &mut Conn,
    app: &AppState,
    live: Live,
    code: &str,
) -> Result<Option<ProductView>, Failure> {
    let Some(body) = store::product_fetch(conn, live, code)? else { return Ok(None) };
    Ok(Some(product_view(&serde_json::from_str(&body)?, &app.formulary())))
}

/// A page of the edition in use: products by code; with a `text` those that match it, best first.
/// `after` is the `next_after` of the page before, or the code of its last product.
///
/// # Errors
/// A refusal where `after` is neither, or the text has characters that nobody sees; faults of the storage.
pub async fn search(
    app: &Arc<AppState>,
    caller: Actor,
    text: String,
    after: Option<String>,
    limit: u32,
) -> Result<ProductPage, Failure> {
    if has_hidden_characters_in_name(text.trim()) {
        let message = Bilingual::fixed(
            "含有控制字符或不可见字符。",
            "It has control characters or characters that nobody sees.",
        );
        return Err(bad_parameter("search", "control_character", message).into());
    }
    edition::ensure_recent(app).await?;
    app.read(caller, move |_, app| page_of(&app.formulary(), &text, after.as_deref().unwrap_or(""), limit))
        .await
}

fn page_of(formulary: &Formulary, text: &str, after: &str, limit: u32) -> Result<ProductPage, Failure> {
    let most = limit as usize;
    let show =
        |products: Vec<&Product>| products.into_iter().map(|one| product_view(one, formulary)).collect();
    if text.trim().is_empty() {
        let (products, more) = formulary.listed(after, most);
        let next_after = products.last().filter(|_| more).map(|last| last.code.to_string());
        return Ok(ProductPage { items: show(products), next_after });
    }
    let cursor = match after {
        "" => None,
        after => {
            let cursor = SearchCursor::parse(after).or_else(|| formulary.search_cursor(text, after));
            Some(cursor.ok_or_else(no_cursor)?)
        }
    };
    let page = formulary.search(text, cursor.as_ref(), most);
    Ok(ProductPage { items: show(page.products), next_after: page.next.map(|next| next.to_string()) })
}

fn no_cursor() -> Refusal {
    let message = Bilingual::fixed(
        "须为上一页的 next_after，或上一页最后一个产品的编码。",
        "It must be the next_after of the page before, or the code of its last product.",
    );
    bad_parameter("after", "invalid", message)
}

fn bad_parameter(field: &str, code: &str, message: Bilingual) -> Refusal {
    let field = FieldProblem { field: field.to_owned(), code: code.to_owned(), message };
    Refusal { fields: vec![field], ..Refusal::new(Code::InvalidParameter) }
}

fn look_alikes(product: &Product, formulary: &Formulary) -> Vec<LookAlikeView> {
    let found = formulary.look_alikes(&product.code).iter();
    found
        .filter_map(|alike| {
            let other = formulary.get(&alike.code)?;
            Some(LookAlikeView {
                code: other.code.to_string(),
                generic_zh: NamePartsView::of(&other.generic_zh, &product.generic_zh),
                generic_en: NamePartsView::of(&other.generic_en, &product.generic_en),
                form: other.form,
                strength_ug: other.strength_ug,
                units_per_pack: other.units_per_pack,
                specification: other.label.specification.clone(),
                in_formulary: other.in_formulary,
                alike: alike.alike.clone(),
                differs: alike.differs.clone(),
            })
        })
        .collect()
}

pub(crate) fn product_view(product: &Product, formulary: &Formulary) -> ProductView {
    let (most, label) = (&product.adult_max, &product.label);
    ProductView {
        code: product.code.to_string(),
        generic_zh: product.generic_zh.clone(),
        generic_en: product.generic_en.clone(),
        atc: product.atc.clone(),
        form: product.form,
        class: product.class,
        unit: product.unit(),
        units_per_pack: product.units_per_pack,
        price_fen: product.price,
        prescribable: product.prescribable(),
        in_formulary: product.in_formulary,
        strength_ug: product.strength_ug,
        ingredients: product
            .ingredients
            .iter()
            .map(|one| IngredientView { code: one.code.to_string(), amount_ug: one.amount_ug })
            .collect(),
        adult_max: AdultMaximumView {
            dose_ug: most.dose_ug,
            day_ug: most.day_ug,
            dose_units_thousandths: most.dose_units_thousandths,
            day_units_thousandths: most.day_units_thousandths,
            times_per_day: most.times_per_day,
            days: most.days,
        },
        min_age_years: product.min_age_years,
        contraindications: product.contraindications.clone(),
        sedating: product.sedating,
        contains_alcohol: product.contains_alcohol,
        storage: product.storage.clone(),
        source: product.source.clone(),
        brands: label.brands.clone(),
        barcodes: label.barcodes.iter().map(|one| one.as_str().to_owned()).collect(),
        approval_numbers: label.approval_numbers.iter().map(|one| one.as_str().to_owned()).collect(),
        manufacturer: label.manufacturer.clone(),
        specification: label.specification.clone(),
        look_alikes: look_alikes(product, formulary),
    }
}
