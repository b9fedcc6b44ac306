//! The workers' cards of a trial. Each is used for one journey in a month, so that no
//! safety check sees the drugs of an earlier one. Cards are used in order, so the used,
//! unused and non-existent ones form three ranges, whose ends are found by binary
//! search.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use anyhow::ensure;
use chrono::TimeDelta;
use serde_json::json;

use crate::{
    api::{CheckIn, CheckInOpened, ConsultationView, Page},
    client::{Api, As, Call, CallError},
    journeys::{Card, Place, Places},
    sample::{MOST_WORKERS, SampleNetwork},
    sessions::WorkerPass,
};

/// A card is used again after this time.
const AGAIN_AFTER: TimeDelta = TimeDelta::days(30);
/// Worker 0 is reserved for scripts that read the demonstration's ready file.
const FIRST: usize = 1;

/// The pool of unused cards.
pub(crate) struct CardPool {
    network: Arc<SampleNetwork>,
    next: AtomicUsize,
    end: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum State {
    Used,
    Fresh,
    Absent,
}

impl CardPool {
    /// Finds the unused cards by check-ins at a station.
    ///
    /// # Errors
    /// When there is none, or the server does not respond.
    pub async fn find(api: &Api, network: Arc<SampleNetwork>, places: &Places) -> anyhow::Result<Self> {
        let place = places.take();
        let Some(place) = place else { anyhow::bail!("there is no station") };
        let found = async {
            let end = first(FIRST, MOST_WORKERS, async |index| {
                Ok(state_of(api, &network, &place, index).await? == State::Absent)
            });
            let end = end.await?;
            let next = first(FIRST, end, async |index| {
                Ok(state_of(api, &network, &place, index).await? != State::Used)
            });
            Ok::<_, CallError>((next.await?, end))
        };
        let found = found.await;
        places.give_back(place);
        let (next, end) = found?;
        ensure!(end > FIRST, "the server knows no card of seed {}", network.seed);
        ensure!(next < end, "all {} cards of the server have been used; fill a fresh database", end - FIRST);
        Ok(Self { network, next: AtomicUsize::new(next), end })
    }

    /// The next card with its index; `None` if none is left.
    pub fn draw(&self) -> Option<(usize, Card)> {
        let index = self.next.fetch_add(1, Ordering::Relaxed);
        (index < self.end).then(|| (index, card(&self.network, index)))
    }

    /// A card from the end of the range, for idle screens.
    pub fn spare(&self, number: usize) -> Option<Card> {
        let index = self.end.checked_sub(number + 1)?;
        (index > self.next.load(Ordering::Relaxed)).then(|| card(&self.network, index))
    }

    pub fn left(&self) -> usize {
        self.end.saturating_sub(self.next.load(Ordering::Relaxed))
    }
}

fn card(network: &SampleNetwork, index: usize) -> Card {
    let worker = network.worker(index);
    Card { number: worker.card_number.clone(), pin: worker.pin.expose().to_owned() }
}

/// The first index of `[from, to)` for which `holds` (a monotone predicate) is true.
async fn first(
    from: usize,
    to: usize,
    holds: impl AsyncFn(usize) -> Result<bool, CallError>,
) -> Result<usize, CallError> {
    let (mut from, mut to) = (from, to);
    while from < to {
        let middle = from + (to - from) / 2;
        if holds(middle).await? {
            to = middle;
        } else {
            from = middle + 1;
        }
    }
    Ok(from)
}

async fn state_of(
    api: &Api,
    network: &SampleNetwork,
    place: &Place,
    index: usize,
) -> Result<State, CallError> {
    let card = card(network, index);
    let body = json!({"card_number": card.number, "pin": card.pin});
    let station = As::Station(&place.device);
    let call = Call::post("/api/v1/check-ins", &body).may_refuse(&[401]);
    let opened: CheckInOpened = match api.call(station, call).await {
        Err(error) if error.code() == "pin_wrong" => return Ok(State::Absent),
        answer => answer?,
    };
    let id = opened.check_in.id;
    let pass = WorkerPass::new(api, Arc::clone(&place.device), id, opened.access_token, opened.expires_in);
    let seen: Page<ConsultationView> =
        api.call(As::Worker(&pass), Call::get("/api/v1/consultations?limit=1")).await?;
    let _: CheckIn =
        api.call(station, Call::post(format!("/api/v1/check-ins/{id}/leave"), &json!({}))).await?;
    let since = api.clock.now() - AGAIN_AFTER;
    Ok(if seen.items.iter().any(|one| one.requested_at > since) { State::Used } else { State::Fresh })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_end_of_a_range_is_found_at_any_index() {
        for end in 0..=40 {
            let found = first(0, 40, async |index| Ok(index >= end)).await.unwrap();
            assert_eq!(found, end);
        }
        assert_eq!(first(5, 5, async |_| Ok(true)).await.unwrap(), 5);
    }
}
