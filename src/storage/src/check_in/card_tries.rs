//! Wrong PINs by card, counted under the keyed digest of the number that was typed: an unknown card
//! number is counted like a known one.

use chrono::TimeDelta;
use diesel::prelude::*;

use crate::{
    conn::Conn,
    dialect::{RowLockDsl, on_backend},
    prepared::PreparedDsl,
    schema::card_try,
    sql_types::At,
};
use domain::time::Timestamp;

/// The row for all stations together.
pub const ANYWHERE: &str = "anywhere";

/// Failed tries of a card at one station, or at all.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = card_try)]
pub struct CardTryRow {
    /// A station's id, or [`ANYWHERE`].
    pub place: String,
    /// Wrong PINs.
    pub failures: i32,
    /// The last wrong try.
    pub tried_at: Timestamp,
    /// No PIN is checked before this time.
    pub locked_until: Option<Timestamp>,
}

/// The counts of a card.
pub fn card_tries(conn: &mut Conn, card_index: &[u8]) -> QueryResult<Vec<CardTryRow>> {
    on_backend!(conn, c => card_try::table
        .filter(card_try::card_index.eq(card_index))
        .select(CardTryRow::as_select())
        .load(c))
}

/// The counts of a card, with the rows locked for update: of several tries at once each sees those
/// before it.
pub fn card_tries_lock(conn: &mut Conn, card_index: &[u8], now: Timestamp) -> QueryResult<Vec<CardTryRow>> {
    // A correct PIN at another station may delete the row between the two statements.
    for _ in 0..3 {
        on_backend!(conn, c => diesel::insert_into(card_try::table)
            .values((
                card_try::card_index.eq(card_index),
                card_try::place.eq(ANYWHERE),
                card_try::failures.eq(0),
                card_try::tried_at.eq(At(now)),
            ))
            .on_conflict_do_nothing()
            .execute(c))?;
        let rows: Vec<CardTryRow> = on_backend!(conn, c => card_try::table
            .filter(card_try::card_index.eq(card_index))
            .order(card_try::place)
            .select(CardTryRow::as_select())
            .lock_for_no_key_update()
            .get_results(c))?;
        if rows.iter().any(|row| row.place == ANYWHERE) {
            return Ok(rows);
        }
    }
    Err(diesel::result::Error::NotFound)
}

/// Stores the number of failures, and until when no PIN is checked.
pub fn card_try_set(
    conn: &mut Conn,
    card_index: &[u8],
    place: &str,
    failures: i32,
    locked_until: Option<Timestamp>,
    now: Timestamp,
) -> QueryResult<()> {
    let known = diesel::update(card_try::table.find((card_index, place)))
        .set((
            card_try::failures.eq(failures),
            card_try::tried_at.eq(At(now)),
            card_try::locked_until.eq(locked_until.map(At)),
        ))
        .prepared()
        .execute(conn)?;
    if known == 1 {
        return Ok(());
    }
    on_backend!(conn, c => diesel::insert_into(card_try::table)
        .values((
            card_try::card_index.eq(card_index),
            card_try::place.eq(place),
            card_try::failures.eq(failures),
            card_try::tried_at.eq(At(now)),
            card_try::locked_until.eq(locked_until.map(At)),
        ))
        .execute(c))
    .map(|_| ())
}

/// Deletes the counts of a card: its PIN was correct, or was replaced.
pub fn card_tries_clear(conn: &mut Conn, card_index: &[u8]) -> QueryResult<()> {
    let own = card_try::table.filter(card_try::card_index.eq(card_index));
    on_backend!(conn, c => diesel::delete(own).execute(c)).map(|_| ())
}

/// Deletes counts older than a day.
pub(crate) fn card_tries_forget(conn: &mut Conn, now: Timestamp) -> QueryResult<usize> {
    let old = card_try::table.filter(card_try::tried_at.lt(At(now - TimeDelta::days(1))));
    on_backend!(conn, c => diesel::delete(old).execute(c))
}
