//! Recalls: of lots in slots, and of lots that nobody has loaded yet.

use std::collections::HashSet;

use diesel::prelude::*;

use crate::{
    conn::Conn,
    dialect::{RowLockDsl, on_backend},
    formulary::lower,
    schema::{lot, product, recall_notice},
    sql_types::At,
};
use domain::time::Timestamp;

/// Locks a product's row for update, so that a recall and the first load of a lot see each other
/// whichever comes first. `false` when there is no such product.
pub fn product_lock(conn: &mut Conn, code: &str) -> QueryResult<bool> {
    let locked: Option<String> =
        on_backend!(conn, c => product::table.find(code).select(product::code).lock_for_no_key_update().get_result(c)).optional()?;
    Ok(locked.is_some())
}

/// Stores a recall; `false` when it exists. `lot_key` is the lot's number in lower case.
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

/// The reason of a lot's recall, if there is one.
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

/// The numbers of a product's known lots that equal `lot_key` without regard to case.
pub fn lots_by_key(conn: &mut Conn, product_code: &str, lot_key: &str) -> QueryResult<Vec<String>> {
    on_backend!(conn, c => lot::table
        .filter(lot::product_code.eq(product_code))
        .filter(lower(lot::lot_no).eq(lot_key))
        .order(lot::lot_no)
        .select(lot::lot_no)
        .load(c))
}
