//! Deleting what has expired.

use diesel::prelude::*;

use super::{
    conn::Conn,
    dialect::each,
    schema::{refresh_token, used_assertion},
    sql_types::At,
};
use crate::domain::time::Timestamp;

/// Deletes used assertions and refresh tokens that have expired, and old counts.
pub fn expired_proofs_forget(conn: &mut Conn, now: Timestamp) -> QueryResult<usize> {
    let spent = used_assertion::table.filter(used_assertion::expires_at.lt(At(now)));
    let assertions = each!(conn, c => diesel::delete(spent).execute(c))?;
    let ended = refresh_token::table.filter(refresh_token::expires_at.lt(At(now)));
    let refresh = each!(conn, c => diesel::delete(ended).execute(c))?;
    let tries = super::card_tries::card_tries_forget(conn, now)?;
    Ok(assertions + refresh + tries)
}
