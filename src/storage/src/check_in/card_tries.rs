//! Wrong PINs by card, counted under the keyed digest of the number that was
//! typed: a card that nobody has is counted like one that somebody has.

use chrono::TimeDelta;
use diesel::prelude::*;

use crate::{
    conn::Conn,
    dialect::{PortableDsl, on_backend},
    prepared::PreparedDsl,
    schema::card_try,
    sql_types::At,
};
use domain::time::Timestamp;

/// The place that stands for all of them.
pub const ANYWHERE: &str = "anywhere";

/// What was counted for a card at one place.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = card_try)]
pub struct CardTryRow {
    /// A station's id, or [`ANYWHERE`].
    pub place: String,
    /// Wrong PINs.
    pub failures: i32,
    /// The last of them.
    pub tried_at: Timestamp,
    /// No PIN is looked at before this.
    pub locked_until: Option<Timestamp>,
}

/// What is counted for a card, and the card itself until the end of this
/// transaction: of many tries at once each sees those before it.
pub fn card_tries_hold(conn: &mut Conn, card_index: &[u8], now: Timestamp) -> QueryResult<Vec<CardTryRow>> {
    // A right PIN elsewhere may take the row away between the two statements.
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
            .lock_for_update()
            .get_results(c))?;
        if rows.iter().any(|row| row.place == ANYWHERE) {
            return Ok(rows);
        }
    }
    Err(diesel::result::Error::NotFound)
}

/// Writes down how many failures there are, and until when no PIN is looked at.
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

/// Forgets what was counted for a card: its PIN was right, or is a new one.
pub fn card_tries_clear(conn: &mut Conn, card_index: &[u8]) -> QueryResult<()> {
    let own = card_try::table.filter(card_try::card_index.eq(card_index));
    on_backend!(conn, c => diesel::delete(own).execute(c)).map(|_| ())
}

/// Forgets what was counted a day ago and more.
pub fn card_tries_forget(conn: &mut Conn, now: Timestamp) -> QueryResult<usize> {
    let old = card_try::table.filter(card_try::tried_at.lt(At(now - TimeDelta::days(1))));
    on_backend!(conn, c => diesel::delete(old).execute(c))
}
