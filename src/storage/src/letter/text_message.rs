//! Text messages that wait to be sent. One is claimed for a while before it is
//! handed over, so that a crash in between sends it again.

use diesel::prelude::*;

use crate::{conn::Conn, dialect::on_backend, prepared::PreparedDsl, schema::text_message, sql_types::At};
use domain::{ids::TextMessageId, time::Timestamp};

/// A message that is due.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = text_message)]
pub struct DueText {
    /// Which.
    pub id: TextMessageId,
    /// Where it goes, sealed.
    pub phone_sealed: Vec<u8>,
    /// What it says, sealed.
    pub body_sealed: Vec<u8>,
    /// After this it is of no use.
    pub expires_at: Timestamp,
    /// How often it was tried.
    pub tries: i32,
}

/// Puts a message into the outbox, due at once.
pub fn text_add(
    conn: &mut Conn,
    id: TextMessageId,
    phone_sealed: &[u8],
    body_sealed: &[u8],
    now: Timestamp,
    expires_at: Timestamp,
) -> QueryResult<()> {
    on_backend!(conn, c => diesel::insert_into(text_message::table)
        .values((
            text_message::id.eq(id),
            text_message::phone_sealed.eq(phone_sealed),
            text_message::body_sealed.eq(body_sealed),
            text_message::created_at.eq(At(now)),
            text_message::expires_at.eq(At(expires_at)),
            text_message::tries.eq(0),
            text_message::next_try_at.eq(Some(At(now))),
        ))
        .execute(c))
    .map(|_| ())
}

/// Messages that are due, the longest waiting first.
pub fn texts_due(conn: &mut Conn, now: Timestamp, limit: i64) -> QueryResult<Vec<DueText>> {
    on_backend!(conn, c => text_message::table
        .filter(text_message::next_try_at.le(At(now)))
        .order(text_message::next_try_at)
        .limit(limit)
        .select(DueText::as_select())
        .load(c))
}

/// Claims a message that was tried `tries` times, until `next_try_at`; `false`
/// when somebody else has.
pub fn text_claim(
    conn: &mut Conn,
    id: TextMessageId,
    tries: i32,
    next_try_at: Timestamp,
) -> QueryResult<bool> {
    diesel::update(text_message::table.find(id))
        .filter(text_message::tries.eq(tries))
        .filter(text_message::next_try_at.is_not_null())
        .set((text_message::tries.eq(tries + 1), text_message::next_try_at.eq(Some(At(next_try_at)))))
        .prepared()
        .execute(conn)
        .map(|rows| rows == 1)
}

/// A message needs no more tries: it was sent, or given up where `sent_at` is
/// none. Where it went and what it said are forgotten.
pub fn text_finish(conn: &mut Conn, id: TextMessageId, sent_at: Option<Timestamp>) -> QueryResult<bool> {
    let nothing: &[u8] = &[];
    diesel::update(text_message::table.find(id))
        .filter(text_message::next_try_at.is_not_null())
        .set((
            text_message::next_try_at.eq(None::<At>),
            text_message::sent_at.eq(sent_at.map(At)),
            text_message::phone_sealed.eq(nothing),
            text_message::body_sealed.eq(nothing),
        ))
        .prepared()
        .execute(conn)
        .map(|rows| rows == 1)
}
