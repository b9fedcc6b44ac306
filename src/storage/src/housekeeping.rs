//! Deletes expired rows.

use diesel::prelude::*;

use super::{
    conn::Conn,
    dialect::on_backend,
    schema::{phone_code, refresh_token, text_message, used_assertion},
    sql_types::At,
};
use domain::time::Timestamp;

/// Deletes used client assertions, refresh tokens, phone codes and text messages that have expired,
/// and old counts of wrong PINs.
pub fn expired_proofs_forget(conn: &mut Conn, now: Timestamp) -> QueryResult<usize> {
    let spent = used_assertion::table.filter(used_assertion::expires_at.lt(At(now)));
    let assertions = on_backend!(conn, c => diesel::delete(spent).execute(c))?;
    let ended = refresh_token::table.filter(refresh_token::expires_at.lt(At(now)));
    let refresh = on_backend!(conn, c => diesel::delete(ended).execute(c))?;
    // A message outlives its code for a day, so that support can see why none arrived.
    let before = now - chrono::TimeDelta::days(1);
    let codes = phone_code::table.filter(phone_code::expires_at.lt(At(before)));
    let codes = on_backend!(conn, c => diesel::delete(codes).execute(c))?;
    let texts = text_message::table
        .filter(text_message::expires_at.lt(At(before)))
        .filter(text_message::next_try_at.is_null());
    let texts = on_backend!(conn, c => diesel::delete(texts).execute(c))?;
    let tries = crate::check_in::card_tries::card_tries_forget(conn, now)?;
    Ok(assertions + refresh + codes + texts + tries)
}
