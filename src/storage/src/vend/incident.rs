//! Incidents that a person must look at.

use diesel::prelude::*;

use crate::{conn::Conn, dialect::on_backend, prepared::PreparedDsl, schema::incident, sql_types::At};
use domain::{
    ids::{AttemptId, CabinetId, IncidentId, StaffId},
    time::Timestamp,
    vend::event::IncidentKind,
};

/// An incident as stored.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = incident)]
pub struct IncidentRow {
    pub id: IncidentId,
    pub cabinet_id: CabinetId,
    pub kind: IncidentKind,
    pub slot_no: Option<i32>,
    pub attempt_id: Option<AttemptId>,
    /// Codes and figures, as JSON.
    pub detail: String,
    pub opened_at: Timestamp,
    pub closed_at: Option<Timestamp>,
    pub closed_by: Option<StaffId>,
}

/// An incident to be inserted.
#[derive(Debug, Clone)]
pub struct NewIncident {
    pub id: IncidentId,
    pub cabinet_id: CabinetId,
    pub kind: IncidentKind,
    pub slot_no: Option<i32>,
    pub attempt_id: Option<AttemptId>,
    /// Codes and figures, as JSON.
    pub detail: String,
}

/// Opens an incident.
pub fn incident_open(conn: &mut Conn, new: &NewIncident, now: Timestamp) -> QueryResult<()> {
    on_backend!(conn, c => diesel::insert_into(incident::table)
        .values((
            incident::id.eq(new.id),
            incident::cabinet_id.eq(new.cabinet_id),
            incident::kind.eq(new.kind),
            incident::slot_no.eq(new.slot_no),
            incident::attempt_id.eq(new.attempt_id),
            incident::detail.eq(new.detail.as_str()),
            incident::opened_at.eq(At(now)),
        ))
        .execute(c))
    .map(|_| ())
}

pub fn incident_fetch(conn: &mut Conn, id: IncidentId) -> QueryResult<Option<IncidentRow>> {
    on_backend!(conn, c => incident::table.find(id).select(IncidentRow::as_select()).first(c)).optional()
}

/// Whether a cabinet has an open incident of one of these kinds.
pub fn incident_is_open(conn: &mut Conn, cabinet: CabinetId, kinds: &[IncidentKind]) -> QueryResult<bool> {
    on_backend!(conn, c => incident::table
        .filter(incident::closed_at.is_null())
        .filter(incident::cabinet_id.eq(cabinet))
        .filter(incident::kind.eq_any(kinds.iter().copied()))
        .select(incident::id)
        .first::<IncidentId>(c))
    .optional()
    .map(|found| found.is_some())
}

/// Whether there ever was an incident of this kind about an attempt.
pub fn incident_over(
    conn: &mut Conn,
    cabinet: CabinetId,
    attempt: AttemptId,
    kind: IncidentKind,
) -> QueryResult<bool> {
    on_backend!(conn, c => incident::table
        .filter(incident::cabinet_id.eq(cabinet))
        .filter(incident::attempt_id.eq(Some(attempt)))
        .filter(incident::kind.eq(kind))
        .select(incident::id)
        .first::<IncidentId>(c))
    .optional()
    .map(|found| found.is_some())
}

/// Incidents after an id; only open ones where asked.
pub fn incidents_after(
    conn: &mut Conn,
    open_only: bool,
    after: Option<IncidentId>,
    limit: i64,
) -> QueryResult<Vec<IncidentRow>> {
    let after = after.unwrap_or(IncidentId::from_uuid(uuid::Uuid::nil()));
    on_backend!(conn, c => {
        let base = incident::table
            .filter(incident::id.gt(after))
            .order(incident::id)
            .limit(limit)
            .select(IncidentRow::as_select());
        if open_only { base.filter(incident::closed_at.is_null()).load(c) } else { base.load(c) }
    })
}

/// Closes an incident; `false` when it is closed already.
pub fn incident_close(
    conn: &mut Conn,
    id: IncidentId,
    by: StaffId,
    note_sealed: &[u8],
    now: Timestamp,
) -> QueryResult<bool> {
    diesel::update(incident::table.find(id))
        .filter(incident::closed_at.is_null())
        .set((
            incident::closed_at.eq(Some(At(now))),
            incident::closed_by.eq(Some(by)),
            incident::note_sealed.eq(Some(note_sealed)),
        ))
        .prepared()
        .execute(conn)
        .map(|rows| rows == 1)
}
