//! Imports the catalogue of drugs. Rows are read, checked and written in portions, so that memory does
//! not grow with the file; all of them in one transaction, so that an import that is refused, killed or
//! cut off leaves nothing behind and can simply be run again. A row with a known code replaces the
//! stored product; a product that a file does not name stays as it is.

use std::collections::HashMap;

use super::{Existing, Found, ImportError, Lined, Loaded, record, source::Source};
use crate::{
    Failure, Tx,
    formulary::{edition, row_of},
};
use domain::{
    formulary::{Claims, Product},
    network::import::{Header, ImportKind},
};
use storage::formulary as store;

/// Rows that are read before they are compared and written. Our default.
const PORTION: usize = 500;
/// Stored products that are compared at a time. Our default.
const PAGE: i64 = 500;

/// Loads the products of a file; [`edition::look`] makes this process use them. A file that changes
/// nothing makes no new edition.
///
/// # Errors
/// Every bad row; a problem for each known code, unless known ones are to be updated or skipped.
pub(super) fn products(tx: &mut Tx<'_>, file: &Source<'_>) -> Result<Loaded, ImportError> {
    store::edition_lock(tx.conn)?;
    let opened = file.open_products()?;
    let mut loading = Loading {
        tx,
        existing: file.existing,
        header: opened.header.clone(),
        portion: Vec::new(),
        loaded: Loaded::default(),
        claims: Claims::default(),
        problems: Found::default(),
    };
    let read = file.each_product(opened, |line, product| {
        loading.portion.push((line, product));
        if loading.portion.len() >= PORTION { loading.write() } else { Ok(()) }
    });
    match read {
        Ok(()) => {}
        Err(ImportError::Rows(rows)) => loading.problems.extend(rows),
        Err(fault) => return Err(fault),
    }
    loading.write()?;
    loading.compare_with_the_rest()?;
    let Loading { tx, loaded, mut problems, .. } = loading;
    if !problems.0.is_empty() {
        problems.sort();
        return Err(ImportError::Catalogue { problems: problems.0, others: loaded });
    }
    if loaded.added + loaded.updated > 0 {
        edition::changed(tx)?;
    }
    record(tx, ImportKind::Catalogue, loaded)?;
    Ok(loaded)
}

/// An import that is under way.
struct Loading<'t, 'c> {
    tx: &'t mut Tx<'c>,
    existing: Existing,
    header: Header,
    portion: Vec<Lined<Product>>,
    loaded: Loaded,
    claims: Claims,
    problems: Found,
}

impl Loading<'_, '_> {
    /// Compares the rows read so far with the stored products, and writes those that differ.
    fn write(&mut self) -> Result<(), ImportError> {
        let portion = std::mem::take(&mut self.portion);
        let codes: Vec<&str> = portion.iter().map(|(_, product)| product.code.as_str()).collect();
        let mut stored: HashMap<String, String> =
            store::products_known(self.tx.conn, &codes)?.into_iter().collect();
        let mut rows = Vec::new();
        for (line, product) in portion {
            let product = match stored.remove(product.code.as_str()) {
                None => {
                    self.loaded.added += 1;
                    product
                }
                Some(body) => match self.replacement(line, product, &body)? {
                    Some(product) => product,
                    None => continue,
                },
            };
            self.problems.extend(self.claims.note(line, &product));
            rows.push(row_of(&product, self.tx.now)?);
        }
        Ok(store::products_upsert(self.tx.conn, &rows)?)
    }

    /// What takes the place of a stored product; `None` if it stays as it is.
    fn replacement(
        &mut self,
        line: u64,
        product: Product,
        body: &str,
    ) -> Result<Option<Product>, ImportError> {
        match self.existing {
            Existing::Refuse => {
                self.problems.taken(line, "code");
                return Ok(None);
            }
            Existing::Skip => {
                self.loaded.skipped += 1;
                return Ok(None);
            }
            Existing::Update => {}
        }
        let stored: Product = serde_json::from_str(body).map_err(Failure::from)?;
        let product = match product.replacing(&stored, |column| self.header.has(column)) {
            Ok(product) => product,
            Err(issues) => {
                for issue in issues {
                    self.problems.note(line, issue.field, issue.code, issue.message);
                }
                return Ok(None);
            }
        };
        if product == stored {
            self.loaded.unchanged += 1;
            self.problems.extend(self.claims.note(line, &product));
            return Ok(None);
        }
        self.loaded.updated += 1;
        self.loaded.into_formulary += usize::from(product.in_formulary && !stored.in_formulary);
        self.loaded.out_of_formulary += usize::from(!product.in_formulary && stored.in_formulary);
        Ok(Some(product))
    }

    /// Looks whether a product that this file did not write has the same numbers.
    fn compare_with_the_rest(&mut self) -> Result<(), ImportError> {
        let mut after = String::new();
        loop {
            let page = store::products_after(self.tx.conn, &after, PAGE)?;
            let Some((last, _)) = page.last() else { return Ok(()) };
            after.clone_from(last);
            for (code, body) in &page {
                if !self.claims.settled(code) {
                    let stored: Product = serde_json::from_str(body).map_err(Failure::from)?;
                    self.problems.extend(self.claims.compare(&stored));
                }
            }
        }
    }
}
