//! Weighted fairness between hospitals by start-time fair queueing: each hospital has
//! a virtual time, the hospital with the lowest one is next, and each consultation it
//! takes advances its time by one turn divided by its weight. The system's virtual
//! time is where the last choice started; no hospital's next turn starts before it, so a
//! hospital that was absent, is new, or had no free doctor does not accumulate turns.
//!
//! Many doctors are asked at once here, so two things differ. Open offers are turns taken for the
//! hospital's own time, or one that has many of them would fall behind the system's time. And a
//! hospital may start before the system's time by up to one turn of the hospital that has the least
//! weight: so far behind are those whose doctors refuse while others accept, who otherwise would lose
//! those turns. One that comes back after a long absence gets no more than that.
//! Source: Goyal, Vin, Cheng, "Start-time fair queueing", SIGCOMM 1996.

/// Cost of one consultation for a hospital of weight 1, in virtual time.
pub(crate) const VIRTUAL_TURN: i64 = 1_000_000;

/// Start time of a hospital's next turn, given its own time, open offers included, the system's, and
/// how far it may be behind that: one turn of `least_weight`.
pub(crate) fn start_time(hospital: i64, system: i64, least_weight: u32) -> i64 {
    hospital.max(system.saturating_sub(turns(1, least_weight)))
}

/// Cost of `taken` consultations in virtual time. The clock of a hospital with a higher
/// weight runs slower, so it gets proportionally more. A weight of 0 counts as 1.
pub fn turns(taken: i64, weight: u32) -> i64 {
    taken.saturating_mul(VIRTUAL_TURN / i64::from(weight.max(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Distributes `rounds` consultations among `present`, as matching does.
    fn serve(
        clocks: &mut [i64],
        system: &mut i64,
        weights: &[u32],
        present: &[usize],
        rounds: u32,
    ) -> Vec<u32> {
        let mut taken = vec![0; clocks.len()];
        let least = *weights.iter().min().expect("a hospital");
        for _ in 0..rounds {
            let key = |&&index: &&usize| (start_time(clocks[index], *system, least), index);
            let next = *present.iter().min_by_key(key).expect("at least one hospital is present");
            let start = start_time(clocks[next], *system, least);
            *system = start.max(*system);
            clocks[next] = start.saturating_add(turns(1, weights[next]));
            taken[next] += 1;
        }
        taken
    }

    #[test]
    fn turns_follow_the_weights() {
        let weights = [1_u32, 2, 5];
        let (mut clocks, mut system) = ([0_i64; 3], 0);
        let taken = serve(&mut clocks, &mut system, &weights, &[0, 1, 2], 800);
        for (taken, weight) in taken.iter().zip(weights) {
            assert!(taken.abs_diff(weight * 100) <= 1, "{taken} turns for weight {weight}");
        }
    }

    #[test]
    fn an_absent_hospital_accumulates_one_turn_at_most_whichever_returns_first() {
        let weights = [100_u32, 300, 100];
        let (mut clocks, mut system) = ([0_i64; 3], 0);
        serve(&mut clocks, &mut system, &weights, &[1], 500);
        // All leave; the one that was never present starts alone, then the others return.
        serve(&mut clocks, &mut system, &weights, &[0], 1);
        let taken = serve(&mut clocks, &mut system, &weights, &[0, 1, 2], 25);
        for (taken, ideal) in taken.iter().zip([5_u32, 15, 5]) {
            assert!(taken.abs_diff(ideal) <= 2, "{taken} of {ideal}");
        }
    }

    #[test]
    fn virtual_time_never_overflows() {
        assert_eq!(start_time(0, 50 * VIRTUAL_TURN, 1), 49 * VIRTUAL_TURN);
        assert_eq!(start_time(0, 50 * VIRTUAL_TURN, 100), 50 * VIRTUAL_TURN - VIRTUAL_TURN / 100);
        assert_eq!(start_time(60 * VIRTUAL_TURN, 50 * VIRTUAL_TURN, 1), 60 * VIRTUAL_TURN);
        assert_eq!((turns(3, 2), turns(1, 0)), (3 * VIRTUAL_TURN / 2, VIRTUAL_TURN));
        assert_eq!(start_time(0, i64::MIN, 1), 0);
        assert_eq!(turns(i64::MAX, 1), i64::MAX);
    }
}
