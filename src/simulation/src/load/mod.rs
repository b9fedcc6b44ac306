//! The load generator, for sizing a deployment: whole journeys against any running
//! server, through its public API and with its limits on. It simulates the workers,
//! doctors, pharmacists, cabinets and screens; the server must contain the sample
//! network of the same seed.
//!
//! With `--rate` it is an open loop: workers arrive at fixed times whether or not
//! the server keeps up, and their wait counts from their arrival. A closed loop, in
//! which the next worker arrives when the last one has left, slows down with the
//! server that it measures and so hides the delays that people would notice; with
//! `--max` it answers another question: the maximum number of journeys a second.
//!
//! It checks the contents of the responses, not only their statuses; see `journeys`.

mod cards;
mod figures;
mod generator;
mod idle;
mod mix;
mod operator;
mod progress;
mod staff;

use std::{sync::Arc, time::Duration};

use anyhow::Context;

pub use figures::{Outcome, Summary};

use self::{figures::Figures, progress::Progress};
use super::{
    cabinets::Fleet,
    client::Api,
    hatch::Hatches,
    journeys::{Places, World},
    pace::Pace,
    sample::{MOST_WORKERS, SampleNetwork},
};
use base::clock::Clock;
use cards::CardPool;
use operator::Office;

/// How workers arrive.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Arrivals {
    /// Open loop: this many a second.
    Rate(f64),
    /// Closed loop: as soon as another worker has left.
    Max,
}

/// The parameters of a trial.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The server's address; must equal its own `public_url`.
    pub url: String,
    /// Stations with a screen and a cabinet each.
    pub stations: usize,
    /// Maximum number of concurrent journeys.
    pub workers: usize,
    pub arrivals: Arrivals,
    /// For how long workers arrive.
    pub span: Duration,
    /// The seed of the server's sample network.
    pub seed: u64,
}

/// Runs the trial and returns its results.
///
/// # Errors
/// Why it could not start, in one sentence.
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
    let crew = staff::sign_in(&api, &network, &plan, office.base_step(), &progress).await?;
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
    progress.stage("寻找未用的卡 / looking for cards that have not been used");
    let cards = CardPool::find(&api, Arc::clone(&network), &places).await?;
    let screens = idle::screens(&api, idle, &cards);
    for screen in screens {
        background.spawn(screen);
    }
    crew.work(&api, &mut background);
    let world = World::new(api.clone(), hatches, None);
    let figures = Figures::new(plan.span);
    let run = generator::Run { plan, world, places, cards, figures };
    run.drive(&progress).await;
    let violations = office.invariant_violations(&progress).await.context("asking for the invariants")?;
    background.abort_all();
    progress.end();
    run.figures.offers(api.offers.take());
    Ok(run.figures.outcome(&run.plan, api.tally.read(), violations))
}
