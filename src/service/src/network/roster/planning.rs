//! Makes the shifts of a rule those that follow from it. Nothing is remembered but the rows, so doing
//! it again, or on two instances, changes nothing.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use chrono::{NaiveDate, TimeDelta};

use super::{off_duty_without_shift, rule::recurrence_of};
use crate::{
    AppState, Failure, Recipients, Tx,
    jobs::rounds::{self, Job},
};
use domain::{
    event::staff::StaffEvent,
    ids::{ShiftRuleId, StaffId},
    network::roster::{AHEAD, Obstacles, PlannedShift, Span, plan},
    time::{Timestamp, start_of_civil_day},
};
use storage::{
    Conn,
    network::roster::{self as store, leave, rule as rules, rule::RuleRow},
};

const JOB: Job = Job::new("roster").concurrent();

/// How far shifts are planned: the same all day, so that a rule is due once a day.
pub(super) fn horizon(now: Timestamp) -> Timestamp {
    start_of_civil_day(now) + AHEAD + TimeDelta::days(1)
}

/// Exception dates by rule.
pub(super) type Exceptions = HashMap<ShiftRuleId, BTreeSet<NaiveDate>>;

/// The exception dates of these rules.
pub(super) fn exceptions(tx: &mut Tx<'_>, of: &[ShiftRuleId]) -> Result<Exceptions, Failure> {
    let mut all = Exceptions::new();
    for (rule, date) in rules::exceptions_of(tx.conn, of)? {
        all.entry(rule).or_default().insert(date);
    }
    Ok(all)
}

/// Plans the shifts of one rule. The owner's row is locked.
///
/// # Errors
/// Faults of the storage.
pub(super) fn replan(tx: &mut Tx<'_>, rule: &RuleRow) -> Result<(), Failure> {
    let except = exceptions(tx, &[rule.id])?.remove(&rule.id).unwrap_or_default();
    replan_with(tx, rule, &except)
}

/// Plans the shifts of all rules of a member of staff, whose row is locked.
///
/// # Errors
/// Faults of the storage.
pub(crate) fn replan_person(tx: &mut Tx<'_>, staff_id: StaffId) -> Result<(), Failure> {
    let all = rules::rules_of(tx.conn, staff_id)?;
    let except = exceptions(tx, &all.iter().map(|rule| rule.id).collect::<Vec<_>>())?;
    for rule in &all {
        replan_with(tx, rule, except.get(&rule.id).unwrap_or(&BTreeSet::new()))?;
    }
    Ok(())
}

fn replan_with(tx: &mut Tx<'_>, rule: &RuleRow, except: &BTreeSet<NaiveDate>) -> Result<(), Failure> {
    let (now, until) = (tx.now, horizon(tx.now));
    let window = Span { from: now, until };
    // A shift that begins at the end of the window ends up to a day later.
    let around = Span { from: now, until: until + TimeDelta::days(1) };
    let shifts = store::shifts_meeting(tx.conn, rule.staff_id, around)?;
    let (own, others): (Vec<_>, Vec<_>) =
        shifts.into_iter().partition(|row| row.rule_id == Some(rule.id) && row.starts_at > now);
    let wanted: BTreeSet<PlannedShift> = match rule.ended_at {
        Some(_) => BTreeSet::new(),
        None => {
            let leave = leave::leaves_meeting(tx.conn, rule.staff_id, around)?;
            let obstacles = Obstacles {
                leave: leave.iter().map(|row| Span { from: row.starts_at, until: row.ends_at }).collect(),
                shifts: others.iter().map(store::ShiftRow::span).collect(),
            };
            plan(&recurrence_of(rule)?.within(window, except), &obstacles, now).into_iter().collect()
        }
    };
    let is = |row: &store::ShiftRow, planned: &PlannedShift| {
        row.span() == planned.span && row.rule_date == Some(planned.date) && row.department == rule.department
    };
    let gone: Vec<_> =
        own.iter().filter(|row| !wanted.iter().any(|planned| is(row, planned))).map(|row| row.id).collect();
    let new: Vec<PlannedShift> =
        wanted.into_iter().filter(|planned| !own.iter().any(|row| is(row, planned))).collect();
    if !gone.is_empty() {
        store::shifts_remove(tx.conn, &gone)?;
    }
    if !new.is_empty() {
        store::shifts_plan(tx.conn, rule.staff_id, (rule.id, rule.department), &new)?;
    }
    if rule.planned_until != until {
        rules::rule_planned(tx.conn, rule.id, until)?;
    }
    if gone.len() + new.len() > 0 {
        let event = StaffEvent::ShiftsPlanned { rule: rule.id, added: new.len(), removed: gone.len() };
        tx.record(rule.staff_id, event, Recipients::staff(rule.staff_id))?;
        off_duty_without_shift(tx, rule.staff_id)?;
    }
    Ok(())
}

/// Plans the shifts of every rule that is not planned far enough; each rule is tried once, so that
/// one that fails keeps no other back.
///
/// # Errors
/// Faults of the storage; `Incomplete` when rules were left for the next round.
pub async fn plan_ahead(app: &Arc<AppState>) -> Result<usize, Failure> {
    let until = horizon(app.now());
    let due = move |conn: &mut Conn, after| Ok(rules::rules_due(conn, until, after, rounds::PAGE)?);
    let plan = move |tx: &mut Tx<'_>, rule: &RuleRow| plan_due(tx, rule, until);
    rounds::every(app, JOB, |rule| rule.id, due, plan).await?.outcome()
}

fn plan_due(tx: &mut Tx<'_>, rule: &RuleRow, until: Timestamp) -> Result<usize, Failure> {
    let Some(person) = storage::staff::staff_lock(tx.conn, rule.staff_id)? else { return Ok(0) };
    // Another instance may have planned or ended it since it was read.
    let Some(rule) = rules::rule_fetch(tx.conn, rule.id)? else { return Ok(0) };
    if rule.planned_until >= until || rule.ended_at.is_some() {
        return Ok(0);
    }
    if person.disabled_at.is_some() {
        // Planned when they are enabled again.
        rules::rule_planned(tx.conn, rule.id, until)?;
        return Ok(0);
    }
    replan(tx, &rule)?;
    Ok(1)
}
