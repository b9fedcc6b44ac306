//! Which turns journeys take; deterministic for a seed.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::turns::Turn;

/// The denominator of the shares in `TURNS`.
const ROUND: u32 = 400;
/// How many of `ROUND` journeys take which turn; the others go straight. An offer
/// that expires occupies a worker and a doctor for its whole time, so it is rare.
const TURNS: &[(Turn, u32)] = &[
    (Turn::Decline, 16),
    (Turn::Return, 12),
    (Turn::GiveUp, 12),
    (Turn::CancelOrder, 8),
    (Turn::Jam, 8),
    (Turn::Lapse, 1),
];

/// The turn of the journey at `index`.
pub(crate) fn turn_of(seed: u64, index: usize) -> Turn {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    random.set_stream(index as u64 + 1);
    let mut drawn = random.random_range(0..ROUND);
    for (turn, share) in TURNS {
        if drawn < *share {
            return *turn;
        }
        drawn -= share;
    }
    Turn::Straight
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_turn_is_taken_about_as_often_as_meant_and_the_seed_decides() {
        let taken: Vec<Turn> = (0..40_000).map(|index| turn_of(7, index)).collect();
        for (turn, share) in TURNS {
            let count = taken.iter().filter(|one| *one == turn).count();
            let meant = *share as usize * 100;
            assert!(count > meant / 2 && count < meant * 2, "{turn}: {count} of {meant}");
        }
        assert!(taken.iter().filter(|one| **one == Turn::Straight).count() > 30_000);
        let other: Vec<Turn> = (0..40_000).map(|index| turn_of(8, index)).collect();
        assert_ne!(taken, other);
        assert_eq!(taken[17], turn_of(7, 17));
    }
}
