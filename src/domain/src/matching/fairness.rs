//! Weighted fairness between hospitals, by start-time fair queueing: each hospital
//! has a virtual time, the one that is behind is next, and what it takes moves it on
//! by a turn divided by its weight. The system's virtual time is that at which
//! somebody was chosen last; nobody starts before it, so no hospital that was away,
//! is new, or had nobody free saves up turns.
//! Source: Goyal, Vin, Cheng, "Start-time fair queueing", SIGCOMM 1996.

/// What one consultation costs a hospital of weight 1, in virtual time.
pub const VIRTUAL_TURN: i64 = 1_000_000;

/// Where a hospital starts, once the system has come to `system`.
pub fn start_time(hospital: i64, system: i64) -> i64 {
    hospital.max(system)
}

/// What `taken` consultations cost a hospital. A heavier hospital's clock runs
/// slower, so it gets proportionally more. A weight of 0 counts as 1.
pub fn turns(taken: i64, weight: u32) -> i64 {
    taken.saturating_mul(VIRTUAL_TURN / i64::from(weight.max(1)))
}

/// A hospital's virtual time after it took one consultation.
pub fn advance_virtual_time(hospital: i64, system: i64, weight: u32) -> i64 {
    start_time(hospital, system).saturating_add(turns(1, weight))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Serves `rounds` by turns among `present`, as matching does.
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
            let next = *present.iter().min_by_key(key).expect("somebody is there");
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
    fn an_absent_hospital_saves_up_nothing_whoever_comes_first_in_the_morning() {
        let weights = [1_u32, 3, 1];
        let (mut clocks, mut system) = ([0_i64; 3], 0);
        serve(&mut clocks, &mut system, &weights, &[1], 500);
        // All go home; the one that was never there begins alone, then the others come.
        serve(&mut clocks, &mut system, &weights, &[0], 1);
        let taken = serve(&mut clocks, &mut system, &weights, &[0, 1, 2], 25);
        for (taken, ideal) in taken.iter().zip([5_u32, 15, 5]) {
            assert!(taken.abs_diff(ideal) <= 1, "{taken} of {ideal}");
        }
    }

    #[test]
    fn time_moves_on_and_never_overflows() {
        assert_eq!(advance_virtual_time(0, 50_000_000, 1), 51_000_000);
        assert_eq!(advance_virtual_time(60_000_000, 50_000_000, 2), 60_500_000);
        assert_eq!(advance_virtual_time(7, 0, 0), 7 + VIRTUAL_TURN);
        assert_eq!(advance_virtual_time(i64::MAX, 0, 1), i64::MAX);
    }
}
