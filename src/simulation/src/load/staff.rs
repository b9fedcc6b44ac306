//! The doctors and pharmacists of a trial: the sample staff on shift, and those of
//! the following shifts while it runs.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use anyhow::{Context, bail, ensure};
use chrono::TimeDelta;
use futures_util::{StreamExt, TryStreamExt};
use tokio::task::JoinSet;

use super::{Plan, progress::Progress};
use crate::{
    client::{Api, As, Call},
    doctors,
    pace::Pace,
    pharmacists::{self, Pharmacist},
    running::on_shift,
    sample::{SAMPLE_PASSWORD, SampleNetwork, departments, speaks_english},
    sessions::Staff,
};
use domain::{matching::Department, staff::StaffRecord, time::Timestamp};

// A doctor sees two workers at once on average; some of them wait for a pharmacist.
const FEWEST_DOCTORS: usize = 8;
const MOST_DOCTORS: usize = 60;
/// More pharmacists would only poll each other's share of the queue.
const PHARMACISTS: usize = 3;
/// Concurrent sign-ins; password hashing is slow on purpose, so more gain nothing.
const AT_ONCE: usize = 4;
/// Time allowed after the last arrival.
const AFTERWARDS: TimeDelta = TimeDelta::minutes(3);

/// Signed-in staff with their shifts.
pub(crate) struct Crew {
    doctors: Vec<(Arc<Staff>, Shift)>,
    pharmacists: Vec<(Arc<Staff>, Shift)>,
}

#[derive(Debug, Clone, Copy)]
struct Shift {
    from: Timestamp,
    until: Timestamp,
}

/// Who works in a trial, by e-mail address.
#[derive(Default)]
struct Rota {
    doctors: Vec<(String, Shift)>,
    pharmacists: Vec<(String, Shift)>,
}

impl Rota {
    /// The staff of every shift between `now` and `stays`.
    fn plan(network: &SampleNetwork, plan: &Plan, now: Timestamp, stays: Timestamp) -> anyhow::Result<Self> {
        let wanted = (plan.workers / 2 + FEWEST_DOCTORS).min(MOST_DOCTORS);
        let mut rota = Self::default();
        let mut from = now;
        while from <= stays {
            let ends = on_shift(network, from);
            let doctors = choose(network, &ends).into_iter().take(wanted);
            let emails = network.pharmacists.iter().map(|one| one.email.clone());
            let pharmacists = emails.filter_map(|email| ends.get(&email).map(|end| (email, *end)));
            let during = |(email, until)| (email, Shift { from, until });
            let doctors: Vec<_> = doctors.map(during).collect();
            let pharmacists: Vec<_> = pharmacists.take(PHARMACISTS).map(during).collect();
            let next = doctors.iter().chain(&pharmacists).map(|(_, shift)| shift.until).min();
            match next {
                Some(next) if !doctors.is_empty() && !pharmacists.is_empty() => from = next,
                _ => bail!("the sample has no doctor or no pharmacist on shift at {from}"),
            }
            join(&mut rota.doctors, doctors);
            join(&mut rota.pharmacists, pharmacists);
        }
        Ok(rota)
    }
}

/// Adds those who are not in the list yet.
fn join(known: &mut Vec<(String, Shift)>, more: Vec<(String, Shift)>) {
    for one in more {
        if !known.iter().any(|(email, _)| *email == one.0) {
            known.push(one);
        }
    }
}

/// Signs in all staff and opens their signing windows, with the one-time codes of
/// `base_step` and the step after it.
///
/// # Errors
/// When nobody is on shift, or somebody cannot sign in.
pub async fn sign_in(
    api: &Api,
    network: &SampleNetwork,
    plan: &Plan,
    base_step: u64,
    progress: &Progress,
) -> anyhow::Result<Crew> {
    let now = api.clock.now();
    let stays = now + TimeDelta::from_std(plan.span)? + AFTERWARDS;
    let rota = Rota::plan(network, plan, now, stays)?;
    let everybody: BTreeSet<String> =
        rota.doctors.iter().chain(&rota.pharmacists).map(|(email, _)| email.clone()).collect();
    let total = everybody.len();
    let mut done = 0;
    let mut signed = HashMap::new();
    let signing = futures_util::stream::iter(everybody).map(|email| one(api, network, email, base_step));
    let mut signing = std::pin::pin!(signing.buffer_unordered(AT_ONCE));
    while let Some(staff) = signing.try_next().await? {
        signed.insert(staff.email.clone(), staff);
        done += 1;
        progress.figures(&format!("员工登录 signing staff in {done}/{total}"));
    }
    let take = |people: Vec<(String, Shift)>| {
        let found = people.into_iter();
        found.filter_map(|(email, shift)| Some((Arc::clone(signed.get(&email)?), shift))).collect()
    };
    Ok(Crew { doctors: take(rota.doctors), pharmacists: take(rota.pharmacists) })
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

/// General practitioners and the ends of their shifts: consultations without a
/// department go to them. English speakers first, so that there are some.
fn choose(network: &SampleNetwork, ends: &HashMap<String, Timestamp>) -> Vec<(String, Timestamp)> {
    let general = |doctor: &&StaffRecord| departments(doctor).contains(&Department::GENERAL_PRACTICE);
    let mut here: Vec<(&StaffRecord, Timestamp)> = network
        .doctors
        .iter()
        .filter(general)
        .filter_map(|doctor| ends.get(&doctor.email).map(|end| (doctor, *end)))
        .collect();
    here.sort_by_key(|(doctor, _)| {
        let capacity = doctor.doctor.as_ref().map(|doctor| doctor.capacity);
        (!speaks_english(doctor), std::cmp::Reverse(capacity))
    });
    here.into_iter().map(|(doctor, end)| (doctor.email.clone(), end)).collect()
}

impl Crew {
    /// Spawns one task per person, which works from the start of the shift to its end.
    pub fn work(self, api: &Api, tasks: &mut JoinSet<()>) {
        let pace = Pace::quick();
        for (staff, shift) in self.doctors {
            let (api, pace) = (api.clone(), pace.clone());
            tasks.spawn(async move {
                wait_for_start(&api, shift).await;
                doctors::work(api, staff, shift.until, pace).await;
            });
        }
        for (place, (staff, shift)) in self.pharmacists.into_iter().enumerate() {
            let place = place % PHARMACISTS;
            let (api, pharmacist) =
                (api.clone(), Pharmacist { staff, place, of: PHARMACISTS, pace: pace.clone() });
            tasks.spawn(async move {
                wait_for_start(&api, shift).await;
                pharmacists::work(api, pharmacist, shift.until).await;
            });
        }
    }

    /// Checks that these people are on the server's roster now.
    ///
    /// # Errors
    /// When they are not, or the server does not respond.
    pub(crate) async fn ensure_rostered(&self, api: &Api) -> anyhow::Result<()> {
        let Some((doctor, _)) = self.doctors.first() else { return Ok(()) };
        let duty: serde_json::Value = api.call(As::Staff(doctor), Call::get("/api/v1/duty")).await?;
        ensure!(
            !duty["on_shift_until"].is_null(),
            "the server's roster of sample shifts has run out: fill a fresh database with `waystation sample`"
        );
        Ok(())
    }
}

/// Waits until a shift begins.
async fn wait_for_start(api: &Api, shift: Shift) {
    let wait = (shift.from - api.clock.now()).to_std().unwrap_or_default();
    tokio::time::sleep(wait).await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::Arrivals;

    #[test]
    fn a_change_of_shift_in_the_middle_has_people_on_both_sides_of_it() {
        // 16:00 in Shanghai is 08:00 UTC.
        let change: Timestamp = "2026-11-23T08:00:00Z".parse().expect("an instant");
        let now = change - TimeDelta::seconds(30);
        let network = SampleNetwork::plan(7, 60, now);
        let plan = Plan {
            url: String::new(),
            stations: 5,
            workers: 3,
            arrivals: Arrivals::Max,
            span: std::time::Duration::from_secs(4),
            seed: 7,
        };
        let rota = Rota::plan(&network, &plan, now, change + AFTERWARDS).expect("people");
        for people in [&rota.doctors, &rota.pharmacists] {
            assert!(people.iter().any(|(_, shift)| shift.from == now));
            assert!(
                people.iter().any(|(_, shift)| shift.from == change && shift.until > change + AFTERWARDS)
            );
        }
    }
}
