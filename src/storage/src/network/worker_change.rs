//! Changes of a worker that wait for a second operator's approval, and what they write.

use chrono::NaiveDate;
use diesel::prelude::*;

use super::worker::WorkerRow;
use crate::{
    code_literals::CodeDsl,
    conn::Conn,
    dialect::{RowLockDsl, on_backend},
    prepared::PreparedDsl,
    schema::{worker, worker_change},
    sql_types::At,
};
use domain::{
    ids::{EmployerId, StaffId, WorkerChangeId, WorkerId},
    network::{ChangeKind, ChangeState, Job, Sex},
    time::Timestamp,
    words::Language,
};

/// A change as stored.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = worker_change)]
pub struct ChangeRow {
    pub id: WorkerChangeId,
    pub worker_id: WorkerId,
    pub kind: ChangeKind,
    /// Its values, sealed; empty once it is decided.
    pub body_sealed: Vec<u8>,
    pub state: ChangeState,
    pub requested_by: StaffId,
    pub requested_at: Timestamp,
    /// Until when it may be approved.
    pub expires_at: Timestamp,
    pub decided_by: Option<StaffId>,
    pub decided_at: Option<Timestamp>,
}

/// A change to be inserted.
#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = worker_change)]
pub struct NewChange {
    pub id: WorkerChangeId,
    pub worker_id: WorkerId,
    pub kind: ChangeKind,
    pub body_sealed: Vec<u8>,
    pub state: ChangeState,
    pub requested_by: StaffId,
    pub requested_at: At,
    pub expires_at: At,
}

pub fn change_add(conn: &mut Conn, new: &NewChange) -> QueryResult<()> {
    on_backend!(conn, c => diesel::insert_into(worker_change::table).values(new).execute(c)).map(|_| ())
}

pub fn change_fetch(conn: &mut Conn, id: WorkerChangeId) -> QueryResult<Option<ChangeRow>> {
    on_backend!(conn, c => worker_change::table.find(id).select(ChangeRow::as_select()).first(c)).optional()
}

/// A change, with its row locked for update.
pub fn change_lock(conn: &mut Conn, id: WorkerChangeId) -> QueryResult<Option<ChangeRow>> {
    on_backend!(conn, c => worker_change::table.find(id).select(ChangeRow::as_select()).lock_for_no_key_update().get_result(c))
        .optional()
}

/// Waiting changes that may still be approved, by id.
pub fn changes_waiting(
    conn: &mut Conn,
    now: Timestamp,
    after: Option<WorkerChangeId>,
    limit: i64,
) -> QueryResult<Vec<ChangeRow>> {
    on_backend!(conn, c => {
        let mut query = worker_change::table
            .into_boxed()
            .filter(worker_change::state.eq(ChangeState::Waiting))
            .filter(worker_change::expires_at.gt(At(now)))
            .order(worker_change::id)
            .limit(limit);
        if let Some(after) = after {
            query = query.filter(worker_change::id.gt(after));
        }
        query.select(ChangeRow::as_select()).load(c)
    })
}

/// Records the decision on a change, and deletes what it would have written.
pub fn change_decide(
    conn: &mut Conn,
    id: WorkerChangeId,
    state: ChangeState,
    by: StaffId,
    now: Timestamp,
) -> QueryResult<()> {
    let nothing: &[u8] = &[];
    diesel::update(worker_change::table.find(id))
        .filter(worker_change::state.eq_code(ChangeState::Waiting))
        .set((
            worker_change::state.eq(state),
            worker_change::body_sealed.eq(nothing),
            worker_change::decided_by.eq(Some(by)),
            worker_change::decided_at.eq(Some(At(now))),
        ))
        .prepared()
        .execute(conn)
        .map(|_| ())
}

/// Sets a worker's card; one that was stopped before is valid again.
///
/// # Errors
/// A unique violation when another worker has it.
pub fn card_set(conn: &mut Conn, id: WorkerId, card_index: &[u8]) -> QueryResult<()> {
    diesel::update(worker::table.find(id))
        .set((worker::card_index.eq(Some(card_index)), worker::card_stopped_at.eq(None::<At>)))
        .prepared()
        .execute(conn)
        .map(|_| ())
}

/// The card columns of a worker's row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CardFields {
    /// Keyed digest of its number; `None` without a card.
    pub index: Option<Vec<u8>>,
    /// Salt of its PIN.
    pub pin_salt: Option<Vec<u8>>,
    /// Keyed digest of its PIN.
    pub pin_mac: Option<Vec<u8>>,
    /// When it was reported lost.
    pub stopped_at: Option<Timestamp>,
}

impl CardFields {
    /// The card on this row.
    pub fn of(row: &WorkerRow) -> Self {
        Self {
            index: row.card_index.clone(),
            pin_salt: row.pin_salt.clone(),
            pin_mac: row.pin_mac.clone(),
            stopped_at: row.card_stopped_at,
        }
    }
}

/// Exchanges the cards and PINs of two workers, and resets the PIN tries. The caller must have both
/// rows locked.
pub fn cards_exchange(conn: &mut Conn, one: &WorkerRow, other: &WorkerRow) -> QueryResult<()> {
    let no_card = CardFields { index: None, pin_salt: None, pin_mac: None, stopped_at: None };
    // The card number is unique over all rows: clear one first.
    card_fields_set(conn, one.id, &no_card)?;
    card_fields_set(conn, other.id, &CardFields::of(one))?;
    card_fields_set(conn, one.id, &CardFields::of(other))
}

/// Writes the card columns, and resets the PIN tries.
pub fn card_fields_set(conn: &mut Conn, id: WorkerId, card: &CardFields) -> QueryResult<()> {
    diesel::update(worker::table.find(id))
        .set((
            worker::card_index.eq(card.index.as_deref()),
            worker::pin_salt.eq(card.pin_salt.as_deref()),
            worker::pin_mac.eq(card.pin_mac.as_deref()),
            worker::card_stopped_at.eq(card.stopped_at.map(At)),
            worker::pin_failures.eq(0),
            worker::pin_locked_until.eq(None::<At>),
        ))
        .prepared()
        .execute(conn)
        .map(|_| ())
}

/// Stops a worker's card; `false` when it is stopped already, or there is none.
pub fn card_stop(conn: &mut Conn, id: WorkerId, now: Timestamp) -> QueryResult<bool> {
    diesel::update(worker::table.find(id))
        .filter(worker::card_index.is_not_null())
        .filter(worker::card_stopped_at.is_null())
        .set(worker::card_stopped_at.eq(Some(At(now))))
        .prepared()
        .execute(conn)
        .map(|rows| rows == 1)
}

/// Sets a worker's PIN, and resets the PIN tries.
pub fn pin_set(conn: &mut Conn, id: WorkerId, salt: &[u8], mac: &[u8]) -> QueryResult<()> {
    diesel::update(worker::table.find(id))
        .set((
            worker::pin_salt.eq(Some(salt)),
            worker::pin_mac.eq(Some(mac)),
            worker::pin_failures.eq(0),
            worker::pin_locked_until.eq(None::<At>),
        ))
        .prepared()
        .execute(conn)
        .map(|_| ())
}

pub fn name_set(conn: &mut Conn, id: WorkerId, sealed: &[u8]) -> QueryResult<()> {
    diesel::update(worker::table.find(id))
        .set(worker::name_sealed.eq(sealed))
        .prepared()
        .execute(conn)
        .map(|_| ())
}

/// What an operator edits of a worker, except name and phone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Details {
    pub birth_date: Option<NaiveDate>,
    pub sex: Option<Sex>,
    pub job: Option<Job>,
    pub employer_id: Option<EmployerId>,
    pub language: Language,
}

pub fn details_set(conn: &mut Conn, id: WorkerId, details: &Details) -> QueryResult<()> {
    diesel::update(worker::table.find(id))
        .set((
            worker::birth_date.eq(details.birth_date),
            worker::sex.eq(details.sex),
            worker::job.eq(details.job),
            worker::employer_id.eq(details.employer_id),
            worker::language.eq(details.language),
        ))
        .prepared()
        .execute(conn)
        .map(|_| ())
}
