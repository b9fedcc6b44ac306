//! Password reset requests that are not processed yet.

use diesel::prelude::*;

use crate::{conn::Conn, dialect::on_backend, events::AnyId, schema::reset_request, sql_types::At};
use domain::time::Timestamp;

#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = reset_request)]
pub struct RequestRow {
    pub id: AnyId,
    /// The e-mail address as typed.
    pub email_sealed: Vec<u8>,
    /// Whether a letter may be sent for it.
    pub may_send: bool,
}

pub fn request_add(
    conn: &mut Conn,
    id: AnyId,
    (email_sealed, email_index): (&[u8], &[u8]),
    may_send: bool,
    now: Timestamp,
) -> QueryResult<()> {
    on_backend!(conn, c => diesel::insert_into(reset_request::table)
        .values((
            reset_request::id.eq(id),
            reset_request::email_sealed.eq(email_sealed),
            reset_request::email_index.eq(email_index),
            reset_request::may_send.eq(may_send),
            reset_request::created_at.eq(At(now)),
        ))
        .execute(c))
    .map(|_| ())
}

/// The oldest requests.
pub fn requests(conn: &mut Conn, limit: i64) -> QueryResult<Vec<RequestRow>> {
    on_backend!(conn, c => reset_request::table
        .order(reset_request::id)
        .limit(limit)
        .select(RequestRow::as_select())
        .load(c))
}

/// Drops the requests for an address.
pub fn requests_drop(conn: &mut Conn, email_index: &[u8]) -> QueryResult<usize> {
    let of_address = reset_request::table.filter(reset_request::email_index.eq(email_index));
    on_backend!(conn, c => diesel::delete(of_address).execute(c))
}

/// Removes a request in order to process it; `false` when another instance did.
pub fn request_take(conn: &mut Conn, id: AnyId) -> QueryResult<bool> {
    on_backend!(conn, c => diesel::delete(reset_request::table.find(id)).execute(c)).map(|rows| rows == 1)
}
