//! Recalls as they stand: of lots that lie in slots, and of lots that nobody has
//! loaded yet.

use std::collections::HashSet;

use diesel::prelude::*;

use crate::{
    conn::Conn,
    dialect::{PortableDsl, on_backend},
    formulary::lower,
    schema::{lot, product, recall_notice},
    sql_types::At,
};
use domain::time::Timestamp;

/// Takes a product's row, so that a recall and a first load of a lot see each other
/// whichever comes first. `false` when there is no such product.
pub fn product_hold(conn: &mut Conn, code: &str) -> QueryResult<bool> {
    let held: Option<String> =
        on_backend!(conn, c => product::table.find(code).select(product::code).lock_for_update().get_result(c)).optional()?;
    Ok(held.is_some())
}

/// Keeps a recall; `false` when it stood before. `lot_key` is the lot's number in lower case.
pub fn notice_add(
    conn: &mut Conn,
    product_code: &str,
    lot_key: &str,
    reason: &str,
    now: Timestamp,
) -> QueryResult<bool> {
    on_backend!(conn, c => diesel::insert_into(recall_notice::table)
        .values((
            recall_notice::product_code.eq(product_code),
            recall_notice::lot_key.eq(lot_key),
            recall_notice::reason.eq(reason),
            recall_notice::recalled_at.eq(At(now)),
        ))
        .on_conflict_do_nothing()
        .execute(c))
    .map(|rows| rows == 1)
}

/// The reason of a recall that stands for a lot.
pub fn notice_of(conn: &mut Conn, product_code: &str, lot_key: &str) -> QueryResult<Option<String>> {
    on_backend!(conn, c => recall_notice::table
        .find((product_code, lot_key))
        .select(recall_notice::reason)
        .first(c))
    .optional()
}

/// Every recall: product and key of the lot.
pub fn notices(conn: &mut Conn) -> QueryResult<HashSet<(String, String)>> {
    let rows = on_backend!(conn, c => recall_notice::table
        .select((recall_notice::product_code, recall_notice::lot_key))
        .load::<(String, String)>(c))?;
    Ok(rows.into_iter().collect())
}

/// The numbers of a product's known lots that differ from `lot_key` in case at most.
pub fn lots_spelt(conn: &mut Conn, product_code: &str, lot_key: &str) -> QueryResult<Vec<String>> {
    on_backend!(conn, c => lot::table
        .filter(lot::product_code.eq(product_code))
        .filter(lower(lot::lot_no).eq(lot_key))
        .order(lot::lot_no)
        .select(lot::lot_no)
        .load(c))
}
