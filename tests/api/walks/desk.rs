//! A member of staff at work, who signs in again when their session is old.

use chrono::TimeDelta;

use crate::{harness::TestApp, seed::Person};
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
    pub fn of(app: &TestApp, person: &Person, role: Role, hospital: Option<HospitalId>) -> Self {
        Self { person: person.clone(), role, hospital, since: app.now() }
    }

    /// With a session of its own; how signing in works is shown elsewhere.
    pub async fn sign_in(&mut self, app: &TestApp) {
        let (session, id) = (SessionId::generate(), self.person.id);
        app.state
            .write(Actor::System, move |tx| -> Result<(), Failure> {
                Ok(storage::authority::session_open(tx.conn, session, id, tx.now)?)
            })
            .await
            .expect("signed in");
        (self.person.session, self.since) = (session, app.now());
    }

    /// A fresh token.
    pub async fn token(&mut self, app: &TestApp) -> String {
        if app.now() - self.since > TimeDelta::hours(1) {
            self.sign_in(app).await;
        }
        self.present_token(app)
    }

    /// A fresh token of the session that there is, old or not.
    pub fn present_token(&self, app: &TestApp) -> String {
        app.staff_token(self.role, self.person.id, self.person.session, self.hospital, None)
    }

    /// Opens the signing window, as a one-time code would.
    pub async fn open_window(&self, app: &TestApp) {
        let session = self.person.session;
        app.state
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
