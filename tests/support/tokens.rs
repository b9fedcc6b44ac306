//! Access tokens without signing in: always fresh, valid for five minutes.

use chrono::TimeDelta;

use super::{TestApp, people::Person, seed::Seed};
use crypto::tokens::{Claims, Role};
use domain::ids::{CheckInId, DeviceId, EmployerId, HospitalId, SessionId, StaffId, StationId, WorkerId};
use service::Actor;

impl TestApp {
    fn claims(&self, role: Role, subject: impl ToString) -> Claims {
        let life = TimeDelta::seconds(300);
        Claims::new(&self.state.policy.network, role, subject.to_string(), self.now(), life)
    }

    fn issued(&self, claims: &Claims) -> String {
        self.state.keys.tokens.issue(claims).expect("a token")
    }

    /// Who calls with this token.
    pub fn caller(&self, token: &str) -> Actor {
        let network = &self.state.policy.network;
        let token = self.state.keys.verify_access(token, network, self.now()).expect("a valid token");
        Actor::of(&token).expect("a whole token")
    }

    /// Of a member of staff in a session of theirs.
    pub fn staff_token(
        &self,
        role: Role,
        id: StaffId,
        session: SessionId,
        hospital: Option<HospitalId>,
        employer: Option<EmployerId>,
    ) -> String {
        let mut claims = self.claims(role, id);
        claims.session = Some(session);
        claims.session_version = Some(1);
        claims.hospital = hospital;
        claims.employer = employer;
        self.issued(&claims)
    }

    pub fn token_of(&self, person: &Person) -> String {
        self.staff_token(person.role, person.id, person.session, person.hospital, person.employer)
    }

    pub fn operator_token(&self, seed: &Seed) -> String {
        self.token_of(&seed.operator)
    }

    /// Of a worker in a check-in of theirs.
    pub fn worker_token(&self, worker: WorkerId, check_in: CheckInId, station: StationId) -> String {
        let mut claims = self.claims(Role::Worker, worker);
        claims.check_in = Some(check_in);
        claims.station = Some(station);
        self.issued(&claims)
    }

    fn device_token(
        &self,
        role: Role,
        subject: impl ToString,
        (device, epoch): (DeviceId, i64),
        station: StationId,
    ) -> String {
        let mut claims = self.claims(role, subject);
        claims.device = Some(device);
        claims.epoch = Some(epoch);
        claims.station = Some(station);
        self.issued(&claims)
    }

    /// Of the screen at any station.
    pub fn screen_token(&self, station: StationId, device: DeviceId) -> String {
        self.device_token(Role::Station, station, (device, 1), station)
    }

    pub fn station_token(&self, seed: &Seed) -> String {
        self.screen_token(seed.station, seed.station_device)
    }

    pub fn cabinet_token(&self, seed: &Seed) -> String {
        self.token_of_cabinet(seed, seed.cabinet_device, 1)
    }

    /// Of the cabinet, enrolled as another device.
    pub fn token_of_cabinet(&self, seed: &Seed, device: DeviceId, epoch: i64) -> String {
        self.device_token(Role::Cabinet, seed.cabinet, (device, epoch), seed.station)
    }
}
