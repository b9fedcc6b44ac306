//! A filled cabinet and an approved prescription: what the stories about
//! vending begin with.

use chrono::{NaiveDate, TimeDelta};
use diesel::prelude::*;
use serde_json::{Value, json};

use crate::{
    harness::TestApp,
    seed::{self, Seed},
};
use crypto::{
    digest,
    signer::{DetachedKind, sign_detached},
    tokens::{Claims, Role},
};
use domain::{
    formulary::{Formulary, IngredientCode, Product, ProductCode},
    ids::{AttemptId, CheckInId, ConsultationId, DeviceId, PrescriptionId, StationId, WorkerId},
    money::Fen,
    prescription::{CabinetLane, canonical_bytes},
};
use service::{Actor, Failure};
use storage::{
    network as store, on_backend,
    schema::{cabinet, consultation, lot, prescription, prescription_line},
    sql_types::At,
};

pub const RX: &str = "amoxicillin-250";
pub const OTC: &str = "smectite-3g";

/// A capsule on prescription, and a cream over the counter of which five packs
/// are one course.
fn sample_products() -> [Product; 2] {
    let book = Formulary::shipped().expect("the shipped file is good");
    let like = |code: &str, other: &str, price: i64| {
        let mut product = book.find(other).expect("shipped").clone();
        product.code = ProductCode::parse(code).expect("a code");
        (product.generic_zh, product.generic_en) = ("样例药".into(), "Sample".into());
        product.price = Fen(price);
        product
    };
    let mut cream = like(OTC, "DIC-G1", 500);
    cream.ingredients[0].code = IngredientCode::parse("urea").expect("an ingredient");
    cream.contraindications.clear();
    [like(RX, "AMX-C250", 1200), cream]
}

/// A worker at the screen.
pub struct Visit {
    pub token: String,
    pub check_in: CheckInId,
}

fn day(text: &str) -> NaiveDate {
    text.parse().expect("a day")
}

impl TestApp {
    /// Fills the cabinet: 2 + 3 packs of a prescription drug in slots 1 and 2,
    /// 3 packs of an over-the-counter drug in slot 3.
    pub async fn fill(&self, seed: &Seed) {
        let id = seed.cabinet;
        self.state
            .write(Actor::System, move |tx| -> Result<(), Failure> {
                let products = sample_products();
                service::formulary::put(tx, &products.iter().collect::<Vec<_>>())?;
                let filled = [
                    (1, RX, "L1", "2027-06-30", 2),
                    (2, RX, "L2", "2027-12-31", 3),
                    (3, OTC, "B1", "2027-03-31", 3),
                ];
                for (slot_no, code, lot_no, expires_on, packs) in filled {
                    let (product_code, lot_no) = (code.to_owned(), lot_no.to_owned());
                    let lot = store::NewLot {
                        product_code: product_code.clone(),
                        lot_no: lot_no.clone(),
                        expires_on: day(expires_on),
                    };
                    store::lots_add(tx.conn, &[lot])?;
                    store::slots_add(
                        tx.conn,
                        &[store::NewSlot {
                            cabinet_id: id,
                            slot_no,
                            capacity: 10,
                            product_code: Some(product_code.clone()),
                            lot_no: Some(lot_no.clone()),
                        }],
                    )?;
                    store::slot_stocks_add(
                        tx.conn,
                        &[store::NewSlotStock {
                            cabinet_id: id,
                            slot_no,
                            product_code,
                            lot_no,
                            received: packs,
                            on_hand: packs,
                            reserved: 0,
                            in_doubt: 0,
                            dispensed: 0,
                            discarded: 0,
                        }],
                    )?;
                }
                Ok(())
            })
            .await
            .expect("filled");
        service::formulary::edition::look(&self.state).await.expect("looked");
    }

    /// The worker says that they are allergic to nothing: all that a sale of
    /// `OTC` asks for.
    pub async fn answer(&self, token: &str) {
        let said = json!({"allergies": []});
        let answer = self.put(token, "/api/v1/me/profile", "\"0\"", said).await;
        assert!(matches!(answer.status.as_u16(), 200 | 412), "{}", answer.body);
    }

    /// Puts the cabinet in another lane.
    pub async fn lane(&self, seed: &Seed, lane: CabinetLane) {
        let id = seed.cabinet;
        self.state
            .write(Actor::System, move |tx| -> Result<(), Failure> {
                on_backend!(tx.conn, c => diesel::update(cabinet::table.find(id)).set(cabinet::lane.eq(lane)).execute(c))?;
                Ok(())
            })
            .await
            .expect("set");
    }

    /// Lets a lot expire yesterday.
    pub async fn spoil(&self, lot_no: &'static str) {
        let yesterday = (self.now() - TimeDelta::days(1)).date_naive();
        self.state
            .write(Actor::System, move |tx| -> Result<(), Failure> {
                on_backend!(tx.conn, c => diesel::update(lot::table.filter(lot::lot_no.eq(lot_no)))
                    .set(lot::expires_on.eq(yesterday))
                    .execute(c))?;
                Ok(())
            })
            .await
            .expect("spoilt");
    }

    /// Checks the worker in.
    pub async fn visit(&self, seed: &Seed) -> Visit {
        let token = self.station_token(seed);
        let body = json!({"card_number": seed::CARD, "pin": seed::PIN});
        let opened = self.post(&token, "/api/v1/check-ins", body).await.expect(201);
        Visit {
            token: opened["access_token"].as_str().expect("a token").to_owned(),
            check_in: opened["check_in"]["id"].as_str().expect("an id").parse().expect("an id"),
        }
    }

    /// A fresh token for a screen of another station.
    pub fn screen_token(&self, station: StationId, device: DeviceId) -> String {
        let life = TimeDelta::seconds(300);
        let mut claims =
            Claims::new(&self.state.policy.network, Role::Station, station.to_string(), self.now(), life);
        claims.device = Some(device);
        claims.epoch = Some(1);
        claims.station = Some(station);
        self.state.keys.tokens.issue(&claims).expect("a token")
    }

    pub fn station_token(&self, seed: &Seed) -> String {
        self.device_token(Role::Station, seed.station.to_string(), seed.station_device, 1, seed)
    }

    /// A fresh token for the cabinet.
    pub fn cabinet_token(&self, seed: &Seed) -> String {
        self.token_of_cabinet(seed, seed.cabinet_device, 1)
    }

    /// The same, enrolled as another device.
    pub fn token_of_cabinet(&self, seed: &Seed, device: DeviceId, epoch: i64) -> String {
        self.device_token(Role::Cabinet, seed.cabinet.to_string(), device, epoch, seed)
    }

    fn device_token(&self, role: Role, subject: String, device: DeviceId, epoch: i64, seed: &Seed) -> String {
        let life = TimeDelta::seconds(300);
        let mut claims = Claims::new(&self.state.policy.network, role, subject, self.now(), life);
        claims.device = Some(device);
        claims.epoch = Some(epoch);
        claims.station = Some(seed.station);
        self.state.keys.tokens.issue(&claims).expect("a token")
    }

    /// A fresh token for the operator.
    pub fn operator_token(&self, seed: &Seed) -> String {
        self.staff_token(Role::Operator, seed.operator.id, seed.operator.session, None, None)
    }

    /// A prescription for packs of `RX`, signed and approved.
    pub async fn prescribe(&self, seed: &Seed, visit: &Visit, packs: i32) -> PrescriptionId {
        self.prescribe_to(seed, (seed.worker, visit.check_in), packs).await
    }

    /// The same to any worker in a check-in of theirs.
    pub async fn prescribe_to(
        &self,
        seed: &Seed,
        (worker, check_in): (WorkerId, CheckInId),
        packs: i32,
    ) -> PrescriptionId {
        let (id, talk) = (PrescriptionId::generate(), ConsultationId::generate());
        let document = self.document(seed, worker, (id, talk), packs);
        let canonical = canonical_bytes(&serde_json::from_value(document.clone()).expect("a document"));
        let body = json!({
            "revision": 1,
            "draft": {"lane": document["lane"], "kind": document["kind"], "diagnoses": document["diagnoses"],
                "lines": [{"product": RX, "dose_units_thousandths": 1000, "times_per_day": 3, "days": 5}],
                // The doctor has answered what several prescriptions at once, and a
                // walk-in of unknown age, make the check say.
                "overrides": [
                    {"rule": "duplicate_ingredient", "lines": [0], "reason": "已问明，剂量合适"},
                    {"rule": "age_unknown", "lines": [], "reason": "已问明，为成年人"},
                ]},
            "names": [{"generic_zh": "x", "generic_en": "x", "label": {"zh": "x", "en": "x"}, "packs": packs}],
            "report": {"verdict": "ok", "findings": [], "ruleset_version": "test"},
            "digest": digest::hex(&digest::sha256(&canonical)),
        });
        let text = String::from_utf8(canonical.clone()).expect("UTF-8");
        let sealed = (
            self.state.seal("prescription", "body_sealed", id, &body.to_string()).expect("sealed"),
            self.state.seal("prescription", "canonical_sealed", id, &text).expect("sealed"),
        );
        let until = self.now() + TimeDelta::hours(10);
        let signer = self.state.keys.prescriptions.signing(self.now()).expect("a key");
        let signature = sign_detached(&signer, DetachedKind::Prescription, &canonical).expect("signed");
        let station = seed.station;
        let (doctor, hospital, pharmacist) = (seed.doctor.id, seed.hospital, seed.pharmacist.id);
        self.state
            .write(Actor::System, move |tx| -> Result<(), Failure> {
                on_backend!(tx.conn, c => diesel::insert_into(consultation::table)
                    .values((
                        consultation::id.eq(talk),
                        consultation::worker_id.eq(worker),
                        consultation::check_in_id.eq(check_in),
                        consultation::station_id.eq(station),
                        consultation::lane.eq("follow_up_with_evidence"),
                        consultation::department.eq("general_practice"),
                        consultation::language.eq("zh"),
                        consultation::state.eq("completed"),
                        consultation::complaint_sealed.eq(Vec::new()),
                        consultation::symptoms.eq("[]"),
                        consultation::triage.eq("routine"),
                        consultation::requested_at.eq(At(tx.now)),
                        consultation::ranked_since.eq(At(tx.now)),
                        consultation::fence.eq(1_i64),
                    ))
                    .execute(c))?;
                on_backend!(tx.conn, c => diesel::insert_into(prescription::table)
                    .values((
                        prescription::id.eq(id),
                        prescription::consultation_id.eq(talk),
                        prescription::worker_id.eq(worker),
                        prescription::doctor_id.eq(doctor),
                        prescription::hospital_id.eq(hospital),
                        prescription::state.eq("approved"),
                        prescription::version.eq(1_i64),
                        prescription::body_sealed.eq(&sealed.0),
                        prescription::canonical_sealed.eq(Some(&sealed.1)),
                        prescription::signature.eq(Some(&signature)),
                        prescription::signed_at.eq(Some(At(tx.now))),
                        prescription::valid_until.eq(Some(At(until))),
                        prescription::reviewed_by.eq(Some(pharmacist)),
                        prescription::reviewed_at.eq(Some(At(tx.now))),
                        prescription::created_at.eq(At(tx.now)),
                    ))
                    .execute(c))?;
                on_backend!(tx.conn, c => diesel::insert_into(prescription_line::table)
                    .values((
                        prescription_line::prescription_id.eq(id),
                        prescription_line::line_no.eq(1),
                        prescription_line::product_code.eq(RX),
                        prescription_line::dose_units_thousandths.eq(1000_i64),
                        prescription_line::times_per_day.eq(3),
                        prescription_line::days.eq(5),
                        prescription_line::packs.eq(packs),
                    ))
                    .execute(c))?;
                Ok(())
            })
            .await
            .expect("prescribed");
        id
    }

    fn document(
        &self,
        seed: &Seed,
        worker: WorkerId,
        (id, talk): (PrescriptionId, ConsultationId),
        packs: i32,
    ) -> Value {
        json!({
            "id": id, "revision": 1, "consultation": talk, "worker": worker,
            "prescriber": seed.doctor.id, "hospital": seed.hospital, "lane": "follow_up_with_evidence",
            "kind": "ordinary", "diagnoses": [{"code": "J02", "text": "x"}],
            "lines": [{"product": RX, "dose_units_thousandths": 1000, "times_per_day": 3, "days": 5,
                "packs": packs, "label": {"zh": "x", "en": "x"}}],
            "overrides": [], "longer_reason": null, "issued_on": "2026-11-23",
            "valid_until": self.now() + TimeDelta::hours(10), "ruleset_version": "test",
            "policy_version": "test",
        })
    }

    /// Writes a column of a prescription, as somebody with the database could.
    pub async fn tamper_prescription(&self, id: PrescriptionId) {
        self.state
            .write(Actor::System, move |tx| -> Result<(), Failure> {
                on_backend!(tx.conn, c => diesel::update(prescription::table.find(id))
                    .set(prescription::canonical_sealed.eq(Some(b"another text".to_vec())))
                    .execute(c))?;
                Ok(())
            })
            .await
            .expect("written");
    }

    /// An order for packs of `RX`, paid.
    pub async fn paid(&self, seed: &Seed, visit: &Visit, packs: i32) -> Value {
        let prescription = self.prescribe(seed, visit, packs).await;
        let body = json!({"prescription_id": prescription});
        let order = self.post(&visit.token, "/api/v1/orders", body).await.expect(201);
        let path = format!("/api/v1/orders/{}/pay", order["id"].as_str().expect("an id"));
        self.post(&visit.token, &path, json!({"method": "subsidy"})).await.expect(200)
    }

    /// An order as it is now.
    pub async fn order(&self, seed: &Seed, order: &Value) -> Value {
        let visit = self.visit(seed).await;
        let path = format!("/api/v1/orders/{}", order["id"].as_str().expect("an id"));
        self.get(&visit.token, &path).await.expect(200)
    }

    /// No invariant is broken.
    pub async fn sound(&self) {
        let violations = self
            .state
            .read(Actor::System, |conn, _| service::stock::check::invariants(conn))
            .await
            .expect("audited");
        assert_eq!(violations, Vec::<String>::new());
    }

    /// Runs the sweeps that a job would run.
    pub async fn sweep(&self) -> (usize, usize, usize) {
        let doubted = service::vend::doubt_silent(&self.state).await.expect("doubted");
        let voided = service::vend::void_expired(&self.state).await.expect("voided");
        (doubted, voided, service::vend::expire_orders(&self.state).await.expect("expired"))
    }

    /// What lies in a slot: on hand, reserved, in doubt, and why it is closed.
    pub async fn slot(&self, seed: &Seed, slot_no: i64) -> (i64, i64, i64, Value) {
        let path = format!("/api/v1/cabinets/{}", seed.cabinet);
        let cabinet = self.get(&self.operator_token(seed), &path).await.expect(200);
        let slots = cabinet["slots"].as_array().expect("slots").clone();
        let slot = slots.into_iter().find(|slot| slot["slot_no"] == slot_no).expect("the slot");
        let n = |name: &str| slot[name].as_i64().expect("a number");
        (n("on_hand"), n("reserved"), n("in_doubt"), slot["closed_reason"].clone())
    }

    /// Open incidents, by kind.
    pub async fn open_incidents(&self, seed: &Seed) -> Vec<String> {
        let list = self.get(&self.operator_token(seed), "/api/v1/incidents?open=true").await.expect(200);
        let items = list["items"].as_array().expect("items");
        items.iter().map(|item| item["kind"].as_str().expect("a kind").to_owned()).collect()
    }
}

/// The newest attempt of an order's pack.
pub fn attempt_of(order: &Value, unit: usize) -> AttemptId {
    order["units"][unit]["attempt"]["id"].as_str().expect("an attempt").parse().expect("an id")
}

/// The pickup code of an order.
pub fn code_of(order: &Value) -> String {
    order["pickup_code"].as_str().expect("a code").to_owned()
}

impl TestApp {
    /// Leaves 1 fen on the worker's account.
    pub async fn spend_all(&self, seed: &Seed) {
        use domain::{ids::OrderId, ledger, money::Fen};
        use service::ledger as books;
        let worker = seed.worker;
        self.state
            .write(Actor::System, move |tx| {
                books::allowance(tx, worker)?;
                let spent = ledger::pay_order(worker, OrderId::generate(), Fen(19_999))?.expect("a sum");
                books::book(tx, &spent, worker)
            })
            .await
            .expect("spent");
    }

    /// Lets a pack vanish from the books, as no rule would.
    pub async fn forge_stock(&self, seed: &Seed) {
        use storage::schema::slot_stock;
        let id = seed.cabinet;
        self.state
            .write(Actor::System, move |tx| -> Result<(), Failure> {
                on_backend!(tx.conn, c => diesel::update(slot_stock::table)
                    .filter(slot_stock::cabinet_id.eq(id))
                    .filter(slot_stock::slot_no.eq(1))
                    .set((slot_stock::reserved.eq(0_i64), slot_stock::discarded.eq(1_i64)))
                    .execute(c))?;
                Ok(())
            })
            .await
            .expect("forged");
    }

    /// Revokes the cabinet's key.
    pub async fn revoke_cabinet(&self, seed: &Seed) {
        use storage::schema::device;
        let id = seed.cabinet_device;
        self.state
            .write(Actor::System, move |tx| -> Result<(), Failure> {
                on_backend!(tx.conn, c => diesel::update(device::table.find(id))
                    .set(device::revoked_at.eq(Some(At(tx.now))))
                    .execute(c))?;
                Ok(())
            })
            .await
            .expect("revoked");
    }
}
