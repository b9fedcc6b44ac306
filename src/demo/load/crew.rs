//! The doctors and pharmacists of a trial: those of the sample who are on shift.

use std::{collections::HashMap, sync::Arc};

use anyhow::{Context, ensure};
use chrono::TimeDelta;
use futures_util::{StreamExt, TryStreamExt};
use tokio::task::JoinSet;

use super::{Plan, progress::Progress};
use crate::{
    demo::{
        client::{Api, As, Call},
        doctors,
        pace::Pace,
        pharmacists::{self, Pharmacist},
        sample::{SAMPLE_PASSWORD, SampleNetwork},
        sessions::Staff,
        simulation::on_shift,
    },
    domain::{matching::Department, network::DoctorRecord, time::Timestamp, words::Language},
};

/// A doctor sees two workers at once on average; some of them wait for a pharmacist.
const FEWEST_DOCTORS: usize = 8;
const MOST_DOCTORS: usize = 60;
/// More share a queue only to look at each other's part of it.
const PHARMACISTS: usize = 3;
/// Passwords are hashed slowly on purpose: more at once gain nothing.
const AT_ONCE: usize = 4;
/// What follows the last arrival may take this long.
const AFTERWARDS: TimeDelta = TimeDelta::minutes(3);

/// Signed in, and ready to work.
pub struct Crew {
    doctors: Vec<(Arc<Staff>, Timestamp)>,
    pharmacists: Vec<(Arc<Staff>, Timestamp)>,
}

/// Signs everybody in and opens their signing windows, with the codes of
/// `base_step` and the one after it.
///
/// # Errors
/// When too few are on shift long enough, or somebody cannot sign in.
pub async fn sign_in(
    api: &Api,
    network: &SampleNetwork,
    plan: &Plan,
    base_step: u64,
    progress: &Progress,
) -> anyhow::Result<Crew> {
    let now = api.clock.now();
    let ends = on_shift(network, now);
    let stays = now + TimeDelta::from_std(plan.span)? + AFTERWARDS;
    let wanted = (plan.workers / 2 + FEWEST_DOCTORS).min(MOST_DOCTORS);
    let chosen = choose(network, &ends, stays).into_iter().take(wanted);
    let chosen: Vec<(String, Timestamp)> = chosen.collect();
    let reviewers = network.pharmacists.iter().map(|one| one.email.clone());
    let reviewers = reviewers.filter_map(|email| ends.get(&email).map(|end| (email, *end)));
    let reviewers: Vec<(String, Timestamp)> =
        reviewers.filter(|(_, end)| *end > stays).take(PHARMACISTS).collect();
    ensure!(
        !chosen.is_empty() && !reviewers.is_empty(),
        "no sample staff are on shift for all of --seconds; a shift ends every eight hours"
    );
    let total = chosen.len() + reviewers.len();
    let mut done = 0;
    let mut signed = HashMap::new();
    let everybody = chosen.iter().chain(&reviewers).map(|(email, _)| email.clone());
    let everybody: Vec<String> = everybody.collect();
    let signing = futures_util::stream::iter(everybody).map(|email| one(api, network, email, base_step));
    let mut signing = std::pin::pin!(signing.buffer_unordered(AT_ONCE));
    while let Some(staff) = signing.try_next().await? {
        signed.insert(staff.email.clone(), staff);
        done += 1;
        progress.figures(&format!("员工登录 signing staff in {done}/{total}"));
    }
    let take = |people: Vec<(String, Timestamp)>| {
        let found = people.into_iter();
        found.filter_map(|(email, end)| Some((Arc::clone(signed.get(&email)?), end))).collect()
    };
    Ok(Crew { doctors: take(chosen), pharmacists: take(reviewers) })
}

async fn one(
    api: &Api,
    network: &SampleNetwork,
    email: String,
    base_step: u64,
) -> anyhow::Result<Arc<Staff>> {
    let (secret, pin) = (network.totp_secret(&email), network.signing_pin(&email));
    let staff = Staff::new(api.clone(), &email, SAMPLE_PASSWORD, &secret, pin)?;
    let staff = staff.used_up_to(base_step.saturating_sub(1));
    staff.open_signing_window().await.with_context(|| format!("signing {email} in"))?;
    Ok(Arc::new(staff))
}

/// General practitioners who stay long enough: who asks for no department gets
/// one of them. English speakers first, so that there are some.
fn choose(
    network: &SampleNetwork,
    ends: &HashMap<String, Timestamp>,
    stays: Timestamp,
) -> Vec<(String, Timestamp)> {
    let general = |doctor: &&DoctorRecord| doctor.departments.contains(&Department::GeneralPractice);
    let mut here: Vec<(&DoctorRecord, Timestamp)> = network
        .doctors
        .iter()
        .filter(general)
        .filter_map(|doctor| ends.get(&doctor.email).map(|end| (doctor, *end)))
        .filter(|(_, end)| *end > stays)
        .collect();
    here.sort_by_key(|(doctor, _)| {
        (!doctor.languages.contains(&Language::English), std::cmp::Reverse(doctor.capacity))
    });
    here.into_iter().map(|(doctor, end)| (doctor.email.clone(), end)).collect()
}

impl Crew {
    /// Begins to work, until the end of the shift or of `tasks`.
    pub fn work(self, api: &Api, tasks: &mut JoinSet<()>) {
        let pace = Pace::quick();
        for (staff, end) in self.doctors {
            tasks.spawn(doctors::work(api.clone(), staff, end, pace.clone()));
        }
        let of = self.pharmacists.len();
        for (place, (staff, end)) in self.pharmacists.into_iter().enumerate() {
            let pharmacist = Pharmacist { staff, place, of, pace: pace.clone() };
            tasks.spawn(pharmacists::work(api.clone(), pharmacist, end));
        }
    }

    /// Whether the house has these people on its roster now.
    ///
    /// # Errors
    /// When it does not, or does not answer.
    pub async fn ensure_rostered(&self, api: &Api) -> anyhow::Result<()> {
        let Some((doctor, _)) = self.doctors.first() else { return Ok(()) };
        let duty: serde_json::Value = api.call(As::Staff(doctor), Call::get("/api/v1/duty")).await?;
        ensure!(
            !duty["on_shift_until"].is_null(),
            "the server's roster of sample shifts has run out: fill a fresh database with `waystation sample`"
        );
        Ok(())
    }
}
