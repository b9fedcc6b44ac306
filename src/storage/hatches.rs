//! What is typed at hatches: wrong pickup codes, counted once each.

use diesel::prelude::*;

use super::{
    conn::Conn,
    dialect::each,
    prepared::PreparedDsl,
    schema::{hatch_try, orders},
    sql_types::At,
    words::WordDsl,
};
use crate::domain::{
    ids::{CabinetId, OrderId},
    order::OrderState,
    time::Timestamp,
};

/// The order and the keyed digest of the wrong code that was counted last at a
/// cabinet, and when.
pub fn hatch_try_fetch(
    conn: &mut Conn,
    cabinet: CabinetId,
) -> QueryResult<Option<(OrderId, Vec<u8>, Timestamp)>> {
    each!(conn, c => hatch_try::table
        .find(cabinet)
        .select((hatch_try::order_id, hatch_try::code_index, hatch_try::tried_at))
        .first(c))
    .optional()
}

/// Notes the wrong code that was counted last. The cabinet's row is held.
pub fn hatch_try_set(
    conn: &mut Conn,
    cabinet: CabinetId,
    order: OrderId,
    code_index: &[u8],
    now: Timestamp,
) -> QueryResult<()> {
    let known = diesel::update(hatch_try::table.find(cabinet))
        .set((
            hatch_try::order_id.eq(order),
            hatch_try::code_index.eq(code_index),
            hatch_try::tried_at.eq(At(now)),
        ))
        .prepared()
        .execute(conn)?;
    if known == 1 {
        return Ok(());
    }
    each!(conn, c => diesel::insert_into(hatch_try::table)
        .values((
            hatch_try::cabinet_id.eq(cabinet),
            hatch_try::order_id.eq(order),
            hatch_try::code_index.eq(code_index),
            hatch_try::tried_at.eq(At(now)),
        ))
        .execute(c))
    .map(|_| ())
}

/// The sealed pickup codes of the other orders that wait at a cabinet.
pub fn pickup_codes_beside(
    conn: &mut Conn,
    cabinet: CabinetId,
    order: OrderId,
) -> QueryResult<Vec<(OrderId, Vec<u8>)>> {
    let rows: Vec<(OrderId, Option<Vec<u8>>)> = each!(conn, c => orders::table
        .filter(orders::cabinet_id.eq(cabinet))
        .filter(orders::state.eq_word(OrderState::Paid))
        .filter(orders::id.ne(order))
        .select((orders::id, orders::pickup_sealed))
        .load(c))?;
    Ok(rows.into_iter().filter_map(|(id, sealed)| Some((id, sealed?))).collect())
}

/// Writes down how many wrong codes an order has had, and until when no code is
/// looked at.
pub fn pickup_failures_set(
    conn: &mut Conn,
    id: OrderId,
    failures: i32,
    locked_until: Option<Timestamp>,
) -> QueryResult<()> {
    diesel::update(orders::table.find(id))
        .set((orders::pickup_failures.eq(failures), orders::pickup_locked_until.eq(locked_until.map(At))))
        .prepared()
        .execute(conn)
        .map(|_| ())
}
