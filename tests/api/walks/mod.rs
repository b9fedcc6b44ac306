//! Random walks: people and machines do whatever they may in any order, over HTTP, while
//! the jobs run now and then. There is never a fault, every stored state equals the fold
//! of its events, and everything that was asked for can still reach an end.
//!
//! `WALKS` is the number of walks of each kind, `WALK_STEPS` their length, and
//! `WALK_SEED` the seed of the first; a failure prints its seed and its last steps. The
//! fixed seeds must take every transition of the domain (`declared`), so a new state or
//! command fails until walks reach it. If one is missing after the usual walks, some more
//! are made.

mod card;
mod care;
pub mod chance;
mod clinic;
mod declared;
mod desk;
mod dispensing;
mod folds;
mod letters;
pub mod plain;
mod prescribing;
mod reviews;
mod slots;
mod trail;
mod transitions;
mod truth;

use chance::Chance;
use trail::Trail;
use transitions::{Declared, Taken};

use crate::support::TestApp;

/// What a walk does.
trait Walk {
    /// Does something at random.
    async fn step(&mut self);

    /// Checks what must be true at any moment; called after every eighth step.
    async fn check(&mut self) {}

    /// Brings everything to its end, as people would.
    async fn end(&mut self);

    /// Ends the walk and returns the transitions that were taken.
    async fn finished(self) -> Taken;
}

async fn walk(mut walk: impl Walk, steps: u64) -> Taken {
    for number in 0..steps {
        walk.step().await;
        if number % 8 == 7 {
            walk.check().await;
        }
    }
    walk.end().await;
    walk.finished().await
}

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}

/// The walks of one kind, and the transitions that they must take together.
struct Plan {
    /// The seed of the next walk.
    next: u64,
    /// Walks that are made in any case, while any are left.
    usual: u64,
    /// Walks that may still be made at all.
    left: u64,
    steps: u64,
    /// No environment variable asks for other walks than the fixed ones.
    fixed: bool,
    /// From the domain: no other transition may ever be taken.
    decided: Declared,
    /// Every one of these must be taken.
    wanted: Declared,
    taken: Taken,
}

impl Plan {
    fn of(walks: u64, steps: u64) -> Self {
        let usual = setting("WALKS").unwrap_or(walks);
        let fixed = ["WALKS", "WALK_STEPS", "WALK_SEED"].iter().all(|name| setting(name).is_none());
        Self {
            next: setting("WALK_SEED").unwrap_or(1),
            usual,
            left: if fixed { usual * 5 } else { usual },
            steps: setting("WALK_STEPS").unwrap_or(steps),
            fixed,
            decided: Declared::default(),
            wanted: Declared::default(),
            taken: Taken::default(),
        }
    }

    /// Adds state machines whose every transition the domain decides.
    fn decided(mut self, of: &[fn(&mut Declared)]) -> Self {
        of.iter().for_each(|declare| declare(&mut self.decided));
        self.also(of)
    }

    /// Adds state machines that may do more than what is wanted of them.
    fn also(mut self, of: &[fn(&mut Declared)]) -> Self {
        of.iter().for_each(|declare| declare(&mut self.wanted));
        self
    }

    /// The random numbers of the next walk, while there is one.
    fn next(&mut self) -> Option<Chance> {
        let usual = self.usual > 0;
        let more = self.fixed && !self.taken.missing(&self.wanted).is_empty();
        if self.left == 0 || !(usual || more) {
            return None;
        }
        self.usual = self.usual.saturating_sub(1);
        self.left -= 1;
        self.next += 1;
        Some(Chance::of(self.next - 1))
    }

    /// Makes all walks, each on a server of its own, and judges what they took.
    async fn run(mut self, walk: impl AsyncFn(&TestApp, Trail, u64) -> Taken) {
        while let Some(chance) = self.next() {
            let app = TestApp::open().await;
            let taken = walk(&app, Trail::new(chance), self.steps).await;
            self.taken.absorb(taken);
        }
        self.judge();
    }

    fn judge(&self) {
        let report = self.taken.report();
        let undeclared = self.taken.undeclared(&self.decided);
        assert!(undeclared.is_empty(), "no rule permits {undeclared:#?} in\n{report}");
        let missing = self.taken.missing(&self.wanted);
        if self.fixed {
            assert!(missing.is_empty(), "never taken: {missing:#?} in\n{report}");
        } else {
            println!("{report}\nnever taken: {missing:#?}");
        }
    }
}

#[actix_web::test]
async fn whatever_happens_in_care_is_no_fault_and_everything_asked_for_reaches_an_end() {
    let plan = Plan::of(4, 200).decided(&[declared::consultations]);
    plan.run(async |app, trail, steps| walk(care::CareWalk::begin(app, trail).await, steps).await).await;
}

#[actix_web::test]
async fn whatever_happens_at_a_cabinet_is_no_fault_and_every_pack_is_accounted_for() {
    let plan = Plan::of(3, 160)
        .decided(&[declared::attempts, declared::orders])
        .also(&[declared::slots, declared::cabinets]);
    plan.run(async |app, trail, steps| {
        walk(dispensing::DispensingWalk::begin(app, trail).await, steps).await
    })
    .await;
}

#[actix_web::test]
async fn whatever_happens_to_a_prescription_is_no_fault_and_every_one_of_them_ends() {
    let plan = Plan::of(3, 100).decided(&[declared::prescriptions]);
    plan.run(async |app, trail, steps| {
        walk(prescribing::PrescribingWalk::begin(app, trail).await, steps).await
    })
    .await;
}

#[actix_web::test]
async fn whatever_a_mail_server_answers_is_no_fault_and_whoever_is_invited_gets_in() {
    let plan = Plan::of(3, 100).also(&[declared::letters]);
    plan.run(async |app, trail, steps| walk(letters::LetterWalk::begin(app, trail).await, steps).await).await;
}
