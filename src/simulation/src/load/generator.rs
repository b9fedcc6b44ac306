//! Sends workers on their way, in an open or a closed loop.

use std::{sync::Arc, time::Duration};

use futures_util::{StreamExt, stream::FuturesUnordered};
use tokio::{
    sync::Semaphore,
    time::{Instant, sleep_until, timeout, timeout_at},
};

use super::{Arrivals, Plan, deck::Deck, figures::Figures, mix::turn_of, progress::Progress};
use crate::journeys::{Journey, LONGEST, Places, Trip, Trouble, World, walk};

/// Those on their way at the end may go on for this long: an offer that lapses
/// takes twenty seconds of it.
const AFTERWARDS: Duration = Duration::from_secs(60);
/// Between two looks at the figures.
const TELL_EVERY: Duration = Duration::from_millis(500);

/// All that a running trial needs.
pub struct Run {
    pub plan: Plan,
    pub world: World,
    pub places: Places,
    pub deck: Deck,
    pub figures: Figures,
}

impl Run {
    /// Runs until the span is over and everybody has left.
    pub async fn drive(&self, progress: &Progress) {
        let began = self.figures.begin();
        let end = began + self.plan.span;
        let all = async {
            match self.plan.arrivals {
                Arrivals::Max => self.one_after_another(end).await,
                Arrivals::Rate(rate) => self.at_their_times(rate, began, end).await,
            }
        };
        let told = async {
            loop {
                progress.figures(&self.figures.line());
                tokio::time::sleep(TELL_EVERY).await;
            }
        };
        tokio::select! {
            _ = timeout(self.plan.span + AFTERWARDS, all) => {}
            () = told => {}
        }
    }

    /// The next worker comes when another one has left.
    async fn one_after_another(&self, end: Instant) {
        let lanes = self.plan.workers.min(self.places.count());
        let lanes =
            (0..lanes).map(|_| async { while Instant::now() < end && self.set_out(Instant::now()).await {} });
        let mut lanes: FuturesUnordered<_> = lanes.collect();
        while lanes.next().await.is_some() {}
    }

    /// Workers come at equal spaces of time. Whoever finds no free station
    /// waits for one, and their wait counts; whoever still waits at the end
    /// goes home.
    async fn at_their_times(&self, rate: f64, began: Instant, end: Instant) {
        let free = Arc::new(Semaphore::new(self.plan.workers.min(self.places.count())));
        let mut on_way = FuturesUnordered::new();
        for number in 0_u32.. {
            let comes_at = began + Duration::from_secs_f64(f64::from(number) / rate);
            if comes_at >= end {
                break;
            }
            loop {
                tokio::select! {
                    () = sleep_until(comes_at) => break,
                    Some(()) = on_way.next() => {}
                }
            }
            if self.deck.left() == 0 {
                self.figures.cards_ran_out();
                break;
            }
            let free = Arc::clone(&free);
            on_way.push(async move {
                match timeout_at(end, free.acquire_owned()).await {
                    Ok(Ok(_place)) => drop(self.set_out(comes_at).await),
                    _nothing_free => self.figures.never_begun(),
                }
            });
        }
        while on_way.next().await.is_some() {}
    }

    /// One journey; `false` when there is no card for it.
    async fn set_out(&self, came_at: Instant) -> bool {
        let Some((index, card)) = self.deck.draw() else {
            self.figures.cards_ran_out();
            return false;
        };
        let turn = turn_of(self.plan.seed, index);
        self.figures.begun();
        let Some(place) = self.places.take() else {
            self.figures.ended(turn, Journey::failed(Trouble::NoStation));
            return true;
        };
        let trip = Trip { place: &place, card: &card, index, turn, came_at };
        let journey = timeout(LONGEST, walk(&self.world, &trip)).await;
        self.places.give_back(place);
        self.figures.ended(turn, journey.unwrap_or_else(|_| Journey::failed(Trouble::TooLong)));
        true
    }
}
