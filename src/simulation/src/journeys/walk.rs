//! One worker's journey. Each step is timed, and each response is compared with
//! what it must be: success statuses alone would prove nothing.

use std::{collections::HashSet, fmt::Display, future::Future, sync::Arc, sync::Mutex, time::Duration};

use serde_json::json;
use tokio::time::Instant;

use super::{
    Card, Ending, Journey, JourneyError, Place,
    event_listener::{EventListener, WaitError},
};
use crate::{
    acknowledged::Acknowledged,
    api::{AccountView, CheckIn, CheckInOpened, ConsultationView},
    client::{Api, As, Call, CallError},
    complaints::Complaint,
    hatch::Hatches,
    sessions::WorkerPass,
    turns::Turn,
};
use domain::{ids::AttemptId, money::Fen};

/// The timeout of a journey.
pub const LONGEST: Duration = Duration::from_secs(300);

/// The state shared by all journeys.
pub struct World {
    pub api: Api,
    pub hatches: Arc<Hatches>,
    /// The record of acknowledged states, if one is written.
    pub acknowledged: Option<Acknowledged>,
    /// Every attempt that dispensed: none may do so twice.
    pub fallen: Mutex<HashSet<AttemptId>>,
}

impl World {
    /// The state before the first journey.
    pub fn new(api: Api, hatches: Arc<Hatches>, acknowledged: Option<Acknowledged>) -> Self {
        Self { api, hatches, acknowledged, fallen: Mutex::default() }
    }
}

/// The parameters of one journey.
pub struct Trip<'t> {
    pub place: &'t Place,
    pub card: &'t Card,
    /// The journey's number, which selects the complaint.
    pub index: usize,
    pub turn: Turn,
    /// When the worker arrived, including any wait for a free station.
    pub came_at: Instant,
}

/// A running journey.
pub(super) struct Walk<'w> {
    pub(super) world: &'w World,
    pub(super) api: &'w Api,
    pub(super) place: &'w Place,
    pub(super) complaint: &'static Complaint,
    pub(super) turn: Turn,
    steps: Vec<(&'static str, Duration)>,
    step: &'static str,
}

/// Runs one journey to its end.
pub async fn walk(world: &World, trip: &Trip<'_>) -> Journey {
    let mut walk = Walk {
        world,
        api: &world.api,
        place: trip.place,
        complaint: Complaint::of(trip.index),
        turn: trip.turn,
        steps: Vec::new(),
        step: "check_in",
    };
    let ending = match walk.go(trip.card, trip.came_at).await {
        Ok(ending) => ending,
        Err(error) => Ending::Failed { step: walk.step, error },
    };
    walk.took("journey", trip.came_at.elapsed());
    Journey { steps: walk.steps, ending }
}

/// Fails the journey with the name of the check unless `holds`.
pub(super) fn must(
    holds: bool,
    name: &'static str,
    detail: impl FnOnce() -> String,
) -> Result<(), JourneyError> {
    if holds { Ok(()) } else { Err(JourneyError::Wrong { name, detail: detail() }) }
}

impl Walk<'_> {
    async fn go(&mut self, card: &Card, came_at: Instant) -> Result<Ending, JourneyError> {
        let body = json!({"card_number": card.number, "pin": card.pin});
        let station = As::Station(&self.place.device);
        let opened: CheckInOpened = self.api.call(station, Call::post("/api/v1/check-ins", &body)).await?;
        self.took("check_in", came_at.elapsed());
        self.acknowledge("check_in", opened.check_in.id, "open")?;
        must(opened.check_in.ended_at.is_none(), "check_in_open", || "a fresh check-in has ended".into())?;
        let pass = WorkerPass::new(
            self.api,
            Arc::clone(&self.place.device),
            opened.check_in.id,
            opened.access_token,
            opened.expires_in,
        );
        let pass = Arc::new(pass);
        let events = EventListener::listen(self.api.clone(), Arc::clone(&pass));
        let outcome = self.visit(&pass, &events).await;
        let leave = Call::post(format!("/api/v1/check-ins/{}/leave", opened.check_in.id), &json!({}));
        match outcome {
            Ok(ending) => {
                let left: CheckIn = self.timed("leave", self.api.call(station, leave)).await?;
                must(left.ended_at.is_some(), "check_in_ended", || "it goes on after leaving".into())?;
                self.acknowledge("check_in", left.id, "ended")?;
                Ok(ending)
            }
            Err(error) => {
                // Leave anyway: the next worker needs a free screen. The first error is reported.
                let _left: Result<CheckIn, CallError> = self.api.call(station, leave.once()).await;
                Err(error)
            }
        }
    }

    async fn visit(&mut self, pass: &WorkerPass, events: &EventListener) -> Result<Ending, JourneyError> {
        let worker = As::Worker(pass);
        self.profile(worker).await?;
        self.readings(worker).await?;
        let asked = self.ask(worker).await?;
        if self.turn == Turn::GiveUp && self.give_up(worker, &asked).await? {
            return Ok(Ending::GivenUp);
        }
        let active = self.meet_doctor(worker, events, &asked).await?;
        let prescription = self.prescription(worker, events, &active).await?;
        let before = self.balance(worker).await?;
        let Some(order) = self.order(worker, &prescription).await? else {
            self.rate(worker, events, &active).await?;
            return Ok(Ending::SoldOut);
        };
        let paid = self.pay(worker, &order).await?;
        let (ended, ending) = match self.turn {
            Turn::CancelOrder => (self.cancel_order(worker, &paid).await?, Ending::OrderCancelled),
            Turn::Jam => (self.meet_jam(worker, events, &paid).await?, Ending::Refunded),
            _ => (self.take_packs(worker, events, &paid).await?, Ending::Vended),
        };
        let after = self.balance(worker).await?;
        let due = if ending == Ending::Vended { order.total_fen } else { Fen::ZERO };
        must(before - after == due, "balance", || {
            format!("{} was due, but the balance fell by {}", due.0, (before - after).0)
        })?;
        self.rate(worker, events, &active).await?;
        self.report(worker, &active, &ended).await?;
        Ok(ending)
    }

    async fn balance(&mut self, worker: As<'_>) -> Result<Fen, JourneyError> {
        let account: AccountView =
            self.timed("account", self.api.call(worker, Call::get("/api/v1/account"))).await?;
        Ok(account.balance_fen)
    }

    pub(super) async fn consultation(
        &self,
        worker: As<'_>,
        path: &str,
    ) -> Result<ConsultationView, CallError> {
        self.api.call(worker, Call::get(path)).await
    }

    /// Runs one step and records its duration.
    pub(super) async fn timed<T>(
        &mut self,
        step: &'static str,
        work: impl Future<Output = Result<T, CallError>>,
    ) -> Result<T, JourneyError> {
        self.step = step;
        let began = Instant::now();
        let done = work.await?;
        self.took(step, began.elapsed());
        Ok(done)
    }

    /// Waits for a change by the server or another person, and records how long.
    pub(super) async fn wait<T>(
        &mut self,
        step: &'static str,
        events: &EventListener,
        kinds: &[&str],
        look: impl AsyncFnMut() -> Result<Option<T>, CallError>,
    ) -> Result<T, JourneyError> {
        self.step = step;
        match events.wait(kinds, look).await {
            Ok((found, took)) => {
                self.took(step, took);
                Ok(found)
            }
            Err(WaitError::Call(error)) => Err(error.into()),
            Err(WaitError::Timeout) => Err(JourneyError::TooLong),
        }
    }

    /// Records what the server has just acknowledged, before the journey goes on.
    pub(super) fn acknowledge(
        &self,
        kind: &str,
        id: impl Display,
        state: impl Display,
    ) -> Result<(), JourneyError> {
        let Some(acknowledged) = &self.world.acknowledged else { return Ok(()) };
        acknowledged
            .note(kind, id, state)
            .map_err(|error| CallError::Ours(format!("the record of acknowledgements: {error}")).into())
    }

    pub(super) fn took(&mut self, step: &'static str, time: Duration) {
        self.step = step;
        self.steps.push((step, time));
    }
}
