//! How soon a consultation must be seen, and why.

pub mod facts;
pub mod recent;

use diesel::prelude::*;

use super::{conn::Conn, prepared::PreparedDsl, schema::consultation};
use domain::ids::ConsultationId;

/// Writes the red flags raised so far, as a JSON list of codes.
pub fn red_flags_set(conn: &mut Conn, id: ConsultationId, red_flags: &str) -> QueryResult<()> {
    diesel::update(consultation::table.find(id))
        .set(consultation::red_flags.eq(Some(red_flags)))
        .prepared()
        .execute(conn)
        .map(|_| ())
}
