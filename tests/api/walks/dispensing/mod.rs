//! Orders, packs, attempts and slots: buyers, one cabinet and its people.

mod boots;
mod buyers;
mod hatch;
mod restocking;
mod settling;

use std::collections::HashMap;

use serde_json::{Value, json};

use self::buyers::Buyer;
use super::{
    Walk,
    chance::Bag,
    desk::Desk,
    folds,
    slots::{self, Slot},
    trail::Trail,
    transitions::Taken,
};
use crate::support::{
    Answer, CabinetMachine, TestApp,
    machine::drawn_boot,
    seed::{CARD, Seed},
};
use domain::{
    ids::{OrderId, OrderUnitId, PrescriptionId},
    prescription::CabinetLane,
    vend::journal::{Body, Journal},
};
use service::Actor;
use storage::vend::attempt::AttemptRow;

/// The steps, and how often each is drawn.
const STEPS: &[(&str, usize)] = &[
    ("order over the counter", 2),
    ("order what is prescribed", 6),
    ("order it again", 2),
    ("pay", 3),
    ("cancel", 2),
    ("poll", 2),
    ("start", 14),
    ("type another code", 2),
    ("finish", 6),
    ("report", 5),
    ("report again", 1),
    ("report with a gap", 1),
    ("report of an old key", 1),
    ("power cut", 2),
    ("draw the same boot", 2),
    ("late hello", 3),
    ("hello", 1),
    ("walk away", 1),
    ("decline", 5),
    ("open the door", 1),
    ("shut the door", 1),
    ("count", 2),
    ("restock", 3),
    ("misload", 1),
    ("resolve", 3),
    ("look at incidents", 2),
    ("recall", 1),
    ("revoke", 1),
    ("enrol", 2),
    ("hold something else", 1),
    ("another journal", 1),
    ("vend without start", 1),
    ("alarm", 1),
    ("warm", 1),
    ("another lane", 1),
    ("put everything right", 6),
    ("pass", 6),
    ("jobs", 6),
];

/// Rounds of settling that a diligent operator and a restocker may need.
const ROUNDS: usize = 5;

pub struct DispensingWalk<'h> {
    app: &'h TestApp,
    seed: &'h Seed,
    trail: Trail,
    bag: Bag,
    cabinet: CabinetMachine<'h>,
    buyers: Vec<Buyer>,
    orders: Vec<(usize, String)>,
    prescriptions: Vec<(usize, PrescriptionId)>,
    codes: HashMap<OrderId, String>,
    /// First hellos of boots that are over, with the tokens they were sent with.
    late: Vec<(String, Value)>,
    /// Journals of keys that were replaced.
    old: Vec<(i64, Journal)>,
    /// The number of packs that fell out for each unit, whether the server knows or not.
    fell: HashMap<OrderUnitId, usize>,
    operator: Desk,
    lots: usize,
    taken: Taken,
}

impl<'h> DispensingWalk<'h> {
    pub async fn begin(app: &'h TestApp, trail: Trail) -> Self {
        let seed = app.network().await;
        app.fill(seed).await;
        let mut buyers = vec![Buyer { id: seed.worker, card: CARD.to_owned(), check_in: None, known: false }];
        for number in 0..4 {
            buyers.push(Buyer::register(app, &seed.operator.token, number).await);
        }
        let cabinet = app.cabinet().await;
        Self {
            app,
            seed,
            trail,
            bag: Bag::of(STEPS),
            cabinet,
            buyers,
            orders: vec![],
            prescriptions: vec![],
            codes: HashMap::new(),
            late: vec![],
            old: vec![],
            fell: HashMap::new(),
            operator: Desk::of(app, &seed.operator),
            lots: 0,
            taken: Taken::default(),
        }
    }

    async fn attempts(&self) -> Vec<AttemptRow> {
        self.app
            .state
            .read(Actor::System, |conn, _| Ok(storage::vend::attempt::attempts_all(conn)?))
            .await
            .expect("read")
    }

    /// A fresh token of the operator.
    async fn operator_token(&mut self) -> String {
        self.operator.token(self.app).await
    }

    async fn operator_posts(&mut self, path: &str, body: Value) -> Answer {
        let token = self.operator_token().await;
        let answer = self.app.post(&token, path, body).await;
        self.trail.no_fault(answer)
    }

    async fn slots(&mut self) -> Vec<Slot> {
        let token = self.operator_token().await;
        slots::of(self.app, self.seed, &token).await
    }

    async fn jobs(&mut self) {
        let app = &self.app.state;
        let swept = self.app.sweep().await;
        service::check_in::sweep_idle(app).await.expect("a round");
        service::prescription::dispense::expire_due(app).await.expect("a round");
        self.trail.note(format!("  {swept:?}"));
    }
}

impl Walk for DispensingWalk<'_> {
    async fn step(&mut self) {
        let what = self.bag.draw(&mut self.trail.chance);
        self.trail.note(what);
        match what {
            "order over the counter" => self.order_over_the_counter().await,
            "order what is prescribed" => self.order_prescribed().await,
            "order it again" => self.order_again().await,
            "pay" => self.pay().await,
            "cancel" => self.cancel().await,
            "poll" => self.poll().await,
            "start" => self.start(true).await,
            "type another code" => self.start(false).await,
            "finish" => self.finish().await,
            "report" => drop(self.report().await),
            "report again" => self.report_from(1).await,
            "report with a gap" => {
                let seq = self.cabinet.journal.unacked().first().map_or(1, |entry| entry.seq + 1);
                self.report_from(seq).await;
            }
            "report of an old key" => self.report_old().await,
            "power cut" => self.power_cut(drawn_boot()).await,
            "draw the same boot" => self.power_cut(self.cabinet.side.boot_id()).await,
            "late hello" => self.late_hello().await,
            "hello" => drop(self.hello(json!([])).await),
            "walk away" => self.walk_away().await,
            "decline" => self.decline().await,
            "open the door" => {
                let steps = self.cabinet.side.open_door(self.seed.restocker.id);
                self.cabinet.carry_out(steps);
            }
            "shut the door" => self.shut_the_door().await,
            "count" => self.count().await,
            "restock" => self.restock().await,
            "misload" => self.misload().await,
            "resolve" => self.resolve().await,
            "look at incidents" => self.close_incidents().await,
            "recall" => self.recall().await,
            "revoke" => self.revoke().await,
            "enrol" => self.enrol().await,
            "hold something else" => self.hold_something_else().await,
            "another journal" => self.another_journal().await,
            "vend without start" => self.vend_without_start().await,
            "alarm" => self.cabinet.write(Body::Tamper { sensor: "lid".into() }),
            "warm" => self.cabinet.write(Body::Temperature { tenths: 451 }),
            "another lane" => {
                self.app.lane(self.seed, CabinetLane::RetailBOnly).await;
                self.start(true).await;
                self.app.lane(self.seed, CabinetLane::InstitutionDispense).await;
            }
            "put everything right" => self.put_right().await,
            "pass" => {
                let seconds =
                    self.trail.chance.one(&[1, 1, 5, 5, 31, 31, 61, 121, 121, 301, 901, 1801, 6 * 3600]);
                self.trail.note(format!("  {seconds} s"));
                self.app.pass(seconds);
            }
            "jobs" => self.jobs().await,
            other => unreachable!("{other}"),
        }
    }

    async fn check(&mut self) {
        let mut unused = Taken::default();
        let mut wrong = folds::wrong(self.app, &mut unused).await;
        let token = self.operator_token().await;
        let audit = self.app.get(&token, "/api/v1/audit/invariants").await.expect_ok();
        wrong.extend(audit["violations"].as_array().expect("a list").iter().map(ToString::to_string));
        let twice = self.fell.iter().filter(|(_, times)| **times > 1);
        wrong.extend(twice.map(|(unit, times)| format!("{times} packs fell for unit {unit}")));
        self.trail.right(&wrong);
    }

    /// Settles everything until nothing is open, and then one more pack is sold.
    async fn end(&mut self) {
        self.app.lane(self.seed, CabinetLane::InstitutionDispense).await;
        for round in 0..ROUNDS {
            if round > 0 && self.open().await.is_empty() {
                break;
            }
            self.trail.note("a round of putting right");
            self.put_right().await;
            self.app.pass(31 * 60);
            self.jobs().await;
        }
        let open = self.open().await;
        assert!(open.is_empty(), "never ends: {open:#?}{}", self.trail.shown());
        self.check().await;
        let buyer = self.newcomer().await;
        self.whole_vend(buyer).await;
    }

    async fn finished(mut self) -> Taken {
        self.check().await;
        self.app.sound().await;
        let mut taken = self.taken;
        folds::wrong(self.app, &mut taken).await;
        taken
    }
}
