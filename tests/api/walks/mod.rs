//! Walks through states that nobody thought of: people and machines do whatever
//! they may in any order, over HTTP, while the jobs run now and then. Nothing is
//! ever a fault, every state equals the fold of its events, and whatever was
//! asked for can still reach an end.
//!
//! `WALKS` is how many walks of each kind there are, `WALK_STEPS` how long each
//! is, and `WALK_SEED` the first one's seed; a failure tells its seed and its
//! last steps. The fixed seeds must take every transition that the domain has
//! (`declared`), so a state or a command that is new fails until walks reach it;
//! what is still missing after the usual walks gets some more.

mod care;
mod chance;
mod clinic;
mod declared;
mod desk;
mod dispensing;
mod dispensing_end;
mod folds;
mod letters;
mod prescribing;
mod slots;
mod trail;
mod transitions;
mod truth;

use chance::Chance;
use trail::Trail;
use transitions::{Declared, Taken};

use crate::harness::TestApp;

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}

/// Which walks are walked, and what they must have taken together.
struct Plan {
    next: u64,
    usual: u64,
    left: u64,
    steps: u64,
    /// Nobody has chosen other walks than the fixed ones.
    fixed: bool,
    /// Asked of the domain: nothing else may ever be taken.
    decided: Declared,
    /// Everything that must be taken.
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

    /// These machines are walked; the domain decides what they do.
    fn decided(mut self, of: &[fn(&mut Declared)]) -> Self {
        of.iter().for_each(|declare| declare(&mut self.decided));
        self.also(of)
    }

    /// These as well; they may do more than what is wanted.
    fn also(mut self, of: &[fn(&mut Declared)]) -> Self {
        of.iter().for_each(|declare| declare(&mut self.wanted));
        self
    }

    /// The next walk's chance, while there is one.
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

    fn judge(&self) {
        let told = self.taken.told();
        let undeclared = self.taken.undeclared(&self.decided);
        assert!(undeclared.is_empty(), "no rule permits {undeclared:#?} in\n{told}");
        let missing = self.taken.missing(&self.wanted);
        if self.fixed {
            assert!(missing.is_empty(), "never taken: {missing:#?} in\n{told}");
        } else {
            println!("{told}\nnever taken: {missing:#?}");
        }
    }
}

#[actix_web::test]
async fn whatever_happens_in_care_is_no_fault_and_everything_asked_for_reaches_an_end() {
    let mut plan = Plan::of(4, 120).decided(&[declared::consultations]);
    while let Some(chance) = plan.next() {
        let app = TestApp::open().await;
        let seed = app.seed().await;
        let mut walk = care::Walk::begin(&app, &seed, Trail::new(chance)).await;
        for _ in 0..plan.steps {
            walk.step().await;
        }
        walk.end().await;
        plan.taken.absorb(walk.finished().await);
    }
    plan.judge();
}

#[actix_web::test]
async fn whatever_happens_at_a_cabinet_is_no_fault_and_every_pack_is_accounted_for() {
    let mut plan = Plan::of(3, 160)
        .decided(&[declared::attempts, declared::orders])
        .also(&[declared::slots, declared::cabinets]);
    while let Some(chance) = plan.next() {
        let app = TestApp::open().await;
        let seed = app.seed().await;
        let mut walk = dispensing::Walk::begin(&app, &seed, Trail::new(chance)).await;
        for number in 0..plan.steps {
            walk.step().await;
            if number % 8 == 7 {
                walk.check().await;
            }
        }
        walk.end().await;
        plan.taken.absorb(walk.finished().await);
    }
    plan.judge();
}

#[actix_web::test]
async fn whatever_happens_to_a_prescription_is_no_fault_and_every_one_of_them_ends() {
    let mut plan = Plan::of(3, 100).decided(&[declared::prescriptions]);
    while let Some(chance) = plan.next() {
        let app = TestApp::open().await;
        let seed = app.seed().await;
        let mut walk = prescribing::Walk::begin(&app, &seed, Trail::new(chance)).await;
        for number in 0..plan.steps {
            walk.step().await;
            if number % 8 == 7 {
                walk.check().await;
            }
        }
        walk.end().await;
        plan.taken.absorb(walk.finished().await);
    }
    plan.judge();
}

#[actix_web::test]
async fn whatever_a_mail_server_answers_is_no_fault_and_whoever_is_invited_gets_in() {
    let mut plan = Plan::of(3, 100).also(&[declared::letters]);
    while let Some(chance) = plan.next() {
        let app = TestApp::open().await;
        let seed = app.seed().await;
        let mut walk = letters::Walk::begin(&app, &seed, Trail::new(chance)).await;
        for number in 0..plan.steps {
            walk.step().await;
            if number % 8 == 7 {
                walk.check().await;
            }
        }
        walk.end().await;
        plan.taken.absorb(walk.finished().await);
    }
    plan.judge();
}
