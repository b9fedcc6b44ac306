//! What goes backward in care reaches its end all the same: consultations that
//! go back to the queue, people who leave, and turns between hospitals.

mod fairness;
mod ghosts;
mod requeued;

use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::{
    harness::{Answer, TestApp},
    seed::{Person, Seed},
};
use crypto::{
    device::DeviceKey,
    tokens::{Claims, Role},
};
use domain::ids::{DeviceId, StationId};
use service::{Actor, Failure};
use storage::{network as store, sql_types::At};

/// A station's screen.
pub struct Screen {
    pub station: StationId,
    pub device: DeviceId,
}

/// Somebody at a screen.
pub struct Guest {
    pub token: String,
}

impl TestApp {
    /// One more station, with an enrolled screen.
    pub async fn open_screen(&self) -> Screen {
        let (station, device) = (StationId::generate(), DeviceId::generate());
        let key = DeviceKey::generate().expect("a key");
        self.keys.keep(device, &key);
        let public_key = key.public_key().to_string();
        self.state
            .write(Actor::System, move |tx| -> Result<(), Failure> {
                let created_at = At(tx.now);
                store::stations_add(
                    tx.conn,
                    &[store::NewStation {
                        id: station,
                        code: format!("screen-{station}"),
                        name_zh: "样例驿站".into(),
                        name_en: "Sample Station".into(),
                        district: "zhifu".into(),
                        latitude_e6: 37_540_000,
                        longitude_e6: 121_390_000,
                        encounter_lanes: "minor_ailment_pilot;consultation_only".into(),
                        created_at,
                    }],
                )?;
                Ok(store::devices_add(
                    tx.conn,
                    &[store::NewDevice {
                        id: device,
                        kind: "station".into(),
                        station_id: station,
                        cabinet_id: None,
                        epoch: 1,
                        public_key: public_key.clone(),
                        enrolled_at: created_at,
                    }],
                )?)
            })
            .await
            .expect("a screen");
        Screen { station, device }
    }

    /// A fresh token of a screen.
    pub fn token_of_screen(&self, screen: &Screen) -> String {
        let life = TimeDelta::seconds(300);
        let subject = screen.station.to_string();
        let mut claims = Claims::new(&self.state.policy.network, Role::Station, subject, self.now(), life);
        claims.device = Some(screen.device);
        claims.epoch = Some(1);
        claims.station = Some(screen.station);
        self.state.keys.tokens.issue(&claims).expect("a token")
    }

    /// Somebody without a card comes to this screen.
    pub async fn guest(&self, screen: &Screen, number: usize) -> Guest {
        let body = json!({"name": "样例乙", "phone": format!("155{number:08}"), "consent": true});
        let opened =
            self.post(&self.token_of_screen(screen), "/api/v1/check-ins/walk-in", body).await.expect(201);
        Guest { token: opened["access_token"].as_str().expect("a token").to_owned() }
    }

    /// A fresh token of a doctor of the seeded hospital.
    pub fn fresh(&self, seed: &Seed, doctor: &Person) -> Person {
        let token = self.staff_token(Role::Doctor, doctor.id, doctor.session, Some(seed.hospital), None);
        Person { token, ..doctor.clone() }
    }

    /// Whatever this doctor is offered now.
    pub async fn offers_to(&self, doctor: &Person) -> Vec<Value> {
        service::matching::offer_waiting(&self.state).await.expect("a round");
        let offers = self.get(&doctor.token, "/api/v1/offers").await.expect(200);
        offers["items"].as_array().expect("offers").clone()
    }

    pub async fn accepts(&self, doctor: &Person, offer: &Value) -> Answer {
        let path = format!("/api/v1/offers/{}/accept", offer["id"].as_str().expect("an offer"));
        self.post(&doctor.token, &path, json!({"fence": offer["fence"]})).await
    }

    pub async fn completes(&self, doctor: &Person, consultation: &str) -> Answer {
        let body = json!({"summary": "休息，多喝水", "diagnoses": []});
        self.post(&doctor.token, &format!("/api/v1/consultations/{consultation}/complete"), body).await
    }

    pub async fn duty_of(&self, doctor: &Person) -> (Value, Value) {
        let duty = self.get(&doctor.token, "/api/v1/duty").await.expect(200);
        (duty["presence"].clone(), duty["live"].clone())
    }
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap_or_else(|| panic!("no {name} in {value}"))
}
