//! The small network: one station with a cabinet, one hospital, two doctors, a
//! pharmacist, an operator, a restocker, a safety officer and one worker with a
//! card. Its people are signed in already; `staff_tokens` tests how they sign in.

use std::sync::Arc;

use chrono::NaiveDate;
use diesel::prelude::*;

pub use super::people::{PASSWORD, Person, SIGNING_PIN, pharmacist_licence};
use super::{TestApp, places};
use crypto::{blind::BlindField, device::DeviceKey, pin::PinSalt};
use domain::{
    ids::{CabinetId, DeviceId, EmployerId, HospitalId, StationId, WorkerId},
    network::{Job, Sex},
    prescription::CabinetLane,
    staff::role::{Kind, Part, Role},
    words::Language,
};
use service::{Actor, Failure, Tx};
use storage::{
    network::{self as store, worker as workers},
    on_backend,
    schema::worker,
    sql_types::At,
};

/// Card number and PIN of the worker.
pub const CARD: &str = "990000000019";
pub const PIN: &str = "482913";

#[derive(Clone)]
pub struct Seed {
    pub station: StationId,
    pub station_device: DeviceId,
    pub station_key: DeviceKey,
    pub station_token: String,
    pub cabinet: CabinetId,
    pub cabinet_device: DeviceId,
    pub cabinet_key: DeviceKey,
    pub cabinet_token: String,
    pub hospital: HospitalId,
    pub employer: EmployerId,
    pub worker: WorkerId,
    pub doctor: Person,
    pub doctor_b: Person,
    pub pharmacist: Person,
    pub operator: Person,
    pub restocker: Person,
    pub safety_officer: Person,
    /// Somebody of each role of staff that has no name above.
    pub others: Vec<Person>,
}

impl Seed {
    /// A token of this role; a worker's comes from a check-in.
    pub fn token<'s>(&'s self, role: Role, worker: &'s str) -> &'s str {
        let named = [&self.doctor, &self.pharmacist, &self.operator, &self.restocker, &self.safety_officer];
        match role.kind() {
            Kind::Screen => &self.station_token,
            Kind::CheckIn => worker,
            Kind::Cabinet => &self.cabinet_token,
            Kind::Staff(_) => {
                let person = named.into_iter().chain(&self.others).find(|person| person.role == role);
                &person.expect("somebody of every role").token
            }
        }
    }
}

impl TestApp {
    /// The small network; the first call makes it.
    pub async fn network(&self) -> &Seed {
        let cell = Arc::as_ref(&self.network);
        cell.get_or_init(|| self.plant()).await
    }

    /// A copy of the small network, with the tokens that were issued when it was made.
    pub async fn seed(&self) -> Seed {
        self.network().await.clone()
    }

    async fn plant(&self) -> Seed {
        let (screen, machine) = (self.new_device(), self.new_device());
        let devices = (screen.clone(), machine.clone());
        let (station, cabinet) = (StationId::generate(), CabinetId::generate());
        let (hospital, employer, worker) =
            (HospitalId::generate(), EmployerId::generate(), WorkerId::generate());
        self.state
            .write(Actor::System, move |tx| {
                add_organisations(tx, hospital, employer)?;
                let place = places::Place {
                    encounter_lanes: "follow_up_with_evidence;minor_ailment_pilot;consultation_only",
                    ..places::Place::nearby("zhifu-01".into())
                };
                places::add_station(tx, station, &place)?;
                places::add_cabinet(tx, cabinet, station, CabinetLane::InstitutionDispense)?;
                places::add_device(tx, &devices.0, station, None)?;
                places::add_device(tx, &devices.1, station, Some(cabinet))?;
                add_worker(tx, worker, employer)
            })
            .await
            .expect("seeded");
        let mut seed = Seed {
            station,
            station_device: screen.id,
            station_key: screen.key,
            station_token: self.screen_token(station, screen.id),
            cabinet,
            cabinet_device: machine.id,
            cabinet_key: machine.key,
            cabinet_token: String::new(),
            hospital,
            employer,
            worker,
            doctor: self.person(Role::Doctor, "doctor-a@example.cn", Some(hospital), None).await,
            doctor_b: self.person(Role::Doctor, "doctor-b@example.cn", Some(hospital), None).await,
            pharmacist: self.person(Role::Pharmacist, "pharmacist@example.cn", None, None).await,
            operator: self.person(Role::Operator, "operator@example.cn", None, None).await,
            restocker: self.person(Role::Restocker, "restocker@example.cn", None, None).await,
            safety_officer: self.person(Role::Employer, "safety@example.cn", None, Some(employer)).await,
            others: Vec::new(),
        };
        let named = [Role::Doctor, Role::Pharmacist, Role::Operator, Role::Restocker, Role::Employer];
        for role in Role::STAFF.iter().filter(|role| !named.contains(role)) {
            let has = |part| role.staff().is_some_and(|staff| staff.has(part));
            let (hospital, employer) =
                (has(Part::Hospital).then_some(hospital), has(Part::Employer).then_some(employer));
            seed.others.push(self.person(*role, &format!("{role}@example.cn"), hospital, employer).await);
        }
        seed.cabinet_token = self.cabinet_token(&seed);
        seed
    }

    /// Checks the seeded worker in and returns their token.
    pub async fn check_in(&self, seed: &Seed) -> String {
        let body = serde_json::json!({"card_number": CARD, "pin": PIN});
        let opened = self.post(&seed.station_token, "/api/v1/check-ins", body).await.expect_created();
        opened["access_token"].as_str().expect("a token").to_owned()
    }
}

fn add_organisations(tx: &mut Tx<'_>, hospital: HospitalId, employer: EmployerId) -> Result<(), Failure> {
    let created_at = At(tx.now);
    let hospital = store::NewHospital {
        id: hospital,
        code: "hospital-1".into(),
        name_zh: "样例医院".into(),
        name_en: "Sample Hospital".into(),
        district: "zhifu".into(),
        weight: 1,
        virtual_time: 0,
        created_at,
    };
    store::hospitals_add(tx.conn, &[hospital])?;
    let employer = store::NewEmployer {
        id: employer,
        code: "employer-1".into(),
        name_zh: "样例快递".into(),
        name_en: "Sample Couriers".into(),
        created_at,
    };
    Ok(store::employers_add(tx.conn, &[employer])?)
}

impl TestApp {
    /// The seeded worker's `sex` or `birth_date` is not known.
    pub async fn forget_who(&self, seed: &Seed, fact: &'static str) {
        let row = worker::table.find(seed.worker);
        let forgotten = self.state.write(Actor::System, move |tx| -> Result<(), Failure> {
            if fact == "sex" {
                on_backend!(tx.conn, c => diesel::update(row).set(worker::sex.eq(None::<Sex>)).execute(c))?;
            } else {
                let none = worker::birth_date.eq(None::<NaiveDate>);
                on_backend!(tx.conn, c => diesel::update(row).set(none).execute(c))?;
            }
            Ok(())
        });
        forgotten.await.expect("forgotten");
    }
}

/// A man born in 1990, a courier, who has consented to care.
fn add_worker(tx: &mut Tx<'_>, worker: WorkerId, employer: EmployerId) -> Result<(), Failure> {
    let (app, salt) = (tx.app, PinSalt::generate());
    let row = workers::NewWorker {
        id: worker,
        card_index: Some(app.keys.blind.of(BlindField::CardNumber, CARD).to_vec()),
        name_sealed: app.seal("worker", "name_sealed", worker, "样例工人甲")?,
        phone_sealed: app.seal("worker", "phone_sealed", worker, "15400000001")?,
        phone_index: app.keys.blind.of(BlindField::Phone, "15400000001").to_vec(),
        pin_salt: Some(salt.0.to_vec()),
        pin_mac: Some(app.keys.worker_pins.mac(&salt, PIN).to_vec()),
        pin_failures: 0,
        birth_date: NaiveDate::from_ymd_opt(1990, 5, 1),
        sex: Some(Sex::Male),
        job: Some(Job::Courier),
        employer_id: Some(employer),
        language: Language::Chinese,
        created_at: At(tx.now),
    };
    workers::worker_add(tx.conn, &row)?;
    workers::consent_grant(tx.conn, worker, "health_care", None, tx.now)?;
    Ok(())
}
