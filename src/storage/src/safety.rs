//! Data of the safety check besides the profile: the newest readings of a worker, packs that are or
//! may still be taken, prescriptions in effect.

use std::collections::HashMap;

use diesel::{dsl::exists, prelude::*};

use super::{
    code_literals::CodeDsl,
    conn::Conn,
    dialect::on_backend,
    events::AnyId,
    prepared::{PreparedDsl, padded},
    schema::{alert, event, order_unit, prescription, prescription_line, reading, worker},
    sql_types::At,
};
use domain::{
    ids::{OrderId, PrescriptionId, WorkerId},
    order::UnitState,
    prescription::PrescriptionState,
    time::Timestamp,
    vitals::{Beyond, ReadingKind},
};

/// Most packs that are read of one worker, who normally has a few at a time.
const MOST_UNITS: i64 = 500;

/// The newest reading of one kind: value, diastolic value, and whether it was above or below the
/// device's range.
pub type NewestReading = (Option<i64>, Option<i64>, Option<Beyond>);

/// The newest reading of each of these kinds since `since`.
pub fn readings_newest(
    conn: &mut Conn,
    worker: WorkerId,
    kinds: &[ReadingKind],
    since: Timestamp,
) -> QueryResult<HashMap<ReadingKind, NewestReading>> {
    type Row = (ReadingKind, Option<i64>, Option<i64>, Option<Beyond>);
    let rows: Vec<Row> = on_backend!(conn, c => reading::table
        .filter(reading::worker_id.eq(worker))
        .filter(reading::kind.eq_any_code(kinds))
        .filter(reading::measured_at.ge(At(since)))
        // Nothing is recorded before it was measured; this is what the index knows.
        .filter(reading::recorded_at.ge(At(since)))
        .order((reading::measured_at, reading::id))
        .select((reading::kind, reading::value, reading::second, reading::beyond))
        .load(c))?;
    Ok(rows.into_iter().map(|(kind, value, second, beyond)| (kind, (value, second, beyond))).collect())
}

/// One pack of a worker.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = order_unit)]
pub struct TakenUnit {
    pub order_id: OrderId,
    pub prescription_id: Option<PrescriptionId>,
    pub line_no: Option<i32>,
    pub product_code: String,
    /// Thousandths of a unit a day.
    pub daily_units_thousandths: i64,
    pub days: i32,
    pub state: UnitState,
    /// When it was dispensed.
    pub ended_at: Option<Timestamp>,
}

/// Packs of a person that were dispensed since `since`, and those that may still be dispensed; the
/// newest first.
pub fn units_taken(conn: &mut Conn, person: &[WorkerId], since: Timestamp) -> QueryResult<Vec<TakenUnit>> {
    let open = order_unit::ended_at.is_null().and(order_unit::state.of_code(UnitState::is_open));
    let dispensed =
        order_unit::ended_at.ge(Some(At(since))).and(order_unit::state.eq_code(UnitState::Dispensed));
    on_backend!(conn, c => order_unit::table
        .filter(order_unit::worker_id.eq_any(padded(person)))
        .filter(open.or(dispensed.assume_not_null()))
        .order(order_unit::id.desc())
        .limit(MOST_UNITS)
        .select(TakenUnit::as_select())
        .prepared()
        .load(c))
}

/// A line of another prescription in effect.
#[derive(Debug, Clone, Queryable)]
pub struct OtherLine {
    pub prescription_id: PrescriptionId,
    pub line_no: i32,
    pub product_code: String,
    /// Thousandths of a unit at a time.
    pub dose_units_thousandths: i64,
    pub times_per_day: i32,
    pub days: i32,
}

/// The lines of a person's signed and approved prescriptions, except those of `except`.
pub fn other_lines(
    conn: &mut Conn,
    person: &[WorkerId],
    except: Option<PrescriptionId>,
    now: Timestamp,
) -> QueryResult<Vec<OtherLine>> {
    let lines: Vec<OtherLine> = on_backend!(conn, c => prescription_line::table
        .inner_join(prescription::table)
        .filter(prescription::worker_id.eq_any(padded(person)))
        .filter(prescription::state.eq_any_code(&[PrescriptionState::Signed, PrescriptionState::Approved]))
        .filter(prescription::valid_until.ge(Some(At(now))))
        .order((prescription_line::prescription_id, prescription_line::line_no))
        .select((
            prescription_line::prescription_id,
            prescription_line::line_no,
            prescription_line::product_code,
            prescription_line::dose_units_thousandths,
            prescription_line::times_per_day,
            prescription_line::days,
        ))
        .prepared()
        .load(c))?;
    Ok(lines.into_iter().filter(|line| Some(line.prescription_id) != except).collect())
}

/// The workers with the phone of `who`, and `who`: walk-ins are a new row at every visit.
pub fn same_phone(conn: &mut Conn, who: WorkerId) -> QueryResult<Vec<WorkerId>> {
    let own = diesel::alias!(worker as own_worker);
    let phone = own
        .filter(own.field(worker::id).eq(who))
        .filter(own.field(worker::phone_index).ne(Vec::new()))
        .select(own.field(worker::phone_index));
    let mut rows: Vec<WorkerId> = on_backend!(conn, c => worker::table
        .filter(worker::phone_index.eq_any(phone))
        .select(worker::id)
        .load(c))?;
    if !rows.contains(&who) {
        rows.push(who);
    }
    Ok(rows)
}

/// Whether since `since` a worker's profile or record was written, a reading was taken or an alert
/// was raised, or an alert is still open, to which later statements are added. One statement.
pub fn facts_since(conn: &mut Conn, who: WorkerId, since: Timestamp) -> QueryResult<bool> {
    // Profile and record use streams with the worker's own id.
    let written = event::table
        .filter(event::stream_id.eq(AnyId::from_uuid(who.uuid())))
        .filter(event::at.ge(At(since)));
    let measured =
        reading::table.filter(reading::worker_id.eq(who)).filter(reading::recorded_at.ge(At(since)));
    let alarmed = alert::table
        .filter(alert::worker_id.eq(who))
        .filter(alert::raised_at.ge(At(since)).or(alert::closed_at.is_null()));
    on_backend!(conn, c => diesel::select(exists(written).or(exists(measured)).or(exists(alarmed))).get_result(c))
}
