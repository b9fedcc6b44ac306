//! One worker's way. Each step is timed, and each answer is compared with what
//! it must be: a journey that merely saw friendly statuses has proven nothing.

use std::{collections::HashSet, fmt::Display, future::Future, sync::Arc, sync::Mutex, time::Duration};

use serde_json::json;
use tokio::time::Instant;

use super::{
    Card, Ending, Journey, Place, Trouble,
    bell::{Bell, Waited},
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

/// The longest that a worker stays.
pub const LONGEST: Duration = Duration::from_secs(300);

/// What all workers on the way share.
pub struct World {
    /// The house.
    pub api: Api,
    /// The keypads.
    pub hatches: Arc<Hatches>,
    /// What the workers were told, if it is kept.
    pub acknowledged: Option<Acknowledged>,
    /// Every pack that came out: none may come out twice.
    pub fallen: Mutex<HashSet<AttemptId>>,
}

impl World {
    /// A world in which nobody has been on the way yet.
    pub fn new(api: Api, hatches: Arc<Hatches>, acknowledged: Option<Acknowledged>) -> Self {
        Self { api, hatches, acknowledged, fallen: Mutex::default() }
    }
}

/// One journey to go on.
pub struct Trip<'t> {
    /// Where.
    pub place: &'t Place,
    /// Who.
    pub card: &'t Card,
    /// Its number, which chooses the complaint.
    pub index: usize,
    /// What happens on it.
    pub turn: Turn,
    /// When the worker came, whether or not there was room for them.
    pub came_at: Instant,
}

/// A worker on the way.
pub(super) struct Walk<'w> {
    pub(super) world: &'w World,
    pub(super) api: &'w Api,
    pub(super) place: &'w Place,
    pub(super) complaint: &'static Complaint,
    pub(super) turn: Turn,
    steps: Vec<(&'static str, Duration)>,
    step: &'static str,
}

/// Walks the whole way.
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
        Err(trouble) => Ending::Failed { step: walk.step, trouble },
    };
    walk.took("journey", trip.came_at.elapsed());
    Journey { steps: walk.steps, ending }
}

/// Names what is wrong unless it holds.
pub(super) fn must(holds: bool, name: &'static str, detail: impl FnOnce() -> String) -> Result<(), Trouble> {
    if holds { Ok(()) } else { Err(Trouble::Wrong { name, detail: detail() }) }
}

impl Walk<'_> {
    async fn go(&mut self, card: &Card, came_at: Instant) -> Result<Ending, Trouble> {
        let body = json!({"card_number": card.number, "pin": card.pin});
        let station = As::Station(&self.place.device);
        let opened: CheckInOpened = self.api.call(station, Call::post("/api/v1/check-ins", &body)).await?;
        self.took("check_in", came_at.elapsed());
        self.told("check_in", opened.check_in.id, "open")?;
        must(opened.check_in.ended_at.is_none(), "check_in_open", || "a fresh check-in has ended".into())?;
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
            Ok(ending) => {
                let left: CheckIn = self.timed("leave", self.api.call(station, leave)).await?;
                must(left.ended_at.is_some(), "check_in_ended", || "it goes on after leaving".into())?;
                self.told("check_in", left.id, "ended")?;
                Ok(ending)
            }
            Err(trouble) => {
                // The next worker must find a free screen; what went wrong is known already.
                let _left: Result<CheckIn, CallError> = self.api.call(station, leave.once()).await;
                Err(trouble)
            }
        }
    }

    async fn visit(&mut self, pass: &WorkerPass, bell: &Bell) -> Result<Ending, Trouble> {
        let worker = As::Worker(pass);
        self.profile(worker).await?;
        self.readings(worker).await?;
        let asked = self.ask(worker).await?;
        if self.turn == Turn::GiveUp && self.give_up(worker, &asked).await? {
            return Ok(Ending::GivenUp);
        }
        let active = self.meet_doctor(worker, bell, &asked).await?;
        let prescription = self.prescription(worker, bell, &active).await?;
        let before = self.balance(worker).await?;
        let Some(order) = self.order(worker, &prescription).await? else {
            self.rate(worker, bell, &active).await?;
            return Ok(Ending::SoldOut);
        };
        let paid = self.pay(worker, &order).await?;
        let (ended, ending) = match self.turn {
            Turn::CancelOrder => (self.cancel_order(worker, &paid).await?, Ending::OrderCancelled),
            Turn::Jam => (self.meet_jam(worker, bell, &paid).await?, Ending::Refunded),
            _ => (self.take_packs(worker, bell, &paid).await?, Ending::Vended),
        };
        let after = self.balance(worker).await?;
        let due = if ending == Ending::Vended { order.total_fen } else { Fen::ZERO };
        must(before - after == due, "balance", || {
            format!("{} was due, but the balance fell by {}", due.0, (before - after).0)
        })?;
        self.rate(worker, bell, &active).await?;
        self.report(worker, &active, &ended).await?;
        Ok(ending)
    }

    async fn balance(&mut self, worker: As<'_>) -> Result<Fen, Trouble> {
        let account: AccountView =
            self.timed("account", self.api.call(worker, Call::get("/api/v1/account"))).await?;
        Ok(account.balance_fen)
    }

    /// The consultation as it is now.
    pub(super) async fn consultation(
        &self,
        worker: As<'_>,
        path: &str,
    ) -> Result<ConsultationView, CallError> {
        self.api.call(worker, Call::get(path)).await
    }

    /// Does one step, and keeps how long it took.
    pub(super) async fn timed<T>(
        &mut self,
        step: &'static str,
        work: impl Future<Output = Result<T, CallError>>,
    ) -> Result<T, Trouble> {
        self.step = step;
        let began = Instant::now();
        let done = work.await?;
        self.took(step, began.elapsed());
        Ok(done)
    }

    /// Waits for what the house or somebody else must do, and keeps how long.
    pub(super) async fn wait<T>(
        &mut self,
        step: &'static str,
        bell: &Bell,
        kinds: &[&str],
        look: impl AsyncFnMut() -> Result<Option<T>, CallError>,
    ) -> Result<T, Trouble> {
        self.step = step;
        match bell.wait(kinds, look).await {
            Ok((found, took)) => {
                self.took(step, took);
                Ok(found)
            }
            Err(Waited::Call(error)) => Err(error.into()),
            Err(Waited::TooLong) => Err(Trouble::TooLong),
        }
    }

    /// Keeps what the house has just answered before anything follows from it.
    pub(super) fn told(&self, kind: &str, id: impl Display, state: impl Display) -> Result<(), Trouble> {
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
