//! How many doctors of a department are on shift over a window, where nobody is, and which of these
//! gaps somebody must be told of.

use crate::{network::roster::Span, time::Timestamp};

/// So many doctors are on shift in this span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Level {
    pub span: Span,
    pub doctors: u32,
}

/// The levels over the window, in order and without a hole; two that follow each other differ.
/// `shifts` holds spans with the number of doctors who have them.
pub fn levels(window: Span, shifts: &[Level]) -> Vec<Level> {
    let mut changes: Vec<(Timestamp, i64)> = shifts
        .iter()
        .filter_map(|shift| Some((window.common(shift.span)?, i64::from(shift.doctors))))
        .flat_map(|(span, doctors)| [(span.from, doctors), (span.until, -doctors)])
        .collect();
    changes.sort_unstable();
    let (mut levels, mut from, mut doctors) = (Vec::new(), window.from, 0_i64);
    for (at, change) in changes.into_iter().chain([(window.until, 0)]) {
        if let Some(span) = Span::new(from, at) {
            push(&mut levels, Level { span, doctors: u32::try_from(doctors).unwrap_or(0) });
            from = at;
        }
        doctors += change;
    }
    levels
}

fn push(levels: &mut Vec<Level>, next: Level) {
    match levels.last_mut().filter(|last| last.doctors == next.doctors) {
        Some(last) => last.span.until = next.span.until,
        None => levels.push(next),
    }
}

/// The spans with nobody.
pub fn gaps(levels: &[Level]) -> Vec<Span> {
    levels.iter().filter(|level| level.doctors == 0).map(|level| level.span).collect()
}

/// What a gap is in view of those that somebody was told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gap {
    /// Nobody was told of it.
    New(Span),
    /// The known gap at `index`, which now reaches as far as `span`.
    Moved { index: usize, span: Span },
}

/// Compares gaps with those that were told of. A gap that meets or touches a known one is that one,
/// moved or seen again; nothing is returned for one that a known gap contains. Any other is new,
/// because a shift that fell out must not be kept back for the sake of an earlier letter.
pub fn compare(gaps: &[Span], told: &[Span]) -> Vec<Gap> {
    gaps.iter()
        .filter_map(|gap| {
            let known = told.iter().position(|told| told.from <= gap.until && gap.from <= told.until);
            let Some(index) = known else { return Some(Gap::New(*gap)) };
            let union =
                Span { from: told[index].from.min(gap.from), until: told[index].until.max(gap.until) };
            (union != told[index]).then_some(Gap::Moved { index, span: union })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, TimeDelta};
    use proptest::prelude::*;

    use super::*;

    fn minute(at: i64) -> Timestamp {
        DateTime::UNIX_EPOCH + TimeDelta::minutes(at)
    }

    fn span(from: i64, until: i64) -> Span {
        Span::new(minute(from), minute(until)).expect("not empty")
    }

    proptest! {
        /// Against a count of every minute.
        #[test]
        fn levels_are_those_of_every_minute(
            shifts in prop::collection::vec((-30_i64..130, 1_i64..60, 1_u32..4), 0..12),
        ) {
            let window = span(0, 100);
            let shifts: Vec<Level> = shifts
                .into_iter()
                .map(|(from, length, doctors)| Level { span: span(from, from + length), doctors })
                .collect();
            let found = levels(window, &shifts);
            for at in 0..100 {
                let within = |span: Span| span.from <= minute(at) && minute(at) < span.until;
                let expected: u32 =
                    shifts.iter().filter(|shift| within(shift.span)).map(|shift| shift.doctors).sum();
                let here: Vec<u32> =
                    found.iter().filter(|level| within(level.span)).map(|level| level.doctors).collect();
                prop_assert_eq!(here, vec![expected], "minute {}", at);
            }
            prop_assert_eq!(found[0].span.from, window.from);
            prop_assert_eq!(found[found.len() - 1].span.until, window.until);
            for pair in found.windows(2) {
                prop_assert_eq!(pair[0].span.until, pair[1].span.from);
                prop_assert_ne!(pair[0].doctors, pair[1].doctors);
            }
        }
    }

    #[test]
    fn a_gap_that_moves_or_is_seen_later_is_the_known_one() {
        let told = [span(100, 200)];
        assert_eq!(compare(&[span(100, 200)], &told), []);
        // Seen again when part of it is over.
        assert_eq!(compare(&[span(150, 200)], &told), []);
        let moved = Gap::Moved { index: 0, span: span(100, 260) };
        assert_eq!(compare(&[span(160, 260)], &told), [moved]);
        // Two halves of it.
        assert_eq!(compare(&[span(100, 120), span(150, 200)], &told), []);
        assert_eq!(compare(&[span(300, 400)], &told), [Gap::New(span(300, 400))]);
    }
}
