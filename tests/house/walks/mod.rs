//! Walks through the states of care that nobody thought of: people come, leave,
//! ask, answer, sign out and fall silent in any order, over HTTP, while the jobs
//! run now and then. Nothing is ever a fault, every state equals the fold of its
//! events, and whatever was asked for can still reach an end.
//!
//! `WALKS` is how many walks there are, `WALK_STEPS` how long each is, and
//! `WALK_SEED` the first one's seed; a failure tells its seed and its last steps.

mod care;
mod chance;
mod truth;

use chance::Chance;

fn setting(name: &str, usual: u64) -> u64 {
    std::env::var(name).ok().map_or(usual, |text| text.parse().expect("a number"))
}

#[actix_web::test]
async fn whatever_happens_in_care_is_no_fault_and_everything_asked_for_reaches_an_end() {
    let first = setting("WALK_SEED", 1);
    for seed in first..first + setting("WALKS", 4) {
        let mut walk = care::Walk::begin(Chance::of(seed)).await;
        for _ in 0..setting("WALK_STEPS", 120) {
            walk.step().await;
        }
        walk.end().await;
    }
}
