//! Over-the-counter sales of one station to people without a card.

use diesel::prelude::*;

use crate::{
    code_literals::CodeDsl,
    conn::Conn,
    dialect::on_backend,
    schema::{order_unit, orders, worker},
    sql_types::At,
};
use domain::{
    ids::{OrderId, StationId, WorkerId},
    order::UnitState,
    time::Timestamp,
};

/// Packs that a station sold since `since` to people without a card, and that are dispensed or may
/// still be: order, worker and product code.
pub fn packs_without_card(
    conn: &mut Conn,
    station: StationId,
    since: Timestamp,
) -> QueryResult<Vec<(OrderId, WorkerId, String)>> {
    on_backend!(conn, c => orders::table
        .inner_join(order_unit::table)
        .inner_join(worker::table)
        .filter(orders::station_id.eq(station))
        .filter(orders::created_at.ge(At(since)))
        .filter(orders::prescription_id.is_null())
        .filter(worker::card_index.is_null())
        .filter(order_unit::state.of_code(UnitState::is_taken))
        .select((orders::id, orders::worker_id, order_unit::product_code))
        .load(c))
}
