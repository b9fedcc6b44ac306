//! Data of the safety check: a worker with profile and newest readings, packs that are or may still
//! be taken, prescriptions in effect.

pub mod edition;

use std::collections::HashMap;

use diesel::{dsl::exists, prelude::*};

use crate::{
    code_literals::CodeDsl,
    conn::Conn,
    dialect::{columns, load_both, on_backend},
    events::AnyId,
    network::worker::WorkerRow,
    prepared::{PreparedDsl, padded},
    profile::ProfileRow,
    schema::{alert, event, health_profile, order_unit, prescription, prescription_line, reading, worker},
    sql_types::{At, Integer, Nullable, Text, Timestamptz, Uuid},
};
use domain::{
    ids::{OrderId, OrderUnitId, PrescriptionId, WorkerId},
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

/// A worker with their profile, and the newest reading of each kind.
#[derive(Debug, Clone)]
pub struct PersonNow {
    pub worker: WorkerRow,
    /// `None` when none was ever written.
    pub profile: Option<ProfileRow>,
    pub newest: HashMap<ReadingKind, NewestReading>,
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

/// Packs of a person that were dispensed since `$since`, and those that may still be dispensed; the
/// newest first.
macro_rules! packs_taken {
    ($person:expr, $since:expr) => {{
        let open = order_unit::ended_at.is_null().and(order_unit::state.of_code(UnitState::is_open));
        let dispensed =
            order_unit::ended_at.ge(Some(At($since))).and(order_unit::state.eq_code(UnitState::Dispensed));
        order_unit::table
            .filter(order_unit::worker_id.eq_any(padded($person)))
            .filter(open.or(dispensed.assume_not_null()))
            .order(order_unit::id.desc())
            .limit(MOST_UNITS)
    }};
}

/// Packs of a person that were dispensed since `since`, and those that may still be dispensed; the
/// newest first.
pub fn units_taken(conn: &mut Conn, person: &[WorkerId], since: Timestamp) -> QueryResult<Vec<TakenUnit>> {
    on_backend!(conn, c => packs_taken!(person, since).select(TakenUnit::as_select()).prepared().load(c))
}

/// A line of another prescription in effect.
#[derive(Debug, Clone)]
pub struct OtherLine {
    pub prescription_id: PrescriptionId,
    pub line_no: i32,
    pub product_code: String,
    /// Thousandths of a unit at a time.
    pub dose_units_thousandths: i64,
    pub times_per_day: i32,
    pub days: i32,
}

/// The courses of a person.
#[derive(Debug, Clone, Default)]
pub struct Courses {
    /// The lines of signed and approved prescriptions.
    pub prescribed: Vec<OtherLine>,
    /// Packs as [`units_taken`] returns them.
    pub taken: Vec<TakenUnit>,
}

/// Whose facts a check reads.
#[derive(Debug, Clone, Copy)]
pub struct Whose<'a> {
    /// Whose profile and readings.
    pub worker: WorkerId,
    /// Whose packs and prescriptions.
    pub person: &'a [WorkerId],
    /// A prescription whose lines are left out.
    pub except: Option<PrescriptionId>,
}

/// A worker, their profile, and the newest reading of each of `kinds` since `measured_since`; and the
/// courses of the person: the lines of signed and approved prescriptions, and the packs that were
/// dispensed since `taken_since` or may still be. One statement: a worker has few of each.
pub fn person_now(
    conn: &mut Conn,
    whose: Whose<'_>,
    kinds: &[ReadingKind],
    (measured_since, taken_since): (Timestamp, Timestamp),
    now: Timestamp,
) -> QueryResult<Option<(PersonNow, Courses)>> {
    type Measured = (ReadingKind, Option<i64>, Option<i64>, Option<Beyond>);
    type Person = (WorkerRow, Option<ProfileRow>, Option<Measured>);
    let prescribed = || {
        prescription_line::table
            .inner_join(prescription::table)
            .filter(prescription::worker_id.eq_any(padded(whose.person)))
            .filter(
                prescription::state.eq_any_code(&[PrescriptionState::Signed, PrescriptionState::Approved]),
            )
            .filter(prescription::valid_until.ge(Some(At(now))))
            .select((
                (
                    None::<OrderUnitId>.into_sql::<Nullable<Uuid>>(),
                    None::<OrderId>.into_sql::<Nullable<Uuid>>(),
                    None::<UnitState>.into_sql::<Nullable<Text>>(),
                ),
                (
                    prescription_line::prescription_id.nullable(),
                    prescription_line::line_no.nullable(),
                    prescription_line::product_code,
                ),
                (
                    prescription_line::dose_units_thousandths,
                    prescription_line::times_per_day,
                    prescription_line::days,
                ),
                None::<At>.into_sql::<Nullable<Timestamptz>>(),
            ))
    };
    let taken = || {
        packs_taken!(whose.person, taken_since).select((
            (order_unit::id.nullable(), order_unit::order_id.nullable(), order_unit::state.nullable()),
            (order_unit::prescription_id, order_unit::line_no, order_unit::product_code),
            (order_unit::daily_units_thousandths, 1_i32.into_sql::<Integer>(), order_unit::days),
            order_unit::ended_at,
        ))
    };
    let (rows, courses): (Vec<Person>, Vec<Course>) = load_both!(
        conn,
        worker::table
            .left_join(health_profile::table.on(health_profile::worker_id.eq(worker::id)))
            .left_join(
                reading::table.on(reading::worker_id
                    .eq(worker::id)
                    .and(reading::kind.eq_any_code(kinds))
                    .and(reading::measured_at.ge(At(measured_since)))
                    // Nothing is recorded before it was measured; this is what the index knows.
                    .and(reading::recorded_at.ge(At(measured_since)))),
            )
            .filter(worker::id.eq(whose.worker))
            .order((reading::measured_at, reading::id))
            .select((
                columns::<WorkerRow>(),
                columns::<Option<ProfileRow>>(),
                (reading::kind, reading::value, reading::second, reading::beyond).nullable(),
            )),
        prescribed().union_all(taken())
    );
    let mut newest = HashMap::new();
    let mut person = None;
    for (worker, profile, measured) in rows {
        newest.extend(measured.map(|(kind, value, second, beyond)| (kind, (value, second, beyond))));
        person = Some((worker, profile));
    }
    let courses = courses_of(courses, whose.except);
    Ok(person.map(|(worker, profile)| (PersonNow { worker, profile, newest }, courses)))
}

/// A pack, or a line of a prescription: its first three members are then `None`.
type Course = (
    (Option<OrderUnitId>, Option<OrderId>, Option<UnitState>),
    (Option<PrescriptionId>, Option<i32>, String),
    (i64, i32, i32),
    Option<Timestamp>,
);

fn courses_of(rows: Vec<Course>, except: Option<PrescriptionId>) -> Courses {
    let mut prescribed = Vec::new();
    let mut taken = Vec::new();
    for ((unit, order, state), (prescription_id, line_no, product_code), amount, ended_at) in rows {
        let (units_thousandths, times_per_day, days) = amount;
        match (unit.zip(order).zip(state), prescription_id.zip(line_no)) {
            (Some(((unit, order_id), state)), _) => {
                let daily_units_thousandths = units_thousandths;
                let pack = TakenUnit {
                    order_id,
                    prescription_id,
                    line_no,
                    product_code,
                    daily_units_thousandths,
                    days,
                    state,
                    ended_at,
                };
                taken.push((unit, pack));
            }
            (None, Some((prescription_id, line_no))) if Some(prescription_id) != except => {
                prescribed.push(OtherLine {
                    prescription_id,
                    line_no,
                    product_code,
                    dose_units_thousandths: units_thousandths,
                    times_per_day,
                    days,
                });
            }
            (None, _) => {}
        }
    }
    // The rows of a union have no order.
    taken.sort_by_key(|(unit, _)| std::cmp::Reverse(*unit));
    Courses { prescribed, taken: taken.into_iter().map(|(_, pack)| pack).collect() }
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
