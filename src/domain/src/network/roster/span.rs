//! Half-open spans of time.

use crate::time::Timestamp;

/// A span that is not empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// First instant in it.
    pub from: Timestamp,
    /// First instant after it.
    pub until: Timestamp,
}

impl Span {
    /// `None` if it is empty.
    pub fn new(from: Timestamp, until: Timestamp) -> Option<Self> {
        (from < until).then_some(Self { from, until })
    }

    /// Whether both contain an instant.
    pub fn meets(self, other: Self) -> bool {
        self.from < other.until && other.from < self.until
    }

    /// What both contain.
    pub fn common(self, other: Self) -> Option<Self> {
        Self::new(self.from.max(other.from), self.until.min(other.until))
    }

    /// What is left of it without the others, in order.
    pub fn without(self, others: &[Self]) -> Vec<Self> {
        let mut sorted: Vec<Self> = others.iter().copied().filter(|other| other.meets(self)).collect();
        sorted.sort_unstable();
        let (mut left, mut from) = (Vec::new(), self.from);
        for other in sorted {
            left.extend(Self::new(from, other.from));
            from = from.max(other.until);
        }
        left.extend(Self::new(from, self.until));
        left
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use proptest::prelude::*;

    use super::*;

    fn span(from: i64, until: i64) -> Option<Span> {
        Span::new(DateTime::from_timestamp(from, 0)?, DateTime::from_timestamp(until, 0)?)
    }

    proptest! {
        #[test]
        fn what_is_left_is_what_only_the_first_contains(
            of in (0_i64..40, 1_i64..40),
            others in prop::collection::vec((0_i64..60, 0_i64..20), 0..6),
        ) {
            let of = span(of.0, of.0 + of.1).expect("not empty");
            let others: Vec<Span> =
                others.into_iter().filter_map(|(from, length)| span(from, from + length)).collect();
            let left = of.without(&others);
            let within = |span: &Span, at: i64| (span.from.timestamp()..span.until.timestamp()).contains(&at);
            for at in 0..100 {
                let expected = within(&of, at) && !others.iter().any(|other| within(other, at));
                let times = left.iter().filter(|span| within(span, at)).count();
                prop_assert_eq!(times, usize::from(expected), "{} in {:?}", at, &left);
            }
            prop_assert!(left.windows(2).all(|pair| pair[0].until <= pair[1].from));
        }
    }
}
