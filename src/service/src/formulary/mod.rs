//! The catalogue of drugs: writing the built-in formulary into it, loading an edition, and
//! searching products. It never changes a product that a deployment added itself, and never
//! decides whether a drug suits a worker.

pub mod edition;
pub mod nearby;
pub mod selection;

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    AppState, Failure, Tx,
    page::{Rows, page},
};
use domain::{
    formulary::{Condition, DoseUnit, Form, Formulary, Product, SaleClass},
    money::Fen,
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
}

page! {
    /// A page of products.
    ProductPage of ProductView, "By code.", after String
}

/// Loads the catalogue of the database; writes the built-in formulary into an empty one
/// first. Called at boot.
///
/// # Errors
/// Faults of the storage; a stored product that cannot be parsed.
pub async fn load(app: &Arc<AppState>) -> Result<usize, Failure> {
    let empty = app
        .store
        .read::<_, Failure>(|conn| Ok(store::products_search(conn, &[], None, "", 1)?.is_empty()))
        .await?;
    if empty {
        app.write(super::Actor::System, ship).await?;
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
        let body = serde_json::to_string(product)?;
        if known.get(product.code.as_str()) != Some(&body) {
            rows.push(NewProduct {
                code: product.code.to_string(),
                generic_zh: product.generic_zh.clone(),
                generic_en: product.generic_en.clone(),
                atc: product.atc.clone(),
                class: product.class,
                in_formulary: product.in_formulary,
                price_fen: product.price,
                body,
                updated_at: At(tx.now),
            });
        }
    }
    if !rows.is_empty() {
        store::products_upsert(tx.conn, &rows)?;
        edition::changed(tx)?;
    }
    Ok(rows.len())
}

/// One product of the catalogue; none once an authority has ended.
///
/// # Errors
/// Faults of the storage.
pub fn fetch(conn: &mut Conn, live: Live, code: &str) -> Result<Option<ProductView>, Failure> {
    let Some(body) = store::product_fetch(conn, live, code)? else { return Ok(None) };
    Ok(Some(product_view(&serde_json::from_str(&body)?)))
}

/// Products whose names or code contain every word of `search`, or whose ATC code starts
/// with it; ordered by code, after `after`.
pub fn search(
    conn: &mut Conn,
    search: &str,
    after: Option<&str>,
    limit: u32,
) -> Result<ProductPage, Failure> {
    let words: Vec<String> = search.split_whitespace().map(str::to_lowercase).collect();
    let atc = search.trim().to_ascii_uppercase();
    let read = |most| store::products_search(conn, &words, Some(&atc), after.unwrap_or(""), most);
    let page = Rows::read(limit, read, |(code, _)| code.clone())?;
    let view = |(_, body): &(String, String)| Ok(product_view(&serde_json::from_str(body)?));
    Ok(page.show(|rows| rows.iter().map(view).collect())?.into())
}

pub(crate) fn product_view(product: &Product) -> ProductView {
    let most = &product.adult_max;
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
    }
}
