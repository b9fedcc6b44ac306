//! Which shifts a rule has now, from its occurrences.

use chrono::NaiveDate;

use super::{Occurrence, Span};
use crate::time::Timestamp;

/// What the shifts of a rule give way to.
#[derive(Debug, Default)]
pub struct Obstacles {
    /// The person's leave.
    pub leave: Vec<Span>,
    /// Their other shifts, and those of the rule that have begun.
    pub shifts: Vec<Span>,
}

/// A shift that the rule is to have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PlannedShift {
    pub span: Span,
    /// The local date of the occurrence that it is of.
    pub date: NaiveDate,
}

/// The shifts that these occurrences leave from `now` on. What is over is not planned any more, and
/// leave or another shift cuts an occurrence into pieces.
pub fn plan(occurrences: &[Occurrence], obstacles: &Obstacles, now: Timestamp) -> Vec<PlannedShift> {
    let others: Vec<Span> = obstacles.leave.iter().chain(&obstacles.shifts).copied().collect();
    occurrences
        .iter()
        .filter_map(|one| Some((one.date, Span::new(one.span.from.max(now), one.span.until)?)))
        .flat_map(|(date, span)| {
            span.without(&others).into_iter().map(move |span| PlannedShift { span, date })
        })
        .collect()
}
