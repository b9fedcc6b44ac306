//! The roster: shifts, the rules by which they repeat, and leave.

pub mod coverage;
pub mod leave;
pub mod rule;

use chrono::{NaiveDate, TimeDelta};
use diesel::prelude::*;

use crate::{
    code_literals::CodeDsl,
    conn::Conn,
    dialect::on_backend,
    prepared::{PreparedDsl, padded},
    schema::{doctor_department, shift, staff},
    sql_types::At,
};
use domain::{
    ids::{HospitalId, ShiftId, ShiftRuleId, StaffId},
    matching::Department,
    network::roster::{PlannedShift, Span},
    staff::role::Role,
    time::Timestamp,
};

/// The roles of whom a hospital keeps a roster.
pub const ROSTERED: [Role; 2] = [Role::Doctor, Role::Pharmacist];

/// The staff of a hospital who are on its roster, as a subquery.
macro_rules! rostered_in {
    ($hospital:expr) => {
        $crate::schema::staff::table
            .filter($crate::schema::staff::hospital_id.eq(Some($hospital)))
            .filter($crate::schema::staff::role.eq_any_code(&$crate::network::roster::ROSTERED))
            .select($crate::schema::staff::id)
    };
}
pub(crate) use rostered_in;

/// A shift as stored.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = shift)]
pub struct ShiftRow {
    pub id: ShiftId,
    pub staff_id: StaffId,
    pub starts_at: Timestamp,
    pub ends_at: Timestamp,
    pub version: i64,
    /// The rule that it follows from.
    pub rule_id: Option<ShiftRuleId>,
    /// The local date of the rule's occurrence.
    pub rule_date: Option<NaiveDate>,
    /// The department that it is for; none is all of the doctor's.
    pub department: Option<Department>,
}

impl ShiftRow {
    /// From its start to its end.
    pub fn span(&self) -> Span {
        Span { from: self.starts_at, until: self.ends_at }
    }
}

pub fn shift_fetch(conn: &mut Conn, id: ShiftId) -> QueryResult<Option<ShiftRow>> {
    on_backend!(conn, c => shift::table.find(id).select(ShiftRow::as_select()).first(c)).optional()
}

/// Adds a shift; `false` when this member of staff has one that starts then.
pub fn shift_add(
    conn: &mut Conn,
    id: ShiftId,
    staff_id: StaffId,
    span: Span,
    department: Option<Department>,
) -> QueryResult<bool> {
    on_backend!(conn, c => diesel::insert_into(shift::table)
        .values((
            shift::id.eq(id),
            shift::staff_id.eq(staff_id),
            shift::starts_at.eq(At(span.from)),
            shift::ends_at.eq(At(span.until)),
            shift::department.eq(department),
        ))
        .on_conflict_do_nothing()
        .execute(c))
    .map(|rows| rows == 1)
}

/// Adds shifts of a rule, all for one department or for all of the doctor's.
pub fn shifts_plan(
    conn: &mut Conn,
    staff_id: StaffId,
    (rule, department): (ShiftRuleId, Option<Department>),
    planned: &[PlannedShift],
) -> QueryResult<()> {
    let rows: Vec<_> = planned
        .iter()
        .map(|new| {
            (
                shift::id.eq(ShiftId::generate()),
                shift::staff_id.eq(staff_id),
                shift::starts_at.eq(At(new.span.from)),
                shift::ends_at.eq(At(new.span.until)),
                shift::rule_id.eq(Some(rule)),
                shift::rule_date.eq(Some(new.date)),
                shift::department.eq(department),
            )
        })
        .collect();
    on_backend!(conn, c => diesel::insert_into(shift::table).values(&rows).execute(c)).map(|_| ())
}

/// Changes the hours and the department of a shift; `false` when its version is another.
pub fn shift_write(
    conn: &mut Conn,
    id: ShiftId,
    version: i64,
    span: Span,
    department: Option<Department>,
) -> QueryResult<bool> {
    diesel::update(shift::table.find(id))
        .filter(shift::version.eq(version))
        .set((
            shift::version.eq(version + 1),
            shift::starts_at.eq(At(span.from)),
            shift::ends_at.eq(At(span.until)),
            shift::department.eq(department),
        ))
        .prepared()
        .execute(conn)
        .map(|rows| rows == 1)
}

/// Makes the shifts that a rule has on a date single ones.
pub fn shifts_detach(
    conn: &mut Conn,
    staff_id: StaffId,
    rule: ShiftRuleId,
    date: NaiveDate,
) -> QueryResult<()> {
    diesel::update(
        shift::table
            .filter(shift::staff_id.eq(staff_id))
            .filter(shift::rule_id.eq(Some(rule)))
            .filter(shift::rule_date.eq(Some(date))),
    )
    .set((shift::rule_id.eq(None::<ShiftRuleId>), shift::rule_date.eq(None::<NaiveDate>)))
    .prepared()
    .execute(conn)
    .map(|_| ())
}

/// Cuts a shift short; it stays one of its rule.
pub fn shift_shorten(conn: &mut Conn, id: ShiftId, span: Span) -> QueryResult<()> {
    diesel::update(shift::table.find(id))
        .set((
            shift::version.eq(shift::version + 1),
            shift::starts_at.eq(At(span.from)),
            shift::ends_at.eq(At(span.until)),
        ))
        .prepared()
        .execute(conn)
        .map(|_| ())
}

/// Removes a shift from the roster; `false` when it is not there.
pub fn shift_remove(conn: &mut Conn, id: ShiftId) -> QueryResult<bool> {
    on_backend!(conn, c => diesel::delete(shift::table.find(id)).execute(c)).map(|rows| rows == 1)
}

/// Removes shifts from the roster.
pub fn shifts_remove(conn: &mut Conn, ids: &[ShiftId]) -> QueryResult<()> {
    on_backend!(conn, c => diesel::delete(shift::table.filter(shift::id.eq_any(ids))).execute(c)).map(|_| ())
}

/// Shifts that have not ended, by id: of one member of staff, of a hospital, or of all.
pub fn shift_list(
    conn: &mut Conn,
    hospital: Option<HospitalId>,
    staff_id: Option<StaffId>,
    now: Timestamp,
    after: Option<ShiftId>,
    limit: i64,
) -> QueryResult<Vec<ShiftRow>> {
    on_backend!(conn, c => {
        let mut query =
            shift::table.into_boxed().filter(shift::ends_at.gt(At(now))).order(shift::id).limit(limit);
        if let Some(staff_id) = staff_id {
            query = query.filter(shift::staff_id.eq(staff_id));
        }
        if let Some(hospital) = hospital {
            query = query.filter(shift::staff_id.eq_any(rostered_in!(hospital)));
        }
        if let Some(after) = after {
            query = query.filter(shift::id.gt(after));
        }
        query.select(ShiftRow::as_select()).load(c)
    })
}

/// Shifts that meet a span begin after its start less this: no shift is longer than a day. It bounds
/// the rows of an index that are read.
pub(crate) const LOOK_BACK: TimeDelta = TimeDelta::days(2);

/// The shifts of a member of staff that meet this span, in order.
pub fn shifts_meeting(conn: &mut Conn, staff_id: StaffId, span: Span) -> QueryResult<Vec<ShiftRow>> {
    on_backend!(conn, c => shift::table
        .filter(shift::staff_id.eq(staff_id))
        .filter(shift::starts_at.lt(At(span.until)))
        .filter(shift::starts_at.gt(At(span.from - LOOK_BACK)))
        .filter(shift::ends_at.gt(At(span.from)))
        .order(shift::starts_at)
        .select(ShiftRow::as_select())
        .load(c))
}

/// A member of staff who is on a hospital's roster.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = staff)]
pub struct RosteredRow {
    pub id: StaffId,
    pub role: Role,
    pub name_zh: String,
    pub name_en: String,
    pub hospital_id: Option<HospitalId>,
}

/// Doctors and pharmacists who may sign in, of a hospital or of all, by id.
pub fn rostered_list(
    conn: &mut Conn,
    hospital: Option<HospitalId>,
    after: Option<StaffId>,
    limit: i64,
) -> QueryResult<Vec<RosteredRow>> {
    on_backend!(conn, c => {
        let mut query = staff::table
            .into_boxed()
            .filter(staff::role.eq_any_code(&ROSTERED))
            .filter(staff::disabled_at.is_null())
            .order(staff::id)
            .limit(limit);
        if let Some(hospital) = hospital {
            query = query.filter(staff::hospital_id.eq(Some(hospital)));
        }
        if let Some(after) = after {
            query = query.filter(staff::id.gt(after));
        }
        query.select(RosteredRow::as_select()).load(c)
    })
}

/// The departments of these doctors, in the order of their codes.
pub fn departments_of(conn: &mut Conn, ids: &[StaffId]) -> QueryResult<Vec<(StaffId, Department)>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    on_backend!(conn, c => doctor_department::table
        .filter(doctor_department::doctor_id.eq_any(padded(ids)))
        .order((doctor_department::doctor_id, doctor_department::department))
        .select((doctor_department::doctor_id, doctor_department::department))
        .prepared()
        .load(c))
}
