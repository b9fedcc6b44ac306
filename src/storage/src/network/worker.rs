//! Workers, their consents and their PIN tries.

use std::collections::HashSet;

use chrono::NaiveDate;
use diesel::prelude::*;

use crate::{
    conn::Conn,
    dialect::{PortableDsl, on_backend},
    prepared::PreparedDsl,
    schema::{consent, worker},
    sql_types::At,
};
use domain::{
    ids::{ConsentId, EmployerId, StationId, WorkerId},
    network::{Job, Sex, Stated},
    time::Timestamp,
    words::Language,
};

/// A worker as stored: name and phone sealed.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = worker)]
pub struct WorkerRow {
    /// Which worker.
    pub id: WorkerId,
    /// Sealed name.
    pub name_sealed: Vec<u8>,
    /// Sealed phone.
    pub phone_sealed: Vec<u8>,
    /// Salt of the PIN; none for a walk-in.
    pub pin_salt: Option<Vec<u8>>,
    /// Keyed digest of the PIN.
    pub pin_mac: Option<Vec<u8>>,
    /// Wrong PINs since the last right one.
    pub pin_failures: i32,
    /// No PIN is looked at before this.
    pub pin_locked_until: Option<Timestamp>,
    /// Day of birth.
    pub birth_date: Option<NaiveDate>,
    /// Sex, where it is known.
    pub sex: Option<Sex>,
    /// Kind of work.
    pub job: Option<Job>,
    /// Employer.
    pub employer_id: Option<EmployerId>,
    /// Language of the screen.
    pub language: Language,
    /// The worker that a walk-in turned out to be.
    pub merged_into: Option<WorkerId>,
    /// Keyed digest of the card number; none for somebody without a card.
    pub card_index: Option<Vec<u8>>,
    /// When the card was reported lost.
    pub card_stopped_at: Option<Timestamp>,
    /// Keyed digest of the phone; drawn at random where there is none.
    pub phone_index: Vec<u8>,
    /// When a code proved the phone.
    pub phone_checked_at: Option<Timestamp>,
}

impl WorkerRow {
    /// Who the record says the person is.
    pub fn stated(&self) -> Stated {
        Stated { birth_date: self.birth_date, sex: self.sex, job: self.job }
    }
}

/// A worker on the way into the database.
#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = worker, treat_none_as_default_value = false)]
pub struct NewWorker {
    /// Which worker.
    pub id: WorkerId,
    /// Keyed digest of the card number; none for a walk-in.
    pub card_index: Option<Vec<u8>>,
    /// Sealed name.
    pub name_sealed: Vec<u8>,
    /// Sealed phone.
    pub phone_sealed: Vec<u8>,
    /// Keyed digest of the phone.
    pub phone_index: Vec<u8>,
    /// Salt of the PIN.
    pub pin_salt: Option<Vec<u8>>,
    /// Keyed digest of the PIN.
    pub pin_mac: Option<Vec<u8>>,
    /// Starts at 0.
    pub pin_failures: i32,
    /// Day of birth.
    pub birth_date: Option<NaiveDate>,
    /// Sex.
    pub sex: Option<Sex>,
    /// Kind of work.
    pub job: Option<Job>,
    /// Employer.
    pub employer_id: Option<EmployerId>,
    /// Language of the screen.
    pub language: Language,
    /// When.
    pub created_at: At,
}

/// Adds one worker.
pub fn worker_add(conn: &mut Conn, new: &NewWorker) -> QueryResult<()> {
    crate::dialect::on_backend!(conn, c => diesel::insert_into(worker::table).values(new).execute(c))
        .map(|_| ())
}

/// A worker by id.
pub fn worker_fetch(conn: &mut Conn, id: WorkerId) -> QueryResult<Option<WorkerRow>> {
    on_backend!(conn, c => worker::table.find(id).select(WorkerRow::as_select()).first(c)).optional()
}

/// A worker by id, whose row nobody else can even refer to until the end of
/// this transaction.
pub fn worker_hold_alone(conn: &mut Conn, id: WorkerId) -> QueryResult<Option<WorkerRow>> {
    on_backend!(conn, c => worker::table.find(id).select(WorkerRow::as_select()).lock_for_key_update().get_result(c))
        .optional()
}

/// As [`worker_by_card`], and takes the row for this transaction: of many wrong
/// PINs at once each is counted.
pub fn worker_by_card_held(conn: &mut Conn, card_index: &[u8]) -> QueryResult<Option<WorkerRow>> {
    on_backend!(conn, c => worker::table
        .filter(worker::card_index.eq(Some(card_index)))
        .select(WorkerRow::as_select())
        .lock_for_update()
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

/// A worker by id, whose row is taken for this transaction: whoever else would
/// change it waits.
pub fn worker_hold(conn: &mut Conn, id: WorkerId) -> QueryResult<Option<WorkerRow>> {
    on_backend!(conn, c => worker::table.find(id).select(WorkerRow::as_select()).lock_for_update().get_result(c)).optional()
}

/// A worker and everybody who was merged into them, also by way of others.
pub fn worker_with_merged(conn: &mut Conn, id: WorkerId) -> QueryResult<Vec<WorkerId>> {
    let mut everyone = vec![id];
    let mut newest = vec![id];
    while !newest.is_empty() {
        newest = on_backend!(conn, c => worker::table
            .filter(worker::merged_into.eq_any(newest.iter().copied().map(Some)))
            .select(worker::id)
            .load(c))?;
        newest.retain(|one| !everyone.contains(one));
        everyone.extend(&newest);
    }
    Ok(everyone)
}

/// The worker under whom this one's record stands now, through all merges.
pub fn worker_merged_root(conn: &mut Conn, id: WorkerId) -> QueryResult<WorkerId> {
    let mut root = id;
    // A merge into oneself is refused, and so is one into somebody merged.
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

/// Notes that a code proved a worker's phone.
pub fn phone_checked(conn: &mut Conn, id: WorkerId, now: Timestamp) -> QueryResult<()> {
    diesel::update(worker::table.find(id))
        .set(worker::phone_checked_at.eq(Some(At(now))))
        .prepared()
        .execute(conn)
        .map(|_| ())
}

/// Sets what is known of a person beside name and phone.
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

/// Sets the count of wrong PINs, and the pause that may follow.
pub fn pin_failures_set(
    conn: &mut Conn,
    id: WorkerId,
    failures: i32,
    locked_until: Option<Timestamp>,
) -> QueryResult<()> {
    diesel::update(worker::table.find(id))
        .set((worker::pin_failures.eq(failures), worker::pin_locked_until.eq(locked_until.map(At))))
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

/// Those of these workers who consent to this purpose now.
pub fn consents_standing(
    conn: &mut Conn,
    people: &[WorkerId],
    purpose: &str,
) -> QueryResult<HashSet<WorkerId>> {
    let rows: Vec<WorkerId> = on_backend!(conn, c => consent::table
        .filter(consent::worker_id.eq_any(people.iter().copied()))
        .filter(consent::purpose.eq(purpose))
        .filter(consent::withdrawn_at.is_null())
        .select(consent::worker_id)
        .load(c))?;
    Ok(rows.into_iter().collect())
}

/// Whether the worker consents to this purpose. A consent that stands is held:
/// its withdrawal waits for the end of what it permits in this transaction.
pub fn consent_hold(conn: &mut Conn, worker_id: WorkerId, purpose: &str) -> QueryResult<bool> {
    let found = on_backend!(conn, c => consent::table
        .filter(consent::worker_id.eq(worker_id))
        .filter(consent::purpose.eq(purpose))
        .filter(consent::withdrawn_at.is_null())
        .select(consent::id)
        .lock_for_update()
        .get_result::<ConsentId>(c))
    .optional()?;
    Ok(found.is_some())
}

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
