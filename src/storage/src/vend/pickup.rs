//! Wrong pickup codes typed at hatches, counted once each.

use diesel::prelude::*;

use crate::{
    code_literals::CodeDsl,
    conn::Conn,
    dialect::on_backend,
    prepared::PreparedDsl,
    schema::{hatch_try, orders},
    sql_types::At,
};
use domain::{
    ids::{CabinetId, OrderId},
    order::OrderState,
    time::Timestamp,
};

/// The wrong code that was counted last at a cabinet.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = hatch_try)]
pub struct HatchTryRow {
    /// The order that it was tried on.
    pub order_id: OrderId,
    /// Keyed digest of the code.
    pub code_index: Vec<u8>,
    pub tried_at: Timestamp,
    /// Number of wrong codes up to this one, without a longer pause between them.
    pub failures: i32,
}

/// Stores the wrong code that was counted last. The caller must have the cabinet's row locked.
pub fn hatch_try_set(conn: &mut Conn, cabinet: CabinetId, row: &HatchTryRow) -> QueryResult<()> {
    let known = diesel::update(hatch_try::table.find(cabinet))
        .set((
            hatch_try::order_id.eq(row.order_id),
            hatch_try::code_index.eq(&row.code_index),
            hatch_try::tried_at.eq(At(row.tried_at)),
            hatch_try::failures.eq(row.failures),
        ))
        .prepared()
        .execute(conn)?;
    if known == 1 {
        return Ok(());
    }
    on_backend!(conn, c => diesel::insert_into(hatch_try::table)
        .values((
            hatch_try::cabinet_id.eq(cabinet),
            hatch_try::order_id.eq(row.order_id),
            hatch_try::code_index.eq(&row.code_index),
            hatch_try::tried_at.eq(At(row.tried_at)),
            hatch_try::failures.eq(row.failures),
        ))
        .execute(c))
    .map(|_| ())
}

/// The sealed pickup codes of the other orders that wait at a cabinet.
pub fn pickup_codes_of_other_orders(
    conn: &mut Conn,
    cabinet: CabinetId,
    order: OrderId,
) -> QueryResult<Vec<(OrderId, Vec<u8>)>> {
    let rows: Vec<(OrderId, Option<Vec<u8>>)> = on_backend!(conn, c => orders::table
        .filter(orders::cabinet_id.eq(cabinet))
        .filter(orders::state.eq_code(OrderState::Paid))
        .filter(orders::id.ne(order))
        .select((orders::id, orders::pickup_sealed))
        .load(c))?;
    Ok(rows.into_iter().filter_map(|(id, sealed)| Some((id, sealed?))).collect())
}
