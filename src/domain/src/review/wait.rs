//! What the worker is told of the wait for a review: a range of minutes from the live figures of the
//! queue, or when the next pharmacist comes on shift.

use crate::matching::{LiveFigures, estimate_wait, likely_seconds};

crate::text_enum! {
    /// How the wait for a review was estimated.
    pub enum ReviewWaitBasis {
        /// A pharmacist has it.
        UnderReview = "under_review",
        /// From those ahead, and the pharmacists on shift.
        Queue = "queue",
        /// Its doctor has a question to answer first: no estimate.
        QuestionOpen = "question_open",
        /// No pharmacist is on shift: no estimate.
        NobodyOnShift = "nobody_on_shift",
    }
}

/// The queue as one prescription in it stands.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ReviewFigures {
    /// Its doctor has a question to answer.
    pub question_open: bool,
    /// A pharmacist has it.
    pub claimed: bool,
    /// Pharmacists on shift.
    pub on_shift: u32,
    /// Prescriptions that pharmacists have.
    pub under_review: u32,
    /// Those that come before it, and nobody has.
    pub ahead: u32,
    /// Reviews that began in a second, in the last hour.
    pub per_second: f64,
    pub mean_review_s: f64,
}

/// How long a review may take until it is decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReviewWait {
    /// From so many minutes, to so many; `None` if no estimate is possible.
    pub minutes: Option<(u32, u32)>,
    pub basis: ReviewWaitBasis,
}

/// Estimates how long it takes until one prescription is decided about: the wait for its turn, and the
/// review itself.
pub fn estimate(figures: &ReviewFigures) -> ReviewWait {
    let ReviewFigures { question_open, claimed, on_shift, under_review, ahead, per_second, mean_review_s } =
        *figures;
    if question_open {
        return ReviewWait { minutes: None, basis: ReviewWaitBasis::QuestionOpen };
    }
    let (from_s, to_s) = likely_seconds(mean_review_s);
    let minutes = |from: u32, to: u32| {
        let whole = |seconds: f64| (seconds / 60.0).clamp(0.0, f64::from(u32::MAX)) as u32;
        Some((from.saturating_add(whole(from_s)), to.saturating_add(whole(to_s.max(0.0) + 59.0)).max(1)))
    };
    if claimed {
        return ReviewWait { minutes: minutes(0, 0), basis: ReviewWaitBasis::UnderReview };
    }
    let turn = estimate_wait(&LiveFigures {
        offered_erlangs: per_second * mean_review_s,
        places: on_shift,
        free: on_shift.saturating_sub(under_review),
        mean_handling_s: mean_review_s,
        ahead,
    });
    match turn.minutes {
        Some((from, to)) => ReviewWait { minutes: minutes(from, to), basis: ReviewWaitBasis::Queue },
        None => ReviewWait { minutes: None, basis: ReviewWaitBasis::NobodyOnShift },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUIET: ReviewFigures = ReviewFigures {
        question_open: false,
        claimed: false,
        on_shift: 2,
        under_review: 0,
        ahead: 0,
        per_second: 0.001,
        mean_review_s: 120.0,
    };

    #[test]
    fn the_range_grows_with_those_ahead_and_names_why_there_is_none() {
        let of = |figures: ReviewFigures| {
            let wait = estimate(&figures);
            (wait.minutes, wait.basis)
        };
        assert_eq!(of(QUIET), (Some((0, 5)), ReviewWaitBasis::Queue));
        assert_eq!(
            of(ReviewFigures { claimed: true, ..QUIET }),
            (Some((0, 4)), ReviewWaitBasis::UnderReview)
        );
        let nobody = ReviewFigures { on_shift: 0, ..QUIET };
        assert_eq!(of(nobody), (None, ReviewWaitBasis::NobodyOnShift));
        assert_eq!(
            of(ReviewFigures { question_open: true, ..nobody }),
            (None, ReviewWaitBasis::QuestionOpen)
        );
        let mut before = (0, 0);
        for ahead in 0..60 {
            let (minutes, _) = of(ReviewFigures { under_review: 2, ahead, ..QUIET });
            let (from, to) = minutes.expect("a range");
            // Each of two pharmacists decides every two minutes.
            let mean = ahead + 1 + 2;
            assert!(from <= mean && mean <= to, "{from} to {to} with {ahead} ahead");
            assert!(from >= before.0 && to >= before.1);
            before = (from, to);
        }
    }
}
