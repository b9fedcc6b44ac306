//! The driver: simulated workers go the whole way, from check-in to the packs
//! in their hand, and every answer on it is checked.

mod journey;
mod report;

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::StreamExt;
use indicatif::{ProgressBar, ProgressStyle};
use tokio::time::Instant;

pub use report::{Ending, Journey, Report, Totals, percentile};

use super::{acknowledged::Acknowledged, client::Api, hatch::Hatches, sessions::Device};
use crate::{crypto::device::DeviceKey, domain::ids::DeviceId};

/// Workers on their way at the same time.
const AT_ONCE: usize = 16;

/// A station whose screen the driver plays.
#[derive(Debug, Clone)]
pub struct StationPlan {
    /// Its code.
    pub code: String,
    /// Its enrolled id.
    pub device: DeviceId,
    /// Its key.
    pub key: DeviceKey,
}

/// A worker's card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Card {
    /// Its number.
    pub number: String,
    /// Its PIN.
    pub pin: String,
}

/// Everything that journeys need.
pub struct Driver {
    api: Api,
    hatches: Arc<Hatches>,
    stations: Vec<StationPlan>,
    cards: Vec<Card>,
    acknowledged: Acknowledged,
}

impl Driver {
    /// One journey for each of `cards`, at `stations`. What the house tells the
    /// workers is kept in `acknowledged`.
    pub fn new(
        api: Api,
        hatches: Arc<Hatches>,
        stations: Vec<StationPlan>,
        cards: Vec<Card>,
        acknowledged: Acknowledged,
    ) -> Self {
        Self { api, hatches, stations, cards, acknowledged }
    }

    /// Drives all journeys; prints a table and, as the last line, the totals.
    pub async fn run(self) -> Totals {
        let bar = ProgressBar::new(self.cards.len() as u64);
        if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos}/{len} 旅程 journeys  {elapsed}") {
            bar.set_style(style);
        }
        let began = Instant::now();
        let report = self.drive(&bar).await;
        bar.finish_and_clear();
        let totals = report.totals(began.elapsed());
        println!("{}", report.table());
        match serde_json::to_string(&totals) {
            Ok(line) => println!("{line}"),
            Err(error) => tracing::error!(%error, "the totals cannot be written"),
        }
        totals
    }

    async fn drive(self, bar: &ProgressBar) -> Report {
        let Self { api, hatches, stations, cards, acknowledged } = self;
        let lanes = AT_ONCE.min(stations.len()).max(1);
        let free: Mutex<VecDeque<Place>> = Mutex::new(
            stations
                .into_iter()
                .map(|plan| Place {
                    device: Arc::new(Device::new(api.clone(), plan.device, plan.key)),
                    code: plan.code,
                })
                .collect(),
        );
        let locked = || free.lock().unwrap_or_else(PoisonError::into_inner);
        let walks = cards.iter().enumerate().map(|(index, card)| {
            let world = journey::World { api: &api, hatches: &hatches, acknowledged: &acknowledged };
            async move {
                // One worker at a time at a station; there are as many lanes as stations at most.
                let Some(place) = locked().pop_front() else { return failed("no station is free") };
                let walk = journey::walk(&world, &place, card, index);
                let journey = tokio::time::timeout(journey::LONGEST, walk).await;
                locked().push_back(place);
                journey.unwrap_or_else(|_| failed("took too long"))
            }
        });
        let mut report = Report::default();
        let mut ended = std::pin::pin!(futures_util::stream::iter(walks).buffer_unordered(lanes));
        while let Some(journey) = ended.next().await {
            if let Ending::Failed { step, why } = &journey.ending {
                tracing::warn!(step, why, "a journey failed");
            }
            report.add(journey);
            bar.inc(1);
        }
        report
    }
}

fn failed(why: &str) -> Journey {
    Journey { steps: Vec::new(), ending: Ending::Failed { step: "journey", why: why.to_owned() } }
}

/// A station's screen.
pub struct Place {
    /// Its code, which is on the hatch as well.
    code: String,
    device: Arc<Device>,
}

/// How often a worker looks when nothing wakes them.
const LOOK: Duration = Duration::from_millis(1_500);
