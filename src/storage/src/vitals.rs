//! Readings, and what was entered about the worker's state while measuring.

use diesel::prelude::*;

use super::{
    conn::Conn,
    dialect::{insert_few, on_backend},
    prepared::PreparedDsl,
    schema::{check_in, reading},
    sql_types::At,
};
use domain::{
    ids::{CheckInId, ReadingId, StationId, WorkerId},
    time::Timestamp,
    triage::{SymptomFlag, TimedReading},
    vitals::{AssessmentContext, Beyond, ReadingKind, ValidReading},
};

/// A reading as stored; units are those of its kind.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = reading)]
pub struct ReadingRow {
    pub id: ReadingId,
    pub kind: ReadingKind,
    /// In the unit of the kind; `None` where the device showed a text instead of a number.
    pub value: Option<i64>,
    /// The text that the device showed instead of a number.
    pub beyond: Option<Beyond>,
    /// The diastolic value of a blood pressure.
    pub second: Option<i64>,
    /// UCUM code.
    pub unit: String,
    pub device: String,
    /// For glucose only.
    pub fasting: Option<bool>,
    pub measured_at: Timestamp,
    /// When the server received it.
    pub recorded_at: Timestamp,
}

impl ReadingRow {
    /// The reading as a value of the domain rules.
    pub(crate) fn to_valid(&self) -> ValidReading {
        ValidReading {
            kind: self.kind,
            value: self.value,
            beyond: self.beyond,
            second: self.second,
            device: self.device.clone(),
            measured_at: self.measured_at,
            fasting: self.fasting,
        }
    }

    /// [`Self::to_valid`] with the time at which the server received it.
    pub fn to_timed(&self) -> TimedReading {
        TimedReading { reading: self.to_valid(), recorded_at: self.recorded_at }
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
    value: Option<i64>,
    beyond: Option<Beyond>,
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
    pub check_in: CheckInId,
    pub worker: WorkerId,
    pub station: StationId,
}

/// Adds readings; returns their rows in the same order.
pub fn readings_add(
    conn: &mut Conn,
    place: ReadingPlace,
    readings: &[ValidReading],
    now: Timestamp,
) -> QueryResult<Vec<ReadingRow>> {
    let rows: Vec<NewReading<'_>> = readings
        .iter()
        .map(|valid| NewReading {
            id: ReadingId::generate(),
            check_in_id: place.check_in,
            worker_id: place.worker,
            station_id: place.station,
            kind: valid.kind,
            value: valid.value,
            beyond: valid.beyond,
            second: valid.second,
            unit: valid.kind.range().unit,
            device: &valid.device,
            fasting: valid.fasting,
            measured_at: At(valid.measured_at),
            recorded_at: At(now),
        })
        .collect();
    insert_few!(conn, reading::table, &rows)?;
    let stored = rows.into_iter().zip(readings).map(|(row, valid)| ReadingRow {
        id: row.id,
        kind: valid.kind,
        value: valid.value,
        beyond: valid.beyond,
        second: valid.second,
        unit: row.unit.to_owned(),
        device: valid.device.clone(),
        fasting: valid.fasting,
        measured_at: valid.measured_at,
        recorded_at: now,
    });
    Ok(stored.collect())
}

/// Most readings of one check-in or consultation that are read; the newest.
const MOST: i64 = 500;

/// The newest readings of one check-in, oldest first.
pub fn readings_of_check_in(conn: &mut Conn, id: CheckInId) -> QueryResult<Vec<ReadingRow>> {
    let mut rows: Vec<ReadingRow> = on_backend!(conn, c => reading::table
        .filter(reading::check_in_id.eq(id))
        .order(reading::id.desc())
        .limit(MOST)
        .select(ReadingRow::as_select())
        .load(c))?;
    rows.reverse();
    Ok(rows)
}

/// The time span of a check-in or consultation, and the readings that belong to it.
#[derive(Debug, Clone, Copy)]
pub struct CareSpan {
    pub worker: WorkerId,
    /// The check-in, or the one in which the consultation was requested: all of its readings count.
    pub check_in: CheckInId,
    /// Readings received from then on belong to it, at any screen.
    pub since: Timestamp,
    pub until: Option<Timestamp>,
}

/// Midnight that begins the year 10000.
const NEVER: i64 = 253_402_300_800;

impl CareSpan {
    /// A span that has not ended has no end that anything could be later than.
    fn ends_by(&self) -> Timestamp {
        self.until.or_else(|| Timestamp::from_timestamp(NEVER, 0)).unwrap_or(self.since)
    }
}

/// The newest readings of a span, oldest first: those of its check-in, and all received from its
/// beginning to its end.
pub fn readings_of_care(conn: &mut Conn, span: CareSpan) -> QueryResult<Vec<ReadingRow>> {
    let mut rows: Vec<ReadingRow> = on_backend!(conn, c => reading::table
        .filter(reading::worker_id.eq(span.worker))
        .filter(reading::check_in_id.eq(span.check_in).or(reading::recorded_at.ge(At(span.since))))
        .filter(reading::recorded_at.le(At(span.ends_by())))
        .order(reading::id.desc())
        .limit(MOST)
        .select(ReadingRow::as_select())
        .load(c))?;
    rows.reverse();
    Ok(rows)
}

/// What was entered at a check-in's screen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Said {
    /// The state of the worker.
    pub context: AssessmentContext,
    /// Symptoms that were ticked.
    pub symptoms: Vec<SymptomFlag>,
}

pub(crate) type StateRow = (Option<String>, Option<String>);

pub(crate) fn decode_state((context, symptoms): StateRow) -> QueryResult<Said> {
    let invalid = |error| diesel::result::Error::DeserializationError(Box::new(error));
    Ok(Said {
        context: context
            .map_or(Ok(AssessmentContext::default()), |text| serde_json::from_str(&text).map_err(invalid))?,
        symptoms: symptoms.map_or(Ok(Vec::new()), |text| serde_json::from_str(&text).map_err(invalid))?,
    })
}

/// What was entered in one check-in.
pub fn entered_in_check_in(conn: &mut Conn, id: CheckInId) -> QueryResult<Said> {
    let row: StateRow = on_backend!(conn, c => check_in::table
        .find(id)
        .select((check_in::context, check_in::symptoms))
        .first(c))?;
    decode_state(row)
}

/// What was entered during a consultation, from the check-in in which it was requested: the newest
/// value of each part of the state, and every symptom.
pub fn entered_in_care(conn: &mut Conn, span: CareSpan) -> QueryResult<Said> {
    // No limit: what was entered first counts until something else is entered, however often the worker
    // has checked in again since.
    let rows: Vec<StateRow> = on_backend!(conn, c => check_in::table
        .filter(check_in::worker_id.eq(span.worker))
        .filter(check_in::id.ge(span.check_in))
        .filter(check_in::started_at.le(At(span.ends_by())))
        .filter(check_in::context.is_not_null().or(check_in::symptoms.is_not_null()))
        .order(check_in::id)
        .select((check_in::context, check_in::symptoms))
        .load(c))?;
    let mut all = Said::default();
    for row in rows {
        let entered = decode_state(row)?;
        all.context = AssessmentContext {
            consciousness: entered.context.consciousness.or(all.context.consciousness),
            supplemental_oxygen: entered.context.supplemental_oxygen.or(all.context.supplemental_oxygen),
            spo2_scale: entered.context.spo2_scale.or(all.context.spo2_scale),
        };
        all.symptoms.extend(entered.symptoms);
    }
    all.symptoms.sort_unstable();
    all.symptoms.dedup();
    Ok(all)
}

/// Stores the symptoms that were ticked in this check-in.
pub fn symptoms_set(conn: &mut Conn, id: CheckInId, symptoms: &[SymptomFlag]) -> QueryResult<()> {
    let text = serde_json::to_string(symptoms).unwrap_or_default();
    diesel::update(check_in::table.find(id))
        .set(check_in::symptoms.eq(Some(text)))
        .prepared()
        .execute(conn)
        .map(|_| ())
}

/// Stores by when a single extreme reading of this check-in must be measured again; `None` ends the
/// wait.
pub fn measure_again_set(conn: &mut Conn, id: CheckInId, by: Option<Timestamp>) -> QueryResult<()> {
    let row = diesel::update(check_in::table.find(id));
    match by {
        Some(by) => row.set(check_in::measure_again_by.eq(Some(At(by)))).prepared().execute(conn),
        None => row
            .filter(check_in::measure_again_by.is_not_null())
            .set(check_in::measure_again_by.eq(None::<At>))
            .prepared()
            .execute(conn),
    }
    .map(|_| ())
}

/// Check-ins behind `after` whose extreme reading was not measured again in time: check-in, worker and station.
pub fn measure_again_due(
    conn: &mut Conn,
    now: Timestamp,
    after: CheckInId,
    limit: i64,
) -> QueryResult<Vec<(CheckInId, WorkerId, StationId)>> {
    on_backend!(conn, c => check_in::table
        .filter(check_in::measure_again_by.is_not_null())
        .filter(check_in::measure_again_by.le(Some(At(now))))
        .filter(check_in::id.gt(after))
        .order(check_in::id)
        .limit(limit)
        .select((check_in::id, check_in::worker_id, check_in::station_id))
        .load(c))
}

/// Stores the worker's state as entered in this check-in.
pub fn context_set(conn: &mut Conn, id: CheckInId, context: &AssessmentContext) -> QueryResult<()> {
    let text = serde_json::to_string(context).unwrap_or_default();
    diesel::update(check_in::table.find(id))
        .set(check_in::context.eq(Some(text)))
        .prepared()
        .execute(conn)
        .map(|_| ())
}
