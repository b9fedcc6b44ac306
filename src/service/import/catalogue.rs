//! The catalogue of drugs. A row whose code is known replaces the old one:
//! prices and sources change.

use std::sync::Arc;

use super::{ImportError, Lined, record};
use crate::{
    domain::formulary::{Formulary, Product},
    service::{Actor, Failure, House, Tx},
    storage::{
        intake::{self, NewProduct},
        sql_types::At,
    },
};

/// Loads products; tells how many rows there were. Call [`reload`] afterwards.
pub fn products(tx: &mut Tx<'_>, rows: &[Lined<Product>]) -> Result<usize, ImportError> {
    let known = intake::product_codes(tx.conn)?;
    let mut new = Vec::new();
    for (_, product) in rows {
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
        if known.contains(&row.code) {
            intake::product_replace(tx.conn, &row)?;
        } else {
            new.push(row);
        }
    }
    intake::products_insert(tx.conn, &new)?;
    record(tx, "catalogue", rows.len())?;
    Ok(rows.len())
}

/// Puts the catalogue as stored in force in this process.
pub async fn reload(house: &Arc<House>) -> Result<usize, Failure> {
    let bodies = house.read(Actor::System, |conn, _| Ok(intake::product_bodies(conn)?)).await?;
    let products: Vec<Product> =
        bodies.iter().map(|body| serde_json::from_str(body)).collect::<Result<_, _>>()?;
    let count = products.len();
    house.set_formulary(Formulary::from_products(products));
    Ok(count)
}
