//! Weighted fairness between hospitals by start-time fair queueing: each hospital has
//! a virtual time, the hospital with the lowest one is next, and each consultation it
//! takes advances its time by one turn divided by its weight. The system's virtual
//! time is the start time of the last choice; no hospital starts before it, so a
//! hospital that was absent, is new, or had no free doctor does not accumulate turns.
//! Source: Goyal, Vin, Cheng, "Start-time fair queueing", SIGCOMM 1996.

/// Cost of one consultation for a hospital of weight 1, in virtual time.
pub(crate) const VIRTUAL_TURN: i64 = 1_000_000;

/// Start time of a hospital's next turn, given the system's virtual time.
pub fn start_time(hospital: i64, system: i64) -> i64 {
    hospital.max(system)
}

/// Cost of `taken` consultations in virtual time. The clock of a hospital with a higher
/// weight runs slower, so it gets proportionally more. A weight of 0 counts as 1.
pub fn turns(taken: i64, weight: u32) -> i64 {
    taken.saturating_mul(VIRTUAL_TURN / i64::from(weight.max(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A hospital's virtual time after it took one consultation, as `storage` computes it in SQL.
    fn advance_virtual_time(hospital: i64, system: i64, weight: u32) -> i64 {
        start_time(hospital, system).saturating_add(turns(1, weight))
    }

    /// Distributes `rounds` consultations among `present`, as matching does.
    fn serve(
        clocks: &mut [i64],
        system: &mut i64,
        weights: &[u32],
        present: &[usize],
        rounds: u32,
    ) -> Vec<u32> {
        let mut taken = vec![0; clocks.len()];
        for _ in 0..rounds {
            let key = |&&index: &&usize| (start_time(clocks[index], *system), index);
            let next = *present.iter().min_by_key(key).expect("at least one hospital is present");
            *system = start_time(clocks[next], *system);
            clocks[next] = advance_virtual_time(clocks[next], *system, weights[next]);
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
    fn an_absent_hospital_accumulates_no_turns_whichever_returns_first() {
        let weights = [1_u32, 3, 1];
        let (mut clocks, mut system) = ([0_i64; 3], 0);
        serve(&mut clocks, &mut system, &weights, &[1], 500);
        // All leave; the one that was never present starts alone, then the others return.
        serve(&mut clocks, &mut system, &weights, &[0], 1);
        let taken = serve(&mut clocks, &mut system, &weights, &[0, 1, 2], 25);
        for (taken, ideal) in taken.iter().zip([5_u32, 15, 5]) {
            assert!(taken.abs_diff(ideal) <= 1, "{taken} of {ideal}");
        }
    }

    #[test]
    fn virtual_time_advances_and_never_overflows() {
        assert_eq!(advance_virtual_time(0, 50_000_000, 1), 51_000_000);
        assert_eq!(advance_virtual_time(60_000_000, 50_000_000, 2), 60_500_000);
        assert_eq!(advance_virtual_time(7, 0, 0), 7 + VIRTUAL_TURN);
        assert_eq!(advance_virtual_time(i64::MAX, 0, 1), i64::MAX);
    }
}
