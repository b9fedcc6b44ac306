//! Rules by which shifts repeat, and their exception dates.

use chrono::NaiveDate;
use diesel::prelude::*;

use super::rostered_in;
use crate::{
    code_literals::CodeDsl,
    conn::Conn,
    dialect::on_backend,
    prepared::{PreparedDsl, padded},
    schema::{shift_exception, shift_rule},
    sql_types::At,
};
use domain::{
    ids::{HospitalId, ShiftRuleId, StaffId},
    matching::Department,
    time::Timestamp,
};

/// A rule as stored. Dates and times are local.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = shift_rule)]
pub struct RuleRow {
    pub id: ShiftRuleId,
    pub staff_id: StaffId,
    pub department: Option<Department>,
    pub first_date: NaiveDate,
    /// `20:00`
    pub start_time: String,
    pub length_minutes: i32,
    pub rrule: String,
    /// The last date on which a shift begins.
    pub last_date: Option<NaiveDate>,
    /// How far its shifts are planned.
    pub planned_until: Timestamp,
    /// Since then it yields no shifts.
    pub ended_at: Option<Timestamp>,
    pub version: i64,
}

/// What a form or a file says of a rule.
#[derive(Debug, Clone, Insertable, AsChangeset)]
#[diesel(table_name = shift_rule, treat_none_as_default_value = false, treat_none_as_null = true)]
pub struct RuleFields {
    pub department: Option<Department>,
    pub first_date: NaiveDate,
    pub start_time: String,
    pub length_minutes: i32,
    pub rrule: String,
    pub last_date: Option<NaiveDate>,
}

pub fn rule_add(
    conn: &mut Conn,
    id: ShiftRuleId,
    staff_id: StaffId,
    fields: &RuleFields,
    now: Timestamp,
) -> QueryResult<()> {
    on_backend!(conn, c => diesel::insert_into(shift_rule::table)
        .values((
            shift_rule::id.eq(id),
            shift_rule::staff_id.eq(staff_id),
            fields.clone(),
            shift_rule::planned_until.eq(At(now)),
            shift_rule::created_at.eq(At(now)),
        ))
        .execute(c))
    .map(|_| ())
}

pub fn rule_fetch(conn: &mut Conn, id: ShiftRuleId) -> QueryResult<Option<RuleRow>> {
    on_backend!(conn, c => shift_rule::table.find(id).select(RuleRow::as_select()).first(c)).optional()
}

/// Replaces a rule; `false` when its version is another.
pub fn rule_write(conn: &mut Conn, id: ShiftRuleId, version: i64, fields: &RuleFields) -> QueryResult<bool> {
    diesel::update(shift_rule::table.find(id))
        .filter(shift_rule::version.eq(version))
        .set((fields, shift_rule::version.eq(version + 1)))
        .prepared()
        .execute(conn)
        .map(|rows| rows == 1)
}

/// Ends a rule; `false` when it has ended.
pub fn rule_end(conn: &mut Conn, id: ShiftRuleId, now: Timestamp) -> QueryResult<bool> {
    diesel::update(shift_rule::table.find(id))
        .filter(shift_rule::ended_at.is_null())
        .set((shift_rule::ended_at.eq(Some(At(now))), shift_rule::version.eq(shift_rule::version + 1)))
        .prepared()
        .execute(conn)
        .map(|rows| rows == 1)
}

/// Records how far a rule's shifts are planned.
pub fn rule_planned(conn: &mut Conn, id: ShiftRuleId, until: Timestamp) -> QueryResult<()> {
    diesel::update(shift_rule::table.find(id))
        .set(shift_rule::planned_until.eq(At(until)))
        .prepared()
        .execute(conn)
        .map(|_| ())
}

/// The rules of a member of staff that have not ended, by id.
pub fn rules_of(conn: &mut Conn, staff_id: StaffId) -> QueryResult<Vec<RuleRow>> {
    on_backend!(conn, c => shift_rule::table
        .filter(shift_rule::staff_id.eq(staff_id))
        .filter(shift_rule::ended_at.is_null())
        .order(shift_rule::id)
        .select(RuleRow::as_select())
        .load(c))
}

/// Rules behind `after` that have not ended and whose shifts are planned less far than `until`.
pub fn rules_due(
    conn: &mut Conn,
    until: Timestamp,
    after: ShiftRuleId,
    limit: i64,
) -> QueryResult<Vec<RuleRow>> {
    on_backend!(conn, c => shift_rule::table
        .filter(shift_rule::ended_at.is_null())
        .filter(shift_rule::planned_until.lt(At(until)))
        .filter(shift_rule::id.gt(after))
        .order(shift_rule::id)
        .limit(limit)
        .select(RuleRow::as_select())
        .load(c))
}

/// Raises the version of a rule, whose exception dates have changed.
pub fn rule_touch(conn: &mut Conn, id: ShiftRuleId) -> QueryResult<()> {
    diesel::update(shift_rule::table.find(id))
        .set(shift_rule::version.eq(shift_rule::version + 1))
        .prepared()
        .execute(conn)
        .map(|_| ())
}

/// Rules that have not ended, by id: of one member of staff, of a hospital, or of all.
pub fn rule_list(
    conn: &mut Conn,
    hospital: Option<HospitalId>,
    staff_id: Option<StaffId>,
    after: Option<ShiftRuleId>,
    limit: i64,
) -> QueryResult<Vec<RuleRow>> {
    on_backend!(conn, c => {
        let mut query = shift_rule::table
            .into_boxed()
            .filter(shift_rule::ended_at.is_null())
            .order(shift_rule::id)
            .limit(limit);
        if let Some(staff_id) = staff_id {
            query = query.filter(shift_rule::staff_id.eq(staff_id));
        }
        if let Some(hospital) = hospital {
            query = query.filter(shift_rule::staff_id.eq_any(rostered_in!(hospital)));
        }
        if let Some(after) = after {
            query = query.filter(shift_rule::id.gt(after));
        }
        query.select(RuleRow::as_select()).load(c)
    })
}

/// The exception dates of these rules, in order.
pub fn exceptions_of(conn: &mut Conn, rules: &[ShiftRuleId]) -> QueryResult<Vec<(ShiftRuleId, NaiveDate)>> {
    if rules.is_empty() {
        return Ok(Vec::new());
    }
    on_backend!(conn, c => shift_exception::table
        .filter(shift_exception::rule_id.eq_any(padded(rules)))
        .order((shift_exception::rule_id, shift_exception::date))
        .select((shift_exception::rule_id, shift_exception::date))
        .prepared()
        .load(c))
}

/// Adds exception dates to a rule, which a file of rules lists or somebody made by hand; those that it has
/// already are left as they are.
pub fn exceptions_add(
    conn: &mut Conn,
    rule: ShiftRuleId,
    dates: &[NaiveDate],
    from_file: bool,
) -> QueryResult<()> {
    if dates.is_empty() {
        return Ok(());
    }
    let rows: Vec<_> = dates
        .iter()
        .map(|date| {
            (
                shift_exception::rule_id.eq(rule),
                shift_exception::date.eq(*date),
                shift_exception::from_file.eq(from_file),
            )
        })
        .collect();
    on_backend!(conn, c => {
        diesel::insert_into(shift_exception::table).values(&rows).on_conflict_do_nothing().execute(c)
    })
    .map(|_| ())
}

/// The exception dates of a rule that somebody made by hand.
pub fn exceptions_by_hand(conn: &mut Conn, rule: ShiftRuleId) -> QueryResult<Vec<NaiveDate>> {
    on_backend!(conn, c => shift_exception::table
        .filter(shift_exception::rule_id.eq(rule))
        .filter(shift_exception::from_file.eq(false))
        .order(shift_exception::date)
        .select(shift_exception::date)
        .load(c))
}

/// Removes the exception dates of a rule that are none of `listed`.
pub fn exceptions_keep(conn: &mut Conn, rule: ShiftRuleId, listed: &[NaiveDate]) -> QueryResult<()> {
    on_backend!(conn, c => diesel::delete(
        shift_exception::table
            .filter(shift_exception::rule_id.eq(rule))
            .filter(shift_exception::date.ne_all(listed)),
    )
    .execute(c))
    .map(|_| ())
}

/// Removes the exception dates of a rule that a file of rules listed.
pub fn exceptions_of_file_remove(conn: &mut Conn, rule: ShiftRuleId) -> QueryResult<()> {
    on_backend!(conn, c => diesel::delete(
        shift_exception::table
            .filter(shift_exception::rule_id.eq(rule))
            .filter(shift_exception::from_file.eq(true)),
    )
    .execute(c))
    .map(|_| ())
}
