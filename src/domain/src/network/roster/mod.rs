//! The roster: spans, rules by which shifts repeat, and leave. The shifts of a rule follow from the
//! rule, its exception dates, the person's leave and their other shifts; nothing else is remembered,
//! so planning twice gives the same shifts.

mod plan;
mod recurrence;
mod rule;
mod span;

pub use plan::{Obstacles, PlannedShift, plan};
pub use recurrence::{MAX_LENGTH_MINUTES, Occurrence, Recurrence, TIME_ZONE};
pub use rule::{MAX_EXCEPTIONS, MAX_RULES, ShiftRuleRecord, rules_meet};
pub use span::Span;

use chrono::TimeDelta;

use crate::{time::Timestamp, words::Bilingual};

/// How far ahead the shifts of a rule are planned. Our default.
pub const AHEAD: TimeDelta = TimeDelta::days(14);

/// The longest leave. Our default.
pub const MAX_LEAVE: TimeDelta = TimeDelta::days(400);

crate::text_enum! {
    /// Why somebody is on leave.
    pub enum LeaveReason {
        Annual = "annual",
        Sick = "sick",
        Training = "training",
        Other = "other",
    }
}

/// The message for a shift in somebody's leave.
pub fn on_leave_message(leave: Span) -> Bilingual {
    let (from, until) = (cell(leave.from), cell(leave.until));
    Bilingual::made(
        format!("该员工此时休假：{from} - {until}。"),
        format!("This person is on leave then: {from} - {until}."),
    )
}

/// The message for a leave or a rule that meets another of the same person.
pub fn meets_message(span: Span) -> Bilingual {
    let (from, until) = (cell(span.from), cell(span.until));
    Bilingual::made(
        format!("与该员工已有的安排重叠：{from} - {until}。"),
        format!("It meets what this person has already: {from} - {until}."),
    )
}

fn cell(at: Timestamp) -> String {
    at.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true)
}
