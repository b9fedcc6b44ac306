//! The sample network: an invented city for demonstrations, load trials and tests.
//! The stations are spread over the real districts of Yantai; every name, number
//! and person is invented and marked as a sample.
//!
//! It only plans records of `domain::network`; it never writes them anywhere,
//! reads no clock and opens no file. The same seed and instant give the same
//! network, so that two machines agree on a worker's PIN without communicating.
//!
//! DEMO ONLY: all sample staff share one published password, and every secret
//! here can be derived by anyone who knows the seed. A deployment that serves
//! people must never load it.

pub mod catalogue;
mod geography;
mod names;
mod roster;
pub mod secrets;
mod staff;
mod stock;
mod workers;

use domain::{
    matching::Department,
    network::{CabinetRecord, EmployerRecord, HospitalRecord, StationRecord, WorkerRecord},
    prescription::CabinetLane,
    staff::{ShiftRecord, StaffRecord, role::Role},
    stock::record::StockRecord,
    time::{Timestamp, civil_day, to_micros},
    words::Language,
};

pub use secrets::{SAMPLE_PASSWORD, SAMPLE_PASSWORD_HASH};
pub(crate) use stock::SLOT_CAPACITY;

/// Workers of a sample network, unless more are asked for.
pub const DEFAULT_WORKERS: usize = 22_500;
/// Workers of the first city, the most that a sample network holds.
pub const MOST_WORKERS: usize = 225_000;

/// A planned network. Workers, stock and shifts are generated on demand: they are
/// many, and are fully determined by this struct.
#[derive(Debug, Clone, PartialEq)]
pub struct SampleNetwork {
    /// All data is derived from it.
    pub seed: u64,
    /// The instant of planning: ages, licences and expiries count from its civil day.
    pub planned_at: Timestamp,
    /// 226 stations.
    pub stations: Vec<StationRecord>,
    /// One cabinet for each station, in the same order.
    pub cabinets: Vec<CabinetRecord>,
    /// 300 hospitals of three tiers.
    pub hospitals: Vec<HospitalRecord>,
    /// 40 employers.
    pub employers: Vec<EmployerRecord>,
    /// 1,200 doctors.
    pub doctors: Vec<StaffRecord>,
    /// 60 pharmacists.
    pub pharmacists: Vec<StaffRecord>,
    /// 24 restockers.
    pub restockers: Vec<StaffRecord>,
    /// 3 operators.
    pub operators: Vec<StaffRecord>,
    /// One safety officer for each employer, in the same order.
    pub safety_officers: Vec<StaffRecord>,
    worker_count: usize,
}

/// The departments of a sample doctor, the main one first.
pub fn departments(doctor: &StaffRecord) -> &[Department] {
    doctor.doctor.as_ref().map_or(&[], |doctor| &doctor.departments)
}

pub(crate) fn speaks_english(doctor: &StaffRecord) -> bool {
    doctor.doctor.as_ref().is_some_and(|doctor| doctor.languages.contains(&Language::English))
}

impl SampleNetwork {
    /// Plans a network as of `now` with `workers` workers, [`MOST_WORKERS`] at most.
    pub fn plan(seed: u64, workers: usize, now: Timestamp) -> Self {
        let today = civil_day(now);
        let stations = geography::stations(seed);
        let cabinets = stations
            .iter()
            .map(|station| CabinetRecord {
                station_code: station.code.clone(),
                lane: CabinetLane::InstitutionDispense,
            })
            .collect();
        let hospitals = staff::hospitals(seed);
        let employers = workers::employers(seed);
        Self {
            seed,
            planned_at: to_micros(now),
            cabinets,
            stations,
            doctors: staff::doctors(seed, &hospitals, today),
            hospitals,
            pharmacists: staff::pharmacists(seed, today),
            restockers: staff::plain(seed, Role::Restocker, 24, "restocker"),
            operators: staff::plain(seed, Role::Operator, 3, "operator"),
            safety_officers: staff::safety_officers(seed, &employers),
            employers,
            worker_count: workers.min(MOST_WORKERS),
        }
    }

    /// Staff of every role.
    pub fn staff(&self) -> impl Iterator<Item = &StaffRecord> {
        let others = [&self.safety_officers, &self.pharmacists, &self.restockers, &self.operators];
        self.doctors.iter().chain(others.into_iter().flatten())
    }

    /// How many workers the network has.
    pub fn worker_count(&self) -> usize {
        self.worker_count
    }

    /// The worker at `index`, from 0. The same index is the same person in a
    /// larger plan, so that a network can grow in place.
    pub fn worker(&self, index: usize) -> WorkerRecord {
        workers::Maker::new(self.seed, civil_day(self.planned_at)).worker(index)
    }

    /// All workers, generated one by one, so that 225,000 are never in memory at once.
    pub fn workers(&self) -> impl ExactSizeIterator<Item = WorkerRecord> + use<> {
        let maker = workers::Maker::new(self.seed, civil_day(self.planned_at));
        (0..self.worker_count).map(move |index| maker.worker(index))
    }

    /// The stock of every cabinet: 40 slots each, filled from `product_codes`, the most
    /// common first. The first eight are in two slots of different lots each, so that
    /// the order of expiry matters. Empty if no code is given.
    pub fn stock(&self, product_codes: &[String]) -> impl Iterator<Item = StockRecord> {
        stock::fill(self, product_codes)
    }

    /// The shifts of doctors and pharmacists that touch `[from, to)`. A shift
    /// depends on the seed and its day alone: a later call repeats the same
    /// starts, so topping up a roster is an insert that skips what is there.
    pub fn shifts(&self, from: Timestamp, to: Timestamp) -> Vec<ShiftRecord> {
        roster::shifts(self, from, to)
    }

    /// The TOTP secret of a sample member of staff (SHA-1, 6 digits, 30 s as usual).
    pub fn totp_secret(&self, email: &str) -> [u8; 20] {
        secrets::totp_secret(self.seed, email)
    }

    /// The six-digit signing PIN of a sample doctor or pharmacist.
    pub fn signing_pin(&self, email: &str) -> String {
        secrets::signing_pin(self.seed, email)
    }

    /// The Ed25519 seed of a sample station's key.
    pub fn station_device_seed(&self, station_code: &str) -> [u8; 32] {
        secrets::station_device_seed(self.seed, station_code)
    }

    /// The Ed25519 seed of a sample cabinet's key.
    pub fn cabinet_device_seed(&self, station_code: &str) -> [u8; 32] {
        secrets::cabinet_device_seed(self.seed, station_code)
    }
}

#[cfg(test)]
mod tests;
