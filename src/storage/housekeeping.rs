//! Deleting what has expired.

use diesel::prelude::*;

use super::{
    conn::Conn,
    schema::{refresh_token, used_assertion},
    sql_types::At,
};
use crate::domain::time::Timestamp;

/// Deletes used assertions and refresh tokens that have expired.
pub fn expired_proofs_forget(conn: &mut Conn, now: Timestamp) -> QueryResult<usize> {
    let assertions =
        diesel::delete(used_assertion::table.filter(used_assertion::expires_at.lt(At(now)))).execute(conn)?;
    let refresh =
        diesel::delete(refresh_token::table.filter(refresh_token::expires_at.lt(At(now)))).execute(conn)?;
    Ok(assertions + refresh)
}
