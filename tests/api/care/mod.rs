//! Consultations that go back to the queue, people who leave, and the turns of
//! hospitals: all of them reach an end.

mod called;
mod colleagues;
mod fairness;
mod ghosts;
mod requeued;
mod transfers;
mod transfers_refused;
