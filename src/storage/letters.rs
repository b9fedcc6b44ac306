//! Letters that wait to be sent. A letter is claimed for a while before it is
//! handed to the mail server, so that a crash in between sends it again.

use diesel::prelude::*;

use super::{
    conn::Conn,
    dialect::each,
    prepared::PreparedDsl,
    schema::{letter, staff},
    sql_types::At,
};
use crate::domain::{
    ids::{LetterId, StaffId},
    time::Timestamp,
};

/// A letter that is due, with the address it goes to.
#[derive(Debug, Clone, Queryable)]
pub struct DueLetter {
    /// Which letter.
    pub id: LetterId,
    /// `invite` or `reset`.
    pub kind: String,
    /// Whom it is for.
    pub staff_id: StaffId,
    /// What it says, sealed.
    pub body_sealed: Vec<u8>,
    /// When it was written.
    pub created_at: Timestamp,
    /// How often it was tried.
    pub tries: i32,
    /// Where it goes.
    pub email: String,
    /// The recipient's name in Chinese.
    pub name_zh: String,
    /// The recipient's name in English or pinyin.
    pub name_en: String,
}

/// Puts a letter into the outbox, due at once.
pub fn letter_add(
    conn: &mut Conn,
    id: LetterId,
    kind: &str,
    staff_id: StaffId,
    body_sealed: &[u8],
    now: Timestamp,
) -> QueryResult<()> {
    each!(conn, c => diesel::insert_into(letter::table)
        .values((
            letter::id.eq(id),
            letter::kind.eq(kind),
            letter::staff_id.eq(staff_id),
            letter::body_sealed.eq(body_sealed),
            letter::created_at.eq(At(now)),
            letter::tries.eq(0),
            letter::next_try_at.eq(Some(At(now))),
        ))
        .execute(c))
    .map(|_| ())
}

/// Letters that are due, the longest waiting first.
pub fn letters_due(conn: &mut Conn, now: Timestamp, limit: i64) -> QueryResult<Vec<DueLetter>> {
    each!(conn, c => letter::table
        .inner_join(staff::table)
        .filter(letter::next_try_at.le(At(now)))
        .order(letter::next_try_at)
        .limit(limit)
        .select((
            letter::id,
            letter::kind,
            letter::staff_id,
            letter::body_sealed,
            letter::created_at,
            letter::tries,
            staff::email,
            staff::name_zh,
            staff::name_en,
        ))
        .load(c))
}

/// Claims a letter that was tried `tries` times, until `next_try_at`; `false`
/// when somebody else has.
pub fn letter_claim(conn: &mut Conn, id: LetterId, tries: i32, next_try_at: Timestamp) -> QueryResult<bool> {
    diesel::update(letter::table.find(id))
        .filter(letter::tries.eq(tries))
        .filter(letter::next_try_at.is_not_null())
        .set((letter::tries.eq(tries + 1), letter::next_try_at.eq(Some(At(next_try_at)))))
        .prepared()
        .execute(conn)
        .map(|rows| rows == 1)
}

/// A letter needs no more tries: it was sent, or given up where `sent_at` is
/// none. What it said is forgotten: a link in it may still be good.
pub fn letter_finish(conn: &mut Conn, id: LetterId, sent_at: Option<Timestamp>) -> QueryResult<bool> {
    let nothing: &[u8] = &[];
    diesel::update(letter::table.find(id))
        .filter(letter::next_try_at.is_not_null())
        .set((
            letter::next_try_at.eq(None::<At>),
            letter::sent_at.eq(sent_at.map(At)),
            letter::body_sealed.eq(nothing),
        ))
        .prepared()
        .execute(conn)
        .map(|rows| rows == 1)
}
