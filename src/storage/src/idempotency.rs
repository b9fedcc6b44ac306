//! Saved answers, one per principal, route and idempotency key. They are written in the last step of
//! a transaction ([`crate::last_step`]).

use diesel::prelude::*;

use super::{
    conn::Conn,
    dialect::on_backend,
    schema::{idempotency, saved_answer},
    sql_types::At,
};
use domain::{ids::Id, time::Timestamp};

/// Marker for the id of a saved answer.
pub enum Answer {}
/// The first 16 bytes of a digest over principal, route and idempotency key.
pub type AnswerId = Id<Answer>;

/// The answer of a request that was carried out.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = saved_answer)]
pub struct SavedAnswer {
    /// SHA-256 of the body that came with the key.
    pub body_digest: Vec<u8>,
    pub answer_sealed: Vec<u8>,
}

/// An answer to be saved.
#[derive(Debug, Insertable)]
#[diesel(table_name = saved_answer)]
pub struct NewAnswer<'a> {
    pub id: AnswerId,
    /// SHA-256 of the body that came with the key.
    pub body_digest: &'a [u8],
    pub answer_sealed: &'a [u8],
    pub created_at: At,
}

/// The answer that is saved under this id.
pub fn answer_fetch(conn: &mut Conn, id: AnswerId) -> QueryResult<Option<SavedAnswer>> {
    on_backend!(conn, c => saved_answer::table.find(id).select(SavedAnswer::as_select()).first(c)).optional()
}

/// Saves an answer; `false` when there is one under its id.
pub fn answer_save(conn: &mut Conn, new: &NewAnswer<'_>) -> QueryResult<bool> {
    on_backend!(conn, c => diesel::insert_into(saved_answer::table)
        .values(new)
        .on_conflict_do_nothing()
        .execute(c))
    .map(|rows| rows == 1)
}

/// Deletes answers that were saved before `before`.
pub fn answers_forget(conn: &mut Conn, before: Timestamp) -> QueryResult<usize> {
    on_backend!(conn, c => diesel::delete(saved_answer::table.filter(saved_answer::created_at.lt(At(before))))
        .execute(c))
}

/// An answer as it was saved before version 0.3.
#[derive(Debug, Queryable, Selectable)]
#[diesel(table_name = idempotency)]
pub struct OldAnswer {
    pub principal: String,
    pub route: String,
    pub key: String,
    pub body_digest: Vec<u8>,
    pub answer_sealed: Option<Vec<u8>>,
    pub created_at: Timestamp,
}

pub fn old_answers(conn: &mut Conn, limit: i64) -> QueryResult<Vec<OldAnswer>> {
    on_backend!(conn, c => idempotency::table.limit(limit).select(OldAnswer::as_select()).load(c))
}

pub fn old_answers_delete(conn: &mut Conn, rows: &[OldAnswer]) -> QueryResult<()> {
    rows.iter().try_for_each(|row| {
        let row = idempotency::table.find((&row.principal, &row.route, &row.key));
        on_backend!(conn, c => diesel::delete(row).execute(c)).map(drop)
    })
}
