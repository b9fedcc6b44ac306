//! Emergencies at stations: raised in the transaction that stored the fact, shown to the operators
//! at once, and open until an operator has dealt with them. The list contains the station and the
//! emergency number; only carers see the reason.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    Failure, Recipients, Tx,
    caller::Visit,
    page::{Rows, page},
};
use domain::{
    event::care::AlertEvent,
    ids::{AlertId, CheckInId, ConsultationId, StaffId, StationId},
    refusal::{Code, Refusal},
    spelling,
    triage::{EMERGENCY_NUMBER, RedFlagCode},
};
use storage::{
    Conn,
    alert::{self as store, AlertAtStation, AlertRow, NewAlert},
};

/// An emergency at a station.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct AlertView {
    pub id: AlertId,
    pub station_id: StationId,
    /// The station's code on signs.
    pub station_code: String,
    /// The station's name in Chinese.
    pub station_name_zh: String,
    /// The station's name in English.
    pub station_name_en: String,
    /// In which check-in.
    pub check_in_id: CheckInId,
    /// The consultation that it belongs to, if one was asked for.
    pub consultation_id: Option<ConsultationId>,
    /// Whom to call.
    pub emergency_number: String,
    pub raised_at: DateTime<Utc>,
    /// When it was closed.
    pub closed_at: Option<DateTime<Utc>>,
    pub closed_by: Option<StaffId>,
}

page! {
    /// A page of alerts.
    AlertList of AlertView, "Oldest first.", after AlertId
}

/// What was done.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CloseAlert {
    /// In words, 1 to 1000 characters; kept sealed.
    #[schema(value_type = spelling::NoteWords)]
    pub note: String,
}

/// The red flags of an alert.
pub(super) fn flags_of(row: &AlertRow) -> Result<Vec<RedFlagCode>, Failure> {
    Ok(serde_json::from_str(&row.red_flags)?)
}

/// Raises an alert for what is new among `flags`. The caller has locked the worker's row, so that
/// two concurrent facts raise one alert.
pub(super) fn raise(
    tx: &mut Tx<'_>,
    who: Visit,
    consultation: Option<ConsultationId>,
    doctor: Option<StaffId>,
    flags: &[RedFlagCode],
) -> Result<(), Failure> {
    let rows = store::alerts_of_check_in(tx.conn, who.check_in)?;
    let mut known = Vec::new();
    for row in &rows {
        known.extend(flags_of(row)?);
    }
    let fresh = flags.iter().any(|flag| !known.contains(flag));
    let open = rows.iter().find(|row| row.closed_at.is_none());
    let id = match open {
        Some(row) => {
            let mut all = flags_of(row)?;
            all.extend_from_slice(flags);
            all.sort_unstable();
            all.dedup();
            let link = consultation.or(row.consultation_id);
            store::alert_update(tx.conn, row.id, link, &serde_json::to_string(&all)?)?;
            row.id
        }
        None if fresh => {
            let id = AlertId::generate();
            let red_flags = serde_json::to_string(flags)?;
            let new = NewAlert {
                id,
                check_in: who.check_in,
                worker: who.worker,
                station: who.station,
                consultation,
                red_flags: &red_flags,
            };
            store::alert_add(tx.conn, &new, tx.now)?;
            id
        }
        None => return Ok(()),
    };
    if fresh {
        let event = AlertEvent::Raised { station: who.station, check_in: who.check_in, consultation };
        tx.record(id, event, Recipients::both(who.worker, doctor))?;
    }
    Ok(())
}

/// Alerts, oldest first.
pub fn list(
    conn: &mut Conn,
    open_only: bool,
    after: Option<AlertId>,
    limit: u32,
) -> Result<AlertList, Failure> {
    let page = Rows::read(limit, |most| store::alerts_after(conn, open_only, after, most), |row| row.0.id)?;
    Ok(page.map(view).into())
}

/// Closes an alert that an operator has dealt with.
///
/// # Errors
/// `NotFound`; `StateMovedOn` when it is closed already.
pub fn close(tx: &mut Tx<'_>, by: StaffId, id: AlertId, input: &CloseAlert) -> Result<AlertView, Failure> {
    store::alert_fetch(tx.conn, id)?.ok_or(Code::NotFound)?;
    let sealed = tx.app.seal("alert", "note_sealed", id, input.note.trim())?;
    if !store::alert_close(tx.conn, id, by, &sealed, tx.now)? {
        return Err(Refusal::moved_on("closed").into());
    }
    tx.record(id, AlertEvent::Closed { by }, Recipients::nobody())?;
    let row = store::alert_fetch(tx.conn, id)?.ok_or(Code::NotFound)?;
    let (code, name_zh, name_en) = storage::network::places::station_names(tx.conn, row.station_id)?;
    Ok(view((row, code, name_zh, name_en)))
}

fn view((row, code, name_zh, name_en): AlertAtStation) -> AlertView {
    AlertView {
        id: row.id,
        station_id: row.station_id,
        station_code: code,
        station_name_zh: name_zh,
        station_name_en: name_en,
        check_in_id: row.check_in_id,
        consultation_id: row.consultation_id,
        emergency_number: EMERGENCY_NUMBER.to_owned(),
        raised_at: row.raised_at,
        closed_at: row.closed_at,
        closed_by: row.closed_by,
    }
}
