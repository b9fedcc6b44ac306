//! Members of staff.

use chrono::{NaiveDate, TimeDelta};
use serde_json::{Value, json};

use super::TestApp;
use crypto::{pin::PinSalt, tokens::Role, totp::TotpSecret};
use domain::{
    ids::{EmployerId, HospitalId, SessionId, ShiftId, StaffId},
    matching::{Department, presence::Presence},
};
use service::{Actor, Failure};
use storage::{network as store, sql_types::At};

pub const SIGNING_PIN: &str = "739154";
pub const PASSWORD: &str = "correct horse battery";

/// The licence of a pharmacist who is invited; each of `number` is another.
pub fn pharmacist_licence(number: &str) -> Value {
    json!({"licence_no": number, "licence_valid_until": "2030-01-01", "licence_verified": true})
}

/// A member of staff who is signed in.
#[derive(Debug, Clone)]
pub struct Person {
    pub id: StaffId,
    pub role: Role,
    pub hospital: Option<HospitalId>,
    pub employer: Option<EmployerId>,
    pub email: String,
    /// Issued when the person was added, valid for five minutes.
    pub token: String,
    pub session: SessionId,
    pub totp: Vec<u8>,
}

impl TestApp {
    /// Adds a member of staff, on shift for a day, and signs them in.
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
                if let Some(hospital_id) = hospital.filter(|_| role == Role::Doctor) {
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
                            video_capacity: 1,
                            presence: Presence::Off,
                            idle_since: At(tx.now),
                            live: 0,
                        }],
                    )?;
                    store::doctor_departments_add(
                        tx.conn,
                        &[store::NewDoctorDepartment {
                            doctor_id: id,
                            department: Department::GENERAL_PRACTICE,
                        }],
                    )?;
                }
                if role == Role::Pharmacist {
                    store::pharmacists_add(
                        tx.conn,
                        &[store::NewPharmacist {
                            staff_id: id,
                            licence_no: format!("SAMPLE-{mail}"),
                            licence_verified_at: Some(At(tx.now)),
                            licence_valid_until: NaiveDate::from_ymd_opt(2030, 1, 1).expect("a date"),
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
        let (email, totp) = (email.to_owned(), totp.expose_bytes().to_vec());
        Person { id, role, hospital, employer, email, token, session, totp }
    }

    /// Opens a signing window, as a one-time code would. Whoever has
    /// signed out has no session to open it in: then the answer is `false`.
    pub async fn open_signing_window(&self, person: &Person, minutes: i64) -> bool {
        let session = person.session;
        self.state
            .write(Actor::System, move |tx| -> Result<bool, Failure> {
                let until = tx.now + TimeDelta::minutes(minutes);
                Ok(storage::staff::session::signing_window_open(tx.conn, session, until)?)
            })
            .await
            .expect("written")
    }
}
