//! Incidents that a person must handle, and the effects of closing one.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::lock_cabinet;
use crate::{
    Failure, Recipients, Tx,
    page::{Rows, page},
    stock::LoadedSlot,
};
use domain::{
    event::cabinet::{CabinetEvent, IncidentEvent},
    ids::{AttemptId, CabinetId, IncidentId, StaffId},
    refusal::{Code, Refusal},
    spelling,
    stock::SlotCommand,
    vend::event::IncidentKind,
};
use storage::{
    Conn,
    vend::incident::{self as store, IncidentRow, NewIncident},
};

/// An incident at a cabinet.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct IncidentView {
    pub id: IncidentId,
    /// At which cabinet.
    pub cabinet_id: CabinetId,
    /// What kind.
    pub kind: IncidentKind,
    /// At which slot.
    pub slot_no: Option<i32>,
    /// About which attempt.
    pub attempt_id: Option<AttemptId>,
    /// Codes and figures.
    #[schema(value_type = Object)]
    pub detail: Value,
    pub opened_at: DateTime<Utc>,
    /// When it was closed.
    pub closed_at: Option<DateTime<Utc>>,
    pub closed_by: Option<StaffId>,
}

page! {
    /// A page of incidents.
    IncidentList of IncidentView, "Oldest first.", after IncidentId
}

/// What was found.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CloseIncident {
    /// In words, 1 to 1000 characters; kept sealed.
    #[schema(value_type = spelling::NoteWords)]
    pub note: String,
}

/// Opens an incident and notifies the operators.
pub(crate) fn open(
    tx: &mut Tx<'_>,
    cabinet_id: CabinetId,
    kind: IncidentKind,
    slot_no: Option<i32>,
    attempt_id: Option<AttemptId>,
    detail: Value,
) -> Result<(), Failure> {
    let id = IncidentId::generate();
    let new = NewIncident { id, cabinet_id, kind, slot_no, attempt_id, detail: detail.to_string() };
    store::incident_open(tx.conn, &new, tx.now)?;
    let event = IncidentEvent::Opened { cabinet: cabinet_id, kind, slot: slot_no, attempt: attempt_id };
    tx.record(id, event, Recipients::nobody())
}

/// Incidents, oldest first.
pub fn incidents(
    conn: &mut Conn,
    open_only: bool,
    after: Option<IncidentId>,
    limit: u32,
) -> Result<IncidentList, Failure> {
    let page = Rows::read(limit, |most| store::incidents_after(conn, open_only, after, most), |row| row.id)?;
    Ok(page.show(|rows| rows.into_iter().map(view).collect())?.into())
}

/// Closes an incident. With the last alarm of its kind the tamper alarm ends; a slot that was
/// closed by it still waits for a count.
///
/// # Errors
/// `NotFound`; `StateMovedOn` when it is closed already.
pub fn close_incident(
    tx: &mut Tx<'_>,
    by: StaffId,
    id: IncidentId,
    input: &CloseIncident,
) -> Result<IncidentView, Failure> {
    let cabinet = store::incident_fetch(tx.conn, id)?.ok_or(Code::NotFound)?.cabinet_id;
    lock_cabinet(tx, cabinet)?;
    let sealed = tx.app.seal("incident", "note_sealed", id, input.note.trim())?;
    if !store::incident_close(tx.conn, id, by, &sealed, tx.now)? {
        return Err(Refusal::moved_on("closed").into());
    }
    tx.record(id, IncidentEvent::Closed { by }, Recipients::nobody())?;
    let row = store::incident_fetch(tx.conn, id)?.ok_or(Code::NotFound)?;
    let alarms = [IncidentKind::Tamper, IncidentKind::JournalFork];
    if alarms.contains(&row.kind)
        && !store::incident_is_open(tx.conn, row.cabinet_id, &alarms)?
        && storage::vend::journal::cabinet_tamper(tx.conn, row.cabinet_id, false)?
    {
        tx.record(row.cabinet_id, CabinetEvent::TamperCleared {}, Recipients::nobody())?;
    }
    if let Some(number) = row.slot_no
        && let Some(slot) = storage::stock::slot_fetch(tx.conn, row.cabinet_id, number)?
    {
        LoadedSlot::new(tx, slot.row)?.command(tx, SlotCommand::Examined)?;
    }
    view(row)
}

fn view(row: IncidentRow) -> Result<IncidentView, Failure> {
    Ok(IncidentView {
        id: row.id,
        cabinet_id: row.cabinet_id,
        kind: row.kind,
        slot_no: row.slot_no,
        attempt_id: row.attempt_id,
        detail: serde_json::from_str(&row.detail)?,
        opened_at: row.opened_at,
        closed_at: row.closed_at,
        closed_by: row.closed_by,
    })
}
