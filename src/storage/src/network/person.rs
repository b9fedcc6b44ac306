//! Which worker rows count as one person for limits: a worker, the walk-ins that were merged into
//! them, and walk-ins who gave the same phone. Two cards are two people, even with the same phone.

use diesel::{
    dsl::sql,
    prelude::*,
    sql_types::{BigInt, Binary, Bool},
};

use crate::{
    code_literals::CodeDsl,
    conn::Conn,
    dialect::{RowLockDsl, on_backend},
    prepared::{PreparedDsl, padded},
    schema::{order_unit, orders, worker},
    sql_types::{At, Uuid},
};
use domain::{
    ids::{OrderId, WorkerId},
    order::OrderState,
    time::Timestamp,
};

/// Most rows that count as one person; the newest are used.
const MOST_ROWS: i64 = 200;

/// What identifies a worker row.
#[derive(Debug, Clone, Queryable)]
struct Known {
    id: WorkerId,
    card_index: Option<Vec<u8>>,
    phone_index: Vec<u8>,
    merged_into: Option<WorkerId>,
}

/// Ids of the rows near `who`: their own, those merged into it, and the newest with the same phone. A
/// union, because only so PostgreSQL looks each of them up in its index.
macro_rules! is_near {
    ($who:expr) => {
        sql::<Bool>("worker.id IN (SELECT worker.id FROM worker WHERE worker.id = ")
            .bind::<Uuid, _>($who)
            .sql(" UNION ALL SELECT worker.id FROM worker WHERE worker.merged_into = ")
            .bind::<Uuid, _>($who)
            .sql(
                " UNION ALL SELECT newest.id FROM (SELECT worker.id FROM worker WHERE worker.phone_index = (",
            )
            .sql("SELECT own.phone_index FROM worker AS own WHERE own.id = ")
            .bind::<Uuid, _>($who)
            .sql(" AND own.phone_index <> ")
            .bind::<Binary, _>(Vec::new())
            .sql(") ORDER BY worker.id DESC LIMIT ")
            .bind::<BigInt, _>(MOST_ROWS)
            .sql(") AS newest)")
    };
}

/// The rows near `who`, in the order in which they are locked.
macro_rules! near {
    ($who:expr) => {
        worker::table.filter(is_near!($who)).order(worker::id).select((
            worker::id,
            worker::card_index,
            worker::phone_index,
            worker::merged_into,
        ))
    };
}

/// The rows of the person that `who` belongs to, in the order in which they are locked. One
/// statement, unless a record of theirs was merged.
pub fn person_of(conn: &mut Conn, who: WorkerId) -> QueryResult<Vec<WorkerId>> {
    let rows = on_backend!(conn, c => near!(who).prepared().load::<Known>(c))?;
    match person_near(&rows, who) {
        Some(person) => Ok(person),
        None => person_with_merged(conn, who),
    }
}

/// As [`person_of`], and locks the rows, always in the same order: of two orders of one person the
/// second waits for the end of the first.
pub fn person_of_lock(conn: &mut Conn, who: WorkerId) -> QueryResult<Vec<WorkerId>> {
    // This may lock rows of others with the same phone as well, who then wait for nothing.
    let rows = on_backend!(conn, c => near!(who).lock_for_no_key_update().prepared().load::<Known>(c))?;
    if let Some(person) = person_near(&rows, who) {
        return Ok(person);
    }
    let person = person_with_merged(conn, who)?;
    person_lock(conn, &person)?;
    Ok(person)
}

/// The person, unless one of these rows was merged into another.
fn person_near(rows: &[Known], who: WorkerId) -> Option<Vec<WorkerId>> {
    if rows.iter().any(|row| row.merged_into.is_some()) {
        return None;
    }
    let has_card = rows.iter().any(|row| row.id == who && row.card_index.is_some());
    let others = rows.iter().filter(|row| !(has_card && row.card_index.is_some())).map(|row| row.id);
    let mut person: Vec<WorkerId> = others.chain([who]).collect();
    person.sort_unstable();
    person.dedup();
    Some(person)
}

fn person_with_merged(conn: &mut Conn, who: WorkerId) -> QueryResult<Vec<WorkerId>> {
    let columns = (worker::id, worker::card_index, worker::phone_index, worker::merged_into);
    let root = super::worker::worker_merged_root(conn, who)?;
    let merged = super::worker::worker_with_merged(conn, root)?;
    let mut rows = on_backend!(conn, c => worker::table
        .filter(worker::id.eq_any(merged.iter().copied()))
        .order(worker::id.desc())
        .limit(MOST_ROWS)
        .select(columns)
        .load::<Known>(c))?;
    let has_card = rows.iter().any(|row| row.card_index.is_some());
    let mut phones: Vec<Vec<u8>> = rows.iter().map(|row| row.phone_index.clone()).collect();
    phones.sort_unstable();
    phones.dedup();
    // An empty digest (no phone) matches nobody.
    for phone in phones.iter().filter(|phone| !phone.is_empty()) {
        let same = on_backend!(conn, c => worker::table
            .filter(worker::phone_index.eq(phone.as_slice()))
            .order(worker::id.desc())
            .limit(MOST_ROWS)
            .select(columns)
            .load::<Known>(c))?;
        rows.extend(same.into_iter().filter(|row| !(has_card && row.card_index.is_some())));
    }
    let mut targets: Vec<WorkerId> = rows.iter().filter_map(|row| row.merged_into).collect();
    for target in &mut targets {
        *target = super::worker::worker_merged_root(conn, *target)?;
    }
    let mut person: Vec<WorkerId> = rows.into_iter().map(|row| row.id).chain(targets).chain([root]).collect();
    person.sort_unstable();
    person.dedup();
    Ok(person)
}

/// Locks the rows of a person, in the order of [`person_of_lock`].
pub fn person_lock(conn: &mut Conn, person: &[WorkerId]) -> QueryResult<()> {
    on_backend!(conn, c => worker::table
        .filter(worker::id.eq_any(padded(person)))
        .order(worker::id)
        .select(worker::id)
        .lock_for_no_key_update()
        .prepared()
        .load::<WorkerId>(c))
    .map(drop)
}

/// Unpaid orders over the counter of a person: number of orders, and of packs.
pub fn unpaid_of(conn: &mut Conn, person: &[WorkerId], now: Timestamp) -> QueryResult<(i64, i64)> {
    let packs: Vec<OrderId> = on_backend!(conn, c => orders::table
        .inner_join(order_unit::table)
        .filter(orders::worker_id.eq_any(padded(person)))
        .filter(orders::state.eq_code(OrderState::Reserved))
        .filter(orders::prescription_id.is_null())
        .filter(orders::expires_at.gt(At(now)))
        .order(orders::id)
        .select(orders::id)
        .prepared()
        .load(c))?;
    let count = |packs: &[OrderId]| i64::try_from(packs.len()).unwrap_or(i64::MAX);
    let mut orders = packs.clone();
    orders.dedup();
    Ok((count(&orders), count(&packs)))
}
