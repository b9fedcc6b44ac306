//! A member of staff at work, who signs in again when the session is old.

use chrono::TimeDelta;

use crate::support::{TestApp, seed::Person};
use domain::{ids::SessionId, time::Timestamp};
use service::{Actor, Failure};

pub struct Desk {
    pub person: Person,
    signed_in_at: Timestamp,
}

impl Desk {
    pub fn of(app: &TestApp, person: &Person) -> Self {
        Self { person: person.clone(), signed_in_at: app.now() }
    }

    /// Opens a new session; how signing in works is tested elsewhere.
    pub async fn sign_in(&mut self, app: &TestApp) {
        let (session, id) = (SessionId::generate(), self.person.id);
        app.state
            .write(Actor::System, move |tx| -> Result<(), Failure> {
                Ok(storage::authority::session_open(tx.conn, session, id, tx.now)?)
            })
            .await
            .expect("signed in");
        (self.person.session, self.signed_in_at) = (session, app.now());
    }

    /// A fresh token, of a new session if this one is older than an hour.
    pub async fn token(&mut self, app: &TestApp) -> String {
        if app.now() - self.signed_in_at > TimeDelta::hours(1) {
            self.sign_in(app).await;
        }
        app.token_of(&self.person)
    }

    /// Opens the signing window, unless the person has signed out.
    pub async fn open_window(&self, app: &TestApp) {
        app.open_signing_window(&self.person, 5).await;
    }
}
