//! Writes for merging two worker records that are one person's, and for undoing a wrong merge.

use diesel::{dsl::exists, prelude::*, sql_types::Text};

use crate::{
    code_literals::CodeDsl,
    conn::Conn,
    dialect::on_backend,
    prepared::PreparedDsl,
    schema::{
        alert, check_in, consent, consultation, health_profile, order_unit, orders, prescription, reading,
        worker, worker_merge, worker_merge_row,
    },
    sql_types::{At, Uuid},
};
use domain::{
    consultation::ConsultationState,
    ids::{ConsentId, MergeId, WorkerId},
    money::Fen,
    order::OrderState,
    prescription::LIVE,
    time::Timestamp,
};

/// Whether the worker is checked in.
pub fn checked_in(conn: &mut Conn, who: WorkerId) -> QueryResult<bool> {
    let visits = check_in::table.filter(check_in::worker_id.eq(who)).filter(check_in::ended_at.is_null());
    on_backend!(conn, c => diesel::select(exists(visits)).get_result(c))
}

/// The code of the first kind of care that a worker has under way; `None` when all has ended.
pub fn running(conn: &mut Conn, who: WorkerId) -> QueryResult<Option<&'static str>> {
    let consultations = consultation::table
        .filter(consultation::worker_id.eq(who))
        .filter(consultation::state.of_code(ConsultationState::is_live));
    if on_backend!(conn, c => consultations.count().get_result::<i64>(c))? > 0 {
        return Ok(Some("consultation_live"));
    }
    let ordered =
        orders::table.filter(orders::worker_id.eq(who)).filter(orders::state.of_code(OrderState::is_live));
    if on_backend!(conn, c => ordered.count().get_result::<i64>(c))? > 0 {
        return Ok(Some("order_live"));
    }
    let prescribed = prescription::table
        .filter(prescription::worker_id.eq(who))
        .filter(prescription::state.eq_any_code(LIVE));
    let live = on_backend!(conn, c => prescribed.count().get_result::<i64>(c))? > 0;
    Ok(live.then_some("prescription_live"))
}

/// Sets the worker into whom this one is merged; `None` makes the record separate again.
pub fn worker_merged_set(conn: &mut Conn, from: WorkerId, into: Option<WorkerId>) -> QueryResult<()> {
    diesel::update(worker::table.find(from))
        .set(worker::merged_into.eq(into))
        .prepared()
        .execute(conn)
        .map(|_| ())
}

/// A merge as stored.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = worker_merge)]
pub struct MergeRow {
    pub id: MergeId,
    /// The worker who was merged into another.
    pub from_id: WorkerId,
    /// The worker into whom they were merged.
    pub into_id: WorkerId,
    /// Both records before the merge, sealed.
    pub before_sealed: Vec<u8>,
    /// The balance that `from` had.
    pub balance_fen: Fen,
    /// The part of both balances that went back to the fund.
    pub returned_fen: Fen,
    pub merged_at: Timestamp,
}

/// Records a merge.
pub fn merge_add(conn: &mut Conn, row: &MergeRow) -> QueryResult<()> {
    on_backend!(conn, c => diesel::insert_into(worker_merge::table)
        .values((
            worker_merge::id.eq(row.id),
            worker_merge::from_id.eq(row.from_id),
            worker_merge::into_id.eq(row.into_id),
            worker_merge::before_sealed.eq(&row.before_sealed),
            worker_merge::balance_fen.eq(row.balance_fen),
            worker_merge::returned_fen.eq(row.returned_fen),
            worker_merge::merged_at.eq(At(row.merged_at)),
        ))
        .execute(c))
    .map(|_| ())
}

/// The merge of this worker that is in effect.
pub fn merge_live(conn: &mut Conn, from: WorkerId) -> QueryResult<Option<MergeRow>> {
    on_backend!(conn, c => worker_merge::table
        .filter(worker_merge::from_id.eq(from))
        .filter(worker_merge::undone_at.is_null())
        .select(MergeRow::as_select())
        .first(c))
    .optional()
}

/// Records that a merge was undone.
pub fn merge_undone(conn: &mut Conn, id: MergeId, now: Timestamp) -> QueryResult<()> {
    let nothing: &[u8] = &[];
    diesel::update(worker_merge::table.find(id))
        .set((worker_merge::undone_at.eq(Some(At(now))), worker_merge::before_sealed.eq(nothing)))
        .prepared()
        .execute(conn)
        .map(|_| ())
}

/// Moves the records of one worker to the other, and records each row, so that it can be moved
/// back. Signed prescriptions stay: the signed bytes name their worker.
pub fn records_move(conn: &mut Conn, merge: MergeId, from: WorkerId, into: WorkerId) -> QueryResult<()> {
    macro_rules! moved {
        ($($table:ident $(without $signed:ident)?),+) => {$(
            let rows = $table::table
                .filter($table::worker_id.eq(from))
                $(.filter($table::$signed.is_null()))?
                .select((
                    merge.into_sql::<Uuid>(),
                    stringify!($table).into_sql::<Text>(),
                    $table::id,
                ));
            on_backend!(conn, c => rows
                .insert_into(worker_merge_row::table)
                .into_columns((worker_merge_row::merge_id, worker_merge_row::kind, worker_merge_row::row_id))
                .execute(c))?;
            diesel::update($table::table.filter($table::worker_id.eq(from)))
                $(.filter($table::$signed.is_null()))?
                .set($table::worker_id.eq(into))
                .prepared()
                .execute(conn)?;
        )+};
    }
    moved!(alert, check_in, reading, consultation, orders, order_unit, prescription without signature);
    Ok(())
}

/// Moves back what a merge moved.
pub fn records_return(conn: &mut Conn, merge: MergeId, from: WorkerId) -> QueryResult<()> {
    macro_rules! returned {
        ($($table:ident),+) => {$(
            let rows = worker_merge_row::table
                .filter(worker_merge_row::merge_id.eq(merge))
                .filter(worker_merge_row::kind.eq(stringify!($table)))
                .select(worker_merge_row::row_id);
            diesel::update($table::table.filter($table::id.eq_any(rows)))
                .set($table::worker_id.eq(from))
                .prepared()
                .execute(conn)?;
        )+};
    }
    returned!(alert, check_in, reading, consultation, orders, order_unit, prescription);
    let rows = worker_merge_row::table.filter(worker_merge_row::merge_id.eq(merge));
    on_backend!(conn, c => diesel::delete(rows).execute(c)).map(|_| ())
}

/// Moves to a worker what they did since a merge: the records of check-ins that were opened as one
/// of `known_as`. Signed prescriptions stay where they are.
pub fn records_since_return(
    conn: &mut Conn,
    into: WorkerId,
    from: WorkerId,
    known_as: &[WorkerId],
    since: Timestamp,
) -> QueryResult<()> {
    macro_rules! visits {
        () => {
            check_in::table
                .filter(check_in::worker_id.eq(into))
                .filter(check_in::started_at.ge(At(since)))
                .filter(check_in::opened_as.eq_any(known_as.iter().copied().map(Some)))
                .select(check_in::id)
        };
    }
    let ordered = orders::table.filter(orders::check_in_id.eq_any(visits!())).select(orders::id);
    on_backend!(conn, c => diesel::update(order_unit::table.filter(order_unit::order_id.eq_any(ordered)))
        .set(order_unit::worker_id.eq(from))
        .execute(c))?;
    macro_rules! of_visits {
        ($($table:ident),+) => {$(
            on_backend!(conn, c => diesel::update($table::table.filter($table::check_in_id.eq_any(visits!())))
                .set($table::worker_id.eq(from))
                .execute(c))?;
        )+};
    }
    of_visits!(alert, orders, consultation, reading);
    let ids: Vec<domain::ids::CheckInId> = on_backend!(conn, c => visits!().load(c))?;
    on_backend!(conn, c => diesel::update(check_in::table.filter(check_in::id.eq_any(ids.iter().copied())))
        .set(check_in::worker_id.eq(from))
        .execute(c))?;
    Ok(())
}

/// Deletes a profile that a merge created.
pub fn profile_remove(conn: &mut Conn, who: WorkerId) -> QueryResult<()> {
    on_backend!(conn, c => diesel::delete(health_profile::table.find(who)).execute(c)).map(|_| ())
}

/// A worker's consents, oldest first: id, purpose, and whether it was withdrawn.
pub fn consents_recorded(conn: &mut Conn, who: WorkerId) -> QueryResult<Vec<(ConsentId, String, bool)>> {
    on_backend!(conn, c => consent::table
        .filter(consent::worker_id.eq(who))
        .order((consent::granted_at, consent::id))
        .select((consent::id, consent::purpose, consent::withdrawn_at.is_not_null()))
        .load(c))
}

/// Withdraws these consents.
pub fn consents_withdraw(conn: &mut Conn, ids: &[ConsentId], now: Timestamp) -> QueryResult<()> {
    on_backend!(conn, c => diesel::update(consent::table.filter(consent::id.eq_any(ids.iter().copied())))
        .set(consent::withdrawn_at.eq(Some(At(now))))
        .execute(c))
    .map(|_| ())
}

/// Cancels the withdrawal of a consent.
pub fn consent_restore(conn: &mut Conn, id: ConsentId) -> QueryResult<()> {
    diesel::update(consent::table.find(id))
        .set(consent::withdrawn_at.eq(None::<At>))
        .prepared()
        .execute(conn)
        .map(|_| ())
}
