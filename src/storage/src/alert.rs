//! Emergencies at stations that an operator must handle.

use diesel::prelude::*;

use super::{
    conn::Conn,
    dialect::on_backend,
    prepared::PreparedDsl,
    schema::{alert, station},
    sql_types::At,
};
use domain::{
    ids::{AlertId, CheckInId, ConsultationId, StaffId, StationId, WorkerId},
    time::Timestamp,
};

/// An alert as stored.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = alert)]
pub struct AlertRow {
    pub id: AlertId,
    pub check_in_id: CheckInId,
    pub station_id: StationId,
    /// Set when a consultation was requested.
    pub consultation_id: Option<ConsultationId>,
    /// Codes of red flags, as a JSON list; shown to carers only.
    pub red_flags: String,
    pub raised_at: Timestamp,
    pub closed_at: Option<Timestamp>,
    pub closed_by: Option<StaffId>,
}

/// An alert to be inserted.
#[derive(Debug, Clone)]
pub struct NewAlert<'a> {
    pub id: AlertId,
    pub check_in: CheckInId,
    pub worker: WorkerId,
    pub station: StationId,
    pub consultation: Option<ConsultationId>,
    /// Codes of red flags, as a JSON list.
    pub red_flags: &'a str,
}

/// Raises an alert. A check-in has one open alert at most.
pub fn alert_add(conn: &mut Conn, new: &NewAlert<'_>, now: Timestamp) -> QueryResult<()> {
    on_backend!(conn, c => diesel::insert_into(alert::table)
        .values((
            alert::id.eq(new.id),
            alert::check_in_id.eq(new.check_in),
            alert::worker_id.eq(new.worker),
            alert::station_id.eq(new.station),
            alert::consultation_id.eq(new.consultation),
            alert::red_flags.eq(new.red_flags),
            alert::raised_at.eq(At(now)),
        ))
        .execute(c))
    .map(|_| ())
}

/// Updates an open alert.
pub fn alert_update(
    conn: &mut Conn,
    id: AlertId,
    consultation: Option<ConsultationId>,
    red_flags: &str,
) -> QueryResult<()> {
    diesel::update(alert::table.find(id))
        .set((alert::consultation_id.eq(consultation), alert::red_flags.eq(red_flags)))
        .prepared()
        .execute(conn)
        .map(|_| ())
}

pub fn alert_fetch(conn: &mut Conn, id: AlertId) -> QueryResult<Option<AlertRow>> {
    on_backend!(conn, c => alert::table.find(id).select(AlertRow::as_select()).first(c)).optional()
}

/// The alerts of a check-in, oldest first.
pub fn alerts_of_check_in(conn: &mut Conn, check_in: CheckInId) -> QueryResult<Vec<AlertRow>> {
    on_backend!(conn, c => alert::table
        .filter(alert::check_in_id.eq(check_in))
        .order(alert::id)
        .limit(100)
        .select(AlertRow::as_select())
        .load(c))
}

/// An alert with its station's code and names.
pub type AlertAtStation = (AlertRow, String, String, String);

/// Alerts after an id; only open ones where asked.
pub fn alerts_after(
    conn: &mut Conn,
    open_only: bool,
    after: Option<AlertId>,
    limit: i64,
) -> QueryResult<Vec<AlertAtStation>> {
    let after = after.unwrap_or(AlertId::from_uuid(uuid::Uuid::nil()));
    on_backend!(conn, c => {
        let base = alert::table
            .inner_join(station::table)
            .filter(alert::id.gt(after))
            .order(alert::id)
            .limit(limit)
            .select((AlertRow::as_select(), station::code, station::name_zh, station::name_en));
        if open_only { base.filter(alert::closed_at.is_null()).load(c) } else { base.load(c) }
    })
}

/// Closes an alert; `false` when it is closed already.
pub fn alert_close(
    conn: &mut Conn,
    id: AlertId,
    by: StaffId,
    note_sealed: &[u8],
    now: Timestamp,
) -> QueryResult<bool> {
    diesel::update(alert::table.find(id))
        .filter(alert::closed_at.is_null())
        .set((
            alert::closed_at.eq(Some(At(now))),
            alert::closed_by.eq(Some(by)),
            alert::note_sealed.eq(Some(note_sealed)),
        ))
        .prepared()
        .execute(conn)
        .map(|rows| rows == 1)
}
