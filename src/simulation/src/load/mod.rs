//! The load tool, for people who size a deployment: whole journeys against any
//! running server, through its public API and with its limits on. It brings the
//! workers, doctors, pharmacists, cabinets and screens along; the server must
//! hold the sample network that its seed gives.
//!
//! It is an open loop under `--rate`: workers come at their times whether or
//! not the house keeps up, and their wait counts from the moment they came. A
//! closed loop, in which the next worker comes when the last one has left,
//! slows down with the house that it measures and so hides the very delays that
//! people would feel; it answers another question, under `--max`: how many
//! journeys a second there can be at most.
//!
//! It checks the answers and not only their statuses; see `journeys`.

mod crew;
mod deck;
mod figures;
mod generator;
mod idle;
mod mix;
mod office;
mod progress;

use std::{sync::Arc, time::Duration};

use anyhow::Context;

pub use figures::{Outcome, Summary};

use self::{deck::Deck, figures::Figures, office::Office, progress::Progress};
use super::{
    cabinets::Fleet,
    client::Api,
    hatch::Hatches,
    journeys::{Places, World},
    pace::Pace,
    sample::{MOST_WORKERS, SampleNetwork},
};
use base::clock::Clock;

/// How workers come.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Arrivals {
    /// So many a second, whatever happens.
    Rate(f64),
    /// As soon as another one has left.
    Max,
}

/// What to try.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Where the server is, under the address that it knows itself by.
    pub url: String,
    /// Stations with a screen and a cabinet each.
    pub stations: usize,
    /// Workers on their way at once, at most.
    pub workers: usize,
    /// How they come.
    pub arrivals: Arrivals,
    /// For how long they come.
    pub span: Duration,
    /// What the sample network of the server is derived from.
    pub seed: u64,
}

/// Runs the trial and tells how it went.
///
/// # Errors
/// What stood in the way of beginning, in one sentence.
pub async fn run(plan: Plan, clock: Arc<dyn Clock>) -> anyhow::Result<Outcome> {
    let progress = Progress::start();
    let now = clock.now();
    let network = Arc::new(SampleNetwork::plan(plan.seed, MOST_WORKERS, now));
    anyhow::ensure!(
        plan.stations <= network.stations.len(),
        "--stations: the sample network has {}",
        network.stations.len()
    );
    let api = Api::new(&plan.url, clock)?;
    let office = Office::open(&api, &network, &progress).await?;
    let crew = crew::sign_in(&api, &network, &plan, office.base_step(), &progress).await?;
    crew.ensure_rostered(&api).await?;
    let sites = office.enrol(&network, plan.stations, &progress).await?;
    let hatches = Arc::new(Hatches::default());
    let fleet = Fleet::new(api.clone(), office.issuer(), Arc::clone(&hatches), None, Pace::quick());
    let (mut stations, cabinets): (Vec<_>, Vec<_>) = sites.into_iter().unzip();
    let mut background = tokio::task::JoinSet::new();
    for cabinet in cabinets {
        background.spawn(Arc::clone(&fleet).run(cabinet));
    }
    let idle = stations.split_off(plan.workers.min(stations.len()));
    let places = Places::new(&api, stations);
    progress.tell("寻找未用的卡 / looking for cards that have not been used");
    let deck = Deck::find(&api, Arc::clone(&network), &places).await?;
    let screens = idle::screens(&api, idle, &deck);
    for screen in screens {
        background.spawn(screen);
    }
    crew.work(&api, &mut background);
    let world = World::new(api.clone(), hatches, None);
    let figures = Figures::new(plan.span);
    let run = generator::Run { plan, world, places, deck, figures };
    run.drive(&progress).await;
    let broken = office.broken_invariants(&progress).await.context("asking for the invariants")?;
    background.abort_all();
    progress.end();
    Ok(run.figures.outcome(&run.plan, api.tally.read(), broken))
}
