//! Starts journeys, in an open or a closed loop.

use std::{sync::Arc, time::Duration};

use futures_util::{StreamExt, stream::FuturesUnordered};
use tokio::{
    sync::Semaphore,
    time::{Instant, sleep_until, timeout, timeout_at},
};

use super::{Arrivals, Plan, cards::CardPool, figures::Figures, mix::turn_of, progress::Progress};
use crate::journeys::{Journey, JourneyError, LONGEST, Places, Trip, World, walk};

/// Time for journeys in progress at the end of the span: an offer that expires takes
/// twenty seconds of it.
const AFTERWARDS: Duration = Duration::from_secs(60);
/// Interval of progress reports.
const REPORT_INTERVAL: Duration = Duration::from_millis(500);

/// A running trial.
pub struct Run {
    pub plan: Plan,
    pub world: World,
    pub places: Places,
    pub cards: CardPool,
    pub figures: Figures,
}

impl Run {
    /// Runs until the span is over and all journeys have ended.
    pub async fn drive(&self, progress: &Progress) {
        let began = self.figures.begin();
        let end = began + self.plan.span;
        let all = async {
            match self.plan.arrivals {
                Arrivals::Max => self.closed_loop(end).await,
                Arrivals::Rate(rate) => self.open_loop(rate, began, end).await,
            }
        };
        let report = async {
            loop {
                progress.figures(&self.figures.line());
                tokio::time::sleep(REPORT_INTERVAL).await;
            }
        };
        tokio::select! {
            _ = timeout(self.plan.span + AFTERWARDS, all) => {}
            () = report => {}
        }
    }

    /// Closed loop: the next worker arrives when another one has left.
    async fn closed_loop(&self, end: Instant) {
        let lanes = self.plan.workers.min(self.places.count());
        let lanes = (0..lanes)
            .map(|_| async { while Instant::now() < end && self.start_journey(Instant::now()).await {} });
        let mut lanes: FuturesUnordered<_> = lanes.collect();
        while lanes.next().await.is_some() {}
    }

    /// Open loop: workers arrive at equal intervals. A worker without a free station
    /// waits for one, and the wait counts; a worker who still waits at the end leaves.
    async fn open_loop(&self, rate: f64, began: Instant, end: Instant) {
        let free = Arc::new(Semaphore::new(self.plan.workers.min(self.places.count())));
        let mut running = FuturesUnordered::new();
        for number in 0_u32.. {
            let arrives_at = began + Duration::from_secs_f64(f64::from(number) / rate);
            if arrives_at >= end {
                break;
            }
            loop {
                tokio::select! {
                    () = sleep_until(arrives_at) => break,
                    Some(()) = running.next() => {}
                }
            }
            if self.cards.left() == 0 {
                self.figures.cards_ran_out();
                break;
            }
            let free = Arc::clone(&free);
            running.push(async move {
                match timeout_at(end, free.acquire_owned()).await {
                    Ok(Ok(_place)) => drop(self.start_journey(arrives_at).await),
                    _nothing_free => self.figures.never_begun(),
                }
            });
        }
        while running.next().await.is_some() {}
    }

    /// Runs one journey; `false` if no card is left.
    async fn start_journey(&self, came_at: Instant) -> bool {
        let Some((index, card)) = self.cards.draw() else {
            self.figures.cards_ran_out();
            return false;
        };
        let turn = turn_of(self.plan.seed, index);
        self.figures.begun();
        let Some(place) = self.places.take() else {
            self.figures.ended(turn, Journey::failed(JourneyError::NoStation));
            return true;
        };
        let trip = Trip { place: &place, card: &card, index, turn, came_at };
        let journey = timeout(LONGEST, walk(&self.world, &trip)).await;
        self.places.give_back(place);
        self.figures.ended(turn, journey.unwrap_or_else(|_| Journey::failed(JourneyError::TooLong)));
        true
    }
}
