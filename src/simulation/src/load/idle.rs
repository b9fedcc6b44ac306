//! Idle screens: a worker is checked in and nothing happens. Each has an open event
//! stream, as its cabinet has a long poll in flight.

use std::{future::Future, sync::Arc, time::Duration};

use futures_util::StreamExt;
use serde_json::json;

use super::cards::CardPool;
use crate::{
    api::CheckInOpened,
    client::{Api, As, Call, CallError},
    journeys::{Card, StationPlan},
    sessions::{Device, WorkerPass},
};

/// Pause after a stream could not be opened.
const PAUSE: Duration = Duration::from_secs(3);

/// One task for each of `stations`, as far as there are spare cards.
pub fn screens(
    api: &Api,
    stations: Vec<StationPlan>,
    cards: &CardPool,
) -> Vec<impl Future<Output = ()> + Send + use<>> {
    let spare =
        stations.into_iter().enumerate().filter_map(|(index, plan)| Some((plan, cards.spare(index)?)));
    spare.map(|(plan, card)| run_screen(api.clone(), plan, card)).collect()
}

async fn run_screen(api: Api, plan: StationPlan, card: Card) {
    let device = Arc::new(Device::new(api.clone(), plan.device, plan.key));
    loop {
        // The server closes a stream after a while, and an idle check-in earlier.
        if let Err(error) = stream_once(&api, &device, &card).await {
            tracing::debug!(%error, "an idle screen pauses");
            tokio::time::sleep(PAUSE).await;
        }
    }
}

async fn stream_once(api: &Api, device: &Arc<Device>, card: &Card) -> Result<(), CallError> {
    let body = json!({"card_number": card.number, "pin": card.pin});
    let call = Call::post("/api/v1/check-ins", &body);
    let opened: CheckInOpened = api.call(As::Station(device), call).await?;
    let id = opened.check_in.id;
    let pass = WorkerPass::new(api, Arc::clone(device), id, opened.access_token, opened.expires_in);
    let stream = api.open(As::Worker(&pass), Call::get("/api/v1/events").once().may_refuse(&[401])).await?;
    let mut bytes = stream.bytes_stream();
    while let Some(Ok(_)) = bytes.next().await {}
    Ok(())
}
