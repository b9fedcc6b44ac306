//! Rules by which the shifts of doctors and pharmacists repeat.

use std::collections::BTreeSet;

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    ensure_serves,
    planning::{self, exceptions, horizon},
    scope::{Scope, ensure_rostered},
};
use crate::{
    AppState, Failure, Recipients, Tx,
    caller::StaffCaller,
    network::checked,
    page::{Page, Rows},
};
use coordination::Topic;
use domain::{
    event::staff::StaffEvent,
    ids::{ShiftRuleId, StaffId},
    matching::Department,
    network::roster::{MAX_RULES, Recurrence, ShiftRuleRecord, Span, TIME_ZONE, meets_message, rules_meet},
    precondition::Expected,
    refusal::{Code, Refusal},
    spelling,
    words::Bilingual,
};
use storage::{
    Conn,
    network::roster::{self as store, rule as rules, rule::RuleFields, rule::RuleRow},
    staff::StaffRow,
};

/// A new rule.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ShiftRuleInput {
    /// The doctor or pharmacist.
    pub staff_id: StaffId,
    /// The department that the shifts are for, one of the doctor's; none is all of theirs.
    pub department: Option<Department>,
    /// Local date of the first start: with `start_time` the DTSTART of RFC 5545.
    pub first_date: NaiveDate,
    /// Local time of each start.
    #[schema(value_type = spelling::TimeOfDay)]
    pub start_time: String,
    /// Minutes of each shift; one that passes midnight ends on the next day.
    #[schema(minimum = 1, maximum = 1440)]
    pub length_minutes: i32,
    /// How it repeats, one shift a day at most.
    #[schema(value_type = spelling::RecurrenceRule)]
    pub rrule: String,
    /// Local dates on which no shift begins.
    #[serde(default)]
    #[schema(max_items = 400)]
    pub except: Vec<NaiveDate>,
    /// The last local date on which a shift begins; without it the rule has no end of its own.
    pub last_date: Option<NaiveDate>,
    /// `Asia/Shanghai`, also when it is left out.
    #[schema(value_type = Option<spelling::TimeZoneName>)]
    pub time_zone: Option<String>,
}

/// A rule with all its new values.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ShiftRuleChange {
    /// The department that the shifts are for, one of the doctor's; none is all of theirs.
    pub department: Option<Department>,
    /// Local date of the first start.
    pub first_date: NaiveDate,
    /// Local time of each start.
    #[schema(value_type = spelling::TimeOfDay)]
    pub start_time: String,
    /// Minutes of each shift; one that passes midnight ends on the next day.
    #[schema(minimum = 1, maximum = 1440)]
    pub length_minutes: i32,
    /// How it repeats, one shift a day at most.
    #[schema(value_type = spelling::RecurrenceRule)]
    pub rrule: String,
    /// Local dates on which no shift begins.
    #[serde(default)]
    #[schema(max_items = 400)]
    pub except: Vec<NaiveDate>,
    /// The last local date on which a shift begins.
    pub last_date: Option<NaiveDate>,
    /// `Asia/Shanghai`, also when it is left out.
    #[schema(value_type = Option<spelling::TimeZoneName>)]
    pub time_zone: Option<String>,
}

/// A rule by which shifts repeat.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ShiftRuleView {
    pub id: ShiftRuleId,
    pub staff_id: StaffId,
    /// The department that the shifts are for; none is all of the doctor's.
    pub department: Option<String>,
    /// Local date of the first start.
    pub first_date: NaiveDate,
    /// Local time of each start.
    pub start_time: String,
    /// Minutes of each shift.
    pub length_minutes: i32,
    /// How it repeats.
    pub rrule: String,
    /// Local dates on which no shift begins, those of shifts that were cancelled or changed by hand
    /// included.
    pub except: Vec<NaiveDate>,
    /// The last local date on which a shift begins.
    pub last_date: Option<NaiveDate>,
    /// The zone of dates and times.
    pub time_zone: String,
    /// How far its shifts are planned.
    pub planned_until: DateTime<Utc>,
    /// Since then it yields no shifts.
    pub ended_at: Option<DateTime<Utc>>,
    /// Goes up with every change; also the ETag.
    pub version: i64,
}

impl ShiftRuleInput {
    fn record(&self, email: String) -> ShiftRuleRecord {
        let Self { department, first_date, length_minutes, last_date, .. } = self;
        ShiftRuleRecord {
            staff_email: email,
            department: department.map(|department| department.as_str().to_owned()),
            first_date: *first_date,
            start_time: self.start_time.clone(),
            length_minutes: *length_minutes,
            rrule: self.rrule.clone(),
            except: self.except.clone(),
            last_date: *last_date,
            time_zone: self.time_zone.clone(),
        }
    }
}

/// Adds a rule and plans its shifts, two weeks ahead.
///
/// # Errors
/// One problem per bad field; `NotFound`; `StateMovedOn` for somebody who is disabled.
pub fn rule_add(
    tx: &mut Tx<'_>,
    caller: StaffCaller,
    input: &ShiftRuleInput,
) -> Result<ShiftRuleView, Failure> {
    let person = Scope::of(caller)?.lock_enabled(tx.conn, input.staff_id)?;
    let record = input.record(person.email.clone());
    add(tx, &person, &record, By::Hand)
}

/// Who writes a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    /// Somebody who sees all exception dates of the rule: what they leave out is one no more.
    Hand,
    /// A file, which knows its own exception dates only. Those that were made by hand stay: a shift that
    /// was cancelled or moved does not come back because the file that planned it is loaded again.
    File,
}

/// Adds a rule for somebody whose row is locked.
pub(crate) fn add(
    tx: &mut Tx<'_>,
    person: &StaffRow,
    record: &ShiftRuleRecord,
    by: By,
) -> Result<ShiftRuleView, Failure> {
    ensure_valid(tx, person, None, record, &[])?;
    let id = ShiftRuleId::generate();
    rules::rule_add(tx.conn, id, person.id, &fields(record), tx.now)?;
    rules::exceptions_add(tx.conn, id, &record.except, by == By::File)?;
    tx.record(person.id, StaffEvent::ShiftRuleAdded { rule: id }, Recipients::staff(person.id))?;
    replan(tx, id)
}

/// Replaces a rule and plans its shifts anew; one that has begun stays as it is.
///
/// # Errors
/// As [`rule_add`]; `PreconditionFailed`; `StateMovedOn` with `ended`.
pub fn rule_change(
    tx: &mut Tx<'_>,
    caller: StaffCaller,
    id: ShiftRuleId,
    expected: &Expected,
    input: &ShiftRuleChange,
) -> Result<(i64, ShiftRuleView), Failure> {
    let (person, row) = lock(tx, Scope::of(caller)?, id)?;
    let version = expected.resolve(row.version)?;
    if row.ended_at.is_some() {
        return Err(Refusal::moved_on("ended").into());
    }
    if person.disabled_at.is_some() {
        return Err(Refusal::moved_on("disabled").into());
    }
    let ShiftRuleChange { department, first_date, start_time, length_minutes, rrule, .. } = input.clone();
    let ShiftRuleChange { except, last_date, time_zone, .. } = input.clone();
    let staff_id = person.id;
    let whole = ShiftRuleInput {
        staff_id,
        department,
        first_date,
        start_time,
        length_minutes,
        rrule,
        except,
        last_date,
        time_zone,
    };
    let (view, _) = change(tx, &person, (id, version), &whole.record(person.email.clone()), By::Hand)?;
    Ok((view.version, view))
}

/// Replaces the rule of somebody whose row is locked; also returns how many exception dates it has that
/// `record` does not list, because they were made by hand.
pub(crate) fn change(
    tx: &mut Tx<'_>,
    person: &StaffRow,
    (id, version): (ShiftRuleId, i64),
    record: &ShiftRuleRecord,
    by: By,
) -> Result<(ShiftRuleView, usize), Failure> {
    let kept = match by {
        By::Hand => Vec::new(),
        By::File => rules::exceptions_by_hand(tx.conn, id)?,
    };
    ensure_valid(tx, person, Some(id), record, &kept)?;
    if !rules::rule_write(tx.conn, id, version, &fields(record))? {
        return Err(Code::PreconditionFailed.into());
    }
    match by {
        By::Hand => rules::exceptions_keep(tx.conn, id, &record.except)?,
        By::File => rules::exceptions_of_file_remove(tx.conn, id)?,
    }
    rules::exceptions_add(tx.conn, id, &record.except, by == By::File)?;
    let event = StaffEvent::ShiftRuleChanged { rule: id, version: version + 1 };
    tx.record(person.id, event, Recipients::staff(person.id))?;
    let kept = kept.iter().filter(|date| !record.except.contains(date)).count();
    Ok((replan(tx, id)?, kept))
}

/// Ends a rule: its shifts that have not begun are removed. Ending twice is not an error.
///
/// # Errors
/// `NotFound`.
pub fn rule_end(tx: &mut Tx<'_>, caller: StaffCaller, id: ShiftRuleId) -> Result<ShiftRuleView, Failure> {
    let (person, _) = lock(tx, Scope::of(caller)?, id)?;
    if rules::rule_end(tx.conn, id, tx.now)? {
        tx.record(person.id, StaffEvent::ShiftRuleEnded { rule: id }, Recipients::staff(person.id))?;
    }
    replan(tx, id)
}

fn replan(tx: &mut Tx<'_>, id: ShiftRuleId) -> Result<ShiftRuleView, Failure> {
    let row = rules::rule_fetch(tx.conn, id)?.ok_or(Code::NotFound)?;
    planning::replan(tx, &row)?;
    tx.wake(Topic::Matching);
    Ok(fetch(tx.conn, id)?.1)
}

/// The rule and its owner, whose row is locked: so nothing else changes the rule.
fn lock(tx: &mut Tx<'_>, scope: Scope, id: ShiftRuleId) -> Result<(StaffRow, RuleRow), Failure> {
    let row = rules::rule_fetch(tx.conn, id)?.ok_or(Code::NotFound)?;
    let person = scope.lock(tx.conn, row.staff_id)?;
    let row = rules::rule_fetch(tx.conn, id)?.ok_or(Code::NotFound)?;
    Ok((person, row))
}

/// One rule with its version.
///
/// # Errors
/// `NotFound`.
pub fn rule_fetch(
    conn: &mut Conn,
    caller: StaffCaller,
    id: ShiftRuleId,
) -> Result<(i64, ShiftRuleView), Failure> {
    let (version, view) = fetch(conn, id)?;
    Scope::of(caller)?.ensure_includes(conn, view.staff_id)?;
    Ok((version, view))
}

fn fetch(conn: &mut Conn, id: ShiftRuleId) -> Result<(i64, ShiftRuleView), Failure> {
    let row = rules::rule_fetch(conn, id)?.ok_or(Code::NotFound)?;
    let except = rules::exceptions_of(conn, &[id])?.into_iter().map(|(_, date)| date).collect();
    Ok((row.version, view(row, except)))
}

/// Rules that have not ended.
pub fn rule_list(
    conn: &mut Conn,
    caller: StaffCaller,
    _app: &AppState,
    staff_id: Option<StaffId>,
    after: Option<ShiftRuleId>,
    limit: u32,
) -> Result<Page<ShiftRuleView>, Failure> {
    let hospital = Scope::of(caller)?.hospital();
    let page =
        Rows::read(limit, |most| rules::rule_list(conn, hospital, staff_id, after, most), |row| row.id)?;
    let ids: Vec<ShiftRuleId> = page.rows.iter().map(|row| row.id).collect();
    let mut except = std::collections::HashMap::<ShiftRuleId, Vec<NaiveDate>>::new();
    for (rule, date) in rules::exceptions_of(conn, &ids)? {
        except.entry(rule).or_default().push(date);
    }
    Ok(page
        .map(|row| {
            let dates = except.remove(&row.id).unwrap_or_default();
            view(row, dates)
        })
        .into())
}

fn view(row: RuleRow, except: Vec<NaiveDate>) -> ShiftRuleView {
    ShiftRuleView {
        id: row.id,
        staff_id: row.staff_id,
        department: row.department.map(|department| department.as_str().to_owned()),
        first_date: row.first_date,
        start_time: row.start_time,
        length_minutes: row.length_minutes,
        rrule: row.rrule,
        except,
        last_date: row.last_date,
        time_zone: TIME_ZONE.to_owned(),
        planned_until: row.planned_until,
        ended_at: row.ended_at,
        version: row.version,
    }
}

fn fields(record: &ShiftRuleRecord) -> RuleFields {
    RuleFields {
        department: record.department.as_deref().and_then(Department::parse),
        first_date: record.first_date,
        start_time: record.start_time.clone(),
        length_minutes: record.length_minutes,
        rrule: record.rrule.clone(),
        last_date: record.last_date,
    }
}

/// A stored rule, ready to be expanded.
///
/// # Errors
/// `Inconsistent`: it was checked when it was stored.
pub(super) fn recurrence_of(row: &RuleRow) -> Result<Recurrence, Failure> {
    let start = NaiveTime::parse_from_str(&row.start_time, "%H:%M");
    let start = start.map_err(|error| Failure::caused("the start of a stored shift rule", error))?;
    Recurrence::new(row.first_date, start, row.length_minutes, &row.rrule, row.last_date)
        .map_err(|_| Failure::inconsistent("a stored shift rule is not valid"))
}

/// Checks a rule by itself, and that its shifts meet neither other rules nor other shifts of the
/// person. `kept` are exception dates beside those of `record`.
fn ensure_valid(
    tx: &mut Tx<'_>,
    person: &StaffRow,
    except: Option<ShiftRuleId>,
    record: &ShiftRuleRecord,
    kept: &[NaiveDate],
) -> Result<(), Failure> {
    ensure_rostered(person)?;
    checked(tx, record)?;
    ensure_serves(tx, person.id, record.department.as_deref().and_then(Department::parse))?;
    let recurrence = record.recurrence().map_err(Refusal::fields)?;
    let dates: BTreeSet<NaiveDate> = record.except.iter().chain(kept).copied().collect();
    let mut others = rules::rules_of(tx.conn, person.id)?;
    others.retain(|rule| Some(rule.id) != except);
    if others.len() >= MAX_RULES {
        let message = Bilingual::made(
            format!("一名员工至多有 {MAX_RULES} 条有效的排班规则。"),
            format!("One person has {MAX_RULES} rules in force at most."),
        );
        return Err(Refusal::field("staff_id", "too_many", message).into());
    }
    let ids: Vec<ShiftRuleId> = others.iter().map(|rule| rule.id).collect();
    let their_dates = exceptions(tx, &ids)?;
    let none = BTreeSet::new();
    for rule in &others {
        let other = (&recurrence_of(rule)?, their_dates.get(&rule.id).unwrap_or(&none));
        if let Some(met) = rules_meet((&recurrence, &dates), other, tx.now) {
            return Err(overlaps(met));
        }
    }
    let window = Span { from: tx.now, until: horizon(tx.now) };
    let around = Span { until: window.until + TimeDelta::days(1), ..window };
    let shifts = store::shifts_meeting(tx.conn, person.id, around)?;
    // Its own shifts are planned anew.
    let foreign: Vec<Span> = shifts
        .iter()
        .filter(|row| row.rule_id.is_none() || row.rule_id != except)
        .map(store::ShiftRow::span)
        .collect();
    let planned = recurrence.within(window, &dates);
    let met = planned.iter().find_map(|one| foreign.iter().find(|span| span.meets(one.span)));
    met.map_or(Ok(()), |met| Err(overlaps(*met)))
}

fn overlaps(met: Span) -> Failure {
    Refusal::field("rrule", "overlaps", meets_message(met)).into()
}
