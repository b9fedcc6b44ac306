//! What is written where a walk-in turns out to be a worker with a card.

use diesel::prelude::*;

use super::{
    conn::Conn,
    dialect::each,
    prepared::PreparedDsl,
    schema::{
        account, alert, check_in, consultation, health_profile, order_unit, orders, posting, prescription,
        reading, transfer, worker,
    },
    words::WordDsl,
};
use crate::domain::{
    consultation::ConsultationState,
    ids::WorkerId,
    ledger::{AccountRef, TransferReason},
    order::OrderState,
    prescription::LIVE,
};

/// What a worker has running, the first found of these; `None` when all has ended.
pub fn running(conn: &mut Conn, who: WorkerId) -> QueryResult<Option<&'static str>> {
    let visits = check_in::table.filter(check_in::worker_id.eq(who)).filter(check_in::ended_at.is_null());
    if each!(conn, c => visits.count().get_result::<i64>(c))? > 0 {
        return Ok(Some("checked_in"));
    }
    let talks = consultation::table
        .filter(consultation::worker_id.eq(who))
        .filter(consultation::state.eq_any_word(ConsultationState::LIVE));
    if each!(conn, c => talks.count().get_result::<i64>(c))? > 0 {
        return Ok(Some("consultation_live"));
    }
    let ordered =
        orders::table.filter(orders::worker_id.eq(who)).filter(orders::state.eq_any_word(OrderState::LIVE));
    if each!(conn, c => ordered.count().get_result::<i64>(c))? > 0 {
        return Ok(Some("order_live"));
    }
    let prescribed = prescription::table
        .filter(prescription::worker_id.eq(who))
        .filter(prescription::state.eq_any_word(LIVE));
    let live = each!(conn, c => prescribed.count().get_result::<i64>(c))? > 0;
    Ok(live.then_some("prescription_live"))
}

/// Merges a walk-in away; `false` when it has a card or was merged before.
pub fn worker_merge(conn: &mut Conn, from: WorkerId, into: WorkerId) -> QueryResult<bool> {
    diesel::update(worker::table.find(from))
        .filter(worker::merged_into.is_null())
        .filter(worker::card_index.is_null())
        .set(worker::merged_into.eq(Some(into)))
        .prepared()
        .execute(conn)
        .map(|rows| rows == 1)
}

/// Gives what the one has to the other, but for signed prescriptions: the
/// signed bytes name their worker.
pub fn records_move(conn: &mut Conn, from: WorkerId, into: WorkerId) -> QueryResult<()> {
    macro_rules! moved {
        ($($table:ident),+) => {$(
            diesel::update($table::table.filter($table::worker_id.eq(from)))
                .set($table::worker_id.eq(into))
                .prepared().execute(conn)?;
        )+};
    }
    moved!(alert, check_in, reading, consultation, orders, order_unit);
    diesel::update(prescription::table.filter(prescription::worker_id.eq(from)))
        .filter(prescription::signature.is_null())
        .set(prescription::worker_id.eq(into))
        .prepared()
        .execute(conn)
        .map(|_| ())
}

/// Takes a profile away that another one took the place of.
pub fn profile_remove(conn: &mut Conn, who: WorkerId) -> QueryResult<()> {
    each!(conn, c => diesel::delete(health_profile::table.find(who)).execute(c)).map(|_| ())
}

/// The references of the monthly allowances that a worker was granted.
pub fn allowances_of(conn: &mut Conn, who: WorkerId) -> QueryResult<Vec<String>> {
    let which = AccountRef::WorkerSubsidy(who);
    each!(conn, c => posting::table
        .inner_join(transfer::table)
        .inner_join(account::table)
        .filter(account::kind.eq(which.kind()))
        .filter(account::owner_id.eq(which.owner()))
        .filter(transfer::reason.eq(TransferReason::AllowanceGranted))
        .select(transfer::reference)
        .load(c))
}
