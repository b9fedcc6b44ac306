//! A small network: one station with a cabinet, one hospital, two doctors, a
//! pharmacist, an operator, a restocker, a safety officer and one worker. Its
//! people are signed in already; how signing in works is told elsewhere.

use chrono::{NaiveDate, TimeDelta};

use crate::harness::TestApp;
use crypto::{
    blind::BlindField,
    device::DeviceKey,
    pin::PinSalt,
    tokens::{Claims, Role},
    totp::TotpSecret,
};
use domain::{
    ids::{CabinetId, DeviceId, EmployerId, HospitalId, SessionId, ShiftId, StaffId, StationId, WorkerId},
    matching::{Department, presence::Presence},
    network::Job,
    prescription::CabinetLane,
    words::Language,
};
use service::{Actor, Failure};
use storage::{network as store, sql_types::At};

pub const CARD: &str = "990000000019";
pub const PIN: &str = "482913";
pub const SIGNING_PIN: &str = "739154";
pub const PASSWORD: &str = "correct horse battery";

/// Somebody on the staff, signed in.
#[derive(Debug, Clone)]
pub struct Person {
    pub id: StaffId,
    pub email: String,
    pub token: String,
    pub session: SessionId,
    pub totp: Vec<u8>,
}

/// The small network.
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
}

impl TestApp {
    /// Fills the house with the small network.
    pub async fn seed(&self) -> Seed {
        let station_key = DeviceKey::generate().expect("a key");
        let cabinet_key = DeviceKey::generate().expect("a key");
        let (station, cabinet) = (StationId::generate(), CabinetId::generate());
        let (station_device, cabinet_device) = (DeviceId::generate(), DeviceId::generate());
        let (hospital, employer, worker) =
            (HospitalId::generate(), EmployerId::generate(), WorkerId::generate());
        let keys = (station_key.public_key().to_string(), cabinet_key.public_key().to_string());
        self.keys.keep(station_device, &station_key);
        self.keys.keep(cabinet_device, &cabinet_key);
        self.state
            .write(Actor::System, move |tx| {
                let created_at = At(tx.now);
                store::hospitals_add(
                    tx.conn,
                    &[store::NewHospital {
                        id: hospital,
                        code: "hospital-1".into(),
                        name_zh: "样例医院".into(),
                        name_en: "Sample Hospital".into(),
                        district: "zhifu".into(),
                        weight: 1,
                        virtual_time: 0,
                        created_at,
                    }],
                )?;
                store::employers_add(
                    tx.conn,
                    &[store::NewEmployer {
                        id: employer,
                        code: "employer-1".into(),
                        name_zh: "样例快递".into(),
                        name_en: "Sample Couriers".into(),
                        created_at,
                    }],
                )?;
                store::stations_add(
                    tx.conn,
                    &[store::NewStation {
                        id: station,
                        code: "zhifu-01".into(),
                        name_zh: "样例驿站".into(),
                        name_en: "Sample Station".into(),
                        district: "zhifu".into(),
                        latitude_e6: 37_540_000,
                        longitude_e6: 121_390_000,
                        encounter_lanes: "follow_up_with_evidence;minor_ailment_pilot;consultation_only"
                            .into(),
                        created_at,
                    }],
                )?;
                store::cabinets_add(
                    tx.conn,
                    &[store::NewCabinet {
                        id: cabinet,
                        station_id: station,
                        lane: CabinetLane::InstitutionDispense,
                        epoch: 1,
                        acked_seq: 0,
                        journal_head: "00".repeat(32),
                        door_open: false,
                        tampered: false,
                        created_at,
                    }],
                )?;
                let device = |id, kind: &str, cabinet_id, public_key| store::NewDevice {
                    id,
                    kind: kind.into(),
                    station_id: station,
                    cabinet_id,
                    epoch: 1,
                    public_key,
                    enrolled_at: created_at,
                };
                store::devices_add(
                    tx.conn,
                    &[
                        device(station_device, "station", None, keys.0.clone()),
                        device(cabinet_device, "cabinet", Some(cabinet), keys.1.clone()),
                    ],
                )?;
                let salt = PinSalt::generate();
                let app = tx.app;
                storage::network::worker::worker_add(
                    tx.conn,
                    &storage::network::worker::NewWorker {
                        id: worker,
                        card_index: Some(app.keys.blind.of(BlindField::CardNumber, CARD).to_vec()),
                        name_sealed: app.seal("worker", "name_sealed", worker, "样例工人甲")?,
                        phone_sealed: app.seal("worker", "phone_sealed", worker, "15400000001")?,
                        phone_index: app.keys.blind.of(BlindField::Phone, "15400000001").to_vec(),
                        pin_salt: Some(salt.0.to_vec()),
                        pin_mac: Some(app.keys.worker_pins.mac(&salt, PIN).to_vec()),
                        pin_failures: 0,
                        birth_date: NaiveDate::from_ymd_opt(1990, 5, 1),
                        sex: None,
                        job: Some(Job::Courier),
                        employer_id: Some(employer),
                        language: Language::Chinese,
                        created_at,
                    },
                )?;
                storage::network::worker::consent_grant(tx.conn, worker, "health_care", None, tx.now)?;
                Ok(())
            })
            .await
            .expect("seeded");
        let token = |role, subject: String, device: Option<DeviceId>| {
            let mut claims =
                Claims::new(&self.state.policy.network, role, subject, self.now(), TimeDelta::seconds(300));
            claims.device = device;
            claims.epoch = device.map(|_| 1);
            claims.station = Some(station);
            self.state.keys.tokens.issue(&claims).expect("a token")
        };
        Seed {
            station,
            station_device,
            station_token: token(Role::Station, station.to_string(), Some(station_device)),
            station_key,
            cabinet,
            cabinet_device,
            cabinet_token: token(Role::Cabinet, cabinet.to_string(), Some(cabinet_device)),
            cabinet_key,
            hospital,
            employer,
            worker,
            doctor: self.person(Role::Doctor, "doctor-a@example.cn", Some(hospital), None).await,
            doctor_b: self.person(Role::Doctor, "doctor-b@example.cn", Some(hospital), None).await,
            pharmacist: self.person(Role::Pharmacist, "pharmacist@example.cn", None, None).await,
            operator: self.person(Role::Operator, "operator@example.cn", None, None).await,
            restocker: self.person(Role::Restocker, "restocker@example.cn", None, None).await,
            safety_officer: self.person(Role::Employer, "safety@example.cn", None, Some(employer)).await,
        }
    }

    /// Adds somebody to the staff, on shift for a day, and signs them in.
    pub async fn person(
        &self,
        role: Role,
        email: &str,
        hospital: Option<HospitalId>,
        employer: Option<EmployerId>,
    ) -> Person {
        static HASH: std::sync::OnceLock<String> = std::sync::OnceLock::new();
        let hash = HASH.get_or_init(|| crypto::password::hash(PASSWORD).expect("a hash")).clone();
        let (id, session) = (StaffId::generate(), SessionId::generate());
        let totp = TotpSecret::generate();
        let secret = totp.expose_bytes().to_vec();
        let mail = email.to_owned();
        self.state
            .write(Actor::System, move |tx| -> Result<(), Failure> {
                let salt = PinSalt::generate();
                let place_network = tx.app.policy.network.clone();
                let place = crypto::seal::FieldPlace::of(&place_network, "staff", "totp_sealed", id);
                store::staff_add(
                    tx.conn,
                    &[store::NewStaff {
                        id,
                        role,
                        email: mail.clone(),
                        name_zh: format!("样例{role}"),
                        name_en: format!("Sample {role}"),
                        hospital_id: hospital,
                        employer_id: employer,
                        password_hash: Some(hash.clone()),
                        totp_sealed: Some(tx.app.keys.sealer.seal(&place, &secret)?),
                        totp_step: 0,
                        pin_salt: Some(salt.0.to_vec()),
                        pin_mac: Some(tx.app.keys.staff_pins.mac(&salt, SIGNING_PIN).to_vec()),
                        pin_failures: 0,
                        created_at: At(tx.now),
                    }],
                )?;
                if let Some(hospital_id) = hospital {
                    store::doctors_add(
                        tx.conn,
                        &[store::NewDoctor {
                            staff_id: id,
                            hospital_id,
                            licence_no: format!("SAMPLE-{mail}"),
                            licence_verified_at: Some(At(tx.now)),
                            licence_valid_until: NaiveDate::from_ymd_opt(2030, 1, 1).expect("a date"),
                            practising_since: NaiveDate::from_ymd_opt(2010, 1, 1).expect("a date"),
                            languages: "zh;en".into(),
                            capacity: 2,
                            presence: Presence::Off,
                            idle_since: At(tx.now),
                            live: 0,
                        }],
                    )?;
                    store::doctor_departments_add(
                        tx.conn,
                        &[store::NewDoctorDepartment {
                            doctor_id: id,
                            department: Department::GeneralPractice,
                        }],
                    )?;
                }
                store::shifts_insert(
                    tx.conn,
                    &[store::NewShift {
                        id: ShiftId::generate(),
                        staff_id: id,
                        starts_at: At(tx.now - TimeDelta::hours(1)),
                        ends_at: At(tx.now + TimeDelta::hours(24)),
                    }],
                )?;
                storage::authority::session_open(tx.conn, session, id, tx.now)?;
                Ok(())
            })
            .await
            .expect("a person");
        let token = self.staff_token(role, id, session, hospital, employer);
        Person { id, email: email.to_owned(), token, session, totp: totp.expose_bytes().to_vec() }
    }

    /// A fresh access token for a member of staff who is signed in.
    pub fn staff_token(
        &self,
        role: Role,
        id: StaffId,
        session: SessionId,
        hospital: Option<HospitalId>,
        employer: Option<EmployerId>,
    ) -> String {
        let mut claims =
            Claims::new(&self.state.policy.network, role, id, self.now(), TimeDelta::seconds(300));
        claims.session = Some(session);
        claims.session_version = Some(1);
        claims.hospital = hospital;
        claims.employer = employer;
        self.state.keys.tokens.issue(&claims).expect("a token")
    }

    /// Checks the seeded worker in and gives their token.
    pub async fn check_in(&self, seed: &Seed) -> String {
        let body = serde_json::json!({"card_number": CARD, "pin": PIN});
        let opened = self.post(&seed.station_token, "/api/v1/check-ins", body).await.expect(201);
        opened["access_token"].as_str().expect("a token").to_owned()
    }
}
