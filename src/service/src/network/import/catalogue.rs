//! Imports the catalogue of drugs. A row with a known code replaces the stored product, as prices
//! and sources change.

use super::{Existing, Found, ImportError, Lined, Loaded, record};
use crate::{Failure, Tx, formulary::edition};
use domain::formulary::Product;
use domain::network::import::ImportKind;
use storage::{network::import::NewProduct, sql_types::At};

/// Loads products. [`edition::look`] makes this process use them.
///
/// # Errors
/// A problem for each known code, unless known ones are to be updated or skipped.
pub fn products(tx: &mut Tx<'_>, rows: &[Lined<Product>], existing: Existing) -> Result<Loaded, ImportError> {
    let known = storage::network::import::product_codes(tx.conn)?;
    let (mut found, mut loaded) = (Found::default(), Loaded::default());
    let mut new = Vec::new();
    for (line, product) in rows {
        let row = NewProduct {
            code: product.code.as_str().to_owned(),
            generic_zh: product.generic_zh.clone(),
            generic_en: product.generic_en.clone(),
            atc: product.atc.clone(),
            class: product.class.as_str().to_owned(),
            in_formulary: product.in_formulary,
            price_fen: product.price,
            body: serde_json::to_string(product).map_err(Failure::from)?,
            updated_at: At(tx.now),
        };
        if !known.contains(&row.code) {
            new.push(row);
        } else if found.known(existing, &mut loaded, *line, "code") {
            storage::network::import::product_replace(tx.conn, &row)?;
        }
    }
    found.done()?;
    loaded.added = new.len();
    storage::network::import::products_insert(tx.conn, &new)?;
    edition::changed(tx)?;
    record(tx, ImportKind::Catalogue, loaded)?;
    Ok(loaded)
}
