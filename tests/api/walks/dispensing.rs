//! Orders, packs, attempts and slots: buyers, one cabinet and its people.

use std::collections::HashMap;

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::{
    chance::Bag,
    desk::Desk,
    folds,
    slots::{self, Slot},
    trail::Trail,
    transitions::Taken,
};
use crate::{
    harness::{Answer, TestApp},
    machine::{DROP, JAM, Machine, drawn_boot},
    seed::{CARD, PIN, Seed},
    vending::OTC,
};
use crypto::{device::DeviceKey, tokens::Role};
use domain::{
    ids::{CheckInId, OrderId, OrderUnitId, PrescriptionId, WorkerId},
    network::luhn_check_digit,
    prescription::CabinetLane,
    vend::{
        AttemptState, BootId, NotDispensedReason,
        cabinet_side::Sensed,
        journal::{Body, Journal},
        reconcile::BootVerdict,
    },
};
use service::Actor;
use storage::vend::attempt::AttemptRow;

/// What a step may be, and how often it comes up.
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

/// Somebody with a card.
struct Buyer {
    id: WorkerId,
    card: String,
    check_in: Option<CheckInId>,
    known: bool,
}

pub struct Walk<'h> {
    pub(super) app: &'h TestApp,
    pub(super) seed: &'h Seed,
    pub(super) trail: Trail,
    bag: Bag,
    pub(super) cabinet: Machine<'h>,
    buyers: Vec<Buyer>,
    orders: Vec<(usize, String)>,
    prescriptions: Vec<(usize, PrescriptionId)>,
    codes: HashMap<OrderId, String>,
    /// First words of boots that are over, with the tokens they were said by.
    late: Vec<(String, Value)>,
    /// Journals of keys that were replaced.
    old: Vec<(i64, Journal)>,
    /// What fell out, whether anybody knows or not.
    fell: HashMap<OrderUnitId, usize>,
    operator: Desk,
    lots: usize,
    taken: Taken,
}

impl<'h> Walk<'h> {
    pub async fn begin(app: &'h TestApp, seed: &'h Seed, trail: Trail) -> Self {
        app.fill(seed).await;
        let mut buyers = vec![Buyer { id: seed.worker, card: CARD.to_owned(), check_in: None, known: false }];
        for number in 0..4 {
            buyers.push(buyer(app, seed, number).await);
        }
        let cabinet = Machine::on(app, seed).await;
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
            operator: Desk::of(app, &seed.operator, Role::Operator, None),
            lots: 0,
            taken: Taken::default(),
        }
    }

    /// Does something.
    pub async fn step(&mut self) {
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

    /// Everything is as it must be at any moment.
    pub async fn check(&mut self) {
        let mut unused = Taken::default();
        let mut wrong = folds::wrong(self.app, &mut unused).await;
        let token = self.operator_token().await;
        let audit = self.app.get(&token, "/api/v1/audit/invariants").await.expect(200);
        wrong.extend(audit["violations"].as_array().expect("a list").iter().map(ToString::to_string));
        let twice = self.fell.iter().filter(|(_, times)| **times > 1);
        wrong.extend(twice.map(|(unit, times)| format!("{times} packs fell for unit {unit}")));
        self.trail.right(&wrong);
    }

    /// Ends the walk and says what was done.
    pub async fn finished(mut self) -> Taken {
        self.check().await;
        self.app.sound().await;
        let mut taken = self.taken;
        folds::wrong(self.app, &mut taken).await;
        taken
    }

    pub(super) async fn attempts(&self) -> Vec<AttemptRow> {
        self.app
            .state
            .read(Actor::System, |conn, _| Ok(storage::vend::attempt::attempts_all(conn)?))
            .await
            .expect("read")
    }

    /// A fresh token of the operator.
    pub(super) async fn operator_token(&mut self) -> String {
        self.operator.token(self.app).await
    }

    pub(super) async fn operator_posts(&mut self, path: &str, body: Value) -> Answer {
        let token = self.operator_token().await;
        let answer = self.app.post(&token, path, body).await;
        self.trail.no_fault(answer)
    }

    pub(super) async fn slots(&mut self) -> Vec<Slot> {
        let token = self.operator_token().await;
        slots::of(self.app, self.seed, &token).await
    }

    /// Checks somebody in and gives their token.
    async fn visit(&mut self, buyer: usize) -> Option<String> {
        let token = self.app.station_token(self.seed);
        let body = json!({"card_number": self.buyers[buyer].card, "pin": PIN});
        let answer = self.app.post(&token, "/api/v1/check-ins", body).await;
        let opened = self.trail.no_fault(answer);
        let token = opened.body["access_token"].as_str()?.to_owned();
        let check_in = opened.body["check_in"]["id"].as_str()?.parse().ok();
        self.buyers[buyer].check_in = check_in;
        if !self.buyers[buyer].known {
            let consent = json!({"purpose": "health_care"});
            let answer = self.app.post(&token, "/api/v1/me/consents", consent).await;
            self.trail.no_fault(answer);
            self.app.answer(&token).await;
            self.buyers[buyer].known = true;
        }
        Some(token)
    }

    async fn buyer_posts(&mut self, buyer: usize, path: &str, body: Value) -> Option<Answer> {
        let token = self.visit(buyer).await?;
        let answer = self.app.post(&token, path, body).await;
        Some(self.trail.no_fault(answer))
    }

    async fn order(&mut self, buyer: usize, body: Value) {
        if let Some(answer) = self.buyer_posts(buyer, "/api/v1/orders", body).await
            && answer.status == 201
            && let Some(id) = answer.body["id"].as_str()
        {
            self.orders.push((buyer, id.to_owned()));
            if !self.trail.chance.once_in(3) {
                self.pay_for(buyer, id).await;
            }
        }
    }

    async fn order_over_the_counter(&mut self) {
        let buyer = self.trail.chance.below(self.buyers.len());
        let packs = 1 + self.trail.chance.below(2);
        self.app.lane(self.seed, CabinetLane::RetailBOnly).await;
        self.order(buyer, json!({"lines": [{"product_code": OTC, "packs": packs}]})).await;
        self.app.lane(self.seed, CabinetLane::InstitutionDispense).await;
    }

    pub(super) async fn order_prescribed(&mut self) {
        let buyer = self.trail.chance.below(self.buyers.len());
        if self.visit(buyer).await.is_none() {
            return;
        }
        let who = (self.buyers[buyer].id, self.buyers[buyer].check_in.expect("checked in"));
        let packs = self.trail.chance.one(&[1, 1, 2, 3]);
        let id = self.app.prescribe_to(self.seed, who, packs).await;
        self.prescriptions.push((buyer, id));
        self.order(buyer, json!({"prescription_id": id})).await;
    }

    async fn order_again(&mut self) {
        if let Some((buyer, id)) = self.trail.chance.any(&self.prescriptions) {
            self.order(buyer, json!({"prescription_id": id})).await;
        }
    }

    /// One of the orders, mostly a young one.
    fn some_order(&mut self) -> Option<(usize, String)> {
        let from = if self.trail.chance.once_in(4) { 0 } else { self.orders.len().saturating_sub(2) };
        self.trail.chance.any(&self.orders[from..])
    }

    async fn pay(&mut self) {
        if let Some((buyer, id)) = self.some_order() {
            self.pay_for(buyer, &id).await;
        }
    }

    async fn pay_for(&mut self, buyer: usize, id: &str) {
        let path = format!("/api/v1/orders/{id}/pay");
        if let Some(answer) = self.buyer_posts(buyer, &path, json!({"method": "subsidy"})).await
            && let Some(code) = answer.body["pickup_code"].as_str()
        {
            self.codes.insert(id.parse().expect("an id"), code.to_owned());
        }
    }

    async fn cancel(&mut self) {
        if let Some((buyer, id)) = self.some_order() {
            self.buyer_posts(buyer, &format!("/api/v1/orders/{id}/cancel"), json!({})).await;
        }
    }

    async fn poll(&mut self) {
        let answer = self.cabinet.poll().await;
        let answer = self.trail.no_fault(answer);
        if answer.status == 200 {
            self.cabinet.take(answer.body);
        }
    }

    /// A code is typed at the hatch, for whatever may wait there.
    pub(super) async fn start(&mut self, rightly: bool) {
        let mut all = self.attempts().await;
        if !all.iter().any(|row| row.state.is_live()) && !self.trail.chance.once_in(3) {
            self.order_prescribed().await;
            all = self.attempts().await;
        }
        self.poll().await;
        let live: Vec<&AttemptRow> = all.iter().filter(|row| row.state.is_live()).collect();
        let found = if live.is_empty() || self.trail.chance.once_in(8) {
            self.trail.chance.any(&all)
        } else {
            self.trail.chance.any(&live).cloned()
        };
        let Some(row) = found else { return };
        let code = self.codes.get(&row.order_id).filter(|_| rightly).cloned();
        let code = code.unwrap_or_else(|| format!("{:06}", self.trail.chance.below(1_000_000)));
        // Whoever guesses is stopped after some tries, and so is the right code for a while.
        if !rightly && self.trail.chance.once_in(3) {
            for _ in 0..5 {
                let guess = format!("{:06}", self.trail.chance.below(1_000_000));
                let answer = self.cabinet.start_as(self.cabinet.side.boot_id(), row.id, &guess).await;
                self.trail.no_fault(answer);
            }
        }
        let asked = self.cabinet.ask(row.id);
        if !asked && !self.trail.chance.once_in(3) {
            return;
        }
        let answer = self.cabinet.start_as(self.cabinet.side.boot_id(), row.id, &code).await;
        let answer = self.trail.no_fault(answer);
        // One answer of some is lost on the line, and one comes late.
        let fate = self.trail.chance.below(12);
        if answer.status != 200 || !asked || fate == 0 {
            return;
        }
        if fate == 1 {
            self.cabinet.waits(60_000);
        }
        let runs = self.cabinet.granted(row.id, answer.body);
        self.trail.note(format!("  the motor of slot {} runs: {runs}", row.slot_no));
        match self.trail.chance.below(6) {
            _ if !runs => {}
            0 => {}
            1 => self.fall_silent().await,
            _ => self.finish().await,
        }
    }

    /// The motor stops, one way or the other.
    pub(super) async fn finish(&mut self) {
        let Some(attempt) = self.cabinet.side.running().next() else { return };
        let fate = self.trail.chance.below(12);
        self.trail.note(format!("  fate {fate}"));
        let falls = matches!(fate, 0..=5 | 9 | 10);
        if falls {
            let all = self.attempts().await;
            let row = all.iter().find(|row| row.id == attempt).expect("an attempt");
            *self.fell.entry(row.order_unit_id).or_default() += 1;
        }
        let sensed = match fate {
            6 | 7 => JAM,
            8 => Sensed { drop: false, hatch_empty: false },
            _ => DROP,
        };
        match fate {
            // The power goes before anything is written, or half-way.
            9 | 11 => return self.power_cut(drawn_boot()).await,
            10 => {
                let steps = self.cabinet.side.sensed(attempt, sensed, None);
                self.cabinet.carry_out(steps.into_iter().take(1).collect());
                return self.power_cut(drawn_boot()).await;
            }
            _ => {}
        }
        let steps = self.cabinet.side.sensed(attempt, sensed, None);
        self.cabinet.carry_out(steps);
        if self.trail.chance.once_in(2) {
            self.report().await;
        }
    }

    /// Nothing is heard for too long, and then the cabinet draws the same boot.
    async fn fall_silent(&mut self) {
        self.app.pass(121);
        self.jobs().await;
        self.power_cut(self.cabinet.side.boot_id()).await;
    }

    pub(super) async fn report(&mut self) -> Answer {
        let answer = self.cabinet.report().await;
        self.trail.no_fault(answer)
    }

    async fn report_from(&mut self, seq: i64) {
        let entries: Vec<_> = self.cabinet.journal.from_seq(seq).iter().take(200).cloned().collect();
        let answer = self.cabinet.events(self.cabinet.epoch, entries).await;
        self.trail.no_fault(answer);
    }

    pub(super) async fn report_old(&mut self) {
        for (epoch, journal) in std::mem::take(&mut self.old) {
            let answer = self.cabinet.events(epoch, journal.unacked().to_vec()).await;
            if self.trail.no_fault(answer).status == 401 {
                self.old.push((epoch, journal));
            }
        }
    }

    /// Memory is lost, the journal is not. Not every boot says hello at once.
    async fn power_cut(&mut self, boot: BootId) {
        let was = self.cabinet.side.boot_id();
        self.late.push((self.cabinet.token(), self.cabinet.hello_body(was)));
        self.cabinet.restart(boot);
        if !self.trail.chance.once_in(3) {
            self.hello(json!([])).await;
        }
    }

    pub(super) async fn hello(&mut self, slots: Value) -> Answer {
        self.cabinet.runs_on();
        let mut body = self.cabinet.hello_body(self.cabinet.side.boot_id());
        body["slots"] = slots;
        let token = self.cabinet.token();
        self.say_hello(&token, &body).await
    }

    async fn say_hello(&mut self, token: &str, body: &Value) -> Answer {
        let answer = self.cabinet.post_with(token, "/cabinet/v1/hello", body).await;
        let answer = self.trail.no_fault(answer);
        if answer.body["code"] == "boot_unknown" {
            self.taken.note("boot", "heard", folds::spelt(BootVerdict::Late));
        }
        answer
    }

    /// A word of a boot that is over arrives; or that boot was not over at all,
    /// and has more to say.
    async fn late_hello(&mut self) {
        let Some((token, mut body)) = self.trail.chance.any(&self.late) else { return };
        let lives = self.trail.chance.once_in(2);
        if lives {
            let heard = body["mono_ms"].as_i64().expect("a time");
            body["mono_ms"] = json!(heard + 100_000);
        }
        let token = if lives { self.cabinet.token() } else { token };
        self.say_hello(&token, &body).await;
    }

    async fn walk_away(&mut self) {
        self.poll().await;
        if let Some(row) = self.trail.chance.any(&self.attempts().await) {
            let steps = self.cabinet.side.abandon(row.id);
            self.cabinet.carry_out(steps);
        }
    }

    /// The cabinet looks at the slot before the motor runs, and finds a reason not to.
    async fn decline(&mut self) {
        self.poll().await;
        let any = self.trail.chance.one(NotDispensedReason::ALL);
        let reason = if self.trail.chance.once_in(3) { NotDispensedReason::Empty } else { any };
        let all = self.attempts().await;
        let issued: Vec<&AttemptRow> = all.iter().filter(|row| row.state == AttemptState::Issued).collect();
        if let Some(row) = self.trail.chance.any(&issued) {
            let steps = self.cabinet.side.decline(row.id, reason);
            self.cabinet.carry_out(steps);
            self.report().await;
        }
    }

    async fn shut_the_door(&mut self) {
        let counts: Vec<_> = self.slots().await.iter().map(Slot::as_counted).collect();
        let all: Vec<_> = counts.iter().map(|count| count.slot).collect();
        if !self.trail.chance.once_in(4) {
            if let Ok(steps) = self.cabinet.side.close_door(&all, &counts) {
                self.cabinet.carry_out(steps);
            }
            return;
        }
        // Other firmware shuts it after half of the counts.
        for count in counts.iter().skip(1) {
            self.cabinet.write(Body::Count { slot: count.slot, n: count.n });
        }
        self.cabinet.write(Body::DoorClose {});
    }

    async fn count(&mut self) {
        let found = self.slots().await;
        let Some(slot) = self.trail.chance.any(&found) else { return };
        let seen = slot.as_counted();
        let n = match self.trail.chance.below(8) {
            0 => seen.n + 1,
            1 => seen.n.saturating_sub(1),
            2 => u32::MAX,
            _ => seen.n,
        };
        self.cabinet.write(Body::Count { slot: seen.slot, n });
    }

    async fn restock(&mut self) {
        let found = self.slots().await;
        let Some(slot) = self.trail.chance.any(&found) else { return };
        let spoilt = self.trail.chance.once_in(3);
        if spoilt || slot.wants_another_lot() || self.trail.chance.once_in(3) {
            self.refill(&slot, spoilt);
        } else {
            self.cabinet.write(slot.load(2));
        }
        if !self.trail.chance.once_in(3) {
            let now = self.slots().await;
            let seen = now.iter().find(|other| other.number == slot.number).expect("a slot").as_counted();
            self.cabinet.write(Body::Count { slot: seen.slot, n: seen.n });
        }
    }

    /// Takes everything out, and puts packs of another lot in.
    pub(super) fn refill(&mut self, slot: &Slot, spoilt: bool) {
        self.lots += 1;
        let days = if spoilt { -1 } else { 400 };
        let expires_on = (self.app.now() + TimeDelta::days(days)).date_naive();
        let lot = format!("N{}-{}", self.trail.chance.seed, self.lots);
        let number = slot.as_counted().slot;
        self.cabinet.write(Body::Count { slot: number, n: 0 });
        self.cabinet.write(slot.load_of(3, &lot, expires_on));
        self.cabinet.write(Body::Count { slot: number, n: 3 });
    }

    async fn misload(&mut self) {
        let found = self.slots().await;
        let (Some(slot), Some(other)) = (found.first(), found.last()) else { return };
        let (one, two) = if self.trail.chance.once_in(2) { (slot, other) } else { (other, slot) };
        self.cabinet.write(one.load_as(two, 1));
    }

    async fn resolve(&mut self) {
        let all = self.attempts().await;
        let doubted: Vec<&AttemptRow> = all.iter().filter(|row| row.state == AttemptState::InDoubt).collect();
        let Some(row) = self.trail.chance.any(&doubted).cloned() else { return };
        // Somebody restarts the cabinet and counts, or has forgotten to.
        if !self.trail.chance.once_in(3) {
            self.cabinet.restart(drawn_boot());
            self.hello(json!([])).await;
            self.count_truly().await;
            self.report().await;
        }
        self.decide_about(&row).await;
    }

    pub(super) async fn decide_about(&mut self, row: &AttemptRow) {
        let out = self.fell.contains_key(&row.order_unit_id);
        let decision = if out { "dispensed" } else { "not_dispensed" };
        self.operator_posts(&format!("/api/v1/attempts/{}/resolve", row.id), json!({"decision": decision}))
            .await;
    }

    /// Counts every slot, packs in doubt that have not fallen included.
    pub(super) async fn count_truly(&mut self) {
        let all = self.attempts().await;
        for slot in self.slots().await {
            let there = |row: &&AttemptRow| {
                row.state == AttemptState::InDoubt
                    && row.slot_no == slot.number
                    && !self.fell.contains_key(&row.order_unit_id)
            };
            let stuck = u32::try_from(all.iter().filter(there).count()).expect("a few");
            let seen = slot.as_counted();
            self.cabinet.write(Body::Count { slot: seen.slot, n: seen.n + stuck });
        }
    }

    pub(super) async fn close_incidents(&mut self) {
        let token = self.operator_token().await;
        let list = self.app.get(&token, "/api/v1/incidents?open=true").await.expect(200);
        for item in list["items"].as_array().expect("a list") {
            let path = format!("/api/v1/incidents/{}/close", item["id"].as_str().expect("an id"));
            self.operator_posts(&path, json!({"note": "样例"})).await;
        }
    }

    async fn recall(&mut self) {
        let found = self.slots().await;
        if let Some(slot) = self.trail.chance.any(&found) {
            let body = json!({"product_code": slot.product, "lot_no": slot.lot, "reason": "样例"});
            self.operator_posts("/api/v1/lots/recall", body).await;
        }
    }

    async fn revoke(&mut self) {
        let path = format!("/api/v1/devices/{}/revoke", self.cabinet.device);
        self.operator_posts(&path, json!({})).await;
    }

    /// Another key, another journal; what the old one had not told may come yet.
    pub(super) async fn enrol(&mut self) {
        let wanted = json!({"kind": "cabinet", "station_id": self.seed.station});
        let made = self.operator_posts("/api/v1/enrolment-codes", wanted).await.expect(201);
        let key = DeviceKey::generate().expect("a key");
        let body = json!({"code": made["code"], "public_key": key.public_key().to_string()});
        let answer = self.app.post("", "/cabinet/v1/enrol", body).await;
        let enrolled = self.trail.no_fault(answer).expect(201);
        let device = enrolled["device_id"].as_str().expect("an id").parse().expect("an id");
        let epoch = enrolled["epoch"].as_i64().expect("an epoch");
        let next = Machine::off(self.app, self.seed, (device, &key, epoch));
        let before = std::mem::replace(&mut self.cabinet, next);
        self.old.push((before.epoch, before.journal));
        self.late.clear();
        self.hello(json!([])).await;
    }

    async fn hold_something_else(&mut self) {
        let found = self.slots().await;
        let (Some(one), Some(two)) = (found.first(), found.last()) else { return };
        let told = json!([one.told_as(two)]);
        self.hello(told).await;
    }

    /// Another disk under the same key: it has nothing of what had arrived.
    async fn another_journal(&mut self) {
        let place = (self.cabinet.device, &self.cabinet.key.clone(), self.cabinet.epoch);
        let mut other = Machine::off(self.app, self.seed, place);
        let answer = other.hello().await;
        self.trail.no_fault(answer);
        other.write(Body::Temperature { tenths: 100 });
        let answer = other.report().await;
        self.trail.no_fault(answer);
        self.cabinet.waits(10);
    }

    /// As when a database was restored that had not seen START.
    async fn vend_without_start(&mut self) {
        let all = self.attempts().await;
        let quiet: Vec<&AttemptRow> = all.iter().filter(|row| row.started_at.is_none()).collect();
        if let Some(row) = self.trail.chance.any(&quiet) {
            let body = Body::Dispensed { attempt: row.id, lot_no: row.lot_no.clone(), serial: None };
            self.cabinet.write(body);
            self.report().await;
        }
    }

    pub(super) async fn jobs(&mut self) {
        let app = &self.app.state;
        let swept = self.app.sweep().await;
        service::check_in::sweep_idle(app).await.expect("a round");
        service::prescription::dispense::expire_due(app).await.expect("a round");
        self.trail.note(format!("  {swept:?}"));
    }

    /// Somebody who has bought nothing yet.
    pub(super) async fn newcomer(&mut self) -> usize {
        let number = self.buyers.len();
        let token = self.operator_token().await;
        self.buyers.push(buyer_by(self.app, &token, number).await);
        number
    }

    /// One pack for this buyer, from the prescription to the hatch.
    pub(super) async fn whole_vend(&mut self, buyer: usize) {
        let visit = self.visit(buyer).await.expect("checked in");
        let who = (self.buyers[buyer].id, self.buyers[buyer].check_in.expect("checked in"));
        let id = self.app.prescribe_to(self.seed, who, 1).await;
        let order = self.app.post(&visit, "/api/v1/orders", json!({"prescription_id": id})).await.expect(201);
        let path = format!("/api/v1/orders/{}", order["id"].as_str().expect("an id"));
        let pay = json!({"method": "subsidy"});
        let paid = self.app.post(&visit, &format!("{path}/pay"), pay).await.expect(200);
        let attempt = crate::vending::attempt_of(&paid, 0);
        self.cabinet.vend(attempt, &crate::vending::code_of(&paid), DROP).await;
        self.report().await.expect(200);
        let done = self.app.get(&visit, &path).await.expect(200);
        assert_eq!(done["state"], "completed", "{done}{}", self.trail.shown());
    }
}

async fn buyer(app: &TestApp, seed: &Seed, number: usize) -> Buyer {
    buyer_by(app, &seed.operator.token, number).await
}

async fn buyer_by(app: &TestApp, operator: &str, number: usize) -> Buyer {
    let digits = format!("99000000{number:03}");
    let card = format!("{digits}{}", luhn_check_digit(&digits).expect("digits"));
    let body = json!({"card_number": card, "pin": PIN, "name": "样例丁",
        "phone": format!("15700000{number:03}"), "birth_date": "1990-01-01", "sex": "male",
        "job": "courier", "employer_id": null, "language": "zh"});
    let made = app.post(operator, "/api/v1/workers", body).await.expect(201);
    let id = made["id"].as_str().expect("an id").parse().expect("an id");
    Buyer { id, card, check_in: None, known: false }
}
