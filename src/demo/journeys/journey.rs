//! One worker's way. Each step is timed, and each answer is compared with what
//! it must be: a journey that merely saw friendly statuses has proven nothing.

use std::{fmt::Display, future::Future, sync::Arc, time::Duration};

use futures_util::StreamExt;
use serde_json::{Value, json};
use tokio::{sync::Notify, task::JoinHandle, time::Instant};

use super::{Card, Ending, Journey, LOOK, Place};
use crate::{
    demo::{
        acknowledged::Acknowledged,
        api::{
            AccountView, CheckIn, CheckInOpened, ConsultationView, MessageView, OrderView, Page,
            PrescriptionView, ReadingsTaken,
        },
        client::{Api, As, Call, CallError},
        complaints::Complaint,
        hatch::Hatches,
        sessions::WorkerPass,
    },
    domain::{
        consultation::ConsultationState,
        ids::AttemptId,
        money::Fen,
        order::{OrderState, UnitState},
        vend::AttemptState,
    },
};

/// The longest that a worker stays.
pub const LONGEST: Duration = Duration::from_secs(300);
/// The longest wait for a doctor, a pharmacist or a cabinet, each.
const LONGEST_WAIT: Duration = Duration::from_secs(120);
const RATING: i64 = 5;

/// What went wrong, in words.
type Wrong = String;

/// What all workers on the way share.
pub struct World<'w> {
    /// The house.
    pub api: &'w Api,
    /// The keypads.
    pub hatches: &'w Hatches,
    /// What the workers were told.
    pub acknowledged: &'w Acknowledged,
}

/// A worker on the way.
struct Walk<'w> {
    api: &'w Api,
    hatches: &'w Hatches,
    acknowledged: &'w Acknowledged,
    place: &'w Place,
    complaint: &'static Complaint,
    steps: Vec<(&'static str, Duration)>,
    step: &'static str,
}

/// Walks the whole way.
pub async fn walk(world: &World<'_>, place: &Place, card: &Card, index: usize) -> Journey {
    let World { api, hatches, acknowledged } = *world;
    let complaint = Complaint::of(index);
    let mut walk = Walk { api, hatches, acknowledged, place, complaint, steps: Vec::new(), step: "check_in" };
    let ending = match walk.go(card).await {
        Ok(()) => Ending::Vended,
        Err(why) => Ending::Failed { step: walk.step, why },
    };
    Journey { steps: walk.steps, ending }
}

/// Says what is wrong unless it holds.
fn must(holds: bool, wrong: impl FnOnce() -> String) -> Result<(), Wrong> {
    if holds { Ok(()) } else { Err(wrong()) }
}

impl<'w> Walk<'w> {
    async fn go(&mut self, card: &Card) -> Result<(), Wrong> {
        let body = json!({"card_number": card.number, "pin": card.pin});
        let station = As::Station(&self.place.device);
        let opened: CheckInOpened =
            self.timed("check_in", self.api.call(station, Call::post("/api/v1/check-ins", &body))).await?;
        self.told("check_in", opened.check_in.id, "open")?;
        must(opened.check_in.ended_at.is_none(), || "a fresh check-in has ended".to_owned())?;
        let pass = WorkerPass::new(
            self.api,
            Arc::clone(&self.place.device),
            opened.check_in.id,
            opened.access_token,
            opened.expires_in,
        );
        let pass = Arc::new(pass);
        let bell = Bell::listen(self.api.clone(), Arc::clone(&pass));
        let outcome = self.visit(&pass, &bell).await;
        let leave = Call::post(format!("/api/v1/check-ins/{}/leave", opened.check_in.id), &json!({}));
        match outcome {
            Ok(()) => {
                let left: CheckIn = self.timed("leave", self.api.call(station, leave)).await?;
                must(left.ended_at.is_some(), || "the check-in goes on after leaving".to_owned())?;
                self.told("check_in", left.id, "ended")
            }
            Err(wrong) => {
                // The next worker must find a free screen; what went wrong is known already.
                let _left: Result<CheckIn, CallError> = self.api.call(station, leave.once()).await;
                Err(wrong)
            }
        }
    }

    async fn visit(&mut self, pass: &WorkerPass, bell: &Bell) -> Result<(), Wrong> {
        let worker = As::Worker(pass);
        self.profile(worker).await?;
        self.readings(worker).await?;
        let consultation = self.consult(worker, bell).await?;
        let prescription = self.prescription(worker, bell, &consultation).await?;
        let before: AccountView =
            self.timed("account", self.api.call(worker, Call::get("/api/v1/account"))).await?;
        let order = self.order(worker, &prescription).await?;
        let paid = self.pay(worker, &order).await?;
        self.take_packs(worker, bell, &paid).await?;
        let after: AccountView =
            self.timed("account", self.api.call(worker, Call::get("/api/v1/account"))).await?;
        must(before.balance_fen - after.balance_fen == order.total_fen, || {
            format!(
                "paid {}, but the balance fell by {}",
                order.total_fen.0,
                (before.balance_fen - after.balance_fen).0
            )
        })?;
        self.rate(worker, &consultation).await?;
        let report: Value = self.timed("report", self.api.call(worker, Call::get("/api/v1/report"))).await?;
        must(report.is_object(), || "the report is no record".to_owned())
    }

    /// A worker without a profile says that there is nothing to say.
    async fn profile(&mut self, worker: As<'_>) -> Result<(), Wrong> {
        let path = "/api/v1/me/profile";
        let found = self.api.call_tagged::<Value>(worker, Call::get(path)).await;
        let etag = match found {
            Ok(found) => found.etag,
            Err(error) if error.status() == 404 => None,
            Err(error) => return Err(error.to_string()),
        };
        let nothing = json!({"allergies": [], "conditions": [], "medicines": []});
        let etag = etag.or_else(|| Some("\"0\"".to_owned()));
        let _: Value = self.timed("profile", self.api.call(worker, Call::put(path, etag, &nothing))).await?;
        Ok(())
    }

    async fn readings(&mut self, worker: As<'_>) -> Result<(), Wrong> {
        let sent = self.complaint.readings();
        let taken: ReadingsTaken =
            self.timed("readings", self.api.call(worker, Call::post("/api/v1/readings", &sent))).await?;
        for reading in sent["readings"].as_array().into_iter().flatten() {
            let kept =
                taken.readings.iter().find(|kept| Some(kept.kind.as_str()) == reading["kind"].as_str());
            must(kept.is_some_and(|kept| Some(kept.value) == reading["value"].as_i64()), || {
                format!("reading {} was not kept as sent", reading["kind"])
            })?;
        }
        must(taken.triage.is_object(), || "no triage came with the readings".to_owned())
    }

    async fn consult(&mut self, worker: As<'_>, bell: &Bell) -> Result<ConsultationView, Wrong> {
        let body =
            json!({"complaint": self.complaint.said, "department": null, "lane": "minor_ailment_pilot"});
        let asked: ConsultationView =
            self.timed("ask", self.api.call(worker, Call::post("/api/v1/consultations", &body))).await?;
        self.told("consultation", asked.id, asked.state)?;
        must(asked.state.is_live(), || format!("a fresh consultation is {}", asked.state))?;
        let path = format!("/api/v1/consultations/{}", asked.id);
        let active = self
            .wait("doctor", bell, async || {
                let now: ConsultationView = self.api.call(worker, Call::get(&path)).await?;
                Ok((!matches!(now.state, ConsultationState::Waiting | ConsultationState::Offered))
                    .then_some(now))
            })
            .await?;
        self.took("doctor", active.1);
        let active = active.0;
        let served = matches!(active.state, ConsultationState::Active | ConsultationState::Completed);
        self.told("consultation", active.id, active.state)?;
        must(served && active.doctor.is_some(), || {
            format!("the consultation is {} without a doctor", active.state)
        })?;
        let talk = format!("{path}/messages");
        let asked_back = self
            .wait("talk", bell, async || {
                let lines: Page<MessageView> = self.api.call(worker, Call::get(&talk)).await?;
                Ok(lines.items.into_iter().find(|line| line.sender_role == "doctor"))
            })
            .await?;
        self.took("talk", asked_back.1);
        must(asked_back.0.text == self.complaint.question, || {
            "the doctor's words changed on the way".to_owned()
        })?;
        let answer = Call::post(&talk, &json!({"text": self.complaint.answer}));
        match self.api.call::<Value>(worker, answer).await {
            // The doctor may have finished in the meantime.
            Ok(_) => {}
            Err(error) if error.is_conflict() => {}
            Err(error) => return Err(error.to_string()),
        }
        Ok(active)
    }

    async fn prescription(
        &mut self,
        worker: As<'_>,
        bell: &Bell,
        consultation: &ConsultationView,
    ) -> Result<PrescriptionView, Wrong> {
        let approved = self
            .wait("prescription", bell, async || {
                let all: Page<PrescriptionView> =
                    self.api.call(worker, Call::get("/api/v1/prescriptions")).await?;
                let own = all.items.into_iter().find(|one| one.consultation_id == consultation.id);
                if own
                    .as_ref()
                    .is_some_and(|one| matches!(one.state.as_str(), "draft" | "signed" | "returned"))
                {
                    return Ok(None);
                }
                if own.is_some() {
                    return Ok(own);
                }
                let path = format!("/api/v1/consultations/{}", consultation.id);
                let now: ConsultationView = self.api.call(worker, Call::get(path)).await?;
                if now.state.is_live() {
                    return Ok(None);
                }
                Err(CallError::Ours("the consultation ended without a prescription".to_owned()))
            })
            .await?;
        self.took("prescription", approved.1);
        let approved = approved.0;
        must(approved.state == "approved", || format!("the prescription is {}", approved.state))?;
        let treated = self.complaint.treatments.iter().any(|treatment| {
            treatment.len() == approved.lines.len()
                && treatment
                    .iter()
                    .all(|line| approved.lines.iter().any(|kept| kept.product_code == line.product_code))
        });
        must(treated, || "the prescription holds other drugs than the doctor chose".to_owned())?;
        Ok(approved)
    }

    async fn order(&mut self, worker: As<'_>, prescription: &PrescriptionView) -> Result<OrderView, Wrong> {
        let body = json!({"prescription_id": prescription.id});
        let order: OrderView =
            self.timed("order", self.api.call(worker, Call::post("/api/v1/orders", &body))).await?;
        self.told("order", order.id, order.state)?;
        must(order.state == OrderState::Reserved, || format!("a fresh order is {}", order.state))?;
        must(order.pickup_code.is_none(), || "an unpaid order shows a pickup code".to_owned())?;
        let total: Fen = order.units.iter().map(|unit| unit.price_fen).sum();
        must(total == order.total_fen && total > Fen::ZERO, || {
            format!("the total is {}, not {}", order.total_fen.0, total.0)
        })?;
        for line in &prescription.lines {
            let units = order.units.iter().filter(|unit| unit.product_code == line.product_code).count();
            must(i64::try_from(units) == Ok(line.packs), || {
                format!("{} packs of {} prescribed, {units} ordered", line.packs, line.product_code)
            })?;
        }
        let prescribed: i64 = prescription.lines.iter().map(|line| line.packs).sum();
        must(i64::try_from(order.units.len()) == Ok(prescribed), || {
            "the order holds more than prescribed".to_owned()
        })?;
        Ok(order)
    }

    async fn pay(&mut self, worker: As<'_>, order: &OrderView) -> Result<OrderView, Wrong> {
        let call = Call::post(format!("/api/v1/orders/{}/pay", order.id), &json!({"method": "subsidy"}));
        let paid: OrderView = self.timed("pay", self.api.call(worker, call)).await?;
        self.told("order", paid.id, paid.state)?;
        must(paid.state == OrderState::Paid, || format!("a paid order is {}", paid.state))?;
        must(paid.total_fen == order.total_fen, || "the total changed with the payment".to_owned())?;
        Ok(paid)
    }

    async fn take_packs(&mut self, worker: As<'_>, bell: &Bell, paid: &OrderView) -> Result<(), Wrong> {
        let code = paid.pickup_code.as_deref().ok_or("a paid order shows no pickup code")?;
        let packs = paid.units.len();
        let own: Vec<AttemptId> =
            paid.units.iter().filter_map(|unit| unit.attempt.as_ref()).map(|attempt| attempt.id).collect();
        must(own.len() == packs, || format!("{} attempts for {packs} paid packs", own.len()))?;
        // Packs of somebody who never came may wait there too; a code typed for those is wrong.
        let ready = self
            .wait("cabinet", bell, async || Ok(self.hatches.holds(&self.place.code, &own).then_some(())))
            .await?;
        self.took("cabinet", ready.1);
        let began = Instant::now();
        let shown = self.hatches.type_code(&self.place.code, code).await;
        let shown = shown.ok_or("the cabinet's keypad is dead")?;
        must(usize::try_from(shown.dispensed) == Ok(packs) && shown.failed == 0, || {
            format!("{} of {packs} packs came out ({:?})", shown.dispensed, shown.refused)
        })?;
        let path = format!("/api/v1/orders/{}", paid.id);
        let ended = self
            .wait("vend", bell, async || {
                let now: OrderView = self.api.call(worker, Call::get(&path)).await?;
                Ok((!now.state.is_live()).then_some(now))
            })
            .await?
            .0;
        self.took("vend", began.elapsed());
        self.told("order", ended.id, ended.state)?;
        for unit in &ended.units {
            self.told("unit", unit.id, unit.state)?;
        }
        must(ended.state == OrderState::Completed, || format!("the order ended as {}", ended.state))?;
        let out = ended.units.iter().filter(|unit| {
            let proven =
                unit.attempt.as_ref().is_some_and(|attempt| attempt.state == AttemptState::Dispensed);
            unit.state == UnitState::Dispensed && proven
        });
        let out = out.count();
        must(out == packs, || format!("{out} of {packs} packs are on record as dispensed"))
    }

    async fn rate(&mut self, worker: As<'_>, consultation: &ConsultationView) -> Result<(), Wrong> {
        let path = format!("/api/v1/consultations/{}", consultation.id);
        let completed = self
            .wait("completed", &Bell::silent(), async || {
                let now: ConsultationView = self.api.call(worker, Call::get(&path)).await?;
                Ok((now.state == ConsultationState::Completed).then_some(()))
            })
            .await?;
        self.took("completed", completed.1);
        self.told("consultation", consultation.id, ConsultationState::Completed)?;
        let call = Call::post(format!("{path}/rating"), &json!({"rating": RATING}));
        let _: Value = self.timed("rating", self.api.call(worker, call)).await?;
        self.told("rating", consultation.id, RATING)?;
        let rated: ConsultationView =
            self.api.call(worker, Call::get(&path)).await.map_err(|e| e.to_string())?;
        must(rated.rating == Some(RATING), || "the rating was not kept".to_owned())
    }

    /// Does one step, and keeps how long it took.
    async fn timed<T>(
        &mut self,
        step: &'static str,
        work: impl Future<Output = Result<T, CallError>>,
    ) -> Result<T, Wrong> {
        self.step = step;
        let began = Instant::now();
        let done = work.await.map_err(|error| error.to_string())?;
        self.took(step, began.elapsed());
        Ok(done)
    }

    /// Keeps what the house has just answered before anything follows from it.
    fn told(&self, kind: &str, id: impl Display, state: impl Display) -> Result<(), Wrong> {
        let noted = self.acknowledged.note(kind, id, state);
        noted.map_err(|error| format!("the record of acknowledgements: {error}"))
    }

    fn took(&mut self, step: &'static str, time: Duration) {
        self.step = step;
        self.steps.push((step, time));
    }

    /// Looks, and looks again whenever the house says that something happened.
    async fn wait<T>(
        &self,
        what: &'static str,
        bell: &Bell,
        mut look: impl AsyncFnMut() -> Result<Option<T>, CallError>,
    ) -> Result<(T, Duration), Wrong> {
        let began = Instant::now();
        loop {
            let rung = bell.rung.notified();
            if let Some(found) = look().await.map_err(|error| format!("waiting for {what}: {error}"))? {
                return Ok((found, began.elapsed()));
            }
            if began.elapsed() > LONGEST_WAIT {
                return Err(format!("waited too long for {what}"));
            }
            tokio::select! {
                () = rung => {}
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    }
}

/// Rings when the house has something to tell this worker. It is a hint and no
/// more: whoever waits also looks slowly.
struct Bell {
    rung: Arc<Notify>,
    listener: Option<JoinHandle<()>>,
}

impl Bell {
    fn silent() -> Self {
        Self { rung: Arc::default(), listener: None }
    }

    fn listen(api: Api, pass: Arc<WorkerPass>) -> Self {
        let rung = Arc::new(Notify::new());
        let bell = Arc::clone(&rung);
        let listener = tokio::spawn(async move {
            loop {
                let opened = api.open(As::Worker(&pass), Call::get("/api/v1/events?after=0").once()).await;
                let Ok(answer) = opened else { return };
                let mut stream = answer.bytes_stream();
                while let Some(Ok(chunk)) = stream.next().await {
                    // A ping is a comment; anything else is an event.
                    if !chunk.starts_with(b":") {
                        bell.notify_waiters();
                    }
                }
            }
        });
        Self { rung, listener: Some(listener) }
    }
}

impl Drop for Bell {
    fn drop(&mut self) {
        if let Some(listener) = &self.listener {
            listener.abort();
        }
    }
}
