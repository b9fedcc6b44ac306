//! Workers, their consents, and their failed PIN tries.

use std::collections::HashSet;

use chrono::NaiveDate;
use diesel::prelude::*;

use crate::{
    code_literals::CodeDsl,
    conn::Conn,
    dialect::{RowLockDsl, on_backend},
    prepared::{PreparedDsl, padded},
    schema::{consent, consultation, worker},
    sql_types::At,
};
use domain::{
    consultation::ConsultationState,
    ids::{ConsentId, ConsultationId, EmployerId, StationId, WorkerId},
    network::{Job, Sex, Stated},
    time::Timestamp,
    words::Language,
};

/// A worker as stored: name and phone sealed.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = worker)]
pub struct WorkerRow {
    pub id: WorkerId,
    pub name_sealed: Vec<u8>,
    pub phone_sealed: Vec<u8>,
    /// Salt of the PIN; `None` for a walk-in.
    pub pin_salt: Option<Vec<u8>>,
    /// Keyed digest of the PIN.
    pub pin_mac: Option<Vec<u8>>,
    /// Wrong PINs since the last right one.
    pub pin_failures: i32,
    /// No PIN is checked before this time.
    pub pin_locked_until: Option<Timestamp>,
    pub birth_date: Option<NaiveDate>,
    /// Where it is known.
    pub sex: Option<Sex>,
    pub job: Option<Job>,
    pub employer_id: Option<EmployerId>,
    /// Language of the screen.
    pub language: Language,
    /// The worker into whom this one is merged.
    pub merged_into: Option<WorkerId>,
    /// Keyed digest of the card number; `None` without a card.
    pub card_index: Option<Vec<u8>>,
    /// When the card was reported lost.
    pub card_stopped_at: Option<Timestamp>,
    /// Keyed digest of the phone; a random value without a phone.
    pub phone_index: Vec<u8>,
    /// When a code proved the phone.
    pub phone_checked_at: Option<Timestamp>,
}

impl WorkerRow {
    /// What the record states about the person.
    pub fn stated(&self) -> Stated {
        Stated { birth_date: self.birth_date, sex: self.sex, job: self.job }
    }
}

/// A worker to be inserted.
#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = worker, treat_none_as_default_value = false)]
pub struct NewWorker {
    pub id: WorkerId,
    /// Keyed digest of the card number; `None` for a walk-in.
    pub card_index: Option<Vec<u8>>,
    pub name_sealed: Vec<u8>,
    pub phone_sealed: Vec<u8>,
    /// Keyed digest of the phone.
    pub phone_index: Vec<u8>,
    /// Salt of the PIN.
    pub pin_salt: Option<Vec<u8>>,
    /// Keyed digest of the PIN.
    pub pin_mac: Option<Vec<u8>>,
    /// Starts at 0.
    pub pin_failures: i32,
    pub birth_date: Option<NaiveDate>,
    pub sex: Option<Sex>,
    pub job: Option<Job>,
    pub employer_id: Option<EmployerId>,
    /// Language of the screen.
    pub language: Language,
    pub created_at: At,
}

pub fn worker_add(conn: &mut Conn, new: &NewWorker) -> QueryResult<()> {
    crate::dialect::on_backend!(conn, c => diesel::insert_into(worker::table).values(new).execute(c))
        .map(|_| ())
}

pub fn worker_fetch(conn: &mut Conn, id: WorkerId) -> QueryResult<Option<WorkerRow>> {
    on_backend!(conn, c => worker::table.find(id).select(WorkerRow::as_select()).first(c)).optional()
}

/// Several workers, and since when they are known.
pub fn workers_fetch(conn: &mut Conn, ids: &[WorkerId]) -> QueryResult<Vec<(WorkerRow, Timestamp)>> {
    on_backend!(conn, c => worker::table
        .filter(worker::id.eq_any(padded(ids)))
        .select((WorkerRow::as_select(), worker::created_at))
        .prepared()
        .load(c))
}

/// A worker by id. Locks the row FOR UPDATE: until the end of this transaction nobody else can even
/// insert references to it.
pub fn worker_lock_for_update(conn: &mut Conn, id: WorkerId) -> QueryResult<Option<WorkerRow>> {
    on_backend!(conn, c => worker::table.find(id).select(WorkerRow::as_select()).lock_for_update().get_result(c))
        .optional()
}

/// As [`worker_by_card`], and locks the row, so that each of several wrong PINs at once is counted.
pub fn worker_by_card_locked(conn: &mut Conn, card_index: &[u8]) -> QueryResult<Option<WorkerRow>> {
    on_backend!(conn, c => worker::table
        .filter(worker::card_index.eq(Some(card_index)))
        .select(WorkerRow::as_select())
        .lock_for_no_key_update()
        .get_result(c))
    .optional()
}

/// A worker by the keyed digest of their card number.
pub fn worker_by_card(conn: &mut Conn, card_index: &[u8]) -> QueryResult<Option<WorkerRow>> {
    on_backend!(conn, c => worker::table
        .filter(worker::card_index.eq(Some(card_index)))
        .select(WorkerRow::as_select())
        .first(c))
    .optional()
}

/// A worker by id, with the row locked for update.
pub fn worker_lock(conn: &mut Conn, id: WorkerId) -> QueryResult<Option<WorkerRow>> {
    on_backend!(conn, c => worker::table.find(id).select(WorkerRow::as_select()).lock_for_no_key_update().get_result(c)).optional()
}

/// A worker and all who were merged into them, also indirectly.
pub fn worker_with_merged(conn: &mut Conn, id: WorkerId) -> QueryResult<Vec<WorkerId>> {
    Ok(workers_with_merged(conn, &[id])?.into_iter().map(|(_, member)| member).collect())
}

/// Each of these workers, paired with themselves and with all who were merged into them.
pub fn workers_with_merged(conn: &mut Conn, ids: &[WorkerId]) -> QueryResult<Vec<(WorkerId, WorkerId)>> {
    let mut everyone: Vec<(WorkerId, WorkerId)> = ids.iter().map(|id| (*id, *id)).collect();
    let mut newest = everyone.clone();
    while !newest.is_empty() {
        let into: Vec<Option<WorkerId>> = newest.iter().map(|(_, member)| Some(*member)).collect();
        let merged: Vec<(WorkerId, Option<WorkerId>)> = on_backend!(conn, c => worker::table
            .filter(worker::merged_into.eq_any(padded(&into)))
            .select((worker::id, worker::merged_into))
            .prepared()
            .load(c))?;
        let of = |(root, member): (WorkerId, WorkerId)| {
            let members = merged.iter().filter(move |(_, into)| *into == Some(member));
            members.map(move |(id, _)| (root, *id))
        };
        newest = newest.into_iter().flat_map(of).filter(|pair| !everyone.contains(pair)).collect();
        everyone.extend(&newest);
    }
    Ok(everyone)
}

/// The worker into whom this one is merged now, through all merges.
pub fn worker_merged_root(conn: &mut Conn, id: WorkerId) -> QueryResult<WorkerId> {
    let mut root = id;
    // A merge into oneself is refused, and so is one into a merged worker: this ends.
    while let Some(next) = on_backend!(conn, c => worker::table
        .find(root)
        .select(worker::merged_into)
        .first::<Option<WorkerId>>(c))
    .optional()?
    .flatten()
    {
        root = next;
    }
    Ok(root)
}

/// Sets a worker's phone.
pub fn phone_set(
    conn: &mut Conn,
    id: WorkerId,
    sealed: &[u8],
    index: &[u8],
    checked_at: Option<Timestamp>,
) -> QueryResult<()> {
    diesel::update(worker::table.find(id))
        .set((
            worker::phone_sealed.eq(sealed),
            worker::phone_index.eq(index),
            worker::phone_checked_at.eq(checked_at.map(At)),
        ))
        .prepared()
        .execute(conn)
        .map(|_| ())
}

/// Records that a code proved a worker's phone.
pub fn phone_checked(conn: &mut Conn, id: WorkerId, now: Timestamp) -> QueryResult<()> {
    diesel::update(worker::table.find(id))
        .set(worker::phone_checked_at.eq(Some(At(now))))
        .prepared()
        .execute(conn)
        .map(|_| ())
}

/// Sets the personal details other than name and phone.
pub fn person_set(
    conn: &mut Conn,
    id: WorkerId,
    birth_date: Option<NaiveDate>,
    sex: Option<Sex>,
    job: Option<Job>,
) -> QueryResult<()> {
    diesel::update(worker::table.find(id))
        .set((worker::birth_date.eq(birth_date), worker::sex.eq(sex), worker::job.eq(job)))
        .prepared()
        .execute(conn)
        .map(|_| ())
}

/// Grants a consent; one that is granted already stays as it is.
pub fn consent_grant(
    conn: &mut Conn,
    worker_id: WorkerId,
    purpose: &str,
    station: Option<StationId>,
    now: Timestamp,
) -> QueryResult<bool> {
    on_backend!(conn, c => diesel::insert_into(consent::table)
        .values((
            consent::id.eq(ConsentId::generate()),
            consent::worker_id.eq(worker_id),
            consent::purpose.eq(purpose),
            consent::station_id.eq(station),
            consent::granted_at.eq(At(now)),
        ))
        .on_conflict_do_nothing()
        .execute(c))
    .map(|rows| rows == 1)
}

/// The purposes that a worker consents to now.
pub fn consents_live(conn: &mut Conn, worker_id: WorkerId) -> QueryResult<Vec<String>> {
    on_backend!(conn, c => consent::table
        .filter(consent::worker_id.eq(worker_id))
        .filter(consent::withdrawn_at.is_null())
        .order(consent::purpose)
        .select(consent::purpose)
        .load(c))
}

/// Which of these workers consent to this purpose now.
pub fn consents_in_force(
    conn: &mut Conn,
    people: &[WorkerId],
    purpose: &str,
) -> QueryResult<HashSet<WorkerId>> {
    let rows: Vec<WorkerId> = on_backend!(conn, c => consent::table
        .filter(consent::worker_id.eq_any(padded(people)))
        .filter(consent::purpose.eq(purpose))
        .filter(consent::withdrawn_at.is_null())
        .select(consent::worker_id)
        .prepared()
        .load(c))?;
    Ok(rows.into_iter().collect())
}

/// Whether the worker consents to this purpose. Locks the consent: a withdrawal waits for the end
/// of this transaction.
pub fn consent_lock(conn: &mut Conn, worker_id: WorkerId, purpose: &str) -> QueryResult<bool> {
    let found = on_backend!(conn, c => consent::table
        .filter(consent::worker_id.eq(worker_id))
        .filter(consent::purpose.eq(purpose))
        .filter(consent::withdrawn_at.is_null())
        .select(consent::id)
        .lock_for_no_key_update()
        .get_result::<ConsentId>(c))
    .optional()?;
    Ok(found.is_some())
}

/// Whether the worker consents to this purpose. Locks the consent and then the worker's row.
pub fn consent_and_worker_lock(conn: &mut Conn, worker_id: WorkerId, purpose: &str) -> QueryResult<bool> {
    let found = on_backend!(conn, c => consent::table
        .inner_join(worker::table)
        .filter(consent::worker_id.eq(worker_id))
        .filter(consent::purpose.eq(purpose))
        .filter(consent::withdrawn_at.is_null())
        .select(consent::id)
        .lock_for_no_key_update()
        .get_result::<ConsentId>(c))
    .optional()?;
    Ok(found.is_some())
}

/// A worker, and the purposes that they consent to now.
pub fn worker_with_consents(conn: &mut Conn, id: WorkerId) -> QueryResult<Option<(WorkerRow, Vec<String>)>> {
    let rows: Vec<(WorkerRow, Option<String>)> = on_backend!(conn, c => worker::table
        .left_join(consent::table.on(consent::worker_id.eq(worker::id).and(consent::withdrawn_at.is_null())))
        .filter(worker::id.eq(id))
        .order(consent::purpose)
        .select((WorkerRow::as_select(), consent::purpose.nullable()))
        .load(c))?;
    let (workers, purposes): (Vec<_>, Vec<_>) = rows.into_iter().unzip();
    Ok(workers.into_iter().next().map(|worker| (worker, purposes.into_iter().flatten().collect())))
}

/// The purposes that a worker consents to now, and their live consultation.
pub fn consents_and_consultation(
    conn: &mut Conn,
    worker_id: WorkerId,
) -> QueryResult<(Vec<String>, Option<Left>)> {
    let rows: Vec<(Option<String>, Option<Left>)> = on_backend!(conn, c => worker::table
        .left_join(consent::table.on(consent::worker_id.eq(worker::id).and(consent::withdrawn_at.is_null())))
        .left_join(
            consultation::table.on(consultation::worker_id
                .eq(worker::id)
                .and(consultation::state.of_code(ConsultationState::is_live))),
        )
        .filter(worker::id.eq(worker_id))
        .order(consent::purpose)
        .select((consent::purpose.nullable(), (consultation::id, consultation::left_at).nullable()))
        .load(c))?;
    let live = rows.first().and_then(|(_, live)| *live);
    Ok((rows.into_iter().filter_map(|(purpose, _)| purpose).collect(), live))
}

/// A consultation, and since when its worker is checked in nowhere.
pub type Left = (ConsultationId, Option<Timestamp>);

/// Withdraws a consent; `false` when there was none.
pub fn consent_withdraw(
    conn: &mut Conn,
    worker_id: WorkerId,
    purpose: &str,
    now: Timestamp,
) -> QueryResult<bool> {
    diesel::update(consent::table)
        .filter(consent::worker_id.eq(worker_id))
        .filter(consent::purpose.eq(purpose))
        .filter(consent::withdrawn_at.is_null())
        .set(consent::withdrawn_at.eq(Some(At(now))))
        .prepared()
        .execute(conn)
        .map(|rows| rows == 1)
}
