//! The catalogue as rows: columns for what is searched and referred to, and the whole product in
//! the body.

pub mod removal;
pub mod selection;

use diesel::prelude::*;

use crate::{
    Live,
    conn::Conn,
    dialect::{RowLockDsl, on_backend},
    schema::{catalogue_edition, product},
    sql_types::At,
};
use domain::{formulary::SaleClass, money::Fen};

/// Rows per statement: SQLite binds at most 32,766 values.
const ROWS_AT_ONCE: usize = 500;

/// A product to be inserted. `body` is the whole product as JSON.
#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = product, treat_none_as_default_value = false)]
pub struct NewProduct {
    pub code: String,
    pub generic_zh: String,
    pub generic_en: String,
    /// ATC code, or `-`.
    pub atc: String,
    pub class: SaleClass,
    pub in_formulary: bool,
    /// Price of one pack.
    pub price_fen: Fen,
    /// The whole product.
    pub body: String,
    /// When this row was last written.
    pub updated_at: At,
}

/// Adds products; replaces one whose code exists.
pub fn products_upsert(conn: &mut Conn, rows: &[NewProduct]) -> QueryResult<()> {
    use diesel::upsert::excluded;
    for part in rows.chunks(ROWS_AT_ONCE) {
        on_backend!(conn, c => diesel::insert_into(product::table)
            .values(part)
            .on_conflict(product::code)
            .do_update()
            .set((
                product::generic_zh.eq(excluded(product::generic_zh)),
                product::generic_en.eq(excluded(product::generic_en)),
                product::atc.eq(excluded(product::atc)),
                product::class.eq(excluded(product::class)),
                product::in_formulary.eq(excluded(product::in_formulary)),
                product::price_fen.eq(excluded(product::price_fen)),
                product::body.eq(excluded(product::body)),
                product::updated_at.eq(excluded(product::updated_at)),
            ))
            .execute(c))?;
    }
    Ok(())
}

/// The edition number of the catalogue.
pub fn edition_number(conn: &mut Conn) -> QueryResult<i64> {
    on_backend!(conn, c => catalogue_edition::table.select(catalogue_edition::number).first(c))
}

/// Increments the edition number: every writer of products must call it.
pub fn edition_advance(conn: &mut Conn) -> QueryResult<()> {
    on_backend!(conn, c => diesel::update(catalogue_edition::table)
        .set(catalogue_edition::number.eq(catalogue_edition::number + 1))
        .execute(c))
    .map(|_| ())
}

/// Code and body of every product, by code.
pub fn products_all(conn: &mut Conn) -> QueryResult<Vec<(String, String)>> {
    on_backend!(conn, c => product::table.order(product::code).select((product::code, product::body)).load(c))
}

/// The body of one product; none once an authority has ended.
pub fn product_fetch(conn: &mut Conn, live: Live, code: &str) -> QueryResult<Option<String>> {
    on_backend!(conn, c => product::table.find(code).filter(live).select(product::body).first(c)).optional()
}

/// At most `limit` products after the code `after`, by code: codes and bodies.
pub fn products_after(conn: &mut Conn, after: &str, limit: i64) -> QueryResult<Vec<(String, String)>> {
    on_backend!(conn, c => product::table
        .filter(product::code.gt(after))
        .order(product::code)
        .limit(limit)
        .select((product::code, product::body))
        .load(c))
}

/// Codes and bodies of those of these products that exist.
pub fn products_known(conn: &mut Conn, codes: &[&str]) -> QueryResult<Vec<(String, String)>> {
    let mut known = Vec::new();
    for part in codes.chunks(ROWS_AT_ONCE) {
        known.extend(on_backend!(conn, c => product::table
            .filter(product::code.eq_any(part.iter().copied()))
            .select((product::code, product::body))
            .load::<(String, String)>(c))?);
    }
    Ok(known)
}

/// Locks the edition of the catalogue, so that of two imports at the same time each sees the other's
/// products.
pub fn edition_lock(conn: &mut Conn) -> QueryResult<i64> {
    on_backend!(conn, c => catalogue_edition::table
        .select(catalogue_edition::number)
        .lock_for_no_key_update()
        .get_result(c))
}

diesel::define_sql_function! {
    /// Lower case: on both engines of ASCII at least.
    fn lower(text: diesel::sql_types::Text) -> diesel::sql_types::Text;
}
