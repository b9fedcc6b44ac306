//! The journey driver: simulated workers go through all steps, from check-in to
//! taking their packs, and every response is checked.

mod care;
mod event_listener;
mod packs;
mod report;
mod walk;

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::StreamExt;
use indicatif::{ProgressBar, ProgressStyle};
use tokio::time::Instant;

pub(crate) use report::{Ending, Journey, JourneyError, Report, StepFigures, Steps, Totals};
pub(crate) use walk::Trip;
pub use walk::{LONGEST, World, walk};

use super::{acknowledged::Acknowledged, client::Api, hatch::Hatches, sessions::Device, turns::Turn};
use crypto::device::DeviceKey;
use domain::ids::DeviceId;

/// Concurrent journeys.
const AT_ONCE: usize = 16;

/// A station whose screen the driver simulates.
#[derive(Debug, Clone)]
pub struct StationPlan {
    pub code: String,
    pub device: DeviceId,
    pub key: DeviceKey,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Card {
    pub number: String,
    pub pin: String,
}

pub struct Driver {
    world: World,
    stations: Vec<StationPlan>,
    cards: Vec<Card>,
}

impl Driver {
    /// One journey for each of `cards`, at `stations`. Acknowledged states are recorded
    /// in `acknowledged`.
    pub fn new(
        api: Api,
        hatches: Arc<Hatches>,
        stations: Vec<StationPlan>,
        cards: Vec<Card>,
        acknowledged: Acknowledged,
    ) -> Self {
        Self { world: World::new(api, hatches, Some(acknowledged)), stations, cards }
    }

    /// Runs all journeys; prints a table and, as the last line, the totals as JSON.
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
        let Self { world, stations, cards } = self;
        let places = Places::new(&world.api, stations);
        let concurrency = AT_ONCE.min(places.count()).max(1);
        let (world, places) = (&world, &places);
        let walks = cards.iter().enumerate().map(|(index, card)| async move {
            // One worker at a time at a station; there are at most as many tasks as stations.
            let Some(place) = places.take() else { return Journey::failed(JourneyError::NoStation) };
            let trip = Trip { place: &place, card, index, turn: Turn::Straight, came_at: Instant::now() };
            let journey = tokio::time::timeout(LONGEST, walk(world, &trip)).await;
            places.give_back(place);
            journey.unwrap_or_else(|_| Journey::failed(JourneyError::TooLong))
        });
        let mut report = Report::default();
        let mut ended = std::pin::pin!(futures_util::stream::iter(walks).buffer_unordered(concurrency));
        while let Some(journey) = ended.next().await {
            if let Ending::Failed { step, error } = &journey.ending {
                tracing::warn!(step, trouble = %error, "a journey failed");
            }
            report.add(journey);
            bar.inc(1);
        }
        report
    }
}

/// The pool of free stations.
pub(crate) struct Places {
    free: Mutex<VecDeque<Place>>,
    count: usize,
}

impl Places {
    pub fn new(api: &Api, stations: Vec<StationPlan>) -> Self {
        let count = stations.len();
        let places = stations.into_iter().map(|plan| Place {
            device: Arc::new(Device::new(api.clone(), plan.device, plan.key)),
            code: plan.code,
        });
        Self { free: Mutex::new(places.collect()), count }
    }

    /// The number of stations, free or not.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Takes the station that has been free for longest.
    pub fn take(&self) -> Option<Place> {
        self.locked().pop_front()
    }

    /// Returns a station to the pool.
    pub fn give_back(&self, place: Place) {
        self.locked().push_back(place);
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, VecDeque<Place>> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A station's screen.
pub struct Place {
    /// Its code, also the key of its hatch.
    pub code: String,
    pub device: Arc<Device>,
}

/// The longest wait until the cabinet has received an order's authorizations.
const LONGEST_AT_HATCH: Duration = Duration::from_secs(120);
