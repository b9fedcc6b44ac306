//! An order with its prescription, read by one statement: payment and START need both.

use diesel::prelude::*;

use super::{OrderRow, UnitRow, WholeOrder, grouped};
use crate::{
    conn::Conn,
    dialect::on_backend,
    prescription::{LineRow, PrescriptionRow},
    schema::{attempt, order_unit, orders, prescription, prescription_line},
    vend::attempt::AttemptRow,
};
use domain::ids::{AttemptId, OrderId};

/// A prescription as stored, with its lines in their order.
pub type WithLines = (PrescriptionRow, Vec<LineRow>);

type Row = (OrderRow, UnitRow, Option<AttemptRow>, Option<PrescriptionRow>, Option<LineRow>);

/// Every attempt comes with every line; an order has few of both.
macro_rules! prescribed_order {
    ($conn:expr, $which:expr) => {{
        let of_unit =
            attempt::order_id.eq(order_unit::order_id).and(attempt::order_unit_id.eq(order_unit::id));
        let its = prescription::id.nullable().eq(orders::prescription_id);
        let of_prescription = prescription_line::prescription_id.nullable().eq(orders::prescription_id);
        let rows: Vec<Row> = on_backend!($conn, c => orders::table
            .inner_join(order_unit::table)
            .left_join(attempt::table.on(of_unit))
            .left_join(prescription::table.on(its))
            .left_join(prescription_line::table.on(of_prescription))
            .filter($which)
            .order((order_unit::id, attempt::id, prescription_line::line_no))
            .select((
                OrderRow::as_select(),
                UnitRow::as_select(),
                Option::<AttemptRow>::as_select(),
                Option::<PrescriptionRow>::as_select(),
                Option::<LineRow>::as_select(),
            ))
            .load(c))?;
        Ok(whole(rows))
    }};
}

fn whole(rows: Vec<Row>) -> Option<(WholeOrder, Option<WithLines>)> {
    let (mut of_order, mut found, mut lines) = (Vec::with_capacity(rows.len()), None, Vec::new());
    for (row, unit, attempt, prescription, line) in rows {
        of_order.push((row, unit, attempt));
        found = prescription;
        lines.extend(line);
    }
    lines.sort_by_key(|line: &LineRow| line.line_no);
    lines.dedup_by_key(|line| line.line_no);
    grouped(of_order).pop().map(|order| (order, found.map(|row| (row, lines))))
}

/// An order, and its prescription.
pub fn order_prescribed(
    conn: &mut Conn,
    id: OrderId,
) -> QueryResult<Option<(WholeOrder, Option<WithLines>)>> {
    prescribed_order!(conn, orders::id.eq(id))
}

/// The order of an attempt, and its prescription.
pub fn order_prescribed_of_attempt(
    conn: &mut Conn,
    id: AttemptId,
) -> QueryResult<Option<(WholeOrder, Option<WithLines>)>> {
    let tried = diesel::alias!(attempt as tried);
    let its = tried.filter(tried.field(attempt::id).eq(id)).select(tried.field(attempt::order_id));
    prescribed_order!(conn, orders::id.eq_any(its))
}
