//! How soon a consultation must be seen, and why.

pub mod recent;

use diesel::prelude::*;

use super::{conn::Conn, prepared::PreparedDsl, schema::consultation, sql_types::At};
use domain::{ids::ConsultationId, time::Timestamp, triage::TriageLevel};

/// Writes how soon a consultation must be seen, and its sort key in the queue. The caller must have
/// the row locked.
pub fn triage_set(
    conn: &mut Conn,
    id: ConsultationId,
    level: TriageLevel,
    ranked_since: Timestamp,
) -> QueryResult<()> {
    diesel::update(consultation::table.find(id))
        .set((consultation::triage.eq(level), consultation::ranked_since.eq(At(ranked_since))))
        .prepared()
        .execute(conn)
        .map(|_| ())
}

/// Writes the red flags raised so far, as a JSON list of codes.
pub fn red_flags_set(conn: &mut Conn, id: ConsultationId, red_flags: &str) -> QueryResult<()> {
    diesel::update(consultation::table.find(id))
        .set(consultation::red_flags.eq(Some(red_flags)))
        .prepared()
        .execute(conn)
        .map(|_| ())
}
