//! The running simulation of the demonstration: all cabinets except the one that
//! scripts simulate, some two dozen doctors and six pharmacists of those on shift.
//! When a shift ends, staff of the next one take over.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use chrono::TimeDelta;
use tokio::task::JoinSet;

use super::{
    cabinets::{CabinetPlan, Fleet},
    client::{Api, CallError},
    doctors,
    pace::Pace,
    pharmacists,
    sample::{SAMPLE_PASSWORD, SampleNetwork, departments, speaks_english},
    sessions::Staff,
};
use domain::{matching::Department, staff::StaffRecord, time::Timestamp};

const GENERAL_PRACTITIONERS: usize = 14;
const SPECIALISTS: usize = 10;
const PHARMACISTS: usize = 6;
/// How often the staff on shift are checked.
const STAFF_CHECK_INTERVAL: Duration = Duration::from_secs(60);
/// Staff with less time left in their shift than this are not started.
const MIN_REMAINING: TimeDelta = TimeDelta::minutes(5);
/// How far ahead the roster is read: longer than any shift.
const ROSTER_SPAN: TimeDelta = TimeDelta::hours(24);

/// The staff on shift at `now`, with the ends of their shifts.
pub fn on_shift(network: &SampleNetwork, now: Timestamp) -> HashMap<String, Timestamp> {
    let mut ends = HashMap::new();
    for shift in network.shifts(now, now + ROSTER_SPAN) {
        if shift.starts_at <= now && now < shift.ends_at {
            ends.insert(shift.staff_email, shift.ends_at);
        }
    }
    ends
}

/// The doctors to simulate at `now`: mostly general practice, English speakers
/// first, then one of each department. Those in `absent` are left out.
pub(crate) fn choose_doctors<'n>(
    network: &'n SampleNetwork,
    ends: &HashMap<String, Timestamp>,
    now: Timestamp,
    absent: &HashSet<String>,
) -> Vec<&'n StaffRecord> {
    let is_general =
        |doctor: &&StaffRecord| departments(doctor).first() == Some(&Department::GENERAL_PRACTICE);
    let mut here: Vec<&StaffRecord> = network
        .doctors
        .iter()
        .filter(|doctor| !absent.contains(&doctor.email))
        .filter(|doctor| ends.get(&doctor.email).is_some_and(|end| *end > now + MIN_REMAINING))
        .collect();
    here.sort_by_key(|doctor| !speaks_english(doctor));
    let general = here.iter().copied().filter(is_general).take(GENERAL_PRACTITIONERS);
    let mut seen = HashSet::new();
    let specialists = here
        .iter()
        .copied()
        .filter(|doctor| !is_general(doctor) && seen.insert(departments(doctor).first()))
        .take(SPECIALISTS);
    general.chain(specialists).collect()
}

/// The whole simulation; dropping it ends it.
pub struct Simulation {
    tasks: JoinSet<()>,
    cabinets: usize,
}

impl Simulation {
    /// Starts cabinets and staff. Staff in `absent` are not simulated; `steps` are the
    /// last steps of one-time codes that an earlier run has used.
    pub fn start(
        api: &Api,
        network: Arc<SampleNetwork>,
        fleet: &Arc<Fleet>,
        cabinets: Vec<CabinetPlan>,
        absent: HashSet<String>,
        steps: HashMap<String, u64>,
    ) -> Self {
        let mut tasks = JoinSet::new();
        let count = cabinets.len();
        for plan in cabinets {
            tasks.spawn(Arc::clone(fleet).run(plan));
        }
        tasks.spawn(staff(api.clone(), network, absent, steps));
        Self { tasks, cabinets: count }
    }

    /// How many cabinets are simulated.
    pub fn cabinets(&self) -> usize {
        self.cabinets
    }

    /// Aborts all tasks at once, like a power cut.
    pub fn stop(mut self) {
        self.tasks.abort_all();
    }
}

/// Keeps enough people at work; never returns.
async fn staff(api: Api, network: Arc<SampleNetwork>, absent: HashSet<String>, steps: HashMap<String, u64>) {
    let mut at_work: HashMap<String, Timestamp> = HashMap::new();
    let mut tasks = JoinSet::new();
    loop {
        let now = api.clock.now();
        at_work.retain(|_, end| *end > now);
        while tasks.try_join_next().is_some() {}
        let ends = on_shift(&network, now);
        let short = (GENERAL_PRACTITIONERS + SPECIALISTS)
            .saturating_sub(at_work.keys().filter(|email| !email.starts_with("pharmacist-")).count());
        let fresh = choose_doctors(&network, &ends, now, &absent);
        for doctor in
            fresh.into_iter().filter(|one| !at_work.contains_key(&one.email)).take(short).collect::<Vec<_>>()
        {
            let Some(end) = ends.get(&doctor.email).copied() else { continue };
            match member(&api, &network, &doctor.email, &steps) {
                Ok(staff) => tasks.spawn(doctors::work(api.clone(), staff, end, Pace::lively())),
                Err(error) => {
                    tracing::error!(%error, "a sample doctor has unusable secrets");
                    continue;
                }
            };
            at_work.insert(doctor.email.clone(), end);
        }
        let here = at_work.keys().filter(|email| email.starts_with("pharmacist-")).count();
        let fresh: Vec<String> = network
            .pharmacists
            .iter()
            .map(|one| one.email.clone())
            .filter(|email| !absent.contains(email) && !at_work.contains_key(email))
            .filter(|email| ends.get(email).is_some_and(|end| *end > now + MIN_REMAINING))
            .take(PHARMACISTS.saturating_sub(here))
            .collect();
        for (index, email) in fresh.into_iter().enumerate() {
            let Some(end) = ends.get(&email).copied() else { continue };
            if let Ok(staff) = member(&api, &network, &email, &steps) {
                let place = (here + index) % PHARMACISTS;
                let pharmacist =
                    pharmacists::Pharmacist { staff, place, of: PHARMACISTS, pace: Pace::lively() };
                tasks.spawn(pharmacists::work(api.clone(), pharmacist, end));
                at_work.insert(email, end);
            }
        }
        tokio::time::sleep(STAFF_CHECK_INTERVAL).await;
    }
}

fn member(
    api: &Api,
    network: &SampleNetwork,
    email: &str,
    steps: &HashMap<String, u64>,
) -> Result<Arc<Staff>, CallError> {
    let totp = network.totp_secret(email);
    let staff = Staff::new(api.clone(), email, SAMPLE_PASSWORD, &totp, network.signing_pin(email))?;
    Ok(Arc::new(staff.used_up_to(steps.get(email).copied().unwrap_or(0))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_any_hour_there_are_doctors_of_many_departments_and_the_absent_stay_away() {
        let start = chrono::DateTime::from_timestamp(1_795_000_000, 0).unwrap();
        let network = SampleNetwork::plan(1, 0, start);
        for hour in 0..24 {
            let now = start + TimeDelta::hours(hour);
            let ends = on_shift(&network, now);
            let all = choose_doctors(&network, &ends, now, &HashSet::new());
            assert_eq!(all.len(), GENERAL_PRACTITIONERS + SPECIALISTS, "hour {hour}");
            let english = all.iter().filter(|doctor| speaks_english(doctor));
            assert!(english.count() > 0, "hour {hour}");
            let absent = HashSet::from([all[0].email.clone()]);
            let others = choose_doctors(&network, &ends, now, &absent);
            assert!(others.iter().all(|doctor| doctor.email != all[0].email));
            let pharmacists = network.pharmacists.iter().filter(|one| ends.contains_key(&one.email));
            assert!(pharmacists.count() > PHARMACISTS, "hour {hour}");
        }
    }
}
