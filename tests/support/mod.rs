//! What the integration tests are written with.
//!
//! `TestApp` is a running server with a clock that the test moves. `seed` puts a small
//! network into it, whose people and machines are named as the domain names them:
//! `app.station()`, `app.doctor()`, `app.cabinet()`. Their methods are the verbs of the
//! API and return an `Answer`, which is checked with `expect_ok`, `expect_created` or
//! `expect_refused`:
//!
//! ```ignore
//! let app = TestApp::open().await;
//! let (station, doctor) = (app.station().await, app.doctor().await);
//! let worker = station.check_in(Worker::adult()).await;
//! let consultation = doctor.consult_with(&worker).await;
//! doctor.prescribe(&consultation, &["AMX-C500"]).await.expect_created();
//! ```

mod answer;
mod approved;
pub mod authority;
mod caller;
pub mod care;
pub mod counter;
pub mod crowd;
mod doctor;
pub mod engines;
pub mod harness;
pub mod logs;
pub mod machine;
mod operator;
mod people;
mod pharmacist;
pub mod phones;
pub mod places;
pub mod prescribing;
pub mod redis;
pub mod rush;
pub mod screen;
pub mod seed;
pub mod smtp;
mod station;
mod stock;
mod tokens;
pub mod vending;
pub mod waiting;
pub mod worker;

pub use answer::{Answer, Code};
pub use caller::{Caller, id_in};
pub use doctor::Doctor;
pub use harness::TestApp;
pub use machine::CabinetMachine;
pub use pharmacist::Pharmacist;
pub use station::Station;
pub use worker::{Worker, WorkerAtStation, over_the_counter};
