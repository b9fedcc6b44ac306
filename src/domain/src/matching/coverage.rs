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

/// Gaps in view of those that somebody was told of.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Compared {
    /// What somebody knows of, and is still a gap; those of `news` are among them.
    pub known: Vec<Span>,
    /// What must be told.
    pub news: Vec<Span>,
}

/// Compares all gaps with what was told. A gap that begins before `near` is news if nobody was told of it,
/// or if it has grown beyond what they were told: once, for all that it is now. It has not grown where
/// the roster was not looked at before, which is from `seen_until` on. A gap that was filled, or a part
/// of one that was, is forgotten: it is news when it opens again.
pub fn compare(gaps: &[Span], told: &[Span], near: Timestamp, seen_until: Option<Timestamp>) -> Compared {
    let mut compared = Compared::default();
    for gap in gaps {
        let grown = gap.without(told);
        let was_out_of_sight =
            |grown: &[Span]| matches!(grown, [one] if *one != *gap && Some(one.from) == seen_until);
        if grown.is_empty() || was_out_of_sight(&grown) {
            compared.known.push(*gap);
        } else if gap.from < near {
            compared.known.push(*gap);
            compared.news.push(*gap);
        } else {
            compared.known.extend(told.iter().filter_map(|told| told.common(*gap)));
        }
    }
    compared
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
    fn a_gap_is_told_once_for_each_extent() {
        let told = [span(100, 200)];
        let news = |gaps: &[Span], told: &[Span]| compare(gaps, told, minute(1_000), Some(minute(500))).news;
        assert_eq!(news(&[span(100, 200)], &[]), [span(100, 200)]);
        assert_eq!(news(&[span(100, 200)], &told), []);
        // Seen again when part of it is over.
        assert_eq!(news(&[span(150, 200)], &told), []);
        // Two halves of it, and another one that begins where it ended.
        assert_eq!(news(&[span(100, 120), span(150, 200)], &told), []);
        assert_eq!(news(&[span(200, 300)], &told), [span(200, 300)]);
        // It is longer: at its end, at its beginning, or because what lay between is gone.
        assert_eq!(news(&[span(160, 260)], &told), [span(160, 260)]);
        assert_eq!(news(&[span(90, 200)], &told), [span(90, 200)]);
        assert_eq!(news(&[span(100, 400)], &[span(100, 200), span(300, 400)]), [span(100, 400)]);
    }

    #[test]
    fn what_comes_in_sight_is_no_growth() {
        let at = |gaps: &[Span], told: &[Span], seen| compare(gaps, told, minute(1_000), Some(minute(seen)));
        let told = [span(100, 500)];
        let open = at(&[span(110, 510)], &told, 500);
        assert_eq!((open.news.as_slice(), open.known.as_slice()), (&[][..], &[span(110, 510)][..]));
        // Its end was in sight, and is later now.
        assert_eq!(at(&[span(110, 510)], &told, 550).news, [span(110, 510)]);
        // A gap that begins there is another one.
        assert_eq!(at(&[span(500, 510)], &told, 500).news, [span(500, 510)]);
    }

    #[test]
    fn a_gap_that_was_filled_is_forgotten_and_a_far_one_waits() {
        let compared = compare(&[span(150, 200), span(300, 400)], &[span(100, 200)], minute(250), None);
        assert_eq!((compared.known, compared.news), (vec![span(150, 200)], vec![]));
        let compared = compare(&[span(300, 400)], &[span(300, 350)], minute(250), None);
        assert_eq!((compared.known, compared.news), (vec![span(300, 350)], vec![]));
    }
}
