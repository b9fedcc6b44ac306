//! The outbox of text messages. A message is claimed for a while before it is handed over, so that
//! it is sent again after a crash in between.

use diesel::prelude::*;

use crate::{conn::Conn, dialect::on_backend, prepared::PreparedDsl, schema::text_message, sql_types::At};
use domain::{ids::TextMessageId, time::Timestamp};

/// A message that is due.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = text_message)]
pub struct DueText {
    pub id: TextMessageId,
    /// Sealed phone number.
    pub phone_sealed: Vec<u8>,
    /// Sealed text.
    pub body_sealed: Vec<u8>,
    /// After this it is useless.
    pub expires_at: Timestamp,
    pub tries: i32,
}

/// Adds a message to the outbox, due at once.
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

/// Messages behind `after` that are due, the oldest first.
pub fn texts_due(
    conn: &mut Conn,
    now: Timestamp,
    after: TextMessageId,
    limit: i64,
) -> QueryResult<Vec<DueText>> {
    on_backend!(conn, c => text_message::table
        .filter(text_message::next_try_at.le(At(now)))
        .filter(text_message::id.gt(after))
        .order(text_message::id)
        .limit(limit)
        .select(DueText::as_select())
        .load(c))
}

/// Claims a message that was tried `tries` times, until `next_try_at`; `false` when another
/// instance has claimed it.
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

/// Ends the tries of a message: sent, or given up when `sent_at` is `None`. Deletes phone number
/// and text.
pub fn text_finish(conn: &mut Conn, id: TextMessageId, sent_at: Option<Timestamp>) -> QueryResult<bool> {
    let empty: &[u8] = &[];
    diesel::update(text_message::table.find(id))
        .filter(text_message::next_try_at.is_not_null())
        .set((
            text_message::next_try_at.eq(None::<At>),
            text_message::sent_at.eq(sent_at.map(At)),
            text_message::phone_sealed.eq(empty),
            text_message::body_sealed.eq(empty),
        ))
        .prepared()
        .execute(conn)
        .map(|rows| rows == 1)
}
