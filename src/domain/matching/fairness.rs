//! Weighted fairness between hospitals: the one whose virtual clock is behind is next.

/// What one consultation costs a hospital of weight 1, in virtual time.
pub const VIRTUAL_TURN: i64 = 1_000_000;

/// A hospital's virtual time after it took one consultation. A heavier hospital's
/// clock runs slower, so it gets proportionally more. A clock that stood still
/// while the hospital was away is first lifted to the least active one: nobody
/// saves up turns. A weight of 0 counts as 1.
pub fn advance_virtual_time(current: i64, min_active: Option<i64>, weight: u32) -> i64 {
    let start = min_active.map_or(current, |least| current.max(least));
    start.saturating_add(VIRTUAL_TURN / i64::from(weight.max(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_follow_the_weights() {
        let weights = [1_u32, 2, 5];
        let (mut clocks, mut turns) = ([0_i64; 3], [0_u32; 3]);
        for _ in 0..800 {
            let next = (0..3).min_by_key(|&index| (clocks[index], index)).expect("three hospitals");
            let least = clocks.iter().copied().min();
            clocks[next] = advance_virtual_time(clocks[next], least, weights[next]);
            turns[next] += 1;
        }
        for (turns, weight) in turns.iter().zip(weights) {
            assert!(turns.abs_diff(weight * 100) <= 1, "{turns} turns for weight {weight}");
        }
    }

    #[test]
    fn an_absent_hospital_saves_up_nothing() {
        assert_eq!(advance_virtual_time(0, Some(50_000_000), 1), 51_000_000);
        assert_eq!(advance_virtual_time(60_000_000, Some(50_000_000), 2), 60_500_000);
        assert_eq!(advance_virtual_time(7, None, 0), 7 + VIRTUAL_TURN);
        assert_eq!(advance_virtual_time(i64::MAX, None, 1), i64::MAX);
    }
}
