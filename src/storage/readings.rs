//! Readings, and what was said of the worker's state while measuring.

use diesel::prelude::*;

use super::{
    conn::Conn,
    dialect::{each, insert_few},
    prepared::PreparedDsl,
    schema::{check_in, reading},
    sql_types::At,
};
use crate::domain::{
    ids::{CheckInId, ReadingId, StationId, WorkerId},
    time::Timestamp,
    vitals::{AssessmentContext, ReadingKind, ValidReading},
};

/// A reading as stored; units are those of its kind.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = reading)]
pub struct ReadingRow {
    /// Which reading.
    pub id: ReadingId,
    /// What was measured.
    pub kind: ReadingKind,
    /// The value, in the kind's unit.
    pub value: i64,
    /// The diastolic value of a blood pressure.
    pub second: Option<i64>,
    /// The unit, as UCUM code.
    pub unit: String,
    /// The measuring device.
    pub device: String,
    /// For glucose.
    pub fasting: Option<bool>,
    /// When.
    pub measured_at: Timestamp,
}

impl ReadingRow {
    /// As the rules know it.
    pub fn to_valid(&self) -> ValidReading {
        ValidReading {
            kind: self.kind,
            value: self.value,
            second: self.second,
            device: self.device.clone(),
            measured_at: self.measured_at,
            fasting: self.fasting,
        }
    }
}

#[derive(Debug, Insertable)]
#[diesel(table_name = reading, treat_none_as_default_value = false)]
struct NewReading<'a> {
    id: ReadingId,
    check_in_id: CheckInId,
    worker_id: WorkerId,
    station_id: StationId,
    kind: ReadingKind,
    value: i64,
    second: Option<i64>,
    unit: &'static str,
    device: &'a str,
    fasting: Option<bool>,
    measured_at: At,
    recorded_at: At,
}

/// Where readings are taken.
#[derive(Debug, Clone, Copy)]
pub struct ReadingPlace {
    /// In which check-in.
    pub check_in: CheckInId,
    /// Whose.
    pub worker: WorkerId,
    /// Where.
    pub station: StationId,
}

/// Adds readings; returns their ids in the same order.
pub fn readings_add(
    conn: &mut Conn,
    place: ReadingPlace,
    readings: &[ValidReading],
    now: Timestamp,
) -> QueryResult<Vec<ReadingId>> {
    let rows: Vec<NewReading<'_>> = readings
        .iter()
        .map(|valid| NewReading {
            id: ReadingId::generate(),
            check_in_id: place.check_in,
            worker_id: place.worker,
            station_id: place.station,
            kind: valid.kind,
            value: valid.value,
            second: valid.second,
            unit: valid.kind.range().unit,
            device: &valid.device,
            fasting: valid.fasting,
            measured_at: At(valid.measured_at),
            recorded_at: At(now),
        })
        .collect();
    insert_few!(conn, reading::table, &rows)?;
    Ok(rows.iter().map(|row| row.id).collect())
}

/// The readings of one check-in, oldest first.
pub fn readings_of_check_in(conn: &mut Conn, id: CheckInId) -> QueryResult<Vec<ReadingRow>> {
    each!(conn, c => reading::table
        .filter(reading::check_in_id.eq(id))
        .order(reading::id)
        .limit(500)
        .select(ReadingRow::as_select())
        .load(c))
}

/// Keeps what was said of the worker's state in this check-in.
pub fn context_set(conn: &mut Conn, id: CheckInId, context: &AssessmentContext) -> QueryResult<()> {
    let text = serde_json::to_string(context).unwrap_or_default();
    diesel::update(check_in::table.find(id))
        .set(check_in::context.eq(Some(text)))
        .prepared()
        .execute(conn)
        .map(|_| ())
}

/// What was said of the worker's state in this check-in.
pub fn context_fetch(conn: &mut Conn, id: CheckInId) -> QueryResult<AssessmentContext> {
    let text: Option<String> = each!(conn, c => check_in::table.find(id).select(check_in::context).first(c))?;
    text.map_or(Ok(AssessmentContext::default()), |text| {
        serde_json::from_str(&text)
            .map_err(|error| diesel::result::Error::DeserializationError(Box::new(error)))
    })
}
