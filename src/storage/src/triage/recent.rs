//! Recent readings, alerts and consultations, over all rows of one person and at any station.

use diesel::prelude::*;

use crate::{
    alert::AlertRow,
    code_literals::CodeDsl,
    conn::Conn,
    consultation::ConsultationRow,
    dialect::on_backend,
    schema::{alert, consultation, reading},
    sql_types::At,
    vitals::ReadingRow,
};
use domain::{consultation::ConsultationState, ids::WorkerId, time::Timestamp};

/// Most rows that are read; of readings the newest.
const MOST: i64 = 500;

/// Readings of a person that the server received since `since`, oldest first within each row of the
/// person.
pub fn readings_lately(
    conn: &mut Conn,
    person: &[WorkerId],
    since: Timestamp,
) -> QueryResult<Vec<ReadingRow>> {
    let mut all = Vec::new();
    for who in person {
        let mut rows: Vec<ReadingRow> = on_backend!(conn, c => reading::table
            .filter(reading::worker_id.eq(*who))
            .filter(reading::recorded_at.ge(At(since)))
            .order(reading::id.desc())
            .limit(MOST)
            .select(ReadingRow::as_select())
            .load(c))?;
        rows.reverse();
        all.extend(rows);
    }
    Ok(all)
}

/// Emergencies of a person that were raised after `since`.
pub fn alerts_lately(conn: &mut Conn, person: &[WorkerId], since: Timestamp) -> QueryResult<Vec<AlertRow>> {
    let mut all = Vec::new();
    for who in person {
        let rows: Vec<AlertRow> = on_backend!(conn, c => alert::table
            .filter(alert::worker_id.eq(*who))
            .filter(alert::raised_at.gt(At(since)))
            .limit(MOST)
            .select(AlertRow::as_select())
            .load(c))?;
        all.extend(rows);
    }
    Ok(all)
}

/// The newest consultation of a person that a doctor completed since `since`.
pub fn completed_lately(
    conn: &mut Conn,
    person: &[WorkerId],
    since: Timestamp,
) -> QueryResult<Option<ConsultationRow>> {
    let mut newest: Option<ConsultationRow> = None;
    for who in person {
        let row: Option<ConsultationRow> = on_backend!(conn, c => consultation::table
            .filter(consultation::worker_id.eq(*who))
            .filter(consultation::state.eq_code(ConsultationState::Completed))
            .filter(consultation::ended_at.gt(Some(At(since))))
            .order(consultation::id.desc())
            .select(ConsultationRow::as_select())
            .first(c))
        .optional()?;
        if newest.as_ref().map(|row| row.ended_at) < row.as_ref().map(|row| row.ended_at) {
            newest = row;
        }
    }
    Ok(newest)
}
