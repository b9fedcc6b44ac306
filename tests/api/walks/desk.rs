//! A member of staff at work, who signs in again when their session is old.

use chrono::TimeDelta;

use crate::{harness::TestHouse, seed::Person};
use crypto::tokens::Role;
use domain::{
    ids::{HospitalId, SessionId},
    time::Timestamp,
};
use service::{Actor, Failure};

pub struct Desk {
    pub person: Person,
    role: Role,
    hospital: Option<HospitalId>,
    since: Timestamp,
}

impl Desk {
    pub fn of(house: &TestHouse, person: &Person, role: Role, hospital: Option<HospitalId>) -> Self {
        Self { person: person.clone(), role, hospital, since: house.now() }
    }

    /// With a session of its own; how signing in works is shown elsewhere.
    pub async fn sign_in(&mut self, house: &TestHouse) {
        let (session, id) = (SessionId::generate(), self.person.id);
        house
            .house
            .write(Actor::System, move |tx| -> Result<(), Failure> {
                Ok(storage::authority::session_open(tx.conn, session, id, tx.now)?)
            })
            .await
            .expect("signed in");
        (self.person.session, self.since) = (session, house.now());
    }

    /// A fresh token.
    pub async fn token(&mut self, house: &TestHouse) -> String {
        if house.now() - self.since > TimeDelta::hours(1) {
            self.sign_in(house).await;
        }
        self.present_token(house)
    }

    /// A fresh token of the session that there is, old or not.
    pub fn present_token(&self, house: &TestHouse) -> String {
        house.staff_token(self.role, self.person.id, self.person.session, self.hospital, None)
    }

    /// Opens the signing window, as a one-time code would.
    pub async fn open_window(&self, house: &TestHouse) {
        let session = self.person.session;
        house
            .house
            .write(Actor::System, move |tx| -> Result<(), Failure> {
                let until = tx.now + TimeDelta::minutes(5);
                // Whoever has signed out opens nothing.
                storage::staff::session::signing_window_open(tx.conn, session, until)?;
                Ok(())
            })
            .await
            .expect("a signing window");
    }
}
