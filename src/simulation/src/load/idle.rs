//! Screens at which somebody is checked in and nothing happens: each holds an
//! event stream, as its cabinet holds a poll.

use std::{future::Future, sync::Arc, time::Duration};

use futures_util::StreamExt;
use serde_json::json;

use super::deck::Deck;
use crate::{
    api::CheckInOpened,
    client::{Api, As, Call, CallError},
    journeys::{Card, StationPlan},
    sessions::{Device, WorkerPass},
};

/// After a stream could not be opened.
const PAUSE: Duration = Duration::from_secs(3);

/// One task for each of `stations`, as long as there are cards to spare.
pub fn screens(
    api: &Api,
    stations: Vec<StationPlan>,
    deck: &Deck,
) -> Vec<impl Future<Output = ()> + Send + use<>> {
    let spare = stations.into_iter().enumerate().filter_map(|(index, plan)| Some((plan, deck.spare(index)?)));
    spare.map(|(plan, card)| stand(api.clone(), plan, card)).collect()
}

async fn stand(api: Api, plan: StationPlan, card: Card) {
    let device = Arc::new(Device::new(api.clone(), plan.device, plan.key));
    loop {
        // The house ends a stream after a while, and an idle check-in sooner.
        if let Err(error) = hold(&api, &device, &card).await {
            tracing::debug!(%error, "an idle screen pauses");
            tokio::time::sleep(PAUSE).await;
        }
    }
}

async fn hold(api: &Api, device: &Arc<Device>, card: &Card) -> Result<(), CallError> {
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
