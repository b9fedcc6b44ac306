//! A station, as its screen: workers come there and leave.

use serde_json::{Value, json};

use super::{
    Answer, Caller, TestApp,
    places::{self, Place},
    seed::Seed,
    worker::{Worker, WorkerAtStation},
};
use domain::ids::{DeviceId, StationId};
use service::{Actor, Failure};

/// The enrolled screen of a station. Its tokens are always fresh.
#[derive(Clone, Copy)]
pub struct Station<'a> {
    app: &'a TestApp,
    pub id: StationId,
    pub device: DeviceId,
}

impl Caller for Station<'_> {
    fn app(&self) -> &TestApp {
        self.app
    }

    fn token(&self) -> String {
        self.app.screen_token(self.id, self.device)
    }
}

impl TestApp {
    /// The station of the small network.
    pub async fn station(&self) -> Station<'_> {
        self.station_of(self.network().await)
    }

    pub fn station_of(&self, seed: &Seed) -> Station<'_> {
        Station { app: self, id: seed.station, device: seed.station_device }
    }

    /// One more station, with an enrolled screen.
    pub async fn open_station(&self, place: Place) -> Station<'_> {
        self.open_station_as(StationId::generate(), place).await
    }

    /// One more station like the first; its code is `screen-` and its id.
    pub async fn open_screen(&self) -> Station<'_> {
        let id = StationId::generate();
        self.open_station_as(id, Place::nearby(format!("screen-{id}"))).await
    }

    async fn open_station_as(&self, id: StationId, place: Place) -> Station<'_> {
        let screen = self.new_device();
        let device = screen.id;
        self.state
            .write(Actor::System, move |tx| -> Result<(), Failure> {
                places::add_station(tx, id, &place)?;
                places::add_device(tx, &screen, id, None)
            })
            .await
            .expect("a station");
        Station { app: self, id, device }
    }

    pub fn token_of_screen(&self, station: &Station<'_>) -> String {
        station.token()
    }
}

impl<'a> Station<'a> {
    pub async fn try_check_in(&self, worker: &Worker) -> Answer {
        self.post(worker.path, worker.body.clone()).await
    }

    pub async fn check_in(&self, worker: Worker) -> WorkerAtStation<'a> {
        let opened = self.try_check_in(&worker).await.expect_created();
        self.opened(&opened)
    }

    /// Whoever the answer to a check-in is about.
    pub fn opened(&self, opened: &Value) -> WorkerAtStation<'a> {
        let text = |pointer: &str| {
            let found = opened.pointer(pointer).and_then(Value::as_str);
            found.unwrap_or_else(|| panic!("no {pointer} in {opened}")).to_owned()
        };
        WorkerAtStation {
            app: self.app,
            station: *self,
            id: text("/check_in/worker_id").parse().expect("an id"),
            check_in: text("/check_in/id").parse().expect("an id"),
            token: text("/access_token"),
        }
    }

    /// The worker touches "leave".
    pub async fn check_out(&self, worker: &WorkerAtStation<'_>) -> Answer {
        self.post(&format!("/api/v1/check-ins/{}/leave", worker.check_in), json!({})).await
    }

    /// The screen asks for a fresh token of whoever is checked in.
    pub async fn renew_token(&self, worker: &WorkerAtStation<'_>) -> Answer {
        self.post(&format!("/api/v1/check-ins/{}/token", worker.check_in), json!({})).await
    }
}
